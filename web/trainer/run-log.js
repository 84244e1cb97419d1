/* run-log.js: keeps what was told of one run: its records, its history, the step it has reached.
 * Invariant: no record is told twice, although a session in place of a lost one does some steps
 * again. The history is what a session said last, when the run began or when it had ended, and the
 * epochs that were told since. */

import { PLACE_FIELDS } from '../../worker/protocol.js';

/** @typedef {import('./run.js').Epoch} Epoch */
/** @typedef {import('./run.js').Progress} Progress */
/** @typedef {import('./run.js').Result} Result */

/** @param {Progress} record @returns {Epoch} */
export const epochOf = (record) =>
  /** @type {any} */ (
    Object.fromEntries(Object.entries(record).filter(([name]) => !PLACE_FIELDS.includes(name)))
  );

export class RunLog {
  /** The latest record. @type {Progress | undefined} */
  latest;
  /** Updates in the model, as far as is known. */
  step;
  /** The epoch that the run is in, from 1; 0: none has begun. */
  epoch = 0;
  /** The batches of it that are complete. */
  batch = 0;

  /**
   * Where the run stood as a session said last.
   * @type {{ step: number, steps: number, history: readonly Epoch[] }}
   */
  #stood;
  /**
   * The epochs since, each with the step that ended it.
   * @type {{ epoch: Epoch, step: number }[]}
   */
  #told = [];
  /** The history, until it grows. @type {readonly Epoch[] | null} */
  #history = null;
  #startedAt = performance.now();

  /** @param {number} step updates in the model as the run begins */
  constructor(step) {
    this.step = step;
    this.#stood = { step, steps: 0, history: [] };
  }

  /**
   * Complete epochs, those before the run was interrupted included; frozen, the same array until it
   * grows.
   * @returns {readonly Epoch[]}
   */
  get history() {
    this.#history ??= Object.freeze(
      this.#historyTo(Infinity).map((epoch) => Object.freeze({ ...epoch })),
    );
    return this.#history;
  }

  /**
   * It goes on with a run that had come so far.
   * @param {{ steps: number, history: readonly Epoch[] }} past
   */
  resumes({ steps, history }) {
    this.#stood = { ...this.#stood, steps, history };
    this.#history = null;
  }

  /** @param {Progress} record @returns {boolean} whether it is to be told */
  add(record) {
    if (this.#isTold(record)) return false;
    const { kind, epoch, batch, step } = record;
    this.latest = record;
    this.stands({ epoch, batch, step });
    if (kind === 'epoch') {
      this.#told.push({ epoch: epochOf(record), step });
      this.#history = null;
    }
    return true;
  }

  /**
   * Steps that were done before are done again in silence, unless the run went back to them.
   * @param {Progress} record
   */
  #isTold({ kind, epoch, step, rollbacks = 0 }) {
    if (!this.latest) return false;
    if (kind === 'epoch') return epoch <= (this.#told[this.#told.length - 1]?.epoch.epoch ?? 0);
    const { rollbacks: before = 0, step: last } = this.latest;
    return rollbacks < before || (rollbacks === before && step <= last);
  }

  /**
   * A session has told where the run stands.
   * @param {{ epoch: number, batch: number, step: number }} place
   */
  stands({ epoch, batch, step }) {
    Object.assign(this, { epoch, batch, step });
  }

  /** The run has ended, as the session said. @param {Result} result */
  ended({ step, steps, history }) {
    this.step = step;
    this.#stood = { step, steps, history };
    this.#history = null;
    this.#told = [];
  }

  /**
   * The result of a run that was stopped, and could not tell it itself.
   * @param {number} step where the model stands
   * @returns {Result}
   */
  stoppedAt(step) {
    const history = this.#historyTo(step);
    /** @type {Result} */
    const result = {
      reason: 'stopped',
      history,
      epochs: history.length,
      steps: this.#stood.steps + step - this.#stood.step,
      step,
      durationSeconds: (performance.now() - this.#startedAt) / 1000,
    };
    this.ended(result);
    return result;
  }

  /** @param {number} last step */
  #historyTo(last) {
    const told = this.#told.filter(({ step }) => step <= last).map(({ epoch }) => epoch);
    return [...this.#stood.history, ...told];
  }
}
