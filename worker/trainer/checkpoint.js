/* checkpoint.js: the file format of a checkpoint: it is written here, read, and refused.
 *
 * A checkpoint is a valid .safetensors file (eight bytes with the header's length, a JSON header,
 * the tensors). Its metadata are two strings, in this order, first in the header: `checksum`, the
 * CRC-32 of every byte but these eight digits, and `offstage`, a JSON text with all that is no
 * tensor (About). A file is hostile until checked here: whatever the bytes, it is a Checkpoint or
 * BAD_CHECKPOINT. Whether it fits a model is the model's to say. */

import { crc32 } from '../host/crc32.js';
import { OffstageError, checkFields, show } from '../host/errors.js';
import { showBytes } from '../host/memory.js';
import { TextDecoder, TextEncoder } from '../host/node.js';
import {
  RATE as RATES,
  SETTINGS,
  SETTING_NAMES,
  isKept,
  trainSamplesOf,
} from './run/fit-options.js';
import { namesOf } from './run/measures.js';
import { MOST_RUNS, NO_RUNS } from '../protocol.js';

/** @typedef {import('../host/pump.js').Pump} Pump */
/** @typedef {import('./run/state.js').RunState} RunState */
/** @typedef {import('../protocol.js').RunRecord} RunRecord */
/**
 * The JSON text of a checkpoint. Counters are decimal strings there.
 * @typedef {object} About
 * @property {1} format
 * @property {string} coreVersion  whose bits these are
 * @property {Record<string, any>} spec  as INIT_TRAINING takes it, every field filled in
 * @property {number} step         updates since the model was made
 * @property {number} epochsBegun  likewise: the next shuffle's key
 * @property {RunState | null} run the latest run, its totals and history among the tensors
 * @property {RunRecord[]} runs    the latest 100
 * @property {import('../protocol.js').Totals} totals  of all runs
 */
/** @typedef {{ dtype: DType, shape: number[], data: Uint8Array }} Tensor  data: a view */
/** @typedef {{ about: About, tensors: Map<string, Tensor> }} Checkpoint */
/**
 * A tensor to write.
 * @typedef {object} Source
 * @property {string} name
 * @property {DType} dtype
 * @property {number[]} shape
 * @property {(at: number, count: number) => Uint8Array} read  bytes from `at` on, at most `count`;
 *   the view is valid until the next call
 */
/** @typedef {keyof typeof DTYPES} DType */

/** The bytes of an element, by type. */
const DTYPES = { F32: 4, F64: 8 };
const HEAD = '{"__metadata__":{"checksum":"';
const SUM_AT = 8 + HEAD.length;
const SUM_DIGITS = 8;
/** The limits of the format's own readers. */
const MOST_HEADER = 100_000_000;
const MOST_RANK = 8;
/** The bytes read or written at a time: a quarter of a millisecond. */
const PIECE = 2 ** 18;
const TOTALS = 'run/totals';
const CONTROL = 'run/control';
const METRICS = 'run/metrics';
/** The prefix of tensors that a run goes back to after a step that is not finite. */
export const BEFORE = 'rollback/';
/** The prefix of the weights of the best epoch, or of the run's own while the model has those. */
export const BEST = 'best/';
const HISTORY = 'history/';
const RATE = 'learningRate';
const MEASURED = /** @type {const} */ (['loss', 'accuracy', 'valLoss', 'valAccuracy', RATE]);
const REASONS = ['finished', 'stopped', 'earlyStopping', 'limit', 'reached', 'onEpoch'];

/** @param {number[]} shape */
const sizeOf = (shape) => shape.reduce((size, n) => size * n, 1);
/** @param {number} sum */
const digits = (sum) => sum.toString(16).padStart(SUM_DIGITS, '0');
/** A pump that never yields, for a caller that waits. */
const ALL_AT_ONCE = { look: () => false };

/**
 * Writes a checkpoint, into a buffer of its own.
 * @param {Pick<Pump, 'look'>} pump
 * @param {About} about
 * @param {Source[]} weights  and moments
 * @param {Source[]} [best]  those that are kept as the best
 * @returns {Generator<void, Uint8Array<ArrayBuffer>, void>}
 */
export function* encodeCheckpoint(pump, about, weights, best = []) {
  const { step, epochsBegun, run, ...rest } = about;
  const { totals, history, before, control, metrics, ...state } = run ?? {};
  const offstage = JSON.stringify(
    { ...rest, run: run && state, step: `${step}`, epochsBegun: `${epochsBegun}` },
    finite,
  );
  const sources = run
    ? [...weights, ...best, ...runSources(run), ...(before ? beforeSources(before, weights) : [])]
    : weights;
  let end = 0;
  const entries = sources.map(({ name, dtype, shape }) => {
    const begin = end;
    end += DTYPES[dtype] * sizeOf(shape);
    return [name, { dtype, shape, data_offsets: [begin, end] }];
  });
  const header = JSON.stringify({
    __metadata__: { checksum: '0'.repeat(SUM_DIGITS), offstage },
    ...Object.fromEntries(entries),
  });
  const text = new TextEncoder().encode(header);
  const length = Math.ceil(text.length / 8) * 8; // so that tensors are aligned in the file
  const bytes = room(8 + length + end);
  const head = new DataView(bytes.buffer);
  head.setUint32(0, length, true);
  head.setUint32(4, 0, true);
  bytes.fill(0x20, 8, 8 + length).set(text, 8);
  let sum = crc32(bytes.subarray(0, SUM_AT));
  sum = crc32(bytes.subarray(SUM_AT + SUM_DIGITS, 8 + length), sum);
  if (pump.look()) yield;
  let at = 8 + length;
  for (const { dtype, shape, read } of sources) {
    const size = DTYPES[dtype] * sizeOf(shape);
    for (let from = 0; from < size; from += PIECE) {
      const piece = read(from, Math.min(PIECE, size - from));
      bytes.set(piece, at);
      sum = crc32(piece, sum);
      at += piece.length;
      if (pump.look()) yield;
    }
  }
  bytes.set(new TextEncoder().encode(digits(sum)), SUM_AT);
  return bytes;
}

/**
 * Makes tensors of a run's measures: JSON has no word for a loss that is not finite.
 * @param {RunState} run @returns {Source[]}
 */
function runSources({ totals, history, control, metrics }) {
  /** @param {string} name @param {ArrayLike<number>} values @returns {Source} */
  const source = (name, values, shape = [values.length]) => {
    const bytes = new Uint8Array(Float64Array.from(values).buffer);
    return { name, dtype: 'F64', shape, read: (at, count) => bytes.subarray(at, at + count) };
  };
  /* The last epoch has all that an earlier version's, with which the run began, may lack. */
  const last = history[history.length - 1] ?? {};
  const columns = (/** @type {any} */ measured, /** @type {any[]} */ all, prefix = HISTORY) =>
    Object.keys(measured)
      .filter((name) => name !== 'epoch' && name !== 'outputs')
      .map((name) => {
        const lists = all.map((each) => listOf(each[name]));
        const [{ shape }] = lists;
        const values = lists.flatMap(({ numbers }) => [...numbers]);
        return source(prefix + name, values, [all.length, ...shape]);
      });
  const outputs = Object.entries(last.outputs ?? {}).flatMap(([output, measured]) =>
    columns(
      measured,
      history.map((each) => each.outputs?.[output]),
      `${HISTORY}${output}/`,
    ),
  );
  return [
    source(TOTALS, totals),
    ...(control ? [source(CONTROL, control)] : []),
    ...(metrics ? [source(METRICS, metrics)] : []),
    ...columns(last, history),
    ...outputs,
  ];
}

/**
 * What an epoch measured, as numbers and the shape that they have.
 * @param {import('./run/metrics.js').Measured | undefined} value  undefined: of an earlier version
 * @returns {{ numbers: ArrayLike<number> & Iterable<number>, shape: number[] }}
 */
function listOf(value) {
  if (typeof value !== 'object') return { numbers: [Number(value)], shape: [] };
  if ('counts' in value) return { numbers: value.counts, shape: [value.size, value.size] };
  return { numbers: value, shape: [value.length] };
}

/**
 * Makes tensors of the copy that a run may go back to, in the order and shapes of the weights.
 * @param {Uint8Array} before @param {Source[]} weights @returns {Source[]}
 */
function beforeSources(before, weights) {
  let at = 0;
  return weights.map(({ name, dtype, shape }) => {
    const begin = at;
    at += DTYPES[dtype] * sizeOf(shape);
    return {
      name: `${BEFORE}${name}`,
      dtype,
      shape,
      read: (from, count) => before.subarray(begin + from, begin + from + count),
    };
  });
}

/** Writes NaN and the infinities as strings. @param {string} _ @param {unknown} value */
function finite(_, value) {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

/** @param {number} size */
function room(size) {
  try {
    return new Uint8Array(size);
  } catch (cause) {
    throw new OffstageError(
      'OUT_OF_MEMORY',
      `a checkpoint needs ${showBytes(size)}: more than can be had`,
      { cause },
    );
  }
}

/**
 * @param {Pick<Pump, 'look'>} pump @param {Uint8Array} bytes
 * @returns {Generator<void, number, void>}
 */
function* checksum(pump, bytes) {
  let sum = crc32(bytes.subarray(0, SUM_AT));
  for (let at = SUM_AT + SUM_DIGITS; at < bytes.length; at += PIECE) {
    sum = crc32(bytes.subarray(at, at + PIECE), sum);
    if (pump.look()) yield;
  }
  return sum;
}

/**
 * @param {Uint8Array} bytes
 * @returns {Checkpoint}
 * @throws {OffstageError} BAD_CHECKPOINT
 */
export function decodeCheckpoint(bytes) {
  return /** @type {Checkpoint} */ (openCheckpoint(ALL_AT_ONCE, bytes).next().value);
}

/**
 * Reads a checkpoint in pieces.
 * @param {Pick<Pump, 'look'>} pump
 * @param {Uint8Array} bytes
 * @returns {Generator<void, Checkpoint, void>}
 */
export function* openCheckpoint(pump, bytes) {
  if (bytes.length < SUM_AT + SUM_DIGITS) {
    refuse(`it has ${bytes.length} bytes: cut off, or no checkpoint`);
  }
  const head = new DataView(bytes.buffer, bytes.byteOffset);
  const length = head.getUint32(0, true) + 2 ** 32 * head.getUint32(4, true);
  if (length > MOST_HEADER || 8 + length > bytes.length) {
    refuse(`its header has ${length} bytes, its file ${bytes.length}: cut off, or no checkpoint`);
  }
  const latin = (/** @type {number} */ from, /** @type {number} */ to) =>
    String.fromCharCode(...bytes.subarray(from, to));
  if (latin(8, SUM_AT) !== HEAD) {
    refuse('its header does not begin with a checksum: damaged, or written by something else');
  }
  const sum = digits(yield* checksum(pump, bytes));
  const said = latin(SUM_AT, SUM_AT + SUM_DIGITS);
  if (said !== sum) {
    refuse(`its checksum is ${sum}, and it says ${show(said)}: it was damaged, or changed`);
  }
  const header = parse(decodeText(bytes.subarray(8, 8 + length)), 'the header');
  const { __metadata__: metadata, ...entries } = fieldsOf(header, null, 'the header');
  const { offstage } = fieldsOf(metadata, ['checksum', 'offstage'], '__metadata__');
  if (typeof offstage !== 'string') {
    refuse(`__metadata__.offstage is ${show(offstage)}, expected a JSON text`);
  }
  const tensors = readTensors(entries, bytes.subarray(8 + length));
  return { about: readAbout(parse(offstage, '__metadata__.offstage'), tensors), tensors };
}

/** @param {Uint8Array} bytes */
function decodeText(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse('the header is no UTF-8');
  }
}

/** @param {string} text @param {string} what */
function parse(text, what) {
  try {
    return JSON.parse(text);
  } catch (error) {
    return refuse(`${what} is no JSON: ${/** @type {Error} */ (error).message}`);
  }
}

/**
 * @param {Record<string, any>} entries @param {Uint8Array} data
 * @returns {Map<string, Tensor>}
 */
function readTensors(entries, data) {
  const found = Object.entries(entries).map(([name, entry]) => {
    const what = `tensor ${show(name)}`;
    const {
      dtype,
      shape,
      data_offsets: offsets,
    } = fieldsOf(entry, ['dtype', 'shape', 'data_offsets'], what);
    if (typeof dtype !== 'string' || !Object.hasOwn(DTYPES, dtype)) {
      refuse(`${what} has dtype ${show(dtype)}, expected F32 or F64`);
    }
    if (!Array.isArray(shape) || shape.length > MOST_RANK || !shape.every(isCount)) {
      refuse(`${what} has shape ${show(shape)}`);
    }
    if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
      refuse(`${what} has data_offsets ${show(offsets)}`);
    }
    const [begin, end] = offsets;
    const size = DTYPES[/** @type {DType} */ (dtype)] * sizeOf(shape);
    if (end - begin !== size) {
      refuse(
        `${what} has bytes ${begin} to ${end}, ` +
          `expected ${size} for its shape [${shape.join(', ')}]`,
      );
    }
    const tensor = { dtype: /** @type {DType} */ (dtype), shape, data: data.subarray(begin, end) };
    return { name, begin, end, tensor };
  });
  /* A tensor without an element comes before the one that begins at the same byte. */
  found.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of found) {
    if (begin !== at) {
      refuse(
        `tensor ${show(name)} begins at ${begin}, expected ${at}: ` +
          'tensors overlap, or leave a gap',
      );
    }
    at = end;
  }
  if (at !== data.length) refuse(`its tensors end at ${at}, its file at ${data.length}`);
  return new Map(found.map(({ name, tensor }) => [name, tensor]));
}

/**
 * @param {any} given @param {Map<string, Tensor>} tensors  a run's own are removed from it
 * @returns {About}
 */
function readAbout(given, tensors) {
  const fields = ['format', 'coreVersion', 'spec', 'step', 'epochsBegun', 'run', 'runs', 'totals'];
  const { format, coreVersion, spec, step, epochsBegun, run, ...told } = fieldsOf(
    given,
    fields,
    'the description',
  );
  const { runs, totals } = told;
  if (format !== 1) refuse(`its format is ${show(format)}, expected 1: written by another version`);
  if (typeof coreVersion !== 'string') {
    refuse(`coreVersion is ${show(coreVersion)}, expected a string`);
  }
  if (!Array.isArray(runs)) refuse(`runs is ${show(runs)}, expected an array`);
  const names = namesOf(spec?.metrics);
  const records = runs.map((each, i) => readRecord(each, i, names));
  return {
    format,
    coreVersion,
    spec: fieldsOf(spec, null, 'spec'),
    step: counter(step, 'step'),
    epochsBegun: counter(epochsBegun, 'epochsBegun'),
    run: run === null ? null : readRun(run, tensors, names),
    runs: records.slice(-MOST_RUNS),
    totals: totals === undefined ? totalsOf(records) : readTotals(totals),
  };
}

/** @param {any} given @returns {import('../protocol.js').Totals} */
function readTotals(given) {
  const { runs, epochs, steps, seconds } = fieldsOf(given, Object.keys(NO_RUNS), 'totals');
  if (!(Number.isFinite(seconds) && seconds >= 0)) {
    refuse(`totals.seconds is ${show(seconds)}, expected a number from 0 on`);
  }
  return {
    runs: count(runs, 'totals.runs'),
    epochs: count(epochs, 'totals.epochs'),
    steps: count(steps, 'totals.steps'),
    seconds,
  };
}

/**
 * The totals of a checkpoint that tells none: of its runs, which are all that there were.
 * @param {RunRecord[]} runs @returns {import('../protocol.js').Totals}
 */
function totalsOf(runs) {
  const sum = (/** @type {(run: RunRecord) => number} */ of) =>
    runs.reduce((all, run) => all + of(run), 0);
  return {
    runs: runs.length,
    epochs: sum(({ metrics }) => metrics?.epoch ?? 0),
    steps: sum(({ steps }) => steps),
    seconds: sum(
      ({ startedAt, endedAt }) => Math.max(0, (endedAt ?? startedAt) - startedAt) / 1000,
    ),
  };
}

/**
 * @param {any} given @param {Map<string, Tensor>} tensors @param {Set<string>} names  of metrics
 * @returns {RunState}
 */
function readRun(given, tensors, names) {
  const counts = ['samples', 'epoch', 'batch', 'key', 'steps', 'trained'];
  const fields = [...counts, 'settings', 'elapsedMs', 'ended', 'fingerprint', 'rollback'];
  const run = fieldsOf(given, [...fields, RATE, 'waiting', 'decided', 'best'], 'run');
  for (const name of counts) count(run[name], `run.${name}`);
  const settings = readSettings(run.settings, 'run.settings');
  if (settings.nonFinite || run.rollback !== undefined) {
    const rollback = fieldsOf(run.rollback, ['count', 'step', 'loss'], 'run.rollback');
    for (const name of ['count', 'step']) count(rollback[name], `run.rollback.${name}`);
    if (rollback.loss !== null && typeof rollback.loss !== 'number') {
      refuse(`run.rollback.loss is ${show(rollback.loss)}, expected a number or null`);
    }
  }
  if (run.learningRate !== undefined && !RATES.accepts(run.learningRate)) {
    refuse(`run.learningRate is ${show(run.learningRate)}, expected ${RATES.allowed}`);
  }
  readBest(run.best, settings);
  if (run.waiting !== undefined && run.waiting !== true) {
    refuse(`run.waiting is ${show(run.waiting)}, expected true`);
  }
  const held = run.samples - trainSamplesOf(run.samples, settings.validationSplit);
  const batches = Math.ceil((run.samples - held) / settings.batchSize);
  if (
    run.samples < 1 ||
    held >= run.samples ||
    run.epoch > settings.epochs ||
    run.batch > batches
  ) {
    refuse(
      `run stands at batch ${run.batch} of epoch ${run.epoch}: ` +
        `there are ${batches} and ${settings.epochs}`,
    );
  }
  if (typeof run.elapsedMs !== 'number' || run.elapsedMs < 0) {
    refuse(`run.elapsedMs is ${show(run.elapsedMs)}`);
  }
  if (run.ended !== null && !REASONS.includes(run.ended)) refuse(`run.ended is ${show(run.ended)}`);
  if (typeof run.fingerprint !== 'string') {
    refuse(`run.fingerprint is ${show(run.fingerprint)}, expected a string`);
  }
  const totals = takeDoubles(tensors, TOTALS) ?? [];
  if (totals.length < 3) refuse(`${TOTALS} holds ${totals.length} numbers, expected 3 at least`);
  const history = takeHistory(tensors, names);
  const open = run.epoch - history.length; // 1: its last epoch is under way
  if (open !== 1 && !(open === 0 && run.batch === (run.epoch && batches))) {
    refuse(
      `run stands at batch ${run.batch} of epoch ${run.epoch}, ` +
        `its history has ${history.length} epochs`,
    );
  }
  if (run.waiting && (open === 1 || run.epoch === 0)) {
    refuse(`run waits at the end of epoch ${run.epoch}, which is not complete`);
  }
  if (run.decided !== undefined) {
    const { earlyStopping, until } = settings;
    const asked =
      run.decided === 'reached' ? until : run.decided === 'earlyStopping' && earlyStopping;
    if (open === 1 || run.epoch === 0 || !asked) {
      refuse(`run.decided is ${show(run.decided)} in epoch ${run.epoch}`);
    }
  }
  if (run.best?.epoch > history.length) {
    refuse(`run.best.epoch is ${run.best.epoch}, its history has ${history.length} epochs`);
  }
  const control = takeDoubles(tensors, CONTROL);
  const metrics = takeDoubles(tensors, METRICS);
  return /** @type {RunState} */ ({
    ...run,
    settings,
    totals,
    history,
    ...(control && { control }),
    ...(metrics && { metrics: Float64Array.from(metrics) }),
  });
}

/**
 * Checks what is said of the best weights, which only a run that restores them has.
 * @param {any} given @param {import('./run/fit-options.js').RunSettings} settings
 */
function readBest(given, { earlyStopping }) {
  const restores = earlyStopping?.restoreBest === true;
  if (given === undefined && !restores) return;
  if (!restores) refuse(`run.best is ${show(given)}, of a run that restores none`);
  const { epoch, restored } = fieldsOf(given, ['epoch', 'restored'], 'run.best');
  count(epoch, 'run.best.epoch');
  if (typeof restored !== 'boolean' || (restored && epoch === 0)) {
    refuse(`run.best.restored is ${show(restored)}, of epoch ${epoch}`);
  }
}

/**
 * Reads the history. A column of one of several outputs has the output's name before its own.
 * @param {Map<string, Tensor>} tensors @param {Set<string>} names  of metrics
 * @returns {import('../protocol.js').EpochResult[]}
 */
function takeHistory(tensors, names) {
  const tensorNames = [...tensors.keys()].filter((name) => name.startsWith(HISTORY));
  const columns = tensorNames.flatMap((tensor) => {
    const path = tensor.slice(HISTORY.length).split('/');
    const name = /** @type {any} */ (path.pop());
    const known = MEASURED.includes(name) || names.has(name);
    if (path.length > 1 || !known) return []; // refused with all unknown tensors
    const rank = MEASURED.includes(name) ? 1 : 3;
    return [{ output: path[0], name, ...takeColumn(tensors, tensor, rank) }];
  });
  const losses = columns.find(({ output, name }) => output === undefined && name === 'loss');
  const epochs = losses?.values.length ?? 0;
  for (const { output, name, values } of columns) {
    if (values.length === epochs) continue;
    refuse(
      `${HISTORY}${output === undefined ? '' : `${output}/`}${name} ` +
        `has ${values.length} epochs, history/loss ${epochs}`,
    );
  }
  const outputs = [...new Set(columns.flatMap(({ output }) => output ?? []))];
  const measured = (/** @type {number} */ i, /** @type {string | undefined} */ of) =>
    columns.flatMap(({ output, name, values }) =>
      output === of && !(name === RATE && Number.isNaN(values[i])) ? [[name, values[i]]] : [],
    );
  const byOutput = (/** @type {number} */ i) =>
    Object.fromEntries(outputs.map((output) => [output, Object.fromEntries(measured(i, output))]));
  return Array.from({ length: epochs }, (_, i) => ({
    epoch: i + 1,
    ...Object.fromEntries(measured(i, undefined)),
    ...(outputs.length && { outputs: byOutput(i) }),
  }));
}

/**
 * Takes a column of the history: a number, a list or a square of each epoch.
 * @param {Map<string, Tensor>} tensors @param {string} name @param {number} most  its rank
 * @returns {{ values: any[] }}
 */
function takeColumn(tensors, name, most) {
  const { dtype, shape, data } = /** @type {Tensor} */ (tensors.get(name));
  const [epochs, size = 1, other = size] = shape;
  if (dtype !== 'F64' || shape.length < 1 || shape.length > most || other !== size) {
    refuse(`tensor ${show(name)} is ${dtype} [${shape.join(', ')}], expected F64 of each epoch`);
  }
  tensors.delete(name);
  const numbers = new Float64Array(data.slice().buffer);
  if (shape.length === 1) return { values: [...numbers] };
  const length = numbers.length / epochs;
  const rows = Array.from({ length: epochs }, (_, i) =>
    numbers.slice(i * length, (i + 1) * length),
  );
  return {
    values: rows.map((row) =>
      shape.length === 2 ? Float32Array.from(row) : { size, counts: row },
    ),
  };
}

/** @param {Map<string, Tensor>} tensors @param {string} name @returns {number[] | null} */
function takeDoubles(tensors, name) {
  const tensor = tensors.get(name);
  if (!tensor) return null;
  const { dtype, shape, data } = tensor;
  if (dtype !== 'F64' || shape.length !== 1) {
    refuse(`tensor ${show(name)} is ${dtype} of rank ${shape.length}, expected F64 of rank 1`);
  }
  tensors.delete(name);
  return [...new Float64Array(data.slice().buffer)];
}

/** @param {any} given @param {string} what @returns {import('./run/fit-options.js').RunSettings} */
function readSettings(given, what) {
  const settings = fieldsOf(given, SETTING_NAMES, what);
  for (const name of SETTING_NAMES) {
    /** @type {import('./run/fit-options.js').Rule<any>} */
    const { accepts, allowed, sparse } = SETTINGS[name];
    const value = settings[name];
    if (sparse && value === undefined) continue;
    if (!accepts(value) || !isKept(name, value)) {
      refuse(`${what}.${name} is ${show(value)}, expected ${allowed}`);
    }
  }
  return /** @type {import('./run/fit-options.js').RunSettings} */ (settings);
}

/**
 * @param {any} given @param {number} i @param {Set<string>} names  of metrics
 * @returns {RunRecord}
 */
function readRecord(given, i, names) {
  const what = `runs[${i}]`;
  const fields = ['id', 'startedAt', 'endedAt', 'reason', 'options', 'metrics', 'steps'];
  const { id, startedAt, endedAt, reason, options, metrics, steps } = fieldsOf(given, fields, what);
  const time = (/** @type {any} */ value, /** @type {string} */ name) =>
    Number.isFinite(value) ? value : refuse(`${what}.${name} is ${show(value)}, expected a time`);
  if (reason !== null && typeof reason !== 'string') refuse(`${what}.reason is ${show(reason)}`);
  return {
    id: count(id, `${what}.id`),
    steps: count(steps, `${what}.steps`),
    reason,
    startedAt: time(startedAt, 'startedAt'),
    endedAt: endedAt === null ? null : time(endedAt, 'endedAt'),
    options: readSettings(options, `${what}.options`),
    metrics:
      metrics === null ? null : readMetrics(metrics, `${what}.metrics`, [...MEASURED, ...names]),
  };
}

/**
 * @param {any} given @param {string} what @param {string[]} measured  fields that there may be
 * @returns {import('../protocol.js').EpochResult}
 */
function readMetrics(given, what, measured) {
  const { outputs, ...own } = fieldsOf(given, ['epoch', 'outputs', ...measured], what);
  if (outputs === undefined) return readNumbers(own, what);
  const named = Object.entries(fieldsOf(outputs, null, `${what}.outputs`));
  const each = Object.fromEntries(
    named.map(([name, fields]) => {
      const path = `${what}.outputs.${name}`;
      return [name, readNumbers(fieldsOf(fields, measured, path), path)];
    }),
  );
  return { ...readNumbers(own, what), outputs: each };
}

/** @param {Record<string, any>} given @param {string} what @returns {any} */
function readNumbers(given, what) {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => {
      if (typeof value !== 'number' && !['NaN', 'Infinity', '-Infinity'].includes(value)) {
        refuse(`${what}.${name} is ${show(value)}`);
      }
      return [name, Number(value)];
    }),
  );
}

/** @param {any} given @param {string[] | null} allowed @param {string} what */
function fieldsOf(given, allowed, what) {
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    refuse(`${what} is ${show(given)}, expected an object`);
  }
  /** @type {Record<string, any>} */
  const fields = allowed ? checkFields(given, allowed, what, 'BAD_CHECKPOINT') : given;
  return fields;
}

/** @param {unknown} value */
const isCount = (value) => Number.isSafeInteger(value) && /** @type {number} */ (value) >= 0;

/** @param {any} value @param {string} what @returns {number} */
function count(value, what) {
  return isCount(value) ? value : refuse(`${what} is ${show(value)}, expected a count`);
}

/** @param {any} value @param {string} what @returns {number} */
function counter(value, what) {
  const ok = typeof value === 'string' && /^(0|[1-9]\d{0,15})$/.test(value);
  if (!ok) refuse(`${what} is ${show(value)}, expected a count in decimal digits`);
  return count(Number(value), what);
}

/** @param {string} why @returns {never} */
function refuse(why) {
  throw new OffstageError('BAD_CHECKPOINT', `the checkpoint is refused: ${why}`);
}
