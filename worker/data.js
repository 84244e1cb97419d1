/* data.js: x and y in every form that the contract allows, checked and described as one column of numbers.
 *
 * A column tells type, length and samples at once, from the first elements alone, and reads the others piece by
 * piece, into any place: what is huge is never converted in one go, nor copied twice. Forms, shapes and lengths
 * are judged here; finiteness and the range of class indices are C's to check, once the numbers are where it
 * sees them. */

import { OffstageError, checkFields, elementsOf, oneOf, show } from './errors.js';

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
 * @property {(target: Piece, begin: number) => void} read  fills it with the elements from `begin` on, which `unit`
 *   divides as it does the target's length; INVALID_DATA where they are of another form than the first
 */
/**
 * What data is checked against; a part of MODEL_READY's payload.
 * @typedef {object} DataFacts
 * @property {number[]} inputShape
 * @property {number[]} outputShape
 * @property {number} inputs    elements of one sample
 * @property {number} outputs   elements of one prediction
 * @property {number} classes   0: no classifier
 * @property {number} targets   class indices a sample; 0: y has no integer form
 * @property {string[] | null} labels
 */
/** @typedef {Piece | Float64Array} Target */
/** @typedef {(element: any, position: number) => number} Convert  of what is no number */
/**
 * @typedef {object} Read
 * @property {'uint8' | 'integer' | 'real' | 'numbers' | 'strings'} kind
 * @property {number} length
 * @property {number[] | null} shape  null: a flat array, whose length alone counts
 * @property {any} typed
 * @property {number} unit
 * @property {any} first  element
 * @property {(target: Target, begin: number, convert?: Convert) => void} read
 */

const DEEPEST = 8; // axes of nested arrays: six of a sample, one of samples, and one to be wrong by
export const ELEMENT_BYTES = Object.freeze({ float32: 4, uint8: 1, int32: 4 });
const ARRAYS = { float32: Float32Array, uint8: Uint8Array, int32: Int32Array };

/**
 * @param {any} x
 * @param {DataFacts} facts
 * @returns {Column}
 */
export function readX(x, facts) {
  const { kind, length, shape, typed, unit, read } = readArray(x, 'x');
  const { inputs, inputShape } = facts;
  if (kind === 'strings') refuse(`x holds strings, expected numbers of shape [n, ${inputShape.join(', ')}]`);
  const dtype = kind === 'uint8' ? 'uint8' : 'float32';
  if (shape === null || (shape.length === 1 && inputShape.length !== 1)) {
    if (length === 0 || length % inputs !== 0) {
      refuse(`x has ${length} elements, expected a multiple of ${inputs} (inputShape [${inputShape.join(', ')}])`);
    }
    return { dtype, length, samples: length / inputs, single: length === inputs, typed, unit, read };
  }
  const single = same(shape, inputShape);
  const many = same(shape.slice(1), inputShape) || (shape.length === 2 && shape[1] === inputs);
  if (!single && !many) {
    refuse(`x has shape [${shape.join(', ')}], expected [n, ${inputShape.join(', ')}] or, for one sample, ` +
      `[${inputShape.join(', ')}]`);
  }
  return { dtype, length, samples: single ? 1 : shape[0], single, typed, unit, read };
}

/**
 * @param {any} y
 * @param {DataFacts} facts
 * @param {number} samples  how many x has
 * @returns {Column}
 */
export function readY(y, facts, samples) {
  const given = readArray(y, 'y');
  const { kind, length, typed, unit } = given;
  const convert = kind === 'strings' ? indexOfName(given.first, facts) : undefined;
  const indices = formOfY(given, facts, samples) === 'indices';
  const read = indices && !(typed instanceof Int32Array) ? readIndices(given, facts, convert) : given.read;
  return { dtype: indices ? 'int32' : 'float32', length, samples, single: false, typed, unit, read };
}

/**
 * Class indices, or rows of outputs: told by kind and shape, never by the values.
 * @param {Read} read @param {DataFacts} facts @param {number} samples
 * @returns {'indices' | 'rows'}
 */
function formOfY({ kind, length, shape }, facts, samples) {
  const { outputs, outputShape, targets } = facts;
  const rows = `rows of ${outputs} number${outputs === 1 ? '' : 's'}`;
  if (shape === null || shape.length === 1) {
    const indices = targets > 0 && kind !== 'real';
    if (indices && length === samples * targets) return 'indices';
    if (!indices && length === samples * outputs) return 'rows';
    const wanted = targets === 0
      ? `${samples * outputs} (${rows})`
      : indices ? `${samples * targets} class indices, or ${rows} as nested arrays or one flat Float32Array`
        : `${samples * outputs} (${rows}), or class indices as an integer typed array or number[]`;
    refuse(`y has ${length} elements for ${samples} samples, expected ${wanted}`);
  }
  const of = (/** @type {number[]} */ tail) => same(shape, [samples, ...tail]);
  if (targets > 0 && kind !== 'real' && of(outputShape.slice(0, -1))) return 'indices';
  if (kind !== 'strings' && (of(outputShape) || of([outputs]))) return 'rows';
  const wanted = targets === 0 ? '' : `, or class indices [${[samples, ...outputShape.slice(0, -1)].join(', ')}]`;
  refuse(`y has shape [${shape.join(', ')}] for ${samples} samples, ` +
    `expected [${[samples, ...outputShape].join(', ')}]${wanted}`);
}

/**
 * @param {string} first  name
 * @param {DataFacts} facts
 * @returns {Convert}
 */
function indexOfName(first, { labels, targets }) {
  if (!labels || targets === 0) {
    const why = labels ? 'takes rows of numbers' : 'has no labels';
    refuse(`y holds class names (${show(first)}), but the model ${why}`);
  }
  const index = new Map(labels.map((label, i) => [label, i]));
  return (name, position) => index.get(name) ??
    refuse(`y[${position}] is ${show(name)}, expected one of the labels ${oneOf(labels)}`);
}

/**
 * Class indices that lie in something else than an Int32Array.
 * @param {Read} given @param {DataFacts} facts @param {Convert} [convert]
 * @returns {Column['read']}
 */
function readIndices({ read }, { classes, targets }, convert) {
  return (target, begin) => {
    const values = new Float64Array(target.length);
    read(values, begin, convert);
    for (let i = 0; i < values.length; i++) {
      target[i] = values[i];
      if (target[i] !== values[i]) throw badIndex(begin + i, values[i], classes, targets);
    }
  };
}

/**
 * @param {number} element  position in y
 * @param {number} value
 * @param {number} classes
 * @param {number} targets
 */
export function badIndex(element, value, classes, targets) {
  const sample = Math.floor(element / targets);
  const where = targets > 1 ? `${sample}, position ${element % targets}` : `${sample}`;
  return new OffstageError('INVALID_DATA', `y: the class index of sample ${where} is ${value}, ` +
    `expected an integer from 0 to ${classes - 1}`);
}

/**
 * @param {'x' | 'y'} name
 * @param {number} element  position in the array
 * @param {number} value
 * @param {number} width    elements a sample
 */
export function badNumber(name, element, value, width) {
  return new OffstageError('INVALID_DATA', `${name} holds ${value} in sample ${Math.floor(element / width)}, ` +
    `element ${element % width}: expected finite numbers`);
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
  return { dtype: 'float32', length, samples: 1, single: true, typed, unit, read };
}

/** @param {any} value @param {string} name @returns {Read} */
function readArray(value, name) {
  if (value === undefined || value === null) refuse(`${name} is ${value === null ? 'null' : 'missing'}, expected data`);
  const plain = readPlain(value, name);
  if (plain) return plain;
  if (typeof value === 'object' && 'inputs' in value) {
    throw new OffstageError('UNSUPPORTED', `${name} names several inputs, and models have one: expected an array`);
  }
  if (typeof value !== 'object' || !('data' in value || 'shape' in value)) {
    refuse(`${name} is ${show(value)}, expected a typed array, nested arrays of numbers, or { data, shape }`);
  }
  const { data, shape: given } = checkFields(value, ['data', 'shape'], name, 'INVALID_DATA');
  const shape = Array.isArray(given) ? elementsOf(given) : [];
  const ok = shape.length > 0 && shape.length === given.length && shape.every((size) => Number.isSafeInteger(size) && size > 0);
  if (!ok) refuse(`${name}.shape is ${show(given)}, expected an array of positive integers`);
  const read = readPlain(data, name) ??
    refuse(`${name}.data is ${data === undefined ? 'missing' : show(data)}, expected a typed array or an array of numbers`);
  const product = shape.reduce((a, b) => a * b, 1);
  if (read.shape !== null) refuse(`${name}.data is nested, expected a flat array beside a shape`);
  if (read.length !== product) {
    refuse(`${name}.data has ${read.length} elements, expected ${product} for shape [${shape.join(', ')}]`);
  }
  return { ...read, shape };
}

/** @param {any} value @param {string} name @returns {Read | null}  null: neither a typed array nor lists */
function readPlain(value, name) {
  const kind = typedKind(value);
  if (kind) return readTyped(value, kind, name);
  return Array.isArray(value) ? readLists(value, name) : null;
}

/** @param {any} value @returns {'uint8' | 'integer' | 'real' | null} */
function typedKind(value) {
  if (!ArrayBuffer.isView(value) || value instanceof DataView) return null;
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (tag.startsWith('Uint8')) return 'uint8';
  return tag.startsWith('Float') ? 'real' : 'integer';
}

/** @param {any} typed @param {'uint8' | 'integer' | 'real'} kind @param {string} name @returns {Read} */
function readTyped(typed, kind, name) {
  const { length } = typed;
  const big = typeof typed[0] === 'bigint'; // these become doubles, which say what is no index
  return {
    kind, length, shape: null, typed: big ? undefined : typed, unit: 1, first: typed[0],
    read(target, begin) {
      if (typed.length !== length) refuse(`${name} has ${typed.length} elements, and had ${length} when it was given`);
      const part = typed.subarray(begin, begin + target.length);
      target.set(big ? Float64Array.from(part, Number) : part);
    },
  };
}

/** Nested arrays, or a flat one, whose shape the first elements tell. @param {any[]} value @param {string} name @returns {Read} */
function readLists(value, name) {
  /** @type {number[]} */
  const shape = [];
  let node = /** @type {any} */ (value);
  for (; Array.isArray(node) || typedKind(node); node = node[0]) {
    shape.push(node.length);
    if (node.length === 0) refuse(`${name}${'[0]'.repeat(shape.length - 1)} is empty`);
    if (shape.length > DEEPEST) refuse(`${name} is nested deeper than ${DEEPEST} arrays`);
    if (typedKind(node)) break;
  }
  const leaf = typedKind(node);
  const length = shape.reduce((a, b) => a * b, 1);
  const unit = length / shape[0];
  const lists = { value, shape, leaf, wanted: typeof node === 'string' ? 'string' : 'number', name };
  return {
    kind: typeof node === 'string' ? 'strings' : leaf ?? 'numbers',
    length, shape: shape.length === 1 ? null : shape, typed: undefined, unit, first: node,
    read: (target, begin, convert) => fill(target, lists, begin / unit, (begin + target.length) / unit, convert),
  };
}

/**
 * The elements of lists [from, to) of the first axis, in order.
 * @param {Target} target
 * @param {{ value: any, shape: number[], leaf: string | null, wanted: string, name: string }} lists
 * @param {number} from
 * @param {number} to
 * @param {Convert} [convert]
 */
function fill(target, { value, shape, leaf, wanted, name }, from, to, convert) {
  const at = shape.map(() => 0);
  const path = (/** @type {number} */ depth) => name + at.slice(0, depth).map((i) => `[${i}]`).join('');
  const last = shape.length - 1;
  const before = (from * shape.reduce((a, b) => a * b, 1)) / shape[0];
  let next = 0;
  /** @param {any} node @param {number} depth @param {number} begin @param {number} end */
  function walk(node, depth, begin, end) {
    const kind = depth === last && leaf ? typedKind(node) : Array.isArray(node) ? null : 'none';
    if (kind !== (depth === last ? leaf : null)) {
      const array = depth === last && leaf ? 'a typed array like the first' : 'an array';
      refuse(`${path(depth)} is ${show(node)}, expected ${array} of ${shape[depth]}`);
    }
    if (node.length !== shape[depth]) {
      refuse(`${path(depth)} has length ${node.length}, expected ${shape[depth]} as the first has`);
    }
    if (depth === last && typeof node[0] === 'number' && leaf) {
      target.set(node, next);
      next += node.length;
      return;
    }
    for (let i = begin; i < end; i++) {
      at[depth] = i;
      const element = node[i];
      if (depth < last) walk(element, depth + 1, 0, shape[depth + 1]);
      else if (typeof element !== wanted) refuse(`${path(depth + 1)} is ${show(element)}, expected a ${wanted}`);
      else {
        target[next] = convert ? convert(element, before + next) : element;
        next++;
      }
    }
  }
  walk(value, 0, from, to);
}

/** @param {number[]} a @param {number[]} b */
function same(a, b) {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** @param {string} message @returns {never} */
function refuse(message) {
  throw new OffstageError('INVALID_DATA', message);
}
