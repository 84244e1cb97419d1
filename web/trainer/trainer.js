/* trainer.js: the trainer that an app holds.
 *
 * Invariant: after dispose everything rejects DISPOSED; requests are posted in the order of the
 * calls, those with large data when these have arrived; nothing throws synchronously. Arguments are
 * checked here as far as the page can know, the rest is the session's to refuse. How a session is
 * made, reached and replaced is not known here. No maths. */
import { OffstageError, reasonOf, show } from '../../worker/host/errors.js';
import { EventsTarget } from '../host/events.js';
import * as rule from '../host/options.js';
import { readOptions, throwIfAborted } from '../host/options.js';
import { REQUESTED, SEARCH, SETTINGS, toWire } from '../../worker/trainer/run/fit-options.js';
import { processId } from '../host/support.js';
import { checkpointBytes, copyBytes, plainData, weightsToSend } from './copies.js';
import { capture, release } from './capture.js';
import {
  HANDED_OVER,
  STORED,
  dataLost,
  deliver,
  fieldsOf,
  inputs,
  isGone,
  labelled,
  validation,
} from './handover.js';
import { PERSIST, readPersist } from './persist.js';
import { RunDriver, failedRun } from './run-driver.js';
import { Snapshots } from './snapshot.js';
import { worded } from './words.js';

/** @typedef {import('../host/client.js').Client} Client */
/** @typedef {import('./handover.js').Source} Source */
/** @typedef {import('./run.js').Run} Run */

/**
 * @typedef {Partial<import('../../worker/trainer/run/fit-options.js').FitSettings
 *   & import('../../worker/trainer/run/fit-options.js').Values<typeof REQUESTED>> & DataOptions}
 *   FitOptions
 */
/**
 * Options of fit that are about its data, or the page's alone.
 * @typedef {object} DataOptions
 * @property {NumberArray | readonly number[]} [sampleWeight] of each sample's loss, from 0 on.
 *   Default: 1 each
 * @property {Readonly<Record<string, number>>} [classWeight] by label or index, likewise, of a
 *   classifier's samples; not in validation. Default: 1 each
 * @property {ValidationData} [validationData] to validate on, instead of a validationSplit.
 *   Default: none
 * @property {OnEpoch} [onEpoch] called at each epoch's end, where the run stands until what it
 *   promises has settled: false ends the run, { learningRate } sets it from the next step on.
 *   Default: none
 * @property {boolean} [transfer] hand the arrays over: they are detached. Default: false
 * @property {boolean} [keep] the page keeps a copy of the data while the run is on, so that a
 *   worker in place of a lost one trains on the same. false: it reads the app's arrays again, and
 *   the run ends with DATA_LOST where they have changed. Default: true
 * @property {string | import('./persist.js').PersistOptions} [persist] keep checkpoints on storage
 *   under this name. Default: as createTrainer() was told
 * @property {boolean} [persistData] keep the data there too. Default: as createTrainer() was told
 * @property {AbortSignal} [signal] ends the run, which rejects ABORTED. Default: none
 */

/**
 * @typedef {Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array
 *   | Uint32Array | Float32Array | Float64Array} NumberArray
 */
/** @typedef {readonly (number | NumberArray | NestedNumbers)[]} NestedNumbers */
/**
 * Numbers with their shape.
 * @typedef {object} Shaped
 * @property {NumberArray | readonly number[]} data the numbers, one sample after the other.
 *   Required
 * @property {readonly number[]} shape samples first. Required
 */
/** @typedef {NumberArray | NestedNumbers | Shaped} OneInput */
/** @typedef {NumberArray | NestedNumbers | readonly string[]} OneTarget */
/**
 * @typedef {object} SeveralInputs
 * @property {Record<string, OneInput>} inputs of a model with several, by name. Required
 */
/**
 * @typedef {object} SeveralTargets
 * @property {Record<string, OneTarget>} outputs of a model with several, by name. Required
 */
/** @typedef {OneInput | SeveralInputs} InputData */
/** @typedef {OneTarget | SeveralTargets} TargetData */

/** @typedef {void | undefined | false | { learningRate: number }} EpochAnswer */
/**
 * @callback OnEpoch
 * @param {import('./run.js').Progress} record of the epoch
 * @param {Trainer} trainer which answers of that very step
 * @returns {EpochAnswer | Promise<EpochAnswer>}
 */
/** @typedef {NumberArray | readonly number[]} SampleWeights */
/**
 * @typedef {object} Labelled
 * @property {InputData} x samples. Required
 * @property {TargetData} y their targets. Required
 * @property {SampleWeights} [sampleWeight] of each sample's loss, from 0 on. Default: 1 each
 */
/**
 * @typedef {readonly [InputData, TargetData] | readonly [InputData, TargetData, SampleWeights]
 *   | Labelled} ValidationData
 */

/** @typedef {import('../../worker/protocol.js').Weight} Weight */

/**
 * What an output says. Of a classifier's one class: a number, a string, a number; of many samples,
 * or of the steps of a sequence, one each: typed arrays and an array of strings.
 * @typedef {object} OutputPrediction
 * @property {Float32Array} output one sample after the other
 * @property {number | Int32Array} [index] of the class
 * @property {string | string[]} [label] the class's name, else its index as text
 * @property {number | Float32Array} [confidence] the class's own probability
 */
/**
 * A prediction, of the model after `step` updates.
 * @typedef {OutputPrediction & SeveralOutputs & OfStep} Prediction
 */
/**
 * @typedef {object} OfStep
 * @property {number} step updates that the model had
 */
/**
 * @typedef {object} SeveralOutputs
 * @property {Record<string, OutputPrediction>} [outputs] of a model with several outputs, by name:
 *   it has nothing beside it
 */

/**
 * @typedef {object} PredictOptions
 * @property {AbortSignal} [signal] ends the wait, which rejects ABORTED. Default: none
 * @property {boolean} [transfer] hand the arrays over: they are detached. Default: false
 */
/**
 * @typedef {object} EvaluateOptions
 * @property {import('../../wasm-build/dist/spec.js').Metrics} [metrics] to measure, in place of the
 *   trainer's. Default: the trainer's
 * @property {number} [batchSize] samples at a time: the more, the faster, and the more memory; the
 *   means are the same but for rounding. Default: 32
 * @property {NumberArray | readonly number[]} [sampleWeight] of each sample's loss, from 0 on.
 *   Default: 1 each
 * @property {AbortSignal} [signal] ends the wait, which rejects ABORTED. Default: none
 * @property {boolean} [transfer] hand the arrays over: they are detached. Default: false
 */
/**
 * @typedef {Partial<import('../../worker/trainer/run/fit-options.js').Values<typeof SEARCH>>
 *   & Omit<EvaluateOptions, 'batchSize' | 'metrics'>} FindOptions
 */
/** @typedef {import('../../worker/protocol.js').Evaluation} Evaluation */

/** @typedef {import('./info.js').Info} Info */
/** @typedef {import('./trainer-status.js').Status} Status */

/** The options of fit, each of which has its row in README. */
export const FIT = {
  ...SETTINGS,
  ...REQUESTED,
  sampleWeight: rule.given,
  classWeight: rule.given,
  validationData: rule.given,
  onEpoch: rule.callback,
  transfer: rule.flag(false),
  keep: rule.flag(true),
  persist: PERSIST,
  persistData: rule.optional(rule.flag(false)),
  signal: rule.signal,
};

const EVALUATE = {
  metrics: rule.given,
  batchSize: SETTINGS.batchSize,
  sampleWeight: rule.given,
  transfer: rule.flag(false),
  signal: rule.signal,
};
const FIND = {
  ...SEARCH,
  sampleWeight: rule.given,
  transfer: rule.flag(false),
  signal: rule.signal,
};
const PREDICT = { transfer: rule.flag(false), signal: rule.signal };

/**
 * @typedef {object} TrainerParts
 * @property {import('./recovery.js').Recovery} recovery
 * @property {import('../host/events.js').Events} events
 * @property {import('./trainer-status.js').Monitor} monitor
 * @property {import('./persist.js').PersistOptions | undefined} persist of every fit that says
 *   nothing else
 * @property {boolean} persistData
 */

/** @extends {EventsTarget<import('./trainer-events.js').TrainerEvents>} */
export class Trainer extends EventsTarget {
  #recovery;
  #supervisor;
  #parts;
  /** The driver of the latest run. @type {RunDriver | undefined} */
  #driver;
  /** @type {Promise<void> | undefined} */
  #disposal;
  #snapshots;

  /** createTrainer() is who makes trainers. @param {TrainerParts} parts */
  constructor(parts) {
    super(parts.events);
    this.#parts = parts;
    this.#recovery = parts.recovery;
    this.#supervisor = parts.recovery.supervisor;
    this.#snapshots = new Snapshots(
      () => this.#show(),
      (error) => parts.events.log('error', `a listener of subscribe() threw: ${reasonOf(error)}`),
    );
    parts.events.onEvent = () => this.#snapshots.changed();
  }

  /** @returns {Info} */
  get info() {
    const { info } = this.#recovery;
    const { threads } = this.#parts.monitor;
    return threads === null || threads === info.threads ? info : { ...info, threads };
  }

  /** The latest run. @returns {Run | undefined} */
  get run() {
    return this.#driver?.run;
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
      const { facts } = this.#recovery;
      const { sampleWeight, validationSplit, validationData } = settings;
      if (validationData !== undefined && validationSplit > 0) {
        throw new OffstageError(
          'INVALID_OPTION',
          `fit: validationData beside validationSplit ${validationSplit}, expected one of them`,
        );
      }
      const stored = /** @type {unknown} */ (x) === STORED;
      const own = stored ? [STORED] : labelled(x, y, sampleWeight, facts);
      const sources = [...own, ...validation(validationData, facts)];
      this.#driver = new RunDriver(this.#recovery, sources, wanted);
      this.#snapshots.changed();
      return this.#driver.run;
    } catch (error) {
      return failedRun(worded(error, this.#recovery.assets));
    }
  }

  /**
   * @param {import('../host/options.js').Read<typeof FIT>} settings
   * @param {FitOptions} given
   * @returns {import('./run-driver.js').Settings}
   */
  #settingsOf(settings, given = {}) {
    const {
      progressHz,
      batchRecords,
      resume,
      otherData,
      transfer,
      keep,
      signal,
      onEpoch,
      persist,
      persistData = this.#parts.persistData,
    } = settings;
    const kept = readPersist('fit', persist) ?? this.#parts.persist;
    if (persistData && !kept) {
      throw new OffstageError(
        'INVALID_OPTION',
        'fit: persistData without persist, expected a name to keep the data under',
      );
    }
    return {
      start: {
        ...plainData(toWire(resume ? given : settings), '', 'INVALID_OPTION'),
        progressHz,
        batchRecords,
      },
      classWeight: plainData(settings.classWeight, 'fit: classWeight', 'INVALID_OPTION'),
      persist: kept && { ...kept, data: persistData },
      resume,
      otherData,
      transfer,
      keep,
      signal,
      onEpoch: onEpoch && ((record) => onEpoch(record, this)),
      changed: () => this.#snapshots.changed(),
    };
  }

  /**
   * Predicts for one sample (of its shape, or flat with as many elements) or for many. At any time,
   * also while training.
   * @param {InputData} x
   * @param {PredictOptions} [options]
   * @returns {Promise<Prediction>}
   */
  async predict(x, options) {
    this.#checkOpen();
    const { signal, transfer } = readOptions('predict', options, PREDICT);
    const { single, ...prediction } = await this.#ask(
      [inputs(x, this.#recovery.facts)],
      { signal, transfer },
      (client, values) => client.request('PREDICT', { x: values[0] }, { signal }),
    );
    return prediction;
  }

  /**
   * Measures the mean loss, and accuracy where it is a metric, over the samples.
   * @param {InputData} x
   * @param {TargetData} y
   * @param {EvaluateOptions} [options]
   * @returns {Promise<Evaluation>}
   */
  async evaluate(x, y, options) {
    this.#checkOpen();
    const { signal, transfer, ...given } = readOptions('evaluate', options, EVALUATE);
    const { batchSize } = given;
    const metrics = plainData(given.metrics, 'evaluate: metrics', 'INVALID_OPTION');
    const sources = labelled(x, y, given.sampleWeight, this.#recovery.facts);
    return this.#ask(sources, { signal, transfer }, (client, values) =>
      client.request(
        'EVALUATE_MODEL',
        { ...fieldsOf(sources, values), batchSize, metrics },
        { signal },
      ),
    );
  }

  /**
   * Tries learning rates: trains a step at each of a rising series of them, and leaves the model as
   * it was, to the bit. Nothing else is answered meanwhile, and no run may be on.
   * @param {InputData} x
   * @param {TargetData} y
   * @param {FindOptions} [options]
   * @returns {Promise<import('../../worker/protocol.js').RateSearch>}
   */
  async findLearningRate(x, y, options) {
    this.#checkOpen();
    const { signal, transfer, sampleWeight, ...range } = readOptions(
      'findLearningRate',
      options,
      FIND,
    );
    this.#checkNotTraining('findLearningRate');
    const sources = labelled(x, y, sampleWeight, this.#recovery.facts);
    return this.#ask(sources, { signal, transfer }, (client, values) =>
      client.request('FIND_LEARNING_RATE', { ...fieldsOf(sources, values), ...range }, { signal }),
    );
  }

  /**
   * Asks something about data, which go along, again if need be.
   * @param {Source[]} sources
   * @param {{ signal: AbortSignal | undefined, transfer: boolean }} options
   * @param {(client: Client, values: unknown[]) => Promise<any>} request
   */
  async #ask(sources, { signal, transfer }, request) {
    throwIfAborted(signal);
    const data = capture(sources, { transfer });
    const check = () => throwIfAborted(signal);
    try {
      return await this.#supervisor.call(
        async (client, loss) => {
          if (loss && data.some(isGone)) throw dataLost(HANDED_OVER, loss);
          const sent = deliver(client, data, { transfer, check });
          return request(client, 'then' in sent ? await sent : sent);
        },
        { signal },
      );
    } finally {
      release(data);
    }
  }

  /**
   * Gets the weights of the last complete step, which the property `step` tells, in the order of
   * layers.
   * @returns {Promise<Weight[] & { readonly step: number }>}
   */
  async getWeights() {
    this.#checkOpen();
    const { weights, step } = await this.#supervisor.call((client) =>
      client.request('GET_WEIGHTS'),
    );
    return ofStep(weights, step);
  }

  /**
   * Sets all weights, matched by order and shape; names are not looked at.
   * @param {ReadonlyArray<{ name?: string, shape: readonly number[],
   *   data: NumberArray | readonly number[] }>} weights
   * @returns {Promise<void>}
   */
  async setWeights(weights) {
    this.#checkOpen();
    this.#checkNotTraining('setWeights');
    const sent = weightsToSend(weights);
    const { weights: given, transfer } = 'then' in sent ? await sent : sent;
    await this.#recovery.change('SET_WEIGHTS', { weights: given }, transfer);
  }

  /**
   * Gives a complete checkpoint of the last complete step, which the property `step` tells, as a
   * .safetensors file; at any time, also while training.
   * @returns {Promise<Uint8Array & { readonly step: number }>}
   */
  async save() {
    this.#checkOpen();
    const driver = this.#driver;
    await driver?.whenStarted();
    const { bytes, step } = await this.#supervisor.call(async (client, loss) => {
      if (loss) await driver?.whenStarted(); // in the session that stands in
      return client.request('SAVE_CHECKPOINT');
    });
    return ofStep(bytes, step);
  }

  /**
   * Puts the model of a checkpoint in place of this one: fit with resume: true goes on with its
   * run.
   * @param {Uint8Array} bytes of save()
   * @returns {Promise<void>}
   */
  async load(bytes) {
    this.#checkOpen();
    this.#checkNotTraining('load');
    const copied = copyBytes(checkpointBytes(bytes));
    const copy = 'then' in copied ? await copied : copied;
    const before = this.#driver;
    await this.#recovery.change('LOAD_CHECKPOINT', { bytes: copy }, [copy.buffer]);
    if (this.#driver === before) this.#driver = undefined; // else a run has begun behind it
    this.#snapshots.changed();
  }

  /**
   * Complete epochs of the latest run, those before it was interrupted included.
   * @returns {import('./run.js').Epoch[]}
   */
  get history() {
    return [...structuredClone(this.#driver?.log.history ?? this.#recovery.history)];
  }

  /**
   * The latest 100 runs of this model, the one that is on included; checkpoints keep them.
   * @returns {import('../../worker/protocol.js').RunRecord[]}
   */
  get runs() {
    return this.#parts.monitor.runs.list();
  }

  /**
   * Sums of all runs of this model, the one that is on included; checkpoints keep them.
   * @returns {import('../../worker/protocol.js').Totals} seconds: that they trained
   */
  get totals() {
    return { ...this.#parts.monitor.runs.totals };
  }

  /**
   * What a view shows, frozen: another object at each change, and only then.
   * @returns {Readonly<import('./snapshot.js').Snapshot>}
   */
  get snapshot() {
    return this.#snapshots.present;
  }

  /**
   * Calls back at each change of the snapshot.
   * @param {(snapshot: Readonly<import('./snapshot.js').Snapshot>) => void} listener
   * @returns {() => void} ends that
   */
  subscribe(listener) {
    if (typeof listener !== 'function') {
      throw new OffstageError(
        'INVALID_OPTION',
        `subscribe: listener is ${show(listener)}, expected a function`,
      );
    }
    return this.#snapshots.subscribe(listener);
  }

  /** @returns {import('./snapshot.js').Snapshot} */
  #show() {
    const driver = this.#driver;
    return {
      state: this.#state(),
      mode: this.#recovery.info.mode,
      run: driver?.run ?? null,
      runState: driver?.run.state ?? null,
      epoch: driver?.log.epoch ?? 0,
      step: driver?.log.step ?? this.#recovery.step,
      record: driver?.log.latest ?? null,
      history: driver?.log.history ?? this.#recovery.history,
      error: (this.#disposal ? null : this.#supervisor.verdict) ?? driver?.error ?? null,
    };
  }

  /** Tells how the trainer stands, at once: nobody is asked. @returns {Status} */
  status() {
    const { info } = this;
    const { client, lastBeat, restarts } = this.#supervisor;
    const { stages, memory, bytesIn, bytesOut } = this.#parts.monitor;
    const log = this.#driver?.log;
    return {
      state: this.#state(),
      ...stages.read(),
      epoch: log?.epoch ?? 0,
      batch: log?.batch ?? 0,
      step: log?.step ?? this.#recovery.step,
      thread: client?.threadId ?? 0,
      threadName: info.mode === 'worker' ? 'offstage' : 'main',
      threads: info.threads,
      processId: processId(),
      alive: client !== undefined,
      since: client?.since ?? null,
      lastBeat,
      restarts,
      memory,
      bytesIn,
      bytesOut,
      persist: info.persist,
    };
  }

  /** @returns {Status['state']} */
  #state() {
    if (this.#disposal) return 'disposed';
    if (this.#supervisor.ended) return 'lost';
    if (!this.#driver || this.#driver.state === 'ended') return 'ready';
    return this.#driver.state === 'paused' ? 'paused' : 'training';
  }

  /**
   * Ends the trainer and gives its memory back. A run ends as 'stopped'; what else is pending
   * rejects DISPOSED.
   * @returns {Promise<void>}
   */
  dispose() {
    if (!this.#disposal) {
      this.#disposal = this.#dispose();
      this.#snapshots.changed();
    }
    return this.#disposal;
  }

  #dispose() {
    const gone = new OffstageError('DISPOSED', 'the trainer is disposed of');
    return this.#supervisor.dispose(gone, this.#driver?.end());
  }

  #checkOpen() {
    if (this.#disposal) throw new OffstageError('DISPOSED', 'the trainer is disposed of');
    this.#supervisor.throwIfEnded();
  }

  /** @param {string} what */
  #checkNotTraining(what) {
    if (!this.#driver || this.#driver.state === 'ended') return;
    throw new OffstageError('BUSY', `${what}: a run is on; wait for its end or stop it`);
  }
}

/**
 * Tells of which step weights or bytes are: by a property that no copy or comparison sees.
 * @template {object} T
 * @param {T} value @param {number} step
 * @returns {T & { readonly step: number }}
 */
const ofStep = (value, step) =>
  Object.defineProperty(/** @type {any} */ (value), 'step', { value: step });
