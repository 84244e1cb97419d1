/* spec-types.mjs: the types of a spec, for an app's editor, from the schema that the wasm carries:
 * a union over `type`, so that a layer's own fields are completed and all others refused. The build
 * writes them to wasm-build/dist/spec.d.ts, which no page loads. */

import { readFileSync } from 'node:fs';
import { readSchema } from '../worker/spec/schema.js';
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

export type Regularizer = 'l1' | 'l2' | 'l1l2' | { l1?: number; l2?: number };
export type Constraint = 'maxNorm' | { maxNorm?: number; axis?: number | readonly number[] };
`;

const COMMON = `interface Common {
  /** Unique; unless given: the type, type_1, type_2, ... */
  name?: string;
  /** Earlier layers or inputs by name; unless given: the layer before. */
  input?: string | readonly string[];
  trainable?: boolean;
  /** An earlier layer of the same type and shapes, whose weights this one has too. */
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

/** @param {Schema} schema @param {Field} field */
function member(schema, field) {
  const { name, presence, default: value, kind, enumeration } = field;
  const ids = [...(schema.enumerations.get(enumeration) ?? [])];
  const named =
    kind === 'boolean' ? String(value !== 0) : (ids.find(([, id]) => id === value)?.[0] ?? value);
  const told = presence === 'default' ? `  /** ${named} */\n` : '';
  return `${told}  ${name}${presence === 'required' ? '' : '?'}: ${typeOf(schema, field)};\n`;
}

/** @param {Schema} schema @param {string} type @param {Field[]} fields */
const inline = (schema, type, fields) => {
  const told = fields.map((field) => `${field.name}?: ${typeOf(schema, field)}`);
  return `{ ${[`type: '${type}'`, ...told].join('; ')} }`;
};

/** @param {Schema} schema @param {string} group @param {string} base */
function interfaces(schema, group, base) {
  const records = schema.records.filter((record) => record.group.startsWith(group));
  const kind = base === 'Common' ? 'Layer' : 'Optimizer';
  const names = records.map(({ type }) => `${capital(type)}${kind}`);
  const texts = records.map(
    ({ type, group: own, fields }, i) =>
      `export interface ${names[i]}${base ? ` extends ${base}` : ''} {\n  type: '${type}';\n` +
      `${own === 'layer-wrapper' ? '  layer: Layer;\n' : ''}` +
      `${fields.map((field) => member(schema, field)).join('')}}\n`,
  );
  const types = records.map(({ type }) => `'${type}'`);
  return { texts: texts.join('\n'), union: names.join(' | '), types: types.join(' | ') };
}

/** @param {Schema} schema @returns {string} */
export function typesOf(schema) {
  const options = (/** @type {string} */ name) =>
    schema.records.find(({ group, type }) => group === 'named' && type === name)?.fields ?? [];
  const output = schema.records.find(({ group }) => group === 'result')?.fields ?? [];
  const objects = (
    /** @type {string} */ enumeration,
    /** @type {(name: string) => Field[]} */ of,
  ) =>
    [...(schema.enumerations.get(enumeration)?.keys() ?? [])]
      .map((name) => inline(schema, name, of(name)))
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
      `  | ${objects('initializer', options)};`,
    `export type Loss = ${union(schema, 'loss')}\n  | ${objects('loss', lossOptions)};`,
    '',
    COMMON,
    layers.texts,
    `export type Layer = ${layers.union};`,
    '',
    optimizers.texts,
    `export type Optimizer = ${optimizers.types} | ${optimizers.union};`,
    '',
  ].join('\n');
}
