/* wire.js: a worker, reached by bare messages, in a page and in Node alike.
 *
 * For what is measured below the API: echoes, and requests of the protocol without the bridge. One
 * request is under way at a time. */

const threads = /** @type {any} */ (globalThis).process?.getBuiltinModule?.('node:worker_threads');

/**
 * @param {URL} url of the worker's script
 * @param {object} [options] module or classic in a page; how to treat its console in Node
 * @returns {{ ask: (message: any) => Promise<any>, first: Promise<any>, close: () => void }} first:
 *   what it says unasked
 */
export function openWire(url, options = { type: 'module' }) {
  /** @type {(message: any) => void} */
  let heard = () => {};
  /** @type {(error: Error) => void} */
  let failed = () => {};
  const next = () => new Promise((resolve, reject) => ([heard, failed] = [resolve, reject]));
  const first = next();
  first.catch(() => {}); // not everybody waits for it
  const worker = threads ? new threads.Worker(url, options) : new Worker(url, options);
  if (threads) {
    worker.on('message', (/** @type {any} */ message) => heard(message));
    worker.on('error', (/** @type {Error} */ error) => failed(error));
    worker.on('exit', () => failed(new Error('the worker has ended')));
  } else {
    worker.onmessage = (/** @type {MessageEvent} */ event) => heard(event.data);
    worker.onerror = (/** @type {ErrorEvent} */ event) =>
      failed(new Error(event.message || 'the worker could not be loaded'));
  }
  return {
    first,
    ask(message) {
      const reply = next();
      worker.postMessage(message);
      return reply;
    },
    close: () => void worker.terminate(),
  };
}

/** @param {number} ms */
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * TensorFlow.js with the digit network: says 'ready', then answers { x, y, epochs } with { seconds
 * }.
 */
export function openTensorflow() {
  if (!threads) return openWire(new URL('../peers/tfjs-web.js', import.meta.url), {});
  return openWire(new URL('../peers/tfjs-node.mjs', import.meta.url), {
    stdout: true,
    stderr: true,
  }); // it greets at length
}
