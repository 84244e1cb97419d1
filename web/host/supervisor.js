/* supervisor.js: what a trainer talks to: the one owner of which session is the present one, of what brings it back, and of
 * what happens when it is lost.
 * Invariant: there is one session, or one on its way, or none any more; never two. What is kept to bring it back misses
 * no change that was acknowledged, apart from steps of the run that is on. The first attempt is made in the turn in which
 * the loss is told, without a timer. Attempts are counted until a step beyond the furthest known one is complete, or,
 * without a run, until a request is answered. What a run or a request needs to begin again is its owner's to know. */
import { OffstageError } from '../../worker/host/errors.js';
import { openSession } from './connect.js';
import { abortedBy } from './options.js';

/** @typedef {import('./client.js').Client} Client */
/** @typedef {import('./connect.js').Beginning} Beginning */
/** @typedef {import('../trainer/trainer.js').Info} Info */
/** @typedef {import('./events.js').Emit<any>} Emit */
/** @typedef {{ resolve: (client: Client) => void, reject: (error: OffstageError) => void }} Waiter */
/** @typedef {{ retries: number, delay: number, factor: number, maxDelay: number }} Restart */

/**
 * @typedef {object} LinkOptions
 * @property {'auto' | 'worker' | 'main'} mode
 * @property {Restart} restart
 * @property {import('./connect.js').Setting} setting
 * @property {Beginning} beginning
 * @property {Emit} emit
 * @property {(on: boolean, reason?: 'stopped' | 'failed') => void} trains see ends()
 * @property {number} startedAt by performance.now()
 */

/** @typedef {{ client: Client, ready: any, reasons: string[] }} Connection a session that stands, and why it is there */

export class Link {
  /** The session that stands, undefined while there is none. @type {Client | undefined} */
  client;
  /** @type {Info} */
  info;
  /** Where the latest run stood when it ended, or the session began. @type {{ steps: number, history: import('../trainer/run.js').Epoch[] } | null} */
  past = null;
  /** Updates in the model, apart from those of a run that is on. */
  step = 0;
  /** A run is on. See begins() and ends(). */
  training = false;
  /** Sessions that stood in for a lost one. */
  restarts = 0;

  /** Why there is no session any more, for who was waiting for it. @type {OffstageError | undefined} */
  verdict;

  #options;
  #emit;
  #beginning;
  #place;
  #reasons;
  #startupMs;
  /** Whether a loss can be made good, so that it is worth keeping what that takes. */
  #recovers;
  #attempts = 0;
  /** Updates in what is kept. */
  #keptStep = 0;
  /** The furthest step that is known to be complete. */
  #furthest = 0;
  #lastBeat = 0;
  /** The session on its way. @type {Client | undefined} */
  #opening;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {Waiter[]} */
  #waiting = [];
  #disposing = false;
  /** The name on storage that is the trainer's. @type {{ name: string, folder?: string } | undefined} */
  #hold;
  /** For who asks later. @type {(() => OffstageError) | undefined} */
  #ended;

  /** @param {LinkOptions} options @param {Connection} connection */
  constructor(options, { client, ready, reasons }) {
    const { mode, restart, beginning, emit, startedAt } = this.#options = options;
    this.#emit = emit;
    this.#beginning = beginning;
    if ('stored' in beginning) this.#hold = beginning.stored;
    this.#place = /** @type {'worker' | 'main'} */ (client.mode);
    this.#reasons = reasons;
    this.#recovers = restart.retries > 0 || (mode === 'auto' && this.#place === 'worker');
    this.#startupMs = performance.now() - startedAt;
    this.info = this.#take(client, ready);
  }

  get ended() {
    return this.#ended !== undefined;
  }

  /** When something was last heard of a session, in ms since 1970. */
  get lastBeat() {
    return this.client?.lastBeat ?? this.#lastBeat;
  }

  /** How often a run is to hand a snapshot over, in ms. @returns {number | undefined} */
  get snapshotMs() {
    return this.#recovers ? 1000 : undefined;
  }

  throwIfEnded() {
    if (this.#ended) throw this.#ended();
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
   * Asks the session something. Where it is lost on the way the next one is asked instead, `again` times.
   * @template T
   * @param {(client: Client, loss: OffstageError | undefined) => Promise<T>} ask posts before it returns, if it can
   * @param {{ signal?: AbortSignal, again?: number }} [options]
   * @returns {Promise<T>}
   */
  async call(ask, { signal, again = 1 } = {}) {
    let loss;
    for (;;) {
      const client = this.client ?? await this.next(signal);
      try {
        const answer = await ask(client, loss);
        if (!this.training) this.#attempts = 0;
        return answer;
      } catch (error) {
        if (error !== client.loss) throw error;
        if (this.verdict) throw this.verdict;
        if (again-- < 1) throw error;
        loss = client.loss;
      }
    }
  }

  /**
   * Changes the model: by the time it has changed, that is kept.
   * @param {string} type
   * @param {object} payload
   * @param {Transferable[]} [transfer]
   */
  change(type, payload, transfer) {
    return this.call(async (client) => {
      const changed = client.request(type, payload, { transfer });
      const saved = this.#save(client); // behind it, and ahead of whatever is asked next
      const reply = await changed;
      if (type === 'LOAD_CHECKPOINT') {
        this.step = this.#furthest = reply.step;
        this.info = this.#describe(client, reply);
      }
      await this.#keepSaved(client, saved);
      return reply;
    }, { again: 0 });
  }

  /** Keeps the model as it stands. */
  secure() {
    return this.call((client) => this.#keepSaved(client, this.#save(client)));
  }

  /** @param {Client} client @returns {Promise<any> | undefined} */
  #save(client) {
    if (!this.#recovers) return undefined;
    const saved = client.request('SAVE_CHECKPOINT');
    saved.catch(() => {}); // of no interest where the change was refused
    return saved;
  }

  /** @param {Client} client @param {Promise<any> | undefined} saved */
  async #keepSaved(client, saved) {
    try {
      const checkpoint = await saved;
      if (checkpoint) this.keep(checkpoint);
    } catch (error) {
      if (error === client.loss) throw error;
      if (this.#disposing) return; // nothing will begin again
      const { code, message } = /** @type {OffstageError} */ (error);
      this.#emit('warning', { code, message: `a session in place of this one would begin at step ${this.#keptStep}: ${message}` });
    }
  }

  /** From here on a session begins with this. @param {{ bytes: Uint8Array, step: number }} checkpoint */
  keep({ bytes, step }) {
    this.#beginning = { bytes, hold: this.#hold };
    this.#keptStep = step;
    if (!this.training) this.step = step;
    this.reached(step);
  }

  /** A run begins. @param {{ name: string, folder?: string }} [persist] where its checkpoints are kept */
  begins(persist) {
    if (persist) this.#hold = { name: persist.name, ...(persist.folder !== undefined && { folder: persist.folder }) };
    this.training = true;
    this.#options.trains(true);
  }

  /** A checkpoint of the run that is on is there. @param {{ storage: string, reason: string | null }} kept */
  keeps({ storage, reason }) {
    if (this.#hold) this.info = { ...this.info, persist: { name: this.#hold.name, storage, reason } };
  }

  /** What a step of the run that is on takes. @param {{ stepBytes: number, liveBytes: number }} memory */
  measured(memory) {
    if (memory.stepBytes !== this.info.stepBytes) this.info = { ...this.info, ...memory };
  }

  /** No run is on any more. @param {'stopped' | 'failed'} reason where no session has told of its end */
  ends(reason) {
    this.training = false;
    this.#options.trains(false, reason);
  }

  /** A step is complete. @param {number} step */
  reached(step) {
    if (step <= this.#furthest) return;
    this.#furthest = step;
    this.#attempts = 0;
  }

  /** The run that was on has ended, as the session said. @param {import('../trainer/run.js').Result} result */
  completed({ step, steps, history }) {
    this.#attempts = 0;
    this.step = step;
    this.past = { steps, history };
  }

  /** The run that was on has failed, after so many updates at least. @param {number} step */
  failed(step) {
    this.step = step;
    this.secure().catch(() => {}); // whoever asks next is told
  }

  /** @param {Client} client @param {any} ready @returns {Info} */
  #take(client, ready) {
    this.client = client;
    this.#opening = undefined;
    client.lost = (error) => this.#lost(client, error);
    this.step = this.#keptStep = ready.step;
    this.#furthest = Math.max(this.#furthest, ready.step);
    this.info = this.#describe(client, ready);
    this.#emit('workerstart', { threadId: client.threadId, mode: client.mode, reason: this.info.reason });
    if (client.loss) this.#lost(client, client.loss); // in the very turn in which it said that it was ready
    else for (const { resolve } of [...this.#waiting]) resolve(client);
    return this.info;
  }

  /** @param {Client} client @param {any} ready */
  #describe(client, ready) {
    const { reason, step, run, runs, persisted, stage, stageSeconds, ...built } = ready;
    this.past = run ?? null;
    const reasons = reason ? [...this.#reasons, reason] : this.#reasons;
    return /** @type {Info} */ ({
      ...built,
      mode: client.mode,
      reason: reasons.length > 0 ? reasons.join('; ') : null,
      startupMs: this.#startupMs,
      persist: persisted ?? this.info?.persist ?? null,
    });
  }

  /** @param {Client} client @param {OffstageError} error */
  #lost(client, error) {
    this.client = undefined;
    this.step = this.#keptStep;
    this.#lastBeat = client.lastBeat;
    this.#emit('workerstop', { threadId: client.threadId, mode: client.mode, reason: error.message });
    if (this.#disposing || this.#ended) return;
    /* Silence within the heartbeat, which was longer: the app wanted an end, not another worker. */
    if (error.code === 'TIMEOUT') this.#end(error, new OffstageError('WORKER_LOST', error.message, { cause: error }));
    else this.#replace(error);
  }

  /** @param {OffstageError} error why there is no session */
  #replace(error) {
    const { retries, delay, factor, maxDelay } = this.#options.restart;
    const attempt = this.#attempts + 1;
    if (attempt > retries) return this.#giveUp(error);
    this.#attempts = attempt;
    this.#emit('restart', { attempt, error, step: this.step });
    if (this.#ended) return; // a listener disposed of the trainer
    if (attempt === 1) return void this.#open();
    this.#timer = setTimeout(() => this.#open(), Math.min(delay * factor ** (attempt - 2), maxDelay));
    this.#holdTimer();
  }

  /** An idle trainer does not keep a Node process alive; one that somebody waits for does. */
  #holdTimer() {
    const timer = /** @type {{ ref?: () => void, unref?: () => void } | undefined} */ (/** @type {unknown} */ (this.#timer));
    if (this.#waiting.length > 0) timer?.ref?.();
    else timer?.unref?.();
  }

  async #open() {
    this.#timer = undefined;
    const { client, ready } = openSession(this.#place, this.#options.setting, this.#beginning);
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
    const { mode, restart: { retries } } = this.#options;
    if (mode !== 'auto' || this.#place === 'main') {
      if (retries === 0) return this.#end(error);
      const message = `the session was lost, and after ${retries} attempts to replace it there is none: ${error.message}`;
      return this.#end(new OffstageError('WORKER_LOST', message, { cause: error }));
    }
    const reason = `the worker was lost${retries > 0 ? `, as were ${retries} in its place` : ''}: ${error.message}`;
    this.#place = 'main';
    this.#reasons = [reason];
    console.warn(`Offstage goes on on the main thread: ${reason}`);
    this.#emit('fallback', { reason, error });
    if (!this.#ended) this.#open();
  }

  /**
   * Ends the session and whatever is done to bring it back. What is pending is told, but the run's own request is left
   * to its end, `ending`.
   * @param {OffstageError} gone
   * @param {Promise<void> | undefined} ending
   */
  async dispose(gone, ending) {
    this.#disposing = true;
    const { client } = this;
    if (client) {
      client.abandon(gone, 'START_TRAINING');
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
    clearTimeout(this.#timer);
    this.#opening?.close(verdict);
    for (const { reject } of [...this.#waiting]) reject(verdict);
  }
}
