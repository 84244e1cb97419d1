/* busy.mjs: what training loses where other programs want the cores.
 *
 * Three sessions train the same network in Node: on one thread, on as many as there are cores, and
 * on as many of these as pay, by the session's own measuring. One has the machine at a time (the
 * others are paused), in interleaved rounds, beside 0, 1, 2 and 4 programs that do nothing but
 * compute. The loss is the last one's time for a step over that of the better of the first two, all
 * rounds together. A level begins with some seconds that do not count: it is found out in them. */

import { spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { Worker } from 'node:worker_threads';
import { sleep } from './probes/wire.js';
import { WORKLOADS, dataOf } from './workloads.mjs';

export const title =
  "times that a session's own number of threads is slower than the better of one and all, in Node";

const LEVELS = [0, 1, 2, 4];
const NETS = ['W2', 'W3', 'W4', 'W6', 'W7'];
/** @type {Record<string, number>} */
const GOAL = { most: 1.05 };

const RUNNERS = [
  { name: 'one', threads: 1, all: false },
  { name: 'all', threads: cpus().length, all: true },
  { name: 'own', threads: cpus().length, all: false },
];

/** @param {typeof RUNNERS[number]} runner @param {import('./workloads.mjs').Workload} workload */
async function openSession({ threads, all }, workload) {
  const worker = new Worker(new URL('probes/busy-worker.js', import.meta.url), {
    workerData: { all },
  });
  /** @type {Map<number, (payload: any) => void>} */
  const waiting = new Map();
  worker.on('message', ({ id, type, payload }) => {
    if (type === 'ERROR' || type === 'TRAINING_ERROR') throw new Error(payload.error);
    if (type === 'TRAINING_PROGRESS') return;
    waiting.get(id)?.(payload);
    waiting.delete(id);
  });
  let last = 0;
  /** @param {string} type @param {any} [payload] */
  const ask = (type, payload) => {
    const id = ++last;
    worker.postMessage({ v: 1, id, type, payload });
    return new Promise((resolve) => waiting.set(id, resolve));
  };
  const { x, y } = dataOf(workload);
  const variant = threads > 1 ? 'simd-mt' : 'simd';
  await ask('INIT_TRAINING', { ...workload.spec, runtime: { variant, threads } });
  void ask('START_TRAINING', {
    x,
    y,
    numEpochs: 1e9,
    batchSize: workload.batch,
    progressHz: 1,
  });
  await ask('PAUSE_TRAINING');
  return {
    /**
     * Trains for so long, and at least one step.
     * @param {number} ms
     * @returns {Promise<{ ms: number, steps: number, threads: number }>}
     */
    async train(ms) {
      const before = await ask('GET_STATUS');
      const start = performance.now();
      await ask('RESUME_TRAINING');
      await sleep(ms);
      await ask('PAUSE_TRAINING');
      const taken = performance.now() - start;
      const { step, threads: present } = await ask('GET_STATUS');
      return { ms: taken, steps: step - before.step, threads: present };
    },
    close: () => worker.terminate(),
  };
}

/** @param {number} count @returns {() => void} ends them */
function beginOthers(count) {
  const others = Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
  );
  return () => others.forEach((other) => other.kill('SIGKILL'));
}

/**
 * @param {{ quick: boolean, say: (text: string) => void, nets?: string[] }} setting
 * @returns {Promise<import('./table.mjs').Figure[]>}
 */
export async function measure({ quick, say, nets = NETS }) {
  const { rounds, roundMs, warmMs } = quick
    ? { rounds: 4, roundMs: 500, warmMs: 2000 }
    : { rounds: 10, roundMs: 500, warmMs: 2500 };
  /** @type {import('./table.mjs').Figure[]} */
  const figures = [];
  for (const id of nets) {
    const workload = /** @type {import('./workloads.mjs').Workload} */ (
      WORKLOADS.find((each) => each.id === id)
    );
    const sessions = [];
    for (const runner of RUNNERS) sessions.push(await openSession(runner, workload));
    for (const level of LEVELS) {
      say(`${id} beside ${level} busy programs`);
      const endOthers = beginOthers(level);
      const sums = RUNNERS.map(() => ({ ms: 0, steps: 0, threads: 0 }));
      try {
        for (const { train } of sessions) await train(warmMs);
        for (let round = 0; round < rounds; round++) {
          for (let i = 0; i < sessions.length; i++) {
            const which = (round + i) % sessions.length;
            const { ms, steps, threads } = await sessions[which].train(roundMs);
            sums[which].ms += ms;
            sums[which].steps += steps;
            sums[which].threads += threads / rounds;
          }
        }
      } finally {
        endOthers();
      }
      const [one, all, own] = sums.map(({ ms, steps }) => ms / steps);
      figures.push({
        what:
          `${id}, ${level} busy: ${[one, all, own].map((ms) => ms.toPrecision(3)).join(', ')} ms ` +
          `on one, all, its own (${sums[2].threads.toFixed(1)} in the mean)`,
        unit: 'x',
        value: own / Math.min(one, all),
        goal: GOAL,
      });
    }
    for (const { close } of sessions) await close();
  }
  return figures;
}
