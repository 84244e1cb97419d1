/* roundtrip.mjs: what does a question to the worker cost over a bare postMessage echo?
 *
 * PING on the wire beside an echo of the same message, and predict() of one digit through the API
 * beside an echo of the same sample, in Node and in Chromium; predictions also while the worker
 * trains: then it may take one part of a step, 5 ms, and the wait for an update, both of which are
 * measured in the same run. */

import { callIn } from './browser.mjs';
import { measureBusyPredictions, measureRoundTrips } from './probes/roundtrip.js';
import { ofRounds } from './statistics.mjs';
import { timeParts } from './stop.mjs';
import { WORKLOADS } from './workloads.mjs';

export const title = 'ms of a round trip to the worker (spread: of rounds)';

const ECHO = { ping: 'echo', predict: 'sampleEcho' };
const NAMES = { ping: 'PING', predict: 'predict, one digit' };
const OVER_A_PART_MS = 5;
/** Goals for predictions in Node. */
const GOALS = /** @type {Record<string, { most: number }>} */ ({
  'Node predict 0.5': { most: 0.15 },
  'Node predict 0.95': { most: 0.3 },
});

/** @param {string} place @param {any} taken @returns {import('./table.mjs').Figure[]} */
function idle(place, taken) {
  return /** @type {const} */ (['ping', 'predict']).flatMap((kind) =>
    [0.5, 0.95].map((q) => ({
      what: `${place}: ${NAMES[kind]}, p${100 * q}`,
      unit: 'ms',
      ...ofRounds(taken[kind], q),
      peer: { what: 'echo', ...ofRounds(taken[ECHO[kind]], q) },
      goal: GOALS[`${place} ${kind} ${q}`],
    })),
  );
}

/**
 * @param {string} place
 * @param {number[][]} rounds
 * @param {number} most of the 99th in 100
 * @returns {import('./table.mjs').Figure[]}
 */
function busy(place, rounds, most) {
  return [0.5, 0.95, 0.99].map((q) => ({
    what: `${place}: predict while training, p${100 * q}`,
    unit: 'ms',
    ...ofRounds(rounds, q),
    goal: q === 0.99 ? { most } : undefined,
  }));
}

/**
 * @param {{ quick: boolean, browser: import('./browser.mjs').Browser, say: (text: string) => void
 *   }} setting
 */
export async function measure({ quick, browser, say }) {
  const still = { rounds: quick ? 5 : 15, times: 200 };
  const training = { rounds: quick ? 3 : 5, times: quick ? 60 : 200 };
  const { longest, update } = await timeParts(WORKLOADS[2], 30);
  const most = longest + OVER_A_PART_MS + update;
  say('Node');
  const node = [
    ...idle('Node', await measureRoundTrips(still)),
    ...busy('Node', await measureBusyPredictions(training), most),
  ];
  say('Chromium');
  const chromium = await browser.withPage(async (page) => [
    ...idle('Chromium', await callIn(page, 'roundtrip.js', 'measureRoundTrips', still)),
    ...busy(
      'Chromium',
      await callIn(page, 'roundtrip.js', 'measureBusyPredictions', training),
      most,
    ),
  ]);
  return [...node, ...chromium];
}
