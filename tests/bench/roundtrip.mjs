/* roundtrip.mjs: what does a question to the worker cost over a bare postMessage echo?
 *
 * PING on the wire beside an echo of the same message, and predict() of one digit through the API beside an echo of
 * the same sample, in Node and in Chromium; predictions also while the worker trains. */

import { callIn } from './browser.mjs';
import { measureBusyPredictions, measureRoundTrips } from './probes/roundtrip.js';
import { ofRounds } from './statistics.mjs';

export const title = 'ms of a round trip to the worker (spread: of rounds)';

const ECHO = { ping: 'echo', predict: 'sampleEcho' };
const NAMES = { ping: 'PING', predict: 'predict, one digit' };
/** Goals of the next issue for predictions in Node. */
const GOALS = /** @type {Record<string, { most: number }>} */ ({ 'Node predict 0.5': { most: 0.15 }, 'Node predict 0.95': { most: 0.3 } });

/** @param {string} place @param {any} taken @returns {import('./table.mjs').Figure[]} */
function idle(place, taken) {
  return (/** @type {const} */ (['ping', 'predict'])).flatMap((kind) => [0.5, 0.95].map((q) => ({
    what: `${place}: ${NAMES[kind]}, p${100 * q}`,
    unit: 'ms',
    ...ofRounds(taken[kind], q),
    peer: { what: 'echo', ...ofRounds(taken[ECHO[kind]], q) },
    goal: GOALS[`${place} ${kind} ${q}`],
  })));
}

/** @param {string} place @param {number[][]} rounds @returns {import('./table.mjs').Figure[]} */
function busy(place, rounds) {
  return [0.5, 0.95, 0.99].map((q) => ({ what: `${place}: predict while training, p${100 * q}`, unit: 'ms', ...ofRounds(rounds, q) }));
}

/** @param {{ quick: boolean, browser: import('./browser.mjs').Browser, say: (text: string) => void }} setting */
export async function measure({ quick, browser, say }) {
  const still = { rounds: quick ? 5 : 15, times: 200 };
  const training = { rounds: quick ? 3 : 5, times: quick ? 60 : 200 };
  say('Node');
  const node = [...idle('Node', await measureRoundTrips(still)), ...busy('Node', await measureBusyPredictions(training))];
  say('Chromium');
  const chromium = await browser.withPage(async (page) => [
    ...idle('Chromium', await callIn(page, 'roundtrip.js', 'measureRoundTrips', still)),
    ...busy('Chromium', await callIn(page, 'roundtrip.js', 'measureBusyPredictions', training)),
  ]);
  return [...node, ...chromium];
}
