/* data.js: x and y in every form that the contract allows, checked and described as one column of numbers.
 *
 * A column keeps the caller's array where it can and says what it becomes (float32, uint8 or int32); bytes
 * are made piece by piece with copyElements(). Forms, shapes and lengths are judged here; finiteness and the
 * range of class indices are C's to check, once the numbers are where it sees them. */

import { OffstageError, checkFields, oneOf, show } from './errors.js';

/** @typedef {'float32' | 'uint8' | 'int32'} DType */
/**
 * @typedef {object} Column
 * @property {DType} dtype
 * @property {ArrayLike<number>} source  elements in order; of a wider type where it has to be converted
 * @property {number} length             elements
 * @property {number} samples
 * @property {boolean} single            x: the shape is that of one sample, without an axis of samples
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
/**
 * @typedef {object} Read
 * @property {'uint8' | 'integer' | 'real' | 'numbers' | 'strings'} kind
 * @property {any} source
 * @property {number[] | null} shape  null: a flat array, whose length alone counts
 */

const DEEPEST = 8; // axes of nested arrays: six of a sample, one of samples, and one to be wrong by
export const ELEMENT_BYTES = Object.freeze({ float32: 4, uint8: 1, int32: 4 });

/**
 * @param {any} x
 * @param {DataFacts} facts
 * @returns {Column}
 */
export function readX(x, facts) {
  const read = readArray(x, 'x');
  const { inputs, inputShape } = facts;
  if (read.kind === 'strings') refuse(`x holds strings, expected numbers of shape [n, ${inputShape.join(', ')}]`);
  const { length } = read.source;
  const dtype = read.kind === 'uint8' ? 'uint8' : 'float32';
  const { shape } = read;
  if (shape === null || (shape.length === 1 && inputShape.length !== 1)) {
    if (length === 0 || length % inputs !== 0) {
      refuse(`x has ${length} elements, expected a multiple of ${inputs} (inputShape [${inputShape.join(', ')}])`);
    }
    return { dtype, source: read.source, length, samples: length / inputs, single: length === inputs };
  }
  const single = same(shape, inputShape);
  const many = same(shape.slice(1), inputShape) || (shape.length === 2 && shape[1] === inputs);
  if (!single && !many) {
    refuse(`x has shape [${shape.join(', ')}], expected [n, ${inputShape.join(', ')}] or, for one sample, ` +
      `[${inputShape.join(', ')}]`);
  }
  return { dtype, source: read.source, length, samples: single ? 1 : shape[0], single };
}

/**
 * @param {any} y
 * @param {DataFacts} facts
 * @param {number} samples  how many x has
 * @returns {Column}
 */
export function readY(y, facts, samples) {
  const read = readArray(y, 'y');
  if (read.kind === 'strings') read.source = namesToIndices(read.source, facts);
  const form = formOfY(read, facts, samples);
  const source = form === 'indices' ? toIndices(read.source, facts) : read.source;
  const dtype = form === 'indices' ? 'int32' : 'float32';
  return { dtype, source, length: source.length, samples, single: false };
}

/**
 * Class indices, or rows of outputs: told by kind and shape, never by the values.
 * @param {Read} read @param {DataFacts} facts @param {number} samples
 * @returns {'indices' | 'rows'}
 */
function formOfY({ kind, source, shape }, facts, samples) {
  const { outputs, outputShape, targets } = facts;
  const { length } = source;
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

/** @param {string[]} names @param {DataFacts} facts */
function namesToIndices(names, { labels, targets }) {
  if (!labels || targets === 0) {
    const why = labels ? 'takes rows of numbers' : 'has no labels';
    refuse(`y holds class names (${show(names[0])}), but the model ${why}`);
  }
  const index = new Map(labels.map((label, i) => [label, i]));
  return Int32Array.from(names, (name, i) => index.get(name) ??
    refuse(`y[${i}] is ${show(name)}, expected one of the labels ${oneOf(labels)}`));
}

/** @param {ArrayLike<number>} source @param {DataFacts} facts @returns {ArrayLike<number>} */
function toIndices(source, { classes, targets }) {
  if (source instanceof Int32Array) return source;
  const indices = new Int32Array(source.length);
  for (let i = 0; i < source.length; i++) {
    const value = source[i];
    indices[i] = value;
    if (indices[i] !== value) throw badIndex(i, value, classes, targets);
  }
  return indices;
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
 * Elements [begin, end) as their own typed array of the column's type.
 * @param {Column} column
 * @param {number} [begin]
 * @param {number} [end]
 * @returns {Float32Array | Uint8Array | Int32Array}
 */
export function copyElements(column, begin = 0, end = column.length) {
  const { source, dtype } = column;
  const Type = dtype === 'float32' ? Float32Array : dtype === 'uint8' ? Uint8Array : Int32Array;
  const part = new Type(end - begin);
  part.set(/** @type {any} */ (source).subarray(begin, end));
  return part;
}

/** @param {any} value @param {'x' | 'y'} name @returns {Read} */
function readArray(value, name) {
  if (value === undefined || value === null) refuse(`${name} is ${value === null ? 'null' : 'missing'}, expected data`);
  const kind = typedKind(value);
  if (kind) return { kind, source: plainTyped(value), shape: null };
  if (Array.isArray(value)) return readNested(value, name);
  if (typeof value === 'object' && 'inputs' in value) {
    throw new OffstageError('UNSUPPORTED', `${name} names several inputs, and models have one: expected an array`);
  }
  if (typeof value !== 'object' || !('data' in value || 'shape' in value)) {
    refuse(`${name} is ${show(value)}, expected a typed array, nested arrays of numbers, or { data, shape }`);
  }
  const { data, shape } = checkFields(value, ['data', 'shape'], name, 'INVALID_DATA');
  const ok = Array.isArray(shape) && shape.length > 0 && shape.every((size) => Number.isSafeInteger(size) && size > 0);
  if (!ok) refuse(`${name}.shape is ${show(shape)}, expected an array of positive integers`);
  const read = readArray(data, name);
  const product = shape.reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b, 1);
  if (read.shape !== null) refuse(`${name}.data is nested, expected a flat array beside a shape`);
  if (read.source.length !== product) {
    refuse(`${name}.data has ${read.source.length} elements, expected ${product} for shape [${shape.join(', ')}]`);
  }
  return { ...read, shape: shape.slice() };
}

/** @param {any} value @returns {'uint8' | 'integer' | 'real' | null} */
function typedKind(value) {
  if (!ArrayBuffer.isView(value) || value instanceof DataView) return null;
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (tag.startsWith('Uint8')) return 'uint8';
  return tag.startsWith('Float') ? 'real' : 'integer';
}

/** @param {any} typed  BigInt arrays become doubles, which say what is no index */
function plainTyped(typed) {
  return typeof typed[0] === 'bigint' ? Float64Array.from(typed, Number) : typed;
}

/** @param {any[]} value @param {string} name @returns {Read} */
function readNested(value, name) {
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
  const size = shape.reduce((a, b) => a * b, 1);
  const strings = typeof node === 'string';
  const source = strings ? [] : leaf === 'uint8' ? new Uint8Array(size)
    : name === 'x' ? new Float32Array(size) : new Float64Array(size);
  fillNested(source, { value, shape, leaf, strings, name });
  const kind = strings ? 'strings' : leaf ?? 'numbers';
  return { kind, source, shape: shape.length === 1 ? null : shape };
}

/**
 * @param {any} target
 * @param {{ value: any, shape: number[], leaf: string | null, strings: boolean, name: string }} what
 */
function fillNested(target, { value, shape, leaf, strings, name }) {
  const at = shape.map(() => 0);
  const path = (/** @type {number} */ depth) => name + at.slice(0, depth).map((i) => `[${i}]`).join('');
  const last = shape.length - 1;
  const wanted = strings ? 'string' : 'number';
  let next = 0;
  /** @param {any} node @param {number} depth */
  function fill(node, depth) {
    const kind = depth === last && leaf ? typedKind(node) : Array.isArray(node) ? null : 'none';
    if (kind !== (depth === last ? leaf : null)) {
      const array = depth === last && leaf ? 'a typed array like the first' : 'an array';
      refuse(`${path(depth)} is ${show(node)}, expected ${array} of ${shape[depth]}`);
    }
    if (node.length !== shape[depth]) {
      refuse(`${path(depth)} has length ${node.length}, expected ${shape[depth]} as the first has`);
    }
    for (let i = 0; i < shape[depth]; i++) {
      at[depth] = i;
      if (depth < last) fill(node[i], depth + 1);
      else {
        if (typeof node[i] !== wanted) refuse(`${path(depth + 1)} is ${show(node[i])}, expected a ${wanted}`);
        target[next++] = node[i];
      }
    }
  }
  fill(value, 0);
}

/** @param {number[]} a @param {number[]} b */
function same(a, b) {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** @param {string} message @returns {never} */
function refuse(message) {
  throw new OffstageError('INVALID_DATA', message);
}
