/* tfjs-node.mjs: TensorFlow.js in a Node worker thread. It greets on the console: run.mjs's side
 * swallows that. */
import { createRequire } from 'node:module';
import { parentPort } from 'node:worker_threads';
import { serve } from './tfjs-digits.js';

globalThis.tf = createRequire(import.meta.url)('@tensorflow/tfjs');
const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
serve(
  (message) => port.postMessage(message),
  (heard) => port.on('message', heard),
);
