/* empty.js: a worker that does nothing but say that it is there: the least that a start can cost.
 */
/** @type {any} */ (
  globalThis.process?.getBuiltinModule?.('node:worker_threads').parentPort ?? globalThis
).postMessage('here');
