/* model.js: one model in its own wasm instance: built and asked. Its description is describe.js's.
 *
 * It owns the core, the model block, the plan for one prediction (made at once, so that a
 * prediction never fails for want of memory) and the data store. Long work is a generator for the
 * pump. Dropping the object frees everything. */

import { addTo, roomFor, tell } from './answers.js';
import { describeModel } from './describe.js';
import { rowOf } from '../data/columns.js';
import { OffstageError } from '../host/errors.js';
import { addStep, meansOf, noTotals, together } from './run/measures.js';
import { Metrics, measuredBy, readMetrics } from './run/metrics.js';
import { NO_RUNS } from '../protocol.js';
import { encodeSpec } from '../spec/spec.js';
import { Store } from './datasets.js';

/** @typedef {import('../host/pump.js').Pump} Pump */
/** @typedef {import('./datasets.js').Stored} Stored */
/** @typedef {import('./answers.js').Answer} Answer */
/** @typedef {{ plan: number, block: number }} Plan */
/**
 * What is measured of data.
 * @typedef {{ asked: import('./run/metrics.js').Asked | null,
 *   measured: import('./run/measures.js').Measured }} Question
 */

const MANY = 64; // samples of a batch when predicting many: enough to feed the kernels
const MANY_BYTES = 2 ** 25; // most that a plan for many may take; memory never shrinks
const DOING = { TRAIN: 'training', EVALUATE: 'evaluating', PREDICT: 'predicting' };

export class Model {
  /** The epochs begun since the model was made: each shuffle's key. */ epochsBegun = 0;
  /** The latest run's state, to resume it. @type {import('./run/state.js').RunState | null} */
  past = null;
  /** The best weights that it had. @type {import('./run/best.js').Best | null} */ best = null;
  /** The latest runs. @type {import('../protocol.js').RunRecord[]} */ runs = [];
  /** Of all runs. @type {import('../protocol.js').Totals} */ totals = NO_RUNS;

  /**
   * @param {import('./core.js').Core} core
   * @param {any} plainSpec  refused with INVALID_SPEC, OUT_OF_MEMORY
   */
  constructor(core, plainSpec) {
    const { schema, memory } = core;
    const spec = encodeSpec(schema, plainSpec);
    const names = spec.outputs.map(({ name }) => name);
    /** What is measured beside the loss; null: nothing was asked for. */
    this.asked =
      spec.metrics === undefined ? null : readMetrics(schema, spec.metrics, names, 'INVALID_SPEC');
    core.spec = spec;
    this.core = core;
    const { length } = spec.bytes;
    const bytes = memory.alloc(length, 'the spec');
    core.write(bytes, spec.bytes);
    const size = core.modelBytes(bytes, length);
    const block = memory.alloc(size, 'the model');
    this.address = core.modelInit(block, size, bytes, length);
    const filled = core.specFill(bytes, length);
    memory.free(bytes);
    if (this.asked) this.openMetrics(this.asked, 1)?.free(); // what does not fit is refused
    const told = describeModel(core, this.address, spec, filled, this.asked);
    this.layers = told.layers;
    this.facts = told.facts;
    this.counts = told.counts;
    this.measured = told.measured;
    this.about = told.about;
    this.spec = told.spec;
    this.store = new Store(core, this.address, this.facts);
    this.one = this.openPlan('PREDICT', 1);
    this.stage = memory.alloc(4 * rowOf(this.facts.inputs), 'one sample');
  }

  /** Writes the initial weights. @param {Pump} pump */
  *randomize(pump) {
    while (this.core.modelRandomize(this.address, pump.chunk)) if (pump.spend(pump.chunk)) yield;
  }

  /** Forgets the latest run: nobody goes on with it. */
  forgetRun() {
    this.past = null;
    this.keepBest(null);
  }

  /** @param {import('./run/best.js').Best | null} best  in place of those of an earlier run */
  keepBest(best) {
    if (best !== this.best) this.best?.free();
    this.best = best;
  }

  get step() {
    return this.core.modelFacts(this.address).step;
  }

  /**
   * Opens what measures metrics beside the accuracy of the loss: null where there are none.
   * @param {import('./run/metrics.js').Asked | null} asked
   * @param {number} samples  that it is told of between two resets, at most
   */
  openMetrics(asked, samples) {
    return asked && asked.measures.length > 0
      ? new Metrics(this.core, this.address, asked, samples)
      : null;
  }

  /**
   * What evaluate is to measure in place of the model's own.
   * @param {any} given  refused with INVALID_OPTION @returns {Question}
   */
  questionOf(given) {
    if (given === undefined) return { asked: this.asked, measured: this.measured };
    const { outputs } = this.facts;
    const names = outputs.map(({ name }) => name);
    const asked = readMetrics(this.core.schema, given, names, 'INVALID_OPTION');
    this.openMetrics(asked, 1)?.free();
    return { asked, measured: measuredBy(given, asked, outputs) };
  }

  /** Describes the model itself, for MODEL_READY. */
  describe() {
    const { inputs, outputs } = this.facts;
    return {
      layers: this.layers,
      ...this.counts,
      inputs,
      outputs,
      ...this.about,
      ...this.core.planMemory(this.one.plan),
      step: this.step,
      runs: this.runs,
      totals: this.totals,
      run: this.past && toldOf(this.past),
      memoryBytes: this.core.memory.buffer().byteLength,
      coreVersion: this.core.version(),
    };
  }

  /**
   * @param {'TRAIN' | 'EVALUATE' | 'PREDICT'} kind @param {number} batch
   * @param {Metrics | null} [metrics]  that its steps add to
   * @returns {Plan}
   */
  openPlan(kind, batch, metrics = null) {
    const { core, address } = this;
    const id = core.schema.constants[kind];
    core.modelSetMetrics(address, metrics?.address ?? 0);
    const bytes = core.planBytes(address, id, batch);
    const block = core.memory.alloc(bytes, `${DOING[kind]} with batches of ${batch}`);
    try {
      return { block, plan: core.planInit(block, bytes, address, id, batch) };
    } catch (error) {
      core.memory.free(block);
      throw error;
    }
  }

  /** @param {Plan | null} plan */
  closePlan(plan) {
    if (!plan) return;
    this.core.planClosed(plan.plan);
    this.core.memory.free(plan.block);
  }

  /**
   * Predicts one sample that came inline.
   * @param {Pump} pump @param {import('../data/columns.js').Column} column
   */
  *predictOne(pump, column) {
    const {
      core,
      one: { plan },
      stage,
      facts,
    } = this;
    const x = this.store.place(column, stage);
    yield* this.store.checkX(pump, x);
    core.planSetData(plan, stage, x.type, 0, core.schema.constants.NONE, 1);
    core.stepBegin(plan, 0, 1, 1, 0, 0);
    while (core.stepRun(plan, pump.chunk)) if (pump.spend(core.units)) yield;
    const answers = roomFor(facts.outputs, 1);
    this.#add(answers, plan, 0, 1);
    return tell(answers, facts.outputs, { single: column.single, step: this.step });
  }

  /** Predicts a stored column, and frees it. @param {Pump} pump @param {Stored} x */
  *predictMany(pump, x) {
    const { core } = this;
    /** @type {(Plan & { batch: number }) | null} */
    let opened = null;
    try {
      yield* this.store.checkX(pump, x);
      const { outputs } = this.facts;
      const answers = roomFor(outputs, x.samples);
      const batch = Math.min(x.samples, MANY);
      opened = this.#openSmaller(batch);
      const { plan, batch: fits } = opened;
      core.planSetData(plan, x.address, x.type, 0, core.schema.constants.NONE, x.samples);
      for (let first = 0; first < x.samples; first += fits) {
        const count = Math.min(fits, x.samples - first);
        core.stepBegin(plan, first, count, x.samples, 0, 0);
        const began = pump.worked;
        while (core.stepRun(plan, pump.chunk)) if (pump.spend(core.units)) yield;
        const { units } = core;
        this.#add(answers, plan, first, count);
        const over = pump.spend(units);
        core.stepTook(plan, count, pump.worked - began);
        if (over) yield;
      }
      return tell(answers, outputs, { single: x.single, step: this.step });
    } finally {
      this.closePlan(opened);
      this.store.free(x);
    }
  }

  /**
   * Adds a plan's predictions to the answers.
   * @param {Answer[]} answers @param {number} plan
   * @param {number} first @param {number} count  samples
   */
  #add(answers, plan, first, count) {
    const {
      core,
      facts: { outputs },
    } = this;
    answers.forEach((answer, k) =>
      addTo(
        answer,
        outputs[k],
        new Float32Array(core.memory.buffer(), core.planOutput(plan, k), count * outputs[k].size),
        first,
      ),
    );
  }

  /**
   * Opens a plan for `batch` samples or, where it would be large or memory is short, for fewer: the
   * outputs are the same.
   * @param {number} batch
   */
  #openSmaller(batch) {
    const { core, address } = this;
    const bytes = () => core.planBytes(address, core.schema.constants.PREDICT, batch);
    while (batch > 1 && bytes() > MANY_BYTES) batch = Math.ceil(batch / 2);
    for (;;) {
      try {
        return { ...this.openPlan('PREDICT', batch), batch };
      } catch (error) {
        if (batch === 1 || !(error instanceof OffstageError)) throw error;
        if (error.code !== 'OUT_OF_MEMORY') throw error;
        batch = Math.ceil(batch / 2);
      }
    }
  }

  /**
   * Measures loss and metrics over data in the store, which is freed.
   * @param {Pump} pump @param {{ x: Stored, y: Stored, weights: Stored | null }} data
   * @param {number} batchSize @param {Question} question
   */
  *evaluate(pump, data, batchSize, { asked, measured }) {
    const { x, y, weights } = data;
    /** @type {Plan | null} */
    let opened = null;
    /** @type {Metrics | null} */
    let metrics = null;
    try {
      yield* this.check(pump, data);
      yield* this.store.prepareWeights(pump, weights, { y, trained: 0, classWeight: null });
      metrics = this.openMetrics(asked, x.samples);
      opened = this.openPlan('EVALUATE', Math.min(batchSize, x.samples), metrics);
      this.setData(opened.plan, data);
      const totals = noTotals(measured);
      for (let first = 0; first < x.samples; first += batchSize) {
        const count = Math.min(batchSize, x.samples - first);
        const batch = { first, count, samples: x.samples };
        if (yield* this.measure(pump, opened.plan, totals, batch)) yield;
      }
      const means = meansOf(measured, totals);
      const told = metrics ? together(means, yield* metrics.results(pump)) : means;
      return { ...told, samples: x.samples, step: this.step };
    } finally {
      this.closePlan(opened);
      metrics?.free();
      this.store.free(x, y, weights);
    }
  }

  /**
   * Refuses data that the core could not use.
   * @param {Pump} pump @param {{ x: Stored, y: Stored }} data
   */
  *check(pump, { x, y }) {
    yield* this.store.checkX(pump, x);
    yield* this.store.checkY(pump, y);
  }

  /**
   * @param {number} plan @param {{ x: Stored, y: Stored, weights: Stored | null }} data
   * @param {number} [order]  address of the sample of each position; 0: as they lie
   */
  setData(plan, { x, y, weights }, order = 0) {
    this.core.planSetData(
      plan,
      x.address,
      x.type,
      y.address,
      y.type,
      x.samples,
      y.indices,
      weights?.address,
      order,
    );
  }

  /**
   * Adds what is measured over a batch, in the order of the data.
   * @param {Pump} pump @param {number} plan @param {number[]} totals
   * @param {{ first: number, count: number, samples: number }} batch
   * @returns {Generator<void, boolean, void>} the slice is over
   */
  *measure(pump, plan, totals, { first, count, samples }) {
    const { core } = this;
    const began = pump.worked;
    core.stepBegin(plan, first, count, samples, 0, 0);
    while (core.stepRun(plan, pump.chunk)) if (pump.spend(core.units)) yield;
    addStep(totals, core.stepTotals(plan), count);
    const over = pump.spend(core.units);
    core.stepTook(plan, count, pump.worked - began);
    return over;
  }
}

/** Describes a run's state for a reply. @param {import('./run/state.js').RunState} past */
function toldOf({ settings, samples, epoch, batch, steps, ended, history }) {
  return { settings, samples, epoch, batch, steps, ended, history, data: null };
}
