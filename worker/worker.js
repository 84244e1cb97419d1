/* worker.js: the entry of a Web Worker and of a Node worker thread.
 *
 * The message handler is there when the module has been evaluated, without any await: messages that
 * come earlier wait in the port's queue, and none is lost. Everything else is trainer/service.js's.
 * All files of the session are named here, so that a browser asks for them at once and not level by
 * level. */

import './data/columns.js';
import './host/asset.js';
import { createHost } from './host/clock.js';
import './host/control.js';
import './host/crc32.js';
import './host/engine.js';
import './host/envelope.js';
import { trapError } from './host/errors.js';
import './host/helpers.js';
import './host/later.js';
import './host/memory.js';
import './host/module.js';
import { nodeBuiltin } from './host/node.js';
import './host/parts.js';
import './host/pump.js';
import './host/requests.js';
import './host/scheduler.js';
import { unreadable } from './host/services.js';
import './host/session.js';
import './host/shared-cores.js';
import './host/spawn.js';
import './host/thread-count.js';
import './host/variants.js';
import './protocol.js';
import './spec/fields.js';
import './spec/graph.js';
import './spec/options.js';
import './spec/refused.js';
import './spec/schema.js';
import './spec/sets.js';
import './spec/spec.js';
import './storage/name-lock.js';
import './trainer/answers.js';
import './trainer/building.js';
import './trainer/checkpoint.js';
import './trainer/copy.js';
import './trainer/core.js';
import './trainer/datasets.js';
import './trainer/describe.js';
import './trainer/foreign.js';
import './trainer/model.js';
import './trainer/rate-search.js';
import './trainer/run/best.js';
import './trainer/run/checkpoint-schedule.js';
import './trainer/run/controls.js';
import './trainer/run/doubts.js';
import './trainer/run/fit-options.js';
import './trainer/run/lifecycle.js';
import './trainer/run/loop.js';
import './trainer/run/measures.js';
import './trainer/run/metrics.js';
import './trainer/run/rate.js';
import './trainer/run/reports.js';
import './trainer/run/rollback.js';
import './trainer/run/settings.js';
import './trainer/run/split.js';
import './trainer/run/state.js';
import './trainer/run/stopwatch.js';
import { createSession } from './trainer/service.js';
import './trainer/snapshot.js';
import './trainer/stages.js';
import './trainer/weights.js';

const threads = nodeBuiltin('node:worker_threads');
/* Null as well in a web worker of an engine that has Node's modules beside it, which speaks as
 * every web worker does. */
const port = threads?.parentPort;
const scope = port ?? /** @type {any} */ (globalThis);

/* Node's main thread has nobody to speak to. */
if (typeof scope.postMessage === 'function') {
  const session = createSession(scope, createHost(port ? threads.threadId : 1));
  const failed = () => session.complain(unreadable());
  if (port) scope.on('messageerror', failed);
  else {
    scope.onmessageerror = failed;
    /* A page is told of an error without its stack, and of a rejection not at all; a Node thread
     * tells of both. */
    const crashed = (/** @type {any} */ { error, reason, message }) =>
      session.complain(trapError(error ?? reason ?? message));
    scope.addEventListener('error', crashed);
    scope.addEventListener('unhandledrejection', crashed);
  }
}
