/* rollback.js: the copy that a run with nonFinite: 'rollback' goes back to when a step is not
 * finite: the model (weights, the optimizer's vectors, step) as it was after the epoch with the
 * least loss, or, where none was below that of the run's first batch, as the run began. The weights
 * right before such a step are no help: it comes of them, whatever the learning rate. Every time
 * the rate is halved.
 *
 * The copy is part of RunState, so that a resumed run goes back to the same bits. */

import { OffstageError } from '../../host/errors.js';
import { showBytes } from '../../host/memory.js';
import { stateTensors } from '../snapshot.js';

const MOST = 20;
const COPIED_AT_ONCE = 2 ** 18;

export class Rollback {
  count = 0;
  /** All tensors, one behind the other, after #step updates; #loss is theirs, null: unknown. */
  #bytes;
  #step = -1;
  /** @type {number | null} */ #loss = null;
  #model;
  #rate;
  #tensors;

  /** @param {import('../model.js').Model} model @param {import('./rate.js').Rate} rate */
  constructor(model, rate) {
    this.#model = model;
    this.#rate = rate;
    this.#tensors = stateTensors(model);
    const size = this.#tensors.reduce((sum, tensor) => sum + 4 * tensor.size, 0);
    try {
      this.#bytes = new Uint8Array(size);
    } catch (cause) {
      throw new OffstageError(
        'OUT_OF_MEMORY',
        `the weights to go back to need ${showBytes(size)}: more than can be had`,
        { cause },
      );
    }
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
    this.#bytes.set(before);
    this.#step = rollback.step;
  }

  /** Makes RunState's part; without the copy where the model has the same bits. */
  state() {
    const rollback = { count: this.count, step: this.#step, loss: this.#loss };
    return {
      rollback,
      ...(this.#step !== this.#model.step && this.#step >= 0 && { before: this.#bytes }),
    };
  }

  /** The run begins, or goes on. @param {import('../../host/pump.js').Pump} pump */
  *begin(pump) {
    if (this.#step < 0) yield* this.#copy(pump);
  }

  /** A batch of the run was trained. @param {number} loss */
  batchEnded(loss) {
    this.#loss ??= loss;
  }

  /** @param {import('../../host/pump.js').Pump} pump @param {number} loss */
  *epochEnded(pump, loss) {
    if (this.#loss !== null && loss > this.#loss) return;
    yield* this.#copy(pump);
    this.#loss = loss;
  }

  /** @param {import('../../host/pump.js').Pump} pump */
  *#copy(pump) {
    for (const [view, own] of this.#pieces()) {
      own.set(view());
      if (pump.look()) yield;
    }
    this.#step = this.#model.step;
  }

  /**
   * Brings back the model as it was, after a step that is not finite, and halves its rate. Nobody
   * may look at the model before the end.
   * @param {import('../../host/pump.js').Pump} pump
   */
  *goBack(pump) {
    for (const [view, own] of this.#pieces()) {
      view().set(own);
      if (pump.look()) yield;
    }
    const { core, address } = this.#model;
    this.count++;
    core.modelSetStep(address, this.#step);
    this.#rate.scale(this.factor);
  }

  /** Says whether going back may help: not where nothing has changed. @param {unknown} error */
  helps(error) {
    if (
      !(error instanceof OffstageError) ||
      error.code !== 'NON_FINITE' ||
      this.#step === this.#model.step
    )
      return false;
    if (this.count < MOST) return true;
    throw new OffstageError(
      'NON_FINITE',
      `${error.message} (after ${MOST} rollbacks, ` +
        `with a learningRate of ${this.describe().learningRate})`,
    );
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
          this.#bytes.subarray(at, at + count),
        ];
        at += count;
      }
    }
  }
}
