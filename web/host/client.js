/* client.js: requests to one session and their replies, over an endpoint.
 * Invariant: every request's promise settles: by its reply, by its signal, by the loss or the silence of the
 * session, or by close. What the loss of the session rejects is rejected with the very object in `loss`, whenever it
 * was asked. A request is posted before request() returns, so requests keep the order of the calls. The endpoint counts as
 * referenced exactly while something is pending. Replies are not interpreted here, but one: WORKER_LOST, from a
 * session that lives on without its core, is a loss like any other. What becomes of a loss is not known here. */
import { OffstageError, errorFromWire } from '../../worker/host/errors.js';
import { abortedBy } from './options.js';
import { binaryBytes } from '../trainer/status.js';
import { Watch } from './watch.js';

/** @typedef {import('./endpoint.js').Endpoint} Endpoint */

/**
 * @typedef {object} Pending
 * @property {string} type
 * @property {(payload: any) => void} resolve
 * @property {(error: OffstageError) => void} reject
 * @property {((payload: any) => void) | undefined} progress
 * @property {((payload: any) => void) | undefined} snapshot
 * @property {(() => void) | undefined} forget drops the signal's listener
 */

/**
 * @typedef {object} RequestOptions
 * @property {Transferable[]} [transfer]
 * @property {(payload: any) => void} [progress] for TRAINING_PROGRESS
 * @property {(payload: any) => void} [snapshot] for TRAINING_SNAPSHOT
 * @property {AbortSignal} [signal]
 */

/**
 * @typedef {object} ClientOptions
 * @property {number} timeout milliseconds of silence that are given to a session; Infinity: any
 * @property {number} heartbeat the same, to one that has spoken
 * @property {(notice: any) => void} noticed for NOTICE
 * @property {import('../trainer/status.js').Vitals} vitals sees every message
 */

export class Client {
  /** @type {Endpoint | undefined} */
  #endpoint;
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  #lastId = 0;
  #watch;
  #options;
  #spoken = false;

  /** Why there is no session any more. @type {OffstageError | undefined} */
  loss;
  /** Called once, at the loss, before any promise has told of it. @type {(error: OffstageError) => void} */
  lost = () => {};
  /** It was the session that said no to its beginning: nothing is wrong with the place. */
  refused = false;
  /** The last upload's number; uploads are counted for the session. */
  lastUpload = 0;
  /** When something was last heard of the session, in ms since 1970. */
  lastBeat = Date.now();
  /** When it was asked for, likewise. */
  since = this.lastBeat;

  /** @param {ClientOptions} options */
  constructor(options) {
    this.#options = options;
    const { timeout, heartbeat } = options;
    this.#watch = new Watch({ first: timeout, later: Math.min(timeout, heartbeat) }, {
      ping: () => this.#endpoint?.post({ v: 1, id: ++this.#lastId, type: 'PING' }),
      expired: () => this.close(this.#silence()),
    });
  }

  /** What an endpoint tells. @type {import('./endpoint.js').Listener} */
  listener = {
    heard: (message) => this.#heard(message),
    lost: (error) => this.close(error),
  };

  /** @param {Endpoint} endpoint whose listener is this client's */
  attach(endpoint) {
    this.#endpoint = endpoint;
    if (this.loss) endpoint.close();
  }

  get mode() {
    return this.#endpoint?.mode;
  }

  get threadId() {
    return this.#endpoint?.threadId ?? 0;
  }

  /**
   * @param {string} type
   * @param {object} [payload]
   * @param {RequestOptions} [options]
   * @returns {Promise<any>} the reply's payload
   */
  request(type, payload, { transfer, progress, snapshot, signal } = {}) {
    return new Promise((resolve, reject) => {
      if (this.loss) return reject(this.loss);
      if (signal?.aborted) return reject(abortedBy(signal));
      const endpoint = /** @type {Endpoint} */ (this.#endpoint);
      const id = ++this.#lastId;
      const bytes = binaryBytes(payload); // which are gone once they are handed over
      try {
        endpoint.post({ v: 1, id, type, payload }, transfer);
      } catch (cause) {
        return reject(new OffstageError(type === 'INIT_TRAINING' ? 'INVALID_SPEC' : 'INVALID_DATA',
          `${type} could not be sent: ${/** @type {Error} */ (cause).message}`, { cause }));
      }
      this.#options.vitals.sent(type, payload, bytes);
      if (this.#pending.size === 0) {
        endpoint.ref();
        this.#watch.begin();
      }
      this.#pending.set(id, { type, resolve, reject, progress, snapshot, forget: signal && this.#heed(signal, id) });
    });
  }

  /** @param {any} message */
  #heard(message) {
    if (this.loss) return;
    this.#spoken = true;
    this.#watch.heard();
    this.lastBeat = Date.now();
    const { id, type, payload } = message;
    this.#options.vitals.received(type, payload);
    if (type === 'NOTICE') return this.#options.noticed(payload);
    const failed = type === 'ERROR' || type === 'TRAINING_ERROR';
    /* Without an id the session could not read a request, nor say which: whoever waits would wait forever. */
    if (failed && (id === null || payload?.code === 'WORKER_LOST')) return this.close(errorFromWire(payload));
    const pending = this.#pending.get(id);
    if (!pending) return;
    if (type === 'TRAINING_PROGRESS') return pending.progress?.(payload);
    if (type === 'TRAINING_SNAPSHOT') return pending.snapshot?.(payload);
    this.#settled(id, pending);
    if (failed) pending.reject(errorFromWire(payload));
    else pending.resolve(payload);
  }

  /** @returns {OffstageError} */
  #silence() {
    const { timeout, heartbeat } = this.#options;
    const beat = this.#spoken && heartbeat <= timeout;
    return new OffstageError(beat ? 'WORKER_LOST' : 'TIMEOUT',
      `nothing was heard of the worker for ${beat ? heartbeat : timeout} ms; it was ended`);
  }

  /**
   * Rejects what is pending, except requests of one type. Their replies, if any, are dropped.
   * @param {OffstageError} error
   * @param {string} [except]
   */
  abandon(error, except) {
    for (const [id, pending] of [...this.#pending]) {
      if (pending.type === except) continue;
      this.#settled(id, pending);
      pending.reject(error);
    }
  }

  /** Ends the session. @param {OffstageError} error what pending and later requests are told */
  close(error) {
    if (this.loss) return;
    this.loss = error;
    this.#options.vitals.lost();
    this.#watch.stop();
    this.abandon(error);
    this.#endpoint?.close();
    this.lost(error);
  }

  /** @param {number} id @param {Pending} pending */
  #settled(id, pending) {
    pending.forget?.();
    this.#pending.delete(id);
    if (this.#pending.size > 0) return;
    this.#endpoint?.unref();
    this.#watch.end();
  }

  /** @param {AbortSignal} signal @param {number} id @returns {() => void} */
  #heed(signal, id) {
    const aborted = () => {
      const pending = this.#pending.get(id);
      if (!pending) return;
      this.#settled(id, pending);
      pending.reject(abortedBy(signal));
    };
    signal.addEventListener('abort', aborted, { once: true });
    return () => signal.removeEventListener('abort', aborted);
  }
}
