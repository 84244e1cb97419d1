/* spec.js: makes the bytes that C reads of a plain spec, and reads the bytes that C has completed.
 *
 * Unknown names and wrong types, which only JavaScript has, are refused here, in fields.js and in
 * graph.js. Field order in bytes is schema order, so the same spec always gives the same bytes. */

import { isRecord, oneOf, show } from '../host/errors.js';
import { fromNumbers, readFields, recordNamed, refuse, toNumbers } from './fields.js';
import { byName, nameLayers, readInputs, readLayer, readOutputs } from './graph.js';
import { refuseName } from './refused.js';
import { fieldsOf, recordOf } from './schema.js';

/** @typedef {import('./schema.js').Schema} Schema */
/** @typedef {import('./graph.js').Part} Part */
/** @typedef {import('./graph.js').NamedPart} NamedPart */
/**
 * @typedef {object} EncodedSpec
 * @property {Uint8Array} bytes
 * @property {Part[]} records  in the order of the bytes
 * @property {Part} model
 * @property {NamedPart[]} inputs
 * @property {Part} optimizer
 * @property {NamedPart[]} layers
 * @property {NamedPart[]} outputs
 * @property {boolean} plain  the one output is the last layer's, and has nothing but the name of a
 *   loss
 * @property {import('./graph.js').Names} names
 * @property {unknown} metrics  as they were given; undefined: by the kind of model
 * @property {(string[] | null)[]} labels  of each output
 */
/**
 * Records that are no spec: `what` is the name before a field's in messages.
 * @typedef {{ parts: (Part & { what: string })[], code: import('../host/errors.js').ErrorCode }}
 *   Listed
 */
/**
 * An ofs_error.
 * @typedef {{ status: number, layer: number, field: number, reason: number, got: number,
 *   low: number, high: number }}
 *   Refusal
 */

/** The fields of a spec that are not the model record's own. */
const TOP_LEVEL = [
  'layers',
  'outputs',
  'loss',
  'lossWeights',
  'optimizer',
  'learningRate',
  'metrics',
  'labels',
];

/**
 * @param {Schema} schema
 * @param {any} spec  as the contract has it: { inputShape, layers, loss, optimizer, ... }
 * @returns {EncodedSpec}
 */
export function encodeSpec(schema, spec) {
  if (!isRecord(spec)) refuse(`the spec is ${show(spec)}, expected an object`);
  const record = recordOf(schema, 'model');
  /** @type {Record<string, any>} */
  const own = {};
  const fields = record.fields.map((field) => field.name);
  for (const key of Object.keys(spec)) {
    if (fields.includes(key) && key !== 'loss') own[key] = spec[key];
    else if (!TOP_LEVEL.includes(key)) {
      const names = [...new Set([...TOP_LEVEL, ...fields])];
      refuseName(`the spec: unknown field '${key}', expected one of ${oneOf(names)}`, key, names);
    }
  }
  if (!Array.isArray(spec.layers)) {
    refuse(
      `layers ${spec.layers === undefined ? 'is missing' : `is ${show(spec.layers)}`}, ` +
        'expected an array',
    );
  }
  if (spec.inputShape === undefined && spec.layers[0]?.inputShape !== undefined) {
    refuse('inputShape stands in layer 0, expected it beside layers: { inputShape, layers }');
  }
  const inputs = readInputs(schema, record, spec.inputShape);
  const model = {
    record,
    values: readFields(schema, record.fields, { ...own, inputShape: inputs[0]?.values.shape }, ''),
  };
  const optimizer = readOptimizer(schema, spec.optimizer, spec.learningRate);
  const most = schema.constants.MAX_LAYERS;
  if (!(spec.layers.length >= 1 && spec.layers.length <= most)) {
    refuse(`layers holds ${spec.layers.length} values, expected 1 to ${most}`);
  }
  const given = Array.from(spec.layers);
  const names = { inputs: inputs.map(({ name }) => name), layers: /** @type {string[]} */ ([]) };
  names.layers = nameLayers(given, names.inputs);
  const layers = given.map((layer, i) => readLayer(schema, layer, i, names));
  const outputs = readOutputs(schema, spec, names);
  const plain =
    outputs.length === 1 &&
    outputs[0].values.layer === layers.length - 1 &&
    Object.keys(outputs[0].values).every((name) => name === 'layer' || name === 'loss');
  if (plain) model.values.loss = outputs[0].values.loss;
  const records = [
    model,
    ...inputs.slice(1),
    optimizer,
    ...layers,
    ...(plain ? [] : outputs),
  ].flatMap(withInner);
  return {
    bytes: encodeRecords(schema, records),
    records,
    model,
    inputs,
    optimizer,
    layers,
    outputs,
    plain,
    names,
    metrics: spec.metrics,
    labels: readLabels(
      spec.labels,
      outputs.map(({ name }) => name),
    ),
  };
}

/** @param {Schema} schema @param {any} given @param {any} learningRate @returns {Part} */
function readOptimizer(schema, given = 'adam', learningRate) {
  const { type, ...rest } =
    typeof given === 'string'
      ? { type: given }
      : isRecord(given)
        ? given
        : refuse(`optimizer is ${show(given)}, expected a name or an object with a type`);
  const record = recordNamed(schema, 'optimizer', type, 'optimizer');
  if (learningRate !== undefined && rest.learningRate !== undefined) {
    refuse(
      `learningRate is given twice, ${show(learningRate)} and ${show(rest.learningRate)} ` +
        'in optimizer: expected it at one place',
    );
  }
  rest.learningRate = learningRate ?? rest.learningRate;
  return { record, values: readFields(schema, record.fields, rest, `optimizer (${type}): `) };
}

/**
 * Reads the labels of each output.
 * @param {any} labels @param {string[]} outputs @returns {(string[] | null)[]}
 */
function readLabels(labels, outputs) {
  if (labels === undefined) return outputs.map(() => null);
  if (Array.isArray(labels) && outputs.length === 1) return [readNames(labels, 'labels')];
  const of = byName(labels, outputs, 'labels');
  return outputs.map((name) =>
    of(name) === undefined ? null : readNames(of(name), `labels.${name}`),
  );
}

/** @param {any} labels @param {string} what @returns {string[]} */
function readNames(labels, what) {
  if (!Array.isArray(labels)) {
    refuse(`${what} is ${show(labels)}, expected an array of class names`);
  }
  const seen = new Set();
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i];
    if (typeof label !== 'string') refuse(`${what}[${i}] is ${show(label)}, expected a string`);
    if (seen.has(label)) {
      refuse(`${what}[${i}] is ${show(label)} a second time, expected different class names`);
    }
    seen.add(label);
  }
  return [...seen];
}

/**
 * @param {string[] | null} labels
 * @param {number} classes  as the core counts them: 2 for one sigmoid unit, 0 for no classifier
 * @param {string} what  they are of, where there are several outputs
 */
export function checkLabels(labels, classes, what) {
  if (labels === null || labels.length === classes) return;
  refuse(
    `labels${what} holds ${labels.length} names, ${
      classes === 0
        ? 'but the model is no classifier (its last layer and loss give no classes)'
        : `expected ${classes}, one for each class`
    }`,
  );
}

/** @param {Schema} schema @param {Part[]} records @returns {Uint8Array} */
export function encodeRecords(schema, records) {
  const lists = records.map(({ record, values }) =>
    fieldsOf(schema, record)
      .filter((field) => values[field.name] !== undefined)
      .map((field) => ({ id: field.id, numbers: toNumbers(schema, field, values[field.name]) })),
  );
  const size = lists
    .flat()
    .reduce((sum, field) => sum + 4 + 8 * field.numbers.length, 8 + 4 * records.length);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const u16 = (/** @type {number} */ value) => (view.setUint16(at, value, true), (at += 2));
  const u32 = (/** @type {number} */ value) => (view.setUint32(at, value, true), (at += 4));
  u32(schema.constants.SPEC_MAGIC);
  u32(records.length);
  lists.forEach((fields, i) => {
    u16(records[i].record.id);
    u16(fields.length);
    for (const { id, numbers } of fields) {
      u16(id); // the id's byte and a zero byte
      u16(numbers.length);
      for (const number of numbers) (view.setFloat64(at, number, true), (at += 8));
    }
  });
  return bytes;
}

/** A wrapper, then what it wraps. @param {Part} part @returns {Part[]} */
const withInner = (part) => (part.inner ? [part, ...withInner(part.inner)] : [part]);

/**
 * The values that the core has for each record, those of absent fields among them.
 * @param {Schema} schema @param {EncodedSpec} spec
 * @param {Uint8Array} bytes  of the same records, filled in by the core
 * @returns {import('./graph.js').Built}
 */
export function readBuilt(schema, { records }, bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 8; // behind the magic and the number of records
  const u16 = () => view.getUint16((at += 2) - 2, true);
  return new Map(
    records.map((part) => {
      at += 2; // the record's id
      const told = new Map(
        Array.from({ length: u16() }, () => [
          u16(),
          Array.from({ length: u16() }, () => view.getFloat64((at += 8) - 8, true)),
        ]),
      );
      return [
        part,
        Object.fromEntries(
          fieldsOf(schema, part.record).flatMap((field) => {
            const numbers = told.get(field.id);
            return numbers
              ? [[field.name, fromNumbers(schema, field, numbers, part.values[field.name])]]
              : [];
          }),
        ),
      ];
    }),
  );
}
