/* train.js: trains the digit network in a worker, ours or TensorFlow.js's, and tells how fast that
 * went. */

import { createTrainer } from '../../../web/index.js';
import { DIGITS, digitLike } from '../workloads.mjs';
import { openTensorflow } from './wire.js';

const BATCH = 32;

/**
 * Interleaved rounds of both. Samples per second: of our fit(), data hand-over and all; of
 * TensorFlow.js's fit(), with the data in its tensors already.
 * @param {{ rounds: number, samples: number, epochs: number, peerSamples: number }} options
 * @returns {Promise<{ own: number[], peer: number[] }>}
 */
export async function measureTraining({ rounds, samples, epochs, peerSamples }) {
  const { x, y } = digitLike(samples);
  const trainer = await createTrainer(DIGITS, { mode: 'worker' });
  const tensorflow = openTensorflow();
  await tensorflow.first;
  const some = { x: x.slice(0, peerSamples * 784), y: y.slice(0, peerSamples), epochs: 1 };
  const own = [];
  const peer = [];
  for (let round = -1; round < rounds; round++) {
    // the first warms up
    const start = performance.now();
    const { epochs: done } = await trainer.fit(x, y, { epochs, batchSize: BATCH });
    const rate = (1000 * samples * done) / (performance.now() - start);
    const { seconds } = await tensorflow.ask(some);
    if (round < 0) continue;
    own.push(rate);
    peer.push(peerSamples / seconds);
  }
  tensorflow.close();
  await trainer.dispose();
  return { own, peer };
}
