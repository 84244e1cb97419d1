/* status.js: what a trainer knows of itself without asking anybody: its stages, its traffic, its runs.
 * Invariant: everything here is told or measured on the page and read at once; a session that is replaced takes nothing
 * away from what was counted. Nothing depends on it. */

/** @typedef {import('../worker/status.js').Stage} Stage */
/** @typedef {import('../worker/protocol.js').RunRecord} RunRecord */
/** @typedef {Record<Stage, number>} Seconds */

/** @returns {Seconds} */
const none = () => ({ loading: 0, compiling: 0, training: 0, validating: 0, saving: 0 });

/** @param {Seconds} a @param {Seconds} b @returns {Seconds} */
const sum = (a, b) => /** @type {Seconds} */ (Object.fromEntries(
  Object.entries(a).map(([stage, seconds]) => [stage, seconds + b[/** @type {Stage} */ (stage)]])));

const total = (/** @type {Seconds} */ seconds) => Object.values(seconds).reduce((all, each) => all + each, 0);

/**
 * The stages of the sessions that a trainer has had, one after another, and of the page itself, which loads: a worker
 * until it is ready, and data.
 */
export class StageClock {
  #now;
  /** Of former sessions, and of the page itself. */ #past = none();
  /** As the session told it last. */ #told = none();
  /** @type {Stage | 'done'} */ #stage = 'done';
  /** What the session had told when the page began to load; null: it does not. @type {number | null} */ #loading = null;
  #since = 0;

  /** @param {() => number} [now] ms, monotonic */
  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /** The page begins to load. */
  load() {
    if (this.#loading === null) this.#since = this.#now();
    this.#loading ??= total(this.#told);
  }

  /** The session is gone; whoever replaces it counts from zero. */
  replaced() {
    this.loaded();
    this.#past = sum(this.#past, this.#told);
    this.#told = none();
    this.#stage = 'done';
  }

  /** @param {{ stage?: Stage | 'done', stageSeconds?: Seconds }} session what a message of it says */
  told({ stage, stageSeconds }) {
    if (!stage || !stageSeconds) return;
    this.#told = stageSeconds;
    this.loaded();
    this.#stage = stage;
    this.#since = this.#now();
  }

  /** The page has nothing more to load. What the session did meanwhile is the session's. */
  loaded() {
    if (this.#loading === null) return;
    const own = (this.#now() - this.#since) / 1000 - (total(this.#told) - this.#loading);
    this.#past.loading += Math.max(0, own);
    this.#loading = null;
    this.#since = this.#now();
  }

  /** @param {boolean} runs whether the session's stage goes on: it is neither paused nor gone */
  read(runs) {
    const stage = this.#loading === null ? this.#stage : 'loading';
    const stageSeconds = sum(this.#past, this.#told);
    if (stage !== 'done' && (runs || this.#loading !== null)) stageSeconds[stage] += (this.#now() - this.#since) / 1000;
    return { stage, stageSeconds };
  }
}

/** As deep as payloads are: { x: { data } }, { weights: [{ data }] }. */
const DEPTH = 4;

/**
 * Bytes of the arrays and buffers in a message. Lists of numbers are not walked: they count nothing.
 * @param {any} value
 * @returns {number}
 */
export function binaryBytes(value, depth = DEPTH) {
  if (typeof value !== 'object' || value === null || depth === 0) return 0;
  if (typeof value.byteLength === 'number') return value.byteLength;
  const parts = Array.isArray(value) ? (isPlain(value[0]) ? value : []) : isPlain(value) ? Object.values(value) : [];
  return parts.reduce((/** @type {number} */ bytes, /** @type {any} */ part) => bytes + binaryBytes(part, depth - 1), 0);
}

/** @param {unknown} value */
const isPlain = (value) => Object.prototype.toString.call(value) === '[object Object]';

/** Every run of a trainer's model, the one that is on included. */
export class Runs {
  /** @type {readonly RunRecord[]} */ #records = [];
  /** @type {RunRecord | null} */ #present = null;

  /** @param {readonly RunRecord[] | undefined} records of the model that there is from here on */
  reset(records) {
    this.#records = records ?? [];
    this.#present = null;
  }

  /** A run begins; one that is resumed is the latest that there is. @param {RunRecord['options']} options @param {boolean} resumes */
  begin({ epochs, batchSize, shuffle, validationSplit }, resumes, time = Date.now()) {
    const last = this.#records[this.#records.length - 1];
    const resumed = resumes ? last : undefined;
    this.#present = {
      id: resumed?.id ?? (last?.id ?? 0) + 1, startedAt: resumed?.startedAt ?? time, endedAt: null, reason: null,
      options: { epochs, batchSize, shuffle, validationSplit }, metrics: resumed?.metrics ?? null, steps: resumed?.steps ?? 0,
    };
  }

  /** @param {{ metrics: RunRecord['metrics'], steps: number }} so far */
  progress({ metrics, steps }) {
    if (this.#present) this.#present = { ...this.#present, metrics, steps };
  }

  /** @param {RunRecord | null} record the session's own; null: there was no run after all */
  end(record) {
    if (record) this.#records = [...this.#records.filter(({ id }) => id !== record.id), record];
    this.#present = null;
  }

  /** The session cannot tell how it ended. @param {string} reason */
  fail(reason, time = Date.now()) {
    if (this.#present) this.end({ ...this.#present, endedAt: time, reason });
  }

  /** Copies: what an app does with them is its own affair. @returns {RunRecord[]} */
  list() {
    const { id } = this.#present ?? {};
    const records = this.#records.filter((record) => record.id !== id);
    return structuredClone(this.#present ? [...records, this.#present] : records);
  }
}
