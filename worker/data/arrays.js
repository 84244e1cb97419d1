/* arrays.js: arrays of numbers, or of names, in every form that the contract allows, read piece by
 * piece.
 *
 * The first elements tell the form and the shape; the others are held against them when they are
 * read, so what is huge is never walked through in one go. What the numbers mean is not known here.
 */

import { refuse } from './columns.js';
import { arrayType, checkFields, elementsOf, isRecord, show } from '../host/errors.js';

/** @typedef {Float32Array | Uint8Array | Int32Array | Float64Array} Target */
/** @typedef {(element: any, position: number) => number} Convert  of what is no number */
/**
 * @typedef {object} Read
 * @property {'uint8' | 'integer' | 'real' | 'numbers' | 'strings'} kind
 * @property {number} length
 * @property {number[] | null} shape  null: a flat array, whose length alone counts
 * @property {any} typed  the caller's array, where it is one of numbers; else undefined
 * @property {number} unit  elements that are read together
 * @property {any} first  element
 * @property {(target: Target, begin: number, convert?: Convert) => void} read fills it with the
 *   elements from `begin`
 *   on, which `unit` divides as it does the target's length; INVALID_DATA where they are of another
 *   form than the first
 */

const DEEPEST = 8; // axes of nested arrays: six of a sample, one of samples, and one to be wrong by

/** @param {any} value @param {string} name @returns {Read} */
export function readArray(value, name) {
  if (value === undefined || value === null) {
    refuse(`${name} is ${value === null ? 'null' : 'missing'}, expected data`);
  }
  const plain = readPlain(value, name);
  if (plain) return plain;
  if (typeof value !== 'object' || !('data' in value || 'shape' in value)) {
    refuse(
      `${name} is ${show(value)}, ` +
        'expected a typed array, nested arrays of numbers, or { data, shape }',
    );
  }
  if (!isRecord(value) || typeof value.dataSync === 'function') {
    const own = value.dataSync ? 'dataSync()' : 'data';
    refuse(
      `${name} is ${value.dataSync ? 'a tensor' : show(value)}, expected its numbers: ` +
        `${name}.${own}, as many a sample as the network takes`,
    );
  }
  const { data, shape: given } = checkFields(value, ['data', 'shape'], name, 'INVALID_DATA');
  const shape = Array.isArray(given) ? elementsOf(given) : [];
  const ok =
    shape.length > 0 &&
    shape.length === given.length &&
    shape.every((size) => Number.isSafeInteger(size) && size > 0);
  if (!ok) refuse(`${name}.shape is ${show(given)}, expected an array of positive integers`);
  const read =
    readPlain(data, name) ??
    refuse(
      `${name}.data is ${data === undefined ? 'missing' : show(data)}, ` +
        'expected a typed array or an array of numbers',
    );
  const product = shape.reduce((a, b) => a * b, 1);
  if (read.shape !== null) refuse(`${name}.data is nested, expected a flat array beside a shape`);
  if (read.length !== product) {
    refuse(
      `${name}.data has ${read.length} elements, ` +
        `expected ${product} for shape [${shape.join(', ')}]`,
    );
  }
  return { ...read, shape };
}

/**
 * @param {any} value
 * @param {string} name
 * @returns {Read | null} null: neither a typed array nor lists
 */
function readPlain(value, name) {
  const kind = typedKind(value);
  if (kind) return readTyped(value, kind, name);
  return Array.isArray(value) ? readLists(value, name) : null;
}

/** @param {any} value @returns {'uint8' | 'integer' | 'real' | null} */
export function typedKind(value) {
  const type = arrayType(value);
  if (!type) return null;
  if (type.startsWith('Uint8')) return 'uint8';
  return type.startsWith('Float') ? 'real' : 'integer';
}

/**
 * @param {any} typed
 * @param {'uint8' | 'integer' | 'real'} kind
 * @param {string} name
 * @returns {Read}
 */
function readTyped(typed, kind, name) {
  const { length } = typed;
  const big = typeof typed[0] === 'bigint'; // these become doubles, which say what is no index
  return {
    kind,
    length,
    shape: null,
    typed: big ? undefined : typed,
    unit: 1,
    first: typed[0],
    read(target, begin) {
      if (typed.length !== length) {
        refuse(`${name} has ${typed.length} elements, and had ${length} when it was given`);
      }
      const part = typed.subarray(begin, begin + target.length);
      target.set(big ? Float64Array.from(part, Number) : part);
    },
  };
}

/**
 * Nested arrays, or a flat one, whose shape the first elements tell.
 * @param {any[]} value
 * @param {string} name
 * @returns {Read}
 */
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
  if (Object(node) === node && !typedKind(node)) {
    const place = name + '[0]'.repeat(shape.length);
    refuse(`${place} is ${show(node)}, expected a number, or an array of numbers`);
  }
  const leaf = typedKind(node);
  const length = shape.reduce((a, b) => a * b, 1);
  const unit = length / shape[0];
  const wanted = typeof node === 'string' ? 'string' : 'number';
  const lists = { value, shape, leaf, wanted, name };
  return {
    kind: typeof node === 'string' ? 'strings' : (leaf ?? 'numbers'),
    length,
    shape: shape.length === 1 ? null : shape,
    typed: undefined,
    unit,
    first: node,
    read: (target, begin, convert) =>
      fill(target, lists, begin / unit, (begin + target.length) / unit, convert),
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
  const path = (/** @type {number} */ depth) =>
    name +
    at
      .slice(0, depth)
      .map((i) => `[${i}]`)
      .join('');
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
      else if (typeof element !== wanted) {
        refuse(`${path(depth + 1)} is ${show(element)}, expected a ${wanted}`);
      } else {
        target[next] = convert ? convert(element, before + next) : element;
        next++;
      }
    }
  }
  walk(value, 0, from, to);
}

/** @param {number[]} a @param {number[]} b */
export function same(a, b) {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}
