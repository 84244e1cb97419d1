/* spec-types.mjs: the types of a spec, for an app's editor, from the schema that the wasm carries:
 * a union over `type`, so that a layer's own fields are completed and all others refused. The build
 * writes them to wasm-build/dist/spec.d.ts, which no page loads. */

import { readFileSync } from 'node:fs';
import { readSchema } from '../worker/spec/schema.js';
import {
  CONTROLS,
  CONTROL_OPTIONS,
  INITIALIZERS,
  LAYERS,
  LOSSES,
  LOSS_OPTIONS,
  METRICS,
  METRIC_OPTIONS,
  OPTIMIZERS,
  OPTIONS,
  SCHEDULES,
  SCHEDULE_OPTIONS,
} from './docs-text.mjs';
import { fallback, takes } from './field-text.mjs';
import { ROOT } from './lists.mjs';

/** @typedef {import('../worker/spec/schema.js').Field} Field */
/** @typedef {import('../worker/spec/schema.js').Schema} Schema */

const WASM = `${ROOT}wasm-build/dist/offstage.base.wasm`;

/**
 * The schema of the wasm that was built.
 * @returns {Promise<import('../worker/spec/schema.js').Schema>}
 */
export async function schemaOf() {
  const { instance } = await WebAssembly.instantiate(readFileSync(WASM));
  const { memory, schema, schema_fields: table } = /** @type {any} */ (instance.exports);
  const bytes = new Uint8Array(memory.buffer, schema());
  const words = new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
  return readSchema(words, new DataView(memory.buffer, table()));
}

const HEAD = `/* spec.d.ts: the types of a spec. Written by the build from the core's schema. */

export type Regularizer = 'l1' | 'l2' | 'l1l2' | {
  /** Of the sum of absolute values. Default: 0 */
  l1?: number;
  /** Of the sum of squares. Default: 0 */
  l2?: number;
};
export type Constraint = 'maxNorm' | {
  /** The largest norm. Default: 2 */
  maxNorm?: number;
  /** Axis or axes that a norm goes over, from 0. Default: 0 */
  axis?: number | readonly number[];
};
`;

const COMMON = `interface Common {
  /** One that no other layer has. Default: the type, then type_1, type_2, ... */
  name?: string;
  /** Earlier layers or inputs by name. Default: the layer before */
  input?: string | readonly string[];
  /** false keeps its weights as they are. Default: true */
  trainable?: boolean;
  /** An earlier layer of the same type and shapes, whose weights this one has too. Default: none */
  tiedTo?: string;
}
`;

/** @param {Schema} schema @param {string} enumeration @param {Partial<Field>} [range] */
const union = (schema, enumeration, { low = -Infinity, high = Infinity } = {}) =>
  [...(schema.enumerations.get(enumeration) ?? [])]
    .filter(([, id]) => id >= low && id <= high)
    .map(([name]) => `'${name}'`)
    .join(' | ');

/** @param {string} name */
const capital = (name) => name[0].toUpperCase() + name.slice(1);

/** @param {Schema} schema @param {Field} field */
function typeOf(schema, { kind, enumeration, most, spread, ...range }) {
  if (enumeration === 'regularizer' || enumeration === 'constraint' || kind === 'initializer') {
    return capital(enumeration);
  }
  if (kind === 'boolean') return 'boolean';
  if (kind === 'enum') {
    if (enumeration === 'activation') return 'Activation';
    if (enumeration === 'gateActivation') return 'GateActivation';
    return union(schema, enumeration, range);
  }
  if (most === 4 && spread) {
    return (
      'number | readonly [number, number] | ' +
      'readonly [readonly [number, number], readonly [number, number]]'
    );
  }
  if (most === 1) return 'number';
  return spread || kind === 'number' ? 'number | readonly number[]' : 'readonly number[]';
}

/** @param {string} text */
const hover = (text) => `/** ${text.replaceAll('*/', '* /')} */`;

/** A weight's options that are not its initializer. @type {Record<string, string>} */
const OF_WEIGHTS = {
  Initializer: 'where the weight begins',
  Regularizer: 'added to the loss',
  Constraint: 'of the weight after each update',
};

/**
 * What an option means, takes, and is unless given.
 * @param {Schema} schema @param {Field} field @param {string} of  the record's name
 * @param {Record<string, string>} [meanings]
 */
function told(schema, field, of, meanings = OPTIONS) {
  const { name } = field;
  const [, weight] = /(Initializer|Regularizer|Constraint)$/.exec(name) ?? [];
  const meaning = weight ? OF_WEIGHTS[weight] : (meanings[`${of}.${name}`] ?? meanings[name]);
  const taken = field.kind === 'boolean' ? '' : takes(schema, field);
  const otherwise = fallback(schema, field);
  const last = { required: 'Required', '–': 'Default: none' }[otherwise] ?? `Default: ${otherwise}`;
  return hover([meaning, taken, last].filter(Boolean).map(capital).join('. '));
}

/**
 * @param {Schema} schema @param {Field} field @param {string} of
 * @param {Record<string, string>} [meanings]
 */
function member(schema, field, of, meanings) {
  const { name, presence } = field;
  const mark = presence === 'required' ? '' : '?';
  return `  ${told(schema, field, of, meanings)}\n  ${name}${mark}: ${typeOf(schema, field)};\n`;
}

/**
 * What a name stands for, and its options, where it takes some.
 * @typedef {{ names: Record<string, string>, options: Record<string, string>, of: string }} Texts
 */

/** @param {Schema} schema @param {string} type @param {Field[]} fields @param {Texts} texts */
const inline = (schema, type, fields, { names, options, of }) =>
  [
    '{',
    `    ${hover(names[type])}`,
    `    type: '${type}';`,
    ...fields.flatMap((field) => [
      `    ${told(schema, field, of, options)}`,
      `    ${field.name}?: ${typeOf(schema, field)};`,
    ]),
    '  }',
  ].join('\n');

const WRAPPED = '/** Its own options, and neither name nor input. */';

/** @param {Schema} schema @param {string} group @param {string} base */
function interfaces(schema, group, base) {
  const records = schema.records.filter((record) => record.group.startsWith(group));
  const kind = base === 'Common' ? 'Layer' : 'Optimizer';
  const about = base === 'Common' ? LAYERS : OPTIMIZERS;
  const names = records.map(({ type }) => `${capital(type)}${kind}`);
  const texts = records.map(
    ({ type, group: own, fields }, i) =>
      `export interface ${names[i]}${base ? ` extends ${base}` : ''} {\n` +
      `  ${hover(about[type])}\n  type: '${type}';\n` +
      `${own === 'layer-wrapper' ? `  ${WRAPPED}\n  layer: Layer;\n` : ''}` +
      `${fields.map((field) => member(schema, field, type)).join('')}}\n`,
  );
  const types = records.map(({ type }) => `'${type}'`);
  return { texts: texts.join('\n'), union: names.join(' | '), types: types.join(' | ') };
}

const WATCH = `  /** ${capital(CONTROL_OPTIONS.monitor)}. Default: 'valLoss' */
  monitor?: string;
  /** ${capital(CONTROL_OPTIONS.mode)}. Default: 'auto' */
  mode?: 'auto' | 'min' | 'max';
`;

/** Schedules, and what may end a run or change its rate. @param {Schema} schema */
function controls(schema) {
  const schedules = schema.records.filter(({ group }) => group === 'schedule');
  const decisions = schema.records.filter(({ type }) => Object.hasOwn(CONTROLS, type));
  const members = (
    /** @type {string} */ type,
    /** @type {Field[]} */ fields,
    /** @type {Record<string, string>} */ meanings,
  ) => fields.map((field) => member(schema, field, type, meanings)).join('');
  const names = schedules.map(({ type }) => `${capital(type)}Schedule`);
  return [
    ...schedules.map(
      ({ type, fields }, i) =>
        `export interface ${names[i]} {\n  ${hover(SCHEDULES[type])}\n  type: '${type}';\n` +
        `${members(type, fields, SCHEDULE_OPTIONS)}}\n`,
    ),
    `export type Schedule = ${names.join(' | ')};\n`,
    ...decisions.map(({ type, fields }) => {
      const own = fields.filter(({ name }) => name !== 'monitor' && name !== 'mode');
      return (
        `${hover(CONTROLS[type])}\nexport interface ${capital(type)} {\n` +
        `${WATCH}${members(type, own, CONTROL_OPTIONS)}}\n`
      );
    }),
  ].join('\n');
}

/** What is measured beside the loss. @param {Schema} schema */
function metrics(schema) {
  const all = schema.records.filter(({ group }) => group.startsWith('evaluation'));
  const names = all.map(({ type }) => `${capital(type)}Metric`);
  const alone = all.filter(({ fields }) => fields.every((f) => f.presence !== 'required'));
  return [
    ...all.map(
      ({ type, fields }, i) =>
        `export interface ${names[i]} {\n  ${hover(METRICS[type])}\n  type: '${type}';\n` +
        '  /** What it is called in records. Default: its type */\n  name?: string;\n' +
        `${fields
          .filter(({ name }) => name !== 'output')
          .map((field) => member(schema, field, type, METRIC_OPTIONS))
          .join('')}}\n`,
    ),
    `export type Metric = ${[...alone.map(({ type }) => `'${type}'`), ...names].join(' | ')};`,
    '/** A list, or one of each output by name. */',
    'export type Metrics = readonly Metric[] | { readonly [output: string]: readonly Metric[] };',
    '',
  ].join('\n');
}

/** @param {Schema} schema @returns {string} */
export function typesOf(schema) {
  const options = (/** @type {string} */ name) =>
    schema.records.find(({ group, type }) => group === 'named' && type === name)?.fields ?? [];
  const output = schema.records.find(({ group }) => group === 'result')?.fields ?? [];
  const objects = (
    /** @type {string} */ enumeration,
    /** @type {(name: string) => Field[]} */ of,
    /** @type {Texts} */ texts,
  ) =>
    [...(schema.enumerations.get(enumeration)?.keys() ?? [])]
      .map((name) => inline(schema, name, of(name), texts))
      .join('\n  | ');
  const lossOptions = (/** @type {string} */ name) =>
    output.filter((field) => schema.enumerations.get(name)?.has(field.name));
  const layers = interfaces(schema, 'layer', 'Common');
  const optimizers = interfaces(schema, 'optimizer', '');
  return [
    HEAD,
    `export type Activation = ${union(schema, 'activation')};`,
    `export type GateActivation = ${union(schema, 'gateActivation')};`,
    `export type Initializer = ${union(schema, 'initializer')}\n` +
      `  | ${objects('initializer', options, { names: INITIALIZERS, options: OPTIONS, of: 'named' })};`,
    `export type Loss = ${union(schema, 'loss')}\n  | ${objects('loss', lossOptions, { names: LOSSES, options: LOSS_OPTIONS, of: '' })};`,
    '',
    COMMON,
    layers.texts,
    `export type Layer = ${layers.union};`,
    '',
    optimizers.texts,
    `export type Optimizer = ${optimizers.types} | ${optimizers.union};`,
    '',
    controls(schema),
    metrics(schema),
  ].join('\n');
}
