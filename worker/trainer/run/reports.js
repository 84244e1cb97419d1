/* reports.js: the reports of a run while it trains: its progress records, and its entry in the list
 * of runs.
 *
 * A message carries every epoch's record since the last one and at most one batch's; messages go
 * out at most progressHz times a second. Only here is that entry written. Nothing of a run depends
 * on its reports. */

import { BATCH_COLUMNS, MOST_RUNS, NO_RUNS, numbersOf } from '../../protocol.js';

/** @typedef {import('../../protocol.js').ProgressRecord} ProgressRecord */
/**
 * @callback Report
 * @param {import('../../protocol.js').Progress} progress
 * @param {Transferable[]} [transfer]
 * @returns {void}
 */
/**
 * @typedef {object} Parts
 * @property {import('../model.js').Model} model  the owner of the list of runs
 * @property {import('../../host/clock.js').Host} host
 * @property {import('../stages.js').Stages} stages
 * @property {import('./settings.js').Settings} settings
 * @property {import('./state.js').State} state
 * @property {import('./stopwatch.js').Stopwatch} stopwatch
 * @property {import('./rollback.js').Rollback | null} rollback
 * @property {import('./rate.js').Rate} rate
 * @property {ReturnType<import('../core.js').Core['planMemory']>} memory  of a step
 * @property {Report} report
 */

/** Steps of a message with all of them: it goes out earlier where there are more. */
const MOST_ROWS = 4096;

export class Records {
  /** The run's entry, once it has begun. @type {import('../../protocol.js').RunRecord | null} */
  run = null;
  /** Of all runs but this one. @type {import('../../protocol.js').Totals} */
  #others = NO_RUNS;
  #parts;
  /** @type {ProgressRecord[]} */ #waiting = [];
  /** The updates in the model, as the latest record has them. */ #step = -1;
  #due = -Infinity;
  /** Rows of BATCH_COLUMNS that wait, where each step is told. @type {Float64Array | null} */
  #rows = null;
  /** Their numbers. */ #filled = 0;

  /** @param {Parts} parts */
  constructor(parts) {
    this.#parts = parts;
    if (parts.settings.batchRecords !== 'every') return;
    this.#rows = new Float64Array(MOST_ROWS * BATCH_COLUMNS.length);
  }

  /** Enters the run into the list of runs. A run that is resumed is the same run. */
  open() {
    const { model, host, settings, state } = this.#parts;
    const last = model.runs[model.runs.length - 1];
    const resumed = settings.resume ? last : undefined;
    this.#others = resumed ? sumOf(model.totals, this.#own(), -1) : model.totals;
    this.run = {
      id: resumed?.id ?? (last?.id ?? 0) + 1,
      startedAt: resumed?.startedAt ?? host.wall(),
      endedAt: null,
      reason: null,
      options: { ...settings.run },
      metrics: null,
      steps: state.steps,
    };
    const before = resumed ? model.runs.slice(0, -1) : model.runs;
    model.runs = [...before, this.run].slice(-MOST_RUNS);
    model.totals = this.#totals;
  }

  /** The run's own part of the totals. @returns {import('../../protocol.js').Totals} */
  #own() {
    const { state, stopwatch } = this.#parts;
    const { history, steps } = state;
    return { runs: 1, epochs: history.length, steps, seconds: stopwatch.seconds };
  }

  /** Of all runs, this one included. */
  get #totals() {
    return sumOf(this.#others, this.#own(), 1);
  }

  /** Brings the entry up to date. @param {string | null} reason null: the run goes on */
  mark(reason) {
    const {
      host,
      model,
      state: { history, steps },
    } = this.#parts;
    const endedAt = reason === null ? null : host.wall();
    if (!this.run) return;
    Object.assign(this.run, {
      endedAt,
      reason,
      metrics: history.length > 0 ? numbersOf(history[history.length - 1]) : null,
      steps,
    });
    model.totals = this.#totals;
  }

  /** @param {number} time @returns {boolean} a message may go out */
  due(time) {
    return time >= this.#due || this.#filled >= (MOST_ROWS - 1) * BATCH_COLUMNS.length;
  }

  /**
   * A step is complete.
   * @param {Float64Array} totals  the core's @param {number} count  samples
   */
  batchEnded(totals, count) {
    if (!this.#rows) return;
    const { model, rate, state } = this.#parts;
    const { outputs } = model.measured;
    const loss = totals[0] / count; // before the model is asked, which uses their place
    const share = outputs.length === 1 && outputs[0].accuracy ? totals[3] / count : NaN;
    const row = [state.epoch, state.batch, model.step, loss, share, rate.present];
    this.#rows.set(row, this.#filled);
    this.#filled += row.length;
  }

  /**
   * Adds a record to the next message.
   * @param {'epoch' | 'batch'} kind
   * @param {{ loss: number, accuracy?: number, valLoss?: number, valAccuracy?: number }} measured
   */
  add(kind, measured) {
    this.#waiting.push(this.make(kind, measured));
  }

  /**
   * Makes a record of where the run stands.
   * @param {'epoch' | 'batch'} kind
   * @param {{ loss: number, accuracy?: number, valLoss?: number, valAccuracy?: number }} measured
   * @returns {ProgressRecord}
   */
  make(kind, measured) {
    const {
      model,
      host,
      rollback,
      rate,
      stopwatch,
      state,
      settings: {
        run: { epochs: totalEpochs },
      },
    } = this.#parts;
    const { epoch, batch, totalBatches, trained } = state;
    const elapsedSeconds = stopwatch.seconds;
    const total = totalEpochs * totalBatches;
    const done = (epoch - 1) * totalBatches + batch;
    this.#step = model.step;
    return {
      kind,
      epoch,
      totalEpochs,
      batch,
      totalBatches,
      step: model.step,
      learningRate: rate.present,
      ...measured,
      ...rollback?.describe(),
      percent: (100 * done) / total,
      etaSeconds: (elapsedSeconds * (total - done)) / done,
      elapsedSeconds,
      samplesPerSecond: elapsedSeconds > 0 ? trained / elapsedSeconds : 0,
      timestamp: host.wall(),
      threadId: host.threadId ?? 0,
    };
  }

  /**
   * Adds where the run stands, unless its latest record tells.
   * @param {{ loss: number, accuracy?: number }} means  of the epoch so far
   */
  addRest(means) {
    if (this.#step !== this.#parts.model.step) this.add('batch', means);
  }

  /** Sends the records that wait. */
  flush() {
    const records = this.#waiting;
    if (records.length === 0) return;
    const { host, settings, model, stages, memory, report } = this.#parts;
    this.#waiting = [];
    this.#due = host.now() + 1000 / settings.progressHz;
    const memoryBytes = model.core.memory.buffer().byteLength;
    const batches = this.#rows?.slice(0, this.#filled);
    this.#filled = 0;
    report(
      {
        ...records[records.length - 1],
        records,
        ...(batches && { batches }),
        memoryBytes,
        threads: model.core.threads,
        totals: this.#totals,
        ...memory,
        ...stages.describe(),
      },
      batches && [batches.buffer],
    );
  }
}

/**
 * @param {import('../../protocol.js').Totals} a @param {import('../../protocol.js').Totals} b
 * @param {1 | -1} sign  of b
 */
const sumOf = (a, b, sign) => ({
  runs: a.runs + sign * b.runs,
  epochs: a.epochs + sign * b.epochs,
  steps: a.steps + sign * b.steps,
  seconds: Math.max(0, a.seconds + sign * b.seconds),
});
