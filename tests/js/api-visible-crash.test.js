/* api-visible-crash.test.js: what a worker that fails tells of itself: where, by its own stack.
 * Node's threads report their errors themselves; for a browser's worker its scope is played here,
 * in a thread without Node's facilities. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Worker } from 'node:worker_threads';

import { errorFromWire } from '../../worker/host/errors.js';

const WORKER = new URL('../../worker/worker.js', import.meta.url).href;

/** worker.js in a browser's place, which then fails as told. @param {string} event */
async function failing(event) {
  const thread = new Worker(
    `
    const { parentPort } = process.getBuiltinModule('node:worker_threads');
    process.getBuiltinModule = undefined;
    globalThis.postMessage = (message) => parentPort.postMessage(message);
    const listeners = {};
    globalThis.addEventListener = (type, listener) => { listeners[type] = listener; };
    function strike() { return new RangeError('struck'); }
    import(${JSON.stringify(WORKER)}).then(() => {
      const event = ${event};
      if (listeners[event.type]) listeners[event.type](event);
      else globalThis['on' + event.type](event);
    });`,
    { eval: true },
  );
  try {
    return await new Promise((resolve, reject) =>
      thread.once('message', resolve).once('error', reject),
    );
  } finally {
    await thread.terminate();
  }
}

for (const event of [
  "{ type: 'error', error: strike() }",
  "{ type: 'unhandledrejection', reason: strike() }",
]) {
  test(`a browser's worker that fails sends the stack along: ${event}`, async () => {
    const message = await failing(event);
    assert.deepEqual([message.v, message.id, message.type], [1, null, 'ERROR']);
    const error = errorFromWire(message.payload);
    assert.equal(error.code, 'WORKER_LOST');
    assert.match(error.message, /the session failed: struck/);
    assert.match(error.cause.stack, /Caused by: RangeError: struck\n {4}at strike/);
  });
}

test("a browser's worker says that it could not read a message", async () => {
  const { id, payload } = await failing("{ type: 'messageerror' }");
  assert.deepEqual(
    [id, payload.code, payload.error],
    [null, 'BAD_MESSAGE', 'a message could not be read'],
  );
});
