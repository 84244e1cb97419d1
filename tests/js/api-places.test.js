/* api-places.test.js: where a trainer runs: the choice, the fallback with its reason and one
 * warning, and the places that never fall back. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { createTrainer } from '../../web/index.js';
import {
  BOTH,
  bitsOf,
  cloudSpec,
  clouds,
  everywhere,
  inOwnProcess,
  refused,
  silentThread,
  warnings,
  withThreads,
} from './api-setting.js';

const { x, y } = clouds(30);
const root = new URL('../../', import.meta.url);
const missing = () => [new URL('worker/nowhere.js', root), {}];
const throwing = () => ['throw new Error("no such luck")', { eval: true }];
const leaving = () => ['process.exit(3)', { eval: true }];

/** Creates in mode 'auto' and expects the main thread, one warning, and the same reason in both. */
async function fallsBack(reason, options) {
  let trainer;
  const said = await warnings(async () => {
    trainer = await createTrainer(cloudSpec(), { mode: 'auto', ...options });
  });
  assert.equal(trainer.info.mode, 'main');
  assert.match(trainer.info.reason, reason);
  assert.equal(said.length, 1);
  assert.ok(said[0].includes(trainer.info.reason));
  assert.equal((await trainer.fit(x, y)).reason, 'finished');
  await trainer.dispose();
}

test("'auto' takes a worker where there is one, and says nothing", async () => {
  const said = await warnings(async () => {
    const trainer = await createTrainer(cloudSpec());
    assert.equal(trainer.info.mode, 'worker');
    assert.equal(trainer.info.reason, null);
    await trainer.dispose();
  });
  assert.deepEqual(said, []);
});

for (const [what, instead, reason, code, timeout] of [
  ['cannot be loaded', missing, /nowhere/, 'WORKER_LOST'],
  ['fails at once', throwing, /no such luck/, 'WORKER_LOST'],
  ['leaves at once', leaving, /exit code 3/, 'WORKER_LOST'],
  ['says nothing', silentThread, /150 ms/, 'TIMEOUT', 150],
]) {
  test(`a worker that ${what} makes 'auto' fall back, and 'worker' fail`, async () => {
    await withThreads(async () => {
      await fallsBack(reason, { timeout });
      const said = await warnings(() =>
        refused(createTrainer(cloudSpec(), { mode: 'worker', timeout }), code, reason),
      );
      assert.deepEqual(said, []);
    }, instead);
  });
}

test('without workers', async () => {
  // Finds the wasm while files can be read
  await (await createTrainer(cloudSpec(), { mode: 'main' })).dispose();
  const original = process.getBuiltinModule;
  process.getBuiltinModule = undefined;
  try {
    await fallsBack(/getBuiltinModule/);
    await refused(
      createTrainer(cloudSpec(), { mode: 'worker' }),
      'UNSUPPORTED',
      /getBuiltinModule/,
    );
  } finally {
    process.getBuiltinModule = original;
  }
});

test('OFFSTAGE_USE_WORKERS=false', async () => {
  process.env.OFFSTAGE_USE_WORKERS = 'false';
  try {
    await fallsBack(/OFFSTAGE_USE_WORKERS/);
    const asked = await createTrainer(cloudSpec(), { mode: 'worker' });
    assert.equal(asked.info.mode, 'worker', "it speaks to 'auto' only");
    await asked.dispose();
    process.env.OFFSTAGE_USE_WORKERS = 'true';
    const auto = await createTrainer(cloudSpec());
    assert.equal(auto.info.mode, 'worker');
    await auto.dispose();
  } finally {
    delete process.env.OFFSTAGE_USE_WORKERS;
  }
  const child = inOwnProcess(
    `const trainer = await offstage.createTrainer({ inputShape: [4], layers: [{ type: 'dense', units: 1 }] });
    console.log(trainer.info.mode, '|', trainer.info.reason);`,
    { env: { OFFSTAGE_USE_WORKERS: 'false' } },
  );
  assert.match(child.stdout, /^main \| .*OFFSTAGE_USE_WORKERS/);
  assert.match(child.stderr, /OFFSTAGE_USE_WORKERS/);
});

test("mode 'main' starts no worker and warns of nothing", async () => {
  await withThreads(async (threads) => {
    const said = await warnings(async () => {
      const trainer = await createTrainer(cloudSpec(), { mode: 'main' });
      assert.equal(trainer.info.reason, null);
      await trainer.dispose();
    });
    assert.deepEqual(said, []);
    assert.equal(threads.length, 0);
  });
});

everywhere('assets tell where worker and wasm are', BOTH, async (make) => {
  const expected = bitsOf(await (await make(cloudSpec())).getWeights());
  for (const assets of [root, root.href, root.href.replace(/\/$/, '')]) {
    const trainer = await make(cloudSpec(), { assets });
    assert.deepEqual(bitsOf(await trainer.getWeights()), expected);
  }
});

test('assets that lead nowhere', async () => {
  const assets = new URL('nowhere/', root);
  await refused(createTrainer(cloudSpec(), { mode: 'main', assets }), 'UNSUPPORTED', /nowhere/);
  await refused(createTrainer(cloudSpec(), { mode: 'worker', assets }), 'WORKER_LOST', /nowhere/);
  const said = await warnings(() =>
    refused(createTrainer(cloudSpec(), { assets }), 'UNSUPPORTED', /nowhere/),
  );
  assert.equal(said.length, 1);
  await refused(createTrainer(cloudSpec(), { assets: 'http://[' }), 'INVALID_OPTION', /assets/);
});

test('a thread is started from any kind of Node program', () => {
  const { stdout, stderr } = inOwnProcess(`const trainer = await offstage.createTrainer(
      { inputShape: [4], layers: [{ type: 'dense', units: 1 }] }, { mode: 'worker' });
    console.log(trainer.info.mode);`); // --input-type=module, which a thread must not inherit
  assert.equal(stdout, 'worker\n', stderr);
});

test('in Node the real thread is taken, whatever a package has made the global Worker of', async (t) => {
  let made = 0;
  globalThis.Worker = class extends EventTarget {
    constructor() {
      super();
      made++;
    }
    postMessage() {}
    terminate() {}
  };
  t.after(() => delete globalThis.Worker);
  const trainer = await createTrainer(cloudSpec(), { threads: 1 });
  assert.deepEqual([trainer.info.mode, trainer.info.reason, made], ['worker', null, 0]);
  await trainer.dispose();
});

test('a page environment in Node that has no MessageChannel and no setImmediate trains', async (t) => {
  const { MessageChannel, setImmediate } = globalThis;
  t.after(() => Object.assign(globalThis, { MessageChannel, setImmediate }));
  delete globalThis.MessageChannel;
  delete globalThis.setImmediate;
  for (const mode of ['worker', 'main']) {
    const trainer = await createTrainer(cloudSpec(), { mode });
    const { reason } = await trainer.fit(x.slice(), y.slice(), { transfer: true });
    assert.equal(reason, 'finished');
    await trainer.dispose();
  }
});
