/* events.js: what a trainer tells by events, and the log that goes with them.
 * Invariant: every other event is an entry of the log too, so that the log alone tells the whole story; the console is
 * never written to. What happened before anyone listened waits for the first listener of its type, the latest few
 * hundred of each, where it is of interest later on. What events mean is not known here. */

/** @typedef {'debug' | 'info' | 'warn' | 'error'} Level */
/**
 * The types of events and their details.
 * @typedef {object} TrainerEvents
 * @property {{ level: Level, message: string, time: number }} log time: ms since 1970
 * @property {{ code: string, message: string }} warning something was not done as asked; training goes on
 * @property {{ at: number, cause: 'frozen' | 'gap' }} suspended the browser or the machine stopped training, `at` ms
 *   since 1970. 'gap': told afterwards, when the clock had jumped
 * @property {{ at: number, ms: number }} resumed it goes on, after ms
 * @property {{ attempt: number, error: Error, step: number }} restart a lost worker is replaced; `step` it goes on from
 * @property {{ reason: string, error: Error }} fallback the main thread goes on
 * @property {{ threadId: number, mode: 'worker' | 'main', reason: string | null }} workerstart
 * @property {{ threadId: number, mode: 'worker' | 'main', reason: string | null }} workerstop
 * @property {{ step: number, bytes: number, ms: number, storage: string, reason: string | null }} persisted a
 *   checkpoint is on storage; `reason`: why not in a better place
 */
/**
 * @template {keyof TrainerEvents} T
 * @callback Emit
 * @param {T} type
 * @param {TrainerEvents[T]} detail
 * @returns {void}
 */

/** Entries of a few hundred bytes: enough for what led to a failure, and nothing to speak of in memory. */
const MOST_WAITING = 200;
/** Of interest to who comes late; what the others tell is over by then. */
const WAITING = ['log', 'warning', 'fallback', 'workerstart', 'workerstop'];

/** How each event reads in the log. @type {Record<string, (detail: any) => [Level, string]>} */
const ENTRIES = {
  warning: ({ code, message }) => ['warn', `${code}: ${message}`],
  suspended: ({ cause }) => ['info', `training is suspended (${cause})`],
  resumed: ({ ms }) => ['info', `training goes on after ${seconds(ms)}`],
  restart: ({ attempt, error, step }) => ['warn', `the worker is replaced at step ${step} (attempt ${attempt}): ${error?.message}`],
  fallback: ({ reason }) => ['warn', `the main thread goes on: ${reason}`],
  workerstart: ({ threadId, mode }) => ['info', `started: ${mode}, thread ${threadId}`],
  workerstop: ({ threadId, mode, reason }) => ['info', `ended: ${mode}, thread ${threadId}${reason ? `: ${reason}` : ''}`],
  persisted: ({ step, bytes, ms, storage }) => ['debug', `step ${step} is on storage (${storage}): ${bytes} bytes in ${seconds(ms)}`],
};

const seconds = (/** @type {number} */ ms) => `${(ms / 1000).toFixed(3)} s`;

export class Events {
  /** @type {EventTarget | undefined} */
  #target;
  #debug;
  /** What waits, of the types that nobody has listened to. @type {Map<string, object[]>} */
  #waiting = new Map(WAITING.map((type) => [type, []]));

  /** @param {boolean} debug whether entries of that level are kept */
  constructor(debug) {
    this.#debug = debug;
  }

  /** @param {EventTarget} target that dispatches from here on */
  attach(target) {
    this.#target = target;
  }

  /** @type {Emit<any>} */
  emit = (type, detail) => {
    const entry = ENTRIES[type]?.(detail);
    if (entry) this.log(...entry);
    this.#tell(type, detail);
  };

  /** Set by who knows what a jump of the session's clock means. @type {(gap: { at: number, ms: number }) => void} */
  onGap = () => {};

  /** What a session tells unasked. @param {import('../../worker/protocol.js').Notice} notice */
  noticed({ kind, ...detail }) {
    if (kind === 'gap') this.onGap(/** @type {any} */ (detail));
    else if (kind === 'log') this.#tell(kind, detail);
    else this.emit(kind, detail);
  }

  /** @param {Level} level @param {string} message @param {number} [time] */
  log(level, message, time = Date.now()) {
    if (level !== 'debug' || this.#debug) this.#tell('log', { level, message, time });
  }

  /** Somebody listens: what waited is told once whoever does so has gone on. @param {string} type */
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

/** An event target whose events are a trainer's. */
export class TrainerTarget extends EventTarget {
  #events;

  /** @param {Events} events */
  constructor(events) {
    super();
    this.#events = events;
    events.attach(this);
  }

  /**
   * @template {keyof TrainerEvents} T
   * @param {T} type
   * @param {((event: CustomEvent<TrainerEvents[T]>) => void) | EventListenerObject | null} listener
   * @param {boolean | AddEventListenerOptions} [options]
   * @override
   */
  addEventListener(type, listener, options) {
    super.addEventListener(type, /** @type {EventListenerOrEventListenerObject | null} */ (listener), options);
    if (listener) this.#events.listened(type);
  }

  /**
   * @template {keyof TrainerEvents} T
   * @param {T} type
   * @param {((event: CustomEvent<TrainerEvents[T]>) => void) | EventListenerObject | null} listener
   * @param {boolean | EventListenerOptions} [options]
   * @override
   */
  removeEventListener(type, listener, options) {
    super.removeEventListener(type, /** @type {EventListenerOrEventListenerObject | null} */ (listener), options);
  }
}
