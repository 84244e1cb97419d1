/* sets.js: which set of the core's layer types a spec takes, told before anything of the core has
 * been fetched.
 *
 * The lists are those of src/layers/registry_*.c, and a test holds them together. A spec that is
 * wrong gets any set: who reads it refuses it. A smaller set that is asked too much refuses too,
 * and the full one decides. */

import { elementsOf } from '../host/errors.js';

/** @typedef {import('../host/variants.js').SetName} SetName */

const DENSE = [
  'dense',
  'flatten',
  'reshape',
  'dropout',
  'spatialDropout2d',
  'gaussianNoise',
  'softmax',
  'activation',
];
const LEAN = [
  ...DENSE,
  'conv1d',
  'conv2d',
  'maxPooling1d',
  'maxPooling2d',
  'averagePooling1d',
  'averagePooling2d',
  'globalMaxPooling1d',
  'globalMaxPooling2d',
  'globalAveragePooling1d',
  'globalAveragePooling2d',
  'zeroPadding2d',
  'cropping2d',
  'rescaling',
];

/**
 * The layer types of the smaller sets, the smallest first.
 * @type {readonly (readonly [SetName, readonly string[]])[]}
 */
export const SMALLER = [
  ['dense', DENSE],
  ['lean', LEAN],
];

/** The smallest set that has all layers of a spec. @param {any} spec @returns {SetName} */
export function setOf(spec) {
  const layers = Array.isArray(spec?.layers) ? elementsOf(spec.layers) : [];
  const has = (/** @type {readonly string[]} */ types) =>
    layers.every((layer) => types.includes(layer?.type) && !isGrouped(layer));
  return SMALLER.find(([, types]) => has(types))?.[0] ?? 'full';
}

/**
 * Convolutions in groups may take depthwise products, which the full set has.
 * @param {any} layer
 */
const isGrouped = ({ groups }) => groups !== undefined && groups !== 1;
