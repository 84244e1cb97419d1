/* api-recovery-silence.test.js: a worker that has fallen silent is replaced, by a clock that passes
 * when the test says so; what else ends a worker; and a core that traps on the main thread. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import {
  bitsOf,
  cloudSpec,
  clouds,
  inOwnProcess,
  refused,
  silentThread,
  standingClock,
  until,
  withThreads,
} from './api-setting.js';
import { assertSame, eventsOf, followed, undisturbed, withStrikes } from './recovery-setting.js';

const { x, y } = clouds(300);
const OPTIONS = { epochs: 8, batchSize: 16, progressHz: 1000 };

/** Runs the body by a standing clock. */
async function standing(body) {
  const clock = standingClock();
  try {
    await body(clock);
  } finally {
    clock.restore();
  }
}

/** Lets what can happen happen. */
async function turns(count = 5) {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

for (const [place, at, nth] of [
  ['before the first record', 'TRAINING_PROGRESS', 1],
  ['amid the epochs', 'TRAINING_PROGRESS', 25],
  ['after a snapshot', 'TRAINING_SNAPSHOT', 2],
]) {
  test(`a worker that hangs ${place} is replaced after the heartbeat, and not before`, async () => {
    const calm = await undisturbed(cloudSpec(), x, y, OPTIONS);
    await withStrikes([{ at, nth, how: 'hang', before: place.startsWith('before') }], (workers) =>
      standing(async (clock) => {
        const trainer = await createTrainer(cloudSpec(), { mode: 'worker', heartbeat: 6000 });
        const restarts = eventsOf(trainer, 'restart');
        const following = followed(trainer.fit(x, y, OPTIONS));
        const predicting = trainer.predict(x);
        await until(() => workers[0].heard.includes('STRUCK'));
        clock.pass(3_600_000); // the page slept for an hour: two ticks at most
        for (let ms = 0; ms < 4 * 750 - 1; ms += 750) clock.pass(750);
        await turns();
        assert.equal(restarts.length, 0, 'silent, but not for long enough');
        clock.pass(750);
        clock.pass(750);
        clock.pass(750);
        assert.equal(workers.length, 2, 'in the turn of the tick');
        assertSame({ ...(await following), bits: bitsOf(await trainer.getWeights()) }, calm);
        assert.match(restarts[0].error.message, /6000 ms/);
        assert.equal(restarts[0].error.code, 'WORKER_LOST');
        assert.equal((await predicting).label.length, 300);
        await trainer.dispose();
        clock.pass(750);
        assert.equal(clock.running, false);
      }),
    );
  });
}

test('an idle worker that hangs is found out by the next request', async () => {
  await withStrikes([{ at: 'PREDICTION_RESULT', how: 'hang' }], (workers) =>
    standing(async (clock) => {
      const trainer = await createTrainer(cloudSpec(), { mode: 'worker' });
      const first = await trainer.predict(x);
      await until(() => workers[0].heard.includes('STRUCK'));
      clock.pass(100_000);
      assert.equal(clock.running, false, 'nobody waits');
      const second = trainer.predict(x);
      for (let second = 0; second < 9; second++) clock.pass(1000);
      assert.equal(workers.length, 1);
      clock.pass(1000);
      assert.equal(workers.length, 2, 'after 10 s unless told otherwise');
      assert.deepEqual(await second, first);
      await trainer.dispose();
    }),
  );
});

test('dispose of a worker that hangs ends with the heartbeat, and no other worker is made', async () => {
  await withStrikes([{ at: 'TRAINING_PROGRESS', nth: 5, how: 'hang' }], (workers) =>
    standing(async (clock) => {
      const trainer = await createTrainer(cloudSpec(), { mode: 'worker', heartbeat: 4000 });
      const run = trainer.fit(x, y, OPTIONS);
      run.addEventListener('progress', () => {});
      await until(() => workers[0].heard.includes('STRUCK'));
      const predicting = trainer.predict(x);
      const disposing = trainer.dispose();
      await refused(predicting, 'DISPOSED');
      for (let tick = 0; tick < 9; tick++) clock.pass(500);
      await disposing;
      assert.equal((await run).reason, 'stopped');
      await until(() => workers[0].threadId === -1);
      assert.equal(workers.length, 1);
      clock.pass(500);
      assert.equal(clock.running, false);
    }),
  );
});

test('a timeout that is shorter than the heartbeat ends the trainer', async () => {
  await withStrikes([{ at: 'TRAINING_PROGRESS', nth: 5, how: 'hang' }], (workers) =>
    standing(async (clock) => {
      const trainer = await createTrainer(cloudSpec(), {
        mode: 'worker',
        timeout: 4000,
        heartbeat: 8000,
      });
      const run = trainer.fit(x, y, OPTIONS);
      run.addEventListener('progress', () => {});
      await until(() => workers[0].heard.includes('STRUCK'));
      const predicting = trainer.predict(x);
      predicting.catch(() => {});
      for (let tick = 0; tick < 30; tick++) {
        clock.pass(500);
        await turns();
      }
      await Promise.all([
        refused(run.result, 'TIMEOUT', /4000 ms/),
        refused(predicting, 'TIMEOUT', /4000 ms/),
      ]);
      await refused(trainer.predict(x), 'WORKER_LOST', /4000 ms/);
      assert.equal(workers.length, 1);
      assert.equal(trainer.status().state, 'lost');
      await trainer.dispose();
    }),
  );
});

test('a worker in its place that never says a word is an attempt that failed', async () => {
  let made = 0;
  await withThreads(
    (threads) =>
      standing(async (clock) => {
        const trainer = await createTrainer(cloudSpec(), {
          mode: 'worker',
          timeout: 4000,
          heartbeat: 4000,
          restart: { retries: 2, delay: 0 },
        });
        const before = bitsOf(await trainer.getWeights());
        threads[0].terminate();
        await until(() => threads.length === 2);
        const weights = trainer.getWeights();
        for (let tick = 0; tick < 8; tick++) clock.pass(500);
        await until(() => threads.length === 3);
        assert.deepEqual(bitsOf(await weights), before);
        await trainer.dispose();
      }),
    (...given) => (made++ === 1 ? silentThread() : given),
  );
});

test('a worker that runs out of memory is replaced', async () => {
  const calm = await undisturbed(cloudSpec(), x, y, OPTIONS);
  await withStrikes([{ at: 'TRAINING_SNAPSHOT', nth: 2, how: 'memory' }], async (workers) => {
    const trainer = await createTrainer(cloudSpec(), { mode: 'worker' });
    const restarts = eventsOf(trainer, 'restart');
    assertSame(
      { ...(await followed(trainer.fit(x, y, OPTIONS))), bits: bitsOf(await trainer.getWeights()) },
      calm,
    );
    assert.equal(workers.length, 2);
    assert.match(restarts[0].error.message, /memory/);
    await trainer.dispose();
  });
});

test('a helper thread that is lost takes the session down, and the session comes back', async () => {
  const wide = {
    ...cloudSpec(),
    layers: [{ type: 'dense', units: 512 }, { type: 'dense', units: 512 }, ...cloudSpec().layers],
  };
  await withStrikes([{ helper: true }], async (workers) => {
    const trainer = await createTrainer(wide, { mode: 'worker', threads: 2 });
    const restarts = eventsOf(trainer, 'restart');
    const run = trainer.fit(x, y, { epochs: 1e9, batchSize: 100 });
    await until(() => workers[1]?.heard.includes('TRAINING_PROGRESS'));
    await run.stop();
    assert.equal((await run).reason, 'stopped');
    assert.match(restarts[0].error.message, /a computing thread was lost/);
    assert.equal(trainer.info.threads, 2);
    await trainer.dispose();
  });
});

test('a core that traps on the main thread is made anew as well', () => {
  const { status, stdout, stderr } = inOwnProcess(`
    const { instantiate } = WebAssembly;
    let fuse = Infinity;
    WebAssembly.instantiate = async (module, imports) => {
      const { exports } = await instantiate(module, imports);
      return { exports: { ...exports, step_run: (...args) => {
        if (--fuse === 0) throw new WebAssembly.RuntimeError('unreachable');
        return exports.step_run(...args);
      } } };
    };
    const x = Float32Array.from({ length: 400 }, (_, i) => (i * 7 % 11) / 11), y = Float32Array.from({ length: 100 }, (_, i) => i % 2);
    const spec = { inputShape: [4], layers: [{ type: 'dense', units: 1 }] };
    const weights = [];
    for (const after of [Infinity, 30]) {
      const trainer = await offstage.createTrainer(spec, { mode: 'main' });
      fuse = after;
      trainer.addEventListener('restart', ({ detail }) => console.log(detail.error.code, detail.attempt));
      const { epochs } = await trainer.fit(x, y, { epochs: 20, batchSize: 10 });
      weights.push((await trainer.getWeights()).map(({ data }) => [...data].join()).join());
      console.log(epochs, trainer.info.mode);
      await trainer.dispose();
    }
    console.log(weights[0] === weights[1]);`);
  assert.deepEqual([status, stdout], [0, '20 main\nWORKER_LOST 1\n20 main\ntrue\n'], stderr);
});

test('retries of a core that always traps are spent on the main thread too', async () => {
  const { stdout, stderr } = inOwnProcess(`
    const { instantiate } = WebAssembly;
    let trap = false;
    WebAssembly.instantiate = async (module, imports) => {
      const { exports } = await instantiate(module, imports);
      return { exports: { ...exports, step_run: (...args) => {
        if (trap) throw new WebAssembly.RuntimeError('unreachable');
        return exports.step_run(...args);
      } } };
    };
    const trainer = await offstage.createTrainer({ inputShape: [4], layers: [{ type: 'dense', units: 1 }] }, { mode: 'main', restart: { delay: 0 } });
    trap = true;
    const run = trainer.fit(new Float32Array(40), new Float32Array(10));
    console.log(await run.catch(({ code, message }) => code + message));
    await trainer.dispose();`);
  assert.match(stdout, /^WORKER_LOST.*3 attempts.*the core trapped: unreachable\n$/, stderr);
});
