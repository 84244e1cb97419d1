/* busy-worker.js: worker.js in a Node thread. workerData.all: every thread that may compute does,
 * always. */
import { workerData } from 'node:worker_threads';
import { ThreadCount } from '../../../worker/host/thread-count.js';

if (workerData.all) ThreadCount.prototype.stepTook = () => false;
await import('../../../worker/worker.js');
