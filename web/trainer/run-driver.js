/* run-driver.js: drives one training run from the data to the result, over as many sessions as it takes.
 * Invariant: the run settles exactly once. It is 'stopped' by stop() and by the trainer's end, never an error;
 * ABORTED by its signal, once the session stands; else it ends as the session says. While the data are still
 * on their way pause and resume wait for the start, and stop cancels it. A session that is lost is followed by the next,
 * which is given the data again and begins where the checkpoint kept on the page stands; no record is told twice. */
import { OffstageError } from '../../worker/host/errors.js';
import { STORED, dataLost, deliver, isGone } from './handover.js';
import { abortedBy } from '../host/options.js';
import { Run } from './run.js';

/** @typedef {import('../host/client.js').Client} Client */
/** @typedef {import('./recovery.js').Recovery} Recovery */
/** @typedef {import('./run.js').Epoch} Epoch */
/** @typedef {import('./run.js').Handle} Handle */
/** @typedef {import('./run.js').Progress} Progress */
/** @typedef {import('./handover.js').Source} Source */

/**
 * @typedef {object} Settings
 * @property {object} start of START_TRAINING's payload what is not said below
 * @property {Record<string, number>} [classWeight] of the data, wherever they go
 * @property {boolean} resume
 * @property {boolean} otherData
 * @property {{ name: string, folder?: string, data?: boolean } | undefined} persist
 * @property {boolean} transfer
 * @property {AbortSignal | undefined} signal
 */

/** What an epoch's record measures. */
const MEASURED = /** @type {const} */ (['epoch', 'loss', 'accuracy', 'valLoss', 'valAccuracy', 'outputs']);

/** Thrown through the upload to end it; never seen outside. */
const CANCELLED = Symbol('cancelled');

/** @param {any} error */
const isInvalidData = (error) => error instanceof OffstageError && error.code === 'INVALID_DATA';

/** @param {unknown} error @returns {Run} one that has failed already */
export function failedRun(error) {
  const done = async () => {};
  return new Run(({ reject }) => {
    reject(error);
    return { pause: done, resume: done, stop: done };
  });
}

export class RunDriver {
  /** @type {Run} */
  run;
  /** @type {'uploading' | 'training' | 'paused' | 'ended'} */
  state = 'uploading';
  /** @type {Progress | undefined} the latest record */
  latest;
  /** Updates since the trainer was created, as far as is known. */
  step;

  #recovery;
  #supervisor;
  #sources;
  #settings;
  /** @type {Handle} */
  #handle;
  #startedAt = performance.now();
  /** Where a run that is resumed stood. @type {{ steps: number, history: Epoch[] }} */
  #past = { steps: 0, history: [] };
  /** @type {import('./run.js').Result | undefined} */
  #result;
  #firstStep;
  /** What was told, each epoch with the step that ended it. @type {{ epoch: Epoch, step: number }[]} */
  #told = [];
  /** The checkpoint that is kept is of this run. */
  #kept = false;
  #stopping = false;
  /** The trainer ends: whatever becomes of the session, the run was stopped. */
  #ending = false;
  /** Ends the wait for a session where the run is to end. */
  #impatience = new AbortController();
  /** @type {Array<() => void>} */
  #waiters = [];
  /** The session that has got START_TRAINING. @type {Client | undefined} */
  #client;
  /** @type {() => void} */
  #startKnown = () => {};
  /** Resolves once START_TRAINING is posted to the present session, or the run has ended without it. @type {Promise<void>} */
  #started = Promise.resolve();

  /**
   * Posts the start before it returns where the data are small enough to go along with it.
   * @param {Recovery} recovery
   * @param {Source[]} sources x, y, and the samples' weights, where they have some
   * @param {Settings} settings
   */
  constructor(recovery, sources, settings) {
    this.#recovery = recovery;
    this.#supervisor = recovery.supervisor;
    this.#sources = sources;
    this.#settings = settings;
    this.#firstStep = this.step = recovery.step;
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
    recovery.begins(settings.persist);
    this.#awaitStart();
    this.#drive();
  }

  /** Complete epochs, those before the run was interrupted included; not those that a lost worker took along. */
  get history() {
    return this.#result?.history ?? [...this.#past.history, ...this.#told.map(({ epoch }) => epoch)];
  }

  /** Ends the run as stopped, because the trainer ends. @returns {Promise<void>} when it has ended */
  async end() {
    if (this.state === 'ended') return;
    const ended = this.#whenEnded();
    this.#ending = true;
    this.#requestStop();
    await ended;
  }

  async #drive() {
    const { signal } = this.#settings;
    const aborted = () => this.#requestStop();
    signal?.addEventListener('abort', aborted, { once: true });
    try {
      const result = this.#result = await this.#train();
      this.step = result.step;
      this.#recovery.completed(result);
      if (signal?.aborted) throw abortedBy(signal);
      this.#finish(() => this.#handle.resolve(result));
    } catch (error) {
      if (signal?.aborted) this.#finish(() => this.#handle.reject(abortedBy(signal)));
      else if (this.#meansStopped(error)) this.#finish(() => this.#handle.resolve(this.#stopped()));
      else {
        this.#finish(() => this.#handle.reject(error), 'failed');
        if (this.#client && !this.#client.loss) this.#recovery.failed(this.step);
      }
    } finally {
      signal?.removeEventListener('abort', aborted);
    }
  }

  /** Through one session after the other. @returns {Promise<import('./run.js').Result>} */
  async #train() {
    for (;;) {
      if (this.#stopping) throw CANCELLED;
      const client = this.#supervisor.client ?? await this.#nextSession();
      try {
        return await this.#trainOn(client);
      } catch (error) {
        if (error !== client.loss) throw this.#isElsewhere && isInvalidData(error) ? dataLost(error) : error;
        if (this.#supervisor.verdict) throw this.#supervisor.verdict;
        this.#leave(client);
        if (!this.#stopping && !this.#isStored && this.#isGone && !this.#isElsewhere) throw dataLost(client.loss);
      }
    }
  }

  async #nextSession() {
    try {
      return await this.#supervisor.next(this.#impatience.signal);
    } catch (error) {
      throw this.#stopping ? CANCELLED : error;
    }
  }

  /** @param {Client} client @returns {Promise<import('./run.js').Result>} */
  async #trainOn(client) {
    const { start, classWeight, resume, otherData, persist, transfer } = this.#settings;
    const kept = this.#kept;
    if (resume && !kept && this.#recovery.past) this.#past = this.#recovery.past; // as the session that stands has said
    const values = this.#isGone ? [STORED, STORED] : this.#deliver(client, transfer);
    const [x, y, sampleWeight] = values instanceof Promise ? await values : values;
    const weights = x === STORED && !this.#isStored ? {} : { sampleWeight, classWeight }; // storage has them with the data
    const completed = client.request('START_TRAINING',
      { ...start, x, y, ...weights, resume: resume || kept, otherData: otherData && !kept, persist, snapshotMs: this.#recovery.snapshotMs }, {
        lasting: true,
        before: {
          TRAINING_PROGRESS: (payload) => this.#progress(payload),
          TRAINING_SNAPSHOT: (checkpoint) => {
            this.#kept = true;
            this.#recovery.keep(checkpoint);
          },
        },
      });
    this.#client = client;
    if (this.state === 'paused') client.request('PAUSE_TRAINING').catch(() => {});
    else this.state = 'training';
    if (this.#stopping) this.#requestStop();
    this.#startKnown();
    const { stage, stageSeconds, stepBytes, liveBytes, ...result } = await completed;
    this.#recovery.measured({ stepBytes, liveBytes });
    return result;
  }

  /** @param {Client} client @param {boolean} transfer */
  #deliver(client, transfer) {
    const check = () => {
      if (this.#stopping) throw CANCELLED;
    };
    return deliver(client, this.#sources, { transfer, check });
  }

  /** It was begun with what storage holds. */
  get #isStored() {
    return this.#sources[0] === STORED;
  }

  /** The page has no data to give. */
  get #isGone() {
    return this.#isStored || this.#sources.some(isGone);
  }

  /** It has them no more, but storage may; the snapshot that there is tells whether those are the ones. */
  get #isElsewhere() {
    return !this.#isStored && this.#isGone && this.#kept && this.#settings.persist?.data === true;
  }

  #awaitStart() {
    this.#started = new Promise((resolve) => {
      this.#startKnown = resolve;
    });
  }

  /** The session is lost: pause, resume and stop wait for the start in the next one. @param {Client} client */
  #leave(client) {
    if (this.#client !== client || this.state === 'ended') return;
    this.#client = undefined;
    if (this.state === 'training') this.state = 'uploading';
    this.#awaitStart();
  }

  /** @param {import('../../worker/protocol.js').Progress} payload */
  #progress({ records, stepBytes, liveBytes }) {
    this.#recovery.measured({ stepBytes, liveBytes });
    for (const record of records) {
      if (this.#isTold(record)) continue;
      this.latest = record;
      this.step = record.step;
      if (record.kind === 'epoch') this.#told.push({ epoch: epochOf(record), step: record.step });
      this.#recovery.reached(record.step);
      this.#handle.record(record);
    }
  }

  /** Steps that were done before are done again in silence, unless the run went back to them. @param {Progress} record */
  #isTold({ kind, epoch, step, rollbacks = 0 }) {
    if (!this.latest) return false;
    if (kind === 'epoch') return epoch <= (this.#told.at(-1)?.epoch.epoch ?? 0);
    const { rollbacks: before = 0, step: last } = this.latest;
    return rollbacks < before || (rollbacks === before && step <= last);
  }

  /** @param {() => void} settle @param {'stopped' | 'failed'} [reason] */
  #finish(settle, reason = 'stopped') {
    this.state = 'ended';
    this.#recovery.ends(reason);
    settle();
    this.#startKnown();
    for (const ended of this.#waiters.splice(0)) ended();
  }

  /** @param {string} type @param {'paused' | 'training'} state */
  async #turn(type, state) {
    for (;;) {
      await this.#started;
      const client = this.#client;
      if (this.state === 'ended') return;
      if (!client) continue;
      try {
        await client.request(type);
        if (/** @type {string} */ (this.state) !== 'ended') this.state = state;
        return;
      } catch (error) {
        if (error !== client.loss) throw error;
        if (this.#supervisor.verdict) throw this.#supervisor.verdict;
        this.#leave(client);
      }
    }
  }

  async #stop() {
    await Promise.all([this.#whenEnded(), this.#requestStop()]);
  }

  /** @returns {Promise<void>} */
  async #requestStop() {
    this.#stopping = true;
    this.#impatience.abort();
    /* No failure is a stop's own: the run ends all the same, and its result tells how. */
    await this.#client?.request('STOP_TRAINING').catch(() => {});
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
      && (this.#supervisor.ended || (error instanceof OffstageError && error.code === 'DISPOSED')));
  }

  /**
   * What is known here of a run that could not tell its result itself: it ends where the model stands.
   * @returns {import('./run.js').Result}
   */
  #stopped() {
    const step = this.#ending ? this.step : this.#recovery.step;
    const told = this.#told.filter((each) => each.step <= step).map(({ epoch }) => epoch);
    const history = [...this.#past.history, ...told];
    this.step = step;
    this.#result = {
      reason: 'stopped',
      history,
      epochs: history.length,
      steps: this.#past.steps + step - this.#firstStep,
      step,
      durationSeconds: (performance.now() - this.#startedAt) / 1000,
    };
    return this.#result;
  }
}

/** @param {Progress} record @returns {import('./run.js').Epoch} */
function epochOf(record) {
  return /** @type {any} */ (Object.fromEntries(MEASURED.flatMap((name) => (record[name] === undefined ? [] : [[name, record[name]]]))));
}
