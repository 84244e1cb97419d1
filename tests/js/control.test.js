/* control.test.js: what ends a run or changes its learning rate, through the page: reasons, the
 * weights of the best epoch, runs that go on after any end, refusals. What is decided from which
 * numbers is control-core.test.js's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer, loadTrainer } from '../../web/index.js';
import { decodeCheckpoint } from '../../worker/trainer/checkpoint.js';
import { BOTH, bitsOf, cloudSpec, clouds, everywhere, refused } from './api-setting.js';
import { rewritten } from './checkpoint-setting.js';
import { twoByTwo, twoByTwoData } from './graph-setting.js';
import { withStrikes } from './recovery-setting.js';
import { LINES } from './session-client.js';

const { x, y: clear } = clouds(300);
/** Some are wrong, so that a wild learning rate does harm. */
const y = clear.map((label, i) => (i % 5 === 0 ? (label + 1) % 3 : label));
/** An epoch has 15 steps. */
const RUN = { epochs: 6, batchSize: 16, validationSplit: 0.2 };
/** The first epoch is the best, as the loss falls. */
const NEVER = { monitor: 'loss', mode: 'max', patience: 3 };

const ratesOf = ({ history }) => history.map(({ learningRate }) => learningRate);
const near = (got, expected) => {
  assert.equal(got.length, expected.length);
  got.forEach((rate, i) =>
    assert.ok(Math.abs(rate - expected[i]) <= 1e-12 * expected[i], `${got}, ${expected}`),
  );
};

/** Trains, and has the bits that the model had after each epoch. */
async function watched(trainer, options, asked = () => undefined) {
  const bits = [];
  const run = trainer.fit(x, y, {
    ...RUN,
    ...options,
    onEpoch: async (record) => {
      bits[record.epoch] = bitsOf(await trainer.getWeights());
      return asked(record, run);
    },
  });
  const result = await run;
  return { result, bits, left: bitsOf(await trainer.getWeights()) };
}

everywhere('each end has its reason', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const ends = async (options) => {
    const { reason, epochs, steps } = await trainer.fit(x, y, { ...RUN, ...options });
    const { reason: told, steps: counted } = trainer.runs.at(-1);
    assert.deepEqual([told, counted], [reason, steps]);
    return [reason, epochs, steps];
  };
  assert.deepEqual(await ends({ earlyStopping: NEVER }), ['earlyStopping', 4, 60]);
  const late = { ...NEVER, startFromEpoch: 2 };
  assert.deepEqual(await ends({ earlyStopping: late, epochs: 5 }), ['finished', 5, 75]);
  assert.deepEqual(await ends({ earlyStopping: late }), ['earlyStopping', 6, 90]);
  assert.deepEqual(await ends({ maxSteps: 37 }), ['limit', 2, 37]);
  assert.deepEqual(await ends({ maxSteps: 30 }), ['limit', 2, 30]);
  assert.deepEqual(await ends({ maxSteps: 90 }), ['finished', 6, 90]);
  const [reason, , steps] = await ends({ maxSeconds: 1e-9, epochs: 1e6 });
  assert.equal(reason, 'limit');
  assert.ok(steps < 15e6);
  assert.deepEqual(await ends({ until: { loss: 1e30 } }), ['reached', 1, 15]);
  assert.deepEqual(await ends({ until: { valLoss: 1e30, accuracy: 0 } }), ['reached', 1, 15]);
  assert.deepEqual(await ends({ until: { loss: 1e30, accuracy: 2 } }), ['finished', 6, 90]);
  assert.deepEqual(await ends({ until: { loss: 1e30 }, epochs: 1 }), ['reached', 1, 15]);
  assert.deepEqual(await ends({ until: { loss: 1e30 }, earlyStopping: NEVER }), ['reached', 1, 15]);
  const run = trainer.fit(x, y, {
    ...RUN,
    epochs: 1e6,
    earlyStopping: { ...NEVER, patience: 1e6 },
  });
  await run.stop();
  assert.equal((await run).reason, 'stopped');
});

test('seconds count as the clock has them, and pauses do not', async () => {
  await withStrikes([{}], async () => {
    const trainer = await createTrainer(cloudSpec(), { mode: 'worker' });
    const run = trainer.fit(x, y, { ...RUN, epochs: 1e6, maxSeconds: 0.3 });
    await run.pause();
    await run.resume();
    const { reason, durationSeconds, steps } = await run;
    assert.equal(reason, 'limit');
    assert.ok(durationSeconds >= 0.3 && durationSeconds < 0.4, `${durationSeconds}`);
    assert.ok(steps > 0);
    await trainer.dispose();
  });
});

everywhere('records tell the rate of a schedule, by steps and by epochs', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const byStep = await trainer.fit(x, y, {
    ...RUN,
    learningRate: { type: 'cosine', learningRate: 0.02, decaySteps: 90 },
  });
  const cosine = (s) => 0.01 * (1 + Math.cos((Math.PI * s) / 90));
  near(ratesOf(byStep), [14, 29, 44, 59, 74, 89].map(cosine));
  const byEpoch = await watched(await make(cloudSpec()), {
    learningRate: { type: 'exponential', decaySteps: 1, decayRate: 0.5, per: 'epoch' },
  });
  near(ratesOf(byEpoch.result), [0.01, 0.005, 0.0025, 0.00125, 0.000625, 0.0003125]);
  const byHand = await watched(await make(cloudSpec()), {}, ({ epoch }) => ({
    learningRate: 0.01 * 0.5 ** epoch,
  }));
  assert.deepEqual(byEpoch.bits, byHand.bits);
  const next = await trainer.fit(x, y, { epochs: 1 });
  assert.deepEqual(ratesOf(next), [0.01], "the next run has the optimizer's own again");
});

everywhere('a schedule counts updates, of which several batches make one', BOTH, async (make) => {
  const optimizer = { type: 'adam', learningRate: 0.01, gradientAccumulationSteps: 4 };
  const trainer = await make({ ...cloudSpec(), learningRate: undefined, optimizer });
  const { history } = await trainer.fit(x, y, {
    ...RUN,
    learningRate: { type: 'piecewise', boundaries: [2, 7], values: [0.01, 0.005, 0.001] },
  });
  // The last batches of the epochs belong to the updates 3, 7, 11, 14, 18, 22
  assert.deepEqual(ratesOf({ history }), [0.005, 0.005, 0.001, 0.001, 0.001, 0.001]);
});

everywhere(
  'the best weights are those of their epoch, however the run ends',
  BOTH,
  async (make) => {
    const wild = { type: 'piecewise', per: 'epoch', boundaries: [2], values: [0.01, 3] };
    const early = { monitor: 'valLoss', patience: 2, restoreBest: true };
    for (const [name, options, answer, reason] of [
      ['early', { learningRate: wild, earlyStopping: early }, undefined, 'earlyStopping'],
      [
        'last',
        { learningRate: wild, earlyStopping: { ...early, patience: 9 } },
        undefined,
        'finished',
      ],
      ['limit', { learningRate: wild, earlyStopping: early, maxSteps: 64 }, undefined, 'limit'],
      ['until', { earlyStopping: early, until: { loss: 1e30 } }, undefined, 'reached'],
      ['falling', { earlyStopping: { ...early, monitor: 'loss' } }, undefined, 'finished'],
      ['rising', { earlyStopping: { ...NEVER, restoreBest: true } }, undefined, 'earlyStopping'],
      [
        'false',
        { learningRate: wild, earlyStopping: early },
        ({ epoch }) => epoch < 4 && undefined,
        'onEpoch',
      ],
      [
        'stop',
        { learningRate: wild, earlyStopping: early, epochs: 1e6 },
        ({ epoch }, run) => void (epoch === 4 && run.stop()),
        'stopped',
      ],
      [
        'stop after',
        { learningRate: wild, earlyStopping: early, epochs: 1e6 },
        ({ epoch }, run) => void (epoch === 4 && run.stop({ after: 'epoch' })),
        'stopped',
      ],
    ]) {
      for (const change of [
        {},
        {
          layers: [
            { type: 'dense', units: 16, useBias: false },
            { type: 'batchNormalization' },
            { type: 'activation', activation: 'relu' },
            { type: 'dense', units: 3, activation: 'softmax' },
          ],
        },
        {
          learningRate: undefined,
          optimizer: { type: 'adam', learningRate: 0.01, useEma: true, emaMomentum: 0.9 },
        },
      ]) {
        const trainer = await make({ ...cloudSpec(), ...change });
        const { result, bits, left } = await watched(trainer, options, answer);
        const { bestEpoch, restored, history } = result;
        assert.deepEqual([result.reason, restored], [reason, true], name);
        const { monitor, mode = 'min' } = options.earlyStopping;
        const better = (a, b) => (mode === 'min' ? a < b : a > b);
        const best = history.reduce((a, b) => (better(b[monitor], a[monitor]) ? b : a));
        assert.equal(bestEpoch, best.epoch, name);
        assert.deepEqual(left, bits[bestEpoch], `${name}, epoch ${bestEpoch} of ${history.length}`);
        if (name === 'early') assert.ok(bestEpoch <= 3 && history.length === bestEpoch + 2);
        const { loss } = await trainer.evaluate(x.subarray(240 * 6), y.subarray(240), {
          batchSize: 16,
        });
        assert.equal(loss, best.valLoss, name);
        await trainer.dispose();
      }
    }
  },
);

everywhere('without a complete epoch there are no best weights', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const earlyStopping = { monitor: 'loss', restoreBest: true };
  const { bestEpoch, restored, reason } = await trainer.fit(x, y, {
    ...RUN,
    earlyStopping,
    maxSteps: 7,
  });
  assert.deepEqual([bestEpoch, restored, reason], [0, false, 'limit']);
  const late = await trainer.fit(x, y, {
    ...RUN,
    epochs: 2,
    earlyStopping: { ...earlyStopping, startFromEpoch: 2 },
  });
  assert.deepEqual([late.bestEpoch, late.restored, late.reason], [0, false, 'finished']);
  const plain = await trainer.fit(x, y, { ...RUN, epochs: 1 });
  assert.ok(!('bestEpoch' in plain) && !('restored' in plain));
});

/** What runs have alike that went the same way. */
const alike = ({ result: { history, bestEpoch, restored, step, steps, reason }, left }) => ({
  history,
  bestEpoch,
  restored,
  step,
  steps,
  reason,
  left,
});

everywhere('a run goes on after its end as one that never ended', BOTH, async (make) => {
  const settings = {
    learningRate: { type: 'polynomial', decaySteps: 200, learningRate: 0.02 },
    earlyStopping: { ...NEVER, patience: 100, restoreBest: true },
    until: { accuracy: 2 },
  };
  const reduces = {
    reduceOnPlateau: { ...NEVER, patience: 2, factor: 0.5 },
    earlyStopping: { monitor: 'valLoss', patience: 100, restoreBest: true },
  };
  for (const options of [settings, reduces]) {
    const whole = await watched(await make(cloudSpec()), options);
    const first = await make(cloudSpec());
    await watched(first, { ...options, epochs: 2 });
    const saved = await first.save();
    const second = await watched(first, { ...options, epochs: 4, resume: true });
    assert.deepEqual(second.bits[4], whole.bits[4]);
    const third = await watched(first, { ...options, resume: true });
    assert.deepEqual(third.bits[6], whole.bits[6]);
    assert.deepEqual(alike(third), alike(whole));
    const { mode, variant } = first.status();
    const loaded = await loadTrainer(saved, { mode, variant });
    try {
      const other = await watched(loaded, { epochs: 6, resume: true });
      assert.deepEqual(other.bits[5], whole.bits[5]);
      assert.deepEqual(alike(other), alike(whole));
    } finally {
      await loaded.dispose();
    }
  }
});

everywhere('more steps and seconds may follow at a limit', BOTH, async (make) => {
  const options = { earlyStopping: { monitor: 'loss', restoreBest: true } };
  const whole = await watched(await make(cloudSpec()), options);
  const trainer = await make(cloudSpec());
  const first = await watched(trainer, { ...options, maxSteps: 37 });
  assert.deepEqual([first.result.reason, first.result.bestEpoch], ['limit', 2]);
  const same = await watched(trainer, { resume: true });
  assert.deepEqual([same.result.reason, same.result.steps], ['limit', 37]);
  assert.deepEqual(same.left, first.left);
  const second = await watched(trainer, { resume: true, maxSteps: 60, maxSeconds: 1e6 });
  assert.deepEqual([second.result.reason, second.result.steps], ['limit', 60]);
  const last = await watched(trainer, { resume: true, maxSteps: 1000 });
  assert.deepEqual(alike(last), alike(whole));
  assert.equal(trainer.runs.length, 1);
});

everywhere('a run that stopped early may go on', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const earlyStopping = { ...NEVER, restoreBest: true };
  const first = await watched(trainer, { earlyStopping });
  assert.deepEqual([first.result.reason, first.result.epochs], ['earlyStopping', 4]);
  const whole = await watched(await make(cloudSpec()), {});
  assert.deepEqual(first.left, whole.bits[1]);
  const second = await watched(trainer, { resume: true });
  assert.deepEqual([second.result.reason, second.result.epochs], ['earlyStopping', 5]);
  assert.deepEqual(second.bits[5], whole.bits[5]);
  assert.deepEqual(second.left, whole.bits[1]);
  await trainer.setWeights(await trainer.getWeights());
  await refused(trainer.fit(x, y, { resume: true }), 'INVALID_OPTION', /no run to go on with/);
});

everywhere('onEpoch and set() change the rate beside a plateau', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const reduceOnPlateau = { monitor: 'loss', mode: 'max', patience: 1, factor: 0.5 };
  const { result } = await watched(trainer, { reduceOnPlateau }, ({ epoch }) =>
    epoch === 3 ? { learningRate: 0.04 } : undefined,
  );
  near(ratesOf(result), [0.01, 0.01, 0.005, 0.04, 0.02, 0.01]);
  const least = { ...reduceOnPlateau, minLearningRate: 0.004, cooldown: 2 };
  near(
    ratesOf(await trainer.fit(x, y, { ...RUN, reduceOnPlateau: least, learningRate: 0.02 })),
    [0.02, 0.02, 0.01, 0.01, 0.005, 0.005],
  );
});

everywhere('beside a schedule no rate is set', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const learningRate = { type: 'constant', learningRate: 0.001 };
  const message = /learningRate is 0.5, but a schedule sets it in this run: expected none/;
  const run = trainer.fit(x, y, {
    ...RUN,
    learningRate,
    onEpoch: () => ({ learningRate: 0.5 }),
  });
  await refused(run, 'INVALID_OPTION', message);
  const long = trainer.fit(x, y, { ...RUN, epochs: 1e6, learningRate });
  await refused(long.set({ learningRate: 0.5 }), 'INVALID_OPTION', message);
  await long.stop();
  const { reason, history } = await long;
  assert.equal(reason, 'stopped');
  assert.ok(history.every((epoch) => epoch.learningRate === 0.001));
});

everywhere('rollbacks halve what a schedule says', BOTH, async (make) => {
  const wave = (n, k) => Float32Array.from({ length: n }, (_, i) => Math.sin(k * i));
  const trainer = await make(LINES);
  const { rollbacks, history, learningRate, steps } = await trainer.fit(
    wave(80, 1.7),
    wave(40, 0.9),
    {
      epochs: 8,
      batchSize: 10,
      nonFinite: 'rollback',
      earlyStopping: { monitor: 'loss', patience: 8, restoreBest: true },
      learningRate: {
        type: 'piecewise',
        per: 'epoch',
        boundaries: [2],
        values: [0.05, 50],
      },
    },
  );
  assert.ok(rollbacks > 0);
  assert.equal(history.length, 8);
  assert.equal(learningRate, 50 * 0.5 ** rollbacks);
  assert.equal(history[2].learningRate, 0.05);
  assert.equal(history[7].learningRate, learningRate);
  assert.ok(steps <= 32);
});

everywhere('outputs have monitors of their own', BOTH, async (make) => {
  const trainer = await make(twoByTwo());
  const data = twoByTwoData(60);
  const run = { epochs: 5, batchSize: 16, validationSplit: 0.2 };
  const fit = (options) => trainer.fit(data.x, data.y, { ...run, ...options });
  const names = /one of 'loss', 'valLoss', 'kind.loss', 'kind.accuracy', 'kind.valLoss', /;
  for (const monitor of ['kind.valLoss', 'price.loss', 'kind.valAccuracy', 'valLoss']) {
    const result = await fit({ earlyStopping: { monitor, patience: 9, restoreBest: true } });
    const [name, key] = monitor.includes('.') ? monitor.split('.') : [null, monitor];
    const values = result.history.map((record) => (name ? record.outputs[name] : record)[key]);
    const best = monitor.endsWith('Accuracy') ? Math.max(...values) : Math.min(...values);
    assert.equal(result.bestEpoch, values.indexOf(best) + 1, monitor);
  }
  assert.equal((await fit({ until: { 'kind.valLoss': 1e30 } })).reason, 'reached');
  await refused(fit({ until: { 'kind.valLos': 1 } }), 'INVALID_OPTION', names);
  await refused(fit({ until: { 'price.accuracy': 1 } }), 'INVALID_OPTION', names);
});

everywhere('what cannot be is refused, with what was got and what may be', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const early = (options) => ({ earlyStopping: options });
  const plateau = (options) => ({ reduceOnPlateau: options });
  const schedule = (type, options) => ({ learningRate: { type, ...options } });
  const cosine = (options) => schedule('cosine', { decaySteps: 9, ...options });
  for (const [options, message] of [
    [early(3), /earlyStopping is 3, expected an object such as/],
    [early([]), /earlyStopping is \[\], expected/],
    [early({ patience: -1 }), /earlyStopping.patience is -1, expected an integer from 0/],
    [early({ patience: 0.5 }), /earlyStopping.patience is 0.5, expected an integer/],
    [early({ patience: '3' }), /earlyStopping.patience is '3', expected/],
    [early({ minDelta: NaN }), /earlyStopping.minDelta is NaN, expected a number/],
    [early({ baseline: null }), /earlyStopping.baseline is null, expected a number/],
    [early({ startFromEpoch: 1e99 }), /earlyStopping.startFromEpoch is 1e\+99, expected/],
    [early({ restoreBest: 1 }), /earlyStopping.restoreBest is 1, expected true or false/],
    [early({ mode: 'maxx' }), /earlyStopping.mode is 'maxx', expected one of .*mean 'max'/],
    [early({ monitor: 5 }), /earlyStopping.monitor is 5, expected the name/],
    [early({ monitor: 'valLos' }), /monitor is 'valLos', .* measure, expected one of .*'valLoss'/],
    [early({ monitor: 'epoch' }), /monitor is 'epoch', which this run does not measure/],
    [early({ restoreBestWeights: true }), /unknown field 'restoreBestWeights'/],
    [plateau({ factor: 1 }), /reduceOnPlateau.factor is 1, expected a number from/],
    [plateau({ factor: 0 }), /reduceOnPlateau.factor is 0, expected/],
    [plateau({ cooldown: -1 }), /reduceOnPlateau.cooldown is -1, expected/],
    [plateau({ minLearningRate: -1 }), /reduceOnPlateau.minLearningRate is -1, expected/],
    [plateau({ minLr: 1 }), /reduceOnPlateau: unknown field 'minLr'/],
    [plateau({ monitor: 'nothing' }), /reduceOnPlateau.monitor is 'nothing'/],
    [{ ...plateau({}), ...cosine({}) }, /reduceOnPlateau beside a schedule in learningRate/],
    [{ until: {} }, /until holds 0 targets, expected 1 to 64/],
    [{ until: { loss: '1' } }, /until.loss is '1', expected a finite number/],
    [{ until: { loss: Infinity } }, /until.loss is Infinity, expected a finite number/],
    [{ until: { los: 1 } }, /until has 'los', which this run .* mean 'loss'/],
    [{ until: 0.5 }, /until is 0.5, expected an object/],
    [{ maxSteps: 0 }, /maxSteps is 0, expected a positive integer/],
    [{ maxSteps: 1.5 }, /maxSteps is 1.5, expected/],
    [{ maxSeconds: 0 }, /maxSeconds is 0, expected a number above 0/],
    [{ maxSeconds: Infinity }, /maxSeconds is Infinity, expected/],
    [{ learningRate: 'cosine' }, /learningRate is 'cosine', expected .* or a schedule such as/],
    [schedule('cosin', {}), /learningRate.type is 'cosin', expected one of .*mean 'cosine'/],
    [{ learningRate: { decaySteps: 3 } }, /learningRate.type is undefined, expected one of/],
    [schedule('cosine', {}), /learningRate.decaySteps is missing, expected an integer from 1/],
    [cosine({ decaySteps: 0 }), /learningRate.decaySteps is 0, expected an integer from 1/],
    [cosine({ decayStep: 1 }), /learningRate: unknown field 'decayStep', .*mean 'decaySteps'/],
    [cosine({ learningRate: 2e6 }), /learningRate.learningRate is 2000000, expected a number/],
    [cosine({ per: 'batch' }), /learningRate.per is 'batch', expected one of 'step', 'epoch'/],
    [cosine({ alpha: 2 }), /learningRate.alpha is 2, expected a number from 0 to 1/],
    [cosine({ warmupTarget: 1 }), /learningRate.warmupTarget without warmupSteps/],
    [
      schedule('piecewise', { boundaries: [1], values: [1] }),
      /learningRate.values holds 1 numbers, expected 2: one more than boundaries/,
    ],
    [
      schedule('piecewise', { boundaries: [4, 3], values: [1, 2, 3] }),
      /learningRate.boundaries is \[4, 3\], expected rising numbers/,
    ],
    [schedule('piecewise', { boundaries: 3, values: [1, 2] }), /learningRate.boundaries is 3/],
    [schedule('oneCycle', { totalSteps: 3 }), /learningRate.maxLearningRate is missing/],
  ]) {
    await refused(trainer.fit(x, y, { ...RUN, ...options }), 'INVALID_OPTION', message);
  }
  await refused(
    trainer.fit(x, y, { epochs: 1, earlyStopping: {} }),
    'INVALID_OPTION',
    /monitor is 'valLoss', .*: nothing validates without validationSplit or validationData/,
  );
  assert.equal(trainer.runs.length, 0);
  const decayed = await make({ ...cloudSpec(), optimizer: { type: 'sgd', weightDecay: 4 } });
  await refused(
    decayed.fit(x, y, { ...RUN, ...schedule('constant', { learningRate: 1 }) }),
    'INVALID_OPTION',
    /learningRate is 1, expected a number from 0 to 0.5/,
  );
});

everywhere('a run that goes on has its own controls', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const own = { until: { loss: 0, accuracy: 2 }, earlyStopping: { ...NEVER, patience: 9 } };
  await trainer.fit(x, y, { ...RUN, ...own, epochs: 1 });
  const other = [
    [{ earlyStopping: NEVER }, /earlyStopping is .*"patience":3.*, but the run .*"patience":9/],
    [{ until: { loss: 0 } }, /until is \{"loss":0\}, but the run that is resumed has/],
    [{ reduceOnPlateau: {} }, /reduceOnPlateau is .*, but the run that is resumed has undefined/],
    [{ learningRate: { type: 'constant' } }, /learningRate is .*"constant"/],
  ];
  for (const [options, message] of other) {
    await refused(
      trainer.fit(x, y, { resume: true, epochs: 2, ...options }),
      'INVALID_OPTION',
      message,
    );
  }
  const until = { accuracy: 2, loss: 0 };
  const { epochs } = await trainer.fit(x, y, { ...own, until, resume: true, epochs: 2 });
  assert.equal(epochs, 2, 'targets have no order');
});

test('a checkpoint whose controls cannot be is refused, and the model stays', async () => {
  const trainer = await createTrainer(cloudSpec(), { mode: 'main' });
  const earlyStopping = { ...NEVER, patience: 9, restoreBest: true };
  await trainer.fit(x, y, { ...RUN, epochs: 2, earlyStopping, until: { loss: 0 } });
  const left = bitsOf(await trainer.getWeights());
  const bytes = await trainer.save();
  const { about, tensors } = decodeCheckpoint(bytes);
  const flawed = (change, without) => trainer.load(rewritten(bytes, change, without));
  const { settings, control } = about.run;
  const early = (change) => ({
    settings: { ...settings, earlyStopping: { ...settings.earlyStopping, ...change } },
  });
  for (const [change, message] of [
    [early({ patience: -1 }), /run.settings: earlyStopping.patience is -1/],
    [early({ more: 1 }), /run.settings: earlyStopping: unknown field 'more'/],
    [early({ monitor: 3 }), /run.settings: earlyStopping.monitor is 3/],
    [early({ restoreBest: false }), /run.best is .*, of a run that restores none/],
    [{ settings: { ...settings, until: { loss: 'x' } } }, /run.settings: until.loss is 'x'/],
    [{ settings: { ...settings, learningRate: { type: 'x' } } }, /learningRate.type is 'x'/],
    [{ control: undefined }, /it has no run\/control/],
    [{ best: { epoch: 2, restored: true } }, /run.best.epoch is 2, run\/control has 1/],
    [{ control: [] }, /run.best.epoch is 1, run\/control has undefined/],
  ]) {
    await refused(flawed(change), 'BAD_CHECKPOINT', message);
  }
  const [name] = [...tensors.keys()].filter((each) => each.startsWith('best/'));
  await refused(
    flawed({}, (each) => each === name),
    'BAD_CHECKPOINT',
    new RegExp(`it has no tensor '${name}'`),
  );
  const none = { settings: { ...settings, earlyStopping: undefined, until: undefined } };
  await refused(
    flawed({ ...none, best: undefined }, (each) => each.startsWith('best/')),
    'BAD_CHECKPOINT',
    /it has run\/control, of a run without controls/,
  );
  await refused(
    flawed({ ...none, best: undefined, control: undefined }),
    'BAD_CHECKPOINT',
    /it has \d+ tensors, expected/,
  );
  assert.deepEqual(bitsOf(await trainer.getWeights()), left);
  // Only with the data a run knows what it measures: the state is refused as the run goes on
  for (const [at, value] of [
    [0, 2],
    [2, -1],
    [2, NaN],
    [6, 0.5],
  ]) {
    await flawed({ control: control.with(at, value) });
    await refused(
      trainer.fit(x, y, { resume: true, epochs: 3 }),
      'BAD_CHECKPOINT',
      /run\/control holds numbers that its controls cannot have/,
    );
  }
  await flawed({ control: [...control, 0] });
  await refused(trainer.fit(x, y, { resume: true, epochs: 3 }), 'BAD_CHECKPOINT');
  await flawed({});
  const { reason, epochs } = await trainer.fit(x, y, { resume: true, epochs: 3 });
  assert.deepEqual([reason, epochs], ['finished', 3]);
  await trainer.dispose();
});
