/* pairs.js: contenders on one workload, each in a worker of its own, in interleaved rounds.
 *
 * Each is checked (the loss of its second step must be the first contender's: the same network, batches and update),
 * warmed up until it has compiled, and asked how often its loss is best read. One computes at a time. */

import { openWire } from './wire.js';

const WARM_MS = 400;
const LONG_MS = 3000; // a step beyond which two rounds are all that there are
const CLOSE = 0.001; // of the loss: sums in other orders, and Adam's first step divides by tiny numbers: 3e-5 was seen

/** @typedef {{ id: string, name: string, times: number[], cannot?: string, loss?: number, about?: string, every?: number }} Timed */

/** @param {any} reply */
function checked(reply) {
  if (reply.cannot) throw new Error(reply.cannot);
  return reply;
}

/**
 * @param {ReturnType<typeof openWire>} wire @param {number} ms that its second step took
 * @returns {Promise<{ ms: number, every: number }>} after how many steps reading is cheapest, and what a step takes then
 */
async function warmUp(wire, ms) {
  let best = { ms: Infinity, every: 1 };
  for (let spent = 0; spent < WARM_MS; ) {
    const steps = Math.max(1, Math.ceil((WARM_MS - spent) / ms / 4));
    ({ ms } = checked(await wire.ask({ steps, every: 1 })));
    spent += steps * ms;
    if (spent >= LONG_MS) return { ms, every: 1 };
  }
  for (const every of [1, 4, 16]) {
    const steps = Math.max(every, Math.min(64, Math.round(100 / ms)));
    if (every > 1 && steps * ms > LONG_MS) continue;
    const taken = checked(await wire.ask({ steps, every })).ms;
    if (taken < best.ms) best = { ms: taken, every };
  }
  return best;
}

/**
 * @param {{ workload: any, contenders: import('../peers/contenders.js').Contender[], rounds: number, roundMs: number }} options
 * @returns {Promise<Timed[]>}
 */
export async function measurePairs({ workload, contenders, rounds, roundMs }) {
  /** @type {(Timed & { wire: ReturnType<typeof openWire>, ms: number })[]} */
  const all = [];
  for (const { id, name, file, options } of contenders) {
    const wire = openWire(new URL('../peers/worker.js', import.meta.url), { type: 'module', stdout: true, stderr: true });
    /** @type {typeof all[number]} */
    const one = { id, name, wire, ms: 1, times: [] };
    all.push(one);
    try {
      one.about = checked(await wire.ask({ open: { file, options, workload } })).about;
      checked(await wire.ask({ steps: 1, every: 1 }));
      const second = checked(await wire.ask({ steps: 1, every: 1 }));
      one.loss = second.loss;
      Object.assign(one, await warmUp(wire, second.ms));
    } catch (error) {
      one.cannot = /** @type {Error} */ (error).message;
    }
  }
  const losses = all.flatMap(({ loss }) => loss ?? []);
  for (const one of all) {
    if (one.loss !== undefined && !(Math.abs(one.loss / losses[0] - 1) < CLOSE)) one.cannot = `its second loss is ${one.loss}, not ${losses[0]}: it trains something else`;
  }
  for (let round = 0; round < rounds; round++) {
    for (const one of all) {
      if (one.cannot || (one.ms > LONG_MS && round > 1)) continue;
      const steps = Math.max(1, Math.round(roundMs / one.ms));
      one.times.push((await one.wire.ask({ steps, every: one.every })).ms);
    }
  }
  for (const { wire } of all) wire.close();
  return all.map(({ wire, ms, ...timed }) => timed);
}
