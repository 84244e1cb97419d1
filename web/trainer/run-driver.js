/* run-driver.js: drives one training run from the data to the result, over as many sessions as it
 * takes.
 * Invariant: the run settles exactly once. It is 'stopped' by stop() and by the trainer's end,
 * never an error; ABORTED by its signal, once the session stands; else it ends as the session says.
 * While the data are still on their way pause and resume wait for the start, and stop cancels it. A
 * session that is lost is followed by the next, which is given the data again and begins where the
 * checkpoint kept on the page stands; no record is told twice, and the app is asked once about the
 * end of an epoch. */
import { OffstageError, isRecord, reasonOf, show } from '../../worker/host/errors.js';
import { BATCH_COLUMNS } from '../../worker/protocol.js';
import { RATE } from '../../worker/trainer/run/fit-options.js';
import { abortedBy } from '../host/options.js';
import { RunData } from './run-data.js';
import { RunLog } from './run-log.js';
import { Run } from './run.js';

/** @typedef {import('../host/client.js').Client} Client */
/** @typedef {import('./recovery.js').Recovery} Recovery */
/** @typedef {import('./run.js').Handle} Handle */
/** @typedef {import('./handover.js').Source} Source */

/**
 * @typedef {object} Settings
 * @property {object} start what START_TRAINING's payload has beside the properties below
 * @property {Record<string, number>} [classWeight] goes where the data go
 * @property {boolean} resume
 * @property {boolean} otherData
 * @property {{ name: string, folder?: string, data?: boolean } | undefined} persist
 * @property {boolean} transfer
 * @property {boolean} keep
 * @property {AbortSignal | undefined} signal
 * @property {((record: Progress) => unknown) | undefined} onEpoch
 * @property {() => void} changed called when the run stands otherwise, or has told something
 */
/** @typedef {import('./run.js').Progress} Progress */
/** @typedef {import('./run.js').RunState} RunState */
/**
 * What the app answers to the end of an epoch.
 * @typedef {{ stop?: true, learningRate?: number }} Answer
 */

/** What may change while a run is on. @typedef {{ learningRate?: number, duty?: number }} Change */

/** Thrown through the upload to end it; never seen outside. */
const CANCELLED = Symbol('cancelled');
/** Stands for an answer that nobody waits for any more. */
const RELEASED = Symbol('released');

/**
 * Makes a run that has failed already.
 * @param {Promise<unknown>} error
 */
export function failedRun(error) {
  const done = async () => {};
  return new Run(({ reject }) => {
    error.then(reject);
    return { pause: done, resume: done, stop: done, set: done, state: () => 'ended' };
  });
}

export class RunDriver {
  /** @type {Run} */
  run;
  /** @type {'uploading' | 'training' | 'paused' | 'ended'} */
  state = 'uploading';
  /** The error that ended it. @type {unknown} */
  error = null;
  /** @type {RunLog} */
  log;

  #recovery;
  #supervisor;
  #data;
  #settings;
  /** @type {Handle} */
  #handle;
  /** The checkpoint that is kept is of this run. */
  #kept = false;
  #stopping = false;
  /** The run is to end with its epoch. */
  #endsWithEpoch = false;
  /** What the app changed while it runs: for a session in place of a lost one. @type {Change} */
  #change = {};
  /**
   * The app's answers to the ends of epochs that may be told again, each with the step there.
   * @type {Map<number, { step: number, answer: Promise<Answer> }>}
   */
  #answers = new Map();
  /** The last step of which a row was told by a session before; a later one is told again. */
  #toldTo = 0;
  /** And by this one. */
  #lastRow = 0;
  /** Ends the wait for the app's answer to the end of an epoch. */
  #release = () => {};
  /** The error of onEpoch, which ends the run. @type {unknown} */
  #failure;
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
  /**
   * Resolves once START_TRAINING is posted to the present session, or the run has ended without it.
   * @type {Promise<void>}
   */
  #started = Promise.resolve();

  /**
   * Posts the start before it returns where the data are small enough to go along with it.
   * @param {Recovery} recovery
   * @param {Source[]} sources each with the field of the request that it goes into
   * @param {Settings} settings
   */
  constructor(recovery, sources, settings) {
    this.#recovery = recovery;
    this.#supervisor = recovery.supervisor;
    this.#settings = settings;
    const { classWeight, transfer, keep, persist } = settings;
    const persisted = persist?.data === true;
    this.#data = new RunData(sources, { classWeight, transfer, keep, persisted });
    this.log = new RunLog(recovery.step);
    /** @type {Handle | undefined} */
    let handle;
    this.run = new Run((given) => {
      handle = given;
      return {
        pause: () => this.#turn('PAUSE_TRAINING', 'paused'),
        resume: () => this.#turn('RESUME_TRAINING', 'training'),
        stop: (afterEpoch) => this.#stop(afterEpoch),
        set: (change) => this.#set(change),
        state: () => this.#stateOfRun,
      };
    });
    this.#handle = /** @type {Handle} */ (/** @type {unknown} */ (handle));
    recovery.begins(persist);
    this.#awaitStart();
    this.#drive();
  }

  /**
   * Ends the run as stopped, because the trainer ends.
   * @returns {Promise<void>} when it has ended
   */
  async end() {
    if (this.state === 'ended') return;
    const ended = this.#whenEnded();
    this.#ending = true;
    this.#requestStop();
    await ended;
  }

  /** @returns {RunState} */
  get #stateOfRun() {
    if (this.state === 'ended') return 'ended';
    if (this.#stopping || this.#endsWithEpoch) return 'stopping';
    if (this.state === 'uploading') return 'starting';
    return this.state === 'paused' ? 'paused' : 'running';
  }

  async #drive() {
    const { signal } = this.#settings;
    const aborted = () => this.#requestStop();
    signal?.addEventListener('abort', aborted, { once: true });
    try {
      const result = await this.#train();
      this.log.ended(result);
      this.#recovery.completed(result);
      if (signal?.aborted) throw abortedBy(signal);
      if (this.#failure) throw this.#failure;
      this.#finish(() => this.#handle.resolve(result));
    } catch (error) {
      const ended = signal?.aborted ? abortedBy(signal) : this.#failure;
      if (ended) this.#finish(() => this.#reject(ended));
      else if (this.#meansStopped(error)) {
        const result = this.log.stoppedAt(this.#lastStep());
        this.#finish(() => this.#handle.resolve(result));
      } else {
        this.#finish(() => this.#reject(error), 'failed');
        if (this.#client && !this.#client.loss) this.#recovery.failed(this.log.step);
      }
    } finally {
      signal?.removeEventListener('abort', aborted);
    }
  }

  /** @param {unknown} error */
  #reject(error) {
    this.error = error;
    this.#handle.reject(error);
  }

  /** Trains in one session after the other. @returns {Promise<import('./run.js').Result>} */
  async #train() {
    this.#data.take();
    this.#recovery.holds(this.#data.bytes);
    for (;;) {
      if (this.#stopping) throw CANCELLED;
      const client = this.#supervisor.client ?? (await this.#nextSession());
      try {
        return await this.#trainOn(client);
      } catch (error) {
        if (error !== client.loss) throw this.#data.explain(error, this.#kept);
        if (this.#supervisor.verdict) throw this.#supervisor.verdict;
        this.#leave(client);
        if (!this.#stopping) this.#data.lost(client.loss, this.#kept);
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
    const { start, resume, otherData, persist, onEpoch } = this.#settings;
    const kept = this.#kept;
    const { past, snapshotMs } = this.#recovery;
    if (resume && !kept && past) this.log.resumes(past); // as the session that stands has said
    const delivery = this.#data.deliver(client, () => {
      if (this.#stopping) throw CANCELLED;
    });
    const data = 'then' in delivery ? await delivery : delivery;
    const completed = client.request(
      'START_TRAINING',
      {
        ...start,
        ...data,
        persist,
        snapshotMs,
        resume: resume || kept,
        otherData: otherData && !kept,
        ...(onEpoch && { waits: true }),
        ...(kept && { recovers: true }),
      },
      {
        lasting: true,
        before: {
          TRAINING_PROGRESS: (payload) => this.#progress(payload),
          EPOCH_ENDED: (ended) => this.#epochEnded(client, ended),
          TRAINING_SNAPSHOT: (checkpoint) => {
            this.#kept = true;
            this.#recovery.keep(checkpoint);
            this.#forgetAnswers(checkpoint.step);
          },
        },
      },
    );
    this.#client = client;
    if (this.state === 'paused') this.#pauseAgain(client);
    else this.state = 'training';
    this.#changed();
    if (!this.#supervisor.recovers) this.#drop();
    if (this.#stopping) this.#requestStop();
    else if (this.#endsWithEpoch) this.#tell('STOP_TRAINING', { after: 'epoch' });
    if (Object.keys(this.#change).length > 0) this.#tell('SET_RUN', this.#change);
    this.#startKnown();
    const { stage, stageSeconds, stepBytes, liveBytes, totals, epoch, batch, ...result } =
      await completed;
    this.log.stands({ epoch, batch, step: result.step });
    this.#recovery.measured({ stepBytes, liveBytes });
    return result;
  }

  /** The run that the session goes on with stood still. @param {Client} client */
  async #pauseAgain(client) {
    try {
      const stands = await client.request('PAUSE_TRAINING');
      if (this.state !== 'ended') this.log.stands(stands);
    } catch {
      // lost, or refused with the run, which tells
    }
  }

  /**
   * The session that there is knows of the run, or the run has ended.
   * @returns {Promise<void>}
   */
  async whenStarted() {
    if (this.#client?.loss) this.#leave(this.#client);
    while (this.state !== 'ended' && !this.#client) await this.#started;
  }

  /** Gives up the page's own copy of the data. */
  #drop() {
    this.#data.drop();
    this.#recovery.holds(0);
  }

  #awaitStart() {
    this.#started = new Promise((resolve) => {
      this.#startKnown = resolve;
    });
  }

  /**
   * The session is lost: pause, resume and stop wait for the start in the next one.
   * @param {Client} client
   */
  #leave(client) {
    if (this.#client !== client || this.state === 'ended') return;
    this.#client = undefined;
    if (this.state === 'training') this.state = 'uploading';
    this.#toldTo = this.#lastRow;
    this.#changed();
    this.#awaitStart();
  }

  /** @param {import('../../worker/protocol.js').Progress} payload */
  #progress({ records, stepBytes, liveBytes, batches }) {
    this.#recovery.measured({ stepBytes, liveBytes });
    if (batches) this.#batches(batches);
    for (const record of records) {
      if (!this.log.add(record)) continue;
      this.#recovery.reached(record.step);
      this.#handle.record(Object.freeze(record));
    }
    this.#settings.changed();
  }

  /** Tells the rows of steps that a session before has not told of. @param {Float64Array} rows */
  #batches(rows) {
    const [width, at] = [BATCH_COLUMNS.length, BATCH_COLUMNS.indexOf('step')];
    let first = 0;
    while (first < rows.length && rows[first + at] <= this.#toldTo) first += width;
    if (first === rows.length) return;
    this.#toldTo = 0;
    this.#lastRow = rows[rows.length - width + at];
    this.#handle.batches(rows.subarray(first));
  }

  /** How the run stands has changed. */
  #changed() {
    this.#handle.changed();
    this.#settings.changed();
  }

  /**
   * Has the app answer to the end of an epoch, and hands the answer on; where a session tells of
   * the end again, the same one.
   * @param {Client} client
   * @param {import('../../worker/protocol.js').EpochEnded} ended
   */
  async #epochEnded(client, { epoch, step, record }) {
    if (!this.#supervisor.recovers) this.#forgetAnswers(step);
    const { answer } = this.#answers.get(epoch) ?? { answer: this.#ask(record) };
    this.#answers.set(epoch, { step, answer });
    try {
      const fields = await answer;
      if (fields.learningRate !== undefined) delete this.#change.learningRate;
      await client.request('CONTINUE_TRAINING', { epoch, ...fields });
    } catch (error) {
      if (error === client.loss) return; // the next session is told
      if (this.state === 'ended') return this.#recovery.warn(error);
      this.#failure ??= error;
      this.#requestStop();
    }
  }

  /** @param {Progress} record @returns {Promise<Answer>} */
  async #ask(record) {
    const where = `onEpoch of epoch ${record.epoch}`;
    const released = new Promise((resolve) => {
      this.#release = () => resolve(RELEASED);
    });
    const called = this.#call(where, record);
    const answer = await Promise.race([called, released]);
    this.#release = () => {};
    if (answer === RELEASED) called.catch((error) => this.#recovery.warn(error));
    if (answer === undefined || answer === RELEASED) return {};
    if (answer === false) return { stop: true };
    const named = isRecord(answer) && Object.keys(answer).join() === 'learningRate';
    if (named && RATE.accepts(answer.learningRate)) return { learningRate: answer.learningRate };
    throw new OffstageError(
      'INVALID_OPTION',
      `${where} gave ${named ? `a learningRate of ${show(answer.learningRate)}` : show(answer)}, ` +
        `expected undefined, false or { learningRate }, ${RATE.allowed}`,
    );
  }

  /** @param {string} where  for messages @param {Progress} record @returns {Promise<any>} */
  async #call(where, record) {
    try {
      return await this.#settings.onEpoch?.(record);
    } catch (cause) {
      throw new OffstageError('ABORTED', `${where} failed: ${reasonOf(cause)}`, { cause });
    }
  }

  /**
   * Forgets answers that no session will ask for again: those before a step that is kept. What was
   * told may be further on than that.
   * @param {number} kept
   */
  #forgetAnswers(kept) {
    for (const [epoch, { step }] of this.#answers) if (step < kept) this.#answers.delete(epoch);
  }

  /** @param {() => void} settle @param {'stopped' | 'failed'} [reason] */
  #finish(settle, reason = 'stopped') {
    this.state = 'ended';
    this.#drop();
    this.#recovery.ends(reason);
    settle();
    this.#settings.changed();
    this.#startKnown();
    for (const ended of this.#waiters.splice(0)) ended();
  }

  /**
   * Asks the session that has the run, and where that is lost the next one.
   * @param {string} type @param {object} [payload]
   * @returns {Promise<any>} what it says; undefined: the run has ended before
   */
  async #request(type, payload) {
    for (;;) {
      await this.whenStarted();
      const client = /** @type {Client} */ (this.#client);
      if (this.state === 'ended') return undefined;
      try {
        return await client.request(type, payload);
      } catch (error) {
        if (error !== client.loss) throw error;
        if (this.#supervisor.verdict) throw this.#supervisor.verdict;
        this.#leave(client);
      }
    }
  }

  /** @param {string} type @param {'paused' | 'training'} state */
  async #turn(type, state) {
    const stands = await this.#request(type);
    if (this.state === 'ended') return;
    this.state = state;
    this.log.stands(stands);
    this.#changed();
  }

  /** @param {boolean} afterEpoch */
  async #stop(afterEpoch) {
    if (afterEpoch) {
      this.#endsWithEpoch = true;
      this.#changed();
      this.#tell('STOP_TRAINING', { after: 'epoch' });
      this.#release(); // onEpoch may be who waits for the end
      return this.#whenEnded();
    }
    await Promise.all([this.#whenEnded(), this.#requestStop()]);
  }

  /**
   * Asks the session that trains, where there is one, and does not wait for what it says.
   * @param {string} type @param {object} payload
   */
  #tell(type, payload) {
    this.#client?.request(type, payload).catch(() => {});
  }

  /** @param {Change} change */
  async #set(change) {
    if (await this.#request('SET_RUN', change)) Object.assign(this.#change, change);
  }

  /** @returns {Promise<void>} */
  async #requestStop() {
    this.#stopping = true;
    this.#changed();
    this.#impatience.abort();
    /* No failure is a stop's own: the run ends all the same, and its result tells how. */
    await this.#client?.request('STOP_TRAINING').catch(() => {});
  }

  /**
   * Promises the end of the run, and never rejects. It does not listen to the run's own promise: a
   * failure stays unhandled if nobody else listens.
   * @returns {Promise<void>}
   */
  #whenEnded() {
    if (this.state === 'ended') return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** @param {unknown} error */
  #meansStopped(error) {
    return (
      error === CANCELLED ||
      (this.#ending &&
        (this.#supervisor.ended ||
          (error instanceof OffstageError && /^(DISPOSED|BUSY)$/.test(error.code))))
    );
  }

  /** Where the run ends that could not tell its result: as told last, or where the model stands. */
  #lastStep() {
    return this.#ending ? this.log.step : this.#recovery.step;
  }
}
