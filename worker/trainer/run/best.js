/* best.js: the weights that a run with restoreBest had after its best epoch.
 *
 * They lie in the core's memory beside the model's own: all tensors, those too that no optimizer
 * changes. Optimizer vectors and step are not among them. When the run ends the two change places,
 * so that the model has the best weights, and a run that is resumed goes on from its own. The
 * object is the model's: it outlives the run, until another one begins or weights are set. */

import { tensorsOf } from '../weights.js';

const MOVED_AT_ONCE = 2 ** 18; // bytes: some 50 microseconds

export class Best {
  /** The epoch they are of; 0: none are kept yet. */ epoch = 0;
  /** Says that they are the model's, and here are those with which the run goes on. */
  restored = false;
  #model;
  #block;
  /** Tensors of the model, and where each lies in the block. */ #tensors;

  /** @param {import('../model.js').Model} model  refused with OUT_OF_MEMORY */
  constructor(model) {
    this.#model = model;
    let at = 0;
    this.#tensors = tensorsOf(model).map(({ name, shape, size, data }) => {
      const tensor = { name, shape, bytes: 4 * size, from: data, at };
      at += 4 * size;
      return tensor;
    });
    this.#block = model.core.memory.alloc(at, 'the best weights');
  }

  /** Tensors as checkpoints have them. */
  get tensors() {
    return this.#tensors.map(({ name, shape, at }) => ({ name, shape, address: this.#block + at }));
  }

  /**
   * Keeps the model's present weights.
   * @param {import('../../host/pump.js').Pump} pump @param {number} epoch
   */
  *keep(pump, epoch) {
    for (const [to, from] of this.#pieces()) {
      to().set(from());
      if (pump.look()) yield;
    }
    this.epoch = epoch;
  }

  /**
   * Lets the kept weights and the model's change places. Nobody may look at the model meanwhile.
   * @param {import('../../host/pump.js').Pump} pump
   */
  *swap(pump) {
    const between = new Uint8Array(MOVED_AT_ONCE);
    for (const [kept, own] of this.#pieces()) {
      const here = between.subarray(0, kept().length);
      here.set(kept());
      kept().set(own());
      own().set(here);
      if (pump.look()) yield;
    }
    this.restored = !this.restored;
  }

  free() {
    this.#model.core.memory.free(this.#block);
  }

  /**
   * Pairs views of the kept weights, made when they are asked for, with those of the model.
   * @returns {Generator<[() => Uint8Array, () => Uint8Array], void>}
   */
  *#pieces() {
    const { memory } = this.#model.core;
    for (const { bytes, from, at } of this.#tensors) {
      for (let i = 0; i < bytes; i += MOVED_AT_ONCE) {
        const count = Math.min(MOVED_AT_ONCE, bytes - i);
        yield [
          () => new Uint8Array(memory.buffer(), this.#block + at + i, count),
          () => new Uint8Array(memory.buffer(), from + i, count),
        ];
      }
    }
  }
}
