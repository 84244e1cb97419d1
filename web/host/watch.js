/* watch.js: notices that nothing has been heard of a session for too long.
 * Invariant: silence is counted only while somebody waits and the page itself ran. A tick that
 * comes late (a throttled, frozen or suspended page, a long task) counts as two ticks at most, so a
 * page that slept accuses nobody. After a quarter of the time a PING is asked for: a session that
 * computes answers it, so training is never limited. One limit holds for a session that has yet to
 * say its first word, another from then on. */

/** Ticks in the shorter limit: fine enough to be fair, coarse enough to cost nothing. */
const TICKS = 8;
const MAX_INTERVAL = 1000;

/**
 * Milliseconds of silence that are allowed; Infinity: any number.
 * @typedef {{ first: number, later: number }} Limits
 */

export class Watch {
  #interval;
  #limit;
  #limits;
  #ping;
  #expired;
  #silence = 0;
  #last = 0;
  #asked = false;
  /**
   * Whether anybody waits; a timer that finds nobody ends itself, so that a quick request costs no
   * timer.
   */
  #waiting = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /**
   * @param {Limits} limits
   * @param {{ ping: () => void, expired: () => void }} actions
   */
  constructor(limits, { ping, expired }) {
    this.#limits = limits;
    this.#limit = limits.first;
    this.#interval = Math.min(limits.first / TICKS, limits.later / TICKS, MAX_INTERVAL);
    this.#ping = ping;
    this.#expired = expired;
  }

  /** Says that somebody waits. */
  begin() {
    this.#waiting = true;
    this.#reset();
    const { first, later } = this.#limits;
    if (this.#timer !== undefined || Math.min(first, later) === Infinity) return;
    this.#last = performance.now();
    this.#timer = setInterval(() => this.#tick(), this.#interval);
    /** @type {{ unref?: () => void }} */ (/** @type {unknown} */ (this.#timer)).unref?.();
  }

  /** Says that nobody waits any more. */
  end() {
    this.#waiting = false;
  }

  heard() {
    this.#limit = this.#limits.later;
    this.#reset();
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #reset() {
    this.#silence = 0;
    this.#asked = false;
  }

  #tick() {
    if (!this.#waiting) return this.stop();
    const time = performance.now();
    this.#silence += Math.min(time - this.#last, 2 * this.#interval);
    this.#last = time;
    if (this.#silence >= this.#limit) {
      this.stop();
      this.#expired();
    } else if (!this.#asked && this.#silence >= this.#limit / 4) {
      this.#asked = true;
      this.#ping();
    }
  }
}
