/* page.js: hears what the browser does to a page that trains, and asks it for what training needs.
 * Invariant: a suspension is told once, whether by the page's own 'freeze' and 'resume', by the
 * session's clock or by both; nothing is held, and nobody is listened to, but while a run is on.
 * Whatever the platform lacks is done without: a lock that cannot be had is no failure, a screen
 * that cannot be kept awake is a warning. Knows no trainer. */

/** @typedef {import('./events.js').Events} Events */
/**
 * @typedef {{ addEventListener: EventTarget['addEventListener'], removeEventListener:
 *   EventTarget['removeEventListener'], visibilityState: string }} Page
 */
/** @typedef {{ released?: boolean, release: () => Promise<void> }} Sentinel */
/**
 * The part of a platform that is used, as far as it is there; tests hand in their own.
 * @typedef {object} Place
 * @property {Page} [document]
 * @property {{ locks?: LockManager, wakeLock?: { request: (type: 'screen') => Promise<Sentinel> }
 *   }} [navigator]
 */

/* Shared, so that tabs and trainers do not wait for each other: it is held for the browser to see.
 * Chromium does not freeze a page that holds a lock. */
const LOCK = 'offstage training';
/**
 * The page and its worker do not stop at the same moment: gaps that are this close, in ms, are one
 * suspension.
 */
const SLACK = 1000;

export class Lifecycle {
  #events;
  #place;
  #wall;
  #keepAwake;
  #on = false;
  /** When the page was frozen; null: it runs. @type {number | null} */
  #frozen = null;
  /** The suspension that was told last. */
  #told = { from: -Infinity, to: -Infinity };
  #release = () => {};
  /** @type {Sentinel | null} */
  #awake = null;
  #waking = false;

  /**
   * @param {Events} events
   * @param {boolean} keepAwake whether the screen is to stay on
   * @param {Place} [place]
   * @param {() => number} [wall] ms since 1970
   */
  constructor(events, keepAwake, place = /** @type {Place} */ (globalThis), wall = Date.now) {
    this.#events = events;
    this.#keepAwake = keepAwake;
    this.#place = place;
    this.#wall = wall;
    events.onGap = (gap) => this.#gap(gap);
  }

  /** Training is on, or not. @param {boolean} on */
  set(on) {
    if (on === this.#on) return;
    this.#on = on;
    const { document } = this.#place;
    const change = on ? 'addEventListener' : 'removeEventListener';
    document?.[change]('freeze', this.#freeze);
    document?.[change]('resume', this.#thaw);
    if (this.#keepAwake) document?.[change]('visibilitychange', this.#wake);
    if (on) {
      this.#lock();
      if (this.#keepAwake) this.#wake();
      return;
    }
    this.#thaw();
    this.#release();
    this.#awake?.release().catch(() => {});
    this.#awake = null;
  }

  /** The session's clock has jumped. @param {{ at: number, ms: number }} gap */
  #gap({ at, ms }) {
    if (this.#frozen !== null) return; // 'resume' is still to come, and tells it
    if (at <= this.#told.to + SLACK && at + ms >= this.#told.from - SLACK) return;
    this.#events.emit('suspended', { at, cause: 'gap' });
    this.#resumed(at, at + ms);
  }

  #freeze = () => {
    if (this.#frozen !== null) return;
    this.#frozen = this.#wall();
    this.#events.emit('suspended', { at: this.#frozen, cause: 'frozen' });
  };

  #thaw = () => {
    if (this.#frozen === null) return;
    const from = this.#frozen;
    this.#frozen = null;
    this.#resumed(from, Math.max(from, this.#wall()));
  };

  /** @param {number} from @param {number} to */
  #resumed(from, to) {
    this.#told = { from, to };
    this.#events.emit('resumed', { at: to, ms: to - from });
  }

  async #lock() {
    const { locks } = this.#place.navigator ?? {};
    if (!locks) return;
    const held = new Promise((resolve) => {
      this.#release = () => resolve(undefined);
    });
    try {
      await locks.request(LOCK, { mode: 'shared' }, () => held);
    } catch (error) {
      this.#events.log('debug', `no Web Lock: ${/** @type {Error} */ (error).message}`);
    }
  }

  /** Browsers take the screen's lock away from a page that is hidden, and give none to one. */
  #wake = async () => {
    const { document, navigator } = this.#place;
    const held = this.#awake && !this.#awake.released;
    if (held || this.#waking || document?.visibilityState === 'hidden') return;
    this.#waking = true;
    try {
      if (!navigator?.wakeLock) throw new Error('there is no navigator.wakeLock here');
      const sentinel = await navigator.wakeLock.request('screen');
      if (this.#on) this.#awake = sentinel;
      else await sentinel.release();
    } catch (error) {
      /* It is asked for again once the page is visible. */
      if (/** @type {string | undefined} */ (document?.visibilityState) === 'hidden') return;
      const message = `the screen cannot be kept awake: ${/** @type {Error} */ (error).message}`;
      this.#events.emit('warning', { code: 'KEEP_AWAKE_FAILED', message });
    } finally {
      this.#waking = false;
    }
  };
}
