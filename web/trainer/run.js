/* run.js: is what fit() gives: a thenable, an async iterable and an event target, over one training
 * run.
 * Invariant: the result settles once; every epoch record reaches every listener and every iteration
 * that has begun. An iteration queues from its first next() on and keeps of batch records the
 * latest only. A failure is an unhandled rejection only if nobody awaited, iterated or listened.
 * How the run is driven is not known here. */
import { checkType } from '../host/events.js';
import { Iteration } from './iteration.js';

/** @typedef {import('../host/events.js').AnyListener} AnyListener */

/**
 * How training stands. Loss and accuracy of a batch record are the running means of the epoch.
 * @typedef {object} Progress
 * @property {'epoch' | 'batch'} kind 'epoch': an epoch is complete; 'batch': one is under way
 * @property {number} epoch from 1
 * @property {number} totalEpochs of the run
 * @property {number} batch of the epoch, from 1
 * @property {number} totalBatches of an epoch
 * @property {number} step updates since the trainer was created
 * @property {number} loss mean over the epoch's samples so far
 * @property {number} [accuracy] likewise, from 0 to 1, where it is a metric
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
 * @property {number} [rollbacks] with nonFinite: 'rollback', so far
 * @property {number} [learningRate] likewise: halved so often
 */

/**
 * @typedef {object} Epoch
 * @property {number} epoch from 1
 * @property {number} loss mean over the samples, each taken with the weights that its step started
 *   from
 * @property {number} [accuracy] likewise, from 0 to 1, where it is a metric
 * @property {number} [valLoss] of the samples that validate
 * @property {number} [valAccuracy] likewise
 * @property {Record<string, import('../../worker/protocol.js').OutputResult>} [outputs] of each,
 *   where there are several: loss is the sum of theirs, weighted
 */

/**
 * @typedef {object} Result
 * @property {'finished' | 'stopped' | 'earlyStopping'} reason why it ended
 * @property {Epoch[]} history complete epochs
 * @property {number} epochs complete ones
 * @property {number} steps updates of this run
 * @property {number} step updates since the trainer was created
 * @property {number} durationSeconds pauses and suspensions left out
 * @property {number} [rollbacks] with nonFinite: 'rollback', as in Progress
 * @property {number} [learningRate] likewise
 * @property {import('../../worker/protocol.js').RunRecord | null} [run] as trainer.runs has it;
 *   null: stopped before it began
 * @property {string | null} [persisted] the storage that has the run's last checkpoint
 */

/**
 * @typedef {object} Controls what a run asks of who drives it
 * @property {() => Promise<void>} pause
 * @property {() => Promise<void>} resume
 * @property {() => Promise<void>} stop
 */

/**
 * @typedef {object} Handle what the driver tells a run
 * @property {(record: Progress) => void} record
 * @property {(result: Result) => void} resolve
 * @property {(error: unknown) => void} reject
 */

const EVENTS = ['progress'];

/** @implements {PromiseLike<Result>} */
export class Run extends EventTarget {
  #controls;
  #ended = false;
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
      resolve: (result) => {
        this.#end();
        resolve(result);
      },
      reject: (error) => {
        this.#end();
        reject(error);
      },
    });
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

  /**
   * Ends the run at the last complete step; its result has the reason 'stopped'.
   * @returns {Promise<void>}
   */
  stop() {
    return this.#ended ? Promise.resolve() : this.#controls.stop();
  }

  /**
   * 'progress': a CustomEvent whose detail is a Progress record. The run does not wait for its
   * listeners. Another type is INVALID_OPTION.
   * @param {'progress'} type
   * @param {((event: CustomEvent<Progress>) => void) | EventListenerObject | null} listener
   * @param {boolean | AddEventListenerOptions} [options]
   * @override
   */
  addEventListener(type, listener, options) {
    checkType(type, EVENTS);
    this.#listened();
    super.addEventListener(type, /** @type {AnyListener} */ (listener), options);
  }

  /**
   * @param {'progress'} type
   * @param {((event: CustomEvent<Progress>) => void) | EventListenerObject | null} listener
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
    const iteration = new Iteration(
      this.#result,
      () => {
        this.#listened();
        if (!this.#ended) this.#iterations.add(iteration);
        return this.#ended;
      },
      () => this.#iterations.delete(iteration),
    );
    return iteration;
  }

  /** @param {Progress} record */
  #record(record) {
    for (const iteration of this.#iterations) iteration.push(record);
    this.dispatchEvent(new CustomEvent('progress', { detail: record }));
  }

  #end() {
    this.#ended = true;
    for (const iteration of this.#iterations) iteration.end();
    this.#iterations.clear();
  }

  /** Somebody follows this run, and so will see how it ends: a failure is not unhandled. */
  #listened() {
    this.#result.catch(() => {});
  }
}
