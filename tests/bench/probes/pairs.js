/* pairs.js: contenders on one workload, each in a worker of its own, in interleaved rounds.
 *
 * Each is checked (the loss of its second step must be the first contender's: the same network,
 * batches and update), warmed up until it has compiled, and asked how often its loss is best read.
 * One computes at a time. */

import { openWire } from './wire.js';

/**
 * A contender, with a workload of its own where it has one.
 * @typedef {Pick<import('../peers/contenders.js').Contender, 'id' | 'name' | 'file' | 'options'> &
 *   { workload?: any }} Runner
 */
const LONG_MS = 3000; // a step beyond which the second and one more are all that there is
// Of the loss: sums in other orders, and Adam's first step divides by tiny numbers: 1e-6 was seen
const CLOSE = 1e-4;

/**
 * @typedef {{ id: string, name: string, times: number[], cannot?: string, loss?: number, about?:
 *   string, flop?: number, every?: number }} Timed
 */

/** @param {any} reply what a contender answered */
function checked(reply) {
  if (reply.cannot) throw new Error(reply.cannot);
  return reply;
}

/**
 * @param {ReturnType<typeof openWire>} wire
 * @param {number} ms that its second step took
 * @param {number} warmMs
 * @returns {Promise<{ ms: number, every: number }>} after how many steps reading is cheapest, and
 *   what a step takes then
 */
async function warmUp(wire, ms, warmMs) {
  let best = { ms: Infinity, every: 1 };
  for (let spent = 0; spent < warmMs;) {
    const steps = Math.max(1, Math.ceil((warmMs - spent) / ms / 4));
    ({ ms } = checked(await wire.ask({ steps, every: 1 })));
    spent += steps * ms;
  }
  for (const every of [1, 4, 16]) {
    const steps = Math.max(every, Math.min(64, Math.round(100 / ms)));
    if (every > 1 && steps * ms > 5 * warmMs) continue;
    const taken = checked(await wire.ask({ steps, every })).ms;
    if (taken < best.ms) best = { ms: taken, every };
  }
  return best;
}

/** What the one before left running, threads that wait for more and garbage, comes to rest. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 30));

/**
 * @param {{ workload: any, contenders: Runner[], rounds: number, roundMs: number, warmMs: number }}
 *   options
 * @returns {Promise<Timed[]>}
 */
export async function measurePairs({ workload, contenders, rounds, roundMs, warmMs }) {
  /** @type {(Timed & { wire: ReturnType<typeof openWire>, net: string, ms: number })[]} */
  const all = [];
  for (const { id, name, file, options, workload: own = workload } of contenders) {
    const wire = openWire(new URL('../peers/worker.js', import.meta.url), {
      type: 'module',
      stdout: true,
      stderr: true,
    });
    /** @type {typeof all[number]} */
    const one = { id, name, wire, net: own.id, ms: 1, times: [] };
    all.push(one);
    try {
      Object.assign(one, checked(await wire.ask({ open: { file, options, workload: own } })));
      checked(await wire.ask({ steps: 1, every: 1 }));
      const second = checked(await wire.ask({ steps: 1, every: 1 }));
      one.loss = second.loss;
      if (second.ms < LONG_MS) Object.assign(one, await warmUp(wire, second.ms, warmMs));
      else Object.assign(one, { ms: second.ms, every: 1, times: [second.ms] });
    } catch (error) {
      one.cannot = /** @type {Error} */ (error).message;
    }
  }
  for (const one of all) {
    // What trains nothing has none
    const first = all.find(({ net, loss }) => net === one.net && loss !== undefined)?.loss;
    if (one.loss === undefined || first === undefined || Math.abs(one.loss / first - 1) < CLOSE)
      continue;
    one.cannot = `its second loss is ${one.loss}, not ${first}: it trains something else`;
  }
  for (let round = 0; round < rounds; round++) {
    for (const one of all) {
      if (one.cannot || (one.ms > LONG_MS && one.times.length > 1)) continue;
      const steps = Math.max(1, Math.round(roundMs / one.ms));
      await settle();
      if (one.ms < roundMs)
        // Untimed: its caches are its own again
        checked(await one.wire.ask({ steps: Math.max(1, Math.ceil(steps / 4)), every: one.every }));
      one.times.push((await one.wire.ask({ steps, every: one.every })).ms);
    }
  }
  for (const { wire } of all) wire.close();
  return all.map(({ wire, net, ms, ...timed }) => timed);
}
