/* run.js: one training run: its settings, its loop over epochs and batches, and what it reports.
 *
 * The loop is a generator for the pump. Everything that a run needs is allocated when it is made, so a run
 * that began does not fail for want of memory, and a step allocates nothing. It may be left for good at any
 * yield that is not within an update: finish() then discards what is not committed. Loss sums add up in
 * doubles in the order of the steps. The clock is the pump's, read anew only for a record. */

import { OffstageError, checkFields, show } from './errors.js';

/** @typedef {import('./protocol.js').ProgressRecord} ProgressRecord */
/** @typedef {import('./model.js').Plan} Plan */
/** @typedef {import('./store.js').Stored} Stored */
/** @typedef {{ plan: Plan, x: Stored, y: Stored }} Held */
/**
 * @typedef {{ epochs: number, batchSize: number, shuffle: boolean, validationSplit: number, progressHz: number,
 *   returnWeights: boolean }} Settings
 */

const START_FIELDS = ['x', 'y', 'numEpochs', 'batchSize', 'shuffle', 'validationSplit', 'progressHz', 'returnWeights'];
const MOST_HZ = 1000;

/**
 * @param {any} payload  of START_TRAINING
 * @returns {Settings}
 */
export function readSettings(payload) {
  checkFields(payload, START_FIELDS, 'START_TRAINING', 'INVALID_OPTION');
  const { numEpochs = 1, shuffle = true, validationSplit = 0, progressHz = 10, returnWeights = false } = payload;
  const epochs = positiveInteger('numEpochs (epochs)', numEpochs);
  const batchSize = readBatchSize(payload.batchSize);
  for (const [name, value] of Object.entries({ shuffle, returnWeights })) {
    if (typeof value !== 'boolean') refuse(`${name} is ${show(value)}, expected true or false`);
  }
  if (typeof validationSplit !== 'number' || !(validationSplit >= 0 && validationSplit < 1)) {
    refuse(`validationSplit is ${show(validationSplit)}, expected a number from 0 to below 1`);
  }
  if (typeof progressHz !== 'number' || !(progressHz > 0 && progressHz <= MOST_HZ)) {
    refuse(`progressHz is ${show(progressHz)}, expected a number above 0 and up to ${MOST_HZ}`);
  }
  return { epochs, batchSize, shuffle, validationSplit, progressHz, returnWeights };
}

/** @param {unknown} batchSize @returns {number} */
export function readBatchSize(batchSize = 32) {
  return positiveInteger('batchSize', batchSize);
}

/** @param {string} name @param {any} value @returns {number} */
function positiveInteger(name, value) {
  if (!Number.isSafeInteger(value) || value < 1) refuse(`${name} is ${show(value)}, expected a positive integer`);
  return value;
}

/** @param {string} message @returns {never} */
function refuse(message) {
  throw new OffstageError('INVALID_OPTION', message);
}

export class Run {
  /** The data is checked and the loop has started: what fails from here on is the run. */ began = false;
  paused = false;
  epoch = 0;
  batch = 0;
  steps = 0;
  /** @type {import('./protocol.js').EpochResult[]} */ history = [];
  /** @type {Held | null} */ #held = null;
  /** @type {Plan | null} */ #validation = null;
  /** @type {ProgressRecord[]} */ #records = [];
  #due = -Infinity;
  #startedAt = 0;
  #pausedAt = 0;
  #trained = 0;
  #loss = 0;
  #correct = 0;
  #seen = 0;

  /**
   * Takes x and y, which it frees in the end; they are the caller's still where it throws.
   * @param {object} parts
   * @param {import('./model.js').Model} parts.model
   * @param {import('./pump.js').Pump} parts.pump
   * @param {import('./yield.js').Host} parts.host
   * @param {Settings} parts.settings
   * @param {Stored} parts.x
   * @param {Stored} parts.y
   * @param {(progress: import('./protocol.js').Progress) => void} parts.report
   */
  constructor({ model, pump, host, settings, x, y, report }) {
    this.model = model;
    this.pump = pump;
    this.host = host;
    this.settings = settings;
    this.report = report;
    this.samples = x.samples;
    const { validationSplit: split } = settings;
    // Keras's rounding: the training part is what is rounded down.
    this.trainSamples = split > 0 ? Math.floor(x.samples * (1 - split)) : x.samples;
    const held = x.samples - this.trainSamples;
    if (this.trainSamples < 1 || (split > 0 && held < 1)) {
      refuse(`validationSplit ${split} leaves ${this.trainSamples} samples to train and ${held} to validate of ` +
        `${x.samples}, expected at least one of each`);
    }
    this.totalBatches = Math.ceil(this.trainSamples / settings.batchSize);
    const plan = model.openPlan('TRAIN', Math.min(settings.batchSize, this.trainSamples));
    try {
      if (held > 0) this.#validation = model.openPlan('EVALUATE', Math.min(settings.batchSize, held));
    } catch (error) {
      model.closePlan(plan);
      throw error;
    }
    this.#held = { plan, x, y };
  }

  /** An update is under way: the weights are between two steps. */
  updating() {
    return this.#held !== null && this.model.core.stepUpdating(this.#held.plan.plan);
  }

  /** @returns {import('./pump.js').Work} */
  *work() {
    const { model, pump, settings: { epochs } } = this;
    const { plan: { plan }, x, y } = /** @type {Held} */ (this.#held);
    yield* model.store.checkX(pump, x);
    yield* model.store.checkY(pump, model.address, y);
    for (const each of [plan, this.#validation?.plan]) {
      if (each) model.core.planSetData(each, x.address, x.type, y.address, y.type, x.samples);
    }
    this.began = true;
    this.#startedAt = this.host.now();
    while (this.epoch < epochs) {
      yield* this.#trainEpoch(plan);
      const result = { epoch: this.epoch, ...this.#means() };
      if (this.#validation) Object.assign(result, yield* this.#validate(this.#validation.plan));
      this.history.push(result);
      this.#records.push(this.#record('epoch', result));
      if (pump.time >= this.#due) this.flush();
    }
  }

  /** @param {number} plan @returns {import('./pump.js').Work} */
  *#trainEpoch(plan) {
    const { model, model: { core }, pump, trainSamples, totalBatches, settings: { batchSize } } = this;
    const shuffle = this.settings.shuffle ? 1 : 0;
    const key = model.epochsBegun++;
    this.epoch++;
    this.batch = this.#loss = this.#correct = this.#seen = 0;
    while (this.batch < totalBatches) {
      const first = this.batch * batchSize;
      const count = Math.min(batchSize, trainSamples - first);
      core.stepBegin(plan, first, count, trainSamples, shuffle, key);
      while (core.stepRun(plan, pump.chunk)) if (pump.spend(core.units)) yield;
      const totals = core.stepTotals(plan);
      this.#loss += totals[0];
      this.#correct += totals[1];
      this.#seen += count;
      this.#trained += count;
      this.batch++;
      this.steps++;
      // The last batch is told by the epoch's own record.
      if (pump.time >= this.#due && this.batch < totalBatches) this.#flushWithBatch();
      if (pump.spend(core.units) || pump.waiting) yield;
    }
  }

  /** The held-out end of the data, in order. @param {number} plan */
  *#validate(plan) {
    const { model, model: { core }, pump, samples, settings: { batchSize } } = this;
    let [loss, correct] = [0, 0];
    for (let first = this.trainSamples; first < samples; first += batchSize) {
      core.stepBegin(plan, first, Math.min(batchSize, samples - first), samples, 0, 0);
      while (core.stepRun(plan, pump.chunk)) if (pump.spend(core.units)) yield;
      const totals = core.stepTotals(plan);
      loss += totals[0];
      correct += totals[1];
      if (pump.spend(core.units) || pump.waiting) yield;
    }
    const held = samples - this.trainSamples;
    return { valLoss: loss / held, ...(model.hasAccuracy ? { valAccuracy: correct / held } : {}) };
  }

  /** Running means of the epoch. */
  #means() {
    return { loss: this.#loss / this.#seen, ...this.model.accuracy(this.#correct, this.#seen) };
  }

  /** Seconds since the run began, pauses left out. */
  elapsed() {
    if (!this.began) return 0;
    return ((this.paused ? this.#pausedAt : this.host.now()) - this.#startedAt) / 1000;
  }

  pause() {
    if (this.paused) return;
    this.#pausedAt = this.host.now();
    this.paused = true;
  }

  resume() {
    if (!this.paused) return;
    this.#startedAt += this.host.now() - this.#pausedAt;
    this.paused = false;
  }

  /**
   * @param {'epoch' | 'batch'} kind
   * @param {{ loss: number, accuracy?: number, valLoss?: number, valAccuracy?: number }} measured
   * @returns {ProgressRecord}
   */
  #record(kind, measured) {
    const { totalBatches, settings: { epochs: totalEpochs }, host } = this;
    const elapsed = this.elapsed();
    const total = totalEpochs * totalBatches;
    const done = (this.epoch - 1) * totalBatches + this.batch;
    const { epoch, batch } = this;
    return {
      kind, epoch, totalEpochs, batch, totalBatches, step: this.model.step,
      ...measured,
      percent: (100 * done) / total,
      etaSeconds: (elapsed * (total - done)) / done,
      elapsedSeconds: elapsed,
      samplesPerSecond: elapsed > 0 ? this.#trained / elapsed : 0,
      timestamp: (host.timeOrigin ?? 0) + host.now(),
      threadId: host.threadId ?? 0,
    };
  }

  #flushWithBatch() {
    this.#records.push(this.#record('batch', this.#means()));
    this.flush();
  }

  /** Sends the records that wait. */
  flush() {
    if (this.#records.length === 0) return;
    const records = this.#records;
    this.#records = [];
    this.#due = this.host.now() + 1000 / this.settings.progressHz;
    const memoryBytes = this.model.core.memory.buffer().byteLength;
    this.report({ ...records[records.length - 1], records, memoryBytes });
  }

  /**
   * Ends the run between two steps, frees what it holds, and tells how it went.
   * @param {'finished' | 'stopped'} reason
   * @returns {import('./protocol.js').TrainingComplete}
   */
  finish(reason) {
    const durationSeconds = this.elapsed();
    const { history, steps } = this;
    this.flush();
    const weights = this.settings.returnWeights ? { weights: this.model.copyWeights() } : {};
    const { step } = this.model;
    this.release();
    return { reason, history, epochs: history.length, steps, step, durationSeconds, ...weights };
  }

  /** Frees what the run holds; of a core that has not trapped. */
  release() {
    if (!this.#held) return;
    const { plan, x, y } = this.#held;
    this.#held = null;
    this.model.closePlan(plan);
    this.model.closePlan(this.#validation);
    this.model.store.free(x, y);
  }
}

/**
 * What GET_STATUS tells: a session as it stands.
 * @param {object} parts
 * @param {import('./model.js').Model | null} parts.model
 * @param {Run | null} parts.run
 * @param {import('./pump.js').Pump} parts.pump
 * @param {import('./yield.js').Host} parts.host
 * @returns {import('./protocol.js').Status}
 */
export function statusOf({ model, run, pump, host }) {
  const { memory } = model?.core ?? {};
  return {
    state: run ? (run.paused ? 'paused' : 'training') : model ? 'ready' : 'empty',
    epoch: run?.epoch ?? 0,
    totalEpochs: run?.settings.epochs ?? 0,
    batch: run?.batch ?? 0,
    totalBatches: run?.totalBatches ?? 0,
    step: model?.step ?? 0,
    memoryBytes: memory?.buffer().byteLength ?? 0,
    usedBytes: memory?.used() ?? 0,
    slices: pump.slices,
    unitsPerMs: pump.rate,
    thread: host.threadId ?? 0,
    helpers: model?.core.helpers ?? 0,
  };
}
