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
import { beOlder } from './older-engine.js';
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
const BUILT = '/wasm-build/dist/index.js';
const OLDER = '/wasm-build/dist/index.classic.js';
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

/** @param {string} body */
const script = (body) => ({ type: 'text/javascript', body });

test(
  'an engine that has nothing younger: the API, kept trainers, causes of errors',
  GUARD,
  async () => {
    const wanted = await train(connectMain, { problem: 'pictures', variant: 'base' });
    const answers = {
      [CLASSIC]: script(`(${beOlder})();${SCRIPT}`),
      '/web/index.js': script(`export * from '${OLDER}';`),
    };
    const setting = { policy: STRICT, prepare: beOlder, answers };
    await withPage(browser, setting, async ({ page, said }) => {
      const { info, history, hash } = await page.evaluate(async () => {
        const { suite } = await import('/tests/browser/suite.js');
        return suite('pictures', {});
      });
      assert.deepEqual([info.mode, info.variant, info.reason], ['worker', 'base', null]);
      assert.deepEqual(history, wanted.history);
      assert.equal(hash, wanted.hash);
      const fit = { persist: { name: 'digits', seconds: 0.1 }, persistData: true };
      const first = await inPage(page, 'begin', { trainer: SLOW, fit, until: 'persisted' });
      assert.deepEqual(first.info.persist, { name: 'digits', storage: 'indexedDB', reason: null });
      await page.reload();
      const { reason, hash: kept } = await inPage(page, 'comeBack', { name: 'digits' });
      assert.deepEqual([reason, kept], ['finished', (await undisturbed({ mode: 'main' })).hash]);
      const caused = await page.evaluate(async (module) => {
        const { createTrainer } = await import(module);
        const refused = await createTrainer({}, { assets: 'http://[' }).catch((error) => error);
        return [refused.code, refused.cause?.name, Object.keys(refused).includes('cause')];
      }, OLDER);
      assert.deepEqual(caused, ['INVALID_OPTION', 'TypeError', false]);
      assert.deepEqual(complaints(said), []);
    });
  },
);

test('a page that has given itself a process is no Node', GUARD, async () => {
  const shim = 'globalThis.process = { env: {}, versions: {}, browser: true };';
  for (const [file, prepare] of [
    [BUILT, `${shim}(${ignores})()`],
    [OLDER, shim],
  ]) {
    const asked = [];
    await withPage(browser, { prepare, watch: listing(asked) }, async ({ page }) => {
      const { mode } = await page.evaluate(trainAndFail, [file, { mode: 'worker' }]);
      assert.equal(mode, 'worker');
    });
    assert.ok(asked.includes(CLASSIC), `${file}: ${asked}`);
  }
});

test('a policy of trusted types that refuses the address of the probe', GUARD, async () => {
  const prepare = () => {
    const { trustedTypes } = /** @type {any} */ (globalThis);
    trustedTypes.createPolicy('default', {
      createScriptURL(url) {
        if (new URL(url, location.href).origin === location.origin) return url;
        throw new TypeError('not from here');
      },
    });
  };
  const policy = `${STRICT}; require-trusted-types-for 'script'`;
  const asked = [];
  const setting = { prepare, policy, watch: listing(asked) };
  await withPage(browser, setting, async ({ page }) => {
    await page.evaluate(trainAndFail, [BUILT, { mode: 'worker' }]);
  });
  assert.ok(!asked.some((path) => /classic/.test(path)), `${asked}`);
});

/** Tells in the page how a worker is refused. */
const refusal = ([module, options]) =>
  import(module)
    .then(({ createTrainer }) =>
      createTrainer({ inputShape: [1], layers: [{ type: 'dense', units: 1 }] }, options),
    )
    .then(
      () => 'made',
      ({ code, message }) => `${code}: ${message}`,
    );

test('a page of the app, or a script of another build, in its place', GUARD, async () => {
  const [, build] = /"([0-9a-f]{12})"/.exec(SCRIPT);
  for (const [answer, message] of [
    [
      { type: 'text/html', body: '<!doctype html><p>app' },
      /script http:\S+worker\.classic\.js could not be loaded \(.*'<'.*worker\.classic\.js:1\)\); .* assets/,
    ],
    [script(SCRIPT.replaceAll(build, 'x'.repeat(12))), /UNSUPPORTED: .* of another version/],
  ]) {
    const setting = { prepare: ignores, answers: { [CLASSIC]: answer } };
    await withPage(browser, setting, async ({ page }) => {
      const told = await page.evaluate(refusal, [BUILT, { mode: 'worker' }]);
      assert.match(told, message);
    });
  }
});

test(
  'of another origin: what it throws is told, and what keeps it from loading',
  GUARD,
  async () => {
    const late = `${SCRIPT}\n;addEventListener('message', () => Promise.reject(new Error('struck')));`;
    const open = { 'Access-Control-Allow-Origin': '*' };
    const cdn = await serve({ extra: open, answers: { [CLASSIC]: script(late) } });
    const from = (/** @type {string} */ directive) =>
      `script-src 'self' 'wasm-unsafe-eval'; ${directive}`;
    const all = `connect-src 'self' ${cdn.url}`;
    try {
      for (const [policy, assets, message] of [
        [undefined, cdn.url, /^WORKER_LOST: the session failed: struck$/],
        [from(`worker-src blob:; ${all}`), cdn.url, /the session failed: struck$/],
        [
          from(`worker-src 'self'; ${all}`),
          cdn.url,
          /worker\.classic\.js, which .*blob: in worker-src/,
        ],
        [
          from("worker-src blob:; connect-src 'self'"),
          cdn.url,
          /classic\.js could not .*connect-src/,
        ],
        [undefined, `${cdn.url}/none`, /classic\.js could not be read \(the server answered 404/],
      ]) {
        await withPage(browser, { prepare: ignores, policy }, async ({ page }) => {
          const told = await page.evaluate(refusal, [BUILT, { mode: 'worker', assets }]);
          assert.match(told, message);
        });
      }
    } finally {
      await cdn.close();
    }
  },
);

/** Gives up a trainer whose file does not come, in the page. */
async function giveUp([module, mode, how]) {
  const { createTrainer } = await import(module);
  const abort = new AbortController();
  const options = { mode, signal: abort.signal, ...(how === 'timeout' && { timeout: 200 }) };
  const spec = { inputShape: [1], layers: [{ type: 'dense', units: 1 }] };
  const made = createTrainer(spec, options);
  if (how === 'abort') setTimeout(() => abort.abort(), 100);
  return made.then(
    ({ info }) => info.mode,
    ({ code }) => code,
  );
}

test('a file that does not come: signal and timeout end the waiting', GUARD, async () => {
  for (const [file, mode, how, wanted] of [
    ['classic.js', 'worker', 'abort', 'ABORTED'],
    ['classic.js', 'auto', 'abort', 'ABORTED'],
    ['classic.js', 'worker', 'timeout', 'TIMEOUT'],
    ['classic.js', 'auto', 'timeout', 'main'],
    ['worker.classic.js', 'worker', 'timeout', 'TIMEOUT'],
    ['session.js', 'main', 'abort', 'ABORTED'],
  ]) {
    const watch = (page) => page.context().route(`**/dist/${file}`, () => {});
    await withPage(browser, { prepare: ignores, watch }, async ({ page, said }) => {
      const told = await page.evaluate(giveUp, [BUILT, mode, how]);
      assert.equal(told, wanted, `${file}, ${mode}, ${how}`);
      assert.equal(complaints(said).length, wanted === 'main' ? 1 : 0);
    });
  }
});

test('a worker that somebody else makes of it finds the wasm beside it', GUARD, () =>
  withPage(browser, {}, async ({ page }) => {
    const types = await page.evaluate(async (address) => {
      const worker = new Worker(address);
      const answers = [];
      await new Promise((resolve, reject) => {
        worker.onerror = ({ message }) => reject(new Error(message));
        worker.onmessage = ({ data }) =>
          answers.push(data.payload?.error ?? data.type) === 2 && resolve(undefined);
        const spec = { inputShape: [1], layers: [{ type: 'dense', units: 1 }] };
        worker.postMessage({ v: 1, id: 1, type: 'PING' });
        worker.postMessage({ v: 1, id: 2, type: 'INIT_TRAINING', payload: spec });
      });
      return answers;
    }, CLASSIC);
    assert.deepEqual(types, ['PONG', 'MODEL_READY']);
  }),
);

test('without its file the page trains by itself, and says why', GUARD, () => {
  const answers = { [CLASSIC]: { status: 404 } };
  return withPage(browser, { prepare: ignores, answers }, async ({ page }) => {
    const told = await page.evaluate(trainAndFail, ['/web/index.js', {}]);
    assert.equal(told.mode, 'main');
    assert.match(told.reason, /worker\.classic\.js could not be loaded \(not found.* assets/);
  });
});
