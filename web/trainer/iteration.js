/* iteration.js: hands the records of a run to one loop over it.
 * Invariant: it queues from its first next() on; it keeps every epoch record and, of those of
 * batches, the latest only. A loop that is left only stops listening; the failure of the run is
 * thrown to the loop once. */

/** @typedef {import('./run.js').Progress} Progress */
/** @typedef {import('./run.js').Result} Result */

/** @implements {AsyncIterableIterator<Progress>} */
export class Iteration {
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
    if (this.#queue[this.#queue.length - 1]?.kind === 'batch') this.#queue.pop();
    this.#queue.push(record);
  }

  end() {
    this.#ended = true;
    this.#release();
  }

  #release() {
    for (const waiting of this.#waiting.splice(0)) waiting(this.#last());
  }

  /**
   * The end of the run; a failed one throws here, once.
   * @returns {Promise<IteratorResult<Progress, undefined>>}
   */
  async #last() {
    if (!this.#left) {
      this.#left = true;
      await this.#result;
    }
    return { done: true, value: undefined };
  }
}
