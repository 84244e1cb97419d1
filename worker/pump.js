/* pump.js: who computes next, and for how long before the message queue has its turn.
 *
 * Work comes as generators that ask spend() after every piece and yield when it says so. Jobs (in lanes, the
 * first lane first) go before the one background generator, training; but a weight update that is under way
 * is finished before anything else looks at the weights. Work is asked for in units, about a quarter of a
 * slice's at a time, and the clock says how many that are: the rate falls at once and rises slowly, so that
 * a piece that is slower than the last ones does not make a long slice. */

/** @typedef {Generator<void, any, void>} Work */
/** @typedef {{ work: Work, done: (value: any) => void, fail: (error: unknown) => void }} Job */
/** @typedef {Job & { updating: () => boolean, paused: () => boolean }} Background */

/** What a lane is for, in order of right of way. */
export const LANES = Object.freeze({ CONTROL: 0, SHORT: 1, LONG: 2 });

const FIRST_RATE = 1e5; // units per ms: ten times less than the slowest machine that was measured
const CHUNKS = 4; // clock readings a slice
const MOST_RATE = 1e8; // units per ms: twice what one thread can do; whatever seems faster was measured badly
const STARVED = 2; // slices' time without a turn of its own, after which training takes one
const RISE = 0.3; // weight of a reading that is faster than the mean

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
  #running = false;
  #scheduled = false;
  /** @type {Job[][]} */ #lanes = [[], [], []];
  /** @type {Background | null} */ #background = null;

  /** @param {import('./yield.js').Host} host */
  constructor(host) {
    this.#host = host;
  }

  /** @param {{ sliceMs: number, sliceWork?: number }} options  sliceWork: a slice in units, for tests */
  configure({ sliceMs, sliceWork }) {
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
    this.#background = background;
    this.#fed = this.#host.now();
    if (background) this.wake();
  }

  /**
   * After a message: training has its turn here where the queue does not let it. (Measured: a Node worker whose
   * client asks again as soon as it is answered runs no setImmediate at all.)
   */
  breathe() {
    if (!this.#background || this.#fixed || this.#running) return;
    if (this.#host.now() - this.#fed > STARVED * this.#sliceMs && this.#next(false)) this.#slice(false);
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

  /** Fails every job, and the background. @param {unknown} error */
  abort(error) {
    const jobs = this.#lanes.flat();
    if (this.#background) jobs.push(this.#background);
    this.#lanes = [[], [], []];
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
    const now = this.#host.now();
    this.#calibrate(now - this.time);
    this.time = now;
    this.#used = 0;
    return (this.#over = now >= this.#end);
  }

  /**
   * Like spend(), after copying or checking, whose time no units tell: memory decides it. A fraction of a
   * millisecond at a time.
   * @returns {boolean} the slice is over: yield
   */
  look() {
    this.#used = 0;
    if (this.#fixed) return (this.#over = true);
    this.time = this.#host.now();
    return (this.#over = this.time >= this.#end);
  }

  /** @param {number} ms  since the last reading, in which `used` units were done */
  #calibrate(ms) {
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
    this.time = this.#host.now();
    this.#end = this.time + (this.#sliceMs * (CHUNKS - 1)) / CHUNKS;
    for (let job = this.#next(jobsOnly); job && !this.#over; job = this.#next(jobsOnly)) this.#advance(job);
    this.#running = false;
    if (!jobsOnly) this.#fed = this.#host.now();
    this.wake();
  }

  /** @param {boolean} jobsOnly @returns {Job | null} */
  #next(jobsOnly) {
    const background = this.#background;
    const job = this.#lanes[0][0] ?? this.#lanes[1][0] ?? this.#lanes[2][0] ?? null;
    if (job) return background?.updating() ? background : job;
    return jobsOnly || !background || background.paused() ? null : background;
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
