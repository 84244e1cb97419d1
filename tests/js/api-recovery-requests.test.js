/* api-recovery-requests.test.js: what becomes of everything but the run itself when a worker is
 * lost: requests that wait, data on their way or handed over, pause and stop, an idle model,
 * dispose; and what happens when no worker is left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer, loadTrainer } from '../../web/index.js';
import {
  bitsOf,
  cloudSpec,
  clouds,
  inOwnProcess,
  refused,
  until,
  warnings,
} from './api-setting.js';
import {
  assertSame,
  eventsOf,
  followed,
  typesOf,
  undisturbed,
  withStrikes,
  withoutTimers,
} from './recovery-setting.js';

const { x, y } = clouds(300);
const FOREVER = { epochs: 1e9, progressHz: 1000 };
const OPTIONS = { epochs: 6, batchSize: 16, progressHz: 1000 };
const WORKER = { mode: 'worker', restart: { delay: 0 } };
const dies = (at, more = {}) => ({ at, how: 'exit', ...more });
/** Enough to go in slices. */
const many = () => clouds(90_000);

/** Ends a worker, and resolves when the trainer knows. */
async function lose(trainer, worker) {
  const lost = new Promise((resolve) =>
    trainer.addEventListener('workerstop', resolve, { once: true }),
  );
  worker.terminate();
  await lost;
}

test('reading requests that wait are asked once more, then rejected', async () => {
  const asks = {
    PREDICTION_RESULT: (trainer) => trainer.predict(x),
    EVALUATION_RESULT: (trainer) => trainer.evaluate(x, y),
    WEIGHTS: (trainer) => trainer.getWeights().then(bitsOf),
  };
  for (const [at, ask] of Object.entries(asks)) {
    await withStrikes([dies(at, { before: true })], async (workers) => {
      const trainer = await createTrainer(cloudSpec(), WORKER);
      const once = await ask(trainer);
      assert.equal(workers.length, 2);
      assert.deepEqual(await ask(trainer), once);
      await trainer.dispose();
    });
    await withStrikes([dies(at, { before: true }), dies(at, { before: true })], async (workers) => {
      const trainer = await createTrainer(cloudSpec(), WORKER);
      await refused(ask(trainer), 'WORKER_LOST', /exit code 7/);
      await ask(trainer);
      assert.equal(workers.length, 3);
      await trainer.dispose();
    });
  }
  await withStrikes([dies('CHECKPOINT', { nth: 2, before: true })], async (workers) => {
    const trainer = await createTrainer(cloudSpec(), WORKER);
    const [first, second] = [await trainer.save(), await trainer.save()];
    assert.deepEqual(second, first);
    assert.equal(workers.length, 2);
    await trainer.dispose();
  });
});

test('large data of a prediction are given again', async () => {
  const large = many();
  for (const [at, nth] of [
    ['DATA_STORED', 1],
    ['DATA_STORED', 3],
    ['PREDICTION_RESULT', 1],
  ]) {
    await withStrikes([dies(at, { nth, before: true })], async (workers) => {
      const trainer = await createTrainer(cloudSpec(), WORKER);
      assert.equal((await trainer.predict(large.x)).label.length, 90_000);
      assert.equal(workers.length, 2, at);
      await trainer.dispose();
    });
  }
});

test('data that were handed over are lost with the worker', async () => {
  for (const samples of [300, 90_000]) {
    await withStrikes(
      [dies('EVALUATION_RESULT', { before: true }), dies('TRAINING_PROGRESS')],
      async () => {
        const trainer = await createTrainer(cloudSpec(), WORKER);
        const before = bitsOf(await trainer.getWeights());
        const given = () => clouds(samples);
        const first = given();
        await refused(
          trainer.evaluate(first.x, first.y, { transfer: true }),
          'DATA_LOST',
          /handed over.*exit code 7/,
        );
        const second = given();
        await refused(
          trainer.fit(second.x, second.y, { ...FOREVER, transfer: true }).result,
          'DATA_LOST',
          /handed over.*exit code 7/,
        );
        assert.deepEqual(
          bitsOf(await trainer.getWeights()),
          before,
          'the trainer goes on from the last snapshot',
        );
        const third = given();
        assert.equal(
          (await trainer.fit(third.x, third.y, { transfer: true, batchSize: 1000 })).reason,
          'finished',
        );
        await trainer.dispose();
      },
    );
  }
});

test('a change that was not acknowledged is rejected, one that was outlives the worker', async () => {
  await withStrikes(
    [dies('WEIGHTS_SET', { before: true }), dies('WEIGHTS_SET'), dies('none')],
    async (workers) => {
      const trainer = await createTrainer(cloudSpec(), WORKER);
      const original = await trainer.getWeights();
      const halved = original.map(({ shape, data }) => ({
        shape,
        data: data.map((value) => value / 2),
      }));
      const halves = bitsOf(original.map((weight, i) => ({ ...weight, data: halved[i].data })));
      await refused(trainer.setWeights(halved), 'WORKER_LOST');
      assert.deepEqual(bitsOf(await trainer.getWeights()), bitsOf(original));
      // It is acknowledged when it is kept as well
      await refused(trainer.setWeights(halved), 'WORKER_LOST', /exit code 7/);
      await trainer.setWeights(halved);
      await lose(trainer, workers[2]);
      assert.deepEqual(bitsOf(await trainer.getWeights()), halves);
      await trainer.dispose();
    },
  );
});

test('a worker that is lost while idle loses nothing: trained weights, moments, what was loaded', async () => {
  const calm = await undisturbed(cloudSpec(), x, y, OPTIONS, (trainer) =>
    trainer.fit(x, y, OPTIONS),
  );
  await withStrikes([], async (workers) => {
    const trainer = await createTrainer(cloudSpec(), WORKER);
    await trainer.fit(x, y, OPTIONS);
    const trained = bitsOf(await trainer.getWeights());
    await lose(trainer, workers[0]);
    assert.deepEqual(bitsOf(await trainer.getWeights()), trained);
    for (let i = 1; i < 6; i++) {
      // more often than there are retries: each one did some good
      await lose(trainer, workers[i]);
      assert.deepEqual(bitsOf(await trainer.getWeights()), trained);
    }
    const bytes = await trainer.save();
    const told = await followed(trainer.fit(x, y, OPTIONS));
    assertSame({ ...told, bits: bitsOf(await trainer.getWeights()) }, calm);
    await trainer.load(bytes);
    await lose(trainer, workers[6]);
    assert.deepEqual(bitsOf(await trainer.getWeights()), trained);
    await trainer.dispose();

    const loaded = await loadTrainer(bytes, WORKER);
    bytes.fill(0);
    await lose(loaded, workers.at(-1));
    assert.deepEqual(bitsOf(await loaded.getWeights()), trained);
    await loaded.dispose();
  });
});

test('lost while data are on their way: they are given again', async () => {
  const large = many();
  const options = { epochs: 1, batchSize: 500 };
  const calm = await undisturbed(cloudSpec(), large.x, large.y, options);
  for (const nth of [1, 2, 3]) {
    for (const before of [true, false]) {
      await withStrikes([dies('DATA_STORED', { nth, before })], async (workers) => {
        const trainer = await createTrainer(cloudSpec(), WORKER);
        const told = await followed(trainer.fit(large.x, large.y, options));
        assertSame({ ...told, bits: bitsOf(await trainer.getWeights()) }, calm);
        assert.equal(workers.length, 2);
        await trainer.dispose();
      });
    }
  }
});

test('a run that is asked for while there is no worker waits for the next one', async () => {
  const calm = await undisturbed(cloudSpec(), x, y, OPTIONS);
  await withStrikes([dies('none'), dies('MODEL_READY', { before: true })], async (workers) => {
    const trainer = await createTrainer(cloudSpec(), WORKER);
    await lose(trainer, workers[0]);
    const told = followed(trainer.fit(x, y, OPTIONS));
    const predicted = trainer.predict(x);
    assert.equal(trainer.status().state, 'training');
    assertSame({ ...(await told), bits: bitsOf(await trainer.getWeights()) }, calm);
    assert.equal((await predicted).label.length, 300);
    assert.equal(workers.length, 3);
    await trainer.dispose();
  });
});

test('a paused run stays paused, and goes on when it is told to', async () => {
  const calm = await undisturbed(cloudSpec(), x, y, OPTIONS);
  for (const strikes of [
    [dies('TRAINING_PAUSED', { before: true })],
    [dies('TRAINING_PAUSED'), dies('TRAINING_PAUSED')],
    [dies('TRAINING_RESUMED', { before: true })],
  ]) {
    await withStrikes(strikes, async (workers) => {
      const trainer = await createTrainer(cloudSpec(), WORKER);
      const run = trainer.fit(x, y, OPTIONS);
      const following = followed(run);
      await run.pause();
      if (strikes[0].at === 'TRAINING_PAUSED') {
        await until(
          () =>
            workers.length === strikes.length + 1 &&
            workers.at(-1).heard.includes('TRAINING_PAUSED'),
        );
        assert.equal(trainer.status().state, 'paused');
        const { step } = trainer.status();
        await trainer.predict(x);
        await trainer.predict(x);
        assert.equal(trainer.status().step, step);
      }
      await run.resume();
      assertSame({ ...(await following), bits: bitsOf(await trainer.getWeights()) }, calm);
      assert.equal(workers.length, strikes.length + 1);
      await trainer.dispose();
    });
  }
});

test('a stop that the worker does not survive ends the run where the model stands', async () => {
  for (const strike of [
    dies('TRAINING_COMPLETE', { before: true }),
    dies('TRAINING_SNAPSHOT', { nth: 2 }),
    dies('TRAINING_STOPPED', { before: true }),
  ]) {
    await withStrikes([strike], async () => {
      const trainer = await createTrainer(cloudSpec(), WORKER);
      const run = trainer.fit(x, y, FOREVER);
      const following = followed(run);
      await new Promise((resolve) => run.addEventListener('progress', resolve, { once: true }));
      await run.stop();
      const {
        result: { reason, history, epochs, steps, step },
      } = await following;
      assert.deepEqual([reason, epochs, steps], ['stopped', history.length, step]);
      assert.equal(trainer.status().step, step);
      const bits = bitsOf(await trainer.getWeights());
      const { step: next } = await trainer.fit(x, y);
      assert.equal(next, step + 10);
      await trainer.dispose();

      const calm = await createTrainer(cloudSpec(), { mode: 'main' });
      if (step > 0) {
        const again = calm.fit(x, y, { epochs: Math.ceil(step / 10) });
        const { history: all } = await again;
        assert.deepEqual(history, all.slice(0, epochs));
        if (step % 10 === 0) assert.deepEqual(bitsOf(await calm.getWeights()), bits);
      }
      await calm.dispose();
    });
  }
});

test('an aborted run is ABORTED, whatever its worker does', async () => {
  await withStrikes([dies('TRAINING_COMPLETE', { before: true })], async () => {
    const trainer = await createTrainer(cloudSpec(), WORKER);
    const controller = new AbortController();
    const run = trainer.fit(x, y, { ...FOREVER, signal: controller.signal });
    run.addEventListener('progress', () => controller.abort(), { once: true });
    await refused(run.result, 'ABORTED');
    assert.equal((await trainer.predict(x)).label.length, 300);
    await trainer.dispose();
  });
});

test('requests that wait for a worker heed their signal', async () => {
  await withStrikes([dies('none'), dies('MODEL_READY', { before: true })], async (workers) => {
    const trainer = await createTrainer(cloudSpec(), { mode: 'worker', restart: { delay: 1000 } });
    await withoutTimers(async (timers) => {
      await lose(trainer, workers[0]);
      const controller = new AbortController();
      const predicting = trainer.predict(x, { signal: controller.signal });
      const training = trainer.fit(x, y, { signal: controller.signal });
      await until(() => timers.length === 1);
      controller.abort();
      await Promise.all([refused(predicting, 'ABORTED'), refused(training.result, 'ABORTED')]);
      timers[0].callback();
      assert.equal((await trainer.predict(x)).label.length, 300);
    });
    await trainer.dispose();
  });
});

test('retries spent: the main thread goes on in mode auto, WORKER_LOST in mode worker', async () => {
  const calm = await undisturbed(cloudSpec(), x, y, OPTIONS);
  const dead = dies('CHECKPOINT_LOADED', { before: true });
  for (const retries of [0, 1, 2]) {
    const strikes = [
      dies('TRAINING_PROGRESS', { nth: 30 }),
      ...Array.from({ length: retries }, () => dead),
    ];
    await withStrikes(strikes, async (workers) => {
      const said = await warnings(async () => {
        const trainer = await createTrainer(cloudSpec(), {
          mode: 'auto',
          restart: { retries, delay: 0 },
        });
        const events = eventsOf(trainer, 'restart', 'fallback');
        const told = await followed(trainer.fit(x, y, OPTIONS));
        assertSame({ ...told, bits: bitsOf(await trainer.getWeights()) }, calm);
        assert.deepEqual(
          events.map(({ type }) => type),
          [...Array.from({ length: retries }, () => 'restart'), 'fallback'],
        );
        assert.equal(trainer.info.mode, 'main');
        assert.equal(trainer.info.reason, events.at(-1).reason);
        assert.match(trainer.info.reason, /worker was lost.*exit code 7/);
        assert.equal(events.at(-1).error.code, 'WORKER_LOST');
        assert.equal(told.records.at(-1).threadId, 0);
        await trainer.dispose();
      });
      assert.equal(said.length, 1);
      assert.equal(workers.length, retries + 1);
    });
    await withStrikes(strikes, async (workers) => {
      const trainer = await createTrainer(cloudSpec(), {
        mode: 'worker',
        restart: { retries, delay: 0 },
      });
      const run = trainer.fit(x, y, OPTIONS);
      const iterating = (async () => {
        for await (const record of run) assert.ok(record);
      })();
      const predicting = until(() => workers[0].heard.includes('TRAINING_PROGRESS'))
        .then(() => trainer.predict(x))
        .then(() => trainer.evaluate(x, y));
      const settled = await Promise.allSettled([run, iterating]);
      for (const { reason } of settled) assert.equal(reason.code, 'WORKER_LOST', reason.message);
      await predicting.catch(({ code }) => assert.equal(code, 'WORKER_LOST'));
      assert.equal(trainer.status().state, 'lost');
      await refused(trainer.save(), 'WORKER_LOST', /exit code 7/);
      await Promise.all([run.pause(), run.resume(), run.stop()]);
      assert.equal(workers.length, retries + 1);
      await trainer.dispose();
      await refused(trainer.predict(x), 'DISPOSED');
    });
  }
});

test('dispose at any moment of a recovery ends everything', async () => {
  const moments = {
    'in the turn of the loss': (trainer) =>
      trainer.addEventListener('restart', () => trainer.dispose()),
    'while the next one loads': (trainer, workers) =>
      until(() => workers.length === 2).then(() => trainer.dispose()),
    'when it has loaded': (trainer, workers) =>
      until(() => workers[1]?.heard.includes('CHECKPOINT_LOADED')).then(() => trainer.dispose()),
    'while it waits to try again': (trainer, workers, timers) =>
      until(() => timers.length === 1).then(() => trainer.dispose()),
    'when it falls back': (trainer) =>
      trainer.addEventListener('fallback', () => trainer.dispose()),
    'while the main thread loads': (trainer) =>
      trainer.addEventListener('fallback', () => setImmediate(() => trainer.dispose())),
  };
  for (const [moment, dispose] of Object.entries(moments)) {
    const last =
      moment === 'when it has loaded' ? [] : [dies('CHECKPOINT_LOADED', { before: true })];
    await withStrikes([dies('TRAINING_SNAPSHOT'), ...last], async (workers) => {
      await warnings(() =>
        withoutTimers(async (timers) => {
          const retries = moment.includes('main') || moment.includes('falls') ? 0 : 3;
          const trainer = await createTrainer(cloudSpec(), { restart: { retries } });
          const run = trainer.fit(x, y, FOREVER);
          run.addEventListener('progress', () => {});
          dispose(trainer, workers, timers);
          const lost = new Promise((resolve) =>
            trainer.addEventListener('workerstop', resolve, { once: true }),
          );
          await lost;
          const pending = [trainer.predict(x), trainer.getWeights(), trainer.save()].map(
            (promise) => promise.catch(({ code }) => code),
          );
          const { reason, history, epochs } = await run;
          assert.deepEqual([reason, epochs], ['stopped', history.length], moment);
          for (const code of await Promise.all(pending))
            assert.ok(code === 'DISPOSED' || typeof code === 'object', `${moment}: ${code}`);
          await trainer.dispose();
          assert.equal(trainer.status().state, 'disposed');
          await until(() => workers.every(({ threadId }) => threadId === -1));
        }),
      );
    });
  }
});

test('a second loss amid the recovery of data and run is the next attempt', async () => {
  const large = many();
  const options = { epochs: 1, batchSize: 500 };
  const calm = await undisturbed(cloudSpec(), large.x, large.y, options);
  const strikes = [
    dies('TRAINING_PROGRESS', { nth: 1 }),
    dies('DATA_STORED', { nth: 2 }),
    dies('DATA_STORED', { nth: 3, how: 'throw' }),
  ];
  await withStrikes(strikes, async (workers) => {
    const trainer = await createTrainer(cloudSpec(), WORKER);
    const restarts = eventsOf(trainer, 'restart');
    const told = await followed(trainer.fit(large.x, large.y, options));
    assertSame({ ...told, bits: bitsOf(await trainer.getWeights()) }, calm);
    assert.equal(workers.length, 4);
    assert.deepEqual(restarts.map(({ attempt }) => attempt).slice(1), [2, 3].slice(0, 2));
    await trainer.dispose();
  });
});

test('records that waited when a snapshot was taken are told', async () => {
  const calm = await undisturbed(cloudSpec(), x, y, OPTIONS);
  for (const nth of [2, 3, 4]) {
    await withStrikes([dies('TRAINING_SNAPSHOT', { nth })], async () => {
      const trainer = await createTrainer(cloudSpec(), WORKER);
      const told = await followed(trainer.fit(x, y, { ...OPTIONS, progressHz: 0.001 }));
      assertSame({ ...told, bits: bitsOf(await trainer.getWeights()) }, calm);
      await trainer.dispose();
    });
  }
});

test('an app that goes by settings keeps no checkpoint where none would be used', async () => {
  await withStrikes([], async (workers) => {
    const trainer = await createTrainer(cloudSpec(), { mode: 'worker', restart: { retries: 0 } });
    await trainer.fit(x, y);
    await trainer.setWeights(await trainer.getWeights());
    assert.ok(!workers[0].heard.includes('TRAINING_SNAPSHOT'));
    assert.ok(!typesOf(workers[0]).includes('SAVE_CHECKPOINT'));
    await trainer.dispose();
  });
});

test('an idle trainer whose worker is lost does not keep a process alive', () => {
  const { status, stdout, stderr } = inOwnProcess(`
    const threads = [], original = process.getBuiltinModule;
    process.getBuiltinModule = (name) => {
      const builtin = original(name);
      if (name !== 'node:worker_threads') return builtin;
      return { ...builtin, Worker: class extends builtin.Worker { constructor(...args) { super(...args); threads.push(this); } } };
    };
    const trainer = await offstage.createTrainer({ inputShape: [4], layers: [{ type: 'dense', units: 1 }] }, { mode: 'worker' });
    trainer.addEventListener('restart', ({ detail }) => console.log('restart', detail.attempt));
    await threads[0].terminate();
    console.log((await trainer.predict([1, 2, 3, 4])).output.length);`);
  assert.deepEqual([status, stdout], [0, 'restart 1\n1\n'], stderr);
});
