/* rate.js: the learning rate of a run: its schedule's, else the one that was set, else the
 * optimizer's own; times a factor, which rollbacks halve. It is set between two steps, and holds
 * from the next one on. */

import { OffstageError } from '../../host/errors.js';

export class Rate {
  /** The rate that was set. @type {number | undefined} */ given;
  /** The schedule's, of the step that began last. @type {number | undefined} */ #scheduled;
  #isScheduled;
  #factor = 1;
  #model;

  /** @param {import('../model.js').Model} model @param {boolean} isScheduled */
  constructor(model, isScheduled) {
    this.#model = model;
    this.#isScheduled = isScheduled;
  }

  /** The optimizer's own. */
  get own() {
    return this.#model.about.optimizer.learningRate;
  }

  /** The rate before factors. */
  get base() {
    return this.#scheduled ?? this.given ?? this.own;
  }

  /** The rate of the latest step, or of the next one where it was set since. */
  get present() {
    return this.base * this.#factor;
  }

  /** Sets the rate before factors. @param {number} rate  refused beyond what the optimizer takes */
  set(rate) {
    if (this.#isScheduled) {
      throw new OffstageError(
        'INVALID_OPTION',
        `learningRate is ${rate}, but a schedule sets it in this run: expected none`,
      );
    }
    this.#tell(rate);
    this.given = rate;
  }

  /** Takes the schedule's rate of the step that begins. @param {number} rate */
  follow(rate) {
    if (rate === this.#scheduled) return;
    this.#tell(rate);
    this.#scheduled = rate;
  }

  /** @param {number} factor  up to 1 */
  scale(factor) {
    this.#factor = factor;
    this.apply();
  }

  /** Tells the core, whose rate may be that of an earlier run. */
  apply() {
    this.#tell(this.base);
    this.#model.core.modelSetRate(this.#model.address, this.#factor);
  }

  /** @param {number} rate */
  #tell(rate) {
    this.#model.core.modelSetLearningRate(this.#model.address, rate);
  }
}
