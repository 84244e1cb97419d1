/* options.js: reads option objects.
 * Invariant: an unknown name or a value outside its rule is INVALID_OPTION, said with what was got
 * and what is allowed; undefined means "not given". Nothing is coerced. */
import { OffstageError, checkFields, show, tagOf } from '../../worker/host/errors.js';

/**
 * @template T
 * @typedef {object} Rule
 * @property {T} otherwise the value where none is given
 * @property {string} allowed what is allowed, for messages
 * @property {(value: unknown) => boolean} accepts
 */

/**
 * @template {Record<string, Rule<any>>} R
 * @typedef {{ [K in keyof R]: R[K]['otherwise'] }} Read
 */

/**
 * @template {string} const T
 * @param {readonly T[]} values
 * @param {T} otherwise
 * @returns {Rule<T>}
 */
export const oneOf = (values, otherwise) => ({
  otherwise,
  allowed: values.map((value) => `'${value}'`).join(', '),
  accepts: (value) => values.includes(/** @type {T} */ (value)),
});

/**
 * @template T
 * @param {Rule<T>} rule
 * @returns {Rule<T | undefined>} the same, undefined where none is given
 */
export const optional = (rule) => ({ ...rule, otherwise: undefined });

/**
 * @template T
 * @param {number} low
 * @param {T} otherwise
 * @param {string} [also] one more value that is allowed
 * @returns {Rule<number | T>}
 */
export const integer = (low, otherwise, also) => ({
  otherwise,
  allowed: `${also === undefined ? '' : `'${also}' or `}an integer of at least ${low}`,
  accepts: (value) =>
    (also !== undefined && value === also) ||
    (Number.isSafeInteger(value) && /** @type {number} */ (value) >= low),
});

/**
 * @template T
 * @param {string} allowed
 * @param {(value: number) => boolean} accepts
 * @param {T} otherwise
 * @returns {Rule<number | T>}
 */
export const number = (allowed, accepts, otherwise) => ({
  otherwise,
  allowed,
  accepts: (value) => typeof value === 'number' && accepts(value),
});

/** @param {boolean} otherwise @returns {Rule<boolean>} */
export const flag = (otherwise) => ({
  otherwise,
  allowed: 'true or false',
  accepts: (value) => typeof value === 'boolean',
});

/** @type {Rule<AbortSignal | undefined>} */
export const signal = {
  otherwise: undefined,
  allowed: 'an AbortSignal',
  accepts: (value) =>
    typeof value === 'object' &&
    value !== null &&
    'aborted' in value &&
    'addEventListener' in value,
};

/** @type {Rule<((...given: any[]) => any) | undefined>} */
export const callback = {
  otherwise: undefined,
  allowed: 'a function',
  accepts: (value) => typeof value === 'function',
};

/** Accepts anything: the value is read elsewhere. @type {Rule<any>} */
export const given = { otherwise: undefined, allowed: '', accepts: () => true };

/** @type {Rule<string | URL | undefined>} */
export const address = {
  otherwise: undefined,
  allowed: 'a URL or a string',
  accepts: (value) => typeof value === 'string' || tagOf(value) === 'URL',
};

/**
 * @template {Record<string, Rule<any>>} R
 * @param {string} where what the options belong to, for messages
 * @param {unknown} given
 * @param {R} rules
 * @returns {Read<R>}
 */
export function readOptions(where, given, rules) {
  if (given === undefined) given = {};
  const values = checkFields(given, Object.keys(rules), where, 'INVALID_OPTION');
  /** @type {Record<string, unknown>} */
  const read = {};
  for (const [name, rule] of Object.entries(rules)) {
    const value = values[name];
    if (value !== undefined && !rule.accepts(value)) {
      throw new OffstageError(
        'INVALID_OPTION',
        `${where}: ${name} is ${show(value)}, expected ${rule.allowed}`,
      );
    }
    read[name] = value === undefined ? rule.otherwise : value;
  }
  return /** @type {Read<R>} */ (read);
}

/** @param {AbortSignal} given @returns {OffstageError} */
export const abortedBy = (given) =>
  new OffstageError('ABORTED', 'aborted by the given signal', { cause: given.reason });

/** @param {AbortSignal | undefined} given */
export function throwIfAborted(given) {
  if (given?.aborted) throw abortedBy(given);
}
