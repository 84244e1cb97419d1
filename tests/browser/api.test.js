/* api.test.js: the public API in Chromium: isolated and not, under the strict policy, from a server
 * that does not know wasm; in a worker and on the page's own thread; in each variant; and with the
 * bits that Node has. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connectMain, train } from '../bits/train.js';
import { GUARD, STRICT, complaints, openBrowser, withPage } from './setting.js';

const PROBLEM = 'pictures';
const SETTINGS = {
  'not isolated': {},
  isolated: { isolated: true },
  'strict policy': { policy: STRICT },
  'isolated, strict policy': { isolated: true, policy: STRICT },
};

let browser;
let wanted;
before(async () => {
  browser = await openBrowser();
  wanted = await train(connectMain, { problem: PROBLEM, variant: 'base' });
});
after(() => browser?.close());

for (const [setting, server] of Object.entries(SETTINGS)) {
  for (const mode of ['worker', 'main']) {
    for (const variant of server.isolated ? ['base', 'simd', 'simd-mt'] : ['base', 'simd']) {
      test(`${setting}, ${mode}, ${variant}`, GUARD, () =>
        withPage(browser, server, async ({ page, said }) => {
          const options = { mode, variant };
          const got = await page.evaluate(
            async ([problem, given]) => {
              const { suite } = await import('/tests/browser/suite.js');
              return { ...(await suite(problem, given)), isolated: crossOriginIsolated };
            },
            [PROBLEM, options],
          );
          assert.equal(got.isolated, server.isolated === true);
          assert.equal(got.info.mode, mode);
          assert.equal(got.info.variant, variant);
          assert.equal(got.info.reason, null);
          assert.deepEqual(got.history, wanted.history);
          assert.equal(got.hash, wanted.hash, 'the weights have the bits that Node gives them');
          assert.deepEqual(complaints(said), []);
        }),
      );
    }
  }
}

test('mode auto takes the worker and the fastest variant, and has nothing to explain', GUARD, () =>
  withPage(browser, {}, async ({ page, said }) => {
    const info = await page.evaluate(async () => {
      const { createTrainer } = await import('/web/index.js');
      return (
        await createTrainer(
          { inputShape: [2], layers: [{ type: 'dense', units: 1 }] },
          { threads: 1 },
        )
      ).info;
    });
    assert.equal(info.mode, 'worker');
    assert.equal(info.variant, 'simd');
    assert.equal(info.reason, null);
    assert.deepEqual(complaints(said), []);
  }),
);
