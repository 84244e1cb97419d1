/* pump.js: who computes next, and for how long before the message queue has its turn.
 *
 * Work comes as generators that ask spend() after every piece and yield when it says so. Jobs (in lanes, the
 * first lane first) go before the one background generator, training; but a weight update that is under way
 * is finished before anything else looks at the weights. Work is asked for in units, about a quarter of a
 * slice's at a time, and the clock says how many that are: the rate falls at once and rises slowly, so that
 * a piece that is slower than the last ones does not make a long slice. With a duty below 1 training rests, and
 * only training: jobs never wait for a timer. Where the clock jumped while training should have run, the thread
 * was suspended: onGap is told. */

/** @typedef {Generator<void, any, void>} Work */
/**
 * apart: of no model that there is, so that it outlives one that is lost.
 * @typedef {{ work: Work, done: (value: any) => void, fail: (error: unknown) => void, apart?: boolean }} Job
 */
/**
 * urgent: somebody waits for what it does next, so it does not rest.
 * @typedef {Job & { updating: () => boolean, paused: () => boolean, urgent?: () => boolean }} Background
 */

/** What a lane is for, in order of right of way. */
export const LANES = Object.freeze({ CONTROL: 0, SHORT: 1, LONG: 2 });

const FIRST_RATE = 1e5; // units per ms: ten times less than the slowest machine that was measured
const CHUNKS = 4; // clock readings a slice
const MOST_RATE = 1e8; // units per ms: twice what one thread can do; whatever seems faster was measured badly
const STARVED = 2; // slices' time without a turn of its own, after which training takes one
const RISE = 0.3; // weight of a reading that is faster than the mean
/* A thousand slices. No garbage collection and no busy machine was seen to hold a thread back that long; who
 * suspends a page does it for seconds at least, and a shorter gap hardly shows in an ETA. */
const GAP_MS = 2000;
const REST_MS = 50; // debts of rest are collected up to here: few timers, and far above their grain of 1 to 4 ms
const MOST_CREDIT = 1000; // ms that a rest may have been too long: a hidden page's timers fire once a second

export class Pump {
  /** Units to ask for in one call. */ chunk = FIRST_RATE;
  /** The clock at its last reading. */ time = 0;
  /** Slices begun. */ slices = 0;

  #host;
  #sliceMs = 4;
  #fixed = false;
  #rate = FIRST_RATE;
  #used = 0;
  #end = 0;
  #over = false;
  #fed = 0;
  /** The wall clock at its last reading, and the other one then. */ #wall = 0;
  #wallTime = 0;
  /** Rest for each ms of training. */ #restful = 0;
  /** Rest in ms that training owes. */ #debt = 0;
  #resting = false;
  #restBegan = 0;
  #restEnd = 0;
  #running = false;
  #scheduled = false;
  /** @type {Job[][]} */ #lanes = [[], [], []];
  /** @type {Background | null} */ #background = null;

  /**
   * Training stood still for `ms`, from `at` (ms since 1970) on, although it should have run. `counted`: how much of
   * that the monotonic clock counted, which a suspended machine may stop.
   * @type {((gap: { ms: number, at: number, counted: number }) => void) | null}
   */
  onGap = null;

  /** @param {import('./clock.js').Host} host */
  constructor(host) {
    this.#host = host;
  }

  /**
   * @param {{ sliceMs: number, sliceWork?: number, duty?: number }} options  sliceWork: a slice in units, for tests;
   *   duty: share of the time, above 0 and up to 1, in which training computes
   */
  configure({ sliceMs, sliceWork, duty = 1 }) {
    this.#restful = 1 / duty - 1;
    this.#debt = 0;
    this.#sliceMs = sliceMs;
    this.#fixed = sliceWork !== undefined;
    this.chunk = sliceWork ?? (this.#rate * sliceMs) / CHUNKS;
  }

  /** Units per millisecond, as measured. */
  get rate() {
    return this.#rate;
  }

  /** Jobs wait: training yields at the end of a step. */
  get waiting() {
    return this.#lanes[0].length + this.#lanes[1].length + this.#lanes[2].length > 0;
  }

  /** @param {number} lane @param {Job} job */
  add(lane, job) {
    this.#lanes[lane].push(job);
  }

  /** @param {Background | null} background */
  setBackground(background) {
    this.#background = null;
    this.#fed = this.#read(true); // of no gap: nothing should have run until here
    this.#background = background;
    if (background) this.wake();
  }

  /**
   * After a message: training has its turn here where the queue does not let it. (Measured: a Node worker whose
   * client asks again as soon as it is answered runs no setImmediate at all.)
   */
  breathe() {
    if (!this.#background || this.#fixed || this.#running) return;
    const now = this.#host.now();
    if (now >= this.#restEnd) this.#endRest(now); // such a queue may let no timer through either
    if (now - this.#fed > STARVED * this.#sliceMs && this.#next(false)) this.#slice(false);
  }

  /** Goes on in a later turn, if there is anything to do. */
  wake() {
    if (this.#scheduled || this.#running || !this.#next(false)) return;
    this.#scheduled = true;
    this.#host.yieldToQueue(this.#turn);
  }

  /** One for all slices: a slice leaves no closure behind. */
  #turn = () => {
    this.#scheduled = false;
    this.#slice(false);
  };

  /** Does jobs in this very turn, as far as one slice reaches. */
  runJobs() {
    if (!this.#running) this.#slice(true);
  }

  /** Fails the background, and every job but those that are apart. @param {unknown} error @param {boolean} [all]  those too */
  abort(error, all = false) {
    const jobs = this.#lanes.flat().filter(({ apart }) => all || !apart);
    if (this.#background) jobs.push(this.#background);
    this.#lanes = this.#lanes.map((lane) => lane.filter(({ apart }) => !all && apart));
    this.#background = null;
    for (const job of jobs) job.fail(error);
  }

  /**
   * Says that `units` of work were done.
   * @param {number} units
   * @returns {boolean} the slice is over: yield
   */
  spend(units) {
    this.#used += units;
    if (this.#used < this.chunk) return this.#over;
    if (this.#fixed) {
      this.#used = 0;
      return (this.#over = true);
    }
    const before = this.time;
    this.#calibrate(this.#read(false) - before);
    this.#used = 0;
    return (this.#over = this.time >= this.#end);
  }

  /**
   * Like spend(), after copying or checking, whose time no units tell: memory decides it. A fraction of a
   * millisecond at a time.
   * @returns {boolean} the slice is over: yield
   */
  look() {
    this.#used = 0;
    if (this.#fixed) return (this.#over = true);
    return (this.#over = this.#read(false) >= this.#end);
  }

  /**
   * Reads the clock, and tells of the gap where it jumped.
   * @param {boolean} wall  the wall clock too: once a slice
   */
  #read(wall) {
    const now = this.#host.now();
    const counted = Math.max(0, now - Math.max(this.time, this.#restEnd));
    this.time = now;
    if (!wall && counted < GAP_MS) return now;
    const at = this.#host.wall();
    const slept = Math.max(0, at - this.#wall - (now - this.#wallTime));
    this.#wall = at;
    this.#wallTime = now;
    const ms = counted + slept;
    if (ms >= GAP_MS && this.#background && !this.#background.paused()) this.onGap?.({ ms, at: at - ms, counted });
    return now;
  }

  /** @param {number} ms  since the last reading, in which `used` units were done */
  #calibrate(ms) {
    if (ms >= GAP_MS) return; // it was not the work that took so long
    // A clock that stood still is coarser than the chunk: twice the chunk is still far below a slice.
    const rate = ms > 0 ? this.#used / ms : 2 * this.#rate;
    const most = Math.min(rate, 4 * this.#rate, MOST_RATE);
    this.#rate = most < this.#rate ? most : (1 - RISE) * this.#rate + RISE * most;
    this.chunk = Math.max(1, (this.#rate * this.#sliceMs) / CHUNKS);
  }

  /** @param {boolean} jobsOnly */
  #slice(jobsOnly) {
    this.#running = true;
    this.#over = false;
    this.#used = 0;
    this.slices++;
    const began = this.#read(true);
    this.#end = began + (this.#sliceMs * (CHUNKS - 1)) / CHUNKS;
    let trained = false;
    for (let job = this.#next(jobsOnly); job && !this.#over; job = this.#next(jobsOnly)) {
      trained ||= job === this.#background && !this.#background.urgent?.();
      this.#advance(job);
    }
    this.#running = false;
    if (!jobsOnly) this.#fed = this.#host.now();
    if (trained && this.#restful > 0) this.#owe(this.#host.now() - began);
    this.wake();
  }

  /** Training has computed for ms: it rests, once that is worth a timer. @param {number} ms */
  #owe(ms) {
    if (ms < GAP_MS) this.#debt += ms * this.#restful;
    if (this.#debt < REST_MS || this.#resting) return;
    this.#resting = true;
    this.#restBegan = this.#host.now();
    this.#restEnd = this.#restBegan + this.#debt;
    this.#host.later(this.#debt, this.#rested);
  }

  #rested = () => {
    this.#endRest(this.#host.now());
    this.wake();
  };

  /** What the rest fell short of is still owed, and what it had too much is a credit. @param {number} now */
  #endRest(now) {
    if (!this.#resting) return;
    this.#resting = false;
    this.#debt = Math.max(-MOST_CREDIT, this.#debt - (now - this.#restBegan));
  }

  /** @param {boolean} jobsOnly @returns {Job | null} */
  #next(jobsOnly) {
    const background = this.#background;
    const job = this.#lanes[0][0] ?? this.#lanes[1][0] ?? this.#lanes[2][0] ?? null;
    if (job) return background?.updating() ? background : job;
    if (jobsOnly || !background || background.paused()) return null;
    return this.#resting && !background.urgent?.() ? null : background;
  }

  /** @param {Job} job */
  #advance(job) {
    try {
      const result = job.work.next();
      if (!result.done) return;
      this.#remove(job);
      job.done(result.value);
    } catch (error) {
      this.#remove(job);
      job.fail(error);
    }
  }

  /** @param {Job} job */
  #remove(job) {
    if (this.#background === job) this.#background = null;
    for (const lane of this.#lanes) {
      const i = lane.indexOf(job);
      if (i >= 0) lane.splice(i, 1);
    }
  }
}
