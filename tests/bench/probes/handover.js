/* handover.js: large data on their way between a page and its session, each form under the page's
 * meters.
 *
 * What makes the data is not measured; what the page does with them from the call to the answer is.
 * In a page only. */

import { createTrainer } from '../../../web/index.js';
import { DIGITS } from '../workloads.mjs';
import { watch } from './longtask.js';

const MANY = 60_000;
const PIXELS = 784;

/** Digits without their shape, so that a sample may be a list of rows. */
const ROWS = {
  ...DIGITS,
  inputShape: [28, 28],
  layers: [{ type: 'flatten' }, { type: 'dense', units: 10, activation: 'softmax' }],
};
const NAMED = { ...DIGITS, labels: Array.from({ length: 10 }, (_, i) => `digit ${i}`) };
/** 100 MB of weights without moments. */
const BIG = { inputShape: [5000], layers: [{ type: 'dense', units: 5000 }], optimizer: 'sgd' };

const pixel = (/** @type {number} */ i) => (i * 31) % 251;
const floats = (samples = MANY) => {
  const x = new Float32Array(samples * PIXELS);
  for (let i = 0; i < x.length; i++) x[i] = pixel(i) / 255;
  return x;
};
const bytes = (samples = MANY) => {
  const x = new Uint8Array(samples * PIXELS);
  for (let i = 0; i < x.length; i++) x[i] = pixel(i);
  return x;
};
const classes = (samples = MANY) => Int32Array.from({ length: samples }, (_, i) => i % 10);

/**
 * From fit() to the first record.
 * @param {any} trainer
 * @param {any} x
 * @param {any} y
 * @param {object} [options]
 */
async function begin(trainer, x, y, options) {
  const run = trainer.fit(x, y, options);
  await new Promise((resolve, reject) => {
    run.addEventListener('progress', resolve, { once: true });
    run.result.catch(reject);
  });
  await run.stop();
}

/**
 * @type {Record<string, { spec: any, make: () => any, act: (trainer: any, data: any) =>
 *   Promise<unknown> }>}
 */
const FORMS = {
  float32: {
    spec: DIGITS,
    make: () => [floats(), classes()],
    act: (trainer, [x, y]) => begin(trainer, x, y),
  },
  'float32, transfer': {
    spec: DIGITS,
    make: () => [floats(), classes()],
    act: (trainer, [x, y]) => begin(trainer, x, y, { transfer: true }),
  },
  'float32, validationSplit': {
    spec: DIGITS,
    make: () => [floats(), classes()],
    act: (trainer, [x, y]) => begin(trainer, x, y, { validationSplit: 0.1 }),
  },
  uint8: {
    spec: DIGITS,
    make: () => [bytes(), classes()],
    act: (trainer, [x, y]) => begin(trainer, x, y),
  },
  float64: {
    spec: DIGITS,
    make: () => [Float64Array.from(floats(20_000)), classes(20_000)],
    act: (trainer, [x, y]) => begin(trainer, x, y),
  },
  'flat number[], 10,000': {
    spec: DIGITS,
    make: () => [Array.from(floats(10_000)), [...classes(10_000)]],
    act: (trainer, [x, y]) => begin(trainer, x, y),
  },
  'nested number[][][]': {
    spec: ROWS,
    make: () => [
      Array.from({ length: MANY }, (_, i) =>
        Array.from({ length: 28 }, (_, row) =>
          Array.from({ length: 28 }, (_, column) => pixel(i * PIXELS + 28 * row + column)),
        ),
      ),
      [...classes()],
    ],
    act: (trainer, [x, y]) => begin(trainer, x, y),
  },
  'class names, uint8': {
    spec: NAMED,
    make: () => [bytes(), Array.from(classes(), (k) => NAMED.labels[k])],
    act: (trainer, [x, y]) => begin(trainer, x, y),
  },
  'evaluate, float32': {
    spec: ROWS,
    make: () => [floats(), classes()],
    act: (trainer, [x, y]) => trainer.evaluate(x, y),
  },
  'predict, float32': {
    spec: ROWS,
    make: () => [floats(), classes()],
    act: (trainer, [x]) => trainer.predict(x),
  },
  'getWeights, 100 MB': { spec: BIG, make: () => [], act: (trainer) => trainer.getWeights() },
  'setWeights, 100 MB': {
    spec: BIG,
    make: () => [
      { name: 'kernel', shape: [5000, 5000], data: new Float32Array(25e6).fill(0.01) },
      { name: 'bias', shape: [5000], data: new Float32Array(5000) },
    ],
    act: (trainer, weights) => trainer.setWeights(weights),
  },
};

export const forms = () => Object.keys(FORMS);

/** @param {{ form: string, mode: 'worker' | 'main' }} options */
export async function watchHandOver({ form, mode }) {
  const { spec, make, act } = FORMS[form];
  const trainer = await createTrainer(spec, { mode });
  const data = make();
  const watched = await watch(() => act(trainer, data));
  await trainer.dispose();
  return watched;
}
