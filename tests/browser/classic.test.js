/* classic.test.js: an engine that has no module workers gets the classic one, by itself: Chromium,
 * whose Worker ignores the type, or refuses it, as such engines do. Bits are those of Node, threads
 * compute, runs outlive a reload and a worker, refusals have their sentences; and where there are
 * module workers nothing of it is asked for. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { connectMain, train } from '../bits/train.js';
import { BLOWS } from '../engines/acts.js';
import { undisturbed, SLOW } from './lives.js';
import {
  GUARD,
  STRICT,
  complaints,
  ignores,
  inPage,
  openBrowser,
  serve,
  withPage,
} from './setting.js';

const CLASSIC = '/wasm-build/dist/worker.classic.js';
const SCRIPT = readFileSync(new URL(`../..${CLASSIC}`, import.meta.url), 'utf8');

/** Knows the option, and no type beside 'classic'. */
function throws() {
  const Real = globalThis.Worker;
  globalThis.Worker = /** @type {any} */ (
    class extends Real {
      constructor(url, { name, type = 'classic' } = {}) {
        if (type !== 'classic') throw new TypeError(`'${type}' is not a valid value`);
        super(url, { name });
      }
    }
  );
}

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await openBrowser();
}, GUARD);
after(() => browser?.close());

/** Keeps the paths that are asked for. @param {string[]} asked */
const listing = (asked) => (page) =>
  page.context().on('request', (request) => asked.push(new URL(request.url()).pathname));

for (const prepare of [ignores, throws]) {
  test(`Worker ${prepare.name} the type: the API under the strict policy`, GUARD, async () => {
    const wanted = await train(connectMain, { problem: 'pictures', variant: 'base' });
    const asked = [];
    const setting = { isolated: true, policy: STRICT, prepare, watch: listing(asked) };
    await withPage(browser, setting, async ({ page, said }) => {
      for (const variant of ['base', 'simd', 'simd-mt']) {
        const { info, history, hash } = await page.evaluate(
          async (options) => {
            const { suite } = await import('/tests/browser/suite.js');
            return suite('pictures', options);
          },
          { variant },
        );
        assert.deepEqual([info.mode, info.variant, info.reason], ['worker', variant, null]);
        assert.deepEqual(history, wanted.history);
        assert.equal(hash, wanted.hash);
      }
      assert.deepEqual(complaints(said), []);
    });
    assert.ok(asked.includes(CLASSIC));
    assert.ok(!asked.some((path) => /worker\/worker\.js|kept|refusal|wire\.js/.test(path)), asked);
  });
}

test('threads compute, and a worker that is struck is replaced', GUARD, async () => {
  const wanted = await undisturbed({ mode: 'main' }, 'shared');
  let scripts = 0;
  const struck = () => {
    scripts++;
    return { type: 'text/javascript', body: BLOWS + SCRIPT };
  };
  const setting = { isolated: true, prepare: ignores, answers: { [CLASSIC]: struck } };
  await withPage(browser, setting, async ({ page }) => {
    await inPage(page, 'begin', { problem: 'shared', trainer: { threads: 2, duty: 0.2 } });
    assert.equal(scripts, 2, 'the session and its helper');
    await page.evaluate(async () => (await import('/tests/engines/acts.js')).strike('error'));
    const { reason, history, hash, info, events } = await inPage(page, 'end');
    assert.equal(reason, 'finished');
    assert.deepEqual(history, wanted.history);
    assert.equal(hash, wanted.hash);
    assert.deepEqual([info.mode, info.threads], ['worker', 2]);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['restart'],
    );
    assert.match(events[0].message, /struck by lightning/);
  });
});

test('a run goes on after a reload', GUARD, async () => {
  const wanted = await undisturbed({ mode: 'main' });
  await withPage(browser, { policy: STRICT, prepare: ignores }, async ({ page }) => {
    const persist = { name: 'digits', seconds: 0.1 };
    const fit = { persist, persistData: true };
    const { info } = await inPage(page, 'begin', { trainer: SLOW, fit, until: 'persisted' });
    assert.deepEqual(info.persist, { name: 'digits', storage: 'opfs', reason: null });
    await page.reload();
    const { byItself, reason, history, hash, ...rest } = await inPage(page, 'comeBack', {
      name: 'digits',
    });
    assert.deepEqual([byItself, reason, rest.info.mode], [true, 'finished', 'worker']);
    assert.deepEqual(history, wanted.history);
    assert.equal(hash, wanted.hash);
  });
});

/** Runs in the page: trains by the module at the address, and is refused. */
async function trainAndFail([module, options]) {
  const { createTrainer, listTrainers } = await import(module);
  const spec = {
    inputShape: [256],
    layers: [
      { type: 'dense', units: 1024 },
      { type: 'dense', units: 256 },
    ],
  };
  const data = () => Float32Array.from({ length: 512 * 256 }, (_, i) => Math.sin(i));
  const trainer = await createTrainer(spec, options);
  const { history } = await trainer.fit(data(), data(), { epochs: 3, batchSize: 256 });
  const { mode, threads, reason } = trainer.info;
  await trainer.dispose();
  const refused = { inputShape: [4], layers: [{ type: 'dense', units: -1 }] };
  const message = await createTrainer(refused, options).catch((error) => error.message);
  const kept = await listTrainers();
  return { mode, threads, reason, message, kept: kept.length, loss: history[2].loss };
}

test(
  'built files, of this origin and of another, whose script a blob: imports',
  GUARD,
  async () => {
    const cdn = await serve({
      isolated: true,
      extra: { 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin' },
    });
    try {
      const message = await createTrainer(
        { inputShape: [4], layers: [{ type: 'dense', units: -1 }] },
        { mode: 'main' },
      ).catch((error) => error.message);
      const told = [];
      for (const [file, options, prepare] of [
        ['/wasm-build/dist/index.js', {}, undefined],
        ['/wasm-build/dist/index.js', {}, ignores],
        ['/wasm-build/dist/index.js', { crossOrigin: 'blob' }, ignores],
        ['/wasm-build/dist/index.js', { assets: cdn.url }, ignores],
        [`${cdn.url}/wasm-build/dist/index.js`, {}, ignores],
        ['/wasm-build/dist/index.classic.js', {}, undefined],
        [`${cdn.url}/wasm-build/dist/index.classic.js`, {}, ignores],
      ]) {
        const asked = [];
        const setting = { isolated: true, prepare, watch: listing(asked) };
        await withPage(browser, setting, async ({ page }) => {
          told.push(await page.evaluate(trainAndFail, [file, { threads: 2, ...options }]));
        });
        const classic = asked.some((path) => /classic/.test(path));
        assert.equal(classic, prepare !== undefined || /classic/.test(file), `${file}: ${asked}`);
      }
      const [{ loss }] = told;
      const wanted = { mode: 'worker', threads: 2, reason: null, message, kept: 0, loss };
      for (const each of told) assert.deepEqual(each, wanted);
    } finally {
      await cdn.close();
    }
  },
);

test('without its file the page trains by itself, and says why', GUARD, () => {
  const answers = { [CLASSIC]: { status: 404 } };
  return withPage(browser, { prepare: ignores, answers }, async ({ page }) => {
    const told = await page.evaluate(trainAndFail, ['/web/index.js', {}]);
    assert.equal(told.mode, 'main');
    assert.match(told.reason, /worker\.classic\.js could not be loaded \(not found.* assets/);
  });
});
