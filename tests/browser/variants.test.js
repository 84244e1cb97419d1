/* variants.test.js: what Chromium runs, with and without cross-origin isolation: threads only with
 * it, relaxed SIMD where it is allowed, a reason for what is not as it was asked for, and the bits
 * that Node has whatever runs. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connectMain, train } from '../bits/train.js';
import { withoutRelaxedFiles } from '../relaxed.js';
import { GUARD, STRICT, complaints, openBrowser, withPage } from './setting.js';

const skip = withoutRelaxedFiles();
const ISOLATION =
  /^one thread computes, not \d+: the page is not cross-origin isolated, .*Cross-Origin-Opener-Policy/;
/** Relative, of losses after nine steps: what single precision leaves, as in tests/golden. */
const LOSS_TOLERANCE = 1e-5;

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser?.close());

/**
 * What a page settles for with each of the options.
 * @returns {Promise<any[]>} info, or an error's code and message
 */
const settle = (page, ...all) =>
  page.evaluate(async (given) => {
    const { createTrainer } = await import('/web/index.js');
    const spec = { inputShape: [2], layers: [{ type: 'dense', units: 1 }] };
    const results = [];
    for (const options of given) {
      results.push(
        await createTrainer(spec, options).then(
          async (trainer) => {
            await trainer.dispose();
            const { mode, variant, threads, reason } = trainer.info;
            return { mode, variant, threads, reason };
          },
          ({ code, message }) => ({ code, message }),
        ),
      );
    }
    return results;
  }, all);

const trainInPage = (page, problem, options) =>
  page.evaluate(
    async ([name, given]) => {
      const { suite } = await import('/tests/browser/suite.js');
      return suite(name, given);
    },
    [problem, options],
  );

test('isolated: threads as they are asked for, in a worker', GUARD, () =>
  withPage(browser, { isolated: true }, async ({ page, said }) => {
    const [two, six, one, here, forced] = await settle(
      page,
      { threads: 2 },
      { threads: 6 },
      { threads: 1 },
      { mode: 'main', threads: 2 },
      { variant: 'simd-mt', threads: 2 },
    );
    assert.deepEqual(two, { mode: 'worker', variant: 'simd-mt', threads: 2, reason: null });
    assert.deepEqual(six, { mode: 'worker', variant: 'simd-mt', threads: 6, reason: null });
    assert.deepEqual(one, { mode: 'worker', variant: 'simd', threads: 1, reason: null });
    assert.deepEqual([here.variant, here.threads], ['simd', 1]);
    assert.match(here.reason, /^one thread computes, not 2: the session runs on the main thread/);
    assert.deepEqual(forced, two);
    assert.deepEqual(complaints(said), []);
  }),
);

test('not isolated: one thread, and a reason where more was asked for', GUARD, () =>
  withPage(browser, {}, async ({ page, said }) => {
    const [two, one, forced] = await settle(
      page,
      { threads: 2 },
      { threads: 1 },
      { variant: 'simd-mt' },
    );
    assert.deepEqual([two.mode, two.variant, two.threads], ['worker', 'simd', 1]);
    assert.match(two.reason, ISOLATION);
    assert.deepEqual(one, { mode: 'worker', variant: 'simd', threads: 1, reason: null });
    assert.equal(forced.code, 'UNSUPPORTED');
    assert.match(
      forced.message,
      /^variant 'simd-mt' cannot run: the page is not cross-origin isolated/,
    );
    assert.deepEqual(complaints(said), []);
  }),
);

for (const isolated of [true, false]) {
  test(`threads of themselves, ${isolated ? '' : 'not '}isolated`, GUARD, () =>
    withPage(browser, { isolated }, async ({ page }) => {
      const wanted = Math.min(
        8,
        Math.max(1, (await page.evaluate(() => navigator.hardwareConcurrency)) - 1),
      );
      const [{ variant, threads, reason }] = await settle(page, {});
      assert.equal(threads, isolated ? wanted : 1);
      assert.equal(variant, threads > 1 ? 'simd-mt' : 'simd');
      if (threads === wanted) assert.equal(reason, null);
      else assert.match(reason, ISOLATION);
    }),
  );
}

test('two threads compute the bits that Node has, under the strict policy', GUARD, () => {
  const asked = [];
  const watch = (page) => void page.context().on('request', (request) => asked.push(request.url()));
  return withPage(browser, { isolated: true, policy: STRICT, watch }, async ({ page, said }) => {
    const wanted = await train(connectMain, { problem: 'shared', variant: 'base' });
    const got = await trainInPage(page, 'shared', { threads: 2 });
    assert.deepEqual([got.info.variant, got.info.threads], ['simd-mt', 2]);
    assert.deepEqual(got.history, wanted.history);
    assert.equal(got.hash, wanted.hash);
    assert.ok(
      asked.some((url) => url.endsWith('/worker/helper.js')),
      'the second thread was asked for',
    );
    assert.deepEqual(complaints(said), []);
  });
});

test(
  'deterministic: false takes relaxed SIMD, and learns what simd learns',
  { ...GUARD, skip },
  () =>
    withPage(browser, { isolated: true }, async ({ page, said }) => {
      const wanted = await train(connectMain, { problem: 'numbers', variant: 'simd' });
      for (const [threads, variant] of [
        [1, 'relaxed'],
        [2, 'relaxed-mt'],
      ]) {
        const got = await trainInPage(page, 'numbers', { deterministic: false, threads });
        assert.deepEqual(
          [got.info.variant, got.info.threads, got.info.reason],
          [variant, threads, null],
        );
        got.history.forEach(({ loss }, i) => {
          const error = Math.abs(loss / wanted.history[i].loss - 1);
          assert.ok(
            error <= LOSS_TOLERANCE,
            `epoch ${i + 1}: ${loss}, simd has ${wanted.history[i].loss}: off by ${error}`,
          );
        });
      }
      const [forced, refused] = await settle(
        page,
        { variant: 'relaxed', deterministic: false },
        { variant: 'relaxed' },
      );
      assert.equal(forced.variant, 'relaxed');
      assert.equal(refused.code, 'INVALID_OPTION');
      assert.deepEqual(complaints(said), []);
    }),
);
