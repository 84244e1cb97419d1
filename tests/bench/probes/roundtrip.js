/* roundtrip.js: times questions and answers between a page (or Node's main thread) and its worker.
 *
 * Rounds are interleaved: a hundred of each kind, then again. Times are of the asker, in
 * milliseconds. */

import { createTrainer } from '../../../web/index.js';
import { DIGITS, digitLike } from '../workloads.mjs';
import { openWire, sleep } from './wire.js';

const WARM = 300;

/** @param {number} times @param {() => Promise<any>} ask @returns {Promise<number[]>} */
async function time(times, ask) {
  const taken = [];
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    await ask();
    taken.push(performance.now() - start);
  }
  return taken;
}

/**
 * @param {{ rounds: number, times: number }} options
 * @returns {Promise<Record<'echo' | 'ping' | 'sampleEcho' | 'predict', number[][]>>}
 */
export async function measureRoundTrips({ rounds, times }) {
  const echo = openWire(new URL('../peers/echo.js', import.meta.url));
  const session = openWire(new URL('../../../worker/worker.js', import.meta.url));
  const trainer = await createTrainer(DIGITS, { mode: 'worker' });
  const sample = digitLike(1).x;
  let id = 0;
  const asks = {
    echo: () => echo.ask({ v: 1, id: ++id, type: 'PING' }),
    ping: () => session.ask({ v: 1, id: ++id, type: 'PING' }),
    sampleEcho: () => echo.ask({ v: 1, id: ++id, type: 'PREDICT', payload: { x: sample } }),
    predict: () => trainer.predict(sample),
  };
  const kinds = Object.entries(asks);
  /** @type {any} */
  const taken = Object.fromEntries(kinds.map(([kind]) => [kind, []]));
  for (const [, ask] of kinds) await time(WARM, ask);
  for (let round = 0; round < rounds; round++) {
    for (const [kind, ask] of kinds) taken[kind].push(await time(times, ask));
  }
  echo.close();
  session.close();
  await trainer.dispose();
  return taken;
}

/**
 * Predictions of one sample while a run is on, at times that have nothing to do with its steps.
 * @param {{ rounds: number, times: number }} options
 * @returns {Promise<number[][]>}
 */
export async function measureBusyPredictions({ rounds, times }) {
  const trainer = await createTrainer(DIGITS, { mode: 'worker' });
  const { x, y } = digitLike(256);
  const sample = x.slice(0, 784);
  const run = trainer.fit(x, y, { epochs: 1e6, batchSize: 32 });
  const taken = [];
  await sleep(200);
  for (let round = 0; round < rounds; round++) {
    const each = [];
    for (let i = 0; i < times; i++) {
      each.push(...(await time(1, () => trainer.predict(sample))));
      await sleep(1 + ((i * 7) % 5));
    }
    taken.push(each);
  }
  await run.stop();
  await trainer.dispose();
  return taken;
}
