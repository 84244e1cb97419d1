/* samples.js: x and y in every form that the contract allows, checked and described as one column of numbers.
 *
 * A column tells type, length and samples at once, from the first elements alone, and reads the others piece by
 * piece, into any place: what is huge is never converted in one go, nor copied twice. Several inputs, or outputs, are
 * one column too: a row of it has one behind the other. Forms, shapes and lengths are judged here; finiteness and the
 * range of class indices once the numbers are where the core sees them. */

import { readArray, refuse, same, typedKind } from './arrays.js';
import { OffstageError, checkFields, oneOf, show } from '../host/errors.js';

/** @typedef {'float32' | 'uint8' | 'int32'} DType */
/** @typedef {Float32Array | Uint8Array | Int32Array} Piece  of a column: an array of its type */
/**
 * @typedef {object} Column
 * @property {DType} dtype
 * @property {number} length             elements
 * @property {number} samples
 * @property {boolean} single            x: the shape is that of one sample, without an axis of samples
 * @property {any} typed                 the caller's array, where it is one of numbers; else undefined
 * @property {number} unit               elements that are read together
 * @property {(target: Piece, begin: number) => void} read  as of Read
 * @property {number} indices            y of several outputs: a bit for each that is given in class indices; else 0
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
 * @property {string} name
 * @property {number[]} shape   of one sample
 * @property {number} size      elements of one sample
 * @property {number} below     an embedding reads it: indices from 0 to below this; 0: none does
 */
/**
 * @typedef {object} OutputFacts
 * @property {string} name
 * @property {number[]} shape
 * @property {number} size      elements of one prediction
 * @property {number} classes   0: no classifier; 2 for one sigmoid unit
 * @property {number} targets   class indices a sample; 0: y has no integer form
 * @property {string[] | null} labels
 */
/** @typedef {import('./arrays.js').Read} Read */
/** @typedef {import('./arrays.js').Convert} Convert */

export const ELEMENT_BYTES = Object.freeze({ float32: 4, uint8: 1, int32: 4 });
export const ARRAYS = { float32: Float32Array, uint8: Uint8Array, int32: Int32Array };

/** Elements of a row: of all inputs or outputs. @param {{ size: number }[]} list */
export const rowOf = (list) => list.reduce((sum, { size }) => sum + size, 0);

/** Numbers of an output in a row of y. @param {OutputFacts} output @param {boolean | number} indices */
const widthOf = ({ targets, size }, indices) => (indices ? targets : size);

/** Likewise of all outputs. @param {OutputFacts[]} outputs @param {number} indices */
export const widthsOf = (outputs, indices) => outputs.map((output, k) => widthOf(output, (indices >> k) & 1));

/**
 * @param {any} x
 * @param {DataFacts} facts
 * @returns {Column}
 */
export function readX(x, { inputs, inputScale, inputOffset }) {
  const given = namedParts(x, 'x', 'inputs', inputs);
  const columns = inputs.map((input, k) => readInput(given[k], input, inputs.length > 1 || given[k] !== x ? `x.inputs.${input.name}` : 'x'));
  if (columns.length === 1) return columns[0];
  const many = columns.findIndex(({ single }) => !single);
  const { samples } = columns[Math.max(0, many)];
  columns.forEach((column, k) => {
    if (column.samples !== samples) refuse(`x.inputs.${inputs[k].name} has ${column.samples} samples, expected ${samples} as x.inputs.${inputs[Math.max(0, many)].name} has`);
  });
  const dtype = columns.every((column) => column.dtype === 'uint8') ? 'uint8' : 'float32';
  const scale = Math.fround(inputScale);
  const offset = Math.fround(inputOffset);
  const scaled = (/** @type {number} */ value) => Math.fround(value * scale) + offset;
  return interleave(dtype, samples, many < 0, inputs.map(({ name, shape, size, below }, k) => ({
    name, shape, size, column: columns[k],
    convert: dtype === 'float32' && columns[k].dtype === 'uint8' && !below ? scaled : null, // as the core does with bytes
  })));
}

/**
 * @param {any} y
 * @param {DataFacts} facts
 * @param {number} samples  how many x has
 * @returns {Column}
 */
export function readY(y, { outputs }, samples) {
  const given = namedParts(y, 'y', 'outputs', outputs);
  const columns = outputs.map((output, k) => readOutput(given[k], output, samples, outputs.length > 1 || given[k] !== y ? `y.outputs.${output.name}` : 'y'));
  if (columns.length === 1) return columns[0];
  let indices = 0;
  columns.forEach((column, k) => (indices |= column.dtype === 'int32' ? 1 << k : 0));
  const parts = outputs.map((output, k) => ({
    name: output.name, shape: output.shape, column: columns[k], convert: null, size: widthOf(output, columns[k].dtype === 'int32'),
  }));
  return { ...interleave('float32', samples, false, parts), indices };
}

/**
 * What is given for each input or output: { inputs: { name: data } }, or the data of the only one.
 * @param {any} given @param {string} what @param {'inputs' | 'outputs'} key @param {{ name: string }[]} wanted
 * @returns {any[]}
 */
function namedParts(given, what, key, wanted) {
  const names = wanted.map(({ name }) => name);
  const named = given !== null && typeof given === 'object' && key in given;
  if (!named) return names.length === 1 ? [given] : refuse(`${what} is ${show(given)}, expected { ${key}: { ${names.join(', ')} } }`);
  const { [key]: parts } = checkFields(given, [key], what, 'INVALID_DATA');
  const checked = checkFields(parts, names, `${what}.${key}`, 'INVALID_DATA');
  return names.map((name) => (Object.hasOwn(checked, name) ? checked[name] : refuse(`${what}.${key}.${name} is missing, expected data`)));
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
    dtype, length: samples * row, samples, single, unit: row, parts, indices: 0, typed: undefined,
    read(target, begin) {
      const rows = target.length / row;
      let at = 0;
      for (const { column, size, convert } of parts) {
        const piece = copyElements(column, (begin / row) * size, rows * size);
        for (let i = 0; i < rows; i++) {
          for (let k = 0; k < size; k++) target[i * row + at + k] = convert ? convert(piece[i * size + k]) : piece[i * size + k];
        }
        at += size;
      }
    },
  };
}

/** @param {any} x @param {InputFacts} input @param {string} name @returns {Column} */
function readInput(x, { shape: one, size }, name) {
  const { kind, length, shape, typed, unit, read } = readArray(x, name);
  if (kind === 'strings') refuse(`${name} holds strings, expected numbers of shape [n, ${one.join(', ')}]`);
  const column = { dtype: /** @type {DType} */ (kind === 'uint8' ? 'uint8' : 'float32'), length, typed, unit, read, indices: 0 };
  if (shape === null || (shape.length === 1 && one.length !== 1)) {
    if (length === 0 || length % size !== 0) {
      refuse(`${name} has ${length} elements, expected a multiple of ${size} (inputShape [${one.join(', ')}])`);
    }
    return { ...column, samples: length / size, single: length === size };
  }
  const single = same(shape, one);
  const many = same(shape.slice(1), one) || (shape.length === 2 && shape[1] === size);
  if (!single && !many) {
    refuse(`${name} has shape [${shape.join(', ')}], expected [n, ${one.join(', ')}] or, for one sample, [${one.join(', ')}]`);
  }
  return { ...column, samples: single ? 1 : shape[0], single };
}

/** @param {any} y @param {OutputFacts} output @param {number} samples @param {string} name @returns {Column} */
function readOutput(y, output, samples, name) {
  const given = readArray(y, name);
  const { kind, length, typed, unit } = given;
  const convert = kind === 'strings' ? indexOfName(given.first, output, name) : undefined;
  const indices = formOfY(given, output, samples, name) === 'indices';
  const read = indices && !(typed instanceof Int32Array) ? readIndices(given, output, name, convert) : given.read;
  return { dtype: indices ? 'int32' : 'float32', length, samples, single: false, typed, unit, read, indices: 0 };
}

/**
 * Class indices, or rows of outputs: told by kind and shape, never by the values.
 * @param {Read} read @param {OutputFacts} output @param {number} samples @param {string} name
 * @returns {'indices' | 'rows'}
 */
function formOfY({ kind, length, shape }, { size, shape: one, targets }, samples, name) {
  const rows = `rows of ${size} number${size === 1 ? '' : 's'}`;
  if (shape === null || shape.length === 1) {
    const indices = targets > 0 && kind !== 'real';
    if (indices && length === samples * targets) return 'indices';
    if (!indices && length === samples * size) return 'rows';
    const wanted = targets === 0
      ? `${samples * size} (${rows})`
      : indices ? `${samples * targets} class indices, or ${rows} as nested arrays or one flat Float32Array`
        : `${samples * size} (${rows}), or class indices as an integer typed array or number[]`;
    refuse(`${name} has ${length} elements for ${samples} samples, expected ${wanted}`);
  }
  const of = (/** @type {number[]} */ tail) => same(shape, [samples, ...tail]);
  if (targets > 0 && kind !== 'real' && of(one.slice(0, -1))) return 'indices';
  if (kind !== 'strings' && (of(one) || of([size]))) return 'rows';
  const wanted = targets === 0 ? '' : `, or class indices [${[samples, ...one.slice(0, -1)].join(', ')}]`;
  refuse(`${name} has shape [${shape.join(', ')}] for ${samples} samples, expected [${[samples, ...one].join(', ')}]${wanted}`);
}

/**
 * @param {string} first  name
 * @param {OutputFacts} output
 * @param {string} name  of the data
 * @returns {Convert}
 */
function indexOfName(first, { labels, targets }, name) {
  if (!labels || targets === 0) {
    const why = labels ? 'takes rows of numbers' : 'has no labels';
    refuse(`${name} holds class names (${show(first)}), but the model ${why}`);
  }
  const index = new Map(labels.map((label, i) => [label, i]));
  return (label, position) => index.get(label) ??
    refuse(`${name}[${position}] is ${show(label)}, expected one of the labels ${oneOf(labels)}`);
}

/**
 * Class indices that lie in something else than an Int32Array.
 * @param {Read} given @param {OutputFacts} output @param {string} name @param {Convert} [convert]
 * @returns {Column['read']}
 */
function readIndices({ read }, output, name, convert) {
  return (target, begin) => {
    const values = new Float64Array(target.length);
    read(values, begin, convert);
    for (let i = 0; i < values.length; i++) {
      target[i] = values[i];
      if (target[i] !== values[i]) throw badIndex(name, begin + i, values[i], output);
    }
  };
}

/**
 * The samples' weights in the loss.
 * @param {any} given @param {number} samples
 * @returns {Column}
 */
export function readWeights(given, samples) {
  const { kind, length, shape, typed, unit, read } = readArray(given, 'sampleWeight');
  if (kind === 'strings' || length !== samples || (shape && shape[0] !== samples)) {
    refuse(`sampleWeight has ${kind === 'strings' ? 'strings' : `${length} elements`}, expected a number for each of ${samples} samples`);
  }
  return { dtype: 'float32', length, samples, single: false, typed, unit, read, indices: 0 };
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
  return new OffstageError('INVALID_DATA', `${name}: the class index of sample ${where} is ${value}, ` +
    `expected an integer from 0 to ${classes - 1}`);
}

/**
 * @param {string} name
 * @param {number} element  position in rows
 * @param {number} value
 * @param {{ name: string, size: number, below?: number }[]} list  what a row has
 * @param {'inputs' | 'outputs'} key
 */
export function badNumber(name, element, value, list, key) {
  const row = rowOf(list);
  let at = element % row;
  let k = 0;
  while (at >= list[k].size) at -= list[k++].size;
  const below = list[k].below ?? 0;
  return new OffstageError('INVALID_DATA', `${name}${list.length > 1 ? `.${key}.${list[k].name}` : ''} holds ${value} in sample ${
    Math.floor(element / row)}, element ${at}: expected ${below ? `an index from 0 to ${below - 1}, which an embedding reads` : 'finite numbers'}`);
}

/**
 * Elements from `begin` on as an array of the column's type.
 * @param {Column} column
 * @param {number} begin
 * @param {number} count
 * @param {{ buffer: ArrayBuffer, at: number }} [place]  where to put them; else in a buffer of their own
 * @returns {Piece}
 */
export function copyElements({ dtype, read }, begin, count, place) {
  const Type = ARRAYS[dtype];
  const piece = place ? new Type(place.buffer, place.at, count) : new Type(count);
  read(piece, begin);
  return piece;
}

/**
 * Numbers in one flat array.
 * @param {any} value
 * @param {string} name
 * @returns {Column | null}  of float32; null where it is something else
 */
export function readFlat(value, name) {
  const list = Array.isArray(value) && typeof value[0] === 'number';
  if (!list && !(typedKind(value) && typeof (value[0] ?? 0) === 'number')) return null;
  const { length, typed, unit, read } = readArray(value, name);
  return { dtype: 'float32', length, samples: 1, single: true, typed, unit, read, indices: 0 };
}
