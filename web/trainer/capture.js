/* capture.js: takes what an app hands over as it is at that moment, whatever the app does with its
 * arrays afterwards.
 * Invariant: a captured source reads from the page's own copy alone, and holds nothing of the app's
 * once that is made. Up to AT_ONCE_BYTES are copied before capture() returns; the rest follows
 * slice by slice, between which the page has its turn, and is refused where what the app holds has
 * changed in the meantime, as far as some rows of each slice tell. A guarded source has no copy,
 * and is refused likewise. What the data mean is not known here. */
import { ARRAYS, ELEMENT_BYTES, copyElements, refuse } from '../../worker/data/columns.js';
import { createYield } from '../../worker/host/clock.js';
import { OffstageError } from '../../worker/host/errors.js';

/** @typedef {import('../../worker/data/columns.js').Column} Column */
/** @typedef {import('../../worker/data/columns.js').Piece} Piece */

export const SLICE_BYTES = 1024 * 1024;
/** Data up to this size go along in the request: cloning takes less than a further round trip. */
export const INLINE_BYTES = 256 * 1024;
/** Elements of lists are converted so many at a time: half a millisecond to two. */
export const LIST_ELEMENTS = 32 * 1024;
/**
 * Slices that are converted in one go, of a list, or of several inputs: what a session gets before
 * it answers.
 */
const CONVERTED_SLICES = 3;
/** Bytes that are copied in one go: some milliseconds, and less than a frame on a slow phone. */
export const AT_ONCE_BYTES = 8 * SLICE_BYTES;
/** Elements of a slice by which a change of it is seen: a few kilobytes of a megabyte. */
const LOOKED_AT = 1024;
/** Likewise of a slice of a list, whose elements take longer. */
const LOOKED_AT_OF_LIST = 64;

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
 * Says whether a column goes along in the request. One whose copy is made slice by slice does not:
 * its end may not be there yet.
 * @param {Column & { tellShape?: boolean, copy?: object }} column
 */
export const isSmall = (column) =>
  column.tellShape ||
  (!column.copy &&
    bytesOf(column) <= INLINE_BYTES &&
    (isTyped(column) || column.length <= LIST_ELEMENTS));

/** @type {ReturnType<typeof createYield> | undefined} */
let later;
/** Gives the page its turn. @returns {Promise<void>} */
export const turn = () => new Promise((resolve) => (later ??= createYield())(resolve));

/** Some rows of slices of a column, as they were when it was handed over. */
class Guard {
  #source;
  #step;
  /** Elements that are looked at in a slice: whole rows. */
  #count;
  /** By where their slice begins. @type {Map<number, Piece>} */
  #looked = new Map();
  /** Of the app's own arrays: a detached one has none. @type {number[]} */
  #lengths;

  /** @param {Column & Captured} source @param {number} [from] a slice's beginning */
  constructor(source, from = 0) {
    const { given, length, unit } = (this.#source = source);
    const step = (this.#step = stepOf(source));
    this.#lengths = given.map(({ byteLength }) => byteLength);
    const most = isTyped(source) ? LOOKED_AT : LOOKED_AT_OF_LIST;
    this.#count = unit * Math.max(1, Math.floor(most / unit));
    const slices = Math.ceil((length - from) / step);
    /* As much as one slice has in all, lest large rows were read in one go; the last ones first,
     * which are read last. */
    const every = step * Math.max(1, Math.ceil((slices * this.#count) / step));
    for (let begin = from + (slices - 1) * step; begin >= from; begin -= every) {
      this.#looked.set(begin, this.#read(begin));
    }
  }

  /** Rows from the middle of a slice. @param {number} begin */
  #read(begin) {
    const { length, unit } = this.#source;
    const rows = Math.min(this.#step, length - begin) / unit;
    const count = Math.min(this.#count / unit, rows);
    return copyElements(this.#source, begin + unit * Math.floor((rows - count) / 2), unit * count);
  }

  /** Refuses slices that have changed. @param {number} begin @param {number} end */
  check(begin, end) {
    for (let at = begin; at < end; at += this.#step) {
      if (!this.#isSame(at)) refuseChanged(this.#source);
    }
  }

  /** @param {number} begin of a slice */
  #isSame(begin) {
    const { given } = this.#source;
    if (given.some(({ byteLength }, i) => byteLength !== this.#lengths[i])) return false;
    const looked = this.#looked.get(begin);
    if (!looked) return true;
    try {
      return this.#read(begin).every((value, i) => Object.is(value, looked[i]));
    } catch {
      return false; // its form has changed
    }
  }
}

/** @param {Column & Captured} source @returns {never} */
const refuseChanged = ({ name, length }) =>
  refuse(
    `${name} changed after it was handed over, before all of its ${length} elements were read: ` +
      'leave it as it is until the answer, or the first progress, is here, or give a copy of it',
  );

/** Ends the copying of what nobody waits for. */
const NOT_WANTED = new Error('the copy is not wanted any more');

/** @param {Column & Captured} source @returns {Piece} */
function roomFor(source) {
  try {
    return new ARRAYS[source.dtype](source.length);
  } catch (cause) {
    throw new OffstageError(
      'OUT_OF_MEMORY',
      `${source.name}: the page gets no ${bytesOf(source)} bytes for a copy of it: ` +
        'transfer: true, or in fit keep: false, makes none',
      { cause },
    );
  }
}

/** The page's own copy of a column, as far as it is made. */
class Copy {
  /** @type {Piece} */
  own;
  /** Elements that are copied. */
  #done = 0;
  /** Why the rest is not copied. @type {unknown} */
  #error;

  /** @param {Column & Captured} source */
  constructor(source) {
    this.own = roomFor(source);
  }

  /** @param {Column} source @param {Guard} [guard] */
  #slice(source, guard) {
    const begin = this.#done;
    const end = Math.min(source.length, begin + stepOf(source));
    guard?.check(begin, end);
    source.read(this.own.subarray(begin, end), begin);
    this.#done = end;
  }

  /**
   * Copies in one go, up to so many bytes.
   * @param {Column} source @param {number} most @returns {number} bytes copied
   */
  begin(source, most) {
    const { length, dtype } = source;
    const step = stepOf(source);
    const one = isTyped(source) && !source.parts;
    const end = one ? most / ELEMENT_BYTES[dtype] : CONVERTED_SLICES * step;
    while (this.#done < length && this.#done + step <= end) this.#slice(source);
    return this.#done * ELEMENT_BYTES[dtype];
  }

  /** Copies the rest, slice by slice. @param {Column & Captured} source */
  async finish(source) {
    if (this.#done === source.length) return;
    try {
      const guard = new Guard(source, this.#done);
      while (this.#done < source.length) {
        await turn();
        if (this.#error) return;
        this.#slice(source, guard);
      }
    } catch (error) {
      this.#error = error;
    }
  }

  /** Leaves the rest uncopied. */
  cancel() {
    this.#error ??= NOT_WANTED;
  }

  /** Waits until elements up to `end` are copied. @param {number} end */
  async until(end) {
    while (this.#done < end) {
      if (this.#error) throw this.#error;
      await turn();
    }
  }
}

/**
 * A column that an app has handed over.
 * @typedef {object} Captured
 * @property {string} name for refusals
 * @property {ArrayBufferView[]} given its own typed arrays, as far as they are still read
 * @property {boolean} [tellShape] with the data, whose length does not say it: they go along in the
 *   request, whatever their size
 * @property {Copy} [copy] which it reads, as far as that is made
 * @property {Guard} [guard] of what is read where the app has it
 */

/**
 * @template {object} T
 * @param {(T & Column & Captured)[]} sources
 * @param {{ keep?: boolean, transfer?: boolean }} [options] keep: false: what is large is not
 *   copied, but guarded; transfer: so are arrays of any size, which are detached once they are read
 * @returns {(T & Column & Captured)[]}
 */
export function capture(sources, { keep = true, transfer = false } = {}) {
  let left = AT_ONCE_BYTES;
  return sources.map((source) => {
    if (transfer && source.given.length > 0) return { ...source, guard: new Guard(source) };
    if (isSmall(source)) return copyOfSmall(source);
    if (!keep) return { ...source, guard: new Guard(source) };
    const copy = new Copy(source);
    left -= copy.begin(source, left);
    copy.finish(source);
    return { ...source, ...reading(copy.own), parts: undefined, given: [], copy };
  });
}

/** Nobody waits for what was captured any more. @param {readonly { copy?: Copy }[]} sources */
export function release(sources) {
  for (const { copy } of sources) copy?.cancel();
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
