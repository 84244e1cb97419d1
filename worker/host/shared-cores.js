/* shared-cores.js: the cores of a page, which the threads that train there share.
 *
 * Each thread keeps the time in a word of memory that the page gave to all of them, for as long as
 * it trains with helpers; a time that is out of date counts for nothing. So nobody has to tell that
 * it has paused, is hidden or was lost. Who finds no word goes uncounted, and shares like the
 * others. */

const WORDS = 64;
/** The longest time between two steps for which a thread is still training, in ms. */
const EXPIRY_MS = 2000;

export class SharedCores {
  #words;
  #own = 0;
  /** The time that this thread wrote last. */ #written = 0;

  /** @param {WebAssembly.Memory} memory  shared, zeros at first */
  constructor(memory) {
    this.#words = new Int32Array(memory.buffer, 0, WORDS);
  }

  /**
   * Tells that this thread trains, and how many threads that are is fair.
   * @param {number} threads  that it may have alone
   * @param {number} [wall]   ms since 1970
   */
  shareOf(threads, wall = Date.now()) {
    const now = wall | 0 || 1;
    this.#write(now);
    const training = this.#words.filter((time) => !isOver(time, now)).length;
    return Math.max(1, Math.floor(threads / Math.max(1, training)));
  }

  /** Writes the time into its own word, or, where that is lost, into one that is free. */
  #write(/** @type {number} */ now) {
    for (let i = 0; i < WORDS; i++) {
      const at = (this.#own + i) % WORDS;
      const seen = Atomics.load(this.#words, at);
      const free = i === 0 && this.#written ? seen === this.#written : isOver(seen, now);
      if (!free || Atomics.compareExchange(this.#words, at, seen, now) !== seen) continue;
      this.#own = at;
      this.#written = now;
      return;
    }
    this.#written = 0;
  }
}

/** @param {unknown} value @returns {boolean} it is such a memory */
export function isShare(value) {
  const tag = (/** @type {unknown} */ of) => Object.prototype.toString.call(of).slice(8, -1);
  if (tag(value) !== 'WebAssembly.Memory') return false;
  const { buffer } = /** @type {WebAssembly.Memory} */ (value);
  return tag(buffer) !== 'ArrayBuffer' && buffer.byteLength >= 4 * WORDS;
}

/** @param {number} time @param {number} now  the low words of ms since 1970; 0: nobody's */
const isOver = (time, now) => time === 0 || Math.abs((now - time) | 0) > EXPIRY_MS;
