/* best.js: the weights that a run with restoreBest had after its best epoch.
 *
 * They lie in the core's memory beside the model's own: all tensors, those too that no optimizer
 * changes. Optimizer vectors and step are not among them. When the run ends the two change places,
 * so that the model has the best weights, and a run that is resumed goes on from its own. The
 * object is the model's: it outlives the run, until another one begins or weights are set. */

import { slicesOf, tensorsOf } from '../weights.js';

export class Best {
  /** The epoch they are of; 0: none are kept yet. */ epoch = 0;
  /** Says that they are the model's, and here are those with which the run goes on. */
  restored = false;
  #model;
  #block;
  /** The model's. */ #tensors;

  /** @param {import('../model.js').Model} model  refused with OUT_OF_MEMORY */
  constructor(model) {
    this.#model = model;
    this.#tensors = tensorsOf(model).map(({ name, shape, size, data }) => ({
      name,
      shape,
      size,
      address: data,
    }));
    const bytes = this.#tensors.reduce((sum, { size }) => sum + 4 * size, 0);
    this.#block = model.core.memory.alloc(bytes, 'the best weights');
  }

  /** Tensors as checkpoints have them. */
  get tensors() {
    let address = this.#block;
    return this.#tensors.map(({ name, shape, size }) => {
      const tensor = { name, shape, address };
      address += 4 * size;
      return tensor;
    });
  }

  /**
   * Keeps the model's present weights.
   * @param {import('../../host/pump.js').Pump} pump @param {number} epoch
   */
  *keep(pump, epoch) {
    for (const [kept, own] of this.#pieces()) {
      kept.set(own);
      if (pump.look()) yield;
    }
    this.epoch = epoch;
  }

  /**
   * Lets the kept weights and the model's change places. Nobody may look at the model meanwhile.
   * @param {import('../../host/pump.js').Pump} pump
   */
  *swap(pump) {
    for (const [kept, own] of this.#pieces()) {
      const between = kept.slice();
      kept.set(own);
      own.set(between);
      if (pump.look()) yield;
    }
    this.restored = !this.restored;
  }

  free() {
    this.#model.core.memory.free(this.#block);
  }

  /**
   * Pairs views of the kept weights with those of the model, each until the next one is asked for.
   * @returns {Generator<[Uint8Array, Uint8Array], void>}
   */
  *#pieces() {
    const { memory } = this.#model.core;
    for (const { from, at, count } of slicesOf(this.#tensors)) {
      yield [
        new Uint8Array(memory.buffer(), this.#block + at, count),
        new Uint8Array(memory.buffer(), from, count),
      ];
    }
  }
}
