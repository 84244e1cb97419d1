/* spec.js: a plain spec becomes the bytes that C reads, and C's refusals become sentences.
 *
 * The schema (types, fields, ranges, defaults) is C's own, read from the wasm; nothing of it stands
 * here. What JavaScript alone can get wrong is refused here: unknown names, wrong types. Ranges and shapes
 * are C's to judge. Field order in bytes is schema order, so the same spec always gives the same bytes. */

import { OffstageError, elementsOf, oneOf, show } from './errors.js';

/**
 * @typedef {object} Field
 * @property {number} id
 * @property {string} name
 * @property {'integer' | 'number' | 'boolean' | 'enum' | 'initializer'} kind
 * @property {string} enumeration
 * @property {number} least
 * @property {number} most
 * @property {number} spread   1: one value stands for `most` equal ones
 * @property {number} low
 * @property {number} high
 * @property {'required' | 'default' | 'optional'} presence
 * @property {number} default
 */
/** @typedef {{ id: number, group: string, type: string, fields: Field[] }} RecordType */
/**
 * @typedef {object} Schema
 * @property {string} version
 * @property {Record<string, number>} constants
 * @property {Map<number, string>} reasons
 * @property {RecordType[]} records
 * @property {Map<string, Map<string, number>>} enumerations  name -> (value's name -> id)
 */
/**
 * @typedef {object} EncodedSpec
 * @property {Uint8Array} bytes
 * @property {{ record: RecordType, values: Record<string, any> }} model
 * @property {{ record: RecordType, values: Record<string, any> }} optimizer
 * @property {{ record: RecordType, values: Record<string, any> }[]} layers
 * @property {string[] | undefined} metrics  undefined: by the kind of model
 * @property {string[] | null} labels
 */
/**
 * An ofs_error.
 * @typedef {{ status: number, layer: number, field: number, reason: number, got: number, low: number, high: number }}
 *   Refusal
 */

const KINDS = /** @type {const} */ (['integer', 'number', 'boolean', 'enum', 'initializer']);
const PRESENCES = /** @type {const} */ (['required', 'default', 'optional']);
const FIELD_BYTES = 32;

/**
 * Both in the form that the head of schema.h tells.
 * @param {string} text  what the core's schema() returns
 * @param {DataView} table  of what its schema_fields() returns
 * @returns {Schema}
 */
export function readSchema(text, table) {
  const [version, constants, reasons, records, values, fields] = text.split('\n');
  /** @type {Schema} */
  const schema = { version, constants: {}, reasons: new Map(), records: [], enumerations: new Map() };
  for (const [name, value] of rows(constants, 2)) schema.constants[name] = +value;
  for (const [id, name] of rows(reasons, 2)) schema.reasons.set(+id, name);
  for (const [id, group, type] of rows(records, 3)) schema.records.push({ id: +id, group, type, fields: [] });
  for (const [enumeration, id, name] of rows(values, 3)) {
    const all = schema.enumerations.get(enumeration) ?? new Map();
    schema.enumerations.set(enumeration, all.set(name, +id));
  }
  rows(fields, 2).forEach(([name, enumeration], i) => {
    const at = i * FIELD_BYTES;
    const [record, id, kind, least, spread, presence] = [0, 1, 2, 3, 4, 5].map((k) => table.getUint8(at + k));
    const most = table.getUint16(at + 6, true);
    const [low, high, fallback] = [8, 16, 24].map((k) => table.getFloat64(at + k, true));
    schema.records.find((r) => r.id === record)?.fields.push({
      id, name, kind: KINDS[kind], enumeration, least, most, spread, low, high, presence: PRESENCES[presence], default: fallback,
    });
  });
  return schema;
}

/** @param {string} line  words with a space before each @param {number} width  words of a row */
function rows(line, width) {
  const words = line.split(' ').slice(1);
  return Array.from({ length: words.length / width }, (_, i) => words.slice(i * width, (i + 1) * width));
}

/** The fields of a spec that are not the model record's own. */
const TOP_LEVEL = ['layers', 'optimizer', 'learningRate', 'metrics', 'labels'];
const METRICS = ['accuracy'];

/**
 * @param {Schema} schema
 * @param {any} spec  as the contract has it: { inputShape, layers, loss, optimizer, ... }
 * @returns {EncodedSpec}
 */
export function encodeSpec(schema, spec) {
  if (spec === null || typeof spec !== 'object' || Array.isArray(spec)) {
    refuse(`the spec is ${show(spec)}, expected an object`);
  }
  const record = schema.records.filter((r) => r.group === 'model')[0];
  /** @type {Record<string, any>} */
  const own = {};
  for (const key of Object.keys(spec)) {
    if (record.fields.some((field) => field.name === key)) own[key] = spec[key];
    else if (!TOP_LEVEL.includes(key)) {
      const names = [...TOP_LEVEL, ...record.fields.map((field) => field.name)];
      refuse(`the spec: unknown field '${key}', expected one of ${oneOf(names)}`);
    }
  }
  if (!Array.isArray(spec.layers)) {
    refuse(`layers ${spec.layers === undefined ? 'is missing' : `is ${show(spec.layers)}`}, expected an array`);
  }
  const model = { record, values: readFields(schema, record, own, '') };
  const optimizer = readOptimizer(schema, spec.optimizer, spec.learningRate);
  if (spec.layers.length > schema.constants.MAX_LAYERS) {
    refuse(`layers holds ${spec.layers.length} values, expected 1 to ${schema.constants.MAX_LAYERS}`);
  }
  const layers = Array.from(spec.layers, (layer, i) => readLayer(schema, layer, i));
  return {
    bytes: writeBytes(schema, [model, optimizer, ...layers]),
    model,
    optimizer,
    layers,
    metrics: readMetrics(spec.metrics),
    labels: readLabels(spec.labels),
  };
}

/** @param {Schema} schema @param {any} layer @param {number} i */
function readLayer(schema, layer, i) {
  const types = schema.records.filter((r) => r.group === 'layer');
  if (layer === null || typeof layer !== 'object' || Array.isArray(layer)) {
    refuse(`layer ${i} is ${show(layer)}, expected an object with a type`);
  }
  const record = types.find((r) => r.type === layer.type);
  if (!record) {
    const got = layer.type === undefined ? 'type is missing' : `type ${show(layer.type)} is unknown`;
    refuse(`layer ${i}: ${got}, expected one of ${oneOf(types.map((r) => r.type))}`);
  }
  const { type, ...rest } = layer;
  return { record, values: readFields(schema, record, rest, `layer ${i} (${type}): `) };
}

/** @param {Schema} schema @param {any} optimizer @param {any} learningRate */
function readOptimizer(schema, optimizer, learningRate) {
  const types = schema.records.filter((r) => r.group === 'optimizer');
  const given = optimizer === undefined ? 'adam' : optimizer;
  const plain = typeof given === 'string' ? { type: given } : given;
  if (plain === null || typeof plain !== 'object' || Array.isArray(plain)) {
    refuse(`optimizer is ${show(given)}, expected a name or an object with a type`);
  }
  const record = types.find((r) => r.type === plain.type);
  if (!record) {
    const got = plain.type === undefined ? 'type is missing' : `${show(plain.type)} is unknown`;
    refuse(`optimizer: ${got}, expected one of ${oneOf(types.map((r) => r.type))}`);
  }
  const { type, ...rest } = plain;
  if (learningRate !== undefined) {
    if (rest.learningRate !== undefined) {
      refuse(`learningRate is given twice, ${show(learningRate)} and ${show(rest.learningRate)} in optimizer: ` +
        'expected it at one place');
    }
    rest.learningRate = learningRate;
  }
  return { record, values: readFields(schema, record, rest, `optimizer (${type}): `) };
}

/**
 * Checks names and JavaScript types; a field that is undefined counts as absent.
 * @param {Schema} schema
 * @param {RecordType} record
 * @param {Record<string, any>} given
 * @param {string} where
 */
function readFields(schema, record, given, where) {
  /** @type {Record<string, any>} */
  const values = {};
  for (const name of Object.keys(given)) {
    const field = record.fields.find((f) => f.name === name);
    if (!field) {
      const names = record.fields.map((f) => f.name);
      refuse(`${where}unknown field '${name}', expected ${names.length ? `one of ${oneOf(names)}` : 'none but type'}`);
    }
    if (given[name] !== undefined) values[name] = readValue(schema, field, given[name], where);
  }
  for (const field of record.fields) {
    if (field.presence === 'required' && values[field.name] === undefined) {
      refuse(`${where}${field.name} is missing, expected ${allowed(schema, field)}`);
    }
  }
  return values;
}

/** @param {Schema} schema @param {Field} field @param {any} value @param {string} where */
function readValue(schema, field, value, where) {
  if (field.most > 1 && field.kind !== 'initializer') {
    const given = Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
    const length = given ? /** @type {any} */ (value).length : 0;
    const list = given && length <= field.most ? elementsOf(/** @type {any} */ (value)) : [];
    const ok = given ? list.every(isNumber) : field.spread === 1 && isNumber(value);
    if (!ok) refuse(`${where}${field.name} is ${show(value)}, expected ${allowed(schema, field)}`);
    if (given && (list.length !== length || length < field.least)) {
      refuse(`${where}${field.name} is ${show(value)}, ${length} values: expected ${allowed(schema, field)}`);
    }
    return given ? list : value;
  }
  const ok = field.kind === 'enum' || field.kind === 'initializer' ? typeof value === 'string' && valuesOf(schema, field.enumeration).has(value)
    : field.kind === 'boolean' ? typeof value === 'boolean' : isNumber(value);
  if (!ok) refuse(`${where}${field.name} is ${show(value)}, expected ${allowed(schema, field)}`);
  return value;
}

/** @param {Schema} schema @param {string} enumeration  which the schema has @returns {Map<string, number>} */
function valuesOf(schema, enumeration) {
  return /** @type {Map<string, number>} */ (schema.enumerations.get(enumeration));
}

/** @param {unknown} value */
function isNumber(value) {
  return typeof value === 'number';
}

/**
 * What a field takes, in words.
 * @param {Schema} schema
 * @param {Field} field
 * @returns {string}
 */
function allowed(schema, field) {
  if (field.kind === 'enum' || field.kind === 'initializer') return `one of ${oneOf([...valuesOf(schema, field.enumeration).keys()])}`;
  if (field.kind === 'boolean') return 'true or false';
  const one = field.kind === 'integer' ? 'an integer' : 'a number';
  const range = `from ${field.low} to ${field.high}`;
  if (field.most === 1) return `${one} ${range}`;
  const many = field.spread || field.least === field.most ? `${field.most}` : `${field.least} to ${field.most}`;
  return `${field.spread ? `${one} or ` : ''}an array of ${many} ${field.kind}s ${range}`;
}

/** @param {any} metrics @returns {string[] | undefined} */
function readMetrics(metrics) {
  if (metrics === undefined) return undefined;
  if (!Array.isArray(metrics)) refuse(`metrics is ${show(metrics)}, expected an array of ${oneOf(METRICS)}`);
  /** @type {string[]} */
  const read = [];
  for (let i = 0; i < metrics.length; i++) {
    const name = metrics[i];
    if (!METRICS.includes(name)) refuse(`metrics[${i}] is ${show(name)}, expected one of ${oneOf(METRICS)}`);
    if (read.includes(name)) refuse(`metrics[${i}] is ${show(name)} a second time`);
    read.push(name);
  }
  return read;
}

/** @param {any} labels @returns {string[] | null} */
function readLabels(labels) {
  if (labels === undefined) return null;
  if (!Array.isArray(labels)) refuse(`labels is ${show(labels)}, expected an array of class names`);
  const seen = new Set();
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i];
    if (typeof label !== 'string') refuse(`labels[${i}] is ${show(label)}, expected a string`);
    if (seen.has(label)) refuse(`labels[${i}] is ${show(label)} a second time, expected different class names`);
    seen.add(label);
  }
  return [...seen];
}

/**
 * @param {string[] | null} labels
 * @param {number} classes  as the core counts them: 2 for one sigmoid unit, 0 for no classifier
 */
export function checkLabels(labels, classes) {
  if (labels === null || labels.length === classes) return;
  refuse(classes === 0
    ? `labels holds ${labels.length} names, but the model is no classifier (its last layer and loss give no classes)`
    : `labels holds ${labels.length} names, expected ${classes}, one for each class`);
}

/**
 * @param {Schema} schema
 * @param {{ record: RecordType, values: Record<string, any> }[]} records
 * @returns {Uint8Array}
 */
function writeBytes(schema, records) {
  const lists = records.map(({ record, values }) => record.fields
    .filter((field) => values[field.name] !== undefined)
    .map((field) => ({ id: field.id, numbers: toNumbers(schema, field, values[field.name]) })));
  const size = lists.flat().reduce((sum, field) => sum + 4 + 8 * field.numbers.length, 8 + 4 * records.length);
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

/** @param {Schema} schema @param {Field} field @param {any} value @returns {number[]} */
function toNumbers(schema, field, value) {
  if (field.kind === 'enum' || field.kind === 'initializer') return [/** @type {number} */ (valuesOf(schema, field.enumeration).get(value))];
  if (field.kind === 'boolean') return [value ? 1 : 0];
  return Array.isArray(value) ? value : [value];
}

/**
 * A record's values with defaults filled in, spread ones as arrays, enumerations by name.
 * @param {Schema} schema
 * @param {{ record: RecordType, values: Record<string, any> }} part
 * @returns {Record<string, any>}
 */
export function fillDefaults(schema, { record, values }) {
  /** @type {Record<string, any>} */
  const built = record.group === 'model' ? {} : { type: record.type };
  for (const field of record.fields) {
    let value = values[field.name];
    if (value === undefined && field.presence === 'default') value = fromNumber(schema, field, field.default);
    // The one optional field of a layer: a pool's strides are its size.
    if (value === undefined && field.name === 'strides') value = built.poolSize;
    if (value === undefined) continue;
    if (field.spread && !Array.isArray(value)) value = Array(field.most).fill(value);
    if (field.spread && value.length < field.most) value = Array(field.most).fill(value[0]);
    built[field.name] = Array.isArray(value) ? value.slice() : value;
  }
  return built;
}

/** @param {Schema} schema @param {Field} field @param {number} number */
function fromNumber(schema, field, number) {
  if (field.kind === 'boolean') return number !== 0;
  return field.kind === 'enum' || field.kind === 'initializer' ? enumName(schema, field.enumeration, number) : number;
}

/**
 * @param {Schema} schema
 * @param {string} enumeration
 * @param {number} id
 * @returns {string}
 */
export function enumName(schema, enumeration, id) {
  for (const [name, value] of valuesOf(schema, enumeration)) if (value === id) return name;
  return `${enumeration} ${id}`;
}

/** @param {string} message @returns {never} */
function refuse(message) {
  throw new OffstageError('INVALID_SPEC', message);
}
