/* run.js: is what fit() gives: a thenable, an async iterable and an event target, over one training
 * run.
 * Invariant: the result settles once; every epoch record reaches every listener and every iteration
 * that has begun. An iteration queues from its first next() on and keeps of batch records the
 * latest only. A failure is an unhandled rejection only if nobody awaited, iterated or listened.
 * How the run is driven is not known here. */
import { checkType } from '../host/events.js';
import * as rule from '../host/options.js';
import { readOptions } from '../host/options.js';
import { BATCH_COLUMNS } from '../../worker/protocol.js';
import { RATE, SHARE } from '../../worker/trainer/run/fit-options.js';
import { Iteration } from './iteration.js';

/** @typedef {import('../host/events.js').AnyListener} AnyListener */

/**
 * How training stands. Loss and accuracy of a batch record are the running means of the epoch;
 * 'epoch' records have what metrics measured beside them, by their names.
 * @typedef {ProgressFields & import('../../worker/protocol.js').MetricFields} Progress
 */
/**
 * @typedef {object} ProgressFields
 * @property {'epoch' | 'batch'} kind 'epoch': an epoch is complete; 'batch': one is under way
 * @property {number} epoch from 1
 * @property {number} totalEpochs of the run
 * @property {number} batch of the epoch, from 1
 * @property {number} totalBatches of an epoch
 * @property {number} step updates since the trainer was created
 * @property {number} loss mean over the epoch's samples so far
 * @property {number} [accuracy] likewise, from 0 to 1, where it is a metric
 * @property {number} [batchLoss] mean over the batch's own samples: in 'batch' records
 * @property {number} [batchAccuracy] likewise
 * @property {number} [valLoss] of the samples that validate, after the epoch: in 'epoch' records
 * @property {number} [valAccuracy] likewise
 * @property {Record<string, import('../../worker/protocol.js').OutputResult>} [outputs] of each,
 *   where there are several
 * @property {number} percent of the run that is done, from 0 to 100
 * @property {number} etaSeconds that the rest of the run is expected to take
 * @property {number} elapsedSeconds since the run began, pauses and suspensions left out
 * @property {number} samplesPerSecond trained
 * @property {number} timestamp ms since 1970
 * @property {number} threadId of the session's thread: Node's; 1 in a browser's worker, 0 on the
 *   main thread
 * @property {number} learningRate of the latest step
 * @property {number} [rollbacks] with nonFinite: 'rollback', so far
 */

/** @typedef {EpochFields & import('../../worker/protocol.js').MetricFields} Epoch */
/**
 * @typedef {object} EpochFields
 * @property {number} epoch from 1
 * @property {number} loss mean over the samples, each taken with the weights that its step started
 *   from
 * @property {number} [accuracy] likewise, from 0 to 1, where it is a metric
 * @property {number} [valLoss] of the samples that validate
 * @property {number} [valAccuracy] likewise
 * @property {number} [learningRate] of its last step; none in checkpoints of older versions
 * @property {Record<string, import('../../worker/protocol.js').OutputResult>} [outputs] of each,
 *   where there are several: loss is the sum of theirs, weighted
 */

/**
 * @typedef {object} Result
 * @property {import('../../worker/trainer/run/state.js').Reason} reason why it ended
 * @property {Epoch[]} history complete epochs
 * @property {number} epochs complete ones
 * @property {number} steps updates of this run
 * @property {number} step updates since the trainer was created
 * @property {number} durationSeconds pauses and suspensions left out
 * @property {number} [rollbacks] with nonFinite: 'rollback', as in Progress
 * @property {number} [learningRate] likewise
 * @property {number} [bestEpoch] with restoreBest: whose weights were the best; 0: none was
 *   complete
 * @property {boolean} [restored] likewise: the model has them
 * @property {import('../../worker/protocol.js').RunRecord | null} [run] as trainer.runs has it;
 *   null: stopped before it began
 * @property {string | null} [persisted] the storage that has the run's last checkpoint
 */

/**
 * @typedef {object} Controls what a run asks of who drives it
 * @property {() => Promise<void>} pause
 * @property {() => Promise<void>} resume
 * @property {(afterEpoch: boolean) => Promise<void>} stop
 * @property {(change: { learningRate?: number, duty?: number }) => Promise<void>} set
 * @property {() => RunState} state
 */
/**
 * 'starting': its data are on their way, also into a worker in place of a lost one; 'stopping': its
 * end was asked for.
 * @typedef {'starting' | 'running' | 'paused' | 'stopping' | 'ended'} RunState
 */

/**
 * @typedef {object} Handle what the driver tells a run
 * @property {(record: Progress) => void} record
 * @property {(rows: Float64Array) => void} batches told of every step, as BATCH_COLUMNS has them
 * @property {() => void} changed how it stands
 * @property {(result: Result) => void} resolve
 * @property {(error: unknown) => void} reject
 */

/**
 * One step: a batch record, or, with batchRecords: 'every', what is told of each.
 * @typedef {Pick<Progress, 'epoch' | 'batch' | 'step' | 'batchLoss' | 'batchAccuracy'
 *   | 'learningRate'> & Partial<Progress>} Batch
 */
/**
 * The types of a run's events and their details.
 * @typedef {object} RunEvents
 * @property {Progress} progress a record
 * @property {Progress} epoch an epoch's record
 * @property {Batch} batch of a batch record; with batchRecords: 'every' of every step
 * @property {{ columns: typeof BATCH_COLUMNS, rows: Float64Array }} batches with batchRecords:
 *   'every', the steps since the one before: row after row, batchAccuracy NaN where there is none
 * @property {{ state: RunState, before: RunState }} state
 */

const EVENTS = ['progress', 'epoch', 'batch', 'batches', 'state'];
const STOP = { after: rule.optional(rule.oneOf(['epoch'], 'epoch')) };
const SET = {
  learningRate: rule.optional({ ...RATE, otherwise: 0 }),
  duty: { ...SHARE, otherwise: undefined },
};

/** @implements {PromiseLike<Result>} */
export class Run extends EventTarget {
  #controls;
  #ended = false;
  /** As last told. @type {RunState} */
  #state = 'starting';
  /** Somebody has listened to 'batch': events are made for it. */
  #tellsBatches = false;
  /** Every step is told. */
  #hasRows = false;
  /** @type {Set<Iteration>} */
  #iterations = new Set();
  /** @type {Promise<Result>} */
  #result;

  /** @param {(handle: Handle) => Controls} drive called once, at once */
  constructor(drive) {
    super();
    /** @type {(result: Result) => void} */
    let resolve = () => {};
    /** @type {(error: unknown) => void} */
    let reject = () => {};
    this.#result = new Promise((yes, no) => {
      resolve = yes;
      reject = no;
    });
    this.#controls = drive({
      record: (record) => this.#record(record),
      batches: (rows) => this.#batches(rows),
      changed: () => this.#changed(),
      resolve: (result) => {
        this.#end();
        resolve(result);
      },
      reject: (error) => {
        this.#end();
        reject(error);
      },
    });
    this.#state = this.#controls.state();
  }

  /** @returns {Promise<Result>} */
  get result() {
    return this.#result;
  }

  /**
   * @template [A=Result], [B=never]
   * @param {((result: Result) => A | PromiseLike<A>) | null} [fulfilled]
   * @param {((error: any) => B | PromiseLike<B>) | null} [rejected]
   * @returns {Promise<A | B>}
   */
  then(fulfilled, rejected) {
    return this.#result.then(fulfilled, rejected);
  }

  /**
   * @template [B=never]
   * @param {((error: any) => B | PromiseLike<B>) | null} [rejected]
   * @returns {Promise<Result | B>}
   */
  catch(rejected) {
    return this.#result.catch(rejected);
  }

  /** @param {(() => void) | null} [settled] @returns {Promise<Result>} */
  finally(settled) {
    return this.#result.finally(settled);
  }

  /**
   * Stands still after the part that is being computed; predictions are answered meanwhile.
   * @returns {Promise<void>}
   */
  pause() {
    return this.#ended ? Promise.resolve() : this.#controls.pause();
  }

  /** @returns {Promise<void>} */
  resume() {
    return this.#ended ? Promise.resolve() : this.#controls.resume();
  }

  /** How it stands. @returns {RunState} */
  get state() {
    return this.#controls.state();
  }

  /**
   * Ends the run at the last complete step, or, with after: 'epoch', when its epoch is complete;
   * its result has the reason 'stopped'.
   * @param {{ after?: 'epoch' }} [options]
   * @returns {Promise<void>}
   */
  async stop(options) {
    const { after } = readOptions('stop', options, STOP);
    if (!this.#ended) await this.#controls.stop(after !== undefined);
  }

  /**
   * Changes how it trains, from its next step on. learningRate: as in fit, where no
   * schedule sets it; duty: share of the time in which it computes.
   * @param {{ learningRate?: number, duty?: number }} options
   * @returns {Promise<void>}
   */
  async set(options) {
    const { learningRate, duty } = readOptions('set', options, SET);
    const change = {
      ...(learningRate !== undefined && { learningRate }),
      ...(duty !== undefined && { duty }),
    };
    if (!this.#ended) await this.#controls.set(change);
  }

  /**
   * The events of RunEvents, whose details are those of CustomEvents. The run does not wait for its
   * listeners. Another type is INVALID_OPTION.
   * @template {keyof RunEvents} K
   * @param {K} type
   * @param {((event: CustomEvent<RunEvents[K]>) => void) | EventListenerObject | null} listener
   * @param {boolean | AddEventListenerOptions} [options]
   * @override
   */
  addEventListener(type, listener, options) {
    checkType(type, EVENTS);
    this.#listened();
    if (type === 'batch') this.#tellsBatches = true;
    super.addEventListener(type, /** @type {AnyListener} */ (listener), options);
  }

  /**
   * @template {keyof RunEvents} K
   * @param {K} type
   * @param {((event: CustomEvent<RunEvents[K]>) => void) | EventListenerObject | null} listener
   * @param {boolean | EventListenerOptions} [options]
   * @override
   */
  removeEventListener(type, listener, options) {
    super.removeEventListener(type, /** @type {AnyListener} */ (listener), options);
  }

  /**
   * Iterates over the progress records from this moment on. Leaving the loop early only stops
   * listening.
   * @returns {AsyncIterableIterator<Progress>}
   */
  [Symbol.asyncIterator]() {
    return this.#iterate();
  }

  /**
   * Iterates likewise over the records of epochs alone.
   * @returns {AsyncIterableIterator<Progress>}
   */
  epochs() {
    return this.#iterate('epoch');
  }

  /** @param {'epoch'} [only] */
  #iterate(only) {
    const iteration = new Iteration(
      this.#result,
      () => {
        this.#listened();
        if (!this.#ended) this.#iterations.add(iteration);
        return this.#ended;
      },
      () => this.#iterations.delete(iteration),
      only,
    );
    return iteration;
  }

  /** @param {Progress} record */
  #record(record) {
    for (const iteration of this.#iterations) iteration.push(record);
    this.#tell('progress', record);
    if (record.kind === 'epoch') this.#tell('epoch', record);
    else if (this.#tellsBatches && !this.#hasRows) this.#tell('batch', record);
  }

  /** @param {Float64Array} rows */
  #batches(rows) {
    this.#hasRows = true;
    this.#tell('batches', { columns: BATCH_COLUMNS, rows });
    const width = BATCH_COLUMNS.length;
    for (let at = 0; this.#tellsBatches && at < rows.length; at += width) {
      const [epoch, batch, step, batchLoss, accuracy, learningRate] = rows.subarray(at, at + width);
      const batchAccuracy = Number.isNaN(accuracy) ? undefined : accuracy;
      this.#tell('batch', { epoch, batch, step, batchLoss, batchAccuracy, learningRate });
    }
  }

  #changed() {
    const state = this.#controls.state();
    const before = this.#state;
    if (state === before) return;
    this.#state = state;
    this.#tell('state', { state, before });
  }

  /** @template {keyof RunEvents} K @param {K} type @param {RunEvents[K]} detail */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #end() {
    this.#ended = true;
    this.#changed();
    for (const iteration of this.#iterations) iteration.end();
    this.#iterations.clear();
  }

  /** Somebody follows this run, and so will see how it ends: a failure is not unhandled. */
  #listened() {
    this.#result.catch(() => {});
  }
}
