/* protocol.js: the messages between an app and a session, version 1.
 *
 * A message is { v: 1, id, type, payload }; id is the client's, a string or a number, and every
 * reply carries the id of its request. Each request gets exactly one reply of the type below or one
 * ERROR { error, code, request }, in any order; only a run has further messages:
 *
 *     INIT_TRAINING   spec, runtime?       MODEL_READY: a spec that is refused leaves the old model
 *     UPLOAD_DATA     a slice              DATA_STORED: slices in order; the first one allocates
 *     DISCARD_DATA    { upload }           DATA_DISCARDED
 *     START_TRAINING  { x, y,              TRAINING_PROGRESS .., then TRAINING_COMPLETE, or
 *                       numEpochs .. }     TRAINING_ERROR for a run that began; ERROR for one that
 *                                          was refused
 *     STOP_TRAINING   PAUSE_TRAINING       TRAINING_STOPPED (after the run's TRAINING_COMPLETE),
 *     RESUME_TRAINING                      _PAUSED, _RESUMED { state, epoch, batch, step }; without
 *                                          a run they have no effect. STOP { after: 'epoch' }:
 *                                          when the epoch is complete
 *     CONTINUE_TRAINING { epoch, stop?,    TRAINING_CONTINUED, as TRAINING_PAUSED: the answer to
 *                       learningRate? }    EPOCH_ENDED; without effect where none is awaited
 *     SET_RUN         { learningRate?,     RUN_SET, likewise: of the run that is on, from its next
 *                       duty? }            step on
 *     PREDICT         { x }                PREDICTION_RESULT
 *     EVALUATE_MODEL  { x, y, batchSize?,  EVALUATION_RESULT
 *                       sampleWeight? }
 *     GET_WEIGHTS     SET_WEIGHTS          WEIGHTS, WEIGHTS_SET
 *     GET_STATUS      PING                 STATUS, PONG, at once, also while a run is on. PONG {
 *                                          received }: messages that the session has got
 *     DISPOSE                              DISPOSED; a run ends as stopped, every other pending
 *                                          request with DISPOSED
 *     SAVE_CHECKPOINT                      CHECKPOINT of the last committed step, also while a run
 *                                          is on
 *     LOAD_CHECKPOINT { bytes | stored }   CHECKPOINT_LOADED: like INIT_TRAINING, but the model has
 *                                          the checkpoint's state
 *
 * INIT_TRAINING, LOAD_CHECKPOINT, START_TRAINING and SET_WEIGHTS are refused with BUSY while a run
 * is on. Before a model there is only INIT_TRAINING, LOAD_CHECKPOINT, GET_STATUS, PING and DISPOSE.
 * A message that is none of these is answered by ERROR BAD_MESSAGE, with its id where it has one,
 * else null; but an error reply is never answered. Three messages are sent only on request:
 * TRAINING_SNAPSHOT with the id of a START that gave snapshotMs, EPOCH_ENDED with that of one that
 * gave waits: true, after which the run stands until CONTINUE_TRAINING comes, and NOTICE, with id
 * null, where the runtime has notices: true. The first session of a thread also takes OPEN_SESSION
 * (host/services.js); over a port DISPOSE { close: true } ends the session too. dialect.js adds
 * the bare form. */

export { VERSION, isId } from './host/envelope.js';

/** The requests, and the type of each one's reply. */
export const REPLIES = Object.freeze({
  INIT_TRAINING: 'MODEL_READY',
  UPLOAD_DATA: 'DATA_STORED',
  DISCARD_DATA: 'DATA_DISCARDED',
  START_TRAINING: 'TRAINING_COMPLETE',
  STOP_TRAINING: 'TRAINING_STOPPED',
  PAUSE_TRAINING: 'TRAINING_PAUSED',
  RESUME_TRAINING: 'TRAINING_RESUMED',
  CONTINUE_TRAINING: 'TRAINING_CONTINUED',
  SET_RUN: 'RUN_SET',
  PREDICT: 'PREDICTION_RESULT',
  EVALUATE_MODEL: 'EVALUATION_RESULT',
  FIND_LEARNING_RATE: 'LEARNING_RATE_FOUND',
  GET_WEIGHTS: 'WEIGHTS',
  SET_WEIGHTS: 'WEIGHTS_SET',
  SAVE_CHECKPOINT: 'CHECKPOINT',
  LOAD_CHECKPOINT: 'CHECKPOINT_LOADED',
  GET_STATUS: 'STATUS',
  PING: 'PONG',
  DISPOSE: 'DISPOSED',
});

/** The columns of `batches` of TRAINING_PROGRESS. */
export const BATCH_COLUMNS = Object.freeze(
  /** @type {const} */ (['epoch', 'batch', 'step', 'batchLoss', 'batchAccuracy', 'learningRate']),
);
/** Runs of a model that are listed: the latest. */
export const MOST_RUNS = 100;
/** @type {Totals} */
export const NO_RUNS = { runs: 0, epochs: 0, steps: 0, seconds: 0 };

/** What a record tells beside the epoch and what was measured. */
export const PLACE_FIELDS = Object.freeze([
  ...['kind', 'totalEpochs', 'batch', 'totalBatches', 'step', 'rollbacks', 'percent'],
  ...['etaSeconds', 'elapsedSeconds', 'samplesPerSecond', 'timestamp', 'threadId'],
]);

/**
 * Leaves out lists: there are a hundred runs in each checkpoint.
 * @param {EpochResult} result
 * @returns {EpochResult}
 */
export function numbersOf({ outputs, ...own }) {
  const numbers = (/** @type {object} */ fields) =>
    Object.fromEntries(Object.entries(fields).filter(([, value]) => typeof value === 'number'));
  const each = Object.entries(outputs ?? {}).map(([name, fields]) => [name, numbers(fields)]);
  return /** @type {any} */ ({
    ...numbers(own),
    ...(outputs && { outputs: Object.fromEntries(each) }),
  });
}

/** @typedef {keyof typeof REPLIES} RequestType */
/**
 * @typedef {typeof REPLIES[RequestType] | 'TRAINING_PROGRESS' | 'TRAINING_SNAPSHOT'
 *   | 'EPOCH_ENDED' | 'TRAINING_ERROR' | 'ERROR' | 'NOTICE'} ReplyType
 */
/** @typedef {import('./host/envelope.js').Id} Id */
/** @typedef {{ v: 1, id: Id, type: RequestType, payload?: any }} RequestMessage */
/** @typedef {{ v: 1, id: Id | null, type: ReplyType, payload: any }} ReplyMessage */

/** @typedef {import('./host/envelope.js').Endpoint} Endpoint */

/**
 * The settings of a session; beside the spec in INIT_TRAINING's payload, as `runtime`.
 * @typedef {object} Runtime
 * @property {import('./host/module.js').Variant} [variant]  forced; by default the fastest that the
 *   engine has
 * @property {number | 'auto'} [threads]  that compute; 'auto': the cores less one, at most 8
 * @property {boolean} [deterministic]  false allows relaxed variants, whose bits differ between
 *   machines
 * @property {string} [assets]        base URL of wasm-build/dist/
 * @property {'worker' | 'main'} [place]  slices of 2 ms, or of 8 ms on a page's own thread
 * @property {number} [sliceWork]     units of work a slice instead of a time; for tests
 * @property {number} [duty]          1; share of the time in which training computes, above 0
 * @property {boolean} [notices]      false; the session sends NOTICE messages
 * @property {boolean} [debug]        false; also log notices of level 'debug'
 * @property {WebAssembly.Memory} [share]  shared, zeros at first, the same for all workers of a
 *   page: by it those that train share the cores
 * @property {string} [build]         of the page: another one than the session's is refused
 */
/**
 * NOTICE: a message that answers no request. Times are ms since 1970.
 * log: a line for developers. warning: a failure that training survives, or data that are probably
 * not meant to be what they are, once a run. gap: training stood still
 * for `ms` from `at` on, though it should have run. persisted: a checkpoint is on storage.
 * @typedef {{ kind: 'log', level: 'debug' | 'info' | 'warn' | 'error', message: string,
 *       time: number }
 *   | { kind: 'warning', code: import('./storage/checkpoint-store.js').Warning | 'NON_FINITE'
 *       | import('./trainer/run/doubts.js').DoubtCode, message: string }
 *   | { kind: 'gap', ms: number, at: number }
 *   | { kind: 'persisted', step: number, bytes: number, ms: number, storage: string,
 *       reason: string | null }} Notice
 */
/** The session's present work. @typedef {import('./trainer/stages.js').Stage | 'done'} Stage */
/**
 * @typedef {object} Told
 * @property {Stage} stage
 * @property {Record<import('./trainer/stages.js').Stage, number>} stageSeconds
 */
/**
 * INIT_TRAINING.
 * @typedef {object} Spec
 * @property {number[] | Record<string, number[]>} inputShape
 * @property {{ type: string, [field: string]: any }[]} layers
 * @property {(string | { name: string, loss?: any, lossWeight?: number })[]} [outputs]  names of
 *   layers; the last one by default
 * @property {any} [loss]               a name, { type, ...options }, or one of these by output
 * @property {Record<string, number>} [lossWeights]
 * @property {string | { type: string, [field: string]: any }} [optimizer]
 * @property {number} [learningRate]
 * @property {import('../wasm-build/dist/spec.js').Metrics} [metrics]
 * @property {string[] | Record<string, string[]>} [labels]
 * @property {number} [inputScale]
 * @property {number} [inputOffset]
 * @property {number} [seed]
 */
/** @typedef {Spec & { runtime?: Runtime }} InitPayload */
/**
 * @typedef {object} BuiltPart
 * @property {string} type              as in the spec
 * @property {string} name              likewise, or the one that it got
 * @property {string | string[]} input  names of what it reads
 * @property {number[]} outputShape     of one sample
 * @property {number} parameters        numbers in its weights
 */
/** @typedef {BuiltPart & { [field: string]: any }} BuiltLayer */
/**
 * @typedef {object} OutputLoss
 * @property {import('../wasm-build/dist/spec.js').Loss} loss  a name, or { type, ...options }
 * @property {number} lossWeight        in the sum that is trained
 */
/** @typedef {Omit<import('./data/columns.js').OutputFacts, 'loss'> & OutputLoss} BuiltOutput */
/**
 * MODEL_READY.
 * @typedef {object} ModelReady
 * @property {BuiltLayer[]} layers       every field, defaults filled in
 * @property {number[] | Record<string, number[]>} inputShape  as in the spec
 * @property {import('./data/columns.js').InputFacts[]} inputs
 * @property {BuiltOutput[]} outputs
 * @property {number[]} outputShape      of the first output, like classes and targets
 * @property {number} classes            0: no classifier; 2 for one sigmoid unit
 * @property {number} targets            class indices a sample where y is integer; 0: y is rows
 * @property {number} parameters
 * @property {number} trainableParameters
 * @property {number} stepBytes          of the buffers that a step takes: of predicting one sample
 * @property {number} liveBytes          that are in use at one time at least
 * @property {any} loss                  as in the spec
 * @property {{ type: string, [field: string]: any }} optimizer
 * @property {import('../wasm-build/dist/spec.js').Metrics} metrics
 * @property {string[] | Record<string, string[]> | null} labels
 * @property {number} inputScale
 * @property {number} inputOffset
 * @property {number} seed
 * @property {import('./host/module.js').Variant} variant
 * @property {number} threads
 * @property {number} memoryBytes
 * @property {number} step
 * @property {string} coreVersion
 * @property {string | null} reason      why something wished for is not so
 * @property {RunRecord[]} runs the latest 100 of a checkpoint; none of a model that is made anew
 * @property {Totals} totals             of all its runs
 * @property {RunToResume | null} run    the latest, for START_TRAINING with resume: true
 * @property {{ name: string, storage: string, reason: string | null } | null} persisted  where the
 *   checkpoint came from
 * @property {Stage} stage
 * @property {Told['stageSeconds']} stageSeconds
 */
/**
 * Of all runs of a model, the one that is on included.
 * @typedef {object} Totals
 * @property {number} runs               how many
 * @property {number} epochs             complete ones
 * @property {number} steps              updates
 * @property {number} seconds            that they trained
 */
/**
 * @typedef {object} RunToResume
 * @property {import('./trainer/run/fit-options.js').RunSettings} settings
 * @property {number} samples
 * @property {number} epoch              from 1; 0: none had begun
 * @property {number} batch              complete ones of it
 * @property {number} steps
 * @property {string | null} ended       null: it was interrupted
 * @property {EpochResult[]} history
 * @property {'stored' | null} data      stored: x and y of START_TRAINING may be { stored: true }
 */
/**
 * @typedef {object} RunRecord
 * @property {number} id                 from 1
 * @property {number} startedAt          ms since 1970
 * @property {number | null} endedAt     likewise; null: it was under way
 * @property {string | null} reason      'finished', 'stopped', 'earlyStopping', 'failed'; null: it
 *   was under way
 * @property {import('./trainer/run/fit-options.js').RunSettings} options  of fit, each with its
 *   value
 * @property {EpochResult | null} metrics of the last complete epoch
 * @property {number} steps              updates
 */
/**
 * The payload of CHECKPOINT and of TRAINING_SNAPSHOT.
 * @typedef {{ bytes: Uint8Array, step: number }} SavedCheckpoint
 */
/**
 * LOAD_CHECKPOINT: a checkpoint's bytes, or the newest good one that is stored under a name. hold:
 * beside bytes, the name on storage that is this session's from then on, unless it is taken.
 * runtime: by default that of the present model. The reply is MODEL_READY's.
 * @typedef {{ bytes?: Uint8Array | ArrayBuffer, stored?: { name: string, folder?: string },
 *   hold?: { name: string, folder?: string }, runtime?: Runtime }} LoadPayload
 */
/**
 * UPLOAD_DATA: bytes [offset, offset + bytes.byteLength) of `total`, transferred. At most 1024
 * uploads wait for a request that names them.
 * @typedef {{ upload: number, dtype: import('./data/columns.js').DType, total: number,
 *   offset: number, bytes: ArrayBuffer }} UploadPayload
 */
/**
 * DATA_STORED. bytes: the slice's buffer, transferred back for the next one; not with the last.
 * fingerprint: of all that has arrived (type, length, CRC-32), with the last slice, unless slices
 * of more than two megabytes left some of it to be looked at later.
 * @typedef {{ upload: number, received: number, bytes?: ArrayBuffer, fingerprint?: string }}
 *   DataStored
 */
/**
 * x, y and sampleWeight of a request: data as data/forms.js reads it, or an upload, which is freed
 * with the request. Of several inputs or outputs an upload has rows, one behind the other; indices:
 * a bit for each output that y has in class indices.
 * @typedef {any | { upload: number, indices?: number }} DataPayload
 */
/**
 * START_TRAINING. trainingData: [{ id?, grid, label }] may stand for x and y. The options of a run
 * and their defaults are trainer/run/fit-options.js's; epochs are `numEpochs` here.
 * @typedef {StartData & { numEpochs?: number }
 *   & Partial<Omit<import('./trainer/run/fit-options.js').FitSettings, 'epochs'>>
 *   & Partial<import('./trainer/run/fit-options.js').Values<
 *     typeof import('./trainer/run/fit-options.js').REQUESTED>>} StartPayload
 */
/**
 * @typedef {object} StartData
 * @property {DataPayload} x
 * @property {DataPayload} y
 * @property {DataPayload} [sampleWeight]  a number from 0 on for each sample, of its loss
 * @property {Record<string, number>} [classWeight]  likewise, by label or index, for training only
 * @property {{ x: DataPayload, y: DataPayload, sampleWeight?: DataPayload }} [validationData]  to
 *   validate on, instead of a validationSplit
 * @property {boolean} [waits]           false; EPOCH_ENDED comes after each epoch, and waits
 * @property {boolean} [returnWeights]   false; the weights come with TRAINING_COMPLETE
 * @property {number} [snapshotMs]       least time between two TRAINING_SNAPSHOTs; one more comes
 *   before TRAINING_COMPLETE
 * @property {import('./trainer/run/settings.js').Persist} [persist]  keep checkpoints on storage
 */
/**
 * @typedef {object} ProgressRecord
 * @property {'epoch' | 'batch'} kind
 * @property {number} epoch             from 1
 * @property {number} totalEpochs
 * @property {number} batch             from 1
 * @property {number} totalBatches      of an epoch
 * @property {number} step              updates since the model was made
 * @property {number} loss              mean over the epoch's samples so far, each with the weights
 *   its step began with
 * @property {number} [accuracy]        with metrics ['accuracy']; likewise
 * @property {number} [batchLoss]       of batch records: mean over its own samples
 * @property {number} [batchAccuracy]   likewise
 * @property {number} [valLoss]         of epoch records, where samples validate
 * @property {number} [valAccuracy]
 * @property {Record<string, OutputResult>} [outputs]  of each, where there are several; loss is
 *   their weighted sum
 * @property {number} percent           batches done of all batches of all epochs; 100 only in the
 *   last epoch's record
 * @property {number} etaSeconds        at the mean speed so far
 * @property {number} elapsedSeconds    since the run began, pauses left out
 * @property {number} samplesPerSecond  trained samples over elapsedSeconds; 0 while that is 0
 * @property {number} timestamp         ms since 1970
 * @property {number} [rollbacks]       with nonFinite: 'rollback', so far
 * @property {number} learningRate      of the latest step
 * @property {number} threadId          of the thread that trains; 0: the main thread
 */
/**
 * TRAINING_PROGRESS: the latest record, and all since the message before: every epoch record, then
 * at most one batch record. batches: with batchRecords 'every', a row of BATCH_COLUMNS for each
 * step since, batchAccuracy NaN where there is none; transferred. memoryBytes, threads: as in
 * STATUS; stepBytes, liveBytes: as in MODEL_READY, of a training step.
 * @typedef {ProgressRecord & Told & { records: ProgressRecord[], memoryBytes: number,
 *   threads: number, totals: Totals, stepBytes: number, liveBytes: number,
 *   batches?: Float64Array }} Progress
 */
/**
 * EPOCH_ENDED: the run stands at the end of an epoch, whose record has been sent. `record` is that
 * one, or, where a run that is resumed asks again, one like it.
 * @typedef {{ epoch: number, step: number, record: ProgressRecord }} EpochEnded
 */
/**
 * The measures of one of several outputs.
 * @typedef {OutputFields & MetricFields} OutputResult
 */
/**
 * What metrics measured, by their names: a number, a Float32Array of one of each class, or
 * { size, counts }, rows of true classes.
 * @typedef {{ readonly [metric: string]: unknown }} MetricFields
 */
/**
 * @typedef {object} OutputFields
 * @property {number} loss              mean over the samples
 * @property {number} [accuracy]        likewise, from 0 to 1, where it is a metric
 * @property {number} [valLoss]         of the samples that validate
 * @property {number} [valAccuracy]     likewise
 * @property {number} [batchLoss]       of the batch's own samples: in 'batch' records
 * @property {number} [batchAccuracy]   likewise
 */
/**
 * @typedef {object} EpochNumbers
 * @property {number} epoch             from 1
 * @property {number} [learningRate]    of its last step; none in checkpoints of older versions
 * @property {Record<string, OutputResult>} [outputs]  of each, where there are several; loss is
 *   their weighted sum
 */
/** @typedef {OutputResult & EpochNumbers} EpochResult */
/**
 * TRAINING_COMPLETE.
 * @typedef {object} TrainingComplete
 * @property {import('./trainer/run/state.js').Reason} reason
 * @property {EpochResult[]} history    complete epochs
 * @property {number} epochs            complete epochs of this run
 * @property {number} steps             updates of this run
 * @property {number} step              updates since the model was made
 * @property {number} durationSeconds   pauses left out
 * @property {number} [rollbacks]       with nonFinite: 'rollback', as in ProgressRecord
 * @property {number} [learningRate]
 * @property {Weight[]} [weights]       with returnWeights
 * @property {number} epoch             where it ended, from 1; 0: none had begun
 * @property {number} batch             complete ones of that epoch
 * @property {Totals} totals
 * @property {RunRecord | null} run     null: it was stopped before it began
 * @property {string | null} [persisted]  the storage that has the run's last checkpoint
 * @property {number} stepBytes
 * @property {number} liveBytes
 * @property {Stage} [stage]            with stageSeconds, as in STATUS
 * @property {Told['stageSeconds']} [stageSeconds]
 */
/**
 * @typedef {object} Weight
 * @property {string} name            `<layer>/<role>`, as in dense/kernel
 * @property {number[]} shape         as Keras has it
 * @property {boolean} trainable      false in a layer with trainable: false, and for a moving
 *   statistic
 * @property {Float32Array} data      flat, in row-major order
 */
/** WEIGHTS. @typedef {{ weights: Weight[], step: number }} Weights */
/**
 * SET_WEIGHTS: the weights in the order of WEIGHTS; names are ignored.
 * @typedef {{ weights: { name?: string, shape: number[], data: ArrayLike<number> }[] }}
 *   SetWeightsPayload
 */
/**
 * PREDICTION_RESULT. Of one sample: index, label, confidence as scalars. Of many: arrays, and
 * output is flat. A model with several targets a sample has arrays in both cases. Several outputs
 * are in `outputs` instead.
 * @typedef {object} OutputPrediction
 * @property {Float32Array} output
 * @property {number | Int32Array} [index]         classifiers only, as all below
 * @property {string | string[]} [label]
 * @property {number | Float32Array} [confidence]
 */
/**
 * @typedef {Partial<OutputPrediction> & { outputs?: Record<string, OutputPrediction>,
 *   single: boolean, step: number }} Prediction
 */
/**
 * LEARNING_RATE_FOUND.
 * @typedef {object} RateSearch
 * @property {number | null} suggestion  a rate on the slope where the smoothed loss falls; null: it
 *   does not
 * @property {Float32Array} rates    of the steps: fewer than were asked for where the loss exploded
 * @property {Float32Array} losses   of their batches
 */
/**
 * EVALUATION_RESULT.
 * @typedef {EvaluationFields & MetricFields} Evaluation
 */
/**
 * @typedef {object} EvaluationFields
 * @property {number} loss          mean over the samples
 * @property {number} [accuracy]    likewise, from 0 to 1, where it is a metric
 * @property {Record<string, OutputResult>} [outputs]  of each, where there are several; loss is
 *   their weighted sum
 * @property {number} samples       how many there were
 * @property {number} step          updates of the model since it was made
 */
/**
 * STATUS.
 * @typedef {object} Status
 * @property {'empty' | 'ready' | 'training' | 'paused'} state
 * @property {number} epoch         of the run, 0 without one
 * @property {number} totalEpochs
 * @property {number} batch         complete ones of the epoch
 * @property {number} totalBatches
 * @property {number} step
 * @property {number} memoryBytes   of wasm memory, which never shrinks
 * @property {number} usedBytes     of it
 * @property {number} slices        looks at the message queue since the session began
 * @property {number} unitsPerMs    measured
 * @property {number} thread
 * @property {number} helpers       threads that compute beside it: 0 until there is work to share
 * @property {number} threads       that may compute; of a run, those that take part at the moment:
 *   as many as pay
 * @property {Stage} stage
 * @property {Told['stageSeconds']} stageSeconds  since the session began, pauses left out
 * @property {number} startedAt     of the session, ms since 1970
 */

/**
 * Lists the buffers of a reply that are transferred instead of copied.
 * @param {any} payload
 * @returns {Transferable[]}
 */
export function buffersOf(payload) {
  /** @type {Transferable[]} */
  const buffers = [];
  const add = (/** @type {any} */ array) => {
    if (ArrayBuffer.isView(array)) buffers.push(array.buffer);
  };
  for (const answer of [payload, ...Object.values(payload?.outputs ?? {})]) {
    for (const array of [answer?.output, answer?.index, answer?.confidence]) add(array);
  }
  add(payload?.bytes);
  for (const weight of payload?.weights ?? []) add(weight.data);
  return buffers;
}
