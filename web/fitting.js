/* fitting.js: drives one training run from the data to the result.
 * Invariant: the run settles exactly once. It is 'stopped' by stop() and by the trainer's end, never an error;
 * ABORTED by its signal, once the session stands; else it ends as the session says. While the data are still
 * on their way pause and resume wait for the start, and stop cancels it. */
import { OffstageError } from '../worker/errors.js';
import { deliver } from './data.js';
import { abortedBy } from './options.js';
import { Run } from './run.js';

/** @typedef {import('./client.js').Client} Client */
/** @typedef {import('./run.js').Handle} Handle */
/** @typedef {import('./run.js').Progress} Progress */
/** @typedef {import('./data.js').Source} Source */

/**
 * @typedef {object} Settings
 * @property {number} epochs
 * @property {number} batchSize
 * @property {boolean} shuffle
 * @property {number} validationSplit
 * @property {number} progressHz
 * @property {boolean} transfer
 * @property {AbortSignal | undefined} signal
 */

/** Thrown through the upload to end it; never seen outside. */
const CANCELLED = Symbol('cancelled');

/** @param {unknown} error @returns {Run} one that has failed already */
export function failedRun(error) {
  const done = async () => {};
  return new Run(({ reject }) => {
    reject(error);
    return { pause: done, resume: done, stop: done };
  });
}

export class Fitting {
  /** @type {Run} */
  run;
  /** @type {'uploading' | 'training' | 'paused' | 'ended'} */
  state = 'uploading';
  /** @type {Progress | undefined} the latest record */
  latest;
  /** Updates since the trainer was created, as far as is known. */
  step;
  /** Of wasm memory, as last told. @type {number | undefined} */
  memoryBytes;

  #client;
  #settings;
  #firstStep;
  /** @type {Handle} */
  #handle;
  #startedAt = performance.now();
  /** @type {import('./run.js').Epoch[]} */
  #history = [];
  #stopping = false;
  /** The trainer ends: whatever becomes of the session, the run was stopped. */
  #ending = false;
  /** @type {Array<() => void>} */
  #waiters = [];
  /** @type {() => void} */
  #startKnown = () => {};
  /** Resolves once START_TRAINING is posted, or the run has ended without it. @type {Promise<void>} */
  #started = new Promise((resolve) => {
    this.#startKnown = resolve;
  });

  /**
   * Posts the start before it returns where the data are small enough to go along with it.
   * @param {Client} client
   * @param {Source} x
   * @param {Source} y
   * @param {Settings} settings
   * @param {number} step updates made before
   */
  constructor(client, x, y, settings, step) {
    this.#client = client;
    this.#settings = settings;
    this.#firstStep = this.step = step;
    /** @type {Handle | undefined} */
    let handle;
    this.run = new Run((given) => {
      handle = given;
      return {
        pause: () => this.#turn('PAUSE_TRAINING', 'paused'),
        resume: () => this.#turn('RESUME_TRAINING', 'training'),
        stop: () => this.#stop(),
      };
    });
    this.#handle = /** @type {Handle} */ (/** @type {unknown} */ (handle));
    this.#drive(x, y);
  }

  /** Ends the run as stopped, because the trainer ends. @returns {Promise<void>} when it has ended */
  async end() {
    if (this.state === 'ended') return;
    const ended = this.#whenEnded();
    this.#ending = true;
    this.#requestStop();
    await ended;
  }

  /** @param {Source} x @param {Source} y */
  async #drive(x, y) {
    const { signal } = this.#settings;
    const aborted = () => this.#requestStop();
    signal?.addEventListener('abort', aborted, { once: true });
    try {
      const result = await this.#train(x, y);
      this.step = result.step;
      if (signal?.aborted) throw abortedBy(signal);
      this.#finish(() => this.#handle.resolve(result));
    } catch (error) {
      if (signal?.aborted) this.#finish(() => this.#handle.reject(abortedBy(signal)));
      else if (this.#meansStopped(error)) this.#finish(() => this.#handle.resolve(this.#stopped()));
      else this.#finish(() => this.#handle.reject(error));
    } finally {
      signal?.removeEventListener('abort', aborted);
    }
  }

  /** @param {Source} x @param {Source} y @returns {Promise<import('./run.js').Result>} */
  async #train(x, y) {
    const { epochs, batchSize, shuffle, validationSplit, progressHz, transfer } = this.#settings;
    const check = () => {
      if (this.#stopping) throw CANCELLED;
    };
    const sent = deliver(this.#client, [x, y], { transfer, check });
    const values = sent instanceof Promise ? await sent : sent;
    const completed = this.#client.request('START_TRAINING', {
      x: values[0], y: values[1], numEpochs: epochs, batchSize, shuffle, validationSplit, progressHz,
    }, { progress: (payload) => this.#progress(payload) });
    this.state = 'training';
    this.#startKnown();
    return completed;
  }

  /** @param {import('../worker/protocol.js').Progress} payload */
  #progress({ records, memoryBytes }) {
    this.memoryBytes = memoryBytes;
    for (const record of records) {
      this.latest = record;
      this.step = record.step;
      if (record.kind === 'epoch') this.#history.push(epochOf(record));
      this.#handle.record(record);
    }
  }

  /** @param {() => void} settle */
  #finish(settle) {
    this.state = 'ended';
    settle();
    this.#startKnown();
    for (const ended of this.#waiters.splice(0)) ended();
  }

  /** @param {string} type @param {'paused' | 'training'} state */
  async #turn(type, state) {
    await this.#started;
    if (this.state === 'ended') return;
    await this.#client.request(type);
    if (/** @type {string} */ (this.state) !== 'ended') this.state = state;
  }

  async #stop() {
    const ended = this.#whenEnded();
    this.#stopping = true;
    await this.#started;
    /* No failure is a stop's own: the run ends all the same, and its result tells how. */
    if (this.state !== 'ended') await this.#client.request('STOP_TRAINING').catch(() => {});
    await ended;
  }

  #requestStop() {
    this.#stopping = true;
    if (this.state !== 'uploading') this.#client.request('STOP_TRAINING').catch(() => {});
  }

  /**
   * The end of the run as a promise that never rejects. Taken from the run's own promise without listening: a
   * failure stays unhandled if nobody else listens.
   * @returns {Promise<void>}
   */
  #whenEnded() {
    if (this.state === 'ended') return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** @param {unknown} error */
  #meansStopped(error) {
    return error === CANCELLED || (this.#ending
      && (this.#client.ended || (error instanceof OffstageError && error.code === 'DISPOSED')));
  }

  /** What is known here of a run that could not tell its result itself. @returns {import('./run.js').Result} */
  #stopped() {
    return {
      reason: 'stopped',
      history: this.#history,
      epochs: this.#history.length,
      steps: this.step - this.#firstStep,
      step: this.step,
      durationSeconds: (performance.now() - this.#startedAt) / 1000,
    };
  }
}

/** @param {Progress} record @returns {import('./run.js').Epoch} */
function epochOf({ epoch, loss, accuracy, valLoss, valAccuracy }) {
  return {
    epoch,
    loss,
    ...(accuracy === undefined ? {} : { accuracy }),
    ...(valLoss === undefined ? {} : { valLoss }),
    ...(valAccuracy === undefined ? {} : { valAccuracy }),
  };
}
