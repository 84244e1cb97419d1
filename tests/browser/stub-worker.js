/* stub-worker.js: a worker whose thread has the stub service, its own session included. */
import { serveStub } from '../js/stub-service.js';

serveStub(/** @type {any} */ (globalThis));
