/* run.js: what fit() gives: a thenable, an async iterable and an event target, over one training run.
 * Invariant: the result settles once; every epoch record reaches every listener and every iteration that has
 * begun. An iteration queues from its first next() on and keeps of batch records the latest only. A failure is
 * an unhandled rejection only if nobody awaited, iterated or listened. How the run is driven is not known here. */

/** @typedef {import('../../worker/host/errors.js').OffstageError} OffstageError */

/**
 * How training stands. Loss and accuracy of a batch record are the running means of the epoch.
 * @typedef {object} Progress
 * @property {'epoch' | 'batch'} kind
 * @property {number} epoch from 1
 * @property {number} totalEpochs
 * @property {number} batch from 1
 * @property {number} totalBatches
 * @property {number} step updates since the trainer was created
 * @property {number} loss
 * @property {number} [accuracy]
 * @property {number} [valLoss]
 * @property {number} [valAccuracy]
 * @property {Record<string, import('../../worker/protocol.js').OutputResult>} [outputs] of each, where there are several
 * @property {number} percent
 * @property {number} etaSeconds
 * @property {number} elapsedSeconds
 * @property {number} samplesPerSecond
 * @property {number} timestamp
 * @property {number} threadId
 * @property {number} [rollbacks] with nonFinite: 'rollback', so far
 * @property {number} [learningRate] likewise: halved so often
 */

/**
 * @typedef {object} Epoch
 * @property {number} epoch
 * @property {number} loss mean over the samples, each taken with the weights that its step started from
 * @property {number} [accuracy]
 * @property {number} [valLoss]
 * @property {number} [valAccuracy]
 * @property {Record<string, import('../../worker/protocol.js').OutputResult>} [outputs] of each, where there are several: loss is the
 *   sum of theirs, weighted
 */

/**
 * @typedef {object} Result
 * @property {'finished' | 'stopped' | 'earlyStopping'} reason
 * @property {Epoch[]} history
 * @property {number} epochs complete ones
 * @property {number} steps updates of this run
 * @property {number} step updates since the trainer was created
 * @property {number} durationSeconds pauses and suspensions left out
 * @property {number} [rollbacks] with nonFinite: 'rollback', as in Progress
 * @property {number} [learningRate]
 * @property {import('../../worker/protocol.js').RunRecord | null} [run] as trainer.runs has it; null: stopped before it began
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

  /** Stands still after the part that is being computed; predictions are answered meanwhile. @returns {Promise<void>} */
  pause() {
    return this.#ended ? Promise.resolve() : this.#controls.pause();
  }

  /** @returns {Promise<void>} */
  resume() {
    return this.#ended ? Promise.resolve() : this.#controls.resume();
  }

  /** Ends the run at the last complete step; its result has the reason 'stopped'. @returns {Promise<void>} */
  stop() {
    return this.#ended ? Promise.resolve() : this.#controls.stop();
  }

  /**
   * 'progress': a CustomEvent whose detail is a Progress record.
   * @param {string} type
   * @param {((event: CustomEvent<Progress>) => void) | EventListenerObject | null} listener
   * @param {boolean | AddEventListenerOptions} [options]
   * @override
   */
  addEventListener(type, listener, options) {
    this.#listened();
    super.addEventListener(type, /** @type {EventListenerOrEventListenerObject | null} */ (listener), options);
  }

  /**
   * @param {string} type
   * @param {((event: CustomEvent<Progress>) => void) | EventListenerObject | null} listener
   * @param {boolean | EventListenerOptions} [options]
   * @override
   */
  removeEventListener(type, listener, options) {
    super.removeEventListener(type, /** @type {EventListenerOrEventListenerObject | null} */ (listener), options);
  }

  /**
   * Progress records from now on. Leaving the loop early only stops listening.
   * @returns {AsyncIterableIterator<Progress>}
   */
  [Symbol.asyncIterator]() {
    const iteration = new Iteration(this.#result, () => {
      this.#listened();
      if (!this.#ended) this.#iterations.add(iteration);
      return this.#ended;
    }, () => this.#iterations.delete(iteration));
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

/**
 * One iteration over a run.
 * @implements {AsyncIterableIterator<Progress>}
 */
class Iteration {
  #result;
  #begin;
  #leave;
  #begun = false;
  #ended = false;
  #left = false;
  /** @type {Progress[]} */
  #queue = [];
  /** @type {Array<(value: any) => void>} calls of next() that wait */
  #waiting = [];

  /**
   * @param {Promise<Result>} result
   * @param {() => boolean} begin starts the delivery; whether the run has ended already
   * @param {() => void} leave
   */
  constructor(result, begin, leave) {
    this.#result = result;
    this.#begin = begin;
    this.#leave = leave;
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** @returns {Promise<IteratorResult<Progress, undefined>>} */
  async next() {
    if (!this.#begun) {
      this.#begun = true;
      this.#ended = this.#begin();
    }
    const record = this.#queue.shift();
    if (record) return { done: false, value: record };
    if (!this.#left && !this.#ended) return new Promise((resolve) => this.#waiting.push(resolve));
    return this.#last();
  }

  /** @returns {Promise<IteratorResult<Progress, undefined>>} */
  async return() {
    this.#leave();
    this.#begun = true;
    this.#left = true;
    this.#queue = [];
    this.#release();
    return { done: true, value: undefined };
  }

  /** @param {Progress} record */
  push(record) {
    const waiting = this.#waiting.shift();
    if (waiting) return waiting({ done: false, value: record });
    if (this.#queue.at(-1)?.kind === 'batch') this.#queue.pop();
    this.#queue.push(record);
  }

  end() {
    this.#ended = true;
    this.#release();
  }

  #release() {
    for (const waiting of this.#waiting.splice(0)) waiting(this.#last());
  }

  /** The end of the run; a failed one throws here, once. @returns {Promise<IteratorResult<Progress, undefined>>} */
  async #last() {
    if (!this.#left) {
      this.#left = true;
      await this.#result;
    }
    return { done: true, value: undefined };
  }
}
