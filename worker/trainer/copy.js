/* copy.js: a copy of all that a step changes of a model (weights, the optimizer's vectors, how many
 * updates there were), to go back to. It is taken and put back between two steps. */

import { OffstageError } from '../host/errors.js';
import { showBytes } from '../host/memory.js';
import { stateTensors } from './snapshot.js';

/** @typedef {import('../host/pump.js').Pump} Pump */

const COPIED_AT_ONCE = 2 ** 18;

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
    for (const [view, own] of this.#pieces()) {
      own.set(view());
      if (pump.look()) yield;
    }
    this.step = this.#model.step;
  }

  /** Brings back the model as it was. Nobody may look at it before the end. @param {Pump} pump */
  *putBack(pump) {
    for (const [view, own] of this.#pieces()) {
      view().set(own);
      if (pump.look()) yield;
    }
    this.#model.core.modelSetStep(this.#model.address, this.step);
  }

  /**
   * Pairs views of the model, made when they are asked for, with those of the copy.
   * @returns {Generator<[() => Uint8Array, Uint8Array], void>}
   */
  *#pieces() {
    const { memory } = this.#model.core;
    let at = 0;
    for (const { address, size } of this.#tensors) {
      for (let from = 0; from < 4 * size; from += COPIED_AT_ONCE) {
        const count = Math.min(COPIED_AT_ONCE, 4 * size - from);
        yield [
          () => new Uint8Array(memory.buffer(), address + from, count),
          this.bytes.subarray(at, at + count),
        ];
        at += count;
      }
    }
  }
}
