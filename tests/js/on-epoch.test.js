/* on-epoch.test.js: the run that waits at each epoch's end for the app, and what the app may
 * answer, ask and change there, whatever becomes of the worker. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { decodeCheckpoint } from '../../worker/trainer/checkpoint.js';
import { BOTH, bitsOf, cloudSpec, clouds, everywhere, refused, until } from './api-setting.js';
import { rewritten } from './checkpoint-setting.js';
import { assertSame, eventsOf, followed, withStrikes } from './recovery-setting.js';

const { x, y } = clouds(300);
const RUN = { epochs: 5, batchSize: 16, validationSplit: 0.2, progressHz: 1000 };
const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

everywhere('the run stands until the app has answered, of that very step', BOTH, async (make) => {
  const plain = await make(cloudSpec());
  const want = await followed(plain.fit(x, y, RUN));
  const trainer = await make(cloudSpec());
  const steps = [];
  let busy = false;
  const run = trainer.fit(x, y, {
    ...RUN,
    onEpoch: async (record, given) => {
      assert.equal(given, trainer);
      assert.equal(busy, false);
      busy = true;
      assert.equal(record.kind, 'epoch');
      assert.equal(record.valLoss, trainer.history.at(-1).valLoss);
      const before = bitsOf(await trainer.getWeights());
      const [{ loss }, prediction] = await Promise.all([
        trainer.evaluate(x.subarray(240 * 6), y.subarray(240), { batchSize: 16 }),
        trainer.predict(x.subarray(0, 6)),
      ]);
      assert.equal(loss, record.valLoss);
      assert.ok(prediction.confidence > 0);
      await turn();
      assert.equal(trainer.status().step, record.step);
      assert.deepEqual(bitsOf(await trainer.getWeights()), before);
      steps.push(record.step);
      busy = false;
    },
  });
  const got = await followed(run);
  assert.deepEqual(steps, [15, 30, 45, 60, 75]);
  assert.deepEqual(got.result.history, want.result.history);
  assert.equal(got.result.reason, 'finished');
  assert.deepEqual(bitsOf(await trainer.getWeights()), bitsOf(await plain.getWeights()));
});

everywhere('false ends the run there; a number sets the rate from then on', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const stopped = await trainer.fit(x, y, {
    ...RUN,
    onEpoch: ({ epoch }) => epoch < 3 && undefined,
  });
  assert.deepEqual([stopped.reason, stopped.epochs, stopped.step], ['onEpoch', 3, 45]);
  assert.equal(trainer.runs.at(-1).reason, 'onEpoch');
  const rates = { 1: 0.004, 2: 0 };
  const weights = [];
  const { history } = await trainer.fit(x, y, {
    ...RUN,
    onEpoch: async ({ epoch }) => {
      weights.push(bitsOf(await trainer.getWeights()));
      return rates[epoch] === undefined ? undefined : { learningRate: rates[epoch] };
    },
  });
  assert.deepEqual(
    history.map(({ learningRate }) => learningRate),
    [0.01, 0.004, 0, 0, 0],
  );
  assert.notDeepEqual(weights[1], weights[0]);
  assert.deepEqual(weights[3], weights[1]); // at a rate of 0 nothing changes
  const next = await trainer.fit(x, y, { epochs: 1 });
  assert.equal(next.history[0].learningRate, 0.01);
});

everywhere('a rate of the whole run: as if the optimizer had it', BOTH, async (make) => {
  const one = await make(cloudSpec());
  await one.fit(x, y, { ...RUN, learningRate: 0.005 });
  const other = await make({ ...cloudSpec(), learningRate: 0.005 });
  await other.fit(x, y, RUN);
  assert.deepEqual(bitsOf(await one.getWeights()), bitsOf(await other.getWeights()));
  assert.equal(one.runs[0].options.learningRate, 0.005);
  await refused(one.fit(x, y, { learningRate: 2e6 }), 'INVALID_OPTION', /from 0 to 1e6/);
  const small = await make({ ...cloudSpec(), optimizer: { type: 'sgd', weightDecay: 4 } });
  await refused(
    small.fit(x, y, { learningRate: 1 }),
    'INVALID_OPTION',
    /learningRate is 1, expected a number from 0 to 0.5/,
  );
  await refused(one.fit(x, y, { learningRate: -1 }), 'INVALID_OPTION', /from 0 to 1e6/);
});

everywhere('what onEpoch throws, or gives wrong, ends the run', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const fit = (onEpoch) => trainer.fit(x, y, { ...RUN, onEpoch });
  const cause = new Error('of the app');
  for (const fail of [
    () => {
      throw cause;
    },
    () => Promise.reject(cause),
  ]) {
    await assert.rejects(fit(fail), (error) => {
      assert.equal(error.code, 'ABORTED');
      assert.equal(error.cause, cause);
      assert.match(error.message, /onEpoch of epoch 1 failed: of the app/);
      return true;
    });
  }
  for (const [given, message] of [
    [true, /gave true, expected undefined, false or \{ learningRate \}/],
    [null, /gave null/],
    [0.1, /gave 0.1/],
    [{ rate: 1 }, /gave \{ rate \}/],
    [{ learningRate: '1' }, /gave a learningRate of '1'/],
    [{ learningRate: 2e6 }, /gave a learningRate of 2000000/],
  ]) {
    await refused(
      fit(() => given),
      'INVALID_OPTION',
      message,
    );
  }
  await refused(fit(3), 'INVALID_OPTION', /onEpoch is 3, expected a function/);
  assert.equal((await fit(() => {})).reason, 'finished');
});

everywhere('what never settles: stop, abort, pause and dispose work', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const hanging = (options) => {
    let told;
    const asked = new Promise((resolve) => (told = resolve));
    const run = trainer.fit(x, y, {
      ...RUN,
      ...options,
      onEpoch: () => {
        told();
        return new Promise(() => {});
      },
    });
    return asked.then(() => ({ run }));
  };
  let { run } = await hanging();
  await run.pause();
  assert.equal(run.state, 'paused');
  await run.resume();
  assert.equal(run.state, 'running');
  await run.stop();
  assert.deepEqual([(await run).reason, (await run).epochs], ['stopped', 1]);
  const controller = new AbortController();
  ({ run } = await hanging({ signal: controller.signal }));
  controller.abort();
  await refused(run, 'ABORTED', /signal/);
  ({ run } = await hanging());
  await trainer.dispose();
  assert.equal((await run).reason, 'stopped');
});

test('the wait is no time of the run', async () => {
  const trainer = await createTrainer(cloudSpec(), { mode: 'worker' });
  const { durationSeconds } = await trainer.fit(x, y, {
    ...RUN,
    epochs: 2,
    onEpoch: () => new Promise((resolve) => setTimeout(resolve, 1500)),
  });
  assert.ok(durationSeconds < 1.5, `${durationSeconds}`);
  await trainer.dispose();
});

everywhere('stop after the epoch ends the run where it is complete', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const run = trainer.fit(x, y, { ...RUN, epochs: 1000 });
  for await (const { kind, epoch } of run) {
    if (kind === 'epoch' && epoch === 2) {
      await run.stop({ after: 'epoch' });
      break;
    }
  }
  const result = await run;
  assert.equal(result.reason, 'stopped');
  assert.equal(result.steps, 15 * result.epochs);
  assert.ok(result.epochs >= 3 && result.epochs < 1000);
  await refused(run.stop({ after: 'batch' }), 'INVALID_OPTION', /expected 'epoch'/);
  const during = trainer.fit(x, y, {
    ...RUN,
    onEpoch: ({ epoch }) => void (epoch === 2 && during.stop({ after: 'epoch' })),
  });
  const { epochs, reason } = await during;
  assert.deepEqual([epochs, reason], [2, 'stopped']);
});

everywhere('run.set: another rate, another duty', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const run = trainer.fit(x, y, { ...RUN, epochs: 1000 });
  await run.set({ learningRate: 0.002, duty: 0.9 });
  for await (const { kind, learningRate, epoch } of run) {
    if (kind === 'epoch' && epoch > 3) assert.equal(learningRate, 0.002);
    if (epoch === 6) await run.stop();
  }
  await refused(run.set({ rate: 1 }), 'INVALID_OPTION', /unknown field 'rate'/);
  await refused(run.set({ duty: 0 }), 'INVALID_OPTION', /above 0 and up to 1/);
  assert.equal(await run.set({ duty: 1 }), undefined);
  const next = trainer.fit(x, y, { ...RUN, epochs: 1000 });
  await refused(next.set({ learningRate: 2e6 }), 'INVALID_OPTION', /from 0 to 1e6/);
  await next.stop();
  assert.equal((await next).reason, 'stopped');
});

const decide = ({ epoch }) => ({ learningRate: 0.01 / epoch });

test('a killed worker: the app is asked once, and the bits are the same', async () => {
  const calm = await createTrainer(cloudSpec(), { mode: 'worker' });
  const told = await followed(calm.fit(x, y, { ...RUN, onEpoch: decide }));
  const expected = { ...told, bits: bitsOf(await calm.getWeights()) };
  await calm.dispose();
  for (const [at, nth, before] of [
    ['EPOCH_ENDED', 1, true],
    ['EPOCH_ENDED', 3, false],
    ['TRAINING_CONTINUED', 2, true],
    ['TRAINING_CONTINUED', 4, false],
    ['TRAINING_SNAPSHOT', 2, false],
    ['TRAINING_COMPLETE', 1, true],
  ]) {
    await withStrikes([{ at, nth, before }], async (workers) => {
      const trainer = await createTrainer(cloudSpec(), { mode: 'worker', restart: { delay: 0 } });
      const asked = [];
      const run = trainer.fit(x, y, {
        ...RUN,
        onEpoch: async (record) => {
          asked.push(record.epoch);
          await turn();
          return decide(record);
        },
      });
      const got = await followed(run);
      assert.deepEqual(asked, [1, 2, 3, 4, 5], at);
      assertSame({ ...got, bits: bitsOf(await trainer.getWeights()) }, expected);
      assert.equal(workers.length, 2, at);
      await trainer.dispose();
    });
  }
});

test('a killed worker: a checkpoint behind what was told forgets no answer', async () => {
  // The first session hands no checkpoint over; the second one does, in its second epoch.
  const strikes = [{ at: 'EPOCH_ENDED', nth: 4 }];
  const body = async (workers) => {
    const trainer = await createTrainer(cloudSpec(), { mode: 'worker', restart: { delay: 0 } });
    const asked = [];
    const { history } = await trainer.fit(x, y, {
      ...RUN,
      onEpoch: (record) => {
        asked.push(record.epoch);
        return decide(record);
      },
    });
    assert.deepEqual(asked, [1, 2, 3, 4, 5]);
    assert.equal(workers.length, 2);
    assert.ok(
      workers[1].heard.indexOf('TRAINING_SNAPSHOT') < workers[1].heard.lastIndexOf('EPOCH_ENDED'),
    );
    assert.deepEqual(
      history.map(({ learningRate }) => learningRate),
      [0.01, 0.01, 0.005, 0.01 / 3, 0.0025],
    );
    await trainer.dispose();
  };
  await withStrikes(strikes, body, { snapshotMs: [1e9, 20] });
});

everywhere('a run that was left while it waited asks again', BOTH, async (make) => {
  const first = await make(cloudSpec());
  const whole = await trained(await make(cloudSpec()), { onEpoch: decide });
  let saved;
  const run = first.fit(x, y, {
    ...RUN,
    onEpoch: async (record) => {
      if (record.epoch < 3) return decide(record);
      saved = await first.save();
      await new Promise(() => {});
    },
  });
  await until(() => saved);
  await run.stop();
  const second = await make(cloudSpec());
  await second.load(saved);
  const asked = [];
  const onEpoch = (record) => {
    asked.push([record.epoch, record.step]);
    return decide(record);
  };
  assert.deepEqual(await trained(second, { onEpoch, resume: true }), whole);
  assert.deepEqual(
    asked.map(([epoch]) => epoch),
    [3, 4, 5],
  );
  assert.equal(asked[0][1], 45);
  const third = await make(cloudSpec());
  await third.load(saved);
  const { epochs } = await third.fit(x, y, { resume: true, learningRate: undefined });
  assert.equal(epochs, 5); // nobody is asked who does not listen
});

async function trained(trainer, options) {
  const { history, reason } = await trainer.fit(x, y, { ...RUN, ...options });
  return { history, reason, bits: bitsOf(await trainer.getWeights()) };
}

test('an answer that comes too late is told, and does no harm', async () => {
  const trainer = await createTrainer(cloudSpec(), { mode: 'main' });
  const events = eventsOf(trainer, 'warning');
  let fail;
  const run = trainer.fit(x, y, {
    ...RUN,
    onEpoch: () => new Promise((_, reject) => (fail = reject)),
  });
  await until(() => fail);
  await run.stop();
  fail(new Error('too late'));
  await until(() => events.length > 0);
  assert.match(events[0].message, /onEpoch of epoch 1 failed: too late/);
});

/** A checkpoint as an earlier version wrote it: its history has no learning rates. */
function asBefore(bytes) {
  const { history } = decodeCheckpoint(bytes).about.run;
  return rewritten(bytes, { history: history.map(({ learningRate, ...epoch }) => epoch) });
}

test('a run of an earlier version goes on, and tells its rates from then on', async () => {
  const first = await createTrainer(cloudSpec(), { mode: 'main' });
  await first.fit(x, y, { ...RUN, epochs: 2 });
  const second = await createTrainer(cloudSpec(), { mode: 'main' });
  await second.load(asBefore(await first.save()));
  const rates = (history) => history.map(({ learningRate }) => learningRate);
  assert.deepEqual(rates(second.history), [undefined, undefined]);
  assert.ok(second.history.every((epoch) => !('learningRate' in epoch)));
  const { history } = await second.fit(x, y, { resume: true, epochs: 4 });
  assert.deepEqual(rates(history), [undefined, undefined, 0.01, 0.01]);
  const third = await createTrainer(cloudSpec(), { mode: 'main' });
  await third.load(await second.save());
  assert.deepEqual(third.history, history);
});

test('a checkpoint that waits where no epoch ends is refused', async () => {
  const trainer = await createTrainer(cloudSpec(), { mode: 'main' });
  await trainer.fit(x, y, { ...RUN, epochs: 2 });
  const bytes = await trainer.save();
  const { about } = decodeCheckpoint(bytes);
  const flawed = (fields) => trainer.load(rewritten(bytes, fields));
  await refused(flawed({ waiting: 1 }), 'BAD_CHECKPOINT', /run.waiting is 1/);
  await refused(
    flawed({ waiting: true, history: about.run.history.slice(1), batch: 3 }),
    'BAD_CHECKPOINT',
    /waits at the end of epoch 2, which is not complete/,
  );
  await refused(flawed({ learningRate: -1 }), 'BAD_CHECKPOINT', /run.learningRate is -1/);
  await flawed({ waiting: true });
});

test('a killed worker: what was set, and the end that was asked for, hold in its place', async () => {
  await withStrikes([{ at: 'RUN_SET' }, { at: 'TRAINING_PROGRESS', nth: 12 }], async (workers) => {
    const trainer = await createTrainer(cloudSpec(), { mode: 'worker', restart: { delay: 0 } });
    const run = trainer.fit(x, y, { ...RUN, epochs: 2000 });
    await run.set({ learningRate: 0.002 });
    const rates = new Set();
    for await (const { epoch, learningRate } of run.epochs()) {
      if (epoch > 40) rates.add(learningRate);
      if (epoch === 200) break;
    }
    assert.deepEqual([...rates], [0.002]);
    assert.equal(workers.length, 3);
    await run.stop();
    await trainer.dispose();
  });
  await withStrikes([{ at: 'TRAINING_PROGRESS', nth: 20 }], async (workers) => {
    const trainer = await createTrainer(cloudSpec(), { mode: 'worker', restart: { delay: 0 } });
    const answered = [];
    const run = trainer.fit(x, y, {
      ...RUN,
      epochs: 50,
      onEpoch: async ({ epoch }) => {
        answered.push(epoch);
        if (epoch === 1) workers[0].terminate();
        if (epoch === 2) run.stop({ after: 'epoch' });
      },
    });
    const { reason, epochs, steps } = await run;
    assert.deepEqual([reason, epochs, steps], ['stopped', 2, 30]);
    assert.deepEqual(answered, [1, 2]);
    await trainer.dispose();
  });
});

everywhere('onEpoch may wait for the end that it asks for', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  let asked = 0;
  /** @type {any} */
  let run = null;
  const onEpoch = async ({ epoch }) => {
    asked++;
    if (epoch === 2) await run.stop({ after: 'epoch' });
  };
  run = trainer.fit(x, y, { ...RUN, onEpoch });
  const { reason, epochs } = await run;
  assert.deepEqual([reason, epochs, asked], ['stopped', 2, 2]);
  const events = eventsOf(trainer, 'warning');
  const failing = trainer.fit(x, y, {
    ...RUN,
    onEpoch: async () => {
      await trainer.run.stop({ after: 'epoch' });
      throw new Error('after the end');
    },
  });
  assert.equal((await failing).reason, 'stopped');
  await until(() => events.length > 0);
  assert.match(events[0].message, /onEpoch of epoch 1 failed: after the end/);
});
