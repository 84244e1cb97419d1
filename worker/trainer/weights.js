/* weights.js: a model's weights, read and written between two steps, in pieces.
 *
 * A weight is called `<layer>/<role>`; of a bidirectional layer `<layer>/forward_<role>` and
 * `<layer>/backward_<role>`. */

import { floatArray } from './answers.js';
import { refuse } from '../data/columns.js';
import { arrayType, checkFields, show, tagOf } from '../host/errors.js';

/** @typedef {import('../host/pump.js').Pump} Pump */
/** @typedef {import('./model.js').Model} Model */

const COPIED_AT_ONCE = 65536; // floats: some 50 microseconds, a few hundred where the memory is new
const CHECKED_AT_ONCE = 16384; // floats in JavaScript: about as long
const SIDES = ['', 'forward_', 'backward_'];

/** Lists the tensors with their names. @param {Model} model */
export function tensorsOf({ core, address, layers }) {
  return core.modelTensors(address).map((tensor) => ({
    ...tensor,
    name: `${layers[tensor.layer].name}/${SIDES[tensor.side]}${tensor.role}`,
  }));
}

/**
 * Cuts tensors that lie anywhere into slices that are copied at once.
 * @param {{ address: number, size: number }[]} tensors
 * @returns {Generator<{ from: number, at: number, count: number }, void>} from: an address; at:
 *   where it is with all of them one behind the other; count: bytes
 */
export function* slicesOf(tensors) {
  let at = 0;
  for (const { address, size } of tensors) {
    for (let done = 0; done < size; done += COPIED_AT_ONCE) {
      const count = 4 * Math.min(COPIED_AT_ONCE, size - done);
      yield { from: address + 4 * done, at, count };
      at += count;
    }
  }
}

/**
 * Copies all weights at once, for the end of a run.
 * @param {Model} model @returns {import('../protocol.js').Weight[]}
 */
export function copyWeights(model) {
  return tensorsOf(model).map(({ name, shape, trainable, data, size }) => ({
    name,
    shape,
    trainable,
    data: model.core.floats(data, size),
  }));
}

/**
 * @param {Pump} pump @param {Model} model
 * @returns {Generator<void, import('../protocol.js').Weights, void>}
 */
export function* getWeights(pump, model) {
  const { step } = model;
  const weights = [];
  for (const { name, shape, trainable, data: address, size } of tensorsOf(model)) {
    const data = floatArray(size);
    for (let at = 0; at < size; at += COPIED_AT_ONCE) {
      data.set(viewAt(model, address, at, size), at);
      if (pump.look()) yield;
    }
    weights.push({ name, shape, trainable, data });
  }
  return { weights, step };
}

/**
 * Makes a view of some of a tensor's elements.
 * @param {Model} model @param {number} address @param {number} at
 * @param {number} size  of the tensor
 */
function viewAt({ core }, address, at, size) {
  return new Float32Array(
    core.memory.buffer(),
    address + 4 * at,
    Math.min(COPIED_AT_ONCE, size - at),
  );
}

/**
 * Checks all weights, then writes them: none is written where one is refused. Nothing else may read
 * them meanwhile.
 * No run goes on with them.
 * @param {Pump} pump @param {Model} model @param {any} weights
 */
export function* setWeights(pump, model, weights) {
  const tensors = tensorsOf(model);
  if (!Array.isArray(weights) || weights.length !== tensors.length) {
    const got = Array.isArray(weights) ? `holds ${weights.length} tensors` : `is ${show(weights)}`;
    refuse(
      `weights ${got}, ` +
        `expected ${tensors.length}: ${tensors.map((tensor) => tensor.name).join(', ')}`,
    );
  }
  const checked = [];
  for (const [i, tensor] of tensors.entries()) {
    const data = checkWeight(weights[i], tensor, `weights[${i}] (${tensor.name})`);
    checked.push(data);
    for (let at = 0; at < data.length; at++) {
      if (!Number.isFinite(Math.fround(data[at]))) {
        refuse(
          `weights[${i}] (${tensor.name}) holds ${data[at]} at ${at}, expected finite numbers`,
        );
      }
      if (at % CHECKED_AT_ONCE === CHECKED_AT_ONCE - 1 && pump.look()) yield;
    }
  }
  model.forgetRun();
  for (const [i, { data: address, size }] of tensors.entries()) {
    const data = checked[i];
    for (let at = 0; at < size; at += COPIED_AT_ONCE) {
      const view = viewAt(model, address, at, size);
      if (ArrayBuffer.isView(data)) {
        view.set(/** @type {any} */ (data).subarray(at, at + view.length));
      } else {
        for (let k = 0; k < view.length; k++) view[k] = data[at + k];
      }
      if (pump.look()) yield;
    }
  }
  return {};
}

/**
 * Replaces the weights by their averages, where a step has made some: the end of a fit with useEma.
 * @param {Pump} pump @param {Model} model
 */
export function* takeAverages(pump, model) {
  const average = model.core.modelMoments(model.address).indexOf('average');
  if (average < 0 || model.step === 0) return;
  for (const { size, data, moments } of tensorsOf(model)) {
    for (let at = 0; moments.length > 0 && at < size; at += COPIED_AT_ONCE) {
      viewAt(model, data, at, size).set(viewAt(model, moments[average], at, size));
      if (pump.look()) yield;
    }
  }
}

/**
 * @param {any} weight @param {{ shape: number[], size: number }} tensor @param {string} what
 * @returns {ArrayLike<number>}
 */
function checkWeight(weight, { shape, size }, what) {
  const given = checkFields(weight, ['name', 'shape', 'trainable', 'data'], what, 'INVALID_DATA');
  const ranked = Array.isArray(given.shape) && given.shape.length === shape.length;
  if (!ranked || shape.some((n, i) => n !== given.shape[i])) {
    refuse(`${what} has shape ${show(given.shape)}, expected [${shape.join(', ')}]`);
  }
  const typed = arrayType(given.data) !== undefined && typeof (given.data[0] ?? 0) === 'number';
  if (!typed && !Array.isArray(given.data)) {
    refuse(`${what} has data ${show(given.data)}, expected a Float32Array`);
  }
  const data = /** @type {any} */ (given.data);
  if (data.length !== size) refuse(`${what} has ${data.length} elements, expected ${size}`);
  for (let i = 0; i < size && !typed; i++) {
    if (typeof data[i] !== 'number') {
      refuse(`${what} has data ${show(data)}, expected a Float32Array`);
    }
  }
  // Shared data may change after they were checked.
  return typed && tagOf(data.buffer) === 'SharedArrayBuffer' ? data.slice() : data;
}
