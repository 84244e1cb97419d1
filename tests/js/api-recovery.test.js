/* api-recovery.test.js: a worker that is lost is replaced, and the run goes on to the bits of one
 * that was not disturbed: whatever became of the worker, and wherever in its work. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { barSpec, bars, bitsOf, cloudSpec, clouds, refused, until } from './api-setting.js';
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
const OPTIONS = { epochs: 12, batchSize: 16, validationSplit: 0.2, progressHz: 1000 };
const WORKER = { mode: 'worker', restart: { delay: 0 } };

let expected;
test('the run that nothing happens to', async () => {
  expected = await undisturbed(cloudSpec(), x, y, OPTIONS);
  assert.equal(expected.result.epochs, 12);
});

/* The snapshots of a worker that throws may be lost with it: Node tells of the error by another way
 * than its messages. */
const LOADED = 'CHECKPOINT_LOADED|MODEL_READY';
/** Where a worker, and the one in its place, and so on, are struck. */
const PLACES = {
  'before it begins': [{ at: 'TRAINING_PROGRESS', before: true }],
  'after the first record': [{ at: 'TRAINING_PROGRESS' }],
  'after the first snapshot': [{ at: 'TRAINING_SNAPSHOT' }],
  'before the second snapshot': [{ at: 'TRAINING_SNAPSHOT', nth: 2, before: true }],
  'amid the epochs': [{ at: 'TRAINING_PROGRESS', nth: 20 }],
  'before the end is told': [{ at: 'TRAINING_COMPLETE', before: true }],
  'twice in a row': [{ at: 'TRAINING_SNAPSHOT' }, { at: 'TRAINING_SNAPSHOT' }],
  'while it loads, and twice more': [
    { at: 'TRAINING_PROGRESS', nth: 9 },
    { at: LOADED, before: true },
    { at: LOADED },
  ],
};

/* A core traps when it is called: none is called there any more. */
const NO_TRAP = ['before the end is told', 'while it loads, and twice more'];

for (const how of ['exit', 'throw', 'trap']) {
  for (const [place, strikes] of Object.entries(PLACES)) {
    if (how === 'trap' && NO_TRAP.includes(place)) continue;
    test(`${how}, ${place}: the bits of a run undisturbed`, async () => {
      await withStrikes(
        strikes.map((strike) => ({ ...strike, how })),
        async (workers) => {
          const trainer = await createTrainer(cloudSpec(), WORKER);
          const restarts = eventsOf(trainer, 'restart');
          const told = await followed(trainer.fit(x, y, OPTIONS));
          assertSame({ ...told, bits: bitsOf(await trainer.getWeights()) }, expected);
          assert.equal(workers.length, strikes.length + 1);
          assert.equal(restarts.length, strikes.length);
          for (const { attempt, error, step } of restarts) {
            assert.ok(attempt >= 1 && step >= 0);
            assert.equal(error.code, 'WORKER_LOST', error.message);
          }
          assert.equal(trainer.info.mode, 'worker');
          await trainer.dispose();
        },
      );
    });
  }
}

test('a run goes on from the latest snapshot, not from its beginning', async () => {
  await withStrikes([{ at: 'TRAINING_SNAPSHOT', nth: 3 }], async (workers) => {
    const trainer = await createTrainer(cloudSpec(), WORKER);
    const restarts = eventsOf(trainer, 'restart');
    await trainer.fit(x, y, OPTIONS);
    assert.ok(restarts[0].step > 0, `it went on from step ${restarts[0].step}`);
    assert.deepEqual(typesOf(workers[1]).slice(0, 2), ['LOAD_CHECKPOINT', 'START_TRAINING']);
    assert.equal(workers[1].posted[1].payload.resume, true);
    await trainer.dispose();
  });
});

test('convolutions, dropout and moments, with threads and without: the same bits', async () => {
  const spec = barSpec();
  const data = bars(120);
  const options = { epochs: 4, batchSize: 8, progressHz: 1000 };
  const calm = await undisturbed(spec, data.x, data.y, options);
  for (const threads of [1, 2]) {
    await withStrikes(
      [
        { at: 'TRAINING_SNAPSHOT', nth: 2 },
        { at: 'TRAINING_SNAPSHOT', nth: 2, how: 'throw' },
      ],
      async (workers) => {
        const trainer = await createTrainer(spec, { ...WORKER, threads });
        const told = await followed(trainer.fit(data.x, data.y, options));
        assertSame({ ...told, bits: bitsOf(await trainer.getWeights()) }, calm);
        assert.equal(workers.length, 3);
        await trainer.dispose();
      },
    );
  }
});

test('the first attempt is made in the turn of the loss, and without a timer', async () => {
  await withStrikes([{ at: 'TRAINING_PROGRESS', nth: 3 }], async (workers) => {
    const trainer = await createTrainer(cloudSpec(), { mode: 'worker' });
    await withoutTimers(async (timers) => {
      const lost = new Promise((resolve) =>
        trainer.addEventListener('restart', () => queueMicrotask(() => resolve(workers.length))),
      );
      const told = followed(trainer.fit(x, y, OPTIONS));
      assert.equal(await lost, 2);
      assertSame({ ...(await told), bits: bitsOf(await trainer.getWeights()) }, expected);
      assert.deepEqual(timers, []);
    });
    await trainer.dispose();
  });
});

test('later attempts wait: delay, times factor, up to maxDelay; a step counts them from the beginning again', async () => {
  const dead = { at: 'CHECKPOINT_LOADED', before: true };
  const strikes = [
    { at: 'TRAINING_SNAPSHOT' },
    dead,
    dead,
    dead,
    dead,
    { at: 'TRAINING_SNAPSHOT', nth: 4 },
  ];
  await withStrikes(strikes, async (workers) => {
    const restart = { retries: 5, delay: 100, factor: 3, maxDelay: 500 };
    const trainer = await createTrainer(cloudSpec(), { mode: 'worker', restart });
    const restarts = eventsOf(trainer, 'restart');
    await withoutTimers(async (timers) => {
      const told = followed(trainer.fit(x, y, OPTIONS));
      for (const [i, ms] of [100, 300, 500, 500].entries()) {
        await until(() => timers.length === i + 1);
        assert.equal(timers[i].ms, ms);
        assert.equal(workers.length, i + 2);
        timers[i].callback();
      }
      assertSame({ ...(await told), bits: bitsOf(await trainer.getWeights()) }, expected);
      assert.deepEqual(
        restarts.map(({ attempt }) => attempt),
        [1, 2, 3, 4, 5, 1],
      );
      assert.equal(timers.length, 4);
    });
    await trainer.dispose();
  });
});

test('steps that were complete before do not count: a worker that always dies at the same step is given up', async () => {
  const strikes = Array.from({ length: 40 }, () => ({
    at: 'TRAINING_PROGRESS',
    nth: 2,
    how: 'exit',
  }));
  await withStrikes(
    strikes,
    async (workers) => {
      // Each worker dies after its second record, and all of them begin at the same snapshot: the
      // spec.
      const trainer = await createTrainer(cloudSpec(), WORKER);
      await refused(
        trainer.fit(x, y, { ...OPTIONS, progressHz: 0.001, epochs: 2 }).result,
        'WORKER_LOST',
        /3 attempts/,
      );
      assert.equal(workers.length, 4);
      assert.equal(trainer.status().state, 'lost');
      await refused(trainer.predict(x), 'WORKER_LOST', /3 attempts/);
      await trainer.dispose();
    },
    { snapshotMs: 1e9 },
  );
});

test("a run that is stopped where a lost worker left it: the history is the result's, also of one that goes on with it at once", async () => {
  await withStrikes([{ at: 'TRAINING_PROGRESS', nth: 25 }], async () => {
    const trainer = await createTrainer(cloudSpec(), WORKER);
    const run = trainer.fit(x, y, OPTIONS);
    trainer.addEventListener('restart', () => run.stop());
    const { reason, history } = await run;
    assert.equal(reason, 'stopped');
    assert.deepEqual(trainer.history, history);
    await trainer.save(); // of the session that stands in
    assert.deepEqual(
      trainer.runs.map((each) => each.reason),
      ['stopped'],
    );
    const again = trainer.fit(x, y, { ...OPTIONS, resume: true });
    const whole = await again;
    assert.deepEqual(trainer.history, whole.history);
    assert.deepEqual(
      { history: whole.history, bits: bitsOf(await trainer.getWeights()) },
      { history: expected.result.history, bits: expected.bits },
    );
    await trainer.dispose();
  });
});
