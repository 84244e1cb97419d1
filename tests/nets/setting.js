/* setting.js: what the tests of whole networks share: digits, and a trainer that is always disposed
 * of. */
import { readFileSync } from 'node:fs';
import { DIGITS, buildDigits } from '../../examples/digits-data/build.js';
import { parse } from '../../examples/digits-data/read.js';
import { createTrainer } from '../../web/index.js';

/**
 * @template T
 * @param {object} spec @param {(trainer: any) => Promise<T>} use
 * @returns {Promise<T>}
 */
export async function withTrainer(spec, use) {
  const trainer = await createTrainer({ seed: 42, ...spec }, { mode: 'main' });
  try {
    return await use(trainer);
  } finally {
    await trainer.dispose();
  }
}

/**
 * @param {import('../../examples/digits-data/read.js').Digits} digits
 * @param {number} count the first of them
 */
const some = ({ x, y }, count) => ({
  x: x.slice(0, count * 784),
  y: Int32Array.from(y.subarray(0, count)),
});

/**
 * Digits to train on, and others: images of 28 x 28 bytes.
 * @param {number} train
 * @param {number} held
 */
export function digits(train, held) {
  buildDigits();
  const all = parse(readFileSync(DIGITS));
  return { train: some(all.train, train), held: some(all.test, held) };
}

/**
 * Trains a classifier of digits and measures it on digits that it has not seen.
 * @param {object[]} layers  without the last, a dense of ten
 * @param {{ samples: number, epochs: number, learningRate?: number }} setting
 * @returns {Promise<number>} accuracy
 */
export function accuracyOnDigits(layers, { samples, epochs, learningRate = 0.003 }) {
  const { train, held } = digits(samples, 1000);
  const spec = {
    inputShape: [28, 28, 1],
    inputScale: 1 / 255,
    learningRate,
    layers: [...layers, { type: 'dense', units: 10, activation: 'softmax' }],
  };
  return withTrainer(spec, async (trainer) => {
    await trainer.fit(train.x, train.y, { epochs, batchSize: 32 });
    return (await trainer.evaluate(held.x, held.y)).accuracy;
  });
}
