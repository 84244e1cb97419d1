/* tfjs-web.js: TensorFlow.js in a classic worker of a page, as its documentation has it. */
/** @type {any} */ (globalThis).importScripts(
  '/tests/bench/node_modules/@tensorflow/tfjs/dist/tf.min.js',
);
import('./tfjs-digits.js').then(({ serve }) =>
  serve(
    (message) => postMessage(message),
    (heard) => (onmessage = (event) => heard(event.data)),
  ),
);
