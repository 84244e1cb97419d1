/* tried.js: what is tried in an engine beside Chromium, whichever it is and whoever drives it
 * (webdriver.js): the API's core, the bits of every problem, threads, a run that goes on after a
 * reload, workers that die, the demo, and the site that `npm run pages` writes. The pages load
 * what Chromium's tests load (tests/browser/suite.js and lives.js, tests/bits/train.js); the
 * bits wanted are those of Node's main thread. What an engine has is told by its test file.
 * Nothing depends on the machine's speed. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { after, before, test } from 'node:test';
import { buildDigits } from '../../examples/digits-data/build.js';
import { writeSite } from '../../examples/pages/site.js';
import { DEMO, serve as serveDemo } from '../../examples/serve/server.js';
import { PROBLEMS, isShared } from '../bits/problems.js';
import { connectMain, train } from '../bits/train.js';
import { nameOf } from '../bits/ways.js';
import { undisturbed, SLOW } from '../browser/lives.js';
import { GUARD, STRICT, serve } from '../browser/setting.js';
import { withoutRelaxedFiles } from '../relaxed.js';
import { BLOWS } from './acts.js';

const PATH = '/any/sub/path/';
const LIVES = '/tests/browser/lives.js';
const ACTS = '/tests/engines/acts.js';
/** Relative, of losses, as in tests/browser/variants.test.js. */
const LOSS_TOLERANCE = 1e-5;
/** Whose workers may be copies, and whose files may be of another origin. */
const ANYWHERE = "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; connect-src *";
/** Short, for what is told by silence alone; long enough for a worker that has to share cores. */
const HEARTBEAT = 3000;

/**
 * @typedef {object} Engine
 * @property {string} name
 * @property {string | false} skip why it cannot be tried here
 * @property {() => Promise<import('./webdriver.js').Browser>} open
 * @property {'opfs' | 'indexedDB'} storage the best that it has
 * @property {RegExp | null} whyNoThreads what it says where it has none on an isolated page
 * @property {boolean} relaxed whether it has relaxed SIMD
 * @property {RegExp} [breaks] what is said where the engine itself has broken: it is tried once
 *   more, in a new browser, and the report tells
 */

/**
 * @param {Engine} engine
 * @param {RegExp} [only] of what is tried, by its title
 */
export function tryEngine(engine, only) {
  const { name, skip, open, storage, whyNoThreads, relaxed, breaks } = engine;
  /** @param {string} title @param {() => Promise<void>} body @param {string | false} [without] */
  const attempt = (title, body, without = skip) => {
    if (only && !only.test(title)) return;
    test(`${name}: ${title}`, { ...GUARD, skip: without }, async (t) => {
      try {
        await body();
      } catch (error) {
        const { message } = /** @type {Error} */ (error);
        if (!breaks?.test(message)) throw error;
        t.diagnostic(`${name} broke, and is tried once more: ${message.split('\n')[0]}`);
        await browser.close();
        browser = await open();
        await body();
      }
    });
  };
  const threads = whyNoThreads === null ? 2 : 1;
  /** @type {import('./webdriver.js').Browser} */
  let browser;
  before(async () => {
    if (!skip) browser = await open();
  });
  after(() => browser?.close());

  /**
   * A page of a server made for it; nothing that it does may be complained of.
   * @param {Parameters<typeof serve>[0]} options
   * @param {(page: import('./webdriver.js').Page) => Promise<void>} body
   */
  async function withPage(options, body) {
    const server = await serve(options);
    const { page } = browser;
    try {
      await page.goto(`${server.url}/blank`);
      await body(page);
      assert.deepEqual(await page.call('/tests/engines/asked.js', 'said'), []);
    } finally {
      await server.close();
    }
  }

  for (const mode of ['worker', 'main']) {
    attempt(`the API under the strict policy, in place ${mode}`, () =>
      withPage({ isolated: true, policy: STRICT }, async (page) => {
        const wanted = await train(connectMain, { problem: 'pictures', variant: 'base' });
        const more = mode === 'worker' && threads > 1 ? ['simd-mt'] : [];
        for (const variant of ['base', 'simd', ...more]) {
          const options = { mode, variant };
          const got = await page.call('/tests/browser/suite.js', 'suite', 'pictures', options);
          assert.deepEqual(
            [got.info.mode, got.info.variant, got.info.reason],
            [mode, variant, null],
          );
          assert.deepEqual(got.history, wanted.history);
          assert.equal(got.hash, wanted.hash, 'the weights have the bits that Node gives them');
        }
      }),
    );
  }

  attempt('the classic worker, of this origin and of another', () =>
    withPage({ isolated: true, policy: ANYWHERE }, async (page) => {
      const wanted = await train(connectMain, { problem: 'pictures', variant: 'base' });
      const cors = { 'Access-Control-Allow-Origin': '*' };
      const other = await serve({ extra: cors });
      try {
        await page.call(ACTS, 'ignores');
        const variant = threads > 1 ? 'simd-mt' : 'simd';
        for (const assets of [undefined, other.url]) {
          const options = { mode: 'worker', variant, threads, assets };
          const got = await page.call('/tests/browser/suite.js', 'suite', 'pictures', options);
          assert.deepEqual([got.info.mode, got.info.variant], ['worker', variant]);
          assert.deepEqual(got.history, wanted.history);
          assert.equal(got.hash, wanted.hash);
        }
      } finally {
        await other.close();
      }
    }),
  );

  for (const problem of Object.keys(PROBLEMS)) {
    const ways = [
      { place: 'worker', variant: 'base', threads: 1 },
      // A long run of small slices is slow in some engines, and takes no other turns than a short
      // one
      { place: 'main', variant: 'simd', threads: 1, sliced: !isShared(problem) },
      { place: 'worker', variant: 'simd', threads: 1, disturbed: !isShared(problem) },
      ...(threads > 1 ? [{ place: 'worker', variant: 'simd-mt', threads }] : []),
    ];
    attempt(`bits of ${problem}: ${ways.map(nameOf).join('; ')}`, () =>
      withPage({ isolated: true }, async (page) => {
        const wanted = await train(connectMain, { problem, variant: 'base' });
        for (const way of ways) {
          const got = await page.call('/tests/bits/train.js', 'trainInPage', { problem, ...way });
          assert.equal(got.variant, way.variant);
          if (isShared(problem)) assert.equal(got.helpers, way.threads - 1, nameOf(way));
          assert.deepEqual(got.history, wanted.history, nameOf(way));
          assert.equal(got.hash, wanted.hash, `final weights, ${nameOf(way)}`);
        }
      }),
    );
  }

  attempt(`threads as they are asked for, or why there are none`, async () => {
    const settings = [
      [{ isolated: true }, whyNoThreads],
      [{ isolated: false }, /the page is not cross-origin isolated/],
    ];
    for (const [options, why] of /** @type {[object, RegExp | null][]} */ (settings)) {
      await withPage(options, async (page) => {
        const { info } = await page.call('/tests/browser/suite.js', 'suite', 'numbers', {
          threads: 2,
        });
        assert.deepEqual([info.mode, info.threads], ['worker', why === null ? 2 : 1]);
        if (why === null) assert.equal(info.reason, null);
        else assert.match(info.reason, why);
      });
    }
  });

  attempt(
    'deterministic: false',
    () =>
      withPage({ isolated: true }, async (page) => {
        const wanted = await train(connectMain, { problem: 'numbers', variant: 'simd' });
        const got = await page.call('/tests/browser/suite.js', 'suite', 'numbers', {
          deterministic: false,
          threads: 1,
        });
        assert.equal(got.info.variant, relaxed ? 'relaxed' : 'simd');
        if (relaxed) assert.equal(got.info.reason, null);
        else assert.match(got.info.reason, /this engine has no relaxed SIMD/);
        got.history.forEach(({ loss }, i) => {
          const error = Math.abs(loss / wanted.history[i].loss - 1);
          assert.ok(error <= LOSS_TOLERANCE, `epoch ${i + 1} is off by ${error}`);
        });
      }),
    skip || withoutRelaxedFiles(),
  );

  for (const mode of ['worker', 'main']) {
    attempt(`a run in place ${mode} goes on after a reload, from ${storage}`, () =>
      withPage({ isolated: true, policy: STRICT }, async (page) => {
        const wanted = await undisturbed({ mode: 'main' });
        const options = { mode, threads: mode === 'worker' ? threads : 1 };
        const persist = { name: 'digits of mine / 1', seconds: 0.1 };
        const begun = await page.call(LIVES, 'begin', {
          trainer: { ...options, ...SLOW },
          fit: { persist, persistData: true },
          until: 'persisted',
        });
        assert.deepEqual(begun.info.persist, { name: persist.name, storage, reason: null });
        await page.reload();
        const result = await page.call(LIVES, 'comeBack', { name: persist.name, options });
        assert.ok(result.byItself, 'the run was on when the trainer was there');
        assertUndisturbed(result, wanted);
        // A reload may strike while a checkpoint is being written, which is told
        const others = result.events.filter(({ code }) => code !== 'TORN_CHECKPOINT');
        assert.deepEqual(others, []);
        const listed = await page.call('/web/index.js', 'listTrainers');
        assert.deepEqual(
          listed.map(({ name: kept, data, storage: on }) => [kept, data, on]),
          [[persist.name, true, storage]],
        );
        await page.call('/web/index.js', 'removeTrainer', persist.name);
        assert.deepEqual(await page.call('/web/index.js', 'listTrainers'), []);
      }),
    );
  }

  const worker = BLOWS + readFileSync(new URL('../../worker/worker.js', import.meta.url), 'utf8');
  for (const [blow, problem, says] of /** @type {const} */ ([
    ['error', 'pictures', /struck by lightning/],
    ['end', 'pictures', /silen|heard/],
    ['stand still', 'shared', /silen|heard/],
  ])) {
    const count = problem === 'shared' ? threads : 1;
    attempt(`a worker that is struck is replaced: ${blow}, ${count} threads`, () => {
      const answers = { '/worker/worker.js': { type: 'text/javascript', body: worker } };
      return withPage({ isolated: true, answers }, async (page) => {
        const wanted = await undisturbed({ mode: 'main' }, problem);
        const trainer = { threads: count, heartbeat: HEARTBEAT, duty: 0.2 };
        await page.call(LIVES, 'begin', { problem, trainer });
        await page.call(ACTS, 'strike', blow);
        const result = await page.call(LIVES, 'end');
        assertUndisturbed(result, wanted);
        assert.deepEqual([result.info.mode, result.info.threads], ['worker', count]);
        const restarts = result.events.filter(({ type }) => type === 'restart');
        assert.equal(restarts.length, 1, JSON.stringify(result.events));
        assert.match(restarts[0].message, says);
      });
    });
  }

  attempt(`the demo: train, draw, pause, go on, stop`, async () => {
    buildDigits();
    const server = await serveDemo();
    const { page } = browser;
    try {
      await page.goto(server.url + DEMO);
      assert.equal(await page.call(ACTS, 'isIsolated'), true);
      await page.says('#state', 'Ready when you are');
      await page.call(ACTS, 'choose', '#epochs', '100');
      await page.click('#go');
      await page.says('#badge', 'in a Web Worker');
      await page.call(ACTS, 'moves', '#progress');
      await page.stroke('#pad');
      await page.says('#verdict-text', 'Reads as \\d');
      await page.click('#go');
      await page.says('#state', 'Paused');
      await page.click('#example');
      await page.says('#verdict-text', '[Ii]t is a held-out \\d');
      await page.click('#go');
      await page.call(ACTS, 'moves', '#progress');
      await page.click('#stop');
      await page.says('#state', 'Stopped');
      assert.deepEqual(await page.call('/tests/engines/asked.js', 'said'), []);
    } finally {
      await server.close();
    }
  });

  attempt(`the static site, below a path and without headers`, async () => {
    buildDigits();
    const root = mkdtempSync(`${tmpdir()}/offstage-pages-`);
    writeSite(root + PATH);
    cpSync(new URL('.', import.meta.url), `${root}/tests/engines`, { recursive: true });
    const server = await serveDemo({ root, isolated: false });
    const { page } = browser;
    try {
      await page.goto(`${server.url}${PATH}examples/digits/`);
      await page.says('#state', 'Ready when you are');
      await page.call(ACTS, 'choose', '#epochs', '3');
      await page.click('#go');
      await page.says('#badge', 'in a Web Worker');
      await page.says('#state', '^Finished.* read right');
      assert.deepEqual(await page.call('/tests/engines/asked.js', 'said'), []);
    } finally {
      await server.close();
      rmSync(root, { recursive: true, force: true });
    }
  });
}

/** @param {any} result @param {any} wanted */
function assertUndisturbed({ reason, history, hash }, wanted) {
  assert.equal(reason, 'finished');
  assert.deepEqual(history, wanted.history);
  assert.equal(hash, wanted.hash, 'the weights have the bits of an undisturbed run');
}
