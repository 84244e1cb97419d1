/* trainer.js: the trainer an app holds.
 * Invariant: after dispose everything rejects DISPOSED; requests are posted in the order of the calls, those with
 * large data when these have arrived; nothing throws synchronously. Arguments are checked here as far as the page can
 * know, the rest is the session's to refuse. How a session is made, reached and replaced is not known here. No maths. */
import { OffstageError } from '../../worker/host/errors.js';
import { STORED, checkpointBytes, copyBytes, dataLost, deliver, inputs, isGone, sampleWeights, targets, weightsToSend } from './handover.js';
import { TrainerTarget } from '../host/events.js';
import { Fitting, failedRun } from './run-driver.js';
import * as rule from '../host/options.js';
import { readOptions, throwIfAborted } from '../host/options.js';
import { PERSIST, readPersist } from './persist.js';
import { processId } from '../host/support.js';

/** @typedef {import('../host/client.js').Client} Client */
/** @typedef {import('./handover.js').Source} Source */
/** @typedef {import('./run.js').Run} Run */

/**
 * @typedef {object} FitOptions
 * @property {number} [epochs]
 * @property {number} [batchSize]
 * @property {boolean} [shuffle]
 * @property {number} [validationSplit] in [0, 1), taken from the end of the data
 * @property {'error' | 'rollback'} [nonFinite] what is done about a step whose loss or gradients are not finite: the run
 *   fails; or its epoch begins anew, as it began before, at half the learning rate
 * @property {NumberArray | readonly number[]} [sampleWeight] of each sample's loss, from 0 on
 * @property {Record<string, number>} [classWeight] by label or index, likewise; 1 for a class that is left out; not in validation
 * @property {number} [progressHz] most progress messages a second
 * @property {boolean} [transfer] hand the arrays over; they are detached
 * @property {boolean} [resume] go on with the run that was interrupted, or with more epochs than it had; what is not given
 *   is as it was then
 * @property {boolean} [otherData] resume although the data are not those that the run began with
 * @property {string | import('./persist.js').PersistOptions} [persist] keep checkpoints on storage under this name
 * @property {boolean} [persistData] keep the data there too
 * @property {AbortSignal} [signal]
 */

/** @typedef {Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array} NumberArray */
/** @typedef {readonly (number | NumberArray | NestedNumbers)[]} NestedNumbers */
/** @typedef {NumberArray | NestedNumbers | { data: NumberArray | readonly number[], shape: readonly number[] }} OneInput */
/** @typedef {NumberArray | NestedNumbers | readonly string[]} OneTarget */
/** @typedef {OneInput | { inputs: Record<string, OneInput> }} InputData */
/** @typedef {OneTarget | { outputs: Record<string, OneTarget> }} TargetData */

/** @typedef {import('../../worker/protocol.js').Weight} Weight */

/**
 * Of one sample: a number, a string; of many: a typed array, an array of strings.
 * @typedef {object} OutputPrediction
 * @property {Float32Array} output
 * @property {any} [index]
 * @property {any} [label]
 * @property {any} [confidence]
 */
/** Of a model with several outputs each has its own. @typedef {OutputPrediction & { outputs: Record<string, OutputPrediction> }} Prediction */

/** @typedef {import('../../worker/protocol.js').Evaluation} Evaluation */

/**
 * @typedef {object} Info
 * @property {'worker' | 'main'} mode
 * @property {import('../../worker/host/module.js').Variant} variant the wasm that runs
 * @property {number} threads that may compute, spawned yet or not
 * @property {string | null} reason why it runs otherwise than asked or best, where it does
 * @property {number} parameters
 * @property {number} memoryBytes
 * @property {number} startupMs from createTrainer() to a ready model
 * @property {Array<{ type: string, name: string, input: string | string[], outputShape: number[], parameters: number,
 *   [field: string]: unknown }>} layers
 * @property {number} trainableParameters
 * @property {number} stepBytes buffers of one step: of the latest run's, or, where there was none, of predicting one sample
 * @property {number} liveBytes that such a step has in use at one time at least, whatever the layout
 * @property {number[] | Record<string, number[]>} inputShape
 * @property {import('../../worker/data/columns.js').InputFacts[]} inputs { name, shape, ... } of each
 * @property {import('../../worker/protocol.js').ModelReady['outputs']} outputs { name, shape, loss, lossWeight, labels, ... } of each
 * @property {number[]} outputShape of the first output, like classes and targets
 * @property {number} classes 0: not a classifier
 * @property {number} targets class indices of one sample; 0: y is rows only
 * @property {any} loss as in the spec
 * @property {{ type: string, [field: string]: unknown }} optimizer
 * @property {string[]} metrics
 * @property {string[] | Record<string, string[]> | null} labels
 * @property {number} inputScale
 * @property {number} inputOffset
 * @property {number} seed
 * @property {string} coreVersion
 * @property {{ name: string, storage: string, reason: string | null } | null} persist where checkpoints last, and why not
 *   in a better place
 */

/** @typedef {import('./status.js').Status} Status */

const FIT = {
  epochs: rule.integer(1, 1),
  batchSize: rule.integer(1, 32),
  shuffle: rule.flag(true),
  validationSplit: rule.number('a number in [0, 1)', (value) => value >= 0 && value < 1, 0),
  nonFinite: rule.oneOf(['error', 'rollback'], 'error'),
  sampleWeight: rule.given,
  classWeight: rule.given,
  progressHz: rule.number('a number above 0', (value) => value > 0 && value < Infinity, 10),
  transfer: rule.flag(false),
  resume: rule.flag(false),
  otherData: rule.flag(false),
  persist: PERSIST,
  persistData: rule.optional(rule.flag(false)),
  signal: rule.signal,
};

const EVALUATE = { batchSize: rule.integer(1, 32), sampleWeight: rule.given, transfer: rule.flag(false), signal: rule.signal };
const PREDICT = { transfer: rule.flag(false), signal: rule.signal };

/** What belongs to the run that is resumed, unless it is given. */
const OF_RUN = /** @type {const} */ (['epochs', 'batchSize', 'shuffle', 'validationSplit', 'nonFinite']);

/**
 * @typedef {object} TrainerParts
 * @property {import('../host/supervisor.js').Link} link
 * @property {import('../host/events.js').Events} events
 * @property {import('./status.js').Vitals} vitals
 * @property {import('./persist.js').PersistOptions | undefined} persist of every fit that says nothing else
 * @property {boolean} persistData
 */

export class Trainer extends TrainerTarget {
  #link;
  #parts;
  /** @type {Fitting | undefined} the latest run */
  #fitting;
  /** @type {Promise<void> | undefined} */
  #disposal;

  /** createTrainer() makes trainers. @param {TrainerParts} parts */
  constructor(parts) {
    super(parts.events);
    this.#parts = parts;
    this.#link = parts.link;
  }

  /** @returns {Info} */
  get info() {
    return this.#link.info;
  }

  /** The latest run. @returns {Run | undefined} */
  get run() {
    return this.#fitting?.run;
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
      const wanted = this.#settingsOf(settings, options);
      this.#checkNotTraining('fit');
      throwIfAborted(settings.signal);
      const stored = /** @type {unknown} */ (x) === STORED;
      const samples = stored ? STORED : inputs(x, this.info);
      const sources = stored ? [STORED, STORED]
        : [samples, targets(y, this.info, samples.samples), ...sampleWeights(settings.sampleWeight, samples.samples)];
      this.#fitting = new Fitting(this.#link, sources, wanted);
      return this.#fitting.run;
    } catch (error) {
      return failedRun(error);
    }
  }

  /**
   * @param {import('../host/options.js').Read<typeof FIT>} settings
   * @param {FitOptions} given
   * @returns {import('./run-driver.js').Settings}
   */
  #settingsOf(settings, given = {}) {
    const { progressHz, resume, otherData, transfer, signal, persist, persistData = this.#parts.persistData } = settings;
    const own = resume ? given : settings;
    const [numEpochs, batchSize, shuffle, validationSplit, nonFinite] = OF_RUN.map((name) => own[name]);
    const kept = readPersist('fit', persist) ?? this.#parts.persist;
    if (persistData && !kept) {
      throw new OffstageError('INVALID_OPTION', 'fit: persistData without persist, expected a name to keep the data under');
    }
    return {
      start: { numEpochs, batchSize, shuffle, validationSplit, nonFinite, progressHz }, classWeight: settings.classWeight,
      persist: kept && { ...kept, data: persistData }, resume, otherData, transfer, signal,
    };
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
    const { single, ...prediction } = await this.#ask([inputs(x, this.info)], { signal, transfer },
      (client, values) => client.request('PREDICT', { x: values[0] }, { signal }));
    return prediction;
  }

  /**
   * Mean loss, and accuracy where it is a metric, over the samples.
   * @param {InputData} x
   * @param {TargetData} y
   * @param {{ batchSize?: number, sampleWeight?: NumberArray | readonly number[], signal?: AbortSignal, transfer?: boolean }} [options]
   * @returns {Promise<Evaluation>}
   */
  async evaluate(x, y, options) {
    this.#checkOpen();
    const { signal, transfer, batchSize, sampleWeight } = readOptions('evaluate', options, EVALUATE);
    const source = inputs(x, this.info);
    const { samples } = source;
    return this.#ask([source, targets(y, this.info, samples), ...sampleWeights(sampleWeight, samples)], { signal, transfer },
      (client, [x, y, weights]) => client.request('EVALUATE_MODEL', { x, y, sampleWeight: weights, batchSize }, { signal }));
  }

  /**
   * Asks something about data, which go along, again if need be.
   * @param {Source[]} sources
   * @param {{ signal: AbortSignal | undefined, transfer: boolean }} options
   * @param {(client: Client, values: unknown[]) => Promise<any>} request
   */
  #ask(sources, { signal, transfer }, request) {
    throwIfAborted(signal);
    const check = () => throwIfAborted(signal);
    return this.#link.call(async (client, loss) => {
      if (loss && sources.some(isGone)) throw dataLost(loss);
      const sent = deliver(client, sources, { transfer, check });
      return request(client, sent instanceof Promise ? await sent : sent);
    }, { signal });
  }

  /** Of the last complete step, in the order of layers. @returns {Promise<Weight[]>} */
  async getWeights() {
    this.#checkOpen();
    return (await this.#link.call((client) => client.request('GET_WEIGHTS'))).weights;
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
    await this.#link.change('SET_WEIGHTS', { weights: given }, transfer);
  }

  /**
   * A complete checkpoint of the last complete step, as a .safetensors file; at any time, also while training.
   * @returns {Promise<Uint8Array>}
   */
  async save() {
    this.#checkOpen();
    return (await this.#link.call((client) => client.request('SAVE_CHECKPOINT'))).bytes;
  }

  /**
   * The model of a checkpoint in place of this one: fit with resume: true goes on with its run.
   * @param {Uint8Array} bytes of save()
   * @returns {Promise<void>}
   */
  async load(bytes) {
    this.#checkOpen();
    this.#checkNotTraining('load');
    const copied = copyBytes(checkpointBytes(bytes));
    const copy = copied instanceof Promise ? await copied : copied;
    const before = this.#fitting;
    await this.#link.change('LOAD_CHECKPOINT', { bytes: copy }, [copy.buffer]);
    if (this.#fitting === before) this.#fitting = undefined; // else a run has begun behind it
  }

  /** Complete epochs of the latest run, those before it was interrupted included. @returns {import('./run.js').Epoch[]} */
  get history() {
    return structuredClone(this.#fitting?.history ?? this.#link.past?.history ?? []);
  }

  /** Every run of this model, the one that is on included; checkpoints keep them. @returns {import('../../worker/protocol.js').RunRecord[]} */
  get runs() {
    return this.#parts.vitals.runs.list();
  }

  /** How it stands, at once: nobody is asked. @returns {Status} */
  status() {
    const { client, lastBeat, restarts, info } = this.#link;
    const { stages, memory, bytesIn, bytesOut } = this.#parts.vitals;
    const latest = this.#fitting?.latest;
    return {
      state: this.#state(),
      ...stages.read(),
      epoch: latest?.epoch ?? 0,
      batch: latest?.batch ?? 0,
      step: this.#fitting?.step ?? this.#link.step,
      thread: client?.threadId ?? 0,
      threadName: info.mode === 'worker' ? 'offstage' : 'main',
      processId: processId(),
      alive: client !== undefined,
      since: client?.since ?? null,
      lastBeat, restarts, memory, bytesIn, bytesOut,
      persist: info.persist,
    };
  }

  /** @returns {Status['state']} */
  #state() {
    if (this.#disposal) return 'disposed';
    if (this.#link.ended) return 'lost';
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

  #dispose() {
    const ending = this.#fitting?.end(); // takes the run's start out of what is abandoned
    return this.#link.dispose(new OffstageError('DISPOSED', 'the trainer is disposed of'), ending);
  }

  #checkOpen() {
    if (this.#disposal) throw new OffstageError('DISPOSED', 'the trainer is disposed of');
    this.#link.throwIfEnded();
  }

  /** @param {string} what */
  #checkNotTraining(what) {
    if (this.#fitting && this.#fitting.state !== 'ended') throw new OffstageError('BUSY', `${what}: a run is on; wait for its end or stop it`);
  }
}
