/* kill.test.js: a worker that is killed at any moment costs no bit and no record.
 *
 * Each scenario trains twice in a row, in a worker that is killed up to four times: terminated, by
 * an error that nobody catches, by a trap of the core, by its exit, by silence; while data go over,
 * while it trains, stands paused, predicts or idles, or is just being replaced. The weights must be
 * those of the runs undisturbed, on this thread and in a worker, and the records theirs, each epoch
 * once and in order. Moments are counts of work, of messages or of turns, drawn from the scenario's
 * seed, which a failure tells: OFFSTAGE_ONLY=<seed> does that scenario alone. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { createTrainer } from '../../web/index.js';
import { barSpec, bars, withThreads } from '../js/api-setting.js';
import { SEED, amount, draws, progress } from './amounts.js';
import { arm, createCells, deaths, disarm } from './fragile.js';
import { RunRecords } from './run-records.js';
import { bitsOf } from './story.js';

const KILLS = amount(60, 10_000);
// No limit on how slow a machine may be: what takes this long waits for something
const HANG_MS = 180_000;
const SPEC = barSpec();
/** Data that go along with their request, and data that go in slices. */
const PROBLEMS = {
  small: {
    ...bars(200),
    fits: [
      { epochs: 4, batchSize: 8, validationSplit: 0.2 },
      { epochs: 3, batchSize: 8, validationSplit: 0.3, splitBy: 'stratified' },
      { epochs: 2, batchSize: 16, shuffle: false },
    ],
  },
  large: {
    ...bars(4200),
    fits: [
      { epochs: 1, batchSize: 32 },
      { epochs: 2, batchSize: 128, validationSplit: 0.5 },
    ],
  },
};
const WAYS = ['terminate', 'terminate', 'terminate', 'error', 'error', 'exit', 'trap', 'trap'];
const HASTE = 100; // ten snapshots a second's run
const HEARTBEAT = 1000;
/**
 * What there was of it, for whoever reads: restarts, those from a state beyond the first, falls
 * back.
 * @type {Record<string, number>}
 */
const tally = { restart: 0, midway: 0, fallback: 0 };

/** What an app sees of a run. @param {any} run @param {{ epochs: number }} fit */
function follow(run, fit) {
  const records = new RunRecords(fit);
  const wrong = /** @type {Error[]} */ ([]);
  run.addEventListener('progress', (/** @type {any} */ { detail }) => {
    try {
      records.record(detail);
    } catch (error) {
      wrong.push(/** @type {Error} */ (error));
    }
  });
  return {
    async ended() {
      const result = await run;
      if (wrong.length > 0) throw wrong[0];
      records.complete(result, false);
      return {
        history: JSON.stringify(result.history),
        steps: result.steps,
        step: result.step,
        records: JSON.stringify(
          records.epochs.map(({ epoch, step, loss, accuracy, valLoss, valAccuracy }) => [
            epoch,
            step,
            loss,
            accuracy,
            valLoss,
            valAccuracy,
          ]),
        ),
      };
    },
  };
}

/** @param {any} trainer @param {keyof typeof PROBLEMS} name @param {(run: any) => void} [begun] */
async function trainTwice(trainer, name, begun = () => {}) {
  const { x, y, fits } = PROBLEMS[name];
  const results = [];
  for (const fit of fits) {
    const run = trainer.fit(x, y, { ...fit, progressHz: 1000 });
    const followed = follow(run, fit);
    begun(run);
    results.push(await followed.ended());
  }
  return results;
}

/** @param {() => Promise<any>} ask  again, where the one in its place was killed too */
async function insist(ask) {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (/** @type {any} */ (error).code !== 'WORKER_LOST') throw error;
    }
  }
}

/** @param {keyof typeof PROBLEMS} name @param {'worker' | 'main'} mode */
async function undisturbed(name, mode) {
  const trainer = await createTrainer(SPEC, { mode });
  const results = await trainTwice(trainer, name);
  const bits = bitsOf(await trainer.getWeights());
  await trainer.dispose();
  return { results, bits };
}

/** What is to happen in a scenario. @param {number} seed */
function planOf(seed) {
  const draw = draws(seed);
  const silent = draw.below(20) === 0;
  const fallback = !silent && draw.below(10) === 0;
  const kills = Array.from({ length: fallback ? 1 : 1 + draw.below(4) }, () => {
    const how = silent ? 'silence' : draw.of(WAYS);
    const event =
      how === 'trap'
        ? 'work'
        : how === 'terminate'
          ? draw.of(['turn', 'record', 'microtask'])
          : draw.of(['work', 'message']);
    const most = { work: 400, message: 40, turn: 300, record: 20, microtask: 200 }[
      /** @type {'work'} */ (event)
    ];
    return { how, event, after: 1 + draw.below(draw.of([3, most, most])) };
  });
  return {
    seed,
    kills,
    fallback,
    heartbeat: silent ? HEARTBEAT : undefined,
    problem: draw.of(/** @type {const} */ (['small', 'small', 'large'])),
    pauses: draw.below(4) === 0,
    predicts: draw.below(2) === 0,
    idle: draw.below(3) === 0,
  };
}

/**
 * Kills the worker as planned, one after another.
 * @param {any[]} threads
 * @param {Int32Array} cells
 * @param {any} plan
 */
function killer(threads, cells, { kills }) {
  const left = [...kills];
  let terminated = 0;
  let over = false;
  const before = deaths(cells);
  const terminate = () => {
    const thread = threads.at(-1);
    if (over || !thread || thread.threadId === -1) return;
    terminated++;
    void thread.terminate();
  };
  /** @type {(() => void) | null} */ let onRecord = null;
  async function count(/** @type {string} */ event, /** @type {number} */ n) {
    if (event === 'record') {
      onRecord = () => {
        if (--n > 0) return;
        onRecord = null;
        terminate();
      };
      return;
    }
    for (; n > 0 && !over; n--)
      await (event === 'turn' ? new Promise((resolve) => setImmediate(resolve)) : null);
    terminate();
  }
  return {
    next() {
      const kill = left.shift();
      if (!kill || over) return;
      if (kill.how === 'terminate') void count(kill.event, kill.after);
      else arm(cells, kill.how, kill.event, kill.after);
    },
    recorded: () => onRecord?.(),
    /** @returns {number} deaths there were */
    stop() {
      over = true;
      disarm(cells);
      return terminated + deaths(cells) - before;
    },
    terminate,
  };
}

/**
 * @param {ReturnType<typeof planOf>} plan
 * @param {any[]} threads
 * @param {Int32Array} cells
 * @param {any} want
 * @returns {Promise<number>} deaths
 */
async function scenario(plan, threads, cells, want) {
  const { fallback, heartbeat, problem } = plan;
  const trainer = await createTrainer(SPEC, {
    mode: fallback ? 'auto' : 'worker',
    heartbeat,
    timeout: heartbeat && 3 * heartbeat,
    restart: { retries: fallback ? 0 : 100, delay: 0 },
  });
  const reaper = killer(threads, cells, plan);
  const events = /** @type {string[]} */ ([]);
  for (const type of ['restart', 'fallback']) {
    trainer.addEventListener(type, (/** @type {any} */ { detail }) => {
      events.push(type);
      tally[type]++;
      if (detail.step > 0) tally.midway++;
      reaper.next();
    });
  }
  try {
    const asked = /** @type {Promise<any>[]} */ ([]);
    reaper.next();
    const results = await trainTwice(trainer, problem, (run) => {
      run.addEventListener('progress', reaper.recorded);
      if (plan.pauses) asked.push(insist(() => run.pause()).then(() => insist(() => run.resume())));
      if (plan.predicts) asked.push(insist(() => trainer.predict(PROBLEMS.small.x)));
    });
    await Promise.all(asked);
    if (plan.idle && !fallback) reaper.terminate();
    const weights = await insist(() => trainer.getWeights());
    const died = reaper.stop();
    assert.deepEqual(results, want.results);
    assert.equal(bitsOf(weights) === want.bits, true, 'the bits of the undisturbed runs');
    if (died > 0) assert.ok(events.length > 0, 'the app is told');
    assert.equal(trainer.info.mode, events.includes('fallback') ? 'main' : 'worker');
    return died;
  } finally {
    reaper.stop();
    await trainer.dispose();
  }
}

test(`${KILLS} deaths at random moments change no bit, and no record`, async (t) => {
  const want = /** @type {any} */ ({});
  for (const name of /** @type {const} */ (['small', 'large'])) {
    want[name] = await undisturbed(name, 'main');
    assert.deepEqual(await undisturbed(name, 'worker'), want[name]);
  }
  const cells = createCells();
  const address = new URL('fragile-worker.js', import.meta.url);
  const only = process.env.OFFSTAGE_ONLY;
  let [died, scenarios] = [0, 0];
  const told = () =>
    `${died} deaths in ${scenarios} scenarios: ${tally.restart} restarts, ${tally.midway} of them from a later state than the first, ` +
    `${tally.fallback} falls back`;
  t.mock.method(console, 'warn', () => {}); // of falling back
  const isMissed = () => Object.values(tally).includes(0); // few deaths need not have had every end
  await withThreads(
    async (threads) => {
      for (
        let seed = Number(only ?? SEED * 1_000_000);
        died < KILLS || isMissed();
        seed++, scenarios++
      ) {
        const plan = planOf(seed);
        progress(told);
        threads.length = 0;
        /** @type {any} */ let timer;
        const hung = new Promise(
          (_, reject) => (timer = setTimeout(() => reject(new Error('it hangs')), HANG_MS)),
        );
        try {
          died += /** @type {number} */ (
            await Promise.race([scenario(plan, threads, cells, want[plan.problem]), hung])
          );
        } catch (error) {
          const { message } = /** @type {Error} */ (error);
          throw new Error(`OFFSTAGE_ONLY=${seed}: ${message}\n${JSON.stringify(plan)}`, {
            cause: error,
          });
        } finally {
          clearTimeout(timer);
        }
        if (only) break;
      }
    },
    (/** @type {any} */ _, /** @type {any} */ options) => [
      address,
      { ...options, workerData: { cells, haste: HASTE }, stderr: true },
    ],
  );
  t.diagnostic(told());
});
