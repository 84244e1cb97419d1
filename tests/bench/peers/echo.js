/* echo.js: a worker that sends back what it gets: the least that a round trip can cost. */
const port = /** @type {any} */ (globalThis).process?.getBuiltinModule?.(
  'node:worker_threads',
).parentPort;
if (port) port.on('message', (/** @type {any} */ message) => port.postMessage(message));
else globalThis.onmessage = (event) => globalThis.postMessage(event.data);
