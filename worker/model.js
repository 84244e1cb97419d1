/* model.js: one model in its own wasm instance: built, asked, read and written.
 *
 * It owns the core, the model block, the plan for one prediction (made at once, so that a prediction never
 * fails for want of memory) and the data store. What takes long is a generator for the pump. Weights are
 * read and written between steps only: the pump sees to that. Dropping the object frees everything. */

import { OffstageError, checkFields, show } from './errors.js';
import { showBytes } from './memory.js';
import { checkLabels, encodeSpec, enumName, fillDefaults } from './spec.js';
import { Store } from './store.js';

/** @typedef {import('./pump.js').Pump} Pump */
/** @typedef {import('./store.js').Stored} Stored */
/** @typedef {{ plan: number, block: number }} Plan */
/**
 * @typedef {{ output: Float32Array, index?: Int32Array, label?: string[], confidence?: Float32Array, single: boolean }}
 *   Answer
 */

const MANY = 64; // samples of a batch when predicting many: enough to feed the kernels
const MANY_BYTES = 2 ** 25; // most that a plan for many may take; memory never shrinks
const DOING = { TRAIN: 'training', EVALUATE: 'evaluating', PREDICT: 'predicting' };
const COPIED_AT_ONCE = 65536; // floats: some 50 microseconds, a few hundred where the memory is new
const CHECKED_AT_ONCE = 16384; // floats in JavaScript: about as long

export class Model {
  /** Epochs begun since the model was made: what tells one shuffle from the next. */ epochsBegun = 0;
  /** How the latest run stands, for one that resumes it. @type {import('./run.js').RunState | null} */ past = null;
  /** @type {import('./protocol.js').RunRecord[]} */ runs = [];

  /** @param {import('./core.js').Core} core @param {any} plainSpec  refused with INVALID_SPEC, OUT_OF_MEMORY */
  constructor(core, plainSpec) {
    const spec = encodeSpec(core.schema, plainSpec);
    core.spec = spec;
    this.core = core;
    const { memory } = core;
    const bytes = memory.alloc(spec.bytes.length, 'the spec');
    core.write(bytes, spec.bytes);
    const size = core.modelBytes(bytes, spec.bytes.length);
    const block = memory.alloc(size, 'the model');
    this.address = core.modelInit(block, size, bytes, spec.bytes.length);
    memory.free(bytes);
    const facts = core.modelFacts(this.address);
    checkLabels(spec.labels, facts.classes);
    this.metrics = spec.metrics ?? (facts.classes > 0 ? ['accuracy'] : []);
    this.layers = spec.layers.map((layer) => fillDefaults(core.schema, layer));
    const plain = this.layers.map((layer) => ({ ...layer }));
    core.modelLayers(this.address).forEach((built, i) => Object.assign(this.layers[i], built));
    const outputShape = /** @type {number[]} */ (this.layers[this.layers.length - 1].outputShape);
    const own = fillDefaults(core.schema, spec.model);
    this.facts = { ...facts, inputShape: /** @type {number[]} */ (own.inputShape), outputShape, labels: spec.labels };
    this.about = {
      inputScale: own.inputScale, inputOffset: own.inputOffset, seed: own.seed,
      loss: enumName(core.schema, 'loss', facts.loss),
      optimizer: fillDefaults(core.schema, spec.optimizer),
    };
    /** The spec with every field filled in: makes the same model again. */
    this.spec = {
      ...own, layers: plain, loss: this.about.loss, optimizer: this.about.optimizer, metrics: this.metrics,
      ...(spec.labels && { labels: spec.labels }),
    };
    this.store = new Store(core, this.facts);
    this.one = this.openPlan('PREDICT', 1);
    this.stage = memory.alloc(4 * facts.inputs, 'one sample');
  }

  /** Writes the initial weights. @param {Pump} pump */
  *randomize(pump) {
    while (this.core.modelRandomize(this.address, pump.chunk)) if (pump.spend(pump.chunk)) yield;
  }

  get step() {
    return this.core.modelStep(this.address);
  }

  get hasAccuracy() {
    return this.metrics.includes('accuracy');
  }

  /** What MODEL_READY says of the model itself. */
  describe() {
    const { inputShape, outputShape, parameters, inputs, outputs, classes, targets, labels } = this.facts;
    return {
      layers: this.layers, inputShape, outputShape, parameters, inputs, outputs, classes, targets,
      ...this.about, metrics: this.metrics, labels, step: this.step,
      runs: this.runs, run: this.past && toldOf(this.past),
      memoryBytes: this.core.memory.buffer().byteLength, coreVersion: this.core.version(),
    };
  }

  /** @param {'TRAIN' | 'EVALUATE' | 'PREDICT'} kind @param {number} batch @returns {Plan} */
  openPlan(kind, batch) {
    const id = this.core.schema.constants[kind];
    const bytes = this.core.planBytes(this.address, id, batch);
    const block = this.core.memory.alloc(bytes, `${DOING[kind]} with batches of ${batch}`);
    try {
      return { block, plan: this.core.planInit(block, bytes, this.address, id, batch) };
    } catch (error) {
      this.core.memory.free(block);
      throw error;
    }
  }

  /** @param {Plan | null} plan */
  closePlan(plan) {
    if (plan) this.core.memory.free(plan.block);
  }

  /**
   * Predicts one sample that came inline.
   * @param {Pump} pump @param {import('./data.js').Column} column
   */
  *predictOne(pump, column) {
    const { core, one: { plan }, stage, facts } = this;
    const type = this.store.place(column, stage);
    yield* this.store.checkX(pump, this.address, { address: stage, type, length: facts.inputs });
    core.planSetData(plan, stage, type, 0, core.schema.constants.NONE, 1);
    core.stepBegin(plan, 0, 1, 1, 0, 0);
    while (core.stepRun(plan, pump.chunk)) if (pump.spend(core.units)) yield;
    const answer = this.#answer(1, column.single);
    this.#add(answer, plan, 0, 1);
    return told(answer);
  }

  /** Predicts what lies in the store, and frees it. @param {Pump} pump @param {Stored} x */
  *predictMany(pump, x) {
    const { core } = this;
    /** @type {(Plan & { batch: number }) | null} */
    let opened = null;
    try {
      yield* this.store.checkX(pump, this.address, x);
      const answer = this.#answer(x.samples, x.single);
      const batch = Math.min(x.samples, MANY);
      opened = this.#openSmaller(batch);
      const { plan, batch: fits } = opened;
      core.planSetData(plan, x.address, x.type, 0, core.schema.constants.NONE, x.samples);
      for (let first = 0; first < x.samples; first += fits) {
        const count = Math.min(fits, x.samples - first);
        core.stepBegin(plan, first, count, x.samples, 0, 0);
        while (core.stepRun(plan, pump.chunk)) if (pump.spend(core.units)) yield;
        const { units } = core;
        this.#add(answer, plan, first, count);
        if (pump.spend(units)) yield;
      }
      return told(answer);
    } finally {
      this.closePlan(opened);
      this.store.free(x);
    }
  }

  /**
   * A plan for `batch` samples or, where it would be large or memory is short, for fewer: the outputs are the same.
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
        if (batch === 1 || !(error instanceof OffstageError) || error.code !== 'OUT_OF_MEMORY') throw error;
        batch = Math.ceil(batch / 2);
      }
    }
  }

  /** Room for the predictions of so many samples. @param {number} samples @param {boolean} single @returns {Answer} */
  #answer(samples, single) {
    const { classes, outputs, outputShape } = this.facts;
    const output = floatArray(samples * outputs);
    if (classes === 0) return { output, single };
    const count = output.length / outputShape[outputShape.length - 1];
    return { output, index: new Int32Array(count), label: [], confidence: new Float32Array(count), single };
  }

  /** Adds what a plan has predicted. @param {Answer} answer @param {number} plan @param {number} first @param {number} count samples */
  #add({ output, index, label, confidence }, plan, first, count) {
    const { outputs, outputShape, labels } = this.facts;
    const begin = first * outputs;
    const end = begin + count * outputs;
    output.set(new Float32Array(this.core.memory.buffer(), this.core.planOutput(plan), end - begin), begin);
    if (!index || !label || !confidence) return;
    const axis = outputShape[outputShape.length - 1];
    for (let at = begin, i = begin / axis; at < end; at += axis, i++) {
      let best = 0;
      if (axis === 1) best = output[at] > 0.5 ? 1 : 0;
      else for (let k = 1; k < axis; k++) if (output[at + k] > output[at + best]) best = k;
      index[i] = best;
      confidence[i] = axis > 1 ? output[at + best] : best === 1 ? output[at] : 1 - output[at];
      label.push(labels?.[best] ?? String(best));
    }
  }

  /**
   * Loss and accuracy over data in the store, which is freed.
   * @param {Pump} pump @param {Stored} x @param {Stored} y @param {number} batchSize
   */
  *evaluate(pump, x, y, batchSize) {
    const { core } = this;
    /** @type {Plan | null} */
    let opened = null;
    try {
      yield* this.store.checkX(pump, this.address, x);
      yield* this.store.checkY(pump, this.address, y);
      const batch = Math.min(batchSize, x.samples);
      opened = this.openPlan('EVALUATE', batch);
      const { plan } = opened;
      core.planSetData(plan, x.address, x.type, y.address, y.type, x.samples);
      let [loss, correct] = [0, 0];
      for (let first = 0; first < x.samples; first += batch) {
        core.stepBegin(plan, first, Math.min(batch, x.samples - first), x.samples, 0, 0);
        while (core.stepRun(plan, pump.chunk)) if (pump.spend(core.units)) yield;
        const { units } = core;
        const totals = core.stepTotals(plan);
        loss += totals[0];
        correct += totals[3];
        if (pump.spend(units)) yield;
      }
      return { loss: loss / x.samples, ...this.accuracy(correct, x.samples), samples: x.samples };
    } finally {
      this.closePlan(opened);
      this.store.free(x, y);
    }
  }

  /** @param {number} correct @param {number} samples @returns {{ accuracy?: number }} */
  accuracy(correct, samples) {
    return this.hasAccuracy ? { accuracy: correct / samples } : {};
  }

  /** The tensors with their names: 'conv2d/kernel', 'conv2d_1/kernel', ... */
  tensors() {
    /** @type {Map<string, number>} */
    const seen = new Map();
    const names = this.layers.map(({ type }) => {
      const before = seen.get(type) ?? 0;
      seen.set(type, before + 1);
      return before ? `${type}_${before}` : type;
    });
    return this.core.modelTensors(this.address)
      .map((tensor) => ({ ...tensor, name: `${names[tensor.layer]}/${tensor.role}` }));
  }

  /**
   * The end of a fit with useEma: the weights become their averages, where a step has made some.
   * @param {Pump} pump
   */
  *takeAverages(pump) {
    const { core } = this;
    const average = core.modelMoments(this.address).indexOf('average');
    if (average < 0 || this.step === 0) return;
    for (const { size, data, moments } of this.tensors()) {
      for (let at = 0; moments.length > 0 && at < size; at += COPIED_AT_ONCE) {
        this.#weightsAt(data, at, size).set(this.#weightsAt(moments[average], at, size));
        if (pump.look()) yield;
      }
    }
  }

  /** All weights at once, for the end of a run. @returns {import('./protocol.js').Weight[]} */
  copyWeights() {
    return this.tensors().map(({ name, shape, data, size }) => ({ name, shape, data: this.core.floats(data, size) }));
  }

  /** @param {Pump} pump @returns {Generator<void, import('./protocol.js').Weights, void>} */
  *getWeights(pump) {
    const { step } = this;
    const weights = [];
    for (const { name, shape, data: address, size } of this.tensors()) {
      const data = floatArray(size);
      for (let at = 0; at < size; at += COPIED_AT_ONCE) {
        data.set(this.#weightsAt(address, at, size), at);
        if (pump.look()) yield;
      }
      weights.push({ name, shape, data });
    }
    return { weights, step };
  }

  /** A view of some of a tensor's elements. @param {number} address @param {number} at @param {number} size of the tensor */
  #weightsAt(address, at, size) {
    return new Float32Array(this.core.memory.buffer(), address + 4 * at, Math.min(COPIED_AT_ONCE, size - at));
  }

  /**
   * Checks all weights, then writes them: none is written where one is refused. Nothing else looks at them meanwhile.
   * No run goes on with them.
   * @param {Pump} pump @param {any} weights
   */
  *setWeights(pump, weights) {
    const tensors = this.tensors();
    if (!Array.isArray(weights) || weights.length !== tensors.length) {
      const got = Array.isArray(weights) ? `holds ${weights.length} tensors` : `is ${show(weights)}`;
      refuse(`weights ${got}, expected ${tensors.length}: ${tensors.map((tensor) => tensor.name).join(', ')}`);
    }
    const checked = [];
    for (const [i, tensor] of tensors.entries()) {
      const data = checkWeight(weights[i], tensor, `weights[${i}] (${tensor.name})`);
      checked.push(data);
      for (let at = 0; at < data.length; at++) {
        if (!Number.isFinite(Math.fround(data[at]))) {
          refuse(`weights[${i}] (${tensor.name}) holds ${data[at]} at ${at}, expected finite numbers`);
        }
        if (at % CHECKED_AT_ONCE === CHECKED_AT_ONCE - 1 && pump.look()) yield;
      }
    }
    this.past = null;
    for (const [i, { data: address, size }] of tensors.entries()) {
      const data = checked[i];
      for (let at = 0; at < size; at += COPIED_AT_ONCE) {
        const view = this.#weightsAt(address, at, size);
        if (ArrayBuffer.isView(data)) view.set(/** @type {any} */ (data).subarray(at, at + view.length));
        else for (let k = 0; k < view.length; k++) view[k] = data[at + k];
        if (pump.look()) yield;
      }
    }
    return {};
  }
}

/** A run's state as the bridge is told of it. @param {import('./run.js').RunState} past */
function toldOf({ settings, samples, epoch, batch, steps, ended, history }) {
  return { settings, samples, epoch, batch, steps, ended, history, data: null };
}

/** One sample's prediction as scalars, where it is one. @param {Answer} answer @returns {import('./protocol.js').Prediction} */
function told(answer) {
  const { output, index, label, confidence, single } = answer;
  if (!single || !index || !label || !confidence || index.length !== 1) return answer;
  return { output, index: index[0], label: label[0], confidence: confidence[0], single };
}

/**
 * @param {any} weight @param {{ shape: number[], size: number }} tensor @param {string} what
 * @returns {ArrayLike<number>}
 */
function checkWeight(weight, { shape, size }, what) {
  const given = checkFields(weight, ['name', 'shape', 'data'], what, 'INVALID_DATA');
  const ranked = Array.isArray(given.shape) && given.shape.length === shape.length;
  if (!ranked || shape.some((n, i) => n !== given.shape[i])) {
    refuse(`${what} has shape ${show(given.shape)}, expected [${shape.join(', ')}]`);
  }
  const typed = ArrayBuffer.isView(given.data) && typeof (/** @type {any} */ (given.data)[0] ?? 0) === 'number' &&
    !(given.data instanceof DataView);
  if (!typed && !Array.isArray(given.data)) refuse(`${what} has data ${show(given.data)}, expected a Float32Array`);
  const data = /** @type {any} */ (given.data);
  if (data.length !== size) refuse(`${what} has ${data.length} elements, expected ${size}`);
  for (let i = 0; i < size && !typed; i++) {
    if (typeof data[i] !== 'number') refuse(`${what} has data ${show(data)}, expected a Float32Array`);
  }
  // What is shared may change after it was checked.
  return typed && Object.prototype.toString.call(data.buffer) === '[object SharedArrayBuffer]' ? data.slice() : data;
}

/** @param {number} length */
function floatArray(length) {
  try {
    return new Float32Array(length);
  } catch (cause) {
    const message = `the answer needs ${showBytes(4 * length)}: more than can be had`;
    throw new OffstageError('OUT_OF_MEMORY', message, { cause });
  }
}

/** @param {string} message @returns {never} */
function refuse(message) {
  throw new OffstageError('INVALID_DATA', message);
}
