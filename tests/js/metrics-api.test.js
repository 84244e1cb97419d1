/* metrics-api.test.js: metrics of runs, of what validates and of evaluate(), by their names in
 * records, whatever interrupts the run. Values are counted again here from predictions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer, loadTrainer } from '../../web/index.js';
import { decodeCheckpoint } from '../../worker/trainer/checkpoint.js';
import { BOTH, bitsOf, cloudSpec, clouds, everywhere, refused } from './api-setting.js';
import { rewritten } from './checkpoint-setting.js';
import { followed, withStrikes } from './recovery-setting.js';

const { x, y } = clouds(300);
const SPLIT = 240;
const METRICS = /** @type {const} */ ([
  'accuracy',
  'f1',
  { type: 'recall', average: 'none', name: 'recalls' },
  'confusionMatrix',
  'auc',
]);
const RUN = { epochs: 4, batchSize: 16, validationSplit: 0.2, progressHz: 1000 };
const spec = () => ({ ...cloudSpec(), metrics: METRICS });

/** What a classifier's predictions are worth. */
function counted(predicted, wanted, classes = 3) {
  const counts = new Float64Array(classes * classes);
  wanted.forEach((truth, i) => counts[truth * classes + predicted[i]]++);
  const sum = (of) => Array.from({ length: classes }, (_, k) => of(k)).reduce((a, b) => a + b);
  const recalls = Array.from({ length: classes }, (_, i) => {
    return counts[i * classes + i] / sum((k) => counts[i * classes + k]);
  });
  const f1 =
    sum((i) => {
      const both = sum((k) => counts[i * classes + k]) + sum((k) => counts[k * classes + i]);
      return (2 * counts[i * classes + i]) / both;
    }) / classes;
  return { counts, recalls, f1 };
}

everywhere('epochs tell metrics of what trains and what validates', BOTH, async (make) => {
  const trainer = await make(spec());
  assert.deepEqual(trainer.info.metrics, METRICS);
  const held = { x: x.subarray(6 * SPLIT), y: y.subarray(SPLIT) };
  const wanted = [];
  const { history } = await trainer.fit(x, y, {
    ...RUN,
    onEpoch: async () => {
      const { index } = await trainer.predict(held.x);
      wanted.push(counted(index, held.y));
    },
  });
  assert.equal(history.length, 4);
  history.forEach((epoch, i) => {
    const { counts, recalls, f1 } = wanted[i];
    assert.deepEqual(epoch.valConfusionMatrix, { size: 3, counts });
    assert.deepEqual(epoch.valRecalls, Float32Array.from(recalls));
    assert.ok(Math.abs(epoch.valF1 - f1) < 1e-12);
    assert.equal(
      epoch.confusionMatrix.counts.reduce((a, b) => a + b),
      SPLIT,
    );
    assert.ok(epoch.auc >= 0 && epoch.auc <= 1 && epoch.valAuc <= 1);
  });
  assert.deepEqual(Object.keys(trainer.runs[0].metrics), [
    ...['epoch', 'loss', 'accuracy', 'f1', 'auc'],
    ...['valLoss', 'valAccuracy', 'valF1', 'valAuc', 'learningRate'],
  ]);
});

everywhere(
  'metrics are in the history while the run is on, and where it was cut off',
  BOTH,
  async (make) => {
    const trainer = await make(spec());
    const told = [];
    const run = trainer.fit(x, y, {
      ...RUN,
      onEpoch: (record) => {
        told.push(record);
        const { kind, epoch, valF1, valConfusionMatrix } = record;
        assert.equal(kind, 'epoch');
        for (const history of [trainer.history, trainer.snapshot.history]) {
          assert.equal(history.length, epoch);
          assert.equal(history[epoch - 1].valF1, valF1);
          assert.deepEqual(history[epoch - 1].valConfusionMatrix, valConfusionMatrix);
        }
        const { metrics } = trainer.runs[0];
        assert.equal(metrics.valF1, valF1);
        assert.ok(!('valConfusionMatrix' in metrics));
        if (epoch === 2) trainer.dispose();
      },
    });
    const { history } = await run;
    assert.deepEqual(
      history.map(({ valF1 }) => valF1),
      told.map(({ valF1 }) => valF1),
    );
  },
);

everywhere('evaluate: the trainer’s metrics, or others', BOTH, async (make) => {
  const trainer = await make(spec());
  await trainer.fit(x, y, { epochs: 2 });
  const own = await trainer.evaluate(x, y);
  const { index } = await trainer.predict(x);
  const { counts, f1 } = counted(index, y);
  assert.deepEqual(own.confusionMatrix.counts, counts);
  assert.ok(Math.abs(own.f1 - f1) < 1e-12);
  assert.ok(own.accuracy > 0);
  const others = await trainer.evaluate(x, y, { metrics: ['matthews'], batchSize: 7 });
  assert.deepEqual(Object.keys(others), ['loss', 'matthews', 'samples', 'step']);
  assert.deepEqual(Object.keys(await trainer.evaluate(x, y, { metrics: [] })), [
    ...['loss', 'samples', 'step'],
  ]);
  const weights = Float32Array.from(y, (label) => (label === 0 ? 0 : 1));
  const weighed = await trainer.evaluate(x, y, {
    metrics: ['confusionMatrix'],
    sampleWeight: weights,
  });
  assert.deepEqual([...weighed.confusionMatrix.counts.subarray(0, 3)], [0, 0, 0]);
});

everywhere('a monitor is a metric, in its own direction', BOTH, async (make) => {
  const up = await make(spec());
  const fit = { ...RUN, epochs: 30 };
  const stopped = await up.fit(x, y, {
    ...fit,
    earlyStopping: { monitor: 'valF1', patience: 1, restoreBest: true },
  });
  assert.equal(stopped.reason, 'earlyStopping');
  const scores = stopped.history.map(({ valF1 }) => valF1);
  assert.equal(stopped.bestEpoch, 1 + scores.indexOf(Math.max(...scores)));
  await refused(
    up.fit(x, y, { ...fit, earlyStopping: { monitor: 'valRecalls' } }),
    'INVALID_OPTION',
    /monitor is 'valRecalls', which this run does not measure/,
  );
  const down = await make({
    inputShape: [6],
    layers: [{ type: 'dense', units: 1 }],
    metrics: ['meanAbsoluteError', 'r2'],
  });
  const target = Float32Array.from(y);
  const reached = await down.fit(x, target, {
    ...fit,
    epochs: 200,
    until: { valMeanAbsoluteError: 0.5, valR2: 0 },
  });
  assert.equal(reached.reason, 'reached');
  const last = reached.history[reached.epochs - 1];
  assert.ok(last.valMeanAbsoluteError <= 0.5 && last.valR2 >= 0);
  const before = reached.history[reached.epochs - 2];
  if (before) assert.ok(before.valMeanAbsoluteError > 0.5 || before.valR2 < 0);
});

everywhere('several outputs: each has its own', BOTH, async (make) => {
  const two = await make({
    inputShape: [6],
    layers: [
      { type: 'dense', name: 'kind', units: 3, activation: 'softmax', input: 'input' },
      { type: 'dense', name: 'size', units: 1, input: 'input' },
    ],
    outputs: ['kind', 'size'],
    metrics: { kind: ['accuracy', 'f1'], size: ['meanAbsoluteError'] },
  });
  const targets = { outputs: { kind: y, size: Float32Array.from(y, (label) => label / 3) } };
  const run = { ...RUN, earlyStopping: { monitor: 'size.valMeanAbsoluteError', patience: 50 } };
  const { history } = await two.fit(x, targets, run);
  const { outputs } = history[3];
  assert.deepEqual(Object.keys(outputs.kind), [
    ...['loss', 'accuracy', 'f1', 'valLoss', 'valAccuracy', 'valF1'],
  ]);
  assert.deepEqual(Object.keys(outputs.size), [
    ...['loss', 'meanAbsoluteError', 'valLoss', 'valMeanAbsoluteError'],
  ]);
  const asked = await two.evaluate(x, targets, { metrics: { kind: ['confusionMatrix'] } });
  assert.equal(asked.outputs.kind.confusionMatrix.size, 3);
  assert.deepEqual(Object.keys(asked.outputs.size), ['loss']);
  await refused(
    two.evaluate(x, targets, { metrics: { kinds: [] } }),
    'INVALID_OPTION',
    /'kinds' is no output, expected one of 'kind', 'size'; did you mean 'kind'\?/,
  );
});

everywhere('what does not fit is refused, where it is asked for', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  for (const [metrics, message] of /** @type {[any, RegExp][]} */ ([
    ['f1', /metrics is 'f1', expected an array/],
    [[{ type: 'topKAccuracy', k: 4 }], /metrics\[0\] \(topKAccuracy\): k is 4.* from 1 to 3/],
    [['f1', 'f1'], /metrics\[1\] is called 'f1', as another one is/],
    [[{ type: 'f1', name: 'loss' }], /metrics\[0\].name is 'loss'/],
    [[{ type: 'f1', avarage: 'micro' }], /unknown field 'avarage'.*did you mean 'average'/],
    [['binaryAccuracy'], /metrics\[0\] \(binaryAccuracy\): .*expected 'sigmoid'/],
    [[() => 1], /metrics\[0\] is a function, expected data/],
  ])) {
    await refused(trainer.evaluate(x, y, { metrics }), 'INVALID_OPTION', message);
    await refused(make({ ...cloudSpec(), metrics }), 'INVALID_SPEC', message);
  }
});

everywhere('a run that was interrupted has the same records', BOTH, async (make, _, place) => {
  const whole = await make(spec());
  const fit = { ...RUN, earlyStopping: { monitor: 'valF1', patience: 2, restoreBest: true } };
  const { history } = await whole.fit(x, y, fit);
  for (const at of [1, 7, 15, 16, 31]) {
    const cut = await make(spec());
    const run = cut.fit(x, y, { ...fit, batchRecords: 'every' });
    let seen = 0;
    run.addEventListener('batch', () => {
      if (++seen === at) run.stop();
    });
    await run;
    const other = await loadTrainer(await cut.save(), place);
    try {
      const rest = await other.fit(x, y, { resume: true });
      assert.deepEqual(rest.history, history);
      assert.deepEqual(bitsOf(await other.getWeights()), bitsOf(await whole.getWeights()));
    } finally {
      await other.dispose();
    }
  }
});

test('a killed worker: the same records', async () => {
  const plain = await createTrainer(spec(), { mode: 'worker' });
  const want = await followed(plain.fit(x, y, RUN));
  await plain.dispose();
  for (const nth of [1, 3]) {
    await withStrikes([{ at: 'TRAINING_SNAPSHOT', nth }], async (workers) => {
      const trainer = await createTrainer(spec(), { mode: 'worker', restart: { delay: 0 } });
      const { result } = await followed(trainer.fit(x, y, RUN));
      assert.deepEqual(result.history, want.result.history);
      assert.equal(workers.length, 2);
      await trainer.dispose();
    });
  }
});

test('a checkpoint whose history or sums cannot be these metrics’ is refused', async () => {
  const trainer = await createTrainer(spec(), { mode: 'main' });
  await trainer.fit(x, y, RUN);
  const bytes = await trainer.save();
  const { about } = decodeCheckpoint(bytes);
  const flawed = (fields) => rewritten(bytes, fields);
  const square = { size: 2, counts: new Float64Array(4) };
  const history = (fields) => about.run.history.map((epoch) => ({ ...epoch, ...fields }));
  await refused(
    trainer.load(flawed({ history: history({ valLoss: square }) })),
    'BAD_CHECKPOINT',
    /'history\/valLoss' is F64 \[4, 2, 2\], expected F64 of each epoch/,
  );
  await refused(
    trainer.load(flawed({ history: history({ specificity: 1 }) })),
    'BAD_CHECKPOINT',
    /tensors, expected/,
  );
  await trainer.load(flawed({ metrics: new Float64Array(3) }));
  await refused(trainer.fit(x, y, { resume: true, epochs: 5 }), 'BAD_CHECKPOINT', /metrics/);
  await trainer.dispose();
});
