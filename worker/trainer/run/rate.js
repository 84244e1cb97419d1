/* rate.js: the learning rate of a run: the optimizer's own, or the one that was set in its place,
 * times a factor, which rollbacks halve. It is set between two steps, and holds from the next one
 * on. */

import { OffstageError } from '../../host/errors.js';

export class Rate {
  /** The rate that was set. @type {number | undefined} */ given;
  #factor = 1;
  #model;

  /** @param {import('../model.js').Model} model */
  constructor(model) {
    this.#model = model;
  }

  get #own() {
    return this.#model.about.optimizer.learningRate;
  }

  /** The rate of the next step. */
  get present() {
    return (this.given ?? this.#own) * this.#factor;
  }

  /** Sets the rate before factors. @param {number} rate  refused above the optimizer's own */
  set(rate) {
    if (rate > this.#own) {
      throw new OffstageError(
        'INVALID_OPTION',
        `learningRate is ${rate}, expected a number from 0 to ${this.#own}, the optimizer's own`,
      );
    }
    this.given = rate;
    this.apply();
  }

  /** @param {number} factor  up to 1 */
  scale(factor) {
    this.#factor = factor;
    this.apply();
  }

  /** Tells the core, whose rate may be that of an earlier run. */
  apply() {
    const share = this.given === undefined ? 1 : this.given / (this.#own || 1);
    this.#model.core.modelSetRate(this.#model.address, share * this.#factor);
  }
}
