/* wire.js: a worker, reached by bare messages, in a page and in Node alike.
 *
 * For what is measured below the API: echoes, and requests of the protocol without the bridge. One request is
 * under way at a time. */

const threads = /** @type {any} */ (globalThis).process?.getBuiltinModule?.('node:worker_threads');

/** Where this runs, for the names of figures. */
export const PLACE = threads ? 'Node' : 'Chromium';

/**
 * @param {URL} url of a module worker
 * @returns {{ ask: (message: any) => Promise<any>, first: Promise<any>, close: () => void }} first: what it says unasked
 */
export function openWire(url) {
  /** @type {(message: any) => void} */
  let heard = () => {};
  const next = () => new Promise((resolve) => (heard = resolve));
  const first = next();
  const worker = threads ? new threads.Worker(url) : new Worker(url, { type: 'module' });
  if (threads) worker.on('message', (/** @type {any} */ message) => heard(message));
  else worker.onmessage = (/** @type {MessageEvent} */ event) => heard(event.data);
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
