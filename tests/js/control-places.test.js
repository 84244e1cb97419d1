/* control-places.test.js: a run with all that may end it or change its rate goes the same way, to
 * the same bits, in any place, whatever it is interrupted by: after any step, by its worker's
 * death, by being stopped again and again. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { bitsOf as bitsOfWeights, clouds } from './api-setting.js';
import { assertSame, followed, undisturbed, withStrikes } from './recovery-setting.js';
import {
  bitsOf,
  connectLocal,
  connectWorker,
  createManualHost,
  everyStep,
} from './session-client.js';

/** @type {{ close: () => Promise<void> }[]} */
const open = [];
after(() => Promise.all(open.map((client) => client.close())));

const { x, y: clear } = clouds(200);
/** Some are wrong, so that a wild learning rate does harm. */
const y = clear.map((label, i) => (i % 5 === 0 ? (label + 1) % 3 : label));
const [own, held] = [
  { x: x.subarray(0, 150 * 6), y: y.subarray(0, 150) },
  { x: x.slice(150 * 6), y: y.slice(150) },
];

/** @param {any} optimizer */
const spec = (optimizer) => ({
  inputShape: [6],
  layers: [
    { type: 'dense', units: 12, useBias: false },
    { type: 'batchNormalization' },
    { type: 'activation', activation: 'relu' },
    { type: 'dropout', rate: 0.1 },
    { type: 'dense', units: 3, activation: 'softmax' },
  ],
  optimizer,
  seed: 7,
});

const NEVER = { until: { valAccuracy: 2 }, maxSteps: 1000, maxSeconds: 1e9 };
const worse = { monitor: 'loss', mode: 'max', patience: 1, factor: 0.5 };
/**
 * Runs, of which an epoch has 10 steps; answers: the app's, by epochs.
 * @type {Record<string, { optimizer: any, settings: any, answers: any, ends: any[] }>}
 */
const RUNS = {
  schedule: {
    optimizer: { type: 'adam', learningRate: 0.01 },
    settings: {
      ...NEVER,
      learningRate: { type: 'piecewise', boundaries: [25], values: [0.01, 3] },
      earlyStopping: { patience: 2, restoreBest: true },
    },
    answers: {},
    ends: ['earlyStopping', 4, 2],
  },
  plateau: {
    optimizer: { type: 'sgd', learningRate: 0.05, useEma: true, emaMomentum: 0.9 },
    settings: {
      ...NEVER,
      reduceOnPlateau: worse,
      earlyStopping: { monitor: 'loss', mode: 'max', patience: 6, restoreBest: true },
    },
    answers: { 3: { learningRate: 0.2 } },
    ends: ['finished', 6, 1],
  },
  limit: {
    optimizer: { type: 'adam', learningRate: 0.01 },
    settings: {
      ...NEVER,
      learningRate: { type: 'cosine', decaySteps: 40, warmupSteps: 10 },
      earlyStopping: { monitor: 'loss', restoreBest: true },
      maxSteps: 33,
    },
    answers: {},
    ends: ['limit', 3, 3],
  },
  answer: {
    optimizer: { type: 'adam', learningRate: 0.01 },
    settings: { ...NEVER, earlyStopping: { monitor: 'loss', restoreBest: true } },
    answers: { 3: { stop: true } },
    ends: ['onEpoch', 3, 3],
  },
};
const START = { batchSize: 15, numEpochs: 6 };

/** @param {any} result */
const told = ({ reason, history, epochs, steps, step, bestEpoch, restored }) => ({
  reason,
  history,
  epochs,
  steps,
  step,
  bestEpoch,
  restored,
});

const HOW = [
  { connect: connectLocal, runtime: { variant: 'base' } },
  { connect: connectLocal, runtime: { variant: 'simd', threads: 1, sliceWork: 1 } },
  { connect: connectWorker, runtime: { variant: 'simd-mt', threads: 2 } },
  { connect: connectWorker, runtime: { variant: 'simd-mt', threads: 3 } },
  { connect: connectWorker, runtime: { variant: 'simd', threads: 1 } },
];

for (const [name, { optimizer, settings, answers, ends }] of Object.entries(RUNS)) {
  const start = { ...own, validationData: held, ...START, ...settings, waits: true };
  /** @param {any} client @returns {(told: any) => void} */
  const answering = (client) => (told) => {
    if (!told.record) return;
    client.ask('CONTINUE_TRAINING', { epoch: told.epoch, ...answers[told.epoch] });
  };
  const whole = everyStep(spec(optimizer), start, answering);

  test(`${name}: the same run in any place`, async () => {
    const { result, bits } = await whole;
    assert.deepEqual([result.reason, result.epochs, result.bestEpoch], ends);
    assert.equal(result.restored, true);
    for (const { connect, runtime } of HOW) {
      const client = connect();
      open.push(client);
      await client.ask('INIT_TRAINING', { ...spec(optimizer), runtime });
      const same = await client.ask('START_TRAINING', start, answering(client));
      assert.deepEqual(told(same), told(result), runtime.variant);
      assert.equal(bitsOf(await client.ask('GET_WEIGHTS')), bits, runtime.variant);
    }
  });

  test(`${name}: from every step, in another place each time, to the same bits`, async () => {
    const { snapshots, result, bits } = await whole;
    assert.ok(snapshots.length >= result.steps);
    const clients = HOW.map(({ connect }) => connect());
    open.push(...clients);
    for (const [i, { bytes, step }] of snapshots.entries()) {
      const { runtime } = HOW[i % HOW.length];
      const client = clients[i % HOW.length];
      const { run } = await client.ask('LOAD_CHECKPOINT', { bytes, runtime });
      const isLast = i === snapshots.length - 1;
      assert.equal(run.ended, isLast ? ends[0] : null);
      const resumed = await client.ask(
        'START_TRAINING',
        { ...start, resume: true, recovers: isLast },
        answering(client),
      );
      assert.deepEqual(told(resumed), told(result), `from step ${step}`);
      assert.equal(bitsOf(await client.ask('GET_WEIGHTS')), bits, `from step ${step}`);
    }
  });

  test(`${name}: stopped again and again, after a few turns each, to the same bits`, async () => {
    const { result, bits } = await whole;
    for (const turns of [41, 60, 150]) {
      const time = createManualHost();
      const client = connectLocal(time.host);
      client.ask('INIT_TRAINING', { ...spec(optimizer), runtime: { threads: 1, sliceWork: 1 } });
      while (client.of('MODEL_READY').length === 0) {
        await new Promise((resolve) => setImmediate(resolve));
        time.turn(100);
      }
      let ended = { reason: 'stopped' };
      let stops = 0;
      for (; ended.reason === 'stopped'; stops++) {
        assert.ok(stops < 1000);
        client.ask('START_TRAINING', { ...start, resume: stops > 0 }, answering(client));
        const complete = () => client.of('TRAINING_COMPLETE').length > stops;
        for (let i = 0; i < turns && !complete(); i++) time.turn();
        client.ask('STOP_TRAINING');
        time.turn(Infinity);
        assert.deepEqual(client.of('ERROR'), []);
        ended = client.of('TRAINING_COMPLETE').at(-1);
      }
      assert.ok(stops > 1 || turns > 41);
      client.ask('GET_WEIGHTS');
      time.turn(Infinity);
      assert.deepEqual(told(ended), told(result), `${stops} times`);
      assert.equal(bitsOf(client.of('WEIGHTS')[0]), bits, `${stops} times`);
    }
  });

  test(`${name}: a killed worker changes nothing`, async () => {
    /** @param {{ epoch: number }} record */
    const onEpoch = ({ epoch }) => (answers[epoch]?.stop ? false : answers[epoch]);
    const options = {
      ...settings,
      epochs: START.numEpochs,
      batchSize: START.batchSize,
      validationData: held,
      progressHz: 1000,
      onEpoch,
    };
    const expected = await undisturbed(spec(optimizer), own.x, own.y, options);
    for (const [at, nth, before] of [
      ['TRAINING_PROGRESS', 4, false],
      ['TRAINING_SNAPSHOT', 1, false],
      ['TRAINING_SNAPSHOT', 2, true],
      ['EPOCH_ENDED', 3, false],
      ['TRAINING_CONTINUED', 3, true],
      ['TRAINING_COMPLETE', 1, true],
    ]) {
      await withStrikes([{ at, nth, before }], async (workers) => {
        const trainer = await createTrainer(spec(optimizer), {
          mode: 'worker',
          restart: { delay: 0 },
        });
        const got = await followed(trainer.fit(own.x, own.y, options));
        assertSame({ ...got, bits: bitsOfWeights(await trainer.getWeights()) }, expected);
        const { bestEpoch, restored } = got.result;
        assert.deepEqual([bestEpoch, restored], [ends[2], true]);
        assert.equal(workers.length, 2, `${at} ${nth}`);
        await trainer.dispose();
      });
    }
  });
}
