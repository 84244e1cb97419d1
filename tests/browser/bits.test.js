/* bits.test.js: the hashes of tests/bits in Chromium: in a module worker and on the page's thread, in each deterministic
 * variant, on any number of threads, sliced at every part or not, disturbed or not, against what Node's main thread
 * computes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PROBLEMS, enginesOf, isShared, isSmall } from '../bits/problems.js';
import { connectMain, train } from '../bits/train.js';
import { GUARD, complaints, openBrowser, withPage } from './setting.js';

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser?.close());

const trainInPage = (page, connect, way) => page.evaluate(async ([name, given]) => {
  const all = await import('/tests/bits/train.js');
  return all.train(all[name], given);
}, [connect, way]);

for (const problem of Object.keys(PROBLEMS)) {
  for (const connect of ['connectMain', 'connectWebWorker']) {
    for (const engine of enginesOf(problem, connect === 'connectMain')) {
      const { variant, threads } = engine;
      const isolated = variant === 'simd-mt';
      test(`${problem}: ${connect}, ${variant}, ${threads} threads`, GUARD, () => withPage(browser, { isolated }, async ({ page, said }) => {
        const reference = await train(connectMain, { problem, variant: 'base' });
        for (const sliced of [false, true]) {
          for (const disturbed of [false, true]) {
            const got = await trainInPage(page, connect, { problem, ...engine, sliced, disturbed });
            const way = JSON.stringify({ sliced, disturbed });
            assert.equal(got.variant, variant);
            if (isShared(problem)) assert.equal(got.helpers, threads - 1);
            else if (isSmall(problem) && !disturbed) assert.equal(got.helpers, 0);
            assert.deepEqual(got.history, reference.history, way);
            assert.equal(got.hash, reference.hash, `final weights, ${way}`);
            if (sliced) assert.ok(got.slices > 10 * got.steps, `${got.slices} slices in ${got.steps} steps`);
            if (disturbed && sliced) assert.ok(got.pauses > 0, 'it was paused');
          }
        }
        assert.deepEqual(complaints(said), []);
      }));
    }
  }
}
