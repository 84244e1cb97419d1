/* schema.js: the schema (types, fields, ranges, defaults) as C has it, read from the wasm; nothing
 * of it stands here. */

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
 * @property {'required' | 'default' | 'optional' | 'like'} presence like: absent, it has the values
 *   of field `default`
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
 * A member of a record that the core writes as doubles: so many numbers.
 * @typedef {{ name: string, count: number }} Member
 */
/** @typedef {Map<string, Member[]>} Layouts  of records by name */

const KINDS = /** @type {const} */ (['integer', 'number', 'boolean', 'enum', 'initializer']);
const PRESENCES = /** @type {const} */ (['required', 'default', 'optional', 'like']);
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
  const schema = {
    version,
    constants: {},
    reasons: new Map(),
    records: [],
    enumerations: new Map(),
  };
  for (const [name, value] of rows(constants, 2)) schema.constants[name] = +value;
  for (const [id, name] of rows(reasons, 2)) schema.reasons.set(+id, name);
  for (const [id, group, type] of rows(records, 3)) {
    schema.records.push({ id: +id, group, type, fields: [] });
  }
  for (const [enumeration, id, name] of rows(values, 3)) {
    const all = schema.enumerations.get(enumeration) ?? new Map();
    schema.enumerations.set(enumeration, all.set(name, +id));
  }
  const byId = new Map(schema.records.map((record) => [record.id, record]));
  const named = rows(fields, 2);
  const owners = named.length * FIELD_BYTES;
  named.forEach(([name, enumeration], i) => {
    const at = i * FIELD_BYTES;
    const byte = (/** @type {number} */ k) => table.getUint8(at + k);
    const number = (/** @type {number} */ k) => table.getFloat64(at + k, true);
    byId.get(table.getUint8(owners + i))?.fields.push({
      id: byte(0),
      name,
      kind: KINDS[byte(1)],
      enumeration,
      least: byte(2),
      most: table.getUint16(at + 6, true),
      spread: byte(3),
      low: number(8),
      high: number(16),
      presence: PRESENCES[byte(4)],
      default: number(24),
    });
  });
  return schema;
}

/**
 * A line for each record: its name, then its members, `name*n` for a list of n numbers.
 * @param {string} text  what the core's layouts() returns
 * @returns {Layouts}
 */
export function readLayouts(text) {
  return new Map(
    text.split('\n').map((line) => {
      const [record, ...members] = line.split(' ');
      return [
        record,
        members.map((member) => {
          const [name, count = '1'] = member.split('*');
          return { name, count: +count };
        }),
      ];
    }),
  );
}

/** @param {string} line  words with a space before each @param {number} width  words of a row */
function rows(line, width) {
  const words = line.split(' ').slice(1);
  return Array.from({ length: words.length / width }, (_, i) =>
    words.slice(i * width, (i + 1) * width),
  );
}

/** @param {Schema} schema @param {string} group @returns {RecordType} the first of its group */
export const recordOf = (schema, group) =>
  /** @type {RecordType} */ (schema.records.find((r) => r.group === group));

/**
 * What a record may be told: its own fields, then, of a layer, those of all layers.
 * @param {Schema} schema
 * @param {RecordType} record
 */
export const fieldsOf = (schema, { group, fields }) =>
  group.startsWith('layer') ? [...fields, ...recordOf(schema, 'common').fields] : fields;

/**
 * What stands beside an initializer, where it takes options.
 * @param {Schema} schema
 * @param {string} type
 */
export const optionsOf = (schema, type) =>
  schema.records.find((r) => r.group === 'named' && r.type === type)?.fields ?? [];

/**
 * @param {Schema} schema
 * @param {string} enumeration
 * @returns {Map<string, number>} empty where there is none
 */
export const valuesOf = (schema, enumeration) => schema.enumerations.get(enumeration) ?? new Map();

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
