/* tensorflow.js: loads TensorFlow.js into a worker or a page, from the bench's own packages.
 *
 * In Node by require, where it has a build of its own; elsewhere its minified builds, which make
 * the global `tf`. */

const node = /** @type {any} */ (globalThis).process?.getBuiltinModule;
const PACKAGES = new URL('../node_modules/@tensorflow/', import.meta.url);

/** @param {'cpu' | 'wasm'} backend @returns {Promise<any>} tf, with that backend ready */
export async function loadTensorflow(backend) {
  const tf = node ? fromNode(backend) : await fromWeb(backend);
  if (!(await tf.setBackend(backend)))
    throw new Error(`TF.js could not start its ${backend} backend`);
  await tf.ready();
  return tf;
}

/** @param {string} backend */
function fromNode(backend) {
  const require = node('node:module').createRequire(import.meta.url);
  const tf = require('@tensorflow/tfjs');
  if (backend === 'wasm')
    require('@tensorflow/tfjs-backend-wasm').setWasmPaths(
      node('node:url').fileURLToPath(new URL('tfjs-backend-wasm/dist/', PACKAGES)),
    );
  return tf;
}

/** @param {string} backend */
async function fromWeb(backend) {
  await import(new URL('tfjs/dist/tf.min.js', PACKAGES).href);
  const { tf } = /** @type {any} */ (globalThis);
  if (backend === 'wasm') {
    await import(new URL('tfjs-backend-wasm/dist/tf-backend-wasm.min.js', PACKAGES).href);
    tf.wasm.setWasmPaths(new URL('tfjs-backend-wasm/dist/', PACKAGES).href);
  }
  return tf;
}
