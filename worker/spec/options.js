/* options.js: reads the options of a record that is no part of a spec: of a schedule, of what may
 * end a run, of a metric.
 *
 * Names, types and ranges are the schema's; what records mean together is C's. The values are
 * complete: what was left out has its default. */

import { OffstageError, arrayType, checkFields, meant, show } from '../host/errors.js';
import { allowed } from './fields.js';
import { enumName, valuesOf } from './schema.js';

/** @typedef {import('./schema.js').Schema} Schema */
/** @typedef {import('./schema.js').Field} Field */
/** @typedef {import('./schema.js').RecordType} RecordType */

/**
 * @param {Schema} schema
 * @param {RecordType} record
 * @param {unknown} given
 * @param {{ what: string, code: import('../host/errors.js').ErrorCode, besides?: string[] }} about
 *   what: the name before a field's in messages; besides: names that are read elsewhere
 * @returns {Record<string, any>}
 */
export function readOptions(schema, { fields }, given, { what, code, besides = [] }) {
  const names = fields.map(({ name }) => name);
  const options = checkFields(given, [...besides, ...names], what, code);
  /** @type {Record<string, any>} */
  const values = {};
  for (const field of fields) {
    const { name, presence } = field;
    const value = options[name];
    const kinds = [...valuesOf(schema, field.enumeration).keys()];
    if (value !== undefined && accepts(field, value, kinds)) {
      values[name] = field.most > 1 ? Array.from(value) : value;
    } else if (value !== undefined || presence === 'required') {
      const got = value === undefined ? 'is missing' : `is ${show(value)}`;
      throw new OffstageError(
        code,
        `${what}.${name} ${got}, expected ${allowed(schema, field)}${meant(value, kinds)}`,
      );
    } else if (presence === 'default') values[name] = defaultOf(schema, field);
  }
  return values;
}

/** @param {Schema} schema @param {Field} field */
function defaultOf(schema, field) {
  if (field.kind === 'enum') return enumName(schema, field.enumeration, field.default);
  return field.kind === 'boolean' ? field.default !== 0 : field.default;
}

/** @param {Field} field @param {any} value @param {string[]} names  of its enumeration */
function accepts({ kind, least, most, low, high }, value, names) {
  if (kind === 'enum') return names.includes(value);
  if (kind === 'boolean') return typeof value === 'boolean';
  const one = (/** @type {any} */ number) =>
    typeof number === 'number' &&
    number >= low &&
    number <= high &&
    (kind !== 'integer' || Number.isInteger(number));
  if (most === 1) return one(value);
  if (!Array.isArray(value) && arrayType(value) === undefined) return false;
  return value.length >= least && value.length <= most && Array.from(value).every(one);
}
