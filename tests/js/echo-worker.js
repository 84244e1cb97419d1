/* echo-worker.js: a Node worker thread whose first session is the trainer's, as in worker.js, and
 * which has the echo service too. */
import { parentPort, threadId } from 'node:worker_threads';
import { createHost } from '../../worker/host/clock.js';
import { openRoot } from '../../worker/host/services.js';
import { TRAINER } from '../../worker/trainer/service.js';

const services = { trainer: TRAINER, echo: async () => (await import('./echo-service.js')).ECHO };
openRoot(/** @type {any} */ (parentPort), createHost(threadId), services, 'trainer');
