/* train.mjs: how many samples a second does the digit network train on, and TensorFlow.js beside
 * it?
 *
 * Both in workers on the same machine in the same run, in turn, one at a time; the same network,
 * batches of 32, Adam, data shuffled, accuracy counted. TensorFlow.js computes on its cpu backend:
 * its wasm backend cannot train convolutions, and its webgl backend is no match for a machine
 * without a GPU. */

import { callIn } from './browser.mjs';
import { measureTraining } from './probes/train.js';
import { median } from './statistics.mjs';

export const title = 'samples a second that the digit network trains on, in a worker';

/**
 * @param {{ quick: boolean, browser: import('./browser.mjs').Browser, say: (text: string) => void
 *   }} setting
 */
export async function measure({ quick, browser, say }) {
  const options = {
    rounds: quick ? 2 : 7,
    samples: 2048,
    epochs: quick ? 5 : 10,
    peerSamples: quick ? 64 : 320,
  };
  say('Node');
  const node = await measureTraining(options);
  say('Chromium');
  const chromium = await browser.withPage((page) =>
    callIn(page, 'train.js', 'measureTraining', options),
  );
  return [
    ['Node', node],
    ['Chromium', chromium],
  ].map(([place, { own, peer }]) => ({
    what: `${place}: fit()`,
    unit: 'samples/s',
    ...median(own),
    peer: { what: 'TensorFlow.js cpu', ...median(peer) },
  }));
}
