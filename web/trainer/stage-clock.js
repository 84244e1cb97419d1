/* stage-clock.js: sums the time that a trainer has spent in each stage.
 * Invariant: what a session reports counts, and what it has not reported yet is measured here; time
 * between two requests belongs to no stage, and a session that is replaced takes nothing away. */

/** @typedef {import('../../worker/trainer/stages.js').Stage} Stage */
/** @typedef {import('../../worker/trainer/stages.js').StageSeconds} Seconds */

/** @returns {Seconds} */
const none = () => ({ loading: 0, compiling: 0, training: 0, validating: 0, saving: 0 });

/** @param {Seconds} a @param {Seconds} b @returns {Seconds} */
const sum = (a, b) =>
  /** @type {Seconds} */ (
    Object.fromEntries(
      Object.entries(a).map(([stage, seconds]) => [
        stage,
        seconds + b[/** @type {Stage} */ (stage)],
      ]),
    )
  );

const total = (/** @type {Seconds} */ seconds) =>
  Object.values(seconds).reduce((all, each) => all + each, 0);

/**
 * The stages of the sessions that a trainer has had, one after another, and of the page itself,
 * which loads: a worker until it is ready, and data.
 */
export class StageClock {
  #now;
  /** Seconds of former sessions, and of the page itself. */
  #past = none();
  /** Seconds as the session reported them last, and what it must have done since. */
  #reported = none();
  /** @type {Stage | 'done'} */
  #stage = 'done';
  /**
   * What the session had reported when the page began to load; null: the page does not load.
   * @type {number | null}
   */
  #loading = null;
  /** When the present stage began, as far as it is not in the seconds. */
  #since = 0;
  #paused = false;

  /** @param {() => number} [now] ms, monotonic */
  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /** The page begins to load. */
  load() {
    if (this.#loading !== null) return;
    this.#settle();
    this.#loading = total(this.#reported);
  }

  /** The page has nothing more to load. What the session did meanwhile is the session's. */
  loaded() {
    if (this.#loading === null) return;
    const own = (this.#now() - this.#since) / 1000 - (total(this.#reported) - this.#loading);
    this.#past.loading += Math.max(0, own);
    this.#loading = null;
    this.#since = this.#now();
  }

  /** The session says how it stands. @param {Stage | 'done'} stage @param {Seconds} seconds */
  report(stage, seconds) {
    this.#reported = seconds;
    this.loaded();
    this.#since = this.#now();
    this.#stage = stage;
    this.#paused = false;
  }

  /**
   * The session is in that stage, although it has not said so.
   * @param {Stage | 'done'} stage
   * @param {boolean} [paused]
   */
  enter(stage, paused = false) {
    this.loaded();
    this.#settle();
    this.#stage = stage;
    this.#paused = paused;
  }

  /** A run stands still, or goes on. @param {boolean} paused */
  pause(paused) {
    this.enter(this.#stage, paused);
  }

  /** The session is gone; whoever replaces it counts from zero. */
  replaced() {
    this.enter('done');
    this.#past = sum(this.#past, this.#reported);
    this.#reported = none();
  }

  read() {
    const stage = this.#loading === null ? this.#stage : 'loading';
    return { stage, stageSeconds: sum(sum(this.#past, this.#reported), this.#unreported()) };
  }

  #settle() {
    this.#reported = sum(this.#reported, this.#unreported());
    this.#since = this.#now();
  }

  /** @returns {Seconds} */
  #unreported() {
    const stage = this.#loading === null ? this.#stage : 'loading';
    if (stage === 'done' || (this.#paused && stage !== 'loading')) return none();
    return { ...none(), [stage]: (this.#now() - this.#since) / 1000 };
  }
}
