/* events.js: tells by events what happens to a session and its owner, and keeps the log that goes
 * with them.
 * Invariant: every other event is an entry of the log too, so that the log alone tells the whole
 * story; the console is never written to. What happened before anyone listened waits for the first
 * listener of its type, the latest few hundred of each, where it is of interest later on. What
 * events mean, and how they read, is their owner's to know. */

import { OffstageError, meant, oneOf, show } from '../../worker/host/errors.js';

/** @typedef {'debug' | 'info' | 'warn' | 'error'} Level */
/** @typedef {(type: string, detail: any) => void} Emit */
/** @typedef {EventListenerOrEventListenerObject | null} AnyListener */
/**
 * @typedef {object} Kinds
 * @property {readonly string[]} waiting types that are of interest to who comes late; the others
 *   are over by then
 * @property {Record<string, (detail: any) => [Level, string]>} entries how events read in the log
 */

/**
 * Entries of a few hundred bytes: enough for what led to a failure, and nothing to speak of in
 * memory.
 */
const MOST_WAITING = 200;

/**
 * Refuses to listen to what never happens.
 * @param {unknown} type @param {readonly string[]} types
 */
export function checkType(type, types) {
  if (types.includes(/** @type {string} */ (type))) return;
  throw new OffstageError(
    'INVALID_OPTION',
    `addEventListener: type is ${show(type)}, ` +
      `expected one of ${oneOf(types)}${meant(type, types)}`,
  );
}

export class Events {
  /** Of all events. @type {readonly string[]} */
  types;
  /** @type {EventTarget | undefined} */
  #target;
  #debug;
  #entries;
  /** Details of the types that nobody has listened to. @type {Map<string, object[]>} */
  #waiting;

  /** @param {Kinds} kinds @param {boolean} debug whether entries of that level are kept */
  constructor({ waiting, entries }, debug) {
    this.types = [...Object.keys(entries), 'log'];
    this.#waiting = new Map(waiting.map((type) => [type, []]));
    this.#entries = entries;
    this.#debug = debug;
  }

  /** @param {EventTarget} target that dispatches from here on */
  attach(target) {
    this.#target = target;
  }

  /** @type {Emit} */
  emit = (type, detail) => {
    const entry = this.#entries[type]?.(detail);
    if (entry) this.log(...entry);
    this.#tell(type, detail);
    this.onEvent();
  };

  /** Set by who wants to know that something has happened. */
  onEvent = () => {};

  /**
   * Set by who knows what a jump of a session's clock means.
   * @type {(gap: { at: number, ms: number }) => void}
   */
  onGap = () => {};

  /** What a session tells unasked. @param {{ kind: string, [detail: string]: any }} notice */
  noticed({ kind, ...detail }) {
    if (kind === 'gap') this.onGap(/** @type {any} */ (detail));
    else if (kind === 'log') this.#tell(kind, detail);
    else this.emit(kind, detail);
  }

  /** @param {Level} level @param {string} message @param {number} [time] */
  log(level, message, time = Date.now()) {
    if (level !== 'debug' || this.#debug) this.#tell('log', { level, message, time });
  }

  /**
   * Somebody listens: what waited is told once whoever does so has gone on.
   * @param {string} type
   */
  listened(type) {
    queueMicrotask(() => {
      const details = this.#waiting.get(type) ?? [];
      this.#waiting.delete(type);
      for (const detail of details) this.#dispatch(type, detail);
    });
  }

  /** @param {string} type @param {object} detail */
  #tell(type, detail) {
    const waiting = this.#waiting.get(type);
    if (!waiting) return this.#dispatch(type, detail);
    waiting.push(detail);
    if (waiting.length > MOST_WAITING) waiting.shift();
  }

  /** @param {string} type @param {object} detail */
  #dispatch(type, detail) {
    this.#target?.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/**
 * An event target that dispatches such events.
 * @template {Record<string, any>} T their details by type
 */
export class EventsTarget extends EventTarget {
  #events;

  /** @param {Events} events */
  constructor(events) {
    super();
    this.#events = events;
    events.attach(this);
  }

  /**
   * An unknown type is INVALID_OPTION.
   * @template {keyof T & string} K
   * @param {K} type
   * @param {((event: CustomEvent<T[K]>) => void) | EventListenerObject | null} listener
   * @param {boolean | AddEventListenerOptions} [options]
   * @override
   */
  addEventListener(type, listener, options) {
    checkType(type, this.#events.types);
    super.addEventListener(type, /** @type {AnyListener} */ (listener), options);
    if (listener) this.#events.listened(type);
  }

  /**
   * @template {keyof T & string} K
   * @param {K} type
   * @param {((event: CustomEvent<T[K]>) => void) | EventListenerObject | null} listener
   * @param {boolean | EventListenerOptions} [options]
   * @override
   */
  removeEventListener(type, listener, options) {
    super.removeEventListener(type, /** @type {AnyListener} */ (listener), options);
  }
}
