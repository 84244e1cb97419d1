/* core.js: one instance of the wasm, its exports with types, its memory, and the mailbox between
 * the two.
 *
 * The mailbox is the first bytes above the core's own: an ofs_error and an area for other records,
 * as doubles, whose layouts the core describes. The blocks of memory.js come after it. Views of the
 * mailbox are cached and fetched anew when memory has grown (a stale one has length 0; one of
 * shared memory never is); views of anything else live no longer than the call that makes them, and
 * none leaves the session: a caller gets a copy in a buffer of its own. A negative status becomes
 * an OffstageError here and nowhere else. */

import { OffstageError } from '../host/errors.js';
import { createMemory, openSharedMemory } from '../host/memory.js';
import { explain, explainFault } from '../spec/refused.js';
import { enumName, readLayouts, readSchema } from '../spec/schema.js';
import { encodeRecords } from '../spec/spec.js';
import { Helpers } from '../host/helpers.js';
import { TextDecoder } from '../host/node.js';

/** @typedef {import('../spec/schema.js').Schema} Schema */
/** @typedef {import('../spec/schema.js').Layouts} Layouts */
/**
 * @typedef {object} CoreOptions
 * @property {number} [threads]  that compute, this one included: in a module without threads 1
 * @property {string} [assets]   base URL of the helpers' files
 * @property {(error: OffstageError) => void} [lost]  called when a helper has ended: the core is of
 *   no use after it
 * @property {Helpers} [helpers]  the thread's, lent to one core at a time; by default its own
 * @property {WebAssembly.Memory} [share]  by which threads of a page share its cores
 */
/**
 * @typedef {object} TensorInfo
 * @property {number} layer
 * @property {string} role
 * @property {number} side       of a bidirectional layer, 1 forward, 2 backward; else 0
 * @property {boolean} trainable
 * @property {number[]} shape
 * @property {number} size
 * @property {number} data       its address
 * @property {number[]} moments  addresses, as many as the optimizer has
 */

/** Counts stepTotals(): output k's loss is at 2 + 2 k, its correct predictions at 3 + 2 k. */
const totalsLength = (/** @type {number} */ outputs) => 2 + 2 * outputs;
/** @param {import('../spec/schema.js').Member[]} members */
const lengthOf = (members) => members.reduce((sum, { count }) => sum + count, 0);

/**
 * The schema and the layouts of each module.
 * @type {WeakMap<WebAssembly.Module, { schema: Schema, layouts: Layouts }>}
 */
const described = new WeakMap();

export class Core {
  /** @type {Schema} */ schema;
  /** @type {import('../host/memory.js').Memory} */ memory;
  /** The spec that refusals are about. @type {import('../spec/spec.js').EncodedSpec | null} */
  spec = null;
  /** The units of work that the last stepRun() did. */ units = 0;

  #wasm;
  #buffer;
  /** @type {Layouts} */ #layouts;
  #err;
  #out;
  #outDoubles;
  /** @type {Float64Array} */ #outView = new Float64Array(0);
  #team = 0;
  /** The claim on the thread's helpers. @type {ReturnType<Helpers['lease']> | null} */
  #lease = null;
  /**
   * Open plans whose steps may be shared.
   * @type {Map<number, import('../host/helpers.js').Steps>}
   */
  #shared = new Map();

  /**
   * @param {WebAssembly.Instance} instance @param {WebAssembly.Module} module
   * @param {{ shared?: WebAssembly.Memory, mostPages?: number }} [memory]  that was imported
   */
  constructor(instance, module, { shared, mostPages } = {}) {
    const wasm = (this.#wasm = /** @type {any} */ (instance.exports));
    const memory = /** @type {WebAssembly.Memory} */ (shared ?? wasm.memory);
    this.#buffer = () => memory.buffer;
    const known = described.get(module) ?? {
      schema: readSchema(
        this.#text(wasm.schema()),
        new DataView(memory.buffer, wasm.schema_fields() >>> 0),
      ),
      layouts: readLayouts(this.#text(wasm.layouts())),
    };
    described.set(module, known);
    const { schema, layouts } = known;
    const { ALIGN, MAX_OUTPUTS } = schema.constants;
    this.schema = schema;
    this.#layouts = layouts;
    const errDoubles = lengthOf(layouts.get('error') ?? []);
    this.#outDoubles = Math.max(
      totalsLength(MAX_OUTPUTS),
      ...Array.from(layouts.values(), lengthOf),
    );
    const heap = Math.ceil(wasm.__heap_base.value / ALIGN) * ALIGN;
    this.#err = heap;
    this.#out = heap + 8 * errDoubles;
    this.memory = createMemory(memory, heap, ALIGN, mostPages);
    // The first block lies at `heap`.
    this.memory.alloc(8 * (errDoubles + this.#outDoubles), 'the mailbox');
  }

  /** @param {WebAssembly.Module} module @param {CoreOptions} [options] @returns {Promise<Core>} */
  static async create(module, { threads = 1, helpers = new Helpers(), ...options } = {}) {
    try {
      if (WebAssembly.Module.imports(module).length === 0) {
        return new Core(await WebAssembly.instantiate(module, {}), module);
      }
      const memory = openSharedMemory();
      const core = new Core(
        await WebAssembly.instantiate(module, { env: { memory: memory.shared } }),
        module,
        memory,
      );
      if (threads > 1) {
        core.#share(helpers, { ...options, module, memory: memory.shared, count: threads - 1 });
      }
      return core;
    } catch (cause) {
      if (/** @type {any} */ (cause)?.name !== 'RangeError') throw cause;
      throw new OffstageError(
        'OUT_OF_MEMORY',
        'the core needs memory to start with, and none can be had',
        { cause },
      );
    }
  }

  /**
   * @param {Helpers} helpers
   * @param {Pick<Parameters<Helpers['lease']>[0], 'module' | 'memory' | 'count' | 'assets' |
   *   'share'> & Pick<CoreOptions, 'lost'>} setting
   */
  #share(helpers, { lost = () => {}, ...setting }) {
    const wasm = this.#wasm;
    const stackBytes = wasm.__stack_pointer.value; // this instance's own begins at 0 and is empty
    this.#team = wasm.team_init(this.memory.alloc(wasm.team_bytes(), 'the team'));
    this.#lease = helpers.lease({
      ...setting,
      lost,
      team: this.#team,
      stack: () => this.memory.alloc(stackBytes, 'a stack') + stackBytes,
      begin: () => wasm.team_begin(this.#team),
      end: () => wasm.team_end(this.#team),
      helpers: () => this.helpers,
      limit: (threads) => wasm.team_limit(this.#team, threads),
    });
  }

  /** The number of threads that may compute. */
  get mostThreads() {
    return 1 + (this.#lease?.count ?? 0);
  }

  /** The number of those that take part in the present steps: as many as pay. */
  get threads() {
    return this.#lease?.threads ?? 1;
  }

  /** The number of helpers that sleep. */
  get asleep() {
    return this.#lease ? this.#wasm.team_asleep(this.#team) : 0;
  }

  /**
   * The plan's step is over, which was the last one.
   * @param {number} plan @param {number} samples @param {number} ms  that it took
   */
  stepTook(plan, samples, ms) {
    if (this.#shared.has(plan)) this.#lease?.stepTook(samples, ms);
  }

  /** The number of helpers that compute for this core. */
  get helpers() {
    return this.#lease ? this.#wasm.team_helpers(this.#team) : 0;
  }

  /** Gives up the helpers; no step is run after it. */
  close() {
    this.#lease?.end();
  }

  /** @param {number} at */
  #text(at) {
    const bytes = new Uint8Array(this.#buffer(), at >>> 0);
    return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
  }

  /** Fetches the view of the area for records. */
  #mail() {
    if (this.#outView.length === 0) {
      this.#outView = new Float64Array(this.memory.buffer(), this.#out, this.#outDoubles);
    }
    return this.#outView;
  }

  /**
   * Reads a record that the core has written: numbers by name, lists as arrays.
   * @param {string} name @param {Float64Array} [from]
   * @returns {any}
   */
  #record(name, from = this.#mail()) {
    let at = 0;
    return Object.fromEntries(
      (this.#layouts.get(name) ?? []).map((member) => {
        const numbers = [...from.subarray(at, (at += member.count))];
        return [member.name, member.count > 1 ? numbers : numbers[0]];
      }),
    );
  }

  /**
   * Makes the error of a refusal, with a sentence.
   * @param {import('../spec/spec.js').Listed} [list]  what was refused, where it is no spec
   */
  #refusal(list) {
    return explain(
      this.schema,
      list ?? this.spec,
      this.#record('error', new Float64Array(this.memory.buffer(), this.#err)),
    );
  }

  /** @param {number} status  that left an ofs_error */
  #check(status) {
    if (status < 0) throw this.#refusal();
    return status;
  }

  /** Makes the error of a call that leaves no ofs_error. @param {number} status */
  #bare(status) {
    return explain(this.schema, this.spec, {
      status,
      layer: 0,
      field: -1,
      reason: 0,
      got: 0,
      low: 0,
      high: 0,
    });
  }

  version() {
    return this.#text(this.#wasm.version());
  }

  /** @param {number} address @param {Uint8Array} bytes */
  write(address, bytes) {
    new Uint8Array(this.memory.buffer(), address, bytes.length).set(bytes);
  }

  /** @param {number} spec @param {number} size @returns {number} */
  modelBytes(spec, size) {
    return this.#check(this.#wasm.model_bytes(spec, size, this.#err));
  }

  /**
   * Fills in what a spec leaves out.
   * @param {number} spec @param {number} size @returns {Uint8Array} the spec's bytes, complete
   */
  specFill(spec, size) {
    const length = this.#check(this.#wasm.spec_fill(spec, size, 0, this.#err));
    const filled = this.memory.alloc(length, 'the spec');
    this.#check(this.#wasm.spec_fill(spec, size, filled, this.#err));
    const bytes = new Uint8Array(this.memory.buffer(), filled, length).slice();
    this.memory.free(filled);
    return bytes;
  }

  /**
   * @param {number} block @param {number} bytes @param {number} spec @param {number} size
   * @returns {number}
   */
  modelInit(block, bytes, spec, size) {
    const model = this.#wasm.model_init(block, bytes, spec, size, this.#err) >>> 0;
    if (model === 0) throw this.#refusal();
    if (this.#lease) this.#wasm.model_set_team(model, this.#team);
    return model;
  }

  /** @param {number} model @param {number} work @returns {boolean} more remains */
  modelRandomize(model, work) {
    return this.#wasm.model_randomize(model, work) > 0;
  }

  /**
   * Sets the updates so far, after weights and moments have been written.
   * @param {number} model @param {number} step
   */
  modelSetStep(model, step) {
    this.#wasm.model_set_step(model, step);
  }

  /** Scales the learning rate from here on. @param {number} model @param {number} factor */
  modelSetRate(model, factor) {
    this.#wasm.model_set_rate(model, factor);
  }

  /**
   * Sets the learning rate from here on, in place of the spec's.
   * @param {number} model @param {number} rate  refused with INVALID_OPTION, beyond what the
   *   optimizer takes
   */
  modelSetLearningRate(model, rate) {
    if (this.#wasm.model_set_learning_rate(model, rate, this.#out) >= 0) return;
    throw new OffstageError(
      'INVALID_OPTION',
      `learningRate is ${rate}, expected a number from 0 to ${this.#mail()[0]}`,
    );
  }

  /** Names the optimizer's vectors, in the order of a tensor's moments. @param {number} model */
  modelMoments(model) {
    const { MOMENTS } = this.schema.constants;
    const names = Array.from(
      { length: MOMENTS },
      (_, k) => this.#wasm.model_moment_name(model, k) >>> 0,
    );
    return names.filter((at) => at > 0).map((at) => this.#text(at));
  }

  /**
   * trained: of the parameters, those that learn; step: updates made so far.
   * @param {number} model @returns {{ parameters: number, trained: number, step: number }}
   */
  modelFacts(model) {
    this.#wasm.model_facts(model, this.#out);
    return this.#record('facts');
  }

  /**
   * Describes input i: numbers [at, at + size) of a row of x; below: 0, or the limit of an
   * embedding's indices.
   * @param {number} model @param {number} i
   * @returns {{ size: number, at: number, below: number, shape: number[] }}
   */
  modelInput(model, i) {
    this.#wasm.model_input(model, i, this.#out);
    return shaped(this.#record('input'));
  }

  /**
   * @param {number} model @param {number} i
   * @returns {{ layer: number, size: number, classes: number, targets: number, loss: number,
   *   weight: number, shape: number[] }}
   */
  modelOutput(model, i) {
    this.#wasm.model_output(model, i, this.#out);
    return shaped(this.#record('output'));
  }

  /** @param {number} model @returns {{ outputShape: number[], parameters: number }[]} */
  modelLayers(model) {
    return Array.from({ length: this.#wasm.model_layers(model) }, (_, i) => {
      this.#wasm.model_layer(model, i, this.#out);
      const { shape: outputShape, parameters } = shaped(this.#record('layer'));
      return { outputShape, parameters };
    });
  }

  /** @param {number} model @returns {TensorInfo[]} */
  modelTensors(model) {
    return Array.from({ length: this.#wasm.model_tensors(model) }, (_, i) => {
      this.#wasm.model_tensor(model, i, this.#out);
      const { role, trainable, moment, ...tensor } = shaped(this.#record('tensor'));
      const moments = moment.filter((/** @type {number} */ address) => address > 0);
      return {
        ...tensor,
        role: enumName(this.schema, 'role', role),
        trainable: trainable === 1,
        moments,
      };
    });
  }

  /** @param {number} model @param {number} kind @param {number} batch @returns {number} */
  planBytes(model, kind, batch) {
    return this.#check(this.#wasm.plan_bytes(model, kind, batch, this.#err));
  }

  /**
   * @param {number} block @param {number} bytes @param {number} model
   * @param {number} kind @param {number} batch
   */
  planInit(block, bytes, model, kind, batch) {
    const plan = this.#wasm.plan_init(block, bytes, model, kind, batch, this.#err) >>> 0;
    if (plan === 0) throw this.#refusal();
    if (this.#lease && this.#wasm.plan_shares(plan) === 1) this.#shared.set(plan, { kind, batch });
    return plan;
  }

  /** Forgets a plan, whose block is freed. @param {number} plan */
  planClosed(plan) {
    this.#shared.delete(plan);
  }

  /**
   * Sets a plan's data. Helpers are started with the first data, if the plan has work to share.
   * @param {number} plan @param {number} x @param {number} xType
   * @param {number} y @param {number} yType @param {number} n
   * @param {number} [yIndices]  a bit for each of several outputs with class indices as targets
   * @param {number} [weights]  address of the samples' weights, 0: none
   * @param {number} [order]  address of the sample of each position, 0: as they lie
   */
  planSetData(plan, x, xType, y, yType, n, yIndices = 0, weights = 0, order = 0) {
    this.#check(
      this.#wasm.plan_set_data(plan, x, xType, y, yType, yIndices, weights, order, n, this.#err),
    );
    if (this.#shared.has(plan)) this.#lease?.begin();
  }

  /**
   * Writes elements [first, first + n) of the seed's permutation of [0, of), as u32, that no epoch
   * of training has.
   * @param {number} model @param {number} address @param {number} first @param {number} n
   * @param {number} of
   */
  modelShuffled(model, address, first, n, of) {
    this.#wasm.model_shuffled(model, address, first, n, of, Number.MAX_SAFE_INTEGER);
  }

  /**
   * @param {number} model @param {number} address  of element `first` of x
   * @param {number} type @param {number} first
   * @param {number} n @returns {number} the first bad element of n, -1: none
   */
  checkX(model, address, type, first, n) {
    return this.#wasm.check_x(model, address, type, first, n);
  }

  /**
   * @param {number} model @param {number} address  of element `first` of y @param {number} type
   * @param {number} indices  a bit for each of several outputs whose targets are class indices
   * @param {number} first @param {number} n @returns {number} the first bad element of n, -1: none
   */
  checkY(model, address, type, indices, first, n) {
    return this.#wasm.check_y(model, address, type, indices, first, n);
  }

  /**
   * Checks n weights of samples, and multiplies the first `weighed` by their classes'.
   * @param {number} model @param {number} weights @param {number} n
   * @param {number} y  address of the first sample's target @param {number} yType
   * @param {number} classWeights  address, 0: none @param {number} weighed
   * @returns {number} the first bad weight, -1: none
   */
  weigh(model, weights, n, y, yType, classWeights, weighed) {
    return this.#wasm.weigh(model, weights, n, y, yType, classWeights, weighed);
  }

  /**
   * @param {number} plan @param {number} first @param {number} count @param {number} n
   * @param {0 | 1} shuffle @param {number} epoch
   */
  stepBegin(plan, first, count, n, shuffle, epoch) {
    this.#check(this.#wasm.step_begin(plan, first, count, n, shuffle, epoch, this.#err));
  }

  /** @param {number} plan @param {number} work @returns {boolean} parts remain */
  stepRun(plan, work) {
    this.#lease?.take(this.#shared.get(plan));
    const status = this.#wasm.step_run(plan, work, this.#out);
    if (status < 0) this.#failStep(plan, status);
    this.units = this.#mail()[0];
    return status > 0;
  }

  /** @param {number} plan @param {number} status @returns {never} */
  #failStep(plan, status) {
    const { THREAD_LOST, NON_FINITE } = this.schema.constants;
    // Like a trap, this is no refusal: the core is of no use after it.
    if (status === THREAD_LOST) {
      throw new Error('a computing thread was lost with a part of a step in its hands');
    }
    if (status !== NON_FINITE) throw this.#bare(status);
    this.#wasm.step_fault(plan, this.#out);
    throw explainFault(this.schema, this.spec, this.#record('fault'));
  }

  /** @param {number} plan @returns {boolean} */
  stepUpdating(plan) {
    return this.#wasm.step_updating(plan) === 1;
  }

  /** @param {number} plan */
  stepDiscard(plan) {
    const status = this.#wasm.step_discard(plan);
    if (status < 0) throw this.#bare(status);
  }

  /**
   * Reads the last step's totals: [0] loss, [1] count, [2 + 2 k] loss and [3 + 2 k] correct of
   * output k. They are valid until the next call.
   * @param {number} plan
   */
  stepTotals(plan) {
    this.#wasm.step_totals(plan, this.#out);
    return this.#mail();
  }

  /** @param {number} plan @param {number} [output] @returns {number} */
  planOutput(plan, output = 0) {
    return this.#wasm.plan_output(plan, output) >>> 0;
  }

  /** Measures a plan's buffers, all and those needed at one time. @param {number} plan */
  planMemory(plan) {
    this.#wasm.plan_memory(plan, this.#out);
    const { buffers: stepBytes, live: liveBytes } = this.#record('memory');
    return { stepBytes, liveBytes };
  }

  /* ---- control ---- */

  /**
   * Makes a control of records (encodeRecords); its block is to be freed.
   * @param {Uint8Array} records @param {number} monitors  numbers that it is told after an epoch
   * @returns {number}
   */
  controlInit(records, monitors) {
    const list = this.memory.alloc(records.length, 'the controls');
    // What it is told after an epoch stands behind it.
    const room = this.#wasm.control_bytes() + 8 * (monitors + 1);
    const block = this.memory.alloc(room, 'the controls');
    this.write(list, records);
    const made = this.#wasm.control_init(block, list, records.length, monitors, this.#err) >>> 0;
    this.memory.free(list);
    if (made) return made;
    this.memory.free(block);
    throw this.#refusal();
  }

  /**
   * The learning rate of the update that follows `updates` others.
   * @param {number} control @param {number} own  where its schedule has none to begin with
   * @param {number} updates @param {number} epochs  complete ones
   * @returns {number}
   */
  controlRate(control, own, updates, epochs) {
    return this.#wasm.control_rate(control, own, updates, epochs);
  }

  /** @param {number} control @param {number} steps @param {number} seconds @returns {boolean} */
  controlAtLimit(control, steps, seconds) {
    return this.#wasm.control_at_limit(control, steps, seconds) !== 0;
  }

  /**
   * What is decided after an epoch, as bits, and the learning rate then.
   * @param {number} control @param {number} epoch  from 1
   * @param {number[]} values  of the monitors @param {number} rate  so far
   * @returns {{ decided: number, rate: number }}
   */
  controlEpoch(control, epoch, values, rate) {
    const at = control + this.#wasm.control_bytes();
    const told = new Float64Array(this.memory.buffer(), at, values.length + 1);
    told.set([rate, ...values]);
    const decided = this.#wasm.control_epoch(control, epoch, at + 8, at);
    return { decided, rate: told[0] };
  }

  /** Copies what decisions depend on. @param {number} control */
  controlState(control) {
    return [...this.#state(this.#wasm.control_state(control, this.#out))];
  }

  /**
   * Puts back what controlState() gave.
   * @param {number} control @param {number[]} state
   * @returns {boolean} false: it cannot be this control's
   */
  controlRestore(control, state) {
    const restore = (/** @type {number} */ at, /** @type {number} */ n) =>
      this.#wasm.control_restore(control, at, n);
    return this.#restores(state, 'the controls', restore);
  }

  /* ---- metrics ---- */

  /**
   * Makes metrics of a model; their block is to be freed.
   * @param {number} model @param {import('../spec/spec.js').Listed} list
   * @param {number} samples  that are added between two resets, at most
   * @returns {number}
   */
  metricsInit(model, list, samples) {
    const records = encodeRecords(this.schema, list.parts);
    const from = this.memory.alloc(records.length, 'metrics');
    try {
      this.write(from, records);
      const given = /** @type {const} */ ([model, from, records.length, samples, this.#err]);
      const bytes = this.#wasm.metrics_bytes(...given);
      if (bytes < 0) throw this.#refusal(list);
      const block = this.memory.alloc(bytes, 'metrics');
      return this.#wasm.metrics_init(block, bytes, ...given) >>> 0;
    } finally {
      this.memory.free(from);
    }
  }

  /**
   * Makes plans from here on add to these metrics; 0: to none.
   * @param {number} model @param {number} metrics
   */
  modelSetMetrics(model, metrics) {
    this.#wasm.model_set_metrics(model, metrics);
  }

  /** @param {number} metrics */
  metricsReset(metrics) {
    this.#wasm.metrics_reset(metrics);
  }

  /**
   * Describes metric i: its record's id, how many numbers it is, 1 where more is better, -1 less;
   * rank 1: one number of each class, 2: a square of these.
   * @param {number} metrics @param {number} i
   * @returns {{ type: number, output: number, length: number, rank: number, direction: number }}
   */
  metricsInfo(metrics, i) {
    const status = this.#wasm.metrics_info(metrics, i, this.#out);
    if (status < 0) throw this.#bare(status);
    return this.#record('metric');
  }

  /**
   * Sorts the scores that metrics hold, before results are asked for.
   * @param {number} metrics @param {number} work @returns {boolean} some remain
   */
  metricsFinish(metrics, work) {
    const status = this.#wasm.metrics_finish(metrics, work, this.#out);
    this.units = this.#mail()[0];
    return status > 0;
  }

  /** Returns the numbers of metric i. @param {number} metrics @param {number} i */
  metricsResult(metrics, i) {
    const { length } = this.metricsInfo(metrics, i);
    const to = this.memory.alloc(8 * length, 'a metric');
    const status = this.#wasm.metrics_result(metrics, i, to);
    if (status < 0) throw this.#bare(status);
    const numbers = new Float64Array(this.memory.buffer(), to, length).slice();
    this.memory.free(to);
    return numbers;
  }

  /** Copies the sums, for a checkpoint. @param {number} metrics */
  metricsState(metrics) {
    return this.#state(this.#wasm.metrics_state(metrics, this.#out));
  }

  /**
   * Puts back what metricsState() gave.
   * @param {number} metrics @param {Float64Array} sums
   * @returns {boolean} false: they cannot be of these metrics
   */
  metricsRestore(metrics, sums) {
    const restore = (/** @type {number} */ at, /** @type {number} */ n) =>
      this.#wasm.metrics_restore(metrics, at, n);
    return this.#restores(sums, 'sums of metrics', restore);
  }

  /** Copies a state, whose length the core has told. @param {number} at */
  #state(at) {
    return new Float64Array(this.memory.buffer(), at >>> 0, this.#mail()[0]).slice();
  }

  /**
   * Hands numbers to the core for as long as a call takes.
   * @param {ArrayLike<number>} numbers @param {string} what  they are
   * @param {(at: number, n: number) => number} restore
   * @returns {boolean} false: it refuses them
   */
  #restores(numbers, what, restore) {
    const { length } = numbers;
    const at = this.memory.alloc(8 * length || 8, what);
    new Float64Array(this.memory.buffer(), at, length).set(numbers);
    const status = restore(at, length);
    this.memory.free(at);
    return status >= 0;
  }

  /** Copies `n` floats. @param {number} address @param {number} n */
  floats(address, n) {
    return new Float32Array(this.memory.buffer(), address, n).slice();
  }
}

/** Makes a record's shape of its dims. @param {any} record */
function shaped({ rank, dims, ...rest }) {
  return { ...rest, shape: dims.slice(0, rank) };
}
