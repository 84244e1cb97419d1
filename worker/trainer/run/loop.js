/* loop.js: one training run: the check of its data, then its loop over epochs and batches.
 *
 * The loop is a generator for the pump. Everything that a run needs is allocated when it is made,
 * so a run that began does not fail for want of memory, and a step allocates nothing. It may be
 * left for good at any yield that is not within an update: what is not committed counts for
 * nothing. What ends it, and when, is lifecycle.js's; its state is state.js's; its reports are
 * reports.js's. */

import { OffstageError } from '../../host/errors.js';
import { findDoubts } from './doubts.js';
import { meansOf, noTotals, together } from './measures.js';
import { CheckpointSchedule } from './checkpoint-schedule.js';
import { Records } from './reports.js';
import { Rollback } from './rollback.js';
import { State } from './state.js';
import { Stopwatch } from './stopwatch.js';
import { saveState } from '../snapshot.js';
import { copyWeights, takeAverages } from '../weights.js';

/** @typedef {import('../../host/pump.js').Work} Work */
/** @typedef {import('../model.js').Plan} Plan */
/** @typedef {import('../datasets.js').Stored} Stored */
/** @typedef {import('./state.js').Reason} Reason */
/** @typedef {import('./state.js').RunState} RunState */
/** weights: of the samples. @typedef {{ x: Stored, y: Stored, weights: Stored | null }} Data */
/** @typedef {{ training: Plan, validation: Plan | null }} Plans */
/**
 * The parts that a run is made of.
 * @typedef {object} Parts
 * @property {import('../model.js').Model} model
 * @property {import('../../host/pump.js').Pump} pump
 * @property {import('../../host/clock.js').Host} host
 * @property {import('../stages.js').Stages} stages
 * @property {import('./settings.js').Settings} settings
 * @property {Data} data
 * @property {Float32Array | null} classWeight
 * @property {(progress: import('../../protocol.js').Progress) => void} report
 * @property {boolean} kept  the data come from storage
 * @property {(notice: import('../../protocol.js').Notice) => void} notice
 * @property {(fingerprint: string) => void} begun  called when the data are checked
 * @property {Pick<import('./checkpoint-schedule.js').Saves, 'snapshot' | 'keep' | 'warn'>} saves
 */

export class Run {
  #parts;
  #state;
  #stopwatch;
  #records;
  /** @type {CheckpointSchedule | null} */ #schedule = null;
  /** @type {Rollback | null} */ #rollback = null;
  /** The plans, until the run is closed. @type {Plans | null} */ #plans;
  /** The memory of a step. */ #memory;
  /** @type {Reason | null} */ #ended = null;
  /** Says that the slice is over, which waits for a complete epoch's record. */ #over = false;
  /** Says that the model or its copy is between two states. */ #changing = false;

  /**
   * Takes the data, which it frees in the end; where it throws they are still the caller's.
   * @param {Parts} parts
   */
  constructor(parts) {
    const { model, host, stages, settings, data, report } = parts;
    this.#parts = parts;
    this.settings = settings;
    const state = (this.#state = new State(model.measured, settings.run, data.x.samples));
    const stopwatch = (this.#stopwatch = new Stopwatch(host));
    if (settings.run.nonFinite) this.#rollback = new Rollback(model);
    const { training } = (this.#plans = openPlans(model, state, settings.run.batchSize));
    const memory = (this.#memory = model.core.planMemory(training.plan));
    this.#records = new Records({
      model,
      host,
      stages,
      settings,
      state,
      stopwatch,
      rollback: this.#rollback,
      memory,
      report,
    });
  }

  /** Says that the data are checked and the loop has started: from here on the run fails. */
  get began() {
    return this.#stopwatch.started;
  }

  get paused() {
    return this.#stopwatch.paused;
  }

  get epoch() {
    return this.#state.epoch;
  }

  get batch() {
    return this.#state.batch;
  }

  get totalBatches() {
    return this.#state.totalBatches;
  }

  /** Says that an update is under way: the weights are between two steps. */
  updating() {
    return (
      this.#changing ||
      (this.#plans !== null && this.#parts.model.core.stepUpdating(this.#plans.training.plan))
    );
  }

  /** Stands still: what is to be told of the run so far is told. */
  pause() {
    this.#stopwatch.pause();
    this.flush();
  }

  resume() {
    this.#parts.stages.leaveOut(this.#stopwatch.resume());
  }

  /** Leaves out time that was not the run's: the machine slept. @param {number} ms */
  leaveOut(ms) {
    this.#stopwatch.leaveOut(ms);
  }

  /** Sends the records that wait. */
  flush() {
    this.#records.flush();
  }

  /** Checks the data and trains, to the end of the last epoch. @returns {Work} */
  *work() {
    const {
      model,
      pump,
      settings: {
        run: { epochs },
      },
    } = this.#parts;
    yield* this.#check();
    const schedule = this.#begin();
    const state = this.#state;
    if (this.paused) yield;
    if (this.#rollback) yield* this.#change(this.#rollback.begin(pump));
    while (state.epoch < epochs || state.isOpen) {
      if (!state.isOpen) state.beginEpoch(model.epochsBegun++);
      yield* this.#trainEpoch(schedule);
      const trained = { epoch: state.epoch, ...state.means };
      const result = state.heldOut > 0 ? together(trained, yield* this.#validate()) : trained;
      state.history.push(result);
      this.#records.add('epoch', result);
      if (this.#records.due(pump.time)) this.flush();
      schedule.epochEnded(state.history.length);
      if (this.#rollback) yield* this.#change(this.#rollback.epochEnded(pump, result.loss));
      // The last epoch's record finishes the run: nobody has a turn in which to stop it.
      if (this.#over && state.epoch < epochs) yield;
    }
    yield* this.#change(takeAverages(pump, model));
  }

  /** Checks all data, and takes the place of the run that it goes on with. @returns {Work} */
  *#check() {
    const {
      model,
      pump,
      settings,
      classWeight,
      data,
      data: { x, y, weights },
    } = this.#parts;
    const state = this.#state;
    yield* model.check(pump, data);
    yield* model.store.prepareWeights(pump, weights, {
      y,
      trained: state.trainSamples,
      classWeight,
    });
    if (!settings.resume) {
      const doubts = yield* findDoubts({ model, pump, data, trained: state.trainSamples });
      for (const doubt of doubts) this.#parts.notice({ kind: 'warning', ...doubt });
    }
    const sums = [];
    for (const column of [x, y, weights]) {
      if (column) sums.push(yield* model.store.fingerprint(pump, column));
    }
    state.fingerprint = sums.join(' ');
    model.core.modelSetRate(model.address, 1);
    if (!settings.resume) return;
    // Weights that were set between the request and its turn have ended the run to resume.
    if (!model.past) {
      throw new OffstageError(
        'INVALID_OPTION',
        'resume is true, but there is no run to go on with any more',
      );
    }
    this.#goOnWith(model.past);
  }

  /** @param {RunState} past */
  #goOnWith(past) {
    const { kept, settings } = this.#parts;
    const state = this.#state;
    const same = past.fingerprint === state.fingerprint;
    if (!same && kept) {
      throw new OffstageError(
        'DATA_LOST',
        'the data that were kept are damaged, or of another run: ' +
          'give them again, with resume: true',
      );
    }
    if (!same && !settings.otherData) {
      throw new OffstageError(
        'INVALID_DATA',
        `the data are not those that the run began with (${state.samples} samples now, ` +
          `${past.samples} then): otherData: true goes on with them, ` +
          `from the beginning of epoch ${past.epoch}`,
      );
    }
    state.goOnWith(past);
    this.#rollback?.take(past);
  }

  #begin() {
    const { model, pump, host, settings, saves, data, begun } = this.#parts;
    const { training, validation } = /** @type {Plans} */ (this.#plans);
    for (const each of [training, validation]) if (each) model.setData(each.plan, data);
    this.#stopwatch.start(settings.resume ? (model.past?.elapsedMs ?? 0) : 0);
    this.#records.open();
    const { snapshotMs, persist } = settings;
    const schedule = (this.#schedule = new CheckpointSchedule({
      pump,
      host,
      snapshotMs,
      persist,
      ...saves,
      take: () => this.checkpoint(),
      at: () => ({ step: model.step, epoch: this.epoch }),
    }));
    model.past = null;
    begun(this.#state.fingerprint);
    return schedule;
  }

  /** @param {CheckpointSchedule} schedule @returns {Work} */
  *#trainEpoch(schedule) {
    const state = this.#state;
    const { trainSamples, totalBatches } = state;
    const {
      model: { core },
      pump,
      stages,
      settings: {
        run: { batchSize, shuffle },
      },
    } = this.#parts;
    const {
      training: { plan },
      validation,
    } = /** @type {Plans} */ (this.#plans);
    stages.enter('training');
    let began = pump.worked;
    while (state.batch < totalBatches) {
      if (schedule.due) {
        stages.enter('saving');
        yield* schedule.save();
        stages.enter('training');
        began = pump.worked;
      }
      const first = state.batch * batchSize;
      const count = Math.min(batchSize, trainSamples - first);
      core.stepBegin(plan, first, count, trainSamples, shuffle ? 1 : 0, state.key);
      try {
        while (core.stepRun(plan, pump.chunk)) if (pump.spend(core.units)) yield;
      } catch (error) {
        if (!this.#rollback?.helps(error)) throw error;
        yield* this.#goBack(this.#rollback, /** @type {OffstageError} */ (error));
        continue;
      }
      const totals = core.stepTotals(plan);
      state.batchEnded(totals, count);
      this.#rollback?.batchEnded(totals[0] / count);
      // The last batch has no record but the epoch's.
      if (this.#records.due(pump.time) && state.batch < totalBatches) {
        this.#records.add('batch', state.means);
        this.flush();
      }
      this.#over = pump.spend(core.units) || pump.waiting;
      const ended = pump.worked;
      core.stepTook(plan, count, ended - began);
      began = ended;
      if (this.#over && (state.batch < totalBatches || validation)) yield;
    }
  }

  /** Measures the held-out end of the data, in order. */
  *#validate() {
    const { samples, trainSamples } = this.#state;
    const {
      model,
      pump,
      stages,
      settings: {
        run: { batchSize },
      },
    } = this.#parts;
    const { plan } = /** @type {Plan} */ (this.#plans?.validation);
    stages.enter('validating');
    const totals = noTotals(model.measured);
    for (let first = trainSamples; first < samples; first += batchSize) {
      const count = Math.min(batchSize, samples - first);
      this.#over =
        (yield* model.measure(pump, plan, totals, { first, count, samples })) || pump.waiting;
      if (this.#over && first + batchSize < samples) yield;
    }
    return meansOf(model.measured, totals, ['valLoss', 'valAccuracy']);
  }

  /** Begins the epoch anew. @param {Rollback} rollback @param {OffstageError} error */
  *#goBack(rollback, { message }) {
    const { pump, model, notice } = this.#parts;
    const state = this.#state;
    const { step } = model;
    yield* this.#change(rollback.goBack(pump));
    state.steps -= step - model.step;
    state.beginAnew();
    const { rollbacks, learningRate } = rollback.describe();
    notice({
      kind: 'warning',
      code: 'NON_FINITE',
      message:
        `${message}; epoch ${state.epoch} begins anew ` +
        `with a learningRate of ${learningRate} (rollback ${rollbacks})`,
    });
  }

  /** Does work in which nobody may look at the model before its end. @param {Work} work */
  *#change(work) {
    this.#changing = true;
    yield* work;
    this.#changing = false;
  }

  /** Takes a checkpoint of this moment, which must not be within an update. */
  checkpoint() {
    const { pump, model } = this.#parts;
    this.#records.mark(this.#ended);
    return saveState(pump, model, this.#describe());
  }

  /** @returns {RunState} */
  #describe() {
    return {
      settings: { ...this.settings.run },
      ...this.#state.toRecord(),
      elapsedMs: this.#stopwatch.elapsedMs,
      ended: this.#ended,
      ...this.#rollback?.state(),
    };
  }

  /** Settles, between two steps, how the run ended; sends its records. @param {Reason} reason */
  end(reason) {
    this.resume();
    this.#stopwatch.stop();
    this.#ended = reason;
    this.flush();
    this.#records.mark(reason);
  }

  /**
   * Takes the last checkpoint, after end().
   * @returns {Generator<void, Promise<unknown> | null, void>} the promise that it is on storage
   */
  *last() {
    this.#parts.stages.enter('saving');
    return this.#schedule ? yield* this.#schedule.last() : null;
  }

  /**
   * Frees what the run has, after end(), and makes its result.
   * @returns {import('../../protocol.js').TrainingComplete}
   */
  close() {
    const { model, settings, stages } = this.#parts;
    this.#leave();
    // A run that was to be resumed, and was stopped before it began, keeps its place.
    const { history, steps } = (!this.began && settings.resume && model.past) || this.#state;
    return {
      reason: this.#ended ?? 'stopped',
      history,
      epochs: history.length,
      steps,
      step: model.step,
      epoch: this.epoch,
      batch: this.batch,
      totals: model.totals,
      durationSeconds: this.#stopwatch.seconds,
      run: this.#records.run,
      ...this.#rollback?.describe(),
      ...this.#memory,
      ...stages.describe(),
      ...(settings.returnWeights && { weights: copyWeights(model) }),
    };
  }

  /** Closes the run, instead of end() and close(), after an error that leaves the core intact. */
  fail() {
    const state = this.#state;
    if (this.began && state.isOpen && state.batch > 0) this.#records.addRest(state.means);
    this.flush();
    this.#records.mark('failed');
    this.#leave();
  }

  /** Frees what the run has; the model keeps its state. */
  #leave() {
    const { model, stages, data } = this.#parts;
    const { training, validation } = /** @type {Plans} */ (this.#plans);
    if (this.began) model.past = this.#describe();
    this.#plans = null;
    model.closePlan(training);
    model.closePlan(validation);
    model.store.free(...Object.values(data));
    stages.enter('done');
  }
}

/**
 * Opens the plans of a run: for training, and for validating where samples are held out.
 * @param {import('../model.js').Model} model @param {State} state @param {number} batchSize
 * @returns {Plans}
 */
function openPlans(model, { trainSamples, heldOut }, batchSize) {
  const training = model.openPlan('TRAIN', Math.min(batchSize, trainSamples));
  try {
    const batch = Math.min(batchSize, heldOut);
    return { training, validation: heldOut > 0 ? model.openPlan('EVALUATE', batch) : null };
  } catch (error) {
    model.closePlan(training);
    throw error;
  }
}
