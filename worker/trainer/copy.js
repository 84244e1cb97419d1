/* copy.js: a copy of all that a step changes of a model (weights, the optimizer's vectors, how many
 * updates there were), to go back to. It is taken and put back between two steps. */

import { OffstageError } from '../host/errors.js';
import { showBytes } from '../host/memory.js';
import { stateTensors } from './snapshot.js';
import { slicesOf } from './weights.js';

/** @typedef {import('../host/pump.js').Pump} Pump */

export class ModelCopy {
  /** The updates that the model had had; -1: nothing is copied yet. */ step = -1;
  /** All tensors, one behind the other. */ bytes;
  #model;
  #tensors;

  /** @param {import('./model.js').Model} model  refused with OUT_OF_MEMORY */
  constructor(model) {
    this.#model = model;
    this.#tensors = stateTensors(model);
    const size = this.#tensors.reduce((sum, tensor) => sum + 4 * tensor.size, 0);
    try {
      this.bytes = new Uint8Array(size);
    } catch (cause) {
      throw new OffstageError(
        'OUT_OF_MEMORY',
        `the weights to go back to need ${showBytes(size)}: more than can be had`,
        { cause },
      );
    }
  }

  /** @param {Pump} pump */
  *take(pump) {
    for (const [model, copy] of this.#pieces()) {
      copy.set(model);
      if (pump.look()) yield;
    }
    this.step = this.#model.step;
  }

  /** Brings back the model as it was. Nobody may look at it before the end. @param {Pump} pump */
  *putBack(pump) {
    for (const [model, copy] of this.#pieces()) {
      model.set(copy);
      if (pump.look()) yield;
    }
    this.#model.core.modelSetStep(this.#model.address, this.step);
  }

  /**
   * Pairs views of the model with those of the copy, each until the next one is asked for.
   * @returns {Generator<[Uint8Array, Uint8Array], void>}
   */
  *#pieces() {
    const { memory } = this.#model.core;
    for (const { from, at, count } of slicesOf(this.#tensors)) {
      yield [new Uint8Array(memory.buffer(), from, count), this.bytes.subarray(at, at + count)];
    }
  }
}
