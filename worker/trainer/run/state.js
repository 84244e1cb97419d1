/* state.js: the state of a run between two steps: its place in the epochs, its sums, its history.
 *
 * It changes between two steps only, so that from a state, and the model's weights at that moment,
 * another run goes on to the same bits. Loss sums add up in doubles in the order of the steps. It
 * knows no clock, no pump and no core. */

import { OffstageError } from '../../host/errors.js';
import { addStep, meansOf, noTotals } from './measures.js';
import { trainSamplesOf } from './fit-options.js';

/** @typedef {import('../../protocol.js').EpochResult} EpochResult */
/** @typedef {'finished' | 'stopped' | 'earlyStopping' | 'limit' | 'reached' | 'onEpoch'} Reason */
/**
 * A run's state as checkpoints keep it.
 * @typedef {object} RunState
 * @property {import('./fit-options.js').RunSettings} settings
 * @property {number} samples
 * @property {number} epoch        from 1; 0: none has begun
 * @property {number} batch        complete ones of the epoch
 * @property {number} key          of the epoch's shuffle
 * @property {number} steps
 * @property {number} trained      samples
 * @property {number} elapsedMs    pauses left out
 * @property {Reason | null} ended null: it was under way
 * @property {string} fingerprint  of the data
 * @property {number[]} totals     of the epoch, as measures.js has them
 * @property {EpochResult[]} history  complete epochs
 * @property {{ count: number, step: number, loss: number | null }} [rollback]  with nonFinite:
 *   'rollback': how many there were, and the step and loss of the copy they go back to
 * @property {number} [learningRate] that was set, in place of the optimizer's own
 * @property {true} [waiting]      the app has not answered to the end of the epoch
 * @property {Float64Array} [metrics]  sums of the epoch's metrics
 * @property {number[]} [control]  the state of what decides about its rate and its end
 * @property {'earlyStopping' | 'reached'} [decided]  it is to end with its complete epoch
 * @property {{ epoch: number, restored: boolean }} [best]  the epoch of the best weights, 0 before
 *   there are any, and whether they are the model's and its own are kept
 * @property {Uint8Array} [before] the copy, unless the model has the same bits
 */

export class State {
  epoch = 0;
  /** The complete batches of the epoch. */ batch = 0;
  /** The key of the epoch's shuffle. */ key = 0;
  steps = 0;
  /** The samples of all steps. */ trained = 0;
  /** @type {EpochResult[]} */ history = [];
  /** The fingerprint of the data. */ fingerprint = '';
  /**
   * Why it is to end with the epoch that is complete.
   * @type {'earlyStopping' | 'reached' | null}
   */
  decided = null;
  /** Says that the app has not answered to the end of the epoch. */
  waiting = /** @type {boolean} */ (false);
  /** @type {number[]} */ #totals;
  #measured;

  /**
   * @param {import('./measures.js').Measured} measured
   * @param {import('./fit-options.js').RunSettings} settings
   * @param {number} samples
   * @param {number} [given]  that validate, beside these
   */
  constructor(measured, { validationSplit: split, batchSize }, samples, given = 0) {
    this.#measured = measured;
    this.#totals = noTotals(measured);
    this.samples = samples;
    this.trainSamples = trainSamplesOf(samples, split);
    const heldOut = samples - this.trainSamples;
    if (this.trainSamples < 1 || (split > 0 && heldOut < 1)) {
      throw new OffstageError(
        'INVALID_OPTION',
        `validationSplit ${split} leaves ${this.trainSamples} samples to train ` +
          `and ${heldOut} to validate of ${samples}, expected at least one of each`,
      );
    }
    /** The positions that validate: of the data given for that, or the last of all data. */
    this.validated = given > 0 ? { from: 0, to: given } : { from: this.trainSamples, to: samples };
    this.totalBatches = Math.ceil(this.trainSamples / batchSize);
  }

  /** Says that samples validate. */
  get validates() {
    return this.validated.to > this.validated.from;
  }

  /** Says that the epoch that began last is not complete. */
  get isOpen() {
    return this.epoch > this.history.length;
  }

  /** The means of the epoch so far. */
  get means() {
    return meansOf(this.#measured, this.#totals);
  }

  /** @param {number} key  of its shuffle */
  beginEpoch(key) {
    this.epoch++;
    this.key = key;
    this.decided = null;
    this.beginAnew();
  }

  /** Begins the epoch anew. */
  beginAnew() {
    this.batch = 0;
    this.#totals.fill(0);
  }

  /** @param {Float64Array} totals  the core's, of the step @param {number} count  samples */
  batchEnded(totals, count) {
    addStep(this.#totals, totals, count);
    this.trained += count;
    this.batch++;
    this.steps++;
  }

  /** Takes another run's place, whose data were these or may be others. @param {RunState} past */
  goOnWith(past) {
    const { epoch, batch, key, steps, trained, totals, history, fingerprint } = past;
    Object.assign(this, { epoch, batch, key, steps, trained, history: [...history] });
    this.waiting = past.waiting === true;
    this.decided = past.ended === null ? (past.decided ?? null) : null; // it was resumed to go on
    this.#totals = [...totals];
    if (fingerprint === this.fingerprint) return;
    if (this.isOpen) this.beginAnew();
    else if (epoch > 0) this.batch = this.totalBatches; // an epoch of these data has as many
  }

  /** Makes this state's part of a RunState. */
  toRecord() {
    const { samples, epoch, batch, key, steps, trained, fingerprint } = this;
    return {
      samples,
      epoch,
      batch,
      key,
      steps,
      trained,
      fingerprint,
      totals: [...this.#totals],
      history: [...this.history],
      ...(this.waiting && { waiting: /** @type {true} */ (true) }),
      ...(this.decided && { decided: this.decided }),
    };
  }
}
