/* client.js: asks one session for things and hands on its replies, over an endpoint.
 * Invariant: every request's promise settles: by its reply, by its signal, by the loss or the
 * silence of the session, or by close(). What the loss of the session rejects is rejected with the
 * very object in `loss`, whenever it was asked. A request is posted before request() returns, so
 * requests keep the order of the calls. The endpoint is referenced exactly while something is
 * pending. Replies are not interpreted here, but one: WORKER_LOST, from a session that lives on
 * without its core, is a loss like any other. What becomes of a loss is not known here. */
import { OffstageError, errorFromWire, isRecord, show } from '../../worker/host/errors.js';
import { VERSION } from '../../worker/host/envelope.js';
import { abortedBy } from './options.js';
import { binaryBytes } from './traffic.js';
import { Watch } from './watch.js';

/** @typedef {import('./endpoint.js').Endpoint} Endpoint */
/** @typedef {import('../../worker/host/errors.js').ErrorCode} ErrorCode */

/**
 * @typedef {object} Pending
 * @property {(payload: any) => void} resolve
 * @property {(error: OffstageError) => void} reject
 * @property {Hearing | undefined} before
 * @property {boolean} lasting
 * @property {(() => void) | undefined} forget drops the signal's listener
 */

/** @typedef {Record<string, (payload: any) => void>} Hearing by types of messages */

/**
 * @typedef {object} RequestOptions
 * @property {Transferable[]} [transfer]
 * @property {Hearing} [before] messages that come before the reply
 * @property {boolean} [lasting] abandon() leaves it pending
 * @property {ErrorCode} [unsendable] the code where the payload cannot be cloned; INVALID_DATA
 * @property {AbortSignal} [signal]
 */

/**
 * Sees every message that goes by. bytes: of its arrays and buffers.
 * @typedef {object} Observer
 * @property {(type: string, payload: any, bytes: number) => void} sent
 * @property {(type: string, payload: any, bytes: number) => void} received
 * @property {() => void} lost
 */

/**
 * @typedef {object} ClientOptions
 * @property {number} timeout milliseconds of silence that are given to a session; Infinity: any
 * @property {number} heartbeat the same, to one that has spoken
 * @property {(notice: any) => void} [noticed] for NOTICE
 * @property {Observer} [observer]
 */

/** @param {string} type */
const isFailure = (type) => type === 'ERROR' || type.endsWith('_ERROR');

export class Client {
  /** @type {Endpoint | undefined} */
  #endpoint;
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  #lastId = 0;
  /** Messages that were posted. */
  #posted = 0;
  /** How many, with it, when the latest PING was. @type {{ id: number, posted: number }} */
  #pinged = { id: 0, posted: 0 };
  #watch;
  #options;
  #spoken = false;

  /** Why there is no session any more. @type {OffstageError | undefined} */
  loss;
  /**
   * Called once, at the loss, before any promise has told of it.
   * @type {(error: OffstageError) => void}
   */
  lost = () => {};
  /**
   * The endpoints of further sessions on the same thread: see Carrier.
   * @type {Set<(error: OffstageError) => void>}
   */
  carried = new Set();
  /** The session itself refused what it was to begin with: nothing is wrong with the place. */
  refused = false;
  /** When something was last heard of the session, in ms since 1970. */
  lastBeat = Date.now();
  /** When it was asked for, likewise. */
  since = this.lastBeat;

  /** @param {ClientOptions} options */
  constructor(options) {
    this.#options = options;
    const { timeout, heartbeat } = options;
    this.#watch = new Watch(
      { first: timeout, later: Math.min(timeout, heartbeat) },
      {
        ping: () => this.#ping(),
        expired: () => this.close(this.#silence()),
      },
    );
  }

  /** The endpoint's listener. @type {import('./endpoint.js').Listener} */
  listener = {
    heard: (message) => this.#heard(message),
    lost: (error) => this.close(error),
  };

  /** @param {Endpoint} endpoint whose listener is this client's */
  attach(endpoint) {
    this.#endpoint = endpoint;
    if (this.loss) endpoint.close();
  }

  /**
   * Waits for an endpoint as for an answer. One that comes too late is closed.
   * @param {Promise<Endpoint>} coming @param {AbortSignal} [signal]
   * @returns {Promise<void>}
   */
  reach(coming, signal) {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      const forget = signal && this.#heed(signal, id);
      const pending = { resolve, reject, before: undefined, lasting: false, forget };
      this.#pending.set(id, pending);
      this.#watch.begin();
      coming.then(
        (endpoint) => {
          this.attach(endpoint);
          if (!this.#pending.has(id)) return;
          this.#settled(id, pending);
          resolve();
        },
        (error) => this.#pending.has(id) && this.#drop(id, pending, error),
      );
    });
  }

  /** Where the session runs; undefined until it is reached. */
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
  request(type, payload, options = {}) {
    const { transfer, before, lasting = false, unsendable = 'INVALID_DATA', signal } = options;
    return new Promise((resolve, reject) => {
      if (this.loss) return reject(this.loss);
      if (signal?.aborted) return reject(abortedBy(signal));
      const endpoint = /** @type {Endpoint} */ (this.#endpoint);
      const { observer } = this.#options;
      const id = ++this.#lastId;
      const bytes = observer ? binaryBytes(payload) : 0; // which is gone once it is handed over
      try {
        this.#post(endpoint, { v: VERSION, id, type, payload }, transfer);
      } catch (cause) {
        const why = /** @type {Error} */ (cause).message;
        const message = `${type} could not be sent: ${why}`;
        return reject(new OffstageError(unsendable, message, { cause }));
      }
      observer?.sent(type, payload, bytes);
      if (this.#pending.size === 0) {
        endpoint.ref();
        this.#watch.begin();
      }
      const forget = signal && this.#heed(signal, id);
      this.#pending.set(id, { resolve, reject, before, lasting, forget });
    });
  }

  /** @param {Endpoint} endpoint @param {object} message @param {Transferable[]} [transfer] */
  #post(endpoint, message, transfer) {
    endpoint.post(message, transfer);
    this.#posted++;
  }

  #ping() {
    if (!this.#endpoint) return;
    const id = ++this.#lastId;
    this.#post(this.#endpoint, { v: VERSION, id, type: 'PING' });
    this.#pinged = { id, posted: this.#posted };
  }

  /**
   * Messages keep their order: a session that has got fewer than were posted up to its PING will
   * never answer some.
   * @param {any} id @param {any} payload of a PONG
   */
  #checkReceived(id, payload) {
    const { posted } = this.#pinged;
    const received = payload?.received;
    if (id !== this.#pinged.id || typeof received !== 'number' || received >= posted) return;
    this.close(
      new OffstageError(
        'WORKER_LOST',
        `the worker answers, but got ${received} of ${posted} messages: what was asked in the ` +
          'others would never be answered',
      ),
    );
  }

  /** @param {any} message */
  #heard(message) {
    if (this.loss) return;
    if (!isRecord(message) || message.v !== VERSION || typeof message.type !== 'string') {
      return this.close(strange(message));
    }
    this.#spoken = true;
    this.#watch.heard();
    this.lastBeat = Date.now();
    const { id, type, payload } = message;
    const { observer, noticed } = this.#options;
    observer?.received(type, payload, binaryBytes(payload));
    if (type === 'NOTICE') return noticed?.(payload);
    if (type === 'PONG') this.#checkReceived(id, payload);
    const failed = isFailure(type);
    /* Without an id the session could not read a request, nor say which: whoever waits would wait
     * forever. */
    if (failed && (id === null || payload?.code === 'WORKER_LOST')) {
      return this.close(errorFromWire(payload));
    }
    const pending = this.#pending.get(id);
    if (!pending) return;
    if (pending.before && Object.hasOwn(pending.before, type)) return pending.before[type](payload);
    this.#settled(id, pending);
    if (failed) pending.reject(errorFromWire(payload));
    else pending.resolve(payload);
  }

  /** @returns {OffstageError} */
  #silence() {
    const { timeout, heartbeat } = this.#options;
    const beat = this.#spoken && heartbeat <= timeout;
    return new OffstageError(
      beat ? 'WORKER_LOST' : 'TIMEOUT',
      `nothing was heard of the worker for ${beat ? heartbeat : timeout} ms; it was ended`,
    );
  }

  /**
   * Rejects what is pending, but not what is lasting. Replies to it are dropped.
   * @param {OffstageError} error
   */
  abandon(error) {
    for (const [id, pending] of [...this.#pending]) {
      if (!pending.lasting) this.#drop(id, pending, error);
    }
  }

  /** Ends the session. @param {OffstageError} error what pending and later requests are told */
  close(error) {
    if (this.loss) return;
    this.loss = error;
    this.#options.observer?.lost();
    this.#watch.stop();
    for (const [id, pending] of [...this.#pending]) this.#drop(id, pending, error);
    this.#endpoint?.close();
    for (const lose of [...this.carried]) lose(error);
    this.lost(error);
  }

  /** @param {number} id @param {Pending} pending @param {OffstageError} error */
  #drop(id, pending, error) {
    this.#settled(id, pending);
    pending.reject(error);
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
      if (pending) this.#drop(id, pending, abortedBy(signal));
    };
    signal.addEventListener('abort', aborted, { once: true });
    return () => signal.removeEventListener('abort', aborted);
  }
}

/** @param {unknown} message */
const strange = (message) =>
  new OffstageError(
    'WORKER_LOST',
    `the session sent ${show(message)}, expected a message { v: ${VERSION}, id, type, payload }: ` +
      'it is no Offstage, or of another version',
  );
