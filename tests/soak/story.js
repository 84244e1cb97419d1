/* story.js: how a model came to its weights, as a text: the same story has the same bits in every
 * place, and a run that was saved, loaded and resumed is the same chapter as one that was not
 * interrupted. */

/**
 * @typedef {{ data: string, n: number, epochs: number, batch: number, shuffle: boolean, split:
 *   number, done: number }} Last done: complete epochs
 */

/** What came of each. @type {Map<string, { bits: string, history: string | null }>} */
const known = new Map();

/** @param {{ data: Float32Array }[]} weights */
export const bitsOf = (weights) =>
  weights
    .map(({ data }) =>
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'),
    )
    .join();

/**
 * Whether two histories of the same steps may both be. A run that is stopped while it validates has
 * done all steps of an epoch that is not complete.
 * @param {string | null} a @param {string | null} b
 */
function agree(a, b) {
  if (a === null || b === null || a === b) return true;
  const [short, long] = [a, b]
    .map((text) => JSON.parse(text))
    .sort((one, other) => one.length - other.length);
  return (
    long.length === short.length + 1 &&
    'valLoss' in long[short.length] &&
    JSON.stringify(long.slice(0, -1)) === JSON.stringify(short)
  );
}

export class Story {
  /**
   * The run that can be resumed; undefined: one that is not known.
   * @type {Last | null | undefined}
   */
  last = null;
  /** @type {string[] | null} null: it cannot be told */ #chapters;
  /** The last chapter is the last run, and open to be gone on with. */ #open = false;
  /** Of the last run; null where it is not known. @type {string | null} */ #history = null;

  /** @param {string} model */
  constructor(model) {
    this.#chapters = [model];
  }

  /** @returns {Story} */
  copy() {
    return Object.assign(new Story(''), { last: this.last }).#take(this);
  }

  /** @param {Story} from */
  #take(from) {
    this.#chapters = from.#chapters && [...from.#chapters];
    this.#open = from.#open;
    this.#history = from.#history;
    return this;
  }

  /** @param {string} name of weights */
  set(name) {
    this.#chapters?.push(`set ${name}`);
    this.#open = false;
    this.last = null;
  }

  /** What cannot be followed: the weights of somebody else, the end of the model. */
  lose() {
    this.#chapters = null;
  }

  /** The last run was stopped, where it may have begun an epoch or not. */
  get isStopped() {
    return this.#chapters?.at(-1)?.startsWith('stopped') ?? false;
  }

  /**
   * A run ended, or is saved in its midst.
   * @param {any} op
   * @param {{ reason: string, steps: number, history: any[] }} result
   */
  fit(op, result) {
    this.last = { ...op, done: result.history.length };
    this.#tell(op, result);
  }

  /**
   * The last run was gone on with.
   * @param {any} op
   * @param {{ reason: string, steps: number, history: any[] }} result
   */
  resume({ data, n, epochs }, result) {
    const { last } = this;
    if (!last || !this.#open || last.data !== data || last.n !== n) {
      this.lose();
      this.last = undefined;
      return;
    }
    this.#chapters?.pop();
    this.last = { ...last, epochs: epochs ?? last.epochs, done: result.history.length };
    this.#tell(this.last, result);
  }

  /** @param {Last} op @param {{ reason: string, steps: number, history: any[] }} result */
  #tell({ epochs, data, n, batch, shuffle, split }, { reason, steps, history }) {
    this.#history = Array.isArray(history) ? JSON.stringify(history) : null;
    this.#chapters?.push(
      `${reason} ${reason === 'stopped' ? steps : epochs} ${data} ${n} ${batch} ${shuffle} ${split}`,
    );
    this.#open = true;
  }

  /**
   * Throws where the bits are others than before.
   * @param {any} weights
   * @returns {'stories' | 'told'} the first of its kind, or not
   */
  compare(weights) {
    if (!this.#chapters) return 'stories';
    const key = this.#chapters.join(', ');
    const own = { bits: bitsOf(weights), history: this.#history };
    const before = known.get(key);
    known.set(key, { ...own, history: own.history ?? before?.history ?? null });
    if (!before) return 'stories';
    if (before.bits !== own.bits) throw new Error(`other bits than before of: ${key}`);
    if (!agree(own.history, before.history))
      throw new Error(`another history than before of: ${key}:\n${own.history}\n${before.history}`);
    return 'told';
  }
}
