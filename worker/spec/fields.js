/* fields.js: values of a spec's fields: from the forms that the contract allows to numbers, and
 * back to names.
 *
 * Only names and JavaScript types are judged here; ranges and shapes are C's to judge, and absent
 * fields are C's to fill in. The numbers that C returns become the canonical form (of MODEL_READY
 * and of a checkpoint), which gives the same numbers again. */

import { OffstageError, arrayType, elementsOf, isRecord, oneOf, show } from '../host/errors.js';
import { refuseName } from './refused.js';
import { enumName, optionsOf, valuesOf } from './schema.js';

/** @typedef {import('./schema.js').Field} Field */
/** @typedef {import('./schema.js').Schema} Schema */

/* Two numbers that have names of their own, and names for some pairs of them. */
/** @typedef {{ keys: string[], otherwise: number[], named: Record<string, number[]> }} Pair */
/** @type {Record<string, Pair>} */
const PAIRS = {
  regularizer: {
    keys: ['l1', 'l2'],
    otherwise: [0, 0],
    named: { l1: [0.01, 0], l2: [0, 0.01], l1l2: [0.01, 0.01] },
  },
  constraint: { keys: ['maxNorm', 'axis'], otherwise: [2, 0], named: { maxNorm: [2, 0] } },
};

/**
 * @param {Schema} schema @param {string} group  as it begins @param {any} type @param {string} what
 * @returns {import('./schema.js').RecordType}
 */
export function recordNamed(schema, group, type, what) {
  const types = schema.records.filter((r) => r.group.startsWith(group));
  const names = types.map((r) => r.type);
  return (
    types.find((r) => r.type === type) ??
    refuseName(
      `${what}: type ${type === undefined ? 'is missing' : `${show(type)} is unknown`}, ` +
        `expected one of ${oneOf(names)}`,
      type,
      names,
    )
  );
}

/**
 * Checks names and JavaScript types; a field that is undefined counts as absent.
 * @param {Schema} schema
 * @param {Field[]} fields
 * @param {Record<string, any>} given
 * @param {string} where
 * @param {string[]} [besides]  names that are not the schema's, for the message
 */
export function readFields(schema, fields, given, where, besides = []) {
  /** @type {Record<string, any>} */
  const values = {};
  for (const name of Object.keys(given)) {
    const field = fields.find((f) => f.name === name);
    if (!field) {
      const names = [...besides, ...fields.map((f) => f.name)];
      refuseName(
        `${where}unknown field '${name}', ` +
          `expected ${names.length ? `one of ${oneOf(names)}` : 'none but type'}`,
        name,
        names,
      );
    }
    if (given[name] !== undefined) values[name] = readValue(schema, field, given[name], where);
  }
  for (const field of fields) {
    if (field.presence === 'required' && values[field.name] === undefined) {
      refuse(`${where}${field.name} is missing, expected ${allowed(schema, field)}`);
    }
  }
  return values;
}

/** @param {Schema} schema @param {Field} field @param {any} value @param {string} where */
function readValue(schema, field, value, where) {
  const bad = (more = '') =>
    refuseName(
      `${where}${field.name} is ${show(value)}, ${more}expected ${allowed(schema, field)}`,
      [...schema.enumerations.values()].some((names) => names.has(value))
        ? undefined // a name that stands elsewhere
        : (value?.type ?? value),
      PAIRS[field.enumeration]
        ? Object.keys(PAIRS[field.enumeration].named)
        : namesOf(schema, field),
    );
  if (PAIRS[field.enumeration]) return readPair(field, value, where) ?? bad();
  if (field.kind === 'initializer') return readInitializer(schema, field, value, where) ?? bad();
  if (isSides(field) && Array.isArray(value)) {
    const pairs =
      value.length === 2
        ? Array.from(value, (side) => (Array.isArray(side) ? side : [side, side]))
        : [];
    const sides = pairs.every(({ length }) => length === 2)
      ? pairs.flatMap((pair) => [pair[0], pair[1]])
      : [];
    return sides.length === 4 && sides.every(isNumber) ? sides : bad();
  }
  const given = Array.isArray(value) || arrayType(value) !== undefined;
  if (field.most > 1 || (field.spread && given)) {
    const length = given ? /** @type {any} */ (value).length : 0;
    const list = given && length <= field.most ? elementsOf(/** @type {any} */ (value)) : [];
    if (!(given ? list.every(isNumber) : takesOne(field) && isNumber(value))) bad();
    if (given && (list.length !== length || length < field.least)) bad(`${length} values: `);
    if (!given) return isSides(field) ? Array(4).fill(value) : value;
    return field.most > 1 ? list : list[0];
  }
  const ok =
    field.kind === 'enum'
      ? namesOf(schema, field).includes(value)
      : field.kind === 'boolean'
        ? typeof value === 'boolean'
        : isNumber(value);
  return ok ? value : bad();
}

/** Lists the names of a field's enumeration. @param {Schema} schema @param {Field} field */
const namesOf = (schema, { enumeration, low, high }) =>
  [...valuesOf(schema, enumeration)]
    .filter(([, id]) => id >= low && id <= high)
    .map(([name]) => name);
/** Says whether a field is four numbers around a picture. @param {Field} field */
const isSides = ({ most, spread }) => most === 4 && spread === 1;
/** Says whether a field takes one number in place of a list. @param {Field} field */
const takesOne = ({ spread, kind }) => spread === 1 || kind === 'number';
/** @param {unknown} value */
const isNumber = (value) => typeof value === 'number';
/**
 * @param {Field} field @param {any} value @param {string} where
 * @returns {Record<string, number> | null}
 */
function readPair({ name, enumeration }, value, where) {
  const { keys, otherwise, named } = PAIRS[enumeration];
  if (typeof value === 'string') {
    return Object.hasOwn(named, value) ? pairOf(keys, named[value]) : null;
  }
  if (!isRecord(value)) return null;
  for (const [key, number] of Object.entries(value)) {
    if (!keys.includes(key)) {
      refuse(`${where}${name}: unknown field '${key}', expected one of ${oneOf(keys)}`);
    }
    if (number === undefined || isNumber(number) || (key === 'axis' && isRun(number))) continue;
    refuse(
      `${where}${name}.${key} is ${show(number)}, ` +
        `expected a number${key === 'axis' ? ', or axes that follow each other' : ''}`,
    );
  }
  return pairOf(
    keys,
    keys.map((key, i) => value[key] ?? otherwise[i]),
  );
}

const MOST_AXES = 6; // of a weight

/** @param {unknown} value  axes of which each is the next */
const isRun = (value) =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.length <= MOST_AXES &&
  Array.from(value).every((axis, i) => Number.isInteger(axis) && axis === value[0] + i);

/** @param {string[]} keys @param {number[]} numbers @returns {Record<string, number>} */
const pairOf = (keys, numbers) => Object.fromEntries(keys.map((key, i) => [key, numbers[i]]));

/** @param {Schema} schema @param {Field} field @param {any} value @param {string} where */
function readInitializer(schema, { name, enumeration }, value, where) {
  const { type, ...options } = isRecord(value) ? value : { type: value };
  if (!valuesOf(schema, enumeration).has(type)) return null;
  const fields = optionsOf(schema, type);
  const read = readFields(schema, fields, options, `${where}${name} (${type}): `);
  return Object.keys(read).length ? { type, ...read } : type;
}

/**
 * Describes the values that a field takes.
 * @param {Schema} schema
 * @param {Field} field
 * @returns {string}
 */
export function allowed(schema, field) {
  const pair = PAIRS[field.enumeration];
  if (pair) return `${oneOf(Object.keys(pair.named))} or { ${pair.keys.join(', ')} }`;
  const names = () => oneOf(namesOf(schema, field));
  if (field.kind === 'initializer') return `one of ${names()}, or { type, ...its options }`;
  if (field.kind === 'enum') return `one of ${names()}`;
  if (field.kind === 'boolean') return 'true or false';
  const one = field.kind === 'integer' ? 'an integer' : 'a number';
  const range = `from ${field.low} to ${field.high}`;
  if (field.most === 1) return `${one} ${range}`;
  if (isSides(field)) return `${one}, [rows, columns] or [[top, bottom], [left, right]] ${range}`;
  const many =
    field.spread || field.least === field.most
      ? `${field.most}`
      : `${field.least} to ${field.most}`;
  return `${takesOne(field) ? `${one} or ` : ''}an array of ${many} ${field.kind}s ${range}`;
}

/**
 * Makes the numbers of a value that readFields() has read.
 * @param {Schema} schema @param {Field} field @param {any} value @returns {number[]}
 */
export function toNumbers(schema, { kind, enumeration, ...field }, value) {
  const idOf = (/** @type {string} */ name) =>
    /** @type {number} */ (valuesOf(schema, enumeration).get(name));
  if (PAIRS[enumeration]) {
    return PAIRS[enumeration].keys.flatMap((key) =>
      Array.isArray(value[key]) ? [value[key][0], value[key][value[key].length - 1]] : value[key],
    );
  }
  if (kind === 'initializer' && typeof value === 'object') {
    const numbersOf = (/** @type {Field} */ option) =>
      value[option.name] === undefined
        ? [option.default]
        : toNumbers(schema, option, value[option.name]);
    return [idOf(value.type), ...optionsOf(schema, value.type).flatMap(numbersOf)];
  }
  if (kind === 'enum' || kind === 'initializer') return [idOf(value)];
  if (kind === 'boolean') return [value ? 1 : 0];
  return Array.isArray(value) ? value.flat() : [value];
}

/**
 * Makes a value in its canonical form.
 * @param {Schema} schema @param {Field} field @param {number[]} numbers
 * @param {any} given  as it was read; undefined: it was absent
 * @returns {any}
 */
export function fromNumbers(schema, field, numbers, given) {
  const { kind, enumeration, most, spread } = field;
  const [first, ...rest] = numbers;
  const pair = PAIRS[enumeration];
  if (pair) {
    return { [pair.keys[0]]: first, [pair.keys[1]]: rest.length > 1 ? runOf(rest) : rest[0] };
  }
  if (isSides(field)) return [numbers.slice(0, 2), numbers.slice(2)];
  if (kind === 'initializer' && rest.length > 0) {
    const type = enumName(schema, enumeration, first);
    const options = optionsOf(schema, type).slice(0, rest.length);
    return {
      type,
      ...Object.fromEntries(
        options.map((option, i) => [
          option.name,
          fromNumbers(schema, option, [rest[i]], undefined),
        ]),
      ),
    };
  }
  if (kind === 'enum' || kind === 'initializer') return enumName(schema, enumeration, first);
  if (kind === 'boolean') return first !== 0;
  // One number may stand for a list of one: its form is the one that was given.
  const alone =
    most === 1 || (!spread && takesOne(field) && rest.length === 0 && !Array.isArray(given));
  return alone ? first : numbers;
}

/** Lists the axes from one to another. @param {number[]} ends */
const runOf = ([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** @param {string} message @returns {never} */
export function refuse(message) {
  throw new OffstageError('INVALID_SPEC', message);
}
