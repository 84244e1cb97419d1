/* columns.js: x, y and weights of samples as columns of numbers, and those that come as one: typed
 * arrays.
 *
 * A column tells type, length and samples at once and reads its elements piece by piece, into any
 * place: what is huge is never converted in one go, nor copied twice. Several inputs, or outputs,
 * are one column too: a row of it has one behind the other. Other forms than typed arrays of the
 * right type and length, and refusals, are forms.js's, which a session that serves a page never
 * needs. */

import { OffstageError, arrayType, isRecord } from '../host/errors.js';

/** @typedef {'float32' | 'uint8' | 'int32'} DType */
/** @typedef {Float32Array | Uint8Array | Int32Array} Piece  of a column: an array of its type */
/**
 * @typedef {object} Column
 * @property {DType} dtype
 * @property {number} length             elements
 * @property {number} samples
 * @property {boolean} single x: the shape is that of one sample, without an axis of samples
 * @property {any} typed the caller's array, where it is one of numbers; else undefined
 * @property {number} unit               elements that are read together
 * @property {(target: Piece, begin: number) => void} read  as of Read
 * @property {number} indices y of several outputs: a bit for each that is given in class indices;
 *   else 0
 * @property {Part[]} [parts]            several inputs or outputs, of which it is made
 */
/** @typedef {{ name: string, column: Column, shape: number[] }} Part  shape: of a sample */
/**
 * What data is checked against; a part of MODEL_READY's payload.
 * @typedef {object} DataFacts
 * @property {InputFacts[]} inputs
 * @property {OutputFacts[]} outputs
 * @property {number} inputScale
 * @property {number} inputOffset
 */
/**
 * @typedef {object} InputFacts
 * @property {string} name      in the spec
 * @property {number[]} shape   of one sample
 * @property {number} size      elements of one sample
 * @property {number} below     an embedding reads it: indices from 0 to below this; 0: none does
 */
/**
 * @typedef {object} OutputFacts
 * @property {string} name      of its layer
 * @property {number[]} shape   of one prediction
 * @property {number} size      elements of one prediction
 * @property {number} classes   0: no classifier; 2 for one sigmoid unit
 * @property {number} targets   class indices a sample; 0: y has no integer form
 * @property {string[] | null} labels  class names, in the order of their indices
 * @property {any} [loss]       a name, or { type, ...options }
 */
export const ELEMENT_BYTES = Object.freeze({ float32: 4, uint8: 1, int32: 4 });
export const ARRAYS = { float32: Float32Array, uint8: Uint8Array, int32: Int32Array };

/** Elements of a row: of all inputs or outputs. @param {{ size: number }[]} list */
export const rowOf = (list) => list.reduce((sum, { size }) => sum + size, 0);

/**
 * Numbers of an output in a row of y.
 * @param {OutputFacts} output @param {boolean | number} indices
 */
const widthOf = ({ targets, size }, indices) => (indices ? targets : size);

/** Likewise of all outputs. @param {OutputFacts[]} outputs @param {number} indices */
export const widthsOf = (outputs, indices) =>
  outputs.map((output, k) => widthOf(output, (indices >> k) & 1));

/**
 * Columns of all inputs, which have as many samples, as one.
 * @param {Column[]} columns @param {DataFacts} facts @returns {Column}
 */
export function joinX(columns, { inputs, inputScale, inputOffset }) {
  if (columns.length === 1) return columns[0];
  const many = columns.find(({ single }) => !single);
  const dtype = columns.every((column) => column.dtype === 'uint8') ? 'uint8' : 'float32';
  const scale = Math.fround(inputScale);
  const offset = Math.fround(inputOffset);
  const scaled = (/** @type {number} */ value) => Math.fround(value * scale) + offset;
  const parts = inputs.map(({ name, shape, size, below }, k) => {
    /* As the core does with bytes. */
    const scales = dtype === 'float32' && columns[k].dtype === 'uint8' && !below;
    return { name, shape, size, column: columns[k], convert: scales ? scaled : null };
  });
  return interleave(dtype, (many ?? columns[0]).samples, !many, parts);
}

/**
 * Columns of all outputs as one.
 * @param {Column[]} columns
 * @param {OutputFacts[]} outputs
 * @returns {Column}
 */
export function joinY(columns, outputs) {
  if (columns.length === 1) return columns[0];
  const indices = columns.reduce(
    (bits, { dtype }, k) => (dtype === 'int32' ? bits | (1 << k) : bits),
    0,
  );
  const parts = outputs.map((output, k) => ({
    name: output.name,
    shape: output.shape,
    column: columns[k],
    convert: null,
    size: widthOf(output, columns[k].dtype === 'int32'),
  }));
  return { ...interleave('float32', columns[0].samples, false, parts), indices };
}

/**
 * Columns side by side, as one.
 * @param {DType} dtype @param {number} samples @param {boolean} single
 * @param {(Part & { size: number, convert: ((value: number) => number) | null })[]} parts
 * @returns {Column}
 */
function interleave(dtype, samples, single, parts) {
  const row = rowOf(parts);
  return {
    dtype,
    length: samples * row,
    samples,
    single,
    unit: row,
    parts,
    indices: 0,
    typed: undefined,
    read(target, begin) {
      const rows = target.length / row;
      let at = 0;
      for (const { column, size, convert } of parts) {
        const piece = copyElements(column, (begin / row) * size, rows * size);
        for (let i = 0; i < rows; i++) {
          for (let k = 0; k < size; k++) {
            target[i * row + at + k] = convert ? convert(piece[i * size + k]) : piece[i * size + k];
          }
        }
        at += size;
      }
    },
  };
}

/** The types of arrays that a column may be as it is. */
const DTYPES = /** @type {Record<string, DType>} */ ({
  Float32Array: 'float32',
  Uint8Array: 'uint8',
  Int32Array: 'int32',
});

/** @param {unknown} array @returns {DType | undefined} undefined: no array of these types */
export const dtypeOf = (array) => DTYPES[arrayType(array) ?? ''];

/**
 * x as typed arrays.
 * @param {any} x @param {DataFacts} facts
 * @returns {Column | null}  null: it has another form, or is wrong
 */
export function typedX(x, facts) {
  const { inputs } = facts;
  const given = partsOf(x, 'inputs', inputs);
  const columns = inputs.map((input, k) => typedInput(given?.[k], input));
  if (!areColumns(columns)) return null;
  const { samples } = columns.find(({ single }) => !single) ?? columns[0];
  return columns.every((column) => column.samples === samples) ? joinX(columns, facts) : null;
}

/**
 * y as typed arrays.
 * @param {any} y @param {DataFacts} facts @param {number} samples
 * @returns {Column | null}  null: it has another form, or is wrong
 */
export function typedY(y, { outputs }, samples) {
  const given = partsOf(y, 'outputs', outputs);
  const columns = outputs.map((output, k) => {
    const column = typedColumn(given?.[k]);
    const indices = column?.dtype === 'int32';
    if (!column || column.dtype === 'uint8' || (indices && output.targets === 0)) return null;
    return column.length === samples * widthOf(output, indices) ? { ...column, samples } : null;
  });
  return areColumns(columns) ? joinY(columns, outputs) : null;
}

/**
 * The samples' weights as a typed array.
 * @param {any} weights @param {number} samples
 * @returns {Column | null}  null: they have another form, or are wrong
 */
export function typedWeights(weights, samples) {
  const column = typedColumn(weights);
  return column?.dtype === 'float32' && column.length === samples ? { ...column, samples } : null;
}

/** @param {(Column | null)[]} columns @returns {columns is Column[]} */
const areColumns = (columns) => columns.every((column) => column !== null);

/**
 * What is given for each input or output by name, or for the only one.
 * @param {any} given @param {'inputs' | 'outputs'} key @param {{ name: string }[]} wanted
 * @returns {any[] | null}
 */
function partsOf(given, key, wanted) {
  if (!hasOnly(given, [key])) return wanted.length === 1 ? [given] : null;
  const names = wanted.map(({ name }) => name);
  return hasOnly(given[key], names) ? names.map((name) => given[key][name]) : null;
}

/**
 * @param {any} value @param {string[]} names
 * @returns {boolean} a plain object with these fields and no others
 */
function hasOnly(value, names) {
  if (!isRecord(value) || Object.keys(value).length !== names.length) return false;
  return names.every((name) => Object.hasOwn(value, name));
}

/**
 * An array, or `{ data, shape }` of samples.
 * @param {any} given @param {InputFacts} input @returns {Column | null}
 */
function typedInput(given, { shape, size }) {
  const told = hasOnly(given, ['data', 'shape']) ? given.shape : null;
  const column = typedColumn(told ? given.data : given);
  if (!column || column.dtype === 'int32') return null;
  if (column.length === 0 || column.length % size !== 0) return null;
  const samples = column.length / size;
  if (!told) return { ...column, samples, single: samples === 1 };
  const wanted = [samples, ...shape];
  const ranked = Array.isArray(told) && told.length === wanted.length;
  return ranked && wanted.every((n, i) => n === told[i]) ? { ...column, samples } : null;
}

/** @param {any} array @returns {Column | null} */
function typedColumn(array) {
  const dtype = dtypeOf(array);
  if (!dtype) return null;
  const typed = /** @type {Piece} */ (array);
  return {
    dtype,
    length: typed.length,
    samples: 1,
    single: false,
    typed,
    unit: 1,
    indices: 0,
    read: (target, begin) => target.set(typed.subarray(begin, begin + target.length)),
  };
}

/**
 * The bytes of one picture as a canvas gives it, four a pixel, where an input takes grey pictures
 * or such of three channels; 0 where it takes others.
 * @param {number[]} shape  of a sample
 */
export function rgbaBytes([rows, columns, channels = 1, ...rest]) {
  const picture = columns > 0 && rest.length === 0 && (channels === 1 || channels === 3);
  return picture ? 4 * rows * columns : 0;
}

/**
 * The share of what is not 0 that looks like pixels in red, green, blue and alpha: opaque, or
 * black; 0 where that cannot be told of so few of them, or of white ones.
 * @param {ArrayLike<number>} bytes @param {number} count  of them
 */
export function rgbaShare(bytes, count) {
  let [pixels, like, coloured] = [0, 0, 0];
  for (let i = 0; i < count; i += 4) {
    const colour = bytes[i] + bytes[i + 1] + bytes[i + 2];
    const alpha = bytes[i + 3];
    if (colour + alpha === 0) continue;
    pixels++;
    if (alpha === 255 || colour === 0) like++;
    if (alpha === 255 && colour < 765) coloured++;
  }
  return pixels >= 8 && coloured > 0 ? like / pixels : 0;
}

/**
 * @param {string} name
 * @param {number} element  position in the output's indices
 * @param {number} value
 * @param {OutputFacts} output
 */
export function badIndex(name, element, value, { classes, targets }) {
  const sample = Math.floor(element / targets);
  const where = targets > 1 ? `${sample}, position ${element % targets}` : `${sample}`;
  return new OffstageError(
    'INVALID_DATA',
    `${name}: the class index of sample ${where} is ${value}, ` +
      `expected an integer from 0 to ${classes - 1}`,
  );
}

/**
 * @param {string} name
 * @param {number} element  position in rows
 * @param {number} value
 * @param {{ name: string, size: number, below?: number }[]} list  what a row has
 * @param {'inputs' | 'outputs'} key
 * @param {string} [wanted]
 */
export function badNumber(name, element, value, list, key, wanted = 'finite numbers') {
  const row = rowOf(list);
  let at = element % row;
  let k = 0;
  while (at >= list[k].size) at -= list[k++].size;
  const below = list[k].below ?? 0;
  return new OffstageError(
    'INVALID_DATA',
    `${name}${list.length > 1 ? `.${key}.${list[k].name}` : ''} holds ${value} ` +
      `in sample ${Math.floor(element / row)}, element ${at}: ` +
      `expected ${below ? `an index from 0 to ${below - 1}, which an embedding reads` : wanted}`,
  );
}

/**
 * Elements from `begin` on as an array of the column's type.
 * @param {Column} column
 * @param {number} begin
 * @param {number} count
 * @param {{ buffer: ArrayBuffer, at: number }} [place] where to put them; else in a buffer of their
 *   own
 * @returns {Piece}
 */
export function copyElements({ dtype, read }, begin, count, place) {
  const Type = ARRAYS[dtype];
  const piece = place ? new Type(place.buffer, place.at, count) : new Type(count);
  read(piece, begin);
  return piece;
}

/** @param {string} message @returns {never} */
export function refuse(message) {
  throw new OffstageError('INVALID_DATA', message);
}
