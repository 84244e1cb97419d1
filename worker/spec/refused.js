/* refused.js: what C refuses, as an OffstageError: its code at once, its sentence from refusal.js,
 * which is a part.
 *
 * Whoever builds a model awaits worded() of what is thrown; what is refused later has but a number
 * out of a range, and faults of a step have their sentence here. */

import { OffstageError } from '../host/errors.js';
import { loadPart } from '../host/parts.js';

/** @typedef {import('./spec.js').Refusal} Refusal */
/** @typedef {import('./schema.js').Schema} Schema */
/** @typedef {import('./spec.js').EncodedSpec} EncodedSpec */
/** @typedef {EncodedSpec | import('./spec.js').Listed | null} Refused  what a refusal is about */

/** @type {import('../host/parts.js').Part<typeof import('./refusal.js')>} */
const WORDS = {
  file: 'refusal.js',
  what: 'the sentence of a refusal',
  beside: () => new URL('./refusal.js', import.meta.url),
};
/** The codes of statuses, by their names among the schema's constants. */
const CODES = /** @type {Record<string, import('../host/errors.js').ErrorCode>} */ ({
  INVALID_SPEC: 'INVALID_SPEC',
  INVALID_DATA: 'INVALID_DATA',
  INVALID_ARGUMENT: 'INVALID_OPTION',
  OUT_OF_MEMORY: 'OUT_OF_MEMORY',
});
/** What a fault is of, likewise. */
const FAULTS = {
  FAULT_LOSS: 'the loss',
  FAULT_GRADIENT: 'the gradient',
  FAULT_STATISTIC: 'a statistic',
  FAULT_ACTIVATION: 'the output',
};

/**
 * What the errors of explain() were made of.
 * @type {WeakMap<Error, [Schema, Refused, Refusal]>}
 */
const refusals = new WeakMap();

/**
 * Of errors about a name that is none of these: the name, and these.
 * @type {WeakMap<Error, [unknown, readonly string[]]>}
 */
const unknowns = new WeakMap();

/**
 * Refuses a name in a spec; what may have been meant is said by worded().
 * @param {string} message
 * @param {unknown} name @param {readonly string[]} names
 * @returns {never}
 */
export function refuseName(message, name, names) {
  const error = new OffstageError('INVALID_SPEC', message);
  unknowns.set(error, [name, names]);
  throw error;
}

/**
 * @template T
 * @param {Schema} schema
 * @param {Record<string, T>} words by names of constants
 * @param {number} value
 */
const wordOf = ({ constants }, words, value) =>
  Object.entries(words).find(([name]) => constants[name] === value)?.[1];

/**
 * The list of records that a refusal is about, where it is none of a spec.
 * @param {Refused} spec
 */
export const listOf = (spec) => (spec && 'parts' in spec ? spec : null);

/**
 * @param {Schema} schema @param {Refusal} refusal
 * @param {import('./spec.js').Listed | null} list
 */
export function codeOf(schema, { status }, list) {
  const code = wordOf(schema, CODES, status) ?? 'WORKER_LOST';
  return list && code === 'INVALID_SPEC' ? list.code : code;
}

/**
 * @param {Schema} schema
 * @param {Refused} spec
 * @param {Refusal} refusal
 * @returns {OffstageError}
 */
export function explain(schema, spec, refusal) {
  const { status, layer, field, got, low, high } = refusal;
  const list = listOf(spec);
  const code = codeOf(schema, refusal, list);
  if (code === 'WORKER_LOST') {
    return new OffstageError(code, `the core was called out of sequence (status ${status})`);
  }
  const reason = schema.reasons.get(refusal.reason);
  const about = list
    ? list.parts[layer]?.what
    : `layer ${layer}${aboutLayer(/** @type {EncodedSpec | null} */ (spec), layer)}`;
  const where = layer < 0 ? '' : `${about}: `;
  const error = new OffstageError(
    code,
    reason === 'range' && field < 0
      ? `${where}a value is ${got}, expected a number from ${low} to ${high}`
      : `${where}refused (${reason}, field ${field}): got ${got}, allowed ${low} to ${high}`,
  );
  refusals.set(error, [schema, spec, refusal]);
  return error;
}

/**
 * Whether a core refused a layer because it has no such type.
 * @param {any} error
 * @returns {boolean}
 */
export function isLacking(error) {
  const [schema, , { layer, field, reason }] = refusals.get(error) ?? [
    null,
    null,
    { layer: -1, field: -1, reason: 0 },
  ];
  return layer >= 0 && field < 0 && schema?.reasons.get(reason) === 'unknown';
}

/**
 * An error with its sentence; without, where that cannot be loaded, and then it says why.
 * @param {any} error  any one: those that explain() has not made stay as they are
 * @param {string} [assets]
 * @returns {Promise<any>}
 */
export async function worded(error, assets) {
  const made = refusals.get(error);
  const unknown = unknowns.get(error);
  if (!made && !unknown) return error;
  try {
    const { explain, guess } = await loadPart(WORDS, assets);
    if (made) return explain(...made);
    const [name, names] = /** @type {[unknown, readonly string[]]} */ (unknown);
    return new OffstageError(error.code, error.message + guess(name, names));
  } catch (cause) {
    return new OffstageError(
      error.code,
      `${error.message}; ${/** @type {Error} */ (cause).message}`,
      { cause },
    );
  }
}

/**
 * Why a step was not made.
 * @param {Schema} schema
 * @param {EncodedSpec | null} spec
 * @param {{ what: number, layer: number, step: number }} fault
 */
export function explainFault(schema, spec, { what, layer, step }) {
  const where = layer < 0 ? '' : ` of layer ${layer}${aboutLayer(spec, layer)}`;
  const large = what === schema.constants.FAULT_GRADIENT ? ', or 1e15 and more' : '';
  return new OffstageError(
    'NON_FINITE',
    `step ${step}: ${wordOf(schema, FAULTS, what)}${where} is not finite${large}; ` +
      'nothing was changed by this step, but what came before leads to it: ' +
      'a smaller learningRate, clipNorm, or inputs of about 1 may help',
  );
}

/**
 * Its type, and its name where that says more.
 * @param {EncodedSpec | null} spec
 * @param {number} layer
 */
export function aboutLayer(spec, layer) {
  const part = spec?.layers[layer];
  if (!part) return '';
  const {
    record: { type },
    name,
  } = part;
  return ` (${type}${name.startsWith(type) ? '' : ` '${name}'`})`;
}
