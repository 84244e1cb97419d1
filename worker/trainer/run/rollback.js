/* rollback.js: the copy that a run with nonFinite: 'rollback' goes back to when a step is not
 * finite: the model (weights, the optimizer's vectors, step) as it was after the epoch with the
 * least loss, or, where none was below that of the run's first batch, as the run began. The weights
 * right before such a step are no help: it comes of them, whatever the learning rate. Every time
 * the rate is halved.
 *
 * The copy is part of RunState, so that a resumed run goes back to the same bits. */

import { ModelCopy } from '../copy.js';
import { OffstageError } from '../../host/errors.js';

const MOST = 20;

export class Rollback {
  count = 0;
  #copy;
  /** The loss of the copy; null: unknown. @type {number | null} */ #loss = null;
  #model;
  #rate;

  /** @param {import('../model.js').Model} model @param {import('./rate.js').Rate} rate */
  constructor(model, rate) {
    this.#model = model;
    this.#rate = rate;
    this.#copy = new ModelCopy(model);
  }

  /** The factor of the learning rate. */
  get factor() {
    return 0.5 ** this.count;
  }

  /** Describes the rollbacks for a record. */
  describe() {
    return { rollbacks: this.count, learningRate: this.#rate.present };
  }

  /** Takes over the rollbacks of another run. @param {import('./state.js').RunState} past */
  take({ rollback, before }) {
    if (!rollback) return;
    this.count = rollback.count;
    this.#loss = rollback.loss;
    this.#rate.scale(this.factor);
    if (!before) return;
    this.#copy.bytes.set(before);
    this.#copy.step = rollback.step;
  }

  /** Makes RunState's part; without the copy where the model has the same bits. */
  state() {
    const { step, bytes } = this.#copy;
    const rollback = { count: this.count, step, loss: this.#loss };
    return { rollback, ...(step !== this.#model.step && step >= 0 && { before: bytes }) };
  }

  /** The run begins, or goes on. @param {import('../../host/pump.js').Pump} pump */
  *begin(pump) {
    if (this.#copy.step < 0) yield* this.#copy.take(pump);
  }

  /** A batch of the run was trained. @param {number} loss */
  batchEnded(loss) {
    this.#loss ??= loss;
  }

  /** @param {import('../../host/pump.js').Pump} pump @param {number} loss */
  *epochEnded(pump, loss) {
    if (this.#loss !== null && loss > this.#loss) return;
    yield* this.#copy.take(pump);
    this.#loss = loss;
  }

  /**
   * Brings back the model as it was, after a step that is not finite, and halves its rate. Nobody
   * may look at the model before the end.
   * @param {import('../../host/pump.js').Pump} pump
   */
  *goBack(pump) {
    yield* this.#copy.putBack(pump);
    this.count++;
    this.#rate.scale(this.factor);
  }

  /** Says whether going back may help: not where nothing has changed. @param {unknown} error */
  helps(error) {
    if (
      !(error instanceof OffstageError) ||
      error.code !== 'NON_FINITE' ||
      this.#copy.step === this.#model.step
    )
      return false;
    if (this.count < MOST) return true;
    throw new OffstageError(
      'NON_FINITE',
      `${error.message} (after ${MOST} rollbacks, ` +
        `with a learningRate of ${this.describe().learningRate})`,
    );
  }
}
