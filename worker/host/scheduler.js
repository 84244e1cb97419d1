/* scheduler.js: whose turn it is on a thread: one scheduler drives the pumps of all its sessions.
 *
 * Time is given out in slices of a few milliseconds, between which the message queue has its turn.
 * What is due at a deadline goes first, then the sessions' jobs, lane by lane, then their
 * background work by priority, and in shares of the time by weight. A session whose jobs are ahead
 * of the least served one by BURST_MS has lost its right of way and shares like background work,
 * so that nobody who floods one session is noticed by another. The scheduler is the only reader of
 * the clock; where it jumped while work should have been done, the thread was suspended. What the
 * work is, and whose, is not known here. */

import { CHUNKS, GAP_MS, LANES, Pump, RANK } from './pump.js';

/** Slices' time without a turn of its own, after which background work takes one. */
const STARVED = 2;
/** How far jobs may take a session ahead of the least served one, in ms: ten slices. */
const BURST_MS = 20;
/** How far a session may be behind another: what it missed beyond that it does not get back. */
const MOST_LAG_MS = 1000;
/** Timers are no finer than this, and may be early by as much, in ms. */
const GRAIN_MS = 1;
/** Of a quotient of times: a tick is not late for it. */
const ROUNDING = 1e-9;

/**
 * A tick of every(): its count from 1 on, those left out included; when it was due and how much
 * later it came, in ms; and how many before it were left out because their time had passed.
 * @typedef {{ count: number, due: number, late: number, missed: number }} Tick
 */
/**
 * @typedef {object} Beat
 * @property {Pump} pump
 * @property {number} period  ms
 * @property {number} start   of the first period
 * @property {number} count   periods that are over
 * @property {(tick: Tick) => void} run
 */

export class Scheduler {
  /** The clock at its last reading. */ time = 0;
  /** Slices begun. */ slices = 0;
  /** The slice is over: whoever works yields. */ over = false;
  /** When it is over. */ end = 0;

  #host;
  /**
   * Those that have something to do: an idle session costs nothing.
   * @type {Pump[]}
   */
  #pumps = [];
  /** @type {Pump | null} Who worked last in this slice. */ #working = null;
  /** Who worked last in a slice before. @type {Pump | null} */ #worked = null;
  /** What the least served pump had when one was last chosen. */ #least = 0;
  /** @type {Beat[]} */ #beats = [];
  #alarm = Infinity;
  #fed = 0;
  /** The wall clock at its last reading, and the other one then. */ #wall = 0;
  #wallTime = 0;
  #running = false;
  #scheduled = false;

  /** @param {import('./clock.js').Host} host */
  constructor(host) {
    this.#host = host;
  }

  /**
   * Opens a session's pump.
   * @param {import('./pump.js').PumpOptions} [options]
   * @returns {Pump}
   */
  open(options) {
    return new Pump(this, this.#host, options);
  }

  /** A pump that had nothing to do has something. @param {Pump} pump */
  enlist(pump) {
    pump.served = Math.max(pump.served, this.#least);
    this.#pumps.push(pump);
  }

  /** Ends the ticks of a pump. @param {Pump} pump */
  stopBeats(pump) {
    this.#beats = this.#beats.filter((beat) => beat.pump !== pump);
  }

  /**
   * Calls `run` at a fixed rate, ahead of all other work, without drift: tick n is due n periods
   * after the call. A tick whose successor is due too is left out, and told of by the next.
   * @param {Pump} pump @param {number} hz  above 0 and up to 1000 @param {Beat['run']} run
   * @returns {() => void} ends it
   */
  every(pump, hz, run) {
    if (pump.closed) return () => {};
    const beat = { pump, period: 1000 / hz, start: this.#host.now(), count: 0, run };
    this.#beats.push(beat);
    this.#arm();
    return () => {
      this.#beats = this.#beats.filter((other) => other !== beat);
    };
  }

  /** Looks at both clocks where nothing should have run until now: of no gap. */
  beginAnew() {
    this.#fed = this.read(true);
  }

  /**
   * After a message: background work has its turn here where the queue does not let it. (Measured:
   * a Node worker whose client asks again as soon as it is answered runs no setImmediate at all.)
   * @param {number} sliceMs
   */
  breathe(sliceMs) {
    if (this.#running || !this.#isBusy()) return;
    const now = this.#host.now();
    // Such a queue may let no timer through either.
    for (const pump of this.#pumps) pump.endRest(now);
    this.#tick(now);
    if (now - this.#fed > STARVED * sliceMs && this.#choose(false)) this.#slice(false);
  }

  /** Something computes, or ticks, whatever messages come. */
  #isBusy() {
    if (this.#beats.length > 0) return true;
    for (const pump of this.#pumps) if (pump.computes) return true;
    return false;
  }

  /** Goes on in a later turn, if there is anything to do. */
  wake() {
    if (this.#scheduled || this.#running || !this.#choose(false)) return;
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

  /**
   * Reads the clock, and tells of the gap where it jumped.
   * @param {boolean} [wall]  the wall clock too: once a slice
   */
  read(wall = false) {
    const before = this.time;
    const now = this.#host.now();
    this.time = now;
    if (!wall && now - before < GAP_MS) return now;
    const at = this.#host.wall();
    const slept = Math.max(0, at - this.#wall - (now - this.#wallTime));
    this.#wall = at;
    this.#wallTime = now;
    for (const pump of this.#pumps) pump.missed({ before, now, at, slept });
    return now;
  }

  /** @param {boolean} jobsOnly */
  #slice(jobsOnly) {
    this.#running = true;
    this.over = false;
    this.slices++;
    const before = this.time;
    const began = this.read(true);
    this.#tick(began);
    let pump = this.#choose(jobsOnly);
    this.end = Math.min(began + ((pump?.sliceMs ?? 0) * (CHUNKS - 1)) / CHUNKS, this.#due());
    pump?.begin(began, pump === this.#worked ? began - before : 0);
    for (; pump && !this.over; pump = this.#choose(jobsOnly)) {
      if (this.#working && pump !== this.#working) {
        this.#leave();
        pump.begin(this.read());
      }
      this.#working = pump;
      pump.advance();
    }
    this.#running = false;
    if (!jobsOnly) this.#fed = this.#host.now();
    this.#leave();
    this.wake();
  }

  /** Who worked is through: its time is held against it where there are others. */
  #leave() {
    const worked = this.#working;
    this.#working = null;
    if (!worked) return;
    this.#worked = worked;
    const several = this.#pumps.length > 1;
    worked.leave(several);
    if (!several) return;
    const least = worked.served - MOST_LAG_MS;
    for (const pump of this.#pumps) if (pump.served < least) pump.served = least;
  }

  /**
   * Whose turn it is.
   * @param {boolean} jobsOnly  no background work, nor jobs that have no right of way
   * @returns {Pump | null}
   */
  #choose(jobsOnly) {
    this.#pumps = this.#pumps.every(isEngaged) ? this.#pumps : this.#pumps.filter(isEngaged);
    if (this.#pumps.length === 1) {
      const only = this.#pumps[0];
      const rank = only.rank();
      return rank < RANK.BACKGROUND || (rank === RANK.BACKGROUND && !jobsOnly) ? only : null;
    }
    const least = this.#leastServed();
    if (least < Infinity) this.#least = least;
    let best = null;
    /** @type {number} */ let bestRank = jobsOnly ? RANK.BACKGROUND : RANK.NONE;
    for (const pump of this.#pumps) {
      let rank = pump.rank();
      if (rank === RANK.NONE) continue;
      if (rank > LANES.CONTROL && pump.served - least > BURST_MS) rank = RANK.BACKGROUND;
      if (rank > bestRank || (rank === bestRank && !(best && comesBefore(pump, best)))) continue;
      best = pump;
      bestRank = rank;
    }
    return best;
  }

  /**
   * What the least served pump has had. Background work that others of a higher priority keep from
   * having a turn is not asked: no time that a job leaves would be its.
   */
  #leastServed() {
    let top = -Infinity;
    for (const pump of this.#pumps) {
      if (!pump.isReady(this.#least) || pump.rank() < RANK.BACKGROUND) continue;
      top = Math.max(top, pump.priority);
    }
    let least = Infinity;
    for (const pump of this.#pumps) {
      const rank = pump.rank();
      const asked = rank < RANK.BACKGROUND || (rank === RANK.BACKGROUND && pump.priority === top);
      if (asked) least = Math.min(least, pump.served);
    }
    return least;
  }

  /** When the next tick is due. */
  #due() {
    let due = Infinity;
    for (const { start, count, period } of this.#beats) {
      due = Math.min(due, start + (count + 1) * period);
    }
    return due;
  }

  /** Runs what is due. @param {number} now */
  #tick(now) {
    for (const beat of this.#beats) {
      if (!this.#beats.includes(beat)) continue; // one before it ended it
      const { pump, start, period } = beat;
      const over = Math.floor((now - start) / period + ROUNDING);
      const missed = over - beat.count - 1;
      if (missed < 0) continue;
      beat.count = over;
      const due = start + over * period;
      pump.guard(beat.run, { count: over, due, late: now - due, missed });
    }
  }

  /** Has a timer wake the thread for the next tick, for it may be idle. */
  #arm() {
    const due = this.#due();
    if (due >= this.#alarm) return;
    this.#alarm = due;
    this.#host.later(Math.max(GRAIN_MS, due - this.#host.now()), () => {
      if (this.#alarm === due) this.#alarm = Infinity;
      if (!this.#running) this.#tick(this.#host.now());
      this.#arm();
    });
  }
}

/** Keeps a pump among those that have something to do. @param {Pump} pump */
function isEngaged(pump) {
  if (pump.computes || pump.waiting) return true;
  pump.enlisted = false;
  return false;
}

/** Of two that may go first alike. @param {Pump} a @param {Pump} b */
function comesBefore(a, b) {
  return a.priority !== b.priority ? a.priority > b.priority : a.served < b.served;
}
