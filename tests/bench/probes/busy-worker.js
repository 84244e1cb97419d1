/* busy-worker.js: worker.js in a Node thread, whose number of threads is workerData.way[0] while
 * that is not 0. */
import { workerData } from 'node:worker_threads';
import { ThreadCount } from '../../../worker/host/thread-count.js';

/** @type {{ way: Int32Array }} */
const { way } = workerData;
const { stepTook } = ThreadCount.prototype;
/** The number of its own measuring, and whether that had the last step. */
let own = Infinity;
let free = true;

/** @this {ThreadCount} @param {number} samples @param {number} ms */
ThreadCount.prototype.stepTook = function (samples, ms) {
  const threads = Atomics.load(way, 0);
  if (!free && threads === 0) this.count = own;
  const changed = !free;
  free = threads === 0;
  if (free) {
    const may = stepTook.call(this, samples, ms);
    own = this.count;
    return may || changed;
  }
  this.count = threads;
  return true;
};
await import('../../../worker/worker.js');
