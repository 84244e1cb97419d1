/* fallback.test.js: where a worker cannot be had, or is lost. In mode 'auto' training goes on on
 * the main thread, with the reason in info.reason and one console warning; mode 'worker' never
 * falls back; every promise settles. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { SET_NAMES, fileOf } from '../../wasm-build/variants.mjs';
import { GUARD, STRICT, openBrowser, withPage } from './setting.js';

const WORKER = '/worker/worker.js';
const script = (body) => ({ [WORKER]: { type: 'text/javascript', body } });
const realWorker = readFileSync(new URL('../../worker/worker.js', import.meta.url), 'utf8');

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser?.close());

/** Makes a trainer in the page and trains it; what it says of itself, or its error. */
const trainInPage = (page, options) =>
  page.evaluate(async (given) => {
    const { createTrainer } = await import('/web/index.js');
    const spec = {
      inputShape: [2],
      layers: [{ type: 'dense', units: 3, activation: 'softmax' }],
      seed: 1,
    };
    try {
      const trainer = await createTrainer(spec, given);
      const { reason, history } = await trainer.fit(
        [
          [0, 1],
          [1, 0],
          [1, 1],
        ],
        [0, 1, 2],
        { epochs: 5 },
      );
      const { index } = await trainer.predict([0, 1]);
      await trainer.dispose();
      return { info: trainer.info, reason, losses: history.map(({ loss }) => loss), index };
    } catch ({ name, code, message }) {
      return { name, code, message };
    }
  }, options);

const NO_WORKER = {
  'Worker removed': {
    prepare: () => void delete window.Worker,
    says: /no Worker/,
    code: 'UNSUPPORTED',
  },
  'worker script not found': {
    answers: { [WORKER]: { status: 404 } },
    says: /could not be loaded/,
  },
  'a page of HTML instead of the worker script': {
    answers: { [WORKER]: { type: 'text/html', body: '<p>' } },
    says: /could not be loaded/,
  },
  'a worker script that throws': {
    answers: script("throw new Error('out of cheese')"),
    says: /out of cheese/,
  },
  'a worker script that is no JavaScript': {
    answers: script('let let let'),
    says: /could not be loaded/,
  },
  'a module of the worker not found': {
    answers: { '/worker/trainer/service.js': { status: 404 } },
    says: /could not be loaded/,
    main: false,
  },
  'workers forbidden by a policy': {
    policy: STRICT.replace("worker-src 'self'", "worker-src 'none'"),
    says: /could not be/,
  },
  'a worker that never answers': {
    answers: script('export {}'),
    timeout: 400,
    says: /400 ms/,
    code: 'TIMEOUT',
  },
};

for (const [
  name,
  { says, code = 'WORKER_LOST', main = true, timeout, ...server },
] of Object.entries(NO_WORKER)) {
  test(`${name}: mode auto ${main ? 'trains on the main thread' : 'says so'}`, GUARD, () =>
    withPage(browser, server, async ({ page, said }) => {
      const got = await trainInPage(page, { timeout });
      const warnings = said.filter(({ type }) => type === 'warning');
      assert.equal(warnings.length, 1, JSON.stringify(said));
      assert.match(warnings[0].text, says);
      assert.deepEqual(
        said.filter(({ type }) => type === 'uncaught'),
        [],
      );
      if (!main) {
        assert.equal(got.code, 'UNSUPPORTED', JSON.stringify(got));
        return;
      }
      assert.equal(got.info?.mode, 'main', JSON.stringify(got));
      assert.match(got.info.reason, says);
      assert.equal(got.reason, 'finished');
      assert.ok(got.losses[4] < got.losses[0]);
    }),
  );

  test(`${name}: mode worker refuses`, GUARD, () =>
    withPage(browser, server, async ({ page, said }) => {
      const got = await trainInPage(page, { mode: 'worker', timeout });
      assert.equal(got.name, 'OffstageError', JSON.stringify(got));
      assert.equal(got.code, code, got.message);
      assert.match(got.message, says);
      assert.deepEqual(
        said.filter(({ type }) => type === 'warning' || type === 'uncaught'),
        [],
      );
    }),
  );
}

test('a refused spec is no reason to fall back', GUARD, () =>
  withPage(browser, {}, async ({ page, said }) => {
    const got = await page.evaluate(async () => {
      const { createTrainer } = await import('/web/index.js');
      return createTrainer({ inputShape: [2], layers: [] }).catch(({ code }) => code);
    });
    assert.equal(got, 'INVALID_SPEC');
    assert.deepEqual(
      said.filter(({ type }) => type === 'warning'),
      [],
    );
  }),
);

/**
 * Every file that a page may take for `simd`: the set of its layers, and the full one where that is
 * not to be had.
 */
const WASM = SET_NAMES.map((set) => `/wasm-build/dist/${fileOf('simd', set)}`);
const everyWasm = (answer) => Object.fromEntries(WASM.map((path) => [path, answer]));
const PAGE = '<!doctype html><p>';
const A_PAGE = /the server sent something else, probably a page: .* assets .* optimizeDeps/;

for (const [name, { says = /./, ...server }] of Object.entries({
  'a policy that forbids wasm': {
    policy: "script-src 'self'; worker-src 'self'; connect-src 'self'",
  },
  'wasm not found': { answers: everyWasm({ status: 404 }), says: /404/ },
  'wasm that is none': { answers: everyWasm({ type: 'application/wasm', body: '<p>' }) },
  'a page of HTML called wasm': {
    answers: everyWasm({ type: 'application/wasm', body: PAGE }),
    says: A_PAGE,
  },
  'a page of HTML instead of wasm': {
    answers: everyWasm({ type: 'text/html', body: PAGE }),
    says: A_PAGE,
  },
})) {
  test(`${name}: refused with the reason, wherever`, GUARD, () =>
    withPage(browser, server, async ({ page }) => {
      for (const mode of ['auto', 'worker', 'main']) {
        const got = await trainInPage(page, { mode });
        assert.equal(got.code, 'UNSUPPORTED', JSON.stringify(got));
        assert.match(got.message, /offstage\.simd\.wasm/);
        assert.match(got.message, says);
      }
    }),
  );
}

test('a server that does not know the type of wasm will do', GUARD, () => {
  const answers = Object.fromEntries(
    WASM.map((path) => [
      path,
      {
        type: 'application/octet-stream',
        body: readFileSync(new URL(`../..${path}`, import.meta.url)),
      },
    ]),
  );
  return withPage(browser, { answers }, async ({ page }) => {
    assert.equal((await trainInPage(page, { mode: 'worker' })).reason, 'finished');
  });
});

test(
  'a worker that dies while training: everything that is pending rejects with WORKER_LOST',
  GUARD,
  () => {
    // Its listener comes before the session's, and lets nothing through once it was struck.
    const mortal = `let struck = false;
    addEventListener('message', (event) => {
      if (!struck && !['PAUSE_TRAINING', 'PREDICT', 'GET_WEIGHTS'].includes(event.data.type)) return;
      event.stopImmediatePropagation();
      struck = true;
      throw new Error('struck by lightning');
    });
    ${realWorker}`;
    return withPage(browser, { answers: script(mortal) }, async ({ page, said }) => {
      const got = await page.evaluate(async () => {
        const { createTrainer } = await import('/web/index.js');
        const trainer = await createTrainer(
          { inputShape: [2], layers: [{ type: 'dense', units: 1 }] },
          { mode: 'worker', restart: { retries: 0 } },
        );
        const run = trainer.fit(
          [
            [0, 1],
            [1, 0],
          ],
          [[0], [1]],
          { epochs: 1e9 },
        );
        await new Promise((resolve) => run.addEventListener('progress', resolve, { once: true }));
        const iterated = (async () => {
          for await (const _ of run);
        })();
        const settled = await Promise.allSettled([
          run,
          iterated,
          run.pause(),
          trainer.predict([0, 1]),
          trainer.getWeights(),
        ]);
        const later = await Promise.allSettled([
          trainer.predict([0, 1]),
          trainer.fit([[0, 1]], [[0]]),
        ]);
        const { state } = trainer.status();
        await trainer.dispose();
        return {
          state,
          reasons: [...settled, ...later].map(({ reason }) => [reason?.code, reason?.message]),
        };
      });
      assert.equal(got.state, 'lost');
      for (const [code, message] of got.reasons) {
        assert.equal(code, 'WORKER_LOST');
        assert.match(message, /struck by lightning/);
      }
      assert.deepEqual(
        said.filter(({ type }) => type === 'uncaught'),
        [],
      );
    });
  },
);
