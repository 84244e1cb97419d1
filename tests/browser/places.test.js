/* places.test.js: a run that is interrupted in one place and goes on in another: a checkpoint saved
 * in a browser's worker while it trains, resumed on Node's main thread, and the other way round;
 * other numbers of threads; equal bits. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GUARD, inPage, openBrowser, withPage } from './setting.js';
import { EPOCHS, half, otherHalf, undisturbed } from './lives.js';

let browser;
let wanted;
before(async () => {
  browser = await openBrowser();
  wanted = await undisturbed({ mode: 'main' });
});
after(() => browser?.close());

const PLACES = {
  'a page, 3 threads': { threads: 3 },
  'a page, 1 thread': { threads: 1 },
  'a page, main thread': { mode: 'main' },
  'Node, main thread': { node: true, mode: 'main' },
  'Node, 2 threads': { node: true, threads: 2 },
};
const ROUTES = [
  ['a page, 3 threads', 'Node, main thread'],
  ['Node, main thread', 'a page, 3 threads'],
  ['a page, 1 thread', 'Node, 2 threads'],
  ['Node, 2 threads', 'a page, main thread'],
  ['a page, main thread', 'a page, 3 threads'],
];

for (const [from, to] of ROUTES) {
  test(`from ${from}, to ${to}`, GUARD, () =>
    withPage(browser, { isolated: true }, async ({ page }) => {
      const at = ({ node, ...options }, call, ...args) =>
        node ? { half, otherHalf }[call](...args, options) : inPage(page, call, ...args, options);
      const { bytes, still } = await at(PLACES[from], 'half');
      assert.equal(still, 'training', 'saved while it trained');
      const got = await at(PLACES[to], 'otherHalf', bytes);
      assert.equal(got.mode, PLACES[to].mode ?? 'worker');
      assert.ok(got.step > 0);
      assert.equal(got.history.length, EPOCHS.pictures);
      assert.deepEqual(got.history, wanted.history);
      assert.equal(got.hash, wanted.hash, 'the bits of an undisturbed run');
    }),
  );
}
