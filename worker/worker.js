/* worker.js: the entry of a Web Worker and of a Node worker thread.
 *
 * The message handler is there when the module has been evaluated, without any await: messages that come
 * earlier wait in the port's queue, and none is lost. Everything else is session.js's. All files of the
 * session are named here, so that a browser asks for them at once and not level by level. */

import './asset.js';
import './answers.js';
import './arrays.js';
import './building.js';
import './checkpoint.js';
import './core.js';
import './crc32.js';
import './data.js';
import './desk.js';
import './dialect.js';
import { nodeBuiltin } from './engine.js';
import { OffstageError, errorToWire, trapError } from './errors.js';
import './fields.js';
import './graph.js';
import './holding.js';
import './later.js';
import './measures.js';
import './memory.js';
import './model.js';
import './module.js';
import { VERSION } from './protocol.js';
import './pump.js';
import './refusal.js';
import './rollback.js';
import './run.js';
import './saving.js';
import './schema.js';
import { createSession } from './session.js';
import './settings.js';
import './spec.js';
import './state.js';
import './status.js';
import './store.js';
import './threads.js';
import './training.js';
import './weights.js';
import { createHost } from './yield.js';

const threads = nodeBuiltin('node:worker_threads');
const scope = threads ? threads.parentPort : /** @type {any} */ (globalThis);

if (scope) {
  createSession(scope, createHost(threads?.threadId ?? 1));
  /** Of no request: the client takes the session for lost. @param {OffstageError} error */
  const tell = (error) =>
    scope.postMessage({ v: VERSION, id: null, type: 'ERROR', payload: { ...errorToWire(error), request: '' } }, []);
  const unreadable = () => tell(new OffstageError('BAD_MESSAGE', 'a message could not be read'));
  if (threads) scope.on('messageerror', unreadable);
  else {
    scope.onmessageerror = unreadable;
    /* A page is told of an error without its stack, and of a rejection not at all; a Node thread tells of both. */
    const crashed = (/** @type {any} */ { error, reason }) => tell(trapError(error ?? reason));
    scope.addEventListener('error', crashed);
    scope.addEventListener('unhandledrejection', crashed);
  }
}
