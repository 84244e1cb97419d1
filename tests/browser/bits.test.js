/* bits.test.js: the hashes of tests/bits in Chromium: in a module worker and on the page's thread,
 * in each deterministic variant, on any number of threads, sliced at every part or not, disturbed
 * or not (in the ways of tests/bits/ways.js), against what Node's main thread computes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PROBLEMS, isShared, isSmall } from '../bits/problems.js';
import { connectMain, train } from '../bits/train.js';
import { nameOf, waysOf } from '../bits/ways.js';
import { WHOLE } from '../soak/amounts.js';
import { GUARD, complaints, openBrowser, withPage } from './setting.js';

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser?.close());

const trainInPage = (page, way) =>
  page.evaluate(async (given) => (await import('/tests/bits/train.js')).trainInPage(given), way);

for (const problem of Object.keys(PROBLEMS)) {
  const ways = waysOf(problem, WHOLE, 1);
  for (const isolated of [false, true]) {
    const here = ways.filter(({ variant }) => (variant === 'simd-mt') === isolated);
    const title = `${problem}, ${isolated ? 'isolated' : 'not isolated'}: ${here.map(nameOf).join('; ')}`;
    test(title, GUARD, () =>
      withPage(browser, { isolated }, async ({ page, said }) => {
        const reference = await train(connectMain, { problem, variant: 'base' });
        for (const { place, ...way } of here) {
          const got = await trainInPage(page, { place, problem, ...way });
          const name = nameOf({ place, ...way });
          assert.equal(got.variant, way.variant, name);
          if (isShared(problem)) assert.equal(got.helpers, way.threads - 1, name);
          else if (isSmall(problem) && !way.disturbed) assert.equal(got.helpers, 0, name);
          assert.deepEqual(got.history, reference.history, name);
          assert.equal(got.hash, reference.hash, `final weights, ${name}`);
          if (way.sliced)
            assert.ok(
              got.slices > 10 * got.steps,
              `${name}: ${got.slices} slices in ${got.steps} steps`,
            );
          if (way.disturbed && way.sliced) assert.ok(got.pauses > 0, `${name}: it was paused`);
        }
        assert.deepEqual(complaints(said), []);
      }),
    );
  }
}
