/* cross-origin.test.js: the package on another origin than the page's, as a CDN has it: worker,
 * computing threads and wasm come from there, by a module of the page's own. Where the policy
 * refuses that module, the reason names the directives. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GUARD, openBrowser, serve, withPage } from './setting.js';

/** @type {import('playwright-core').Browser} */
let browser;
/** @type {Awaited<ReturnType<typeof serve>>} */
let cdn;
/** How often the script of a computing thread was asked for. */
let helpers = 0;
const counted = () => void helpers++;

before(async () => {
  browser = await openBrowser();
  cdn = await serve({
    isolated: true,
    extra: { 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin' },
    answers: { '/worker/helper.js': counted, '/wasm-build/dist/helper.js': counted },
  });
}, GUARD);
after(async () => {
  await browser?.close();
  await cdn?.close();
});

/** Runs in the page: trains by the module at the address, tells where. */
async function train([module, options]) {
  const { createTrainer } = await import(module);
  const spec = {
    inputShape: [256],
    layers: [
      { type: 'dense', units: 1024 },
      { type: 'dense', units: 256 },
    ],
  };
  const data = () => Float32Array.from({ length: 512 * 256 }, (_, i) => Math.sin(i));
  const trainer = await createTrainer(spec, options);
  const { history } = await trainer.fit(data(), data(), { epochs: 20, batchSize: 256 });
  const { mode, threads, reason } = trainer.info;
  await trainer.dispose();
  return { mode, threads, reason, loss: history[19].loss };
}

for (const file of ['web/index.js', 'wasm-build/dist/index.js'])
  test(`${file} of another origin trains in a worker, on two threads too`, GUARD, async () => {
    const told = [];
    const first = helpers;
    for (const threads of [1, 2]) {
      await withPage(browser, { isolated: true }, async ({ page }) => {
        told.push(await page.evaluate(train, [`${cdn.url}/${file}`, { threads }]));
      });
    }
    assert.equal(helpers, first + 1);
    const [{ loss }] = told;
    assert.deepEqual(
      told,
      [1, 2].map((threads) => ({ mode: 'worker', threads, reason: null, loss })),
    );
  });

test('assets of another origin; and blob where the origin is the same', GUARD, () =>
  withPage(browser, {}, async ({ page }) => {
    const here = '/wasm-build/dist/index.js';
    for (const options of [{ assets: cdn.url }, { crossOrigin: 'blob' }, {}]) {
      const { mode, reason } = await page.evaluate(train, [here, { threads: 1, ...options }]);
      assert.deepEqual([mode, reason], ['worker', null]);
    }
  }),
);

test('a policy without blob: in worker-src: the reason names it', GUARD, async () => {
  const policy =
    `script-src 'self' 'wasm-unsafe-eval' ${cdn.url}; worker-src 'self'; ` +
    `connect-src 'self' ${cdn.url}`;
  await withPage(browser, { policy }, async ({ page }) => {
    const told = await page.evaluate(train, [`${cdn.url}/wasm-build/dist/index.js`, {}]);
    assert.equal(told.mode, 'main');
    assert.match(told.reason, /allow blob: in worker-src, else child-src, else script-src/);
    assert.ok(told.reason.includes(cdn.url));
  });
});
