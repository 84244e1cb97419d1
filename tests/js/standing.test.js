/* standing.test.js: what a trainer says of itself is so at that moment: where a run stands after
 * pause, resume and stop, that there is one from fit() on, how many there were, and that a worker
 * which never got a request is found out. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Worker } from 'node:worker_threads';
import { createTrainer, loadTrainer } from '../../web/index.js';
import { bitsOf } from './api-setting.js';
import { withStrikes } from './recovery-setting.js';

const SPEC = {
  inputShape: [4],
  layers: [
    { type: 'dense', units: 6, activation: 'tanh' },
    { type: 'dense', units: 1 },
  ],
  seed: 5,
};
const dataOf = (samples) => [
  Float32Array.from({ length: 4 * samples }, (_, i) => Math.sin(i * 0.7)),
  Float32Array.from({ length: samples }, (_, i) => Math.cos(i)),
];
const make = (options) => createTrainer(SPEC, { mode: 'worker', threads: 1, ...options });

/** What is kept at this moment. @param {any} trainer */
async function keptStep(trainer) {
  const copy = await loadTrainer(await trainer.save(), { mode: 'main' });
  const { step } = copy.status();
  await copy.dispose();
  return step;
}

for (const mode of ['worker', 'main']) {
  test(`after an awaited pause, resume or stop status() is exact: ${mode}`, async () => {
    const trainer = await make({ mode });
    const [x, y] = dataOf(1000);
    /* So that no record of a batch comes by itself. */
    const run = trainer.fit(x, y, { epochs: 1e6, batchSize: 7, progressHz: 1e-3 });
    for (let i = 0; i < 5; i++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      await run.pause();
      const { epoch, batch, step } = trainer.status();
      assert.equal(step, Math.max(0, epoch - 1) * Math.ceil(1000 / 7) + batch);
      assert.equal(await keptStep(trainer), step, 'as the checkpoint taken next has it');
      await run.resume();
      assert.ok(trainer.status().step >= step);
    }
    await run.stop();
    const result = await run;
    const { epoch, batch, step } = trainer.status();
    assert.equal(step, result.step);
    assert.equal(step, Math.max(0, epoch - 1) * Math.ceil(1000 / 7) + batch);
    await trainer.dispose();
  });
}

for (const ask of ['before', 'as']) {
  test(`save() asked ${ask} the worker is lost holds the run, which begins anew`, async () => {
    const strike = { at: 'DATA_STORED', nth: ask === 'as' ? 2 : 1, before: true };
    const strikes = ask === 'as' ? [{ at: 'TRAINING_PROGRESS', before: true }] : [strike];
    await withStrikes(strikes, async (workers) => {
      const trainer = await make();
      const [x, y] = dataOf(40_000);
      const lost = new Promise((resolve) =>
        trainer.addEventListener('restart', () => resolve(trainer.save())),
      );
      const run = trainer.fit(x, y, { epochs: 3, batchSize: 16 });
      const [bytes] = await Promise.all(ask === 'as' ? [lost] : [trainer.save(), lost]);
      assert.equal(workers.length, 2);
      await Promise.all([run.stop(), run]);
      await trainer.dispose();
      const again = await loadTrainer(bytes, { mode: 'main' });
      assert.equal(again.runs.length, 1);
      await again.dispose();
    });
  });
}

const STEPS = Math.ceil(1000 / 7); // of an epoch
for (const snapshotMs of [20, 1e9]) {
  test(`a paused run whose worker is replaced stands where the next one does (${snapshotMs})`, async () => {
    const strikes = [{ at: 'TRAINING_PAUSED' }];
    const body = async (workers) => {
      const trainer = await make();
      const [x, y] = dataOf(1000);
      const run = trainer.fit(x, y, { epochs: 1e6, batchSize: 7, progressHz: 1000 });
      const replaced = new Promise((resolve) => trainer.addEventListener('restart', resolve));
      let told = 0;
      for await (const { step } of run) {
        told = step;
        if (step > 2 * STEPS) break;
      }
      await run.pause();
      await replaced;
      const kept = await keptStep(trainer); // once the run is on there
      assert.equal(workers.length, 2);
      const { state, epoch, batch, step } = trainer.status();
      assert.deepEqual([state, step], ['paused', kept]);
      // Without a snapshot it has begun anew, and may have made some steps before it is paused.
      assert.ok(snapshotMs === 20 ? step > 0 : step < told, `${step} of ${told}`);
      assert.equal(step, Math.max(0, epoch - 1) * STEPS + batch);
      await run.stop();
      await trainer.dispose();
    };
    await withStrikes(strikes, body, { snapshotMs });
  });
}

for (const mode of ['worker', 'main']) {
  test(`a run that is resumed and paused at once: status() is exact: ${mode}`, async () => {
    const trainer = await make({ mode });
    const [x, y] = dataOf(1000);
    const first = trainer.fit(x, y, { epochs: 1e6, batchSize: 7, progressHz: 1000 });
    for await (const { step } of first) if (step > 2 * STEPS) break;
    await first.stop();
    const { epoch, batch, step } = trainer.status();
    const run = trainer.fit(x, y, { resume: true });
    await run.pause();
    const stands = trainer.status();
    assert.deepEqual([stands.epoch, stands.batch, stands.step], [epoch, batch, step]);
    await run.stop();
    await trainer.dispose();
  });
}

for (const mode of ['worker', 'main']) {
  for (const retries of [0, 3]) {
    test(`a run that has failed: status() says where the model stands: ${mode}, ${retries} retries`, async () => {
      const trainer = await createTrainer(
        { ...SPEC, optimizer: 'sgd', learningRate: 1e4, layers: [{ type: 'dense', units: 1 }] },
        { mode, restart: { retries } },
      );
      const [x, y] = dataOf(1000);
      const run = trainer.fit(x, y, { epochs: 100, batchSize: 7, progressHz: 1e-3 });
      await assert.rejects(Promise.resolve(run), { code: 'NON_FINITE' });
      const { state, step } = trainer.status();
      assert.ok(step > 0);
      assert.deepEqual([state, step], ['ready', await keptStep(trainer)]);
      await trainer.dispose();
    });
  }
}

for (const [name, samples] of Object.entries({ small: 60, sliced: 40_000 })) {
  for (const paused of [false, true]) {
    test(`save() right after fit() holds the run: ${name} data${paused ? ', paused' : ''}`, async () => {
      const [x, y] = dataOf(samples);
      const options = { epochs: 3, batchSize: 16 };
      const first = await make();
      await first.fit(x, y, options);
      const expected = bitsOf(await first.getWeights());
      await first.dispose();

      const trainer = await make();
      const run = trainer.fit(x, y, options);
      if (paused) run.pause();
      const bytes = await trainer.save();
      await Promise.all([run.stop(), run]);
      await trainer.dispose();
      const again = await loadTrainer(bytes, { mode: 'worker', threads: 1 });
      assert.equal(again.runs.length, 1);
      const { reason, epochs } = await again.fit(x, y, { resume: true });
      assert.deepEqual([reason, epochs], ['finished', 3]);
      assert.deepEqual(bitsOf(await again.getWeights()), expected);
      await again.dispose();
    });
  }
}

test('runs are the latest 100, totals of all; a run that is resumed is one', async () => {
  const trainer = await make();
  const [x, y] = dataOf(4);
  let bytes;
  for (let i = 1; i <= 150; i++) {
    const run = trainer.fit(x, y, { epochs: 2, batchSize: 2 });
    assert.equal(trainer.totals.runs, i, 'from fit() on');
    await run;
    if (i === 120) bytes = await trainer.save();
  }
  const idsOf = ({ runs }) => [runs.length, runs[0].id, runs.at(-1).id];
  assert.deepEqual(idsOf(trainer), [100, 51, 150]);
  const { seconds, ...counts } = trainer.totals;
  assert.deepEqual(counts, { runs: 150, epochs: 300, steps: 600 });
  assert.ok(seconds > 0);
  await assert.rejects(
    Promise.resolve(
      trainer.fit(
        x,
        y.map(() => NaN),
      ),
    ),
    { code: 'INVALID_DATA' },
  );
  assert.equal(trainer.totals.runs, 150, 'a run that is refused was none');
  await trainer.dispose();

  const loaded = await loadTrainer(bytes, { mode: 'worker', threads: 1 });
  assert.deepEqual(idsOf(loaded), [100, 21, 120]);
  const before = loaded.totals;
  assert.deepEqual([before.runs, before.epochs, before.steps], [120, 240, 480]);
  await loaded.fit(x, y, { resume: true, epochs: 5 });
  const { runs, epochs, steps, seconds: later } = loaded.totals;
  assert.deepEqual([runs, epochs, steps], [120, 243, 486]);
  assert.ok(later >= before.seconds);
  await loaded.dispose();
});

test('a fit costs as many bytes after 300 others as after 110', async () => {
  const trainer = await make();
  const [x, y] = dataOf(4);
  const bytesOf = async () => {
    const { bytesIn, bytesOut } = trainer.status();
    await trainer.fit(x, y);
    const after = trainer.status();
    return [after.bytesIn - bytesIn, after.bytesOut - bytesOut];
  };
  const seen = [];
  for (let i = 0; i < 310; i++) seen.push(await bytesOf());
  const [early, late] = [seen[110], seen[309]];
  assert.equal(late[0], early[0]);
  /* Times and losses have as many digits as they like. */
  assert.ok(Math.abs(late[1] - early[1]) < 0.1 * early[1], `${early[1]}, then ${late[1]} bytes`);
  await trainer.dispose();
});

test('bytesIn went into sessions, bytesOut came out of them', async () => {
  const trainer = await make({ restart: { retries: 0 } });
  const [x, y] = dataOf(100);
  await trainer.fit(x, y);
  assert.equal(trainer.status().bytesIn, x.byteLength + y.byteLength);
  const before = trainer.status().bytesOut;
  const bytes = await trainer.save();
  assert.equal(trainer.status().bytesOut - before, bytes.byteLength);
  await trainer.dispose();
});

test('info names inputs by what an app knows of them', async () => {
  const words = {
    inputShape: [6],
    layers: [
      { type: 'embedding', inputDim: 10, outputDim: 2 },
      { type: 'flatten' },
      { type: 'dense', units: 1 },
    ],
  };
  const trainer = await createTrainer(words, { mode: 'main' });
  assert.deepEqual(trainer.info.inputs, [{ name: 'input', shape: [6], size: 6 }]);
  await assert.rejects(trainer.predict([1, 2, 3, 4, 5, 10]), {
    message: /index from 0 to 9, which an embedding reads/,
  });
  await trainer.dispose();
});

/** Runs the body while worker threads never get the first message that is posted to them. */
async function deaf(body) {
  const { prototype } = Worker;
  const { postMessage } = prototype;
  const met = new WeakSet();
  prototype.postMessage = function (...given) {
    if (met.has(this)) return postMessage.apply(this, given);
    met.add(this);
  };
  try {
    await body();
  } finally {
    prototype.postMessage = postMessage;
  }
}

test('a worker that answers, but never got the first message, is found out within timeout', async () => {
  await deaf(async () => {
    const options = { timeout: 8000, heartbeat: 8000 };
    await assert.rejects(make(options), {
      code: 'WORKER_LOST',
      message: /^the worker answers, but got 1 of 2 messages/,
    });
    const trainer = await createTrainer(SPEC, { ...options, mode: 'auto' });
    assert.equal(trainer.info.mode, 'main');
    assert.match(trainer.info.reason, /got 1 of 2 messages/);
    await trainer.dispose();
  });
});
