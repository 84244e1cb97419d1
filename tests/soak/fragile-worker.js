/* fragile-worker.js: worker.js in a thread that dies as the cells in workerData say. `haste`: its
 * clock runs so many times as fast, so that what comes once a second comes within a short run. */
import { parentPort, workerData } from 'node:worker_threads';
import { happen, makeFragile } from './fragile.js';
import { load } from '../../worker/trainer/foreign.js';

/* Before the first message: what a session waits for once in a thread's life would make it answer
 * otherwise then. */
await load({}, undefined);
await import('../../worker/worker.js');

/** @type {{ cells: Int32Array, haste?: number }} */
const { cells, haste = 1 } = workerData;
const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
const { postMessage } = port;
port.postMessage = (message, transfer) => {
  happen(cells, 'message');
  postMessage.call(port, message, transfer);
};
const now = performance.now.bind(performance);
performance.now = () => haste * now();
makeFragile(cells);
