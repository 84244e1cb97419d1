/* story.js: how a model came to its weights, as a text: the same story has the same bits in every place.
 *
 * What is told by the clock alone ends a story: whether a stopped run had begun its next epoch shows in the runs that
 * come after it. */

/** @type {Map<string, string>} */
const known = new Map();

/** @param {{ data: Float32Array }[]} weights */
export const bitsOf = (weights) => weights.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')).join();

export class Story {
  /** @type {string[] | null} null: it cannot be told */ #chapters;

  /** @param {string} model */
  constructor(model) {
    this.#chapters = [model];
  }

  /** @param {string} name of weights */
  set(name) {
    this.#chapters?.push(`set ${name}`);
  }

  /** A run begins. */
  began() {
    if (this.#chapters?.at(-1)?.startsWith('stopped')) this.#chapters = null;
  }

  /** What cannot be followed: the weights of somebody else, the end of the model. */
  lose() {
    this.#chapters = null;
  }

  /** A run ended. @param {any} op @param {{ reason: string, steps: number }} result */
  fit({ epochs, data, n, batch, shuffle, split }, { reason, steps }) {
    this.#chapters?.push(`${reason} ${reason === 'stopped' ? steps : epochs} ${data} ${n} ${batch} ${shuffle} ${split}`);
  }

  /** Throws where the bits are others than before. @param {any} weights @returns {'stories' | 'told'} the first of its kind, or not */
  compare(weights) {
    if (!this.#chapters) return 'stories';
    const key = this.#chapters.join(', ');
    const own = bitsOf(weights);
    const before = known.get(key);
    known.set(key, own);
    if (before !== undefined && before !== own) throw new Error(`other bits than before of: ${key}`);
    return before === undefined ? 'stories' : 'told';
  }
}
