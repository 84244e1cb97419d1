/* core.js: one instance of the wasm, its exports with types, its memory, and the mailbox between the two.
 *
 * The first bytes above the core's own hold the mailbox: an ofs_error as doubles and an out area. The
 * blocks of memory.js come after it. Views of the mailbox are cached and fetched anew when memory has grown
 * (a stale one has length 0; one of shared memory never is); views of anything else live no longer than the call
 * that makes them, and none leaves the session: what is handed out is a copy in a buffer of its own. A negative
 * status becomes an OffstageError here and nowhere else. */

import { OffstageError } from '../host/errors.js';
import { createMemory, openSharedMemory } from '../host/memory.js';
import { explain, explainFault } from '../spec/refusal.js';
import { readSchema } from '../spec/schema.js';
import { Threads } from '../host/threads.js';

/** @typedef {import('../spec/schema.js').Schema} Schema */
/**
 * @typedef {object} CoreOptions
 * @property {number} [threads]  that compute, this one included: more than one in a module with threads only
 * @property {string} [assets]   where helpers come from
 * @property {(error: OffstageError) => void} [lost]  a helper has ended: the core is of no use any more
 */
/**
 * data, moments: addresses; of the optimizer's moments there are as many as it keeps.
 * side: of a bidirectional layer, 1 forward, 2 backward; else 0.
 * @typedef {{ layer: number, role: string, side: number, trainable: boolean, shape: number[], size: number, data: number,
 *   moments: number[] }} TensorInfo
 */

const ERR_DOUBLES = 7;
const OUT_DOUBLES = 32;
const MAILBOX_BYTES = 1024;
const ALIGN = 64;
/** OFS_MOMENTS: an optimizer's vectors beside the weights, at most. */
const MOMENTS = 5;
/** Where model_facts() puts the step. */
const MODEL_STEP = 6;
/** The ofs_status after which a core is of no use: like a trap, it is no refusal, and no OffstageError here. */
const THREAD_LOST = -6;
/** And the one that has a fault of its own instead of an ofs_error. */
const NON_FINITE = -7;

/** @type {WeakMap<WebAssembly.Module, Schema>} */
const schemas = new WeakMap();

export class Core {
  /** @type {Schema} */ schema;
  /** @type {import('../host/memory.js').Memory} */ memory;
  /** The spec that refusals are about. @type {import('../spec/spec.js').EncodedSpec | null} */ spec = null;
  /** Units that the last stepRun() did. */ units = 0;

  #wasm;
  #err;
  #out;
  /** @type {Float64Array} */ #outView = new Float64Array(0);
  #team = 0;
  /** @type {Threads | null} */ #threads = null;

  /**
   * @param {WebAssembly.Instance} instance @param {WebAssembly.Module} module
   * @param {{ shared?: WebAssembly.Memory, mostPages?: number }} [memory]  that was imported
   */
  constructor(instance, module, { shared, mostPages } = {}) {
    this.#wasm = /** @type {any} */ (instance.exports);
    const heap = Math.ceil(this.#wasm.__heap_base.value / ALIGN) * ALIGN;
    this.#err = heap;
    this.#out = heap + 8 * ERR_DOUBLES;
    this.memory = createMemory(shared ?? this.#wasm.memory, heap, ALIGN, mostPages);
    this.memory.alloc(MAILBOX_BYTES, 'the mailbox'); // the first block: it lies at `heap`
    const known = schemas.get(module) ??
      readSchema(this.#text(this.#wasm.schema()), new DataView(this.memory.buffer(), this.#wasm.schema_fields() >>> 0));
    schemas.set(module, known);
    this.schema = known;
  }

  /** @param {WebAssembly.Module} module @param {CoreOptions} [options] @returns {Promise<Core>} */
  static async create(module, { threads = 1, assets, lost } = {}) {
    try {
      if (WebAssembly.Module.imports(module).length === 0) {
        return new Core(await WebAssembly.instantiate(module, {}), module);
      }
      const memory = openSharedMemory();
      const core = new Core(await WebAssembly.instantiate(module, { env: { memory: memory.shared } }), module, memory);
      if (threads > 1) core.#share({ module, memory: memory.shared, count: threads - 1, assets, lost });
      return core;
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new OffstageError('OUT_OF_MEMORY', 'the core needs memory to start with, and none can be had', { cause });
    }
  }

  /**
   * @param {{ module: WebAssembly.Module, memory: WebAssembly.Memory, count: number, assets?: string,
   *   lost?: (error: OffstageError) => void }} setting
   */
  #share({ lost = () => {}, ...setting }) {
    const wasm = this.#wasm;
    const stackBytes = wasm.__stack_pointer.value; // this instance's own begins at 0 and is empty
    this.#team = wasm.team_init(this.memory.alloc(wasm.team_bytes(), 'the team'));
    this.#threads = new Threads({
      ...setting, lost, team: this.#team,
      stack: () => this.memory.alloc(stackBytes, 'a stack') + stackBytes,
      end: () => wasm.team_end(this.#team),
    });
  }

  /** Helpers that compute. */
  get helpers() {
    return this.#threads ? this.#wasm.team_helpers(this.#team) : 0;
  }

  /** Ends the helpers; no step is run after it. */
  close() {
    this.#threads?.end();
  }

  /** @param {number} at */
  #text(at) {
    const bytes = new Uint8Array(this.memory.buffer(), at >>> 0);
    return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
  }

  /** The out area. */
  #mail() {
    if (this.#outView.length === 0) this.#outView = new Float64Array(this.memory.buffer(), this.#out, OUT_DOUBLES);
    return this.#outView;
  }

  /** What the core refused, as an error with a sentence. */
  #refusal() {
    const members = new Float64Array(this.memory.buffer(), this.#err, ERR_DOUBLES);
    const [status, layer, field, reason, got, low, high] = members;
    return explain(this.schema, this.spec, { status, layer, field, reason, got, low, high });
  }

  /** @param {number} status */
  #check(status) {
    if (status < 0) throw this.#refusal();
    return status;
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

  /** @param {number} block @param {number} bytes @param {number} spec @param {number} size @returns {number} */
  modelInit(block, bytes, spec, size) {
    const model = this.#wasm.model_init(block, bytes, spec, size, this.#err) >>> 0;
    if (model === 0) throw this.#refusal();
    if (this.#threads) this.#wasm.model_set_team(model, this.#team);
    return model;
  }

  /** @param {number} model @param {number} work @returns {boolean} more remains */
  modelRandomize(model, work) {
    return this.#wasm.model_randomize(model, work) === 1;
  }

  /** After weights and moments have been written. @param {number} model @param {number} step updates so far */
  modelSetStep(model, step) {
    this.#wasm.model_set_step(model, step);
  }

  /** Of what it steps from here on. @param {number} model @param {number} factor  of its learning rate */
  modelSetRate(model, factor) {
    this.#wasm.model_set_rate(model, factor);
  }

  /** What the vectors are called that its optimizer keeps, in the order of a tensor's moments. @param {number} model */
  modelMoments(model) {
    const names = Array.from({ length: MOMENTS }, (_, k) => this.#wasm.model_moment_name(model, k) >>> 0);
    return names.filter((at) => at > 0).map((at) => this.#text(at));
  }

  /** @param {number} model */
  modelFacts(model) {
    this.#wasm.model_facts(model, this.#out);
    const [parameters, inputs, outputs, classes, targets, loss, step, trained, inputCount, outputCount] = this.#mail();
    return { parameters, inputs, outputs, classes, targets, loss, step, trained, inputCount, outputCount };
  }

  /** Input i: numbers [at, at + size) of a row of x; below: 0, or what an embedding's indices stay below. @param {number} model @param {number} i */
  modelInput(model, i) {
    this.#wasm.model_input(model, i, this.#out);
    const [size, at, below, rank, ...dims] = this.#mail();
    return { size, at, below, shape: dims.slice(0, rank) };
  }

  /** @param {number} model @param {number} i */
  modelOutput(model, i) {
    this.#wasm.model_output(model, i, this.#out);
    const [layer, size, classes, targets, loss, weight, rank, ...dims] = this.#mail();
    return { layer, size, classes, targets, loss, weight, shape: dims.slice(0, rank) };
  }

  /** Updates made so far. @param {number} model @returns {number} */
  modelStep(model) {
    this.#wasm.model_facts(model, this.#out);
    return this.#mail()[MODEL_STEP];
  }

  /** @param {number} model @returns {{ outputShape: number[], parameters: number }[]} */
  modelLayers(model) {
    return Array.from({ length: this.#wasm.model_layers(model) }, (_, i) => {
      this.#wasm.model_layer(model, i, this.#out);
      const [, rank, parameters, ...dims] = this.#mail();
      return { outputShape: dims.slice(0, rank), parameters };
    });
  }

  /** @param {number} model @returns {TensorInfo[]} */
  modelTensors(model) {
    const { constants, enumerations } = this.schema;
    const roles = new Map(Array.from(enumerations.get('role') ?? [], ([name, id]) => [id, name]));
    return Array.from({ length: this.#wasm.model_tensors(model) }, (_, i) => {
      this.#wasm.model_tensor(model, i, this.#out);
      const [layer, id, rank, size, data, side, trainable, ...dims] = this.#mail();
      const role = /** @type {string} */ (roles.get(id));
      const moments = dims.slice(constants.MAX_RANK, constants.MAX_RANK + MOMENTS).filter((address) => address > 0);
      return { layer, role, side, trainable: trainable === 1, shape: dims.slice(0, rank), size, data, moments };
    });
  }

  /** @param {number} model @param {number} kind @param {number} batch @returns {number} */
  planBytes(model, kind, batch) {
    return this.#check(this.#wasm.plan_bytes(model, kind, batch, this.#err));
  }

  /** @param {number} block @param {number} bytes @param {number} model @param {number} kind @param {number} batch */
  planInit(block, bytes, model, kind, batch) {
    const plan = this.#wasm.plan_init(block, bytes, model, kind, batch, this.#err) >>> 0;
    if (plan === 0) throw this.#refusal();
    return plan;
  }

  /**
   * The plan's first data are also when helpers are made, if it has work for them.
   * @param {number} plan @param {number} x @param {number} xType @param {number} y @param {number} yType
   * @param {number} n @param {number} [yIndices]  a bit for each of several outputs whose targets are class indices
   * @param {number} [weights]  address of the samples' weights, 0: none
   */
  planSetData(plan, x, xType, y, yType, n, yIndices = 0, weights = 0) {
    this.#check(this.#wasm.plan_set_data(plan, x, xType, y, yType, yIndices, weights, n, this.#err));
    if (this.#threads && this.#wasm.plan_shares(plan) === 1) this.#threads.begin();
  }

  /**
   * @param {number} model @param {number} address  of element `first` of x @param {number} type @param {number} first
   * @param {number} n @returns {number} the first bad element of n, -1: none
   */
  checkX(model, address, type, first, n) {
    return this.#wasm.check_x(model, address, type, first, n);
  }

  /** @param {number} model @param {number} output @param {number} address @param {number} type @param {number} n @returns {number} */
  checkY(model, output, address, type, n) {
    return this.#wasm.check_y(model, output, address, type, n);
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
    const status = this.#wasm.step_run(plan, work, this.#out);
    if (status === THREAD_LOST) throw new Error('a computing thread was lost with a part of a step in its hands');
    if (status === NON_FINITE) {
      this.#wasm.step_fault(plan, this.#out);
      const [what, layer, step] = this.#mail();
      throw explainFault(this.spec, { what, layer, step });
    }
    if (status < 0) this.#check(this.#noted(status));
    this.units = this.#mail()[0];
    return status === 1;
  }

  /** A status that comes without an ofs_error, written as if with one. @param {number} status */
  #noted(status) {
    new Float64Array(this.memory.buffer(), this.#err, ERR_DOUBLES).set([status, 0, -1, 0, 0, 0, 0]);
    return status;
  }

  /** @param {number} plan @returns {boolean} */
  stepUpdating(plan) {
    return this.#wasm.step_updating(plan) === 1;
  }

  /** @param {number} plan */
  stepDiscard(plan) {
    this.#check(this.#noted(this.#wasm.step_discard(plan)));
  }

  /** The last step's totals: [0] loss, [1] count, [2 + 2 k] loss and [3 + 2 k] correct of output k; valid until the next call. @param {number} plan */
  stepTotals(plan) {
    this.#wasm.step_totals(plan, this.#out);
    return this.#mail();
  }

  /** @param {number} plan @param {number} [output] @returns {number} */
  planOutput(plan, output = 0) {
    return this.#wasm.plan_output(plan, output) >>> 0;
  }

  /** Bytes of a plan's buffers, and of those needed at one time at least. @param {number} plan */
  planMemory(plan) {
    this.#wasm.plan_memory(plan, this.#out);
    const [stepBytes, liveBytes] = this.#mail();
    return { stepBytes, liveBytes };
  }

  /** A copy of `n` floats. @param {number} address @param {number} n */
  floats(address, n) {
    return new Float32Array(this.memory.buffer(), address, n).slice();
  }
}
