/* client.js: requests and their replies over an endpoint.
 * Invariant: every request's promise settles: by its reply, by its signal, by the loss or the silence of the
 * session, or by close. A request is posted before request() returns, so requests keep the order of the calls.
 * The endpoint counts as referenced exactly while something is pending. Replies are not interpreted here. */
import { OffstageError, errorFromWire } from '../worker/errors.js';
import { abortedBy } from './options.js';
import { Watch } from './watch.js';

/** @typedef {import('./endpoint.js').Endpoint} Endpoint */

/**
 * @typedef {object} Pending
 * @property {string} type
 * @property {(payload: any) => void} resolve
 * @property {(error: OffstageError) => void} reject
 * @property {((payload: any) => void) | undefined} progress
 * @property {(() => void) | undefined} forget drops the signal's listener
 */

/**
 * @typedef {object} RequestOptions
 * @property {Transferable[]} [transfer]
 * @property {(payload: any) => void} [progress] for TRAINING_PROGRESS
 * @property {AbortSignal} [signal]
 */

export class Client {
  /** @type {Endpoint | undefined} */
  #endpoint;
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  #lastId = 0;
  /** @type {(() => OffstageError) | undefined} why no request can be made any more */
  #ended;
  #watch;

  /** The last upload's number; uploads are counted for the session. */
  lastUpload = 0;
  /** When something was last heard of the session, in ms since 1970. */
  lastBeat = Date.now();

  /** @param {number} timeout milliseconds of silence that are given; Infinity: any */
  constructor(timeout) {
    this.#watch = new Watch(timeout, {
      ping: () => this.#endpoint?.post({ v: 1, id: ++this.#lastId, type: 'PING' }),
      expired: () => this.#end(
        new OffstageError('TIMEOUT', `nothing was heard of the worker for ${timeout} ms; it was ended`),
        () => new OffstageError('WORKER_LOST', `the worker was ended after ${timeout} ms of silence`)),
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
  }

  get mode() {
    return this.#endpoint?.mode;
  }

  get ended() {
    return this.#ended !== undefined;
  }

  throwIfEnded() {
    if (this.#ended) throw this.#ended();
  }

  /**
   * @param {string} type
   * @param {object} [payload]
   * @param {RequestOptions} [options]
   * @returns {Promise<any>} the reply's payload
   */
  request(type, payload, { transfer, progress, signal } = {}) {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended());
      if (signal?.aborted) return reject(abortedBy(signal));
      const endpoint = /** @type {Endpoint} */ (this.#endpoint);
      const id = ++this.#lastId;
      try {
        endpoint.post({ v: 1, id, type, payload }, transfer);
      } catch (cause) {
        return reject(new OffstageError(type === 'INIT_TRAINING' ? 'INVALID_SPEC' : 'INVALID_DATA',
          `${type} could not be sent: ${/** @type {Error} */ (cause).message}`, { cause }));
      }
      if (this.#pending.size === 0) {
        endpoint.ref();
        this.#watch.begin();
      }
      this.#pending.set(id, { type, resolve, reject, progress, forget: signal && this.#heed(signal, id) });
    });
  }

  /** @param {any} message */
  #heard(message) {
    this.#watch.heard();
    this.lastBeat = Date.now();
    const { id, type, payload } = message;
    const pending = this.#pending.get(id);
    /* The session could not read a request, nor say which: whoever waits would wait forever. */
    if (id === null && type === 'ERROR') return this.close(errorFromWire(payload));
    if (!pending) return;
    if (type === 'TRAINING_PROGRESS') return pending.progress?.(payload);
    this.#settled(id, pending);
    if (type === 'ERROR' || type === 'TRAINING_ERROR') pending.reject(errorFromWire(payload));
    else pending.resolve(payload);
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

  /** @param {OffstageError} error what pending and later requests are told */
  close(error) {
    this.#end(error, () => new OffstageError(error.code, error.message, { cause: error.cause }));
  }

  /** @param {OffstageError} error @param {() => OffstageError} later */
  #end(error, later) {
    if (this.#ended) return;
    this.#ended = later;
    this.#watch.stop();
    this.abandon(error);
    this.#endpoint?.close();
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
