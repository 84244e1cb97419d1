/* pump.js: what one session has its thread do: jobs in lanes, and background work.
 *
 * Work comes as generators that ask spend() after every piece and yield when it says so. Jobs (the
 * first lane first) go before the one background generator, a training run say; but an update that
 * is under way is finished before anything else looks at what it changes. Work is asked for in
 * units, about a quarter of a slice's at a time, and the clock says how many that are: the rate
 * falls at once and rises slowly, so that a piece that is slower than the last ones does not make a
 * long slice. With a duty below 1 the background rests, and only the background: jobs never wait
 * for a timer. Which session's turn it is, and for how long, is scheduler.js's. */

/** @typedef {Generator<void, any, void>} Work */
/**
 * apart: of no model that there is, so that it outlives one that is lost.
 * @typedef {{ work: Work, done: (value: any) => void, fail: (error: unknown) => void, apart?:
 *   boolean }} Job
 */
/**
 * urgent: somebody waits for what it does next, so it does not rest.
 * @typedef {Job & { updating: () => boolean, paused: () => boolean, urgent?: () => boolean }}
 *   Background
 */
/**
 * priority: of background work, 0; those of a lower one get what is left. weight: share of the time
 * beside others of the same priority, above 0, 1.
 * @typedef {{ priority?: number, weight?: number }} PumpOptions
 */

/** What a lane is for, in order of right of way. */
export const LANES = Object.freeze({ CONTROL: 0, SHORT: 1, LONG: 2 });
/** What a pump has to do next: the lane of a job, or one of these. */
export const RANK = Object.freeze({ BACKGROUND: 3, NONE: 4 });

/* A thousand slices. No garbage collection and no busy machine was seen to hold a thread back that
 * long; who suspends a page does it for seconds at least, and a shorter gap hardly shows in an ETA.
 */
export const GAP_MS = 2000;
/** Clock readings a slice. */
export const CHUNKS = 4;
const FIRST_RATE = 1e5; // units per ms: ten times less than the slowest machine that was measured
/* Units per ms: twice what one thread can do; whatever seems faster was measured badly. */
const MOST_RATE = 1e8;
const RISE = 0.3; // weight of a reading that is faster than the mean
/* Debts of rest are collected up to here: few timers, and far above their grain of 1 to 4 ms. */
const REST_MS = 50;
/* Ms that a rest may have been too long: a hidden page's timers fire once a second. */
const MOST_CREDIT = 1000;

export class Pump {
  /** Units to ask for in one call. */ chunk = FIRST_RATE;
  /** Of a slice that begins with this session, in ms. */ sliceMs = 4;
  /** Milliseconds of the thread's time by weight. */ served = 0;
  /** Of background work. @type {number} */ priority;

  /** The scheduler has it among those that have something to do. */ enlisted = false;
  /** Its session is over. */ closed = false;

  #scheduler;
  #host;
  #weight;
  #fixed = false;
  #rate = FIRST_RATE;
  #used = 0;
  /** Ms of its turns up to the last reading of the clock. */ #worked = 0;
  /** It had something to do when the scheduler last chose. */ #ready = false;
  /** When its turn began. */ #began = 0;
  /** Background work that may rest had its turn. */ #trained = false;
  /** Rest for each ms of background work. */ #restful = 0;
  /** The share of the time in which the background computes, unless rest() says another. */
  #duty = 1;
  /** Rest in ms that it owes. */ #debt = 0;
  #resting = false;
  #restBegan = 0;
  #restEnd = 0;
  /** @type {Job[][]} */ #lanes = [[], [], []];
  /** @type {Background | null} */ #background = null;

  /**
   * The background stood still for `ms`, from `at` (ms since 1970) on, although it should have run.
   * `counted`: how much of that the monotonic clock counted, which a suspended machine may stop.
   * @type {((gap: { ms: number, at: number, counted: number }) => void) | null}
   */
  onGap = null;
  /**
   * Something threw where nothing may: the session is broken.
   * @type {((error: unknown) => void) | null}
   */
  onCrash = null;

  /**
   * @param {import('./scheduler.js').Scheduler} scheduler @param {import('./clock.js').Host} host
   * @param {PumpOptions} [options]
   */
  constructor(scheduler, host, { priority = 0, weight = 1 } = {}) {
    this.#scheduler = scheduler;
    this.#host = host;
    this.priority = priority;
    this.#weight = weight;
  }

  /**
   * @param {{ sliceMs: number, sliceWork?: number, duty?: number }} options  sliceWork: a slice in
   *   units, for tests; duty: share of the time, above 0 and up to 1, in which the background
   *   computes
   */
  configure({ sliceMs, sliceWork, duty = 1 }) {
    this.#duty = duty;
    this.rest();
    this.sliceMs = sliceMs;
    this.#fixed = sliceWork !== undefined;
    this.chunk = sliceWork ?? (this.#rate * sliceMs) / CHUNKS;
  }

  /** Sets the duty for the present work; as configured. @param {number} [duty] */
  rest(duty = this.#duty) {
    this.#restful = 1 / duty - 1;
    this.#debt = 0;
  }

  /** Units per millisecond, as measured. */
  get rate() {
    return this.#rate;
  }

  /** The clock at its last reading. */
  get time() {
    return this.#scheduler.time;
  }

  /**
   * Ms that its work has taken, and the queue between two slices of it; where slices have no time,
   * 0. What was done since the last reading of the clock is guessed by the rate.
   */
  get worked() {
    return this.#worked + (this.#fixed ? 0 : this.#used / this.#rate);
  }

  /** Slices that the thread has begun. */
  get slices() {
    return this.#scheduler.slices;
  }

  /** Jobs wait: the background yields at the end of a step. */
  get waiting() {
    return this.#lanes[0].length + this.#lanes[1].length + this.#lanes[2].length > 0;
  }

  /** There is background work. */
  get computes() {
    return this.#background !== null;
  }

  /** @param {number} lane @param {Job} job */
  add(lane, job) {
    this.#engage();
    this.#lanes[lane].push(job);
  }

  /** @param {Background | null} background */
  setBackground(background) {
    this.#background = null;
    this.#scheduler.beginAnew();
    this.#background = background;
    if (!background) return;
    this.#engage();
    this.wake();
  }

  #engage() {
    if (this.enlisted) return;
    this.enlisted = true;
    this.#scheduler.enlist(this);
  }

  /**
   * @param {number} hz
   * @param {(tick: import('./scheduler.js').Tick) => void} run
   * @returns {() => void}
   */
  every(hz, run) {
    return this.#scheduler.every(this, hz, run);
  }

  /** After a message: see scheduler.js. */
  breathe() {
    if (!this.#fixed) this.#scheduler.breathe(this.sliceMs);
  }

  /** Goes on in a later turn, if there is anything to do. */
  wake() {
    this.#scheduler.wake();
  }

  /** Does jobs in this very turn, as far as one slice reaches. */
  runJobs() {
    this.#scheduler.runJobs();
  }

  /**
   * Fails the background, and every job but those that are apart, and ends the ticks.
   * @param {unknown} error
   * @param {boolean} [all] those too
   */
  abort(error, all = false) {
    this.#scheduler.stopBeats(this);
    const jobs = this.#lanes.flat().filter(({ apart }) => all || !apart);
    if (this.#background) jobs.push(this.#background);
    this.#lanes = this.#lanes.map((lane) => lane.filter(({ apart }) => !all && apart));
    this.#background = null;
    for (const job of jobs) job.fail(error);
  }

  /** Ends it: what it had to do is dropped without a word. */
  close() {
    this.#lanes = [[], [], []];
    this.#background = null;
    this.#scheduler.stopBeats(this);
    this.closed = true;
  }

  /**
   * Says that `units` of work were done.
   * @param {number} units
   * @returns {boolean} the slice is over: yield
   */
  spend(units) {
    const scheduler = this.#scheduler;
    this.#used += units;
    if (this.#used < this.chunk) return scheduler.over;
    if (this.#fixed) {
      this.#used = 0;
      return (scheduler.over = true);
    }
    const before = scheduler.time;
    this.#calibrate(scheduler.read() - before);
    this.#used = 0;
    return (scheduler.over = scheduler.time >= scheduler.end);
  }

  /**
   * Like spend(), after copying or checking, whose time no units tell: memory decides it. A
   * fraction of a millisecond at a time.
   * @returns {boolean} the slice is over: yield
   */
  look() {
    const scheduler = this.#scheduler;
    this.#used = 0;
    if (this.#fixed) return (scheduler.over = true);
    const before = scheduler.time;
    const ms = scheduler.read() - before;
    if (ms < GAP_MS) this.#worked += ms;
    return (scheduler.over = scheduler.time >= scheduler.end);
  }

  /** @param {number} ms  since the last reading, in which `used` units were done */
  #calibrate(ms) {
    if (ms >= GAP_MS) return; // it was not the work that took so long
    this.#worked += ms;
    // A clock that stood still is coarser than the chunk: twice the chunk is still far below a
    // slice.
    const rate = ms > 0 ? this.#used / ms : 2 * this.#rate;
    const most = Math.min(rate, 4 * this.#rate, MOST_RATE);
    this.#rate = most < this.#rate ? most : (1 - RISE) * this.#rate + RISE * most;
    this.chunk = Math.max(1, (this.#rate * this.sliceMs) / CHUNKS);
  }

  /* ---- for the scheduler ---- */

  /** What there is to do next: the lane of a job, BACKGROUND, or NONE. */
  rank() {
    for (let lane = 0; lane < this.#lanes.length; lane++) {
      if (this.#lanes[lane].length > 0) return lane;
    }
    const background = this.#background;
    if (!background || background.paused()) return RANK.NONE;
    return this.#resting && !background.urgent?.() ? RANK.NONE : RANK.BACKGROUND;
  }

  /**
   * Whether there is anything to do. Who had nothing is not served for the time in which it was
   * idle.
   * @param {number} least  what the least served has had
   */
  isReady(least) {
    const ready = this.rank() < RANK.NONE;
    if (ready && !this.#ready) this.served = Math.max(this.served, least);
    return (this.#ready = ready);
  }

  /**
   * Its turn begins.
   * @param {number} now
   * @param {number} [queue]  ms since its last turn, where nobody else had one
   */
  begin(now, queue = 0) {
    if (queue < REST_MS) this.#worked += queue; // else it rested, or was paused
    this.#used = 0;
    this.#began = now;
    this.#trained = false;
  }

  /** Does the next piece of what there is to do. */
  advance() {
    const job = /** @type {Job} */ (this.#next());
    if (job === this.#background && !this.#background.urgent?.()) this.#trained = true;
    try {
      const result = job.work.next();
      if (!result.done) return;
      this.#remove(job);
      job.done(result.value);
    } catch (error) {
      this.#remove(job);
      this.guard(job.fail, error);
    }
  }

  /** Its turn is over. @param {boolean} counts  the time is held against that of others */
  leave(counts) {
    const rests = this.#trained && this.#restful > 0;
    if (!counts && !rests) return;
    const ms = this.#host.now() - this.#began;
    if (counts) this.served += ms / this.#weight;
    if (rests) this.#owe(ms);
  }

  /**
   * The clock jumped, perhaps.
   * @param {{ before: number, now: number, at: number, slept: number }} reading
   */
  missed({ before, now, at, slept }) {
    const counted = Math.max(0, now - Math.max(before, this.#restEnd));
    const ms = counted + slept;
    if (ms >= GAP_MS && this.#background && !this.#background.paused()) {
      this.onGap?.({ ms, at: at - ms, counted });
    }
  }

  /**
   * What throws here breaks this session and no other.
   * @template T
   * @param {(value: T) => void} action @param {T} value
   */
  guard(action, value) {
    try {
      action(value);
    } catch (error) {
      if (!this.onCrash) throw error;
      this.onCrash(error);
    }
  }

  /**
   * The background has computed for ms: it rests, once that is worth a timer.
   * @param {number} ms
   */
  #owe(ms) {
    if (ms < GAP_MS) this.#debt += ms * this.#restful;
    if (this.#debt < REST_MS || this.#resting) return;
    this.#resting = true;
    this.#restBegan = this.#host.now();
    this.#restEnd = this.#restBegan + this.#debt;
    this.#host.later(this.#debt, this.#rested);
  }

  #rested = () => {
    this.#restIsOver(this.#host.now());
    this.wake();
  };

  /** Ends a rest that has been long enough, timer or not. @param {number} now */
  endRest(now) {
    if (now >= this.#restEnd) this.#restIsOver(now);
  }

  /**
   * What the rest fell short of is still owed, and what it had too much is a credit.
   * @param {number} now
   */
  #restIsOver(now) {
    if (!this.#resting) return;
    this.#resting = false;
    this.#debt = Math.max(-MOST_CREDIT, this.#debt - (now - this.#restBegan));
  }

  /** @returns {Job | null} */
  #next() {
    const background = this.#background;
    const job = this.#lanes[0][0] ?? this.#lanes[1][0] ?? this.#lanes[2][0];
    return job && !background?.updating() ? job : background;
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
