/* loop.js: one training run: its loop over epochs and batches, how it stands, and what it reports.
 *
 * The loop is a generator for the pump. Everything that a run needs is allocated when it is made, so a run
 * that began does not fail for want of memory, and a step allocates nothing. It may be left for good at any
 * yield that is not within an update: what is not committed counts for nothing. How it stands (RunState) changes
 * between two steps only, so that from a state and the model's weights at that moment another run goes on to the
 * same bits. Loss sums add up in doubles in the order of the steps. The clock is the pump's, read anew only for a
 * record. */

import { OffstageError } from '../../host/errors.js';
import { addStep, meansOf, noTotals, together } from './measures.js';
import { Rollback } from './rollback.js';
import { Saver } from './checkpoint-schedule.js';
import { trainSamplesOf } from './settings.js';
import { saveState } from '../snapshot.js';
import { copyWeights, takeAverages } from '../weights.js';

/** @typedef {import('../../protocol.js').ProgressRecord} ProgressRecord */
/** @typedef {import('../model.js').Plan} Plan */
/** @typedef {import('../datasets.js').Stored} Stored */
/** weights: of the samples. @typedef {{ x: Stored, y: Stored, weights: Stored | null }} Data */
/** @typedef {{ plan: Plan, data: Data }} Held */
/** @typedef {'finished' | 'stopped' | 'earlyStopping'} Reason */
/**
 * How a run stands between two steps.
 * @typedef {object} RunState
 * @property {import('./settings.js').RunSettings} settings
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
 * @property {import('../../protocol.js').EpochResult[]} history  complete epochs
 * @property {{ count: number, step: number, loss: number | null }} [rollback]  with nonFinite: 'rollback': so many; what it
 *                                 goes back to, which is
 * @property {Uint8Array} [before] unless it is the present
 */
/**
 * What a run is given.
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
 * @property {(fingerprint: string) => void} begun  the data are checked, and are these
 * @property {Pick<import('./checkpoint-schedule.js').Saves, 'snapshot' | 'keep' | 'warn'>} saves
 */

export class Run {
  /** The data is checked and the loop has started: what fails from here on is the run. */ began = false;
  paused = false;
  epoch = 0;
  batch = 0;
  /** @type {import('../../protocol.js').EpochResult[]} */ history = [];
  /** @type {Held | null} */ #held = null;
  /** @type {Plan | null} */ #validation = null;
  /** @type {ProgressRecord[]} */ #records = [];
  /** @type {Reason | null} */ #ended = null;
  #parts;
  #due = -Infinity;
  #startedAt = 0;
  /** Of a run that is resumed, in ms. */ #elapsedBefore = 0;
  #pausedAt = 0;
  #key = 0;
  #steps = 0;
  #trained = 0;
  /** @type {number[]} */ #totals;
  #fingerprint = '';
  /** The slice is over, which waits for an epoch that is complete to be told. */ #over = false;
  #durationMs = 0;
  /** Of a step. */ #memory;
  /** @type {Saver | null} */ #saver = null;
  /** @type {Rollback | null} */ #rollback = null;
  /** The model or its copy is between two states. */ #changing = false;
  /** @type {import('../../protocol.js').RunRecord | null} */ #record = null;

  /**
   * Takes the data, which it frees in the end; they are the caller's still where it throws.
   * @param {Parts} parts
   */
  constructor(parts) {
    const { model, settings, data, data: { x } } = parts;
    this.#parts = parts;
    this.#totals = noTotals(model.measured);
    this.settings = settings;
    this.samples = x.samples;
    const { validationSplit: split, batchSize } = settings.run;
    this.trainSamples = trainSamplesOf(x.samples, split);
    const held = x.samples - this.trainSamples;
    if (this.trainSamples < 1 || (split > 0 && held < 1)) {
      throw new OffstageError('INVALID_OPTION', `validationSplit ${split} leaves ${this.trainSamples} samples to train ` +
        `and ${held} to validate of ${x.samples}, expected at least one of each`);
    }
    this.totalBatches = Math.ceil(this.trainSamples / batchSize);
    if (settings.run.nonFinite) this.#rollback = new Rollback(model);
    const plan = model.openPlan('TRAIN', Math.min(batchSize, this.trainSamples));
    try {
      if (held > 0) this.#validation = model.openPlan('EVALUATE', Math.min(batchSize, held));
    } catch (error) {
      model.closePlan(plan);
      throw error;
    }
    this.#held = { plan, data };
    this.#memory = model.core.planMemory(plan.plan);
  }

  /** An update is under way: the weights are between two steps. */
  updating() {
    return this.#changing || (this.#held !== null && this.#parts.model.core.stepUpdating(this.#held.plan.plan));
  }

  /** Looks at the data and trains, to the end of the last epoch. @returns {import('../../host/pump.js').Work} */
  *work() {
    const { model, pump, host, stages, settings, saves } = this.#parts;
    const { plan: { plan }, data, data: { x, y, weights } } = /** @type {Held} */ (this.#held);
    yield* model.check(pump, data);
    yield* model.store.prepareWeights(pump, weights, { y, trained: this.trainSamples, classWeight: this.#parts.classWeight });
    const sums = [];
    for (const column of [x, y, weights]) if (column) sums.push(yield* model.store.fingerprint(pump, column));
    this.#fingerprint = sums.join(' ');
    model.core.modelSetRate(model.address, 1);
    if (settings.resume) {
      // Weights that were set between the request and its turn ended what there was to go on with.
      if (!model.past) throw new OffstageError('INVALID_OPTION', 'resume is true, but there is no run to go on with any more');
      this.#goOnWith(model.past);
    }
    for (const each of [plan, this.#validation?.plan]) {
      if (each) model.setData(each, data);
    }
    this.began = true;
    this.#startedAt = host.now();
    this.#openRecord();
    const { snapshotMs, persist } = settings;
    const saver = new Saver({ pump, host, snapshotMs, persist, ...saves,
      take: () => this.checkpoint(), at: () => ({ step: model.step, epoch: this.epoch }) });
    this.#saver = saver;
    model.past = null;
    this.#parts.begun(this.#fingerprint);
    if (this.#rollback) yield* this.#change(this.#rollback.begin(pump));
    while (this.epoch < settings.run.epochs || this.#isOpen) {
      if (!this.#isOpen) this.#beginEpoch();
      stages.enter('training');
      yield* this.#trainEpoch(plan, saver);
      const trained = { epoch: this.epoch, ...meansOf(model.measured, this.#totals) };
      const result = this.#validation ? together(trained, yield* this.#validate(this.#validation.plan)) : trained;
      this.history.push(result);
      this.#records.push(this.#tell('epoch', result));
      if (pump.time >= this.#due) this.flush();
      saver.epochEnded(this.history.length);
      if (this.#rollback) yield* this.#change(this.#rollback.epochEnded(pump, result.loss));
      // Once the last epoch is told the run is finished: nobody has a turn in which to stop it.
      if (this.#over && this.epoch < settings.run.epochs) yield;
    }
    yield* this.#change(takeAverages(pump, model));
  }

  /** Settles, between two steps, how the run ended, and tells what waits to be told. @param {Reason} reason */
  end(reason) {
    this.resume();
    this.#durationMs = 1000 * this.elapsed();
    this.#ended = reason;
    this.flush();
    this.#markRecord(reason);
  }

  /**
   * Takes the last checkpoint, after end().
   * @returns {Generator<void, Promise<unknown> | null, void>} the promise that it is on storage
   */
  *last() {
    this.#parts.stages.enter('saving');
    return this.#saver ? yield* this.#saver.last() : null;
  }

  /** The epoch that began last is not complete. */
  get #isOpen() {
    return this.epoch > this.history.length;
  }

  #beginEpoch() {
    this.epoch++;
    this.#key = this.#parts.model.epochsBegun++;
    this.#beginTotals();
  }

  #beginTotals() {
    this.batch = 0;
    this.#totals.fill(0);
  }

  /** Stands where another run stood. @param {RunState} past */
  #goOnWith(past) {
    const { epoch, batch, key, steps, trained, elapsedMs, totals, history, samples, fingerprint } = past;
    const same = fingerprint === this.#fingerprint;
    if (!same && this.#parts.kept) {
      throw new OffstageError('DATA_LOST', 'the data that were kept are damaged, or of another run: give them again, with resume: true');
    }
    if (!same && !this.settings.otherData) {
      throw new OffstageError('INVALID_DATA', `the data are not those that the run began with (${this.samples} samples now, ` +
        `${samples} then): otherData: true goes on with them, from the beginning of epoch ${epoch}`);
    }
    Object.assign(this, { epoch, batch, history: [...history] });
    this.#key = key;
    this.#steps = steps;
    this.#trained = trained;
    this.#elapsedBefore = elapsedMs;
    this.#totals = [...totals];
    this.#rollback?.take(past);
    if (same) return;
    if (this.#isOpen) this.#beginTotals();
    else if (epoch > 0) this.batch = this.totalBatches; // an epoch of these data has as many
  }

  /** A checkpoint of this moment, which must not be within an update. */
  checkpoint() {
    const { pump, model } = this.#parts;
    this.#markRecord(this.#ended);
    return saveState(pump, model, this.state());
  }

  /** How the run stands. @returns {RunState} */
  state() {
    return {
      settings: { ...this.settings.run },
      samples: this.samples, epoch: this.epoch, batch: this.batch, key: this.#key, steps: this.#steps, trained: this.#trained,
      elapsedMs: 1000 * this.elapsed(), ended: this.#ended, fingerprint: this.#fingerprint,
      totals: [...this.#totals], history: [...this.history],
      ...this.#rollback?.state(),
    };
  }

  /** @param {number} plan @param {Saver} saver @returns {import('../../host/pump.js').Work} */
  *#trainEpoch(plan, saver) {
    const { trainSamples, totalBatches } = this;
    const { model: { core }, pump, stages, settings: { run: { batchSize, shuffle } } } = this.#parts;
    while (this.batch < totalBatches) {
      if (saver.due) {
        stages.enter('saving');
        yield* saver.save();
        stages.enter('training');
      }
      const first = this.batch * batchSize;
      const count = Math.min(batchSize, trainSamples - first);
      core.stepBegin(plan, first, count, trainSamples, shuffle ? 1 : 0, this.#key);
      try {
        while (core.stepRun(plan, pump.chunk)) if (pump.spend(core.units)) yield;
      } catch (error) {
        if (!this.#rollback?.helps(error)) throw error;
        yield* this.#goBack(this.#rollback, /** @type {OffstageError} */ (error));
        continue;
      }
      const totals = core.stepTotals(plan);
      addStep(this.#totals, totals, count);
      this.#trained += count;
      this.#rollback?.batchEnded(totals[0] / count);
      this.batch++;
      this.#steps++;
      // The last batch is told by the epoch's own record.
      if (pump.time >= this.#due && this.batch < totalBatches) this.#flushWithBatch();
      this.#over = pump.spend(core.units) || pump.waiting;
      if (this.#over && (this.batch < totalBatches || this.#validation)) yield;
    }
  }

  /** What nobody may look at before its end. @param {import('../../host/pump.js').Work} work */
  *#change(work) {
    this.#changing = true;
    yield* work;
    this.#changing = false;
  }

  /** The epoch begins anew, with better weights. @param {Rollback} rollback @param {OffstageError} error */
  *#goBack(rollback, { message }) {
    const { pump, model, notice } = this.#parts;
    const { step } = model;
    yield* this.#change(rollback.goBack(pump));
    this.#steps -= step - model.step;
    this.#beginTotals();
    const { rollbacks, learningRate } = rollback.told();
    notice({ kind: 'warning', code: 'NON_FINITE', message: `${message}; epoch ${this.epoch} begins anew with a learningRate of ${learningRate} (rollback ${rollbacks})` });
  }

  /** The held-out end of the data, in order. @param {number} plan */
  *#validate(plan) {
    const { samples } = this;
    const { model, pump, stages, settings: { run: { batchSize } } } = this.#parts;
    stages.enter('validating');
    const totals = noTotals(model.measured);
    for (let first = this.trainSamples; first < samples; first += batchSize) {
      yield* model.measure(pump, plan, totals, { first, count: Math.min(batchSize, samples - first), samples });
      this.#over = pump.spend(model.core.units) || pump.waiting;
      if (this.#over && first + batchSize < samples) yield;
    }
    return meansOf(model.measured, totals, ['valLoss', 'valAccuracy']);
  }

  /** Seconds since the run began, pauses left out. */
  elapsed() {
    if (!this.began) return 0;
    if (this.#ended !== null) return this.#durationMs / 1000;
    const now = this.paused ? this.#pausedAt : this.#parts.host.now();
    return (this.#elapsedBefore + now - this.#startedAt) / 1000;
  }

  pause() {
    if (this.paused) return;
    this.#pausedAt = this.#parts.host.now();
    this.paused = true;
  }

  resume() {
    if (!this.paused) return;
    this.paused = false;
    const ms = this.#parts.host.now() - this.#pausedAt;
    this.#parts.stages.leaveOut(ms);
    this.leaveOut(ms);
  }

  /** Time that was not the run's: the machine slept. @param {number} ms */
  leaveOut(ms) {
    // A gap may reach back before the run.
    if (this.began) this.#startedAt = Math.min(this.#startedAt + ms, this.#parts.host.now());
  }

  /** The list of runs tells of this one. A run that is resumed is the same run. */
  #openRecord() {
    const { model, host, settings } = this.#parts;
    const last = settings.resume ? model.runs.pop() : undefined;
    this.#record = {
      id: last?.id ?? model.runs.length + 1, startedAt: last?.startedAt ?? host.wall(), endedAt: null, reason: null,
      options: { ...this.settings.run }, metrics: null, steps: this.#steps,
    };
    model.runs = [...model.runs, this.#record];
  }

  /** @param {string | null} reason null: it goes on */
  #markRecord(reason) {
    const metrics = this.history[this.history.length - 1] ?? null;
    const endedAt = reason === null ? null : this.#parts.host.wall();
    if (this.#record) Object.assign(this.#record, { endedAt, reason, metrics, steps: this.#steps });
  }

  /**
   * @param {'epoch' | 'batch'} kind
   * @param {{ loss: number, accuracy?: number, valLoss?: number, valAccuracy?: number }} measured
   * @returns {ProgressRecord}
   */
  #tell(kind, measured) {
    const { totalBatches } = this;
    const { model, host, settings: { run: { epochs: totalEpochs } } } = this.#parts;
    const elapsed = this.elapsed();
    const total = totalEpochs * totalBatches;
    const done = (this.epoch - 1) * totalBatches + this.batch;
    const { epoch, batch } = this;
    return {
      kind, epoch, totalEpochs, batch, totalBatches, step: model.step,
      ...measured, ...this.#rollback?.told(),
      percent: (100 * done) / total,
      etaSeconds: (elapsed * (total - done)) / done,
      elapsedSeconds: elapsed,
      samplesPerSecond: elapsed > 0 ? this.#trained / elapsed : 0,
      timestamp: host.wall(),
      threadId: host.threadId ?? 0,
    };
  }

  #flushWithBatch() {
    this.#records.push(this.#tell('batch', meansOf(this.#parts.model.measured, this.#totals)));
    this.flush();
  }

  /** Sends the records that wait. */
  flush() {
    if (this.#records.length === 0) return;
    const { host, settings, model, stages, report } = this.#parts;
    const records = this.#records;
    this.#records = [];
    this.#due = host.now() + 1000 / settings.progressHz;
    const memoryBytes = model.core.memory.buffer().byteLength;
    report({ ...records[records.length - 1], records, memoryBytes, ...this.#memory, ...stages.told() });
  }

  /**
   * Tells, after end(), how the run went. It holds nothing from here on.
   * @returns {import('../../protocol.js').TrainingComplete}
   */
  close() {
    const { model, settings, stages } = this.#parts;
    this.#leave();
    // A run that was to be resumed, and was stopped before it began, stands where it stood.
    const { history, steps } = !this.began && settings.resume && model.past ? model.past
      : { history: this.history, steps: this.#steps };
    return {
      reason: this.#ended ?? 'stopped', history, epochs: history.length, steps, step: model.step,
      durationSeconds: this.elapsed(), run: this.#record, ...this.#rollback?.told(), ...this.#memory, ...stages.told(),
      ...(settings.returnWeights && { weights: copyWeights(model) }),
    };
  }

  /** Instead of end() and close(), after an error that leaves the core as it was. */
  fail() {
    this.#markRecord('failed');
    this.#leave();
  }

  /** Frees what the run holds; the model keeps how it stood. */
  #leave() {
    const { model, stages } = this.#parts;
    const { plan, data } = /** @type {Held} */ (this.#held);
    if (this.began) model.past = this.state();
    this.#held = null;
    model.closePlan(plan);
    model.closePlan(this.#validation);
    model.store.free(...Object.values(data));
    stages.enter('done');
  }
}
