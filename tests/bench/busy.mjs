/* busy.mjs: what training loses where other programs want the cores.
 *
 * One session trains a network in Node, in three ways in turn: on one thread, on as many as there
 * are cores, and on as many of these as pay, by its own measuring. It is the same session, for two
 * that do the same differ by a quarter, by where their memory and threads happen to lie. In
 * interleaved rounds, beside 0, 1, 2 and 4 programs that do nothing but compute. The loss is the
 * last way's time for a step over that of the better of the first two, all rounds together. A level
 * begins with some seconds that do not count: it is found out in them. */

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

/** Threads that compute, 0: by its own measuring. */
const WAYS = [1, cpus().length, 0];

/** @param {import('./workloads.mjs').Workload} workload */
async function openSession(workload) {
  const way = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL('probes/busy-worker.js', import.meta.url), {
    workerData: { way },
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
  const runtime = { variant: 'simd-mt', threads: cpus().length };
  await ask('INIT_TRAINING', { ...workload.spec, runtime });
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
     * @param {number} threads @param {number} ms
     * @returns {Promise<{ ms: number, steps: number, threads: number }>}
     */
    async train(threads, ms) {
      Atomics.store(way, 0, threads);
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
    const { train, close } = await openSession(workload);
    for (const level of LEVELS) {
      say(`${id} beside ${level} busy programs`);
      const endOthers = beginOthers(level);
      const sums = WAYS.map(() => ({ ms: 0, steps: 0, threads: 0 }));
      try {
        await train(0, warmMs);
        for (let round = 0; round < rounds; round++) {
          for (let i = 0; i < WAYS.length; i++) {
            const which = (round + i) % WAYS.length;
            const { ms, steps, threads } = await train(WAYS[which], roundMs);
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
    await close();
  }
  return figures;
}
