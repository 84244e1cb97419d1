/* supervisor.js: keeps one session of a service standing: chooses its place, replaces it when it is
 * lost, falls back from a worker to this thread, and says when nothing is left to try.
 * Invariant: there is one session, or one on its way, or none any more; never two. The first
 * attempt is made in the turn in which the loss is told, without a timer. Attempts are counted
 * until one has proved itself: a request of an owner that is not busy is answered, or the owner
 * says so. Whoever waits is told. What a session begins with, and what is asked of it, is not known
 * here. */
import { OffstageError } from '../../worker/host/errors.js';
import { abortedBy } from './options.js';
import { openFirst } from './place.js';

/** @typedef {import('./client.js').Client} Client */
/** @typedef {import('./place.js').Mode} Mode */
/** @typedef {{ ref?: () => void, unref?: () => void }} Timer Node's can be referenced */
/**
 * @typedef {{ resolve: (client: Client) => void, reject: (error: OffstageError) => void }} Waiter
 */
/** @typedef {{ retries: number, delay: number, factor: number, maxDelay: number }} Restart */

/**
 * Whose sessions are supervised. It knows what a session begins with.
 * @typedef {object} Owner
 * @property {import('./place.js').Open} open opens a session, and brings it to where it is to begin
 * @property {(client: Client, ready: any) => string | null} stands a session stands; gives why it
 *   runs otherwise than asked or best, where it does
 * @property {() => void} lost it stands no more
 * @property {() => object} goesOnFrom what the event of a restart says beside the attempt and the
 *   error
 * @property {() => boolean} isBusy a long request is on: an answer to another one proves nothing
 */

export class Supervisor {
  /** The session that stands, undefined while there is none. @type {Client | undefined} */
  client;
  /** Sessions that stood in for a lost one. */
  restarts = 0;
  /** Why the place is not the best one. @type {string[]} */
  reasons = [];
  /** dispose() was called. */
  disposing = false;
  /**
   * Why there is no session any more: the error for those who were waiting for it.
   * @type {OffstageError | undefined}
   */
  verdict;

  #mode;
  #restart;
  #emit;
  #owner;
  /** @type {'worker' | 'main'} */
  #place = 'worker';
  #attempts = 0;
  #lastBeat = 0;
  /** The session on its way. @type {Client | undefined} */
  #opening;
  /** @type {Timer | undefined} */
  #timer;
  /** @type {Waiter[]} */
  #waiting = [];
  /**
   * Makes the error for later callers, once there is no session any more.
   * @type {(() => OffstageError) | undefined}
   */
  #ended;

  /**
   * @param {{ mode: Mode, restart: Restart, emit: import('./events.js').Emit }} options
   * @param {Owner} owner
   */
  constructor({ mode, restart, emit }, owner) {
    this.#mode = mode;
    this.#restart = restart;
    this.#emit = emit;
    this.#owner = owner;
  }

  get ended() {
    return this.#ended !== undefined;
  }

  /** Whether a loss can be made good, so that it is worth keeping what that takes. */
  get recovers() {
    return this.#restart.retries > 0 || (this.#mode === 'auto' && this.#place === 'worker');
  }

  /** When something was last heard of a session, in ms since 1970. */
  get lastBeat() {
    return this.client?.lastBeat ?? this.#lastBeat;
  }

  throwIfEnded() {
    if (this.#ended) throw this.#ended();
  }

  /**
   * Opens the first session. Where it rejects nothing is left running.
   * @param {AbortSignal} [signal]
   */
  async begin(signal) {
    const { place, reasons, client, ready } = await openFirst(this.#mode, this.#owner.open, signal);
    this.#place = place;
    this.reasons = reasons;
    this.#take(client, ready);
  }

  /**
   * The session that comes next, while there is none.
   * @param {AbortSignal} [signal]
   * @returns {Promise<Client>}
   */
  next(signal) {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended());
      if (signal?.aborted) return reject(abortedBy(signal));
      const settle = () => {
        signal?.removeEventListener('abort', aborted);
        this.#waiting = this.#waiting.filter((each) => each !== waiter);
      };
      const waiter = {
        resolve: (/** @type {Client} */ client) => (settle(), resolve(client)),
        reject: (/** @type {OffstageError} */ error) => (settle(), reject(error)),
      };
      const aborted = () => waiter.reject(abortedBy(/** @type {AbortSignal} */ (signal)));
      signal?.addEventListener('abort', aborted);
      this.#waiting.push(waiter);
      this.#holdTimer();
    });
  }

  /**
   * Asks the session something. Where it is lost on the way the next one is asked instead, `again`
   * times.
   * @template T
   * @param {(client: Client, loss: OffstageError | undefined) => Promise<T>} ask posts before it
   *   returns, if it can
   * @param {{ signal?: AbortSignal, again?: number }} [options]
   * @returns {Promise<T>}
   */
  async call(ask, { signal, again = 1 } = {}) {
    let loss;
    for (;;) {
      const client = this.client ?? (await this.next(signal));
      try {
        const answer = await ask(client, loss);
        if (!this.#owner.isBusy()) this.proved();
        return answer;
      } catch (error) {
        if (error !== client.loss) throw error;
        if (this.verdict) throw this.verdict;
        if (again-- < 1) throw error;
        loss = client.loss;
      }
    }
  }

  /** The session is of use: after its loss attempts are counted from the first. */
  proved() {
    this.#attempts = 0;
  }

  /** @param {Client} client @param {any} ready */
  #take(client, ready) {
    this.client = client;
    this.#opening = undefined;
    client.lost = (error) => this.#lost(client, error);
    const reason = this.#owner.stands(client, ready);
    const { threadId, mode } = client;
    this.#emit('workerstart', { threadId, mode, reason });
    /* It may be lost in the very turn in which it said that it was ready. */
    if (client.loss) this.#lost(client, client.loss);
    else for (const { resolve } of [...this.#waiting]) resolve(client);
  }

  /** @param {Client} client @param {OffstageError} error */
  #lost(client, error) {
    this.client = undefined;
    this.#lastBeat = client.lastBeat;
    this.#owner.lost();
    const { threadId, mode } = client;
    const { code, message } = error;
    this.#emit('workerstop', { threadId, mode, reason: message });
    if (this.disposing || this.#ended) return;
    /* Silence within the heartbeat, which was longer: the app wanted an end, not another worker. */
    if (code !== 'TIMEOUT') return this.#replace(error);
    this.#end(error, new OffstageError('WORKER_LOST', message, { cause: error }));
  }

  /** @param {OffstageError} error why there is no session */
  #replace(error) {
    const { retries, delay, factor, maxDelay } = this.#restart;
    const attempt = this.#attempts + 1;
    if (attempt > retries) return this.#giveUp(error);
    this.#attempts = attempt;
    this.#emit('restart', { attempt, error, ...this.#owner.goesOnFrom() });
    if (this.#ended) return; // a listener disposed of the owner
    if (attempt === 1) return void this.#open();
    const ms = Math.min(delay * factor ** (attempt - 2), maxDelay);
    this.#timer = /** @type {any} */ (setTimeout(() => this.#open(), ms));
    this.#holdTimer();
  }

  /** An idle owner does not keep a Node process alive; one that somebody waits for does. */
  #holdTimer() {
    if (this.#waiting.length > 0) this.#timer?.ref?.();
    else this.#timer?.unref?.();
  }

  async #open() {
    this.#timer = undefined;
    const { client, ready } = this.#owner.open(this.#place);
    this.#opening = client;
    try {
      const stands = await ready;
      if (this.#ended) return client.close(this.#ended());
      this.restarts++;
      this.#take(client, stands);
    } catch (error) {
      this.#opening = undefined;
      if (!this.#ended) this.#replace(/** @type {OffstageError} */ (error));
    }
  }

  /** @param {OffstageError} error */
  #giveUp(error) {
    const { retries } = this.#restart;
    if (this.#mode !== 'auto' || this.#place === 'main') {
      if (retries === 0) return this.#end(error);
      const message =
        'the session was lost, and ' +
        `after ${retries} attempts to replace it there is none: ${error.message}`;
      return this.#end(new OffstageError('WORKER_LOST', message, { cause: error }));
    }
    const others = retries > 0 ? `, as were ${retries} in its place` : '';
    const reason = `the worker was lost${others}: ${error.message}`;
    this.#place = 'main';
    this.reasons = [reason];
    console.warn(`Offstage goes on on the main thread: ${reason}`);
    this.#emit('fallback', { reason, error });
    if (!this.#ended) this.#open();
  }

  /**
   * Ends the session, and the attempts to bring it back. What is pending is told, but what is
   * lasting is left to its end, `ending`.
   * @param {OffstageError} gone
   * @param {Promise<void> | undefined} ending
   */
  async dispose(gone, ending) {
    this.disposing = true;
    const { client } = this;
    if (client) {
      client.abandon(gone);
      await ending;
      await client.request('DISPOSE').catch(() => {});
    }
    this.#end(gone);
    client?.close(gone);
    await ending;
  }

  /** @param {OffstageError} verdict @param {OffstageError} [later] */
  #end(verdict, later = verdict) {
    if (this.#ended) return;
    this.verdict = verdict;
    this.#ended = () => new OffstageError(later.code, later.message, { cause: later.cause });
    clearTimeout(/** @type {any} */ (this.#timer));
    this.#opening?.close(verdict);
    for (const { reject } of [...this.#waiting]) reject(verdict);
  }
}
