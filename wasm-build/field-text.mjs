/* field-text.mjs: what a field of a spec takes and what stands in its place, in words, from the
 * schema: for docs/layers.md and for the texts that an editor shows. */

/** @typedef {import('../worker/spec/schema.js').Field} Field */
/** @typedef {import('../worker/spec/schema.js').Schema} Schema */

const POWERS = new Map([
  [2 ** 24, '2^24'],
  [2 ** 53 - 1, '2^53 − 1'],
  [1e9, '1e9'],
]);
/** @param {number} n */
const number = (n) => POWERS.get(n) ?? String(n).replace('e+', 'e').replace(/^-/, '−');
/** @param {string} of */
export const code = (of) => `\`${of}\``;

/** What a field takes. @param {Schema} schema @param {Field} field */
export function takes(schema, { kind, enumeration, least, most, spread, low, high }) {
  if (enumeration === 'regularizer') return '`l1`, `l2`, `l1l2` (0.01 each), or { l1, l2 }';
  if (enumeration === 'constraint') {
    return '`maxNorm` (2), or { maxNorm, axis }, axis a number or axes that follow each other';
  }
  if (kind === 'initializer') return 'an initializer';
  const names = [...(schema.enumerations.get(enumeration) ?? [])]
    .filter(([, id]) => id >= low && id <= high)
    .map(([name]) => code(name));
  if (kind === 'enum') {
    if (names.length <= 6) return names.join(', ');
    const all = enumeration === 'activation' ? 'activations' : `activations: ${names.join(', ')}`;
    return `one of ${names.length} ${all}`;
  }
  if (kind === 'boolean') return 'boolean';
  const one = `${kind} ${number(low)} … ${number(high)}`;
  if (most === 1) return one;
  if (most === 4 && spread) return `${one}, [rows, columns] or [[top, bottom], [left, right]]`;
  const either = spread || kind === 'number';
  const count = spread ? most : `${least} to ${most}`;
  return `${either ? `${one}, or ` : ''}${count} of ${either ? 'these' : one}`;
}

/** @param {Schema} schema @param {Field} field */
export function fallback(schema, { presence, kind, enumeration, default: value }) {
  if (presence !== 'default') return presence === 'required' ? 'required' : '–';
  if (kind === 'boolean') return code(String(value !== 0));
  const named = [...(schema.enumerations.get(enumeration) ?? [])].find(([, id]) => id === value);
  return code(kind === 'enum' || kind === 'initializer' ? (named?.[0] ?? '') : number(value));
}
