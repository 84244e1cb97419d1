/* contenders.js: who is measured side by side, and how each is driven.
 *
 * All train the same network from the same weights on the same batches with the same optimizer, in
 * a worker of their own; the loss of the second step proves it. `slow` names cells that --quick
 * leaves out, with what a step takes. */

/**
 * @typedef {object} Contender
 * @property {string} id
 * @property {string} name
 * @property {string} file     beside this one: it exports open(workload, options)
 * @property {any} [options]
 * @property {('Node' | 'Chromium')[]} places
 * @property {Record<string, string>} [slow]  by workload
 * @property {string} how      for the docs
 */

/** @type {Contender[]} */
export const CONTENDERS = [
  {
    id: 'offstage',
    name: 'Offstage',
    file: 'offstage.js',
    options: { variant: 'simd' },
    places: ['Node', 'Chromium'],
    how: 'the `simd` wasm, one thread, called step by step below the session; each step gathers its batch from the data set',
  },
  {
    id: 'offstage-threads',
    name: 'Offstage, 2 threads',
    file: 'offstage.js',
    options: { variant: 'simd-mt', threads: 2 },
    places: ['Node', 'Chromium'],
    how: 'the `simd-mt` wasm in the same way, with one helper',
  },
  {
    id: 'tfjs-wasm',
    name: 'TF.js wasm',
    file: 'tfjs.js',
    options: { backend: 'wasm' },
    places: ['Node', 'Chromium'],
    slow: { W7: '1.5 s' },
    how: 'a layers model, `optimizer.minimize()` with `tf.losses.softmaxCrossEntropy`, its batches tensors made beforehand; the wasm backend with SIMD and the number of threads it chooses itself (half of the cores)',
  },
  {
    id: 'tfjs-cpu',
    name: 'TF.js cpu',
    file: 'tfjs.js',
    options: { backend: 'cpu' },
    places: ['Node', 'Chromium'],
    slow: { W3: '0.3 s', W4: '26 s', W6: '0.5 s', W7: '1.6 s' },
    how: 'the same program on the cpu backend, which alone trains convolutions without a GPU',
  },
  {
    id: 'jax',
    name: 'jax-js',
    file: 'jax.js',
    options: { sync: true },
    places: ['Node', 'Chromium'],
    slow: { W4: '13 s' },
    how: 'one `jit` of the whole step (`valueAndGrad`, Adam as in optax), batches on the device beforehand, read with `dataSync()`: its single-threaded path',
  },
  {
    id: 'jax-threads',
    name: 'jax-js, threads',
    file: 'jax.js',
    options: { sync: false },
    places: ['Chromium'],
    slow: { W4: '7 s' },
    how: 'the same program read with `await data()`: its usual path, which spreads kernels over one worker a core where the page is isolated. In Node it finds no workers, so the path before is its only one',
  },
];

/** @param {string} id */
export function contender(id) {
  const found = CONTENDERS.find((each) => each.id === id);
  if (!found) throw new Error(`no contender ${id}`);
  return found;
}
