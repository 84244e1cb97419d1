/* measured-worker.js: worker.js in a thread that tells on a port of its own what its heap holds. */
import { workerData } from 'node:worker_threads';
import { alive } from './slope.js';
import '../../worker/worker.js';

/** @type {{ port: import('node:worker_threads').MessagePort }} */
const { port } = workerData;
port.on('message', async () => port.postMessage(await alive()));
port.unref();
