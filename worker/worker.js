/* worker.js: the entry of a Web Worker and of a Node worker thread.
 *
 * The message handler is there when the module has been evaluated, without any await: messages that come
 * earlier wait in the port's queue, and none is lost. The wasm is on its way before the first message asks
 * for it. Everything else is session.js's. */

import { bestVariant, loadModule, nodeBuiltin } from './module.js';
import { VERSION } from './protocol.js';
import { createSession } from './session.js';
import { createHost } from './yield.js';

const threads = nodeBuiltin('node:worker_threads');
const scope = threads?.parentPort ?? (typeof threads === 'object' ? null : /** @type {any} */ (globalThis));

if (scope) {
  createSession(scope, createHost(threads?.threadId ?? 1));
  const unreadable = () => {
    const payload = { error: 'a message could not be read', code: 'BAD_MESSAGE', request: '' };
    scope.postMessage({ v: VERSION, id: null, type: 'ERROR', payload }, []);
  };
  if (threads) scope.on('messageerror', unreadable);
  else scope.onmessageerror = unreadable;
  // Asked again, with its error told, by INIT_TRAINING.
  if (typeof WebAssembly === 'object') loadModule(bestVariant()).catch(() => {});
}
