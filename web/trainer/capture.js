/* capture.js: takes what an app hands over as it is at that moment, whatever the app does with its
 * arrays afterwards.
 * Invariant: a captured source reads from the page's own copy alone. Up to AT_ONCE_BYTES are copied
 * before capture() returns; the rest follows slice by slice, between which the page has its turn,
 * and is refused where what the app holds has changed in the meantime, as far as one row of each
 * slice tells. A guarded source has no copy, and is refused likewise. What the data mean is not
 * known here. */
import { ARRAYS, ELEMENT_BYTES, copyElements, refuse } from '../../worker/data/columns.js';
import { createYield } from '../../worker/host/clock.js';

/** @typedef {import('../../worker/data/columns.js').Column} Column */
/** @typedef {import('../../worker/data/columns.js').Piece} Piece */

export const SLICE_BYTES = 1024 * 1024;
/** Data up to this size go along in the request: cloning takes less than a further round trip. */
export const INLINE_BYTES = 256 * 1024;
/** Elements of lists are converted so many at a time: half a millisecond to two. */
export const LIST_ELEMENTS = 32 * 1024;
/** Slices of a list that are converted in one go: what a session gets before it answers. */
const LIST_SLICES = 3;
/** Bytes that are copied in one go: some milliseconds, and less than a frame on a slow phone. */
const AT_ONCE_BYTES = 16 * SLICE_BYTES;

/** @param {Column} column */
const isTyped = ({ typed, parts }) =>
  parts ? parts.every(({ column }) => column.typed) : typed !== undefined;

/** @param {Column} column @returns {number} elements of one slice */
export function stepOf(column) {
  const most = isTyped(column) ? SLICE_BYTES / ELEMENT_BYTES[column.dtype] : LIST_ELEMENTS;
  return column.unit * Math.max(1, Math.floor(most / column.unit));
}

/** @param {Column} column @returns {number} */
export const bytesOf = ({ length, dtype }) => length * ELEMENT_BYTES[dtype];

/**
 * Says whether a column goes along in the request.
 * @param {Column & { tellShape?: boolean }} column
 */
export const isSmall = (column) =>
  column.tellShape ||
  (bytesOf(column) <= INLINE_BYTES && (isTyped(column) || column.length <= LIST_ELEMENTS));

/** @type {ReturnType<typeof createYield> | undefined} */
let later;
/** Gives the page its turn. @returns {Promise<void>} */
export const turn = () => new Promise((resolve) => (later ??= createYield())(resolve));

/** Slices of a column, as they were when it was handed over: one row of each tells. */
class Guard {
  #column;
  #name;
  #step;
  /** @type {Piece[]} */
  #rows = [];
  #given;
  /** Their lengths: a detached one has none. @type {number[]} */
  #lengths;

  /** @param {Column} column @param {number} from @param {Given} given @param {string} name */
  constructor(column, from, given, name) {
    this.#column = column;
    this.#name = name;
    this.#given = given;
    this.#lengths = given.map(({ byteLength }) => byteLength);
    const step = (this.#step = stepOf(column));
    for (let begin = from; begin < column.length; begin += step) {
      this.#rows[begin / step] = this.#read(begin);
    }
  }

  /** A row from the middle of a slice. @param {number} begin */
  #read(begin) {
    const { length, unit } = this.#column;
    const count = Math.min(this.#step, length - begin);
    const at = begin + unit * Math.floor(count / unit / 2);
    return copyElements(this.#column, Math.min(at, length - unit), unit);
  }

  /** Refuses a slice that has changed. @param {number} begin */
  check(begin) {
    const row = this.#rows[begin / this.#step];
    if (!row) return;
    const same =
      this.#given.every(({ byteLength }, i) => byteLength === this.#lengths[i]) &&
      this.#read(begin).every((value, i) => Object.is(value, row[i]));
    if (same) return;
    refuse(
      `${this.#name} changed after it was handed over, before all of its ` +
        `${this.#column.length} elements were read: ` +
        'leave it as it is until training has begun, or hand it over (transfer: true)',
    );
  }
}

/** The page's own copy of a column, as far as it is made. */
class Copy {
  /** @type {Piece} */
  own;
  /** Elements that are copied. */
  #done = 0;
  #column;
  /** @type {Guard | undefined} */
  #guard;
  /** Why the rest cannot be copied. @type {unknown} */
  #error;

  /** @param {Column} column */
  constructor(column) {
    this.#column = column;
    this.own = new ARRAYS[column.dtype](column.length);
  }

  #slice() {
    const { length, read } = this.#column;
    const begin = this.#done;
    this.#guard?.check(begin);
    const end = Math.min(length, begin + stepOf(this.#column));
    read(this.own.subarray(begin, end), begin);
    this.#done = end;
  }

  /** Copies in one go, up to so many bytes. @param {number} most @returns {number} bytes copied */
  begin(most) {
    const { length, dtype } = this.#column;
    const step = stepOf(this.#column);
    const end = isTyped(this.#column) ? most / ELEMENT_BYTES[dtype] : LIST_SLICES * step;
    while (this.#done < length && this.#done + step <= end) this.#slice();
    return this.#done * ELEMENT_BYTES[dtype];
  }

  /** Copies the rest, slice by slice. @param {Given} given @param {string} name */
  async finish(given, name) {
    const { length } = this.#column;
    if (this.#done === length) return;
    try {
      this.#guard = new Guard(this.#column, this.#done, given, name);
      while (this.#done < length) {
        await turn();
        this.#slice();
      }
    } catch (error) {
      this.#error = error;
    }
    this.#guard = undefined;
  }

  /** Waits until elements up to `end` are copied. @param {number} end */
  async until(end) {
    while (this.#done < end) {
      if (this.#error) throw this.#error;
      await turn();
    }
  }

  /** Whether elements up to `end` are copied. @param {number} end */
  has(end) {
    return this.#done >= end;
  }
}

/** @typedef {ArrayBufferView[]} Given the app's own typed arrays */
/**
 * A column that an app has handed over.
 * @typedef {object} Captured
 * @property {Given} given its own arrays, as far as they are still read
 * @property {boolean} [tellShape] with the data, whose length does not say it: they go along in the
 *   request, whatever their size
 * @property {Copy} [copy] which it reads, as far as that is made
 * @property {Guard} [guard] of what is read where the app has it
 */

/**
 * @template {object} T
 * @param {(T & Column & Captured)[]} sources
 * @param {{ names: readonly string[], keep?: boolean }} options names: of the sources, for
 *   refusals; keep: false: what is large is not copied, but guarded
 * @returns {(T & Column & Captured)[]}
 */
export function capture(sources, { names, keep = true }) {
  let left = AT_ONCE_BYTES;
  return sources.map((source, i) => {
    if (isSmall(source)) return copyOfSmall(source);
    if (!keep) return { ...source, guard: new Guard(source, 0, source.given, names[i]) };
    const copy = new Copy(source);
    left -= copy.begin(left);
    copy.finish(source.given, names[i]);
    return { ...source, ...reading(copy.own), parts: undefined, given: [], copy };
  });
}

/** @template {object} T @param {T & Column & Captured} source @returns {T & Column & Captured} */
function copyOfSmall(source) {
  const own = (/** @type {Column} */ column) => reading(copyElements(column, 0, column.length));
  const parts = source.parts?.map((part) => ({
    ...part,
    column: { ...part.column, ...own(part.column) },
  }));
  return { ...source, given: [], ...(parts ? { parts } : own(source)) };
}

/** Of a column that is one array. @param {Piece} typed */
const reading = (typed) => ({
  typed,
  read: (/** @type {Piece} */ target, /** @type {number} */ begin) =>
    target.set(typed.subarray(begin, begin + target.length)),
});
