/* thread-count.js: how many threads compute, of those that may: as many as pay at the moment.
 *
 * Bits do not depend on the number, so it may change between any two steps. What a sample takes is
 * measured in windows of training time, in pairs: one with the present number, one with a rival. A
 * rival that is faster takes its place, and then the next rivals have their turn; where none is
 * faster there is a pause, each longer than the last, and never shorter than is worth what the
 * rivals have cost; a pace that has plainly changed ends it. What is found out holds for steps of
 * one kind, with batches of about one size, and for so many threads that may compute: others have a
 * search of their own, and each goes on where it stood. No clock is read here, and nothing is known
 * of threads. */

/** Several turns of a busy machine's scheduler, which gives its programs 3 or 4 ms at a time. */
const WINDOW_MS = 30;
/** Pairs of windows at most, of which the median decides. */
const PAIRS = 7;
/** Of a sample's time: what a rival saves at least, lest noise decides. */
const LEAST_GAIN = 0.03;
/** After k pairs it is clear where all of them tell a difference above this, over k. */
const CLEAR = 0.5;
const FIRST_PAUSE_MS = 1000;
const MOST_PAUSE_MS = 60_000;
/** A pause is so many times what was lost to rivals before it: 2.5 % are lost at most. */
const WORTH = 40;
/** Windows of which the median is the pace while nothing is tried. */
const STEADY = 5;
/** A pace that is so many times another one has plainly changed. */
const CHANGED = 1.3;
/** Numbers that are tried in turn, from one to the next: each about a third more. */
const RUNGS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];

export class ThreadCount {
  /** Threads that are to compute: all that may, until it is known better. */ count = Infinity;

  #mostOf;
  /** Threads that might compute when that was last asked. */ #most = 0;
  /** What the steps are: up to twice as many samples are about as many. */ #steps = 0;
  /** By threads that may compute, and steps. @type {Map<number, Search>} */ #searches = new Map();
  #search = new Search(Infinity);

  /** @param {() => number} mostOf  tells how many threads may compute, 1 or more */
  constructor(mostOf) {
    this.#mostOf = mostOf;
  }

  /**
   * Steps of a kind begin, with batches of so many samples.
   * @param {number} batch @param {number} [kind]  from 0 to 3
   * @returns {boolean} count may have changed
   */
  begin(batch, kind = 0) {
    const steps = 32 * kind + Math.clz32(batch);
    if (steps === this.#steps) return false;
    this.#steps = steps;
    if (this.#most === 0) return false;
    this.#choose();
    return true;
  }

  /**
   * A step is over.
   * @param {number} samples
   * @param {number} ms  that it took
   * @returns {boolean} count may have changed
   */
  stepTook(samples, ms) {
    if (!this.#search.stepTook(samples, ms)) return false;
    const most = this.#mostOf();
    this.#search.windowIsOver(most === this.#most);
    this.#most = most;
    this.#choose();
    return true;
  }

  /** Goes on with the search for the present setting. */
  #choose() {
    const key = 128 * this.#most + this.#steps;
    const search = this.#searches.get(key) ?? new Search(this.#most);
    this.#searches.set(key, search);
    this.#search = search;
    this.count = search.count;
  }
}

/** What is found out for steps that are about alike, where so many threads may compute. */
class Search {
  /** Threads that are to compute. */ count;

  #most;
  /** Of the present window. */ #samples = 0;
  #ms = 0;
  /** Rivals that have not had their turn. @type {number[]} */ #rivals = [];
  /** Of the present trial, at `#at` windows. */ #home = 0;
  #rival = 0;
  #at = 0;
  /** The first window's pace and length, of a pair. */ #first = 0;
  #firstMs = 0;
  /** A rival's time over that of its pair. @type {number[]} */ #ratios = [];
  /** Ms that each pair has lost. @type {number[]} */ #losses = [];
  /** Time lost to rivals since the last pause, in ms. */ #lost = 0;
  /** Rounds of rivals in a row of which none was faster. */ #rounds = 0;
  /** Of the present pause: what it may be cut short to, its length, and what of it is over. */
  #leastMs = 0;
  #pauseMs = 0;
  #pausedMs = 0;
  /** @type {number[]} */ #paces = [];
  #pace = 0;

  /** @param {number} most  threads that may compute */
  constructor(most) {
    this.count = this.#most = most;
    this.#beginRound();
  }

  /** @param {number} samples @param {number} ms @returns {boolean} a window is over */
  stepTook(samples, ms) {
    this.#samples += samples;
    this.#ms += ms;
    return this.#ms >= WINDOW_MS;
  }

  /** @param {boolean} counts  the window tells something: all of it had the same setting */
  windowIsOver(counts) {
    const ms = this.#ms;
    const pace = ms / this.#samples;
    this.#samples = this.#ms = 0;
    if (!counts) return;
    if (this.#rival) this.#compare(pace, ms);
    else this.#watch(pace, ms);
  }

  /** @param {number} [before]  the number that was there before, with which it was compared */
  #beginRound(before) {
    const { count } = this;
    const most = this.#most;
    const below = Math.max(1, ...RUNGS.filter((rung) => rung < count));
    const above = Math.min(most, ...RUNGS.filter((rung) => rung > count));
    const rivals = new Set([below, 1, above, most]);
    rivals.delete(count);
    if (before) rivals.delete(before);
    this.#rivals = [...rivals];
    this.#next();
  }

  /** The next rival has its turn, or there is a pause. */
  #next() {
    this.#home = this.count;
    this.#rival = this.#rivals.shift() ?? 0;
    this.#at = 0;
    this.#ratios = [];
    this.#losses = [];
    if (this.#rival) return;
    this.#leastMs = Math.max(FIRST_PAUSE_MS, WORTH * this.#lost);
    const ms = Math.min(FIRST_PAUSE_MS * 2 ** this.#rounds++, MOST_PAUSE_MS);
    this.#pauseMs = Math.max(ms, this.#leastMs);
    this.#lost = this.#pausedMs = this.#pace = 0;
    this.#paces = [];
  }

  /**
   * A window of a trial is over. Pairs are home and rival, rival and home, and so on.
   * @param {number} pace @param {number} ms
   */
  #compare(pace, ms) {
    const homeFirst = this.#at % 4 < 2;
    const second = this.#at++ % 2 === 1;
    this.count = this.#at % 4 === 1 || this.#at % 4 === 2 ? this.#rival : this.#home;
    if (!second) {
      this.#first = pace;
      this.#firstMs = ms;
      return;
    }
    const ratio = homeFirst ? pace / this.#first : this.#first / pace;
    this.#ratios.push(ratio);
    this.#losses.push((homeFirst ? ms : this.#firstMs) * Math.max(0, 1 - 1 / ratio));
    const faster = isFaster(this.#ratios);
    if (faster === null) return;
    this.#lost += this.#losses.length * median(this.#losses);
    this.count = faster ? this.#rival : this.#home;
    if (!faster) return this.#next();
    this.#rounds = 0;
    this.#beginRound(this.#home);
  }

  /**
   * A window of a pause is over.
   * @param {number} pace @param {number} ms
   */
  #watch(pace, ms) {
    this.#pausedMs += ms;
    this.#paces.push(pace);
    if (this.#paces.length === STEADY) {
      const present = median(this.#paces);
      this.#paces = [];
      this.#pace ||= present;
      if (Math.max(present / this.#pace, this.#pace / present) > CHANGED) {
        this.#pauseMs = this.#leastMs;
        this.#rounds = 0;
      }
    }
    if (this.#pausedMs >= this.#pauseMs) this.#beginRound();
  }
}

/**
 * @param {number[]} ratios  a rival's time over that of the number that is there
 * @returns {boolean | null} it is faster; null: more pairs are needed to tell
 */
function isFaster(ratios) {
  const clear = 1 + CLEAR / ratios.length;
  if (ratios.length > 1 && ratios.every((ratio) => ratio > clear)) return false;
  if (ratios.length > 1 && ratios.every((ratio) => ratio < 1 / clear)) return true;
  return ratios.length < PAIRS ? null : median(ratios) < 1 - LEAST_GAIN;
}

/** @param {number[]} values  @returns {number} the lower one of an even number */
function median(values) {
  return [...values].sort((a, b) => a - b)[(values.length - 1) >> 1];
}
