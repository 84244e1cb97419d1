/* watch.js: notices that nothing has been heard of a session for too long.
 * Invariant: silence is counted only while the page itself ran. A tick that comes late (a throttled, frozen or
 * suspended page, a long task) counts as two ticks at most, so a page that slept accuses nobody. After a
 * quarter of the time a PING is asked for: a session that computes answers it, so training is never limited. */

/** Ticks in one timeout: fine enough to be fair, coarse enough to cost nothing. */
const TICKS = 8;
const MAX_INTERVAL = 1000;

export class Watch {
  #interval;
  #timeout;
  #ping;
  #expired;
  #silence = 0;
  #last = 0;
  #asked = false;
  /** Whether anybody waits; a timer that finds nobody ends itself, so that a quick request costs no timer. */
  #waiting = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /**
   * @param {number} timeout milliseconds of silence; Infinity never expires
   * @param {{ ping: () => void, expired: () => void }} actions
   */
  constructor(timeout, { ping, expired }) {
    this.#timeout = timeout;
    this.#interval = Math.min(timeout / TICKS, MAX_INTERVAL);
    this.#ping = ping;
    this.#expired = expired;
  }

  /** Somebody begins to wait. */
  begin() {
    this.#waiting = true;
    this.heard();
    if (this.#timer !== undefined || this.#timeout === Infinity) return;
    this.#last = performance.now();
    this.#timer = setInterval(() => this.#tick(), this.#interval);
    /** @type {{ unref?: () => void }} */ (/** @type {unknown} */ (this.#timer)).unref?.();
  }

  /** Nobody waits any more. */
  end() {
    this.#waiting = false;
  }

  heard() {
    this.#silence = 0;
    this.#asked = false;
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick() {
    if (!this.#waiting) return this.stop();
    const time = performance.now();
    this.#silence += Math.min(time - this.#last, 2 * this.#interval);
    this.#last = time;
    if (this.#silence >= this.#timeout) {
      this.stop();
      this.#expired();
    } else if (!this.#asked && this.#silence >= this.#timeout / 4) {
      this.#asked = true;
      this.#ping();
    }
  }
}
