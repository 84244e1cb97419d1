/* trainer.js: the trainer an app holds.
 * Invariant: after dispose everything rejects DISPOSED; requests are posted in the order of the calls, those with
 * large data when these have arrived; nothing throws synchronously. Arguments are checked here as far as the page can know, the rest is the session's to
 * refuse. How a session is made and reached is not known here. No maths. */
import { OffstageError, show } from '../worker/errors.js';
import { deliver, inputs, targets, weightsToSend } from './data.js';
import { Fitting, failedRun } from './fitting.js';
import * as rule from './options.js';
import { readOptions, throwIfAborted } from './options.js';

/** @typedef {import('./client.js').Client} Client */
/** @typedef {import('./run.js').Run} Run */

/**
 * @typedef {object} FitOptions
 * @property {number} [epochs]
 * @property {number} [batchSize]
 * @property {boolean} [shuffle]
 * @property {number} [validationSplit] in [0, 1), taken from the end of the data
 * @property {number} [progressHz] most progress messages a second
 * @property {boolean} [transfer] hand the arrays over; they are detached
 * @property {boolean} [resume]
 * @property {unknown} [persist]
 * @property {AbortSignal} [signal]
 */

/** @typedef {Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array} NumberArray */
/** @typedef {readonly (number | NumberArray | NestedNumbers)[]} NestedNumbers */
/** @typedef {NumberArray | NestedNumbers | { data: NumberArray | readonly number[], shape: readonly number[] }} InputData */
/** @typedef {NumberArray | NestedNumbers | readonly string[]} TargetData */

/** @typedef {{ name: string, shape: number[], data: Float32Array }} Weight */

/**
 * Of one sample: a number, a string; of many: a typed array, an array of strings.
 * @typedef {object} Prediction
 * @property {Float32Array} output
 * @property {any} [index]
 * @property {any} [label]
 * @property {any} [confidence]
 */

/** @typedef {{ loss: number, accuracy?: number, samples: number }} Evaluation */

/**
 * @typedef {object} Info
 * @property {'worker' | 'main'} mode
 * @property {import('../worker/module.js').Variant} variant the wasm that runs
 * @property {number} threads that may compute, spawned yet or not
 * @property {string | null} reason why it runs otherwise than asked or best, where it does
 * @property {number} parameters
 * @property {number} memoryBytes
 * @property {number} startupMs from createTrainer() to a ready model
 * @property {Array<{ type: string, outputShape: number[], parameters: number, [field: string]: unknown }>} layers
 * @property {number[]} inputShape
 * @property {number[]} outputShape
 * @property {number} inputs elements of one sample
 * @property {number} outputs elements of one prediction
 * @property {number} classes 0: not a classifier
 * @property {number} targets class indices of one sample; 0: y is rows only
 * @property {string} loss
 * @property {{ type: string, [field: string]: unknown }} optimizer
 * @property {string[]} metrics
 * @property {string[] | null} labels
 * @property {number} inputScale
 * @property {number} inputOffset
 * @property {number} seed
 * @property {string} coreVersion
 */

/**
 * @typedef {object} Status what the last messages told
 * @property {'ready' | 'training' | 'paused' | 'lost' | 'disposed'} state
 * @property {number} epoch
 * @property {number} step
 * @property {number} batch
 * @property {number} thread
 * @property {number} lastBeat ms since 1970
 * @property {number} memory bytes of wasm memory
 */

const FIT = {
  epochs: rule.integer(1, 1),
  batchSize: rule.integer(1, 32),
  shuffle: rule.flag(true),
  validationSplit: rule.number('a number in [0, 1)', (value) => value >= 0 && value < 1, 0),
  progressHz: rule.number('a number above 0', (value) => value > 0 && value < Infinity, 10),
  transfer: rule.flag(false),
  resume: rule.flag(false),
  persist: { otherwise: undefined, allowed: 'not there in this version', accepts: () => true },
  signal: rule.signal,
};

const EVALUATE = { batchSize: rule.integer(1, 32), transfer: rule.flag(false), signal: rule.signal };
const PREDICT = { transfer: rule.flag(false), signal: rule.signal };

/** @param {string} what */
const unsupported = (what) => new OffstageError('UNSUPPORTED', `${what} is not there in this version`);

export class Trainer {
  #client;
  #info;
  #step;
  /** @type {Fitting | undefined} the latest run */
  #fitting;
  /** @type {Promise<void> | undefined} */
  #disposal;

  /**
   * createTrainer() makes trainers.
   * @param {Client} client
   * @param {Info} info
   * @param {number} step updates made so far
   */
  constructor(client, info, step) {
    this.#client = client;
    this.#info = info;
    this.#step = step;
  }

  /** @returns {Info} */
  get info() {
    return this.#info;
  }

  /**
   * Trains. Never throws: what is wrong rejects the run.
   * @param {InputData} x
   * @param {TargetData} y
   * @param {FitOptions} [options]
   * @returns {Run}
   */
  fit(x, y, options) {
    try {
      this.#checkOpen();
      const settings = readOptions('fit', options, FIT);
      if (settings.resume) throw unsupported('fit: resume');
      if (settings.persist !== undefined) throw unsupported('fit: persist');
      this.#checkNotTraining('fit');
      throwIfAborted(settings.signal);
      const samples = inputs(x, this.#info);
      const rows = targets(y, this.#info, samples.samples);
      this.#step = this.#fitting?.step ?? this.#step;
      this.#fitting = new Fitting(this.#client, samples, rows, settings, this.#step);
      return this.#fitting.run;
    } catch (error) {
      return failedRun(error);
    }
  }

  /**
   * Of one sample (its shape, or flat with as many elements) or of many. At any time, also while training.
   * @param {InputData} x
   * @param {{ signal?: AbortSignal, transfer?: boolean }} [options]
   * @returns {Promise<Prediction>}
   */
  async predict(x, options) {
    this.#checkOpen();
    const { signal, transfer } = readOptions('predict', options, PREDICT);
    throwIfAborted(signal);
    const sent = deliver(this.#client, [inputs(x, this.#info)], { transfer, check: () => throwIfAborted(signal) });
    const values = sent instanceof Promise ? await sent : sent;
    const { single, ...prediction } = await this.#client.request('PREDICT', { x: values[0] }, { signal });
    return prediction;
  }

  /**
   * Mean loss, and accuracy where it is a metric, over the samples.
   * @param {InputData} x
   * @param {TargetData} y
   * @param {{ batchSize?: number, signal?: AbortSignal, transfer?: boolean }} [options]
   * @returns {Promise<Evaluation>}
   */
  async evaluate(x, y, options) {
    this.#checkOpen();
    const { signal, transfer, batchSize } = readOptions('evaluate', options, EVALUATE);
    throwIfAborted(signal);
    const samples = inputs(x, this.#info);
    const sources = [samples, targets(y, this.#info, samples.samples)];
    const sent = deliver(this.#client, sources, { transfer, check: () => throwIfAborted(signal) });
    const values = sent instanceof Promise ? await sent : sent;
    return this.#client.request('EVALUATE_MODEL', { x: values[0], y: values[1], batchSize }, { signal });
  }

  /** Of the last complete step, in the order of layers. @returns {Promise<Weight[]>} */
  async getWeights() {
    this.#checkOpen();
    return (await this.#client.request('GET_WEIGHTS')).weights;
  }

  /**
   * Matched by order and shape; names are not looked at.
   * @param {ReadonlyArray<{ name?: string, shape: readonly number[], data: NumberArray | readonly number[] }>} weights
   * @returns {Promise<void>}
   */
  async setWeights(weights) {
    this.#checkOpen();
    this.#checkNotTraining('setWeights');
    const sent = weightsToSend(weights);
    const { weights: given, transfer } = sent instanceof Promise ? await sent : sent;
    await this.#client.request('SET_WEIGHTS', { weights: given }, { transfer });
  }

  /** @returns {Promise<Uint8Array>} */
  async save() {
    this.#checkOpen();
    throw unsupported('save');
  }

  /** @param {Uint8Array} bytes @returns {Promise<void>} */
  async load(bytes) {
    this.#checkOpen();
    this.#checkNotTraining('load');
    throw unsupported(`load (of ${show(bytes)})`);
  }

  /** @returns {Status} */
  status() {
    const latest = this.#fitting?.latest;
    return {
      state: this.#state(),
      epoch: latest?.epoch ?? 0,
      batch: latest?.batch ?? 0,
      step: this.#fitting?.step ?? this.#step,
      thread: latest?.threadId ?? 0,
      lastBeat: this.#client.lastBeat,
      memory: this.#fitting?.memoryBytes ?? this.#info.memoryBytes,
    };
  }

  /** @returns {Status['state']} */
  #state() {
    if (this.#disposal) return 'disposed';
    if (this.#client.ended) return 'lost';
    if (!this.#fitting || this.#fitting.state === 'ended') return 'ready';
    return this.#fitting.state === 'paused' ? 'paused' : 'training';
  }

  /**
   * Ends the trainer and gives its memory back. A run ends as 'stopped'; what else is pending rejects DISPOSED.
   * @returns {Promise<void>}
   */
  dispose() {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  async #dispose() {
    const client = this.#client;
    const gone = () => new OffstageError('DISPOSED', 'the trainer is disposed of');
    const ending = this.#fitting?.end(); // takes the run's start out of what is abandoned
    client.abandon(gone(), 'START_TRAINING');
    await ending;
    await client.request('DISPOSE').catch(() => {});
    client.close(gone());
  }

  #checkOpen() {
    if (this.#disposal) throw new OffstageError('DISPOSED', 'the trainer is disposed of');
    this.#client.throwIfEnded();
  }

  /** @param {string} what */
  #checkNotTraining(what) {
    if (this.#fitting && this.#fitting.state !== 'ended') throw new OffstageError('BUSY', `${what}: a run is on; wait for its end or stop it`);
  }
}
