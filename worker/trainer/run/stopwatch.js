/* stopwatch.js: the time that a run has trained, by its host's clock. Time in which it stood still
 * (a pause, a machine that slept) is left out, and a run that is resumed goes on from what it had.
 * It reads the clock and nothing else. */

export class Stopwatch {
  #host;
  /** The time of its start, later by what was left out. @type {number | null} */ #startedAt = null;
  /** The ms shown at its start. */ #before = 0;
  /** The time when the present pause began. @type {number | null} */ #pausedAt = null;
  /** The ms shown after stop(). @type {number | null} */ #stoppedMs = null;

  /** @param {import('../../host/clock.js').Host} host */
  constructor(host) {
    this.#host = host;
  }

  get started() {
    return this.#startedAt !== null;
  }

  get paused() {
    return this.#pausedAt !== null;
  }

  get elapsedMs() {
    if (this.#startedAt === null) return 0;
    return this.#stoppedMs ?? this.#before + (this.#pausedAt ?? this.#host.now()) - this.#startedAt;
  }

  get seconds() {
    return this.elapsedMs / 1000;
  }

  /** Starts it, in its pause where there is one. @param {number} ms  shown from the beginning */
  start(ms) {
    this.#before = ms;
    this.#startedAt = this.#host.now();
    if (this.paused) this.#pausedAt = this.#startedAt;
  }

  pause() {
    this.#pausedAt ??= this.#host.now();
  }

  /** @returns {number} ms of the pause; 0: there was none */
  resume() {
    if (this.#pausedAt === null) return 0;
    const ms = this.#host.now() - this.#pausedAt;
    this.#pausedAt = null;
    this.leaveOut(ms);
    return ms;
  }

  /** Stops it for good. */
  stop() {
    this.#stoppedMs = this.elapsedMs;
  }

  /** Leaves out time that was not the run's, but none before its start. @param {number} ms */
  leaveOut(ms) {
    if (this.#startedAt === null) return;
    this.#startedAt = Math.min(this.#startedAt + ms, this.#host.now());
  }
}
