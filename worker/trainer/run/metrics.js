/* metrics.js: what is measured beside the loss: reads `metrics` as records for the core, and the
 * core's results as fields of epoch records.
 *
 * Accuracy without a name of its own is the loss's (measures.js), and no record. Arithmetic and
 * state are the core's (src/metrics): who asks for nothing else has no object of this class. */

import { OffstageError, isRecord, meant, oneOf, show } from '../../host/errors.js';
import { PLACE_FIELDS } from '../../protocol.js';
import { prefixed } from './measures.js';
import { readOptions } from '../../spec/options.js';
import { refuseName } from '../../spec/refused.js';

/** @typedef {import('../../host/errors.js').ErrorCode} ErrorCode */
/** @typedef {import('../../spec/schema.js').Schema} Schema */
/** @typedef {import('../../spec/spec.js').Listed} Listed */
/**
 * A number or a list that is measured: `key` is its name in records, behind its output's where
 * there are several; direction 1: more is better, -1: less, 0: neither.
 * @typedef {{ name: string, output: string, key: string, direction: number }} Measure
 */
/**
 * @typedef {object} Asked
 * @property {string[]} accuracy  the outputs whose accuracy is told, as the loss has it
 * @property {Listed} list  the core's records
 * @property {Measure[]} measures  of the records, in their order
 */
/** @typedef {number | Float32Array | { size: number, counts: Float64Array }} Measured */

const MOST = 64;
const MOST_LETTERS = 100;
/** Fields of records that are not metrics. */
const TAKEN = [
  ...PLACE_FIELDS,
  ...['epoch', 'loss', 'outputs', 'learningRate', 'samples', 'batchLoss', 'batchAccuracy'],
];

/**
 * Reads a list that is meant for every output, or { output: its list }.
 * @param {Schema} schema @param {any} given @param {string[]} outputs  their names
 * @param {ErrorCode} code  of what is refused
 * @returns {Asked}
 */
export function readMetrics(schema, given, outputs, code) {
  const refuse = (/** @type {string} */ message) => {
    throw new OffstageError(code, message);
  };
  if (!Array.isArray(given) && !isRecord(given)) {
    refuse(`metrics is ${show(given)}, expected an array, or { name of an output: an array }`);
  }
  if (isRecord(given)) {
    const unknown = Object.keys(given).find((name) => !outputs.includes(name));
    if (unknown !== undefined) {
      refuse(
        `metrics: ${show(unknown)} is no output, expected one of ${oneOf(outputs)}` +
          meant(unknown, outputs),
      );
    }
  }
  /** @type {Asked} */
  const asked = { accuracy: [], list: { parts: [], code }, measures: [] };
  outputs.forEach((output, index) => {
    const [list, what] = isRecord(given)
      ? [given[output] ?? [], `metrics.${output}`]
      : [given, 'metrics'];
    if (!Array.isArray(list)) refuse(`${what} is ${show(list)}, expected an array`);
    const names = new Set();
    for (let i = 0; i < list.length; i++) {
      const { name, part } = readMetric(schema, list[i], `${what}[${i}]`, code);
      if (names.has(name)) {
        refuse(
          `${what}[${i}] is called '${name}', as another one is: expected a name of its own, ` +
            "such as { type, name: 'other' }",
        );
      }
      names.add(name);
      if (!part) asked.accuracy.push(output);
      else {
        part.values.output = index;
        asked.list.parts.push(part);
        const key = outputs.length > 1 ? `${output}.${name}` : name;
        asked.measures.push({ name, output, key, direction: directionOf(part) });
      }
    }
  });
  if (asked.measures.length > MOST) {
    refuse(
      `metrics holds ${asked.measures.length} values of all outputs, expected at most ${MOST}`,
    );
  }
  return asked;
}

/**
 * Reads one metric; without a part: it is the loss's own accuracy.
 * @param {Schema} schema @param {any} given @param {string} what @param {ErrorCode} code
 */
function readMetric(schema, given, what, code) {
  const records = schema.records.filter(({ group }) => group.startsWith('evaluation'));
  const types = records.map(({ type }) => type);
  const { type, name = type, ...options } = isRecord(given) ? given : { type: given };
  const record = records.find((each) => each.type === type);
  if (!record) {
    const is = isRecord(given) ? `${what}.type` : what;
    const message = `${is} is ${show(type)}, expected one of ${oneOf(types)}`;
    if (code === 'INVALID_SPEC') refuseName(message, type, types);
    throw new OffstageError(code, message + meant(type, types));
  }
  checkName(name, what, code);
  const fields = record.fields.filter((field) => field.name !== 'output');
  const values = readOptions(schema, { ...record, fields }, options, {
    what,
    code,
    besides: ['type', 'name'],
  });
  const isOwn = type === 'accuracy' && name === type;
  return { name, part: isOwn ? null : { record, values, what } };
}

/** @param {any} name @param {string} what @param {ErrorCode} code */
function checkName(name, what, code) {
  const isWord = typeof name === 'string' && /^[^./]+$/.test(name) && name.length <= MOST_LETTERS;
  if (isWord && !TAKEN.includes(name) && !/^val[A-Z]/.test(name)) return;
  const is = `${what}.name is ${show(name)}`;
  throw new OffstageError(
    code,
    `${is}, expected 1 to ${MOST_LETTERS} characters without '.' and '/', ` +
      'which no other field of a record is, and which do not begin as valLoss does',
  );
}

const DIRECTIONS = /** @type {Record<string, number>} */ ({ up: 1, down: -1 });

/** @param {Listed['parts'][number]} part */
const directionOf = ({ record: { group }, values: { average, classIndex } }) =>
  average === 'none' && classIndex === undefined
    ? 0
    : (DIRECTIONS[group.slice(group.indexOf('-') + 1)] ?? 0);

/**
 * The directions of what is measured, by key.
 * @param {Asked} asked @returns {Record<string, number>}
 */
export const directionsOf = ({ measures }) =>
  Object.fromEntries(measures.map(({ key, direction }) => [key, direction]));

/**
 * Which outputs have an accuracy: as they were asked for; where nothing was, those with classes.
 * @param {unknown} given @param {Asked | null} asked  of it
 * @param {{ name: string, classes: number }[]} outputs
 * @returns {import('./measures.js').Measured}
 */
export function measuredBy(given, asked, outputs) {
  const classifies = outputs.some(({ classes }) => classes > 0);
  // One list is meant for those outputs that it fits.
  const isFor = (/** @type {number} */ classes) =>
    !Array.isArray(given) || classes > 0 || !classifies;
  return {
    outputs: outputs.map(({ name, classes }) => ({
      name,
      accuracy: asked ? asked.accuracy.includes(name) && isFor(classes) : classes > 0,
    })),
  };
}

/**
 * A record of what is one number, for who lists those.
 * @param {Asked} asked @param {string} [prefix] @returns {Record<string, any>}
 */
export function sampleOf({ measures }, prefix = '') {
  /** @type {Record<string, any>} */
  const fields = {};
  for (const { name, output, key, direction } of measures) {
    const to = key === name ? fields : ((fields.outputs ??= {})[output] ??= {});
    if (direction !== 0) to[prefixed(prefix, name)] = 1;
  }
  return fields;
}

/** The metrics of a model's plans: a sum over what they go through between two resets. */
export class Metrics {
  #core;
  #asked;

  /**
   * @param {import('../core.js').Core} core @param {number} model
   * @param {Asked} asked @param {number} samples  between two resets, at most
   */
  constructor(core, model, asked, samples) {
    this.#core = core;
    this.#asked = asked;
    /** For modelSetMetrics(), before plans are made that add to them. */
    this.address = core.metricsInit(model, asked.list, samples);
  }

  reset() {
    this.#core.metricsReset(this.address);
  }

  /**
   * Makes results of what was added.
   * @param {import('../../host/pump.js').Pump} pump
   * @param {string} [prefix]  'val': of what validates
   * @returns {Generator<void, Record<string, any>, void>} fields of a record: of one output
   *   { name: value }, of several { outputs: { output: { name: value } } }
   */
  *results(pump, prefix = '') {
    const core = this.#core;
    while (core.metricsFinish(this.address, pump.chunk)) if (pump.spend(core.units)) yield;
    /** @type {Record<string, any>} */
    const fields = {};
    for (const [i, { name, output, key }] of this.#asked.measures.entries()) {
      const to = key === name ? fields : ((fields.outputs ??= {})[output] ??= {});
      const { rank } = core.metricsInfo(this.address, i);
      to[prefixed(prefix, name)] = measuredOf(rank, core.metricsResult(this.address, i));
    }
    return fields;
  }

  /** The sums, for a checkpoint. @returns {Float64Array} */
  get state() {
    return this.#core.metricsState(this.address);
  }

  /** @param {Float64Array} state  of a checkpoint */
  restore(state) {
    if (this.#core.metricsRestore(this.address, state)) return;
    throw new OffstageError(
      'BAD_CHECKPOINT',
      'the checkpoint is refused: run/metrics holds numbers that its metrics cannot have',
    );
  }

  free() {
    this.#core.memory.free(this.address);
  }
}

/** @param {number} rank @param {Float64Array} numbers @returns {Measured} */
function measuredOf(rank, numbers) {
  if (rank === 0) return numbers[0];
  if (rank === 1) return Float32Array.from(numbers);
  return { size: Math.sqrt(numbers.length), counts: numbers };
}
