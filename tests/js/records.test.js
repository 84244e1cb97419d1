/* records.test.js: what a run and its trainer tell: records of every kind, events, snapshots, and
 * of which step an answer is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { BOTH, cloudSpec, clouds, everywhere, refused, until } from './api-setting.js';
import { eventsOf, withStrikes } from './recovery-setting.js';

const { x, y } = clouds(300);
const RUN = { epochs: 4, batchSize: 16, validationSplit: 0.2, progressHz: 1000 };
const COLUMNS = ['epoch', 'batch', 'step', 'batchLoss', 'batchAccuracy', 'learningRate'];

/** Rows of 'batches' events as objects. */
const read = ({ columns, rows }) => {
  assert.deepEqual(columns, COLUMNS);
  return Array.from({ length: rows.length / 6 }, (_, i) =>
    Object.fromEntries(columns.map((name, k) => [name, rows[6 * i + k]])),
  );
};

everywhere('every step is told, and its means make the epoch', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const run = trainer.fit(x, y, { ...RUN, progressHz: 2, batchRecords: 'every' });
  const [rows, batches, epochs] = [[], [], []];
  run.addEventListener('batches', ({ detail }) => rows.push(...read(detail)));
  run.addEventListener('batch', ({ detail }) => batches.push(detail));
  run.addEventListener('epoch', ({ detail }) => epochs.push(detail));
  const { history } = await run;
  assert.deepEqual(
    rows.map(({ step }) => step),
    Array.from({ length: 60 }, (_, i) => i + 1),
  );
  assert.deepEqual(batches, rows);
  assert.equal(epochs.length, 4);
  for (const [i, { loss, accuracy, learningRate }] of history.entries()) {
    const own = rows.filter(({ epoch }) => epoch === i + 1);
    assert.deepEqual(
      own.map(({ batch }) => batch),
      Array.from({ length: 15 }, (_, k) => k + 1),
    );
    const mean = (name) => own.reduce((sum, row) => sum + row[name], 0) / 15;
    assert.ok(Math.abs(mean('batchLoss') - loss) < 1e-12);
    assert.ok(Math.abs(mean('batchAccuracy') - accuracy) < 1e-12);
    assert.ok(own.every((row) => row.learningRate === learningRate));
  }
});

everywhere('a batch record has its own means beside those of the epoch', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const run = trainer.fit(x, y, RUN);
  const batches = [];
  run.addEventListener('batch', ({ detail }) => batches.push(detail));
  await run;
  for (const { batch, loss, accuracy, batchLoss, batchAccuracy, kind } of batches) {
    assert.equal(kind, 'batch');
    assert.ok(batchLoss > 0 && batchAccuracy >= 0);
    if (batch === 1) assert.deepEqual([batchLoss, batchAccuracy], [loss, accuracy]);
  }
});

test('a model without an accuracy, and one with several outputs', async () => {
  const spec = { inputShape: [6], layers: [{ type: 'dense', units: 1 }], seed: 1 };
  const trainer = await createTrainer(spec, { mode: 'main' });
  const run = trainer.fit(x, new Float32Array(300), { batchSize: 64, batchRecords: 'every' });
  const batches = [];
  run.addEventListener('batch', ({ detail }) => batches.push(detail));
  await run;
  assert.equal(batches.length, 5);
  assert.ok(batches.every(({ batchAccuracy }) => batchAccuracy === undefined));
  await refused(trainer.fit(x, y, { batchRecords: 'all' }), 'INVALID_OPTION', /'throttled'/);
});

test('a killed worker: no step is told twice, and none is missing', async () => {
  for (const nth of [3, 25]) {
    await withStrikes([{ at: 'TRAINING_PROGRESS', nth }], async () => {
      const trainer = await createTrainer(cloudSpec(), { mode: 'worker', restart: { delay: 0 } });
      const run = trainer.fit(x, y, { ...RUN, batchRecords: 'every' });
      const steps = [];
      run.addEventListener('batches', ({ detail }) =>
        steps.push(...read(detail).map(({ step }) => step)),
      );
      await run;
      assert.deepEqual(
        steps,
        Array.from({ length: 60 }, (_, i) => i + 1),
      );
      await trainer.dispose();
    });
  }
});

everywhere('the states of a run, and its epochs', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const run = trainer.fit(x, y, { ...RUN, epochs: 5000, progressHz: 10 });
  const states = [];
  run.addEventListener('state', ({ detail }) => states.push([detail.before, detail.state]));
  const seen = [];
  for await (const { kind, epoch } of run.epochs()) {
    assert.equal(kind, 'epoch');
    seen.push(epoch);
    if (epoch === 2) {
      await run.pause();
      assert.equal(run.state, 'paused');
      await run.resume();
    }
    if (epoch === 4) await run.stop();
  }
  const { epochs } = await run;
  assert.deepEqual(
    seen,
    Array.from({ length: epochs }, (_, i) => i + 1),
  );
  assert.equal(run.state, 'ended');
  const tail = [
    ['running', 'paused'],
    ['paused', 'running'],
    ['running', 'stopping'],
    ['stopping', 'ended'],
  ];
  assert.deepEqual(states.slice(-4), tail);
  assert.ok(states.length === 4 || String(states[0]) === 'starting,running');
  assert.equal(trainer.fit(x, y, { epochs: -1 }).catch(() => {}) && trainer.run, run);
  const failed = trainer.fit(x, y, { epochs: -1 });
  assert.equal(failed.state, 'ended');
  await refused(failed, 'INVALID_OPTION');
});

everywhere('snapshots: frozen, the same until something changes', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const { snapshot } = trainer;
  assert.equal(trainer.snapshot, snapshot);
  assert.ok(Object.isFrozen(snapshot) && Object.isFrozen(snapshot.history));
  assert.deepEqual(
    { ...snapshot, mode: 0 },
    {
      state: 'ready',
      mode: 0,
      run: null,
      runState: null,
      epoch: 0,
      step: 0,
      record: null,
      history: [],
      error: null,
    },
  );
  const told = [];
  const unsubscribe = trainer.subscribe((given) => {
    assert.equal(given, trainer.snapshot);
    assert.notEqual(given, told.at(-1));
    told.push(given);
  });
  let threw = 0;
  trainer.subscribe(() => {
    threw++;
    throw new Error('of a view');
  });
  const logged = eventsOf(trainer, 'log');
  const run = trainer.fit(x, y, RUN);
  assert.equal(trainer.snapshot.state, 'training');
  assert.equal(trainer.snapshot.run, run);
  const { history } = await run;
  await until(() => trainer.snapshot.state === 'ready');
  const last = trainer.snapshot;
  assert.deepEqual(last.history, history);
  assert.equal(last.runState, 'ended');
  assert.equal(last.step, 60);
  assert.equal(last.record.kind, 'epoch');
  assert.ok(told.length > 1 && threw === told.length, `${told.length} ${threw}`);
  assert.equal(told.at(-1), last);
  assert.ok(logged.some(({ message }) => /a listener of subscribe\(\) threw/.test(message)));
  const lengths = told.map((each) => each.history.length);
  assert.deepEqual([lengths[0], lengths.at(-1)], [0, 4]);
  assert.deepEqual(lengths, lengths.toSorted());
  for (const [i, each] of told.entries()) {
    if (i === 0 || lengths[i] !== lengths[i - 1]) continue;
    const same = each.history === told[i - 1].history || each.runState !== told[i - 1].runState;
    assert.ok(same, 'the history is another array only where it has grown');
  }
  assert.throws(() => (last.history.length = 0), TypeError);
  assert.equal(trainer.snapshot, last);
  unsubscribe();
  unsubscribe();
  const count = told.length;
  await refused(
    trainer.fit(
      x,
      y.map(() => 7),
    ),
    'INVALID_DATA',
  );
  assert.equal(trainer.snapshot.error.code, 'INVALID_DATA');
  assert.equal(told.length, count);
  await trainer.dispose();
  assert.equal(trainer.snapshot.state, 'disposed');
  assert.throws(() => trainer.subscribe(), { code: 'INVALID_OPTION' });
});

everywhere(
  'a listener that changes something: the others see the newest last',
  BOTH,
  async (make) => {
    const trainer = await make(cloudSpec());
    trainer.subscribe(({ epoch, runState, run }) => {
      if (epoch >= 2 && runState === 'running') run.stop();
    });
    const stale = [];
    trainer.subscribe((given) => {
      if (given !== trainer.snapshot) stale.push(given.runState);
    });
    assert.equal((await trainer.fit(x, y, { ...RUN, epochs: 1000 })).reason, 'stopped');
    assert.deepEqual(stale, []);
  },
);

everywhere('an answer tells of which step it is', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const one = x.subarray(0, 6);
  assert.equal((await trainer.predict(one)).step, 0);
  await trainer.fit(x, y, RUN);
  assert.equal((await trainer.predict(one)).step, 60);
  assert.equal((await trainer.predict(x)).step, 60);
  assert.equal((await trainer.evaluate(x, y)).step, 60);
  const weights = await trainer.getWeights();
  assert.equal(weights.step, 60);
  assert.deepEqual(Object.keys(weights), ['0', '1', '2', '3']);
  const bytes = await trainer.save();
  assert.equal(bytes.step, 60);
  const other = await make(cloudSpec());
  await other.load(bytes);
  assert.equal((await other.predict(one)).step, 60);
  const steps = [];
  await trainer.fit(x, y, {
    ...RUN,
    onEpoch: async ({ step }) =>
      void steps.push([step, (await trainer.predict(x)).step, (await trainer.save()).step]),
  });
  for (const [step, ...others] of steps) assert.deepEqual(others, [step, step]);
});

test('a trainer whose worker is lost for good shows that', async () => {
  await withStrikes([{ at: 'TRAINING_PROGRESS' }], async () => {
    const trainer = await createTrainer(cloudSpec(), { mode: 'worker', restart: { retries: 0 } });
    const shown = [];
    trainer.subscribe((snapshot) => shown.push(snapshot));
    await refused(trainer.fit(x, y, RUN), 'WORKER_LOST');
    const { state, error, runState } = trainer.snapshot;
    assert.deepEqual([state, error.code, runState], ['lost', 'WORKER_LOST', 'ended']);
    assert.equal(shown.at(-1), trainer.snapshot);
  });
  await withStrikes([{ at: 'TRAINING_SNAPSHOT' }], async () => {
    const trainer = await createTrainer(cloudSpec(), { mode: 'worker', restart: { retries: 0 } });
    const shown = [];
    trainer.subscribe((snapshot) => shown.push(snapshot.state));
    await trainer.dispose();
    assert.deepEqual([shown, trainer.snapshot.error], [['disposed'], null]);
  });
});
