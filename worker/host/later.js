/* later.js: an answer that is not there yet, such as the end of a run.
 *
 * It is a thenable that settles once and calls back in the same turn, not in a later one as a
 * promise does: the answers of a session go out in the order in which they were settled. */

/** @template T */
export class Later {
  /** @type {{ value: T } | { error: unknown } | null} */ #settled = null;
  /** @type {{ done: (value: T) => void, fail: (error: unknown) => void } | null} */
  #waiting = null;

  /** @param {T} value */
  resolve(value) {
    this.#settle({ value });
  }

  /** @param {unknown} error */
  reject(error) {
    this.#settle({ error });
  }

  /** One may wait. @param {(value: T) => void} done @param {(error: unknown) => void} fail */
  then(done, fail) {
    this.#waiting = { done, fail };
    this.#tell();
  }

  /** @param {{ value: T } | { error: unknown }} settled */
  #settle(settled) {
    if (this.#settled) return;
    this.#settled = settled;
    this.#tell();
  }

  #tell() {
    if (!this.#settled || !this.#waiting) return;
    const { done, fail } = this.#waiting;
    if ('value' in this.#settled) done(this.#settled.value);
    else fail(this.#settled.error);
  }
}
