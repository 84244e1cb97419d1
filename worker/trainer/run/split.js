/* split.js: chooses the samples that validate, where these are not the end of the data.
 *
 * The choice follows from the model's seed, the number of samples and, for 'stratified', their
 * classes: it is the same for every run of these data, interrupted or not. The data stay where they
 * lie: an order says which sample stands at each position, first those that are trained on, then
 * those that validate, either in the order of the data. */

import { OffstageError } from '../../host/errors.js';

/** @typedef {import('../datasets.js').Stored} Stored */
/** @typedef {import('../model.js').Model} Model */
/** @typedef {import('../../host/pump.js').Pump} Pump */

const AT_ONCE = 8192; // positions: a quarter of a millisecond
const READ_AT_ONCE = 65536; // elements of y, some 50 microseconds

/**
 * Refuses to split what has no classes to go by.
 * @param {Model} model
 */
export function checkStratified({ facts: { outputs } }) {
  if (outputs.length === 1 && outputs[0].targets === 1) return;
  const why =
    outputs.length > 1 ? `the model has ${outputs.length} outputs` : 'a sample has no one class';
  throw new OffstageError(
    'INVALID_OPTION',
    `splitBy is 'stratified', but ${why}: expected 'random' or 'end'`,
  );
}

/**
 * Writes the order to `address`, one u32 a sample.
 * @param {object} split
 * @param {Model} split.model
 * @param {Pump} split.pump
 * @param {number} split.address
 * @param {Stored} split.y  checked
 * @param {number} split.heldOut  samples that validate
 * @param {'random' | 'stratified'} split.by
 * @returns {Generator<void, Uint8Array, void>} 1 for each sample that validates
 */
export function* writeOrder({ model, pump, address, y, heldOut, by }) {
  const { core, address: owner } = model;
  const { samples } = y;
  const held = new Uint8Array(samples);
  const viewOf = (/** @type {number} */ first, /** @type {number} */ count) =>
    new Uint32Array(core.memory.buffer(), address + 4 * first, count);
  /** @type {Uint32Array | null} */ let classes = null;
  /** @type {number[]} */ let left = [];
  if (by === 'stratified') {
    classes = yield* classesOf(model, pump, y);
    left = quotasOf(classes, model.facts.outputs[0].classes, heldOut);
  }
  for (let first = 0, wanted = heldOut; wanted > 0; first += AT_ONCE) {
    const count = Math.min(AT_ONCE, samples - first);
    core.modelShuffled(owner, address, first, count, samples);
    for (const sample of viewOf(0, count)) {
      if (wanted === 0 || (classes && left[classes[sample]]-- <= 0)) continue;
      held[sample] = 1;
      wanted--;
    }
    if (pump.look()) yield;
  }
  let trained = 0;
  let validated = samples - heldOut;
  for (let first = 0; first < samples; first += AT_ONCE) {
    const order = viewOf(0, samples);
    const end = Math.min(samples, first + AT_ONCE);
    for (let i = first; i < end; i++) order[held[i] ? validated++ : trained++] = i;
    if (pump.look()) yield;
  }
  return held;
}

/**
 * Reads the class of each sample.
 * @param {Model} model @param {Pump} pump @param {Stored} y
 */
function* classesOf({ store, facts: { outputs } }, pump, y) {
  const width = y.dtype === 'int32' ? 1 : outputs[0].size;
  const classes = new Uint32Array(y.samples);
  const step = Math.max(1, Math.floor(READ_AT_ONCE / width));
  for (let first = 0; first < y.samples; first += step) {
    const count = Math.min(step, y.samples - first);
    const values = store.numbersOf(y, first * width, count * width);
    for (let i = 0; i < count; i++) {
      classes[first + i] = y.dtype === 'int32' ? values[i] : classOf(values, i * width, width);
    }
    if (pump.look()) yield;
  }
  return classes;
}

/**
 * Reads a class off a row of y: the side of 0.5 of one number, else the largest.
 * @param {ArrayLike<number>} values @param {number} at @param {number} width
 */
export function classOf(values, at, width) {
  if (width === 1) return Number(values[at] > 0.5);
  let largest = 0;
  for (let k = 1; k < width; k++) if (values[at + k] > values[at + largest]) largest = k;
  return largest;
}

/**
 * Shares out the samples that validate among the classes, by largest remainder: of a class of two
 * samples or more one at least, and one at least stays; of a class of one none.
 * @param {Uint32Array} classes  of the samples @param {number} count  of classes
 * @param {number} heldOut
 * @returns {number[]} samples of each class
 */
export function quotasOf(classes, count, heldOut) {
  const sizes = Array(count).fill(0);
  for (const each of classes) sizes[each]++;
  const shared = [...sizes.keys()].filter((k) => sizes[k] >= 2);
  const samples = shared.reduce((sum, k) => sum + sizes[k], 0);
  if (heldOut < shared.length || heldOut > samples - shared.length) {
    throw new OffstageError(
      'INVALID_OPTION',
      `validationSplit leaves ${heldOut} samples to validate, expected ${shared.length} to ` +
        `${samples - shared.length} with splitBy: 'stratified': one at least of each class that ` +
        'has two, on both sides',
    );
  }
  const quotas = Array(count).fill(0);
  const ideal = sizes.map((size) => (heldOut * size) / samples);
  for (const k of shared) {
    quotas[k] = Math.min(Math.max(Math.floor(ideal[k]), 1), sizes[k] - 1);
  }
  let left = heldOut - quotas.reduce((sum, quota) => sum + quota, 0);
  while (left !== 0) {
    const by = Math.sign(left);
    shared.sort((a, b) => by * (ideal[b] - quotas[b] - ideal[a] + quotas[a]) || a - b);
    for (const k of shared) {
      const quota = quotas[k] + by;
      if (left === 0 || quota < 1 || quota >= sizes[k]) continue;
      quotas[k] = quota;
      left -= by;
    }
  }
  return quotas;
}
