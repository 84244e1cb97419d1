/* loop.js: one training run: the check of its data, then its loop over epochs and batches.
 *
 * The loop is a generator for the pump. Everything that a run needs is allocated when it is made,
 * so a run that began does not fail for want of memory, and a step allocates nothing. It may be
 * left for good at any yield that is not within an update: what is not committed counts for
 * nothing. What ends it, and when, is lifecycle.js's; its state is state.js's; its reports are
 * reports.js's. */

import { OffstageError, about } from '../../host/errors.js';
import { findDoubts } from './doubts.js';
import { Controls, monitorsOf } from './controls.js';
import { meansOf, meansOfStep, noTotals, together } from './measures.js';
import { directionsOf, sampleOf } from './metrics.js';
import { Best } from './best.js';
import { CheckpointSchedule } from './checkpoint-schedule.js';
import { Rate } from './rate.js';
import { Records } from './reports.js';
import { Rollback } from './rollback.js';
import { checkStratified, writeOrder } from './split.js';
import { State } from './state.js';
import { Stopwatch } from './stopwatch.js';
import { saveState } from '../snapshot.js';
import { copyWeights, takeAverages } from '../weights.js';

/** @typedef {import('../../host/pump.js').Work} Work */
/** @typedef {import('../model.js').Plan} Plan */
/** @typedef {import('./metrics.js').Metrics} Metrics */
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
 * @property {Data | null} validation  data that were given to validate on
 * @property {Float32Array | null} classWeight
 * @property {import('./reports.js').Report} report
 * @property {boolean} kept  the data come from storage
 * @property {(notice: import('../../protocol.js').Notice) => void} notice
 * @property {(ended: import('../../protocol.js').EpochEnded) => void} epochEnded  asks the client
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
  #rate;
  /**
   * What its epochs measure beside the loss, of training and of validation.
   * @type {(Metrics | null)[]}
   */
  #metrics = [];
  /** What decides about its rate and its end. @type {Controls | null} */ #controls = null;
  /** The best weights, where they are kept. @type {Best | null} */ #best = null;
  /** The plans, until the run is closed. @type {Plans | null} */ #plans = null;
  /** The memory of a step. */ #memory;
  /** The address of the data's order; 0: as they lie. */ #order = 0;
  /** @type {Reason | null} */ #ended = null;
  /** Says that the slice is over, which waits for a complete epoch's record. */ #over = false;
  /** Says that the model or its copy is between two states. */ #changing = false;
  /** Says that the run is paused. */ #paused = false;
  /** Says that the client was asked, and has not answered: the run stands at an epoch's end. */
  #asked = false;
  /** Says that the run ends with its epoch. */ #endsWithEpoch = false;

  /**
   * Takes the data, which it frees in the end; where it throws they are still the caller's.
   * @param {Parts} parts
   */
  constructor(parts) {
    const { model, host, stages, settings, data, validation, report } = parts;
    this.#parts = parts;
    this.settings = settings;
    const state = (this.#state = new State(
      model.measured,
      settings.run,
      data.x.samples,
      validation?.x.samples,
    ));
    const stopwatch = (this.#stopwatch = new Stopwatch(host));
    const { splitBy, learningRate } = settings.run;
    const rate = (this.#rate = new Rate(model, typeof learningRate === 'object'));
    if (typeof learningRate === 'number') rate.set(learningRate);
    if (settings.run.nonFinite) this.#rollback = new Rollback(model, rate);
    if (splitBy === 'stratified') checkStratified(model);
    this.#openPlans();
    const { training } = /** @type {Plans} */ (this.#plans);
    try {
      if (splitBy)
        this.#order = model.core.memory.alloc(4 * data.x.samples, 'the order of samples');
      if (Controls.asked(settings.run)) this.#control();
    } catch (error) {
      this.#free();
      throw error;
    }
    const memory = (this.#memory = model.core.planMemory(training.plan));
    this.#records = new Records({
      model,
      host,
      stages,
      settings,
      state,
      stopwatch,
      rollback: this.#rollback,
      rate,
      memory,
      report,
    });
  }

  #control() {
    const { model, settings } = this.#parts;
    const controls = new Controls(model.core, settings.run, this.#monitors);
    this.#controls = controls;
    if (controls.restores) {
      this.#best = (settings.resume && model.best) || new Best(model);
    }
  }

  /** The numbers of its epochs' records. */
  get #monitors() {
    const { measured } = this.#parts.model;
    const totals = noTotals(measured).fill(1);
    const { asked } = this.#parts.model;
    const sample = (/** @type {any} */ means, prefix = '') =>
      asked ? together(means, sampleOf(asked, prefix)) : means;
    const trained = sample(meansOf(measured, totals));
    const directions = asked ? directionsOf(asked) : {};
    if (!this.#state.validates) return monitorsOf(trained, directions);
    const validated = meansOf(measured, totals, ['valLoss', 'valAccuracy']);
    return monitorsOf(together(trained, sample(validated, 'val')), directions);
  }

  /** Says that the data are checked and the loop has started: from here on the run fails. */
  get began() {
    return this.#stopwatch.started;
  }

  get paused() {
    return this.#paused;
  }

  /** Says that it stands at the end of an epoch until the client has answered. */
  get waits() {
    return this.#asked;
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
    this.#paused = true;
    this.#stopwatch.pause();
    this.flush();
  }

  resume() {
    this.#paused = false;
    this.#goOn();
  }

  /** Time counts, unless the run stands still for another reason. */
  #goOn() {
    if (this.#paused || this.#asked) return;
    this.#parts.stages.leaveOut(this.#stopwatch.resume());
  }

  /** Ends the run with its present epoch. */
  stopAfterEpoch() {
    this.#endsWithEpoch = true;
  }

  /**
   * The client has answered to the end of an epoch: the run goes on.
   * @param {{ epoch: number, learningRate?: number }} answer
   * @returns {boolean} false: nobody waits for that
   */
  answered({ epoch, learningRate }) {
    if (!this.#asked || epoch !== this.epoch) return false;
    if (learningRate !== undefined) this.#rate.set(learningRate);
    this.#asked = this.#state.waiting = false;
    this.#goOn();
    return true;
  }

  /** @param {{ learningRate?: number, duty?: number }} change  from the next step on */
  change({ learningRate, duty }) {
    if (learningRate !== undefined) this.#rate.set(learningRate);
    if (duty !== undefined) this.#parts.pump.rest(duty);
  }

  /** Leaves out time that was not the run's: the machine slept. @param {number} ms */
  leaveOut(ms) {
    this.#stopwatch.leaveOut(ms);
  }

  /** Sends the records that wait. */
  flush() {
    this.#records.flush();
  }

  /**
   * Checks the data and trains, to the end of the last epoch.
   * @returns {Generator<void, Reason, void>} why it ends
   */
  *work() {
    const {
      model,
      pump,
      settings,
      settings: {
        run: { epochs },
      },
    } = this.#parts;
    yield* this.#check();
    const ended = settings.recovers && model.past?.ended;
    const schedule = this.#begin();
    const state = this.#state;
    if (this.paused) yield;
    if (ended) return ended;
    if (this.#best?.restored) yield* this.#change(this.#best.swap(pump));
    if (this.#rollback) yield* this.#change(this.#rollback.begin(pump));
    if (state.waiting) yield* this.#awaitAnswer();
    while (!state.decided && (state.epoch < epochs || state.isOpen)) {
      if (this.#isAtLimit) return yield* this.#completed('limit');
      if (!state.isOpen) {
        state.beginEpoch(model.epochsBegun++);
        this.#metrics[0]?.reset();
      }
      if (yield* this.#trainEpoch(schedule)) return yield* this.#completed('limit');
      const trained = yield* this.#withMetrics({ epoch: state.epoch, ...state.means }, 0);
      const measured = state.validates ? together(trained, yield* this.#validate()) : trained;
      const result = { ...measured, learningRate: this.#rate.present };
      state.history.push(result);
      const keepsBest = this.#decide(result);
      state.waiting = settings.waits;
      this.#records.add('epoch', result);
      if (this.#records.due(pump.time)) this.flush();
      schedule.epochEnded(state.history.length);
      if (keepsBest && this.#best) yield* this.#change(this.#best.keep(pump, state.epoch));
      if (this.#rollback) yield* this.#change(this.#rollback.epochEnded(pump, result.loss));
      if (state.waiting) yield* this.#awaitAnswer();
      if (this.#endsWithEpoch && state.epoch < epochs) return 'stopped';
      // The last epoch's record finishes the run: nobody has a turn in which to stop it.
      if (this.#over && state.epoch < epochs && !state.decided) yield;
    }
    return yield* this.#completed(state.decided ?? 'finished');
  }

  /**
   * The run ends by itself.
   * @param {Reason} reason
   * @returns {Generator<void, Reason, void>}
   */
  *#completed(reason) {
    const { pump, model } = this.#parts;
    yield* this.#change(takeAverages(pump, model));
    return reason;
  }

  /**
   * Has the controls decide after an epoch.
   * @param {import('../../protocol.js').EpochResult} result
   * @returns {boolean} the present weights are to be kept as the best
   */
  #decide(result) {
    if (!this.#controls) return false;
    const rate = this.#rate.base;
    const decided = this.#controls.epochEnded(result, rate);
    if (decided.rate !== rate) this.#rate.set(decided.rate);
    this.#state.decided = decided.reason;
    return decided.keepsBest;
  }

  get #isAtLimit() {
    const controls = this.#controls;
    if (!controls?.isLimited) return false;
    return controls.atLimit(this.#state.steps, this.#stopwatch.seconds);
  }

  /** Sets the rate of a step, where a schedule has it. @param {number} steps  before it */
  #followSchedule(steps) {
    if (!this.#controls?.isScheduled) return;
    const { history } = this.#state;
    const { gradientAccumulationSteps } = this.#parts.model.about.optimizer;
    const updates = Math.floor(steps / gradientAccumulationSteps);
    this.#rate.follow(this.#controls.rateOf(this.#rate.own, updates, history.length));
  }

  /** Stands at the end of an epoch until the client has answered. @returns {Work} */
  *#awaitAnswer() {
    const { model, settings, epochEnded } = this.#parts;
    const { epoch, history } = this.#state;
    this.#state.waiting = settings.waits;
    if (!settings.waits) return;
    const record = this.#records.make('epoch', history[history.length - 1]);
    this.flush();
    this.#asked = true;
    this.#stopwatch.pause();
    epochEnded({ epoch, step: model.step, record });
    while (this.#asked) yield;
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
      validation,
    } = this.#parts;
    const state = this.#state;
    const { trainSamples: trained } = state;
    yield* model.check(pump, data);
    const held = yield* this.#split();
    yield* model.store.prepareWeights(pump, weights, { y, trained, held, classWeight });
    if (validation) {
      const { y, weights } = validation;
      try {
        yield* model.check(pump, validation);
        yield* model.store.prepareWeights(pump, weights, { y, trained: 0, classWeight: null });
      } catch (error) {
        throw about('validationData', error);
      }
    }
    if (!settings.resume) {
      const atEnd = held ? x.samples : trained;
      const doubts = yield* findDoubts({ model, pump, data, trained: atEnd });
      for (const doubt of doubts) this.#parts.notice({ kind: 'warning', ...doubt });
    }
    const sums = [];
    for (const { x, y, weights } of validation ? [data, validation] : [data]) {
      for (const column of [x, y, weights]) {
        if (column) sums.push(yield* model.store.fingerprint(pump, column));
      }
      sums.push('/');
    }
    state.fingerprint = sums.slice(0, -1).join(' ');
    this.#rate.apply();
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

  /**
   * Chooses the samples that validate, where these are not the end of the data.
   * @returns {Generator<void, Uint8Array | null, void>} 1 for each of them
   */
  *#split() {
    const {
      model,
      pump,
      settings: {
        run: { splitBy: by },
      },
      data: { y },
    } = this.#parts;
    if (!by || by === 'end') return null;
    const { from, to } = this.#state.validated;
    const [address, heldOut] = [this.#order, to - from];
    return yield* writeOrder({ model, pump, address, y, heldOut, by });
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
    const validated = past.history.length > 0 && 'valLoss' in past.history[0];
    if (past.history.length > 0 && validated !== state.validates) {
      throw new OffstageError(
        'INVALID_OPTION',
        `validationData ${validated ? 'is missing' : 'is given'}, but the run that is resumed ` +
          `${validated ? 'validates' : 'does not validate'}`,
      );
    }
    state.goOnWith(past);
    if (past.control) this.#controls?.restore(past.control);
    if (past.metrics && same) this.#metrics[0]?.restore(past.metrics);
    if (past.learningRate !== undefined) this.#rate.set(past.learningRate);
    this.#rollback?.take(past);
    // The epoch's record tells the rate of its last step, which may have been trained.
    if (state.isOpen && state.batch > 0) this.#followSchedule(state.steps - 1);
  }

  #begin() {
    const { model, pump, host, settings, saves, data, begun } = this.#parts;
    const { training, validation } = /** @type {Plans} */ (this.#plans);
    model.setData(training.plan, data, this.#order);
    const given = this.#parts.validation;
    if (validation) model.setData(validation.plan, given ?? data, given ? 0 : this.#order);
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
    model.keepBest(this.#best);
    begun(this.#state.fingerprint);
    return schedule;
  }

  /**
   * @param {CheckpointSchedule} schedule
   * @returns {Generator<void, boolean, void>} true: it is left at a limit
   */
  *#trainEpoch(schedule) {
    const state = this.#state;
    const { trainSamples, totalBatches } = state;
    const {
      model,
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
      if (this.#isAtLimit) return true;
      this.#followSchedule(state.steps);
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
      // The last batch has no record but the epoch's. The core's totals last until it is called.
      const tells = this.#records.due(pump.time) && state.batch < totalBatches;
      const own = tells ? meansOfStep(model.measured, totals, count) : null;
      this.#records.batchEnded(totals, count);
      if (own) {
        this.#records.add('batch', together(state.means, own));
        this.flush();
      }
      this.#over = pump.spend(core.units) || pump.waiting;
      const ended = pump.worked;
      core.stepTook(plan, count, ended - began);
      began = ended;
      if (this.#over && (state.batch < totalBatches || validation)) yield;
    }
    return false;
  }

  /** Measures the samples that validate, in order. */
  *#validate() {
    const { from, to } = this.#state.validated;
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
    this.#metrics[1]?.reset();
    for (let first = from; first < to; first += batchSize) {
      const count = Math.min(batchSize, to - first);
      this.#over =
        (yield* model.measure(pump, plan, totals, { first, count, samples: to })) || pump.waiting;
      if (this.#over && first + batchSize < to) yield;
    }
    return yield* this.#withMetrics(meansOf(model.measured, totals, ['valLoss', 'valAccuracy']), 1);
  }

  /**
   * Adds the results of metrics to the means of what they went through.
   * @param {any} means @param {0 | 1} which  of training, of validation
   * @returns {Generator<void, any, void>}
   */
  *#withMetrics(means, which) {
    const metrics = this.#metrics[which];
    if (!metrics) return means;
    return together(means, yield* metrics.results(this.#parts.pump, which ? 'val' : ''));
  }

  /** Begins the epoch anew. @param {Rollback} rollback @param {OffstageError} error */
  *#goBack(rollback, { message }) {
    const { pump, model, notice } = this.#parts;
    const state = this.#state;
    const { step } = model;
    yield* this.#change(rollback.goBack(pump));
    state.steps -= step - model.step;
    state.beginAnew();
    this.#metrics[0]?.reset();
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
      ...(this.#rate.given !== undefined && { learningRate: this.#rate.given }),
      ...(this.#metrics[0] && { metrics: this.#metrics[0].state }),
      ...(this.#controls && { control: this.#controls.state }),
      ...(this.#best && { best: { epoch: this.#best.epoch, restored: this.#best.restored } }),
      ...this.#rollback?.state(),
    };
  }

  /** Settles, between two steps, how the run ended; sends its records. @param {Reason} reason */
  end(reason) {
    this.#asked = false;
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
    const { stages, pump } = this.#parts;
    stages.enter('saving');
    if (this.began && this.#best?.epoch && !this.#best.restored) {
      yield* this.#change(this.#best.swap(pump));
    }
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
      ...(this.#best && { bestEpoch: this.#best.epoch, restored: this.#best.restored }),
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
    const { model, pump, stages, data } = this.#parts;
    if (this.began) model.past = this.#describe();
    this.#free();
    model.store.free(...Object.values(data), ...Object.values(this.#parts.validation ?? {}));
    pump.rest();
    stages.enter('done');
  }

  /** Opens the plans: for training, and for validating where samples are held out. */
  #openPlans() {
    const { model, settings } = this.#parts;
    const { trainSamples, validates, validated } = this.#state;
    const { batchSize } = settings.run;
    const heldOut = validated.to - validated.from;
    /** @type {Plan | null} */
    let training = null;
    try {
      this.#metrics.push(model.openMetrics(model.asked, trainSamples));
      if (validates) this.#metrics.push(model.openMetrics(model.asked, heldOut));
      const [trained, measured] = this.#metrics;
      training = model.openPlan('TRAIN', Math.min(batchSize, trainSamples), trained);
      const batch = Math.min(batchSize, heldOut);
      const validation = validates ? model.openPlan('EVALUATE', batch, measured) : null;
      this.#plans = { training, validation };
    } catch (error) {
      model.closePlan(training);
      for (const metrics of this.#metrics) metrics?.free();
      throw error;
    }
  }

  /** Frees what it has beside the data. */
  #free() {
    const { model } = this.#parts;
    const { training, validation } = /** @type {Plans} */ (this.#plans);
    this.#plans = null;
    model.closePlan(training);
    model.closePlan(validation);
    if (this.#order) model.core.memory.free(this.#order);
    for (const metrics of this.#metrics) metrics?.free();
    this.#controls?.free();
    if (this.#best !== model.best) this.#best?.free();
  }
}
