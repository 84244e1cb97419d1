/* errors.js: the one error that Offstage throws, and how it crosses the wire.
 *
 * Every refusal has a code from the list below and a message that says what was got, what was
 * expected and where. Nothing here knows what went wrong: whoever refuses writes the message. */

/** @typedef {'INVALID_SPEC' | 'INVALID_DATA' | 'INVALID_OPTION' | 'BUSY' | 'DISPOSED' | 'ABORTED' |
 *   'TIMEOUT' | 'WORKER_LOST' | 'DATA_LOST' | 'OUT_OF_MEMORY' | 'BAD_CHECKPOINT' | 'BAD_MESSAGE' |
 *   'NON_FINITE' | 'UNSUPPORTED'} ErrorCode */

/** @typedef {{ error: string, code: ErrorCode, stack?: string, request?: string }} WireError */

/** @type {readonly ErrorCode[]} */
export const ERROR_CODES = Object.freeze([
  'INVALID_SPEC',
  'INVALID_DATA',
  'INVALID_OPTION',
  'BUSY',
  'DISPOSED',
  'ABORTED',
  'TIMEOUT',
  'WORKER_LOST',
  'DATA_LOST',
  'OUT_OF_MEMORY',
  'BAD_CHECKPOINT',
  'BAD_MESSAGE',
  'NON_FINITE',
  'UNSUPPORTED',
]);

export class OffstageError extends Error {
  /**
   * By name: a file that is loaded later has a class of its own (parts.js).
   * @override @param {any} value
   */
  static [Symbol.hasInstance](value) {
    return value?.name === 'OffstageError';
  }

  /**
   * @param {ErrorCode} code
   * @param {string} message  what was got, what was expected, where
   * @param {{ cause?: unknown }} [options]
   */
  constructor(code, message, options) {
    super(message, options);
    this.name = 'OffstageError';
    /** @type {ErrorCode} */
    this.code = code;
  }
}

/**
 * Names the option whose data an error is about; any other error stays as it is.
 * @param {string} option @param {any} error
 */
export const about = (option, error) =>
  error instanceof OffstageError && error.code === 'INVALID_DATA'
    ? new OffstageError(error.code, `${option}: ${error.message}`, { cause: error.cause })
    : error;

/**
 * With the stack of what caused it below its own.
 * @param {OffstageError} error
 * @returns {WireError}
 */
export function errorToWire(error) {
  const { stack } = /** @type {{ stack?: unknown }} */ (error.cause ?? {});
  return {
    error: error.message,
    code: error.code,
    stack: typeof stack === 'string' ? `${error.stack}\nCaused by: ${stack}` : error.stack,
  };
}

/**
 * The error that a reply carries; its cause has the stack of the thread where it was made. A code
 * that this version does not know stays readable in the message.
 * @param {Partial<WireError> | undefined | null} payload
 * @returns {OffstageError}
 */
export function errorFromWire(payload) {
  const text = typeof payload?.error === 'string' ? payload.error : '';
  const message = text || 'the worker answered with an error that says nothing';
  const known = payload?.code !== undefined && ERROR_CODES.includes(payload.code);
  const error = known
    ? new OffstageError(/** @type {ErrorCode} */ (payload.code), message)
    : new OffstageError('BAD_MESSAGE', `${message} (unknown code ${show(payload?.code)})`);
  if (typeof payload?.stack === 'string') {
    error.cause = Object.assign(new Error(message), { stack: payload.stack });
  }
  return error;
}

/**
 * What was thrown without being a refusal: a trap of the core, or a defect of ours.
 * @param {unknown} error
 * @returns {OffstageError}
 */
export function trapError(error) {
  const trapped = /** @type {any} */ (error)?.name === 'RuntimeError'; // of WebAssembly
  const what = trapped ? 'the core trapped' : 'the session failed';
  return new OffstageError('WORKER_LOST', `${what}: ${reasonOf(error)}`, { cause: error });
}

/** What somebody else's error says. @param {any} cause @returns {string} */
export const reasonOf = (cause) =>
  typeof cause?.message === 'string' ? cause.message : String(cause);

/**
 * The kind of an object as whoever made it has it, in any realm: 'Array', 'ArrayBuffer', 'Map'.
 * @param {unknown} value
 */
export const tagOf = (value) => Object.prototype.toString.call(value).slice(8, -1);

/** The getter is %TypedArray%'s own: it knows the arrays of every realm, and nothing else. */
const { get: typeOf } = /** @type {PropertyDescriptor & { get: () => any }} */ (
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)
);

/**
 * Such as 'Float32Array'; undefined where it is no typed array.
 * @param {unknown} value @returns {string | undefined}
 */
export const arrayType = (value) => typeOf.call(value);

/**
 * A value as an error message shows it: short, never throwing.
 * @param {unknown} value
 * @returns {string}
 */
export function show(value) {
  if (typeof value === 'string') {
    return value.length > 60 ? `'${value.slice(0, 57)}...'` : `'${value}'`;
  }
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'symbol') return 'a symbol';
  if (value === null || typeof value !== 'object') {
    return Object.is(value, -0) ? '-0' : String(value);
  }
  if (Array.isArray(value)) {
    const shown = Array.from({ length: Math.min(6, value.length) }, (_, i) =>
      Array.isArray(value[i]) ? '[...]' : show(value[i]),
    );
    return `[${shown.join(', ')}${value.length > 6 ? `, ... ${value.length} in all` : ''}]`;
  }
  const tag = tagOf(value);
  if (ArrayBuffer.isView(value)) return `${tag} of ${value.byteLength} bytes`;
  if (tag !== 'Object') return `${/^([AEIO]|HTML)/.test(tag) ? 'an' : 'a'} ${tag}`;
  if (!isRecord(value)) {
    const { name } = /** @type {any} */ (value).constructor ?? {};
    return `an instance of ${name || 'a class'} without fields of its own`;
  }
  const keys = Object.keys(value);
  return `{ ${keys.slice(0, 6).join(', ')}${keys.length > 6 ? ', ...' : ''} }`;
}

/**
 * Names in a sentence, for "expected one of ...".
 * @param {readonly string[]} names
 */
export function oneOf(names) {
  return names.length === 0 ? 'none' : names.map((name) => `'${name}'`).join(', ');
}

/**
 * The elements of an array from outside, up to the first hole: a length is claimed for nothing, and
 * an array's own properties may hide its methods.
 * @param {ArrayLike<any>} list
 * @returns {any[]}
 */
export function elementsOf(list) {
  const elements = [];
  for (let i = 0; i < list.length && i in list; i++) elements.push(list[i]);
  return elements;
}

/**
 * An object of fields, of any realm, behind a proxy or not: no array, buffer, Map, Promise, Date or
 * the like, and no instance of a class whose fields nobody can see.
 * @param {unknown} value
 * @returns {value is Record<string, any>}
 */
export function isRecord(value) {
  if (tagOf(value) !== 'Object') return false;
  const prototype = Object.getPrototypeOf(value);
  const plain = prototype === null || Object.getPrototypeOf(prototype) === null;
  return plain || Object.keys(/** @type {object} */ (value)).length > 0;
}

/** The fields that errors of checkFields() are about. @type {WeakMap<object, string>} */
export const unknownFields = new WeakMap();

/**
 * Refuses what is no plain object, and every field that is not allowed: a misspelt option is an
 * error.
 * @param {unknown} object
 * @param {readonly string[]} allowed
 * @param {string} what
 * @param {ErrorCode} code
 * @returns {Record<string, any>}
 */
export function checkFields(object, allowed, what, code) {
  if (!isRecord(object)) {
    throw new OffstageError(code, `${what} is ${show(object)}, expected an object`);
  }
  for (const key of Object.keys(object)) {
    if (!allowed.includes(key)) {
      const error = new OffstageError(
        code,
        `${what}: unknown field '${key}', expected one of ${oneOf(allowed)}${meant(key, allowed)}`,
      );
      unknownFields.set(error, key);
      throw error;
    }
  }
  return object;
}

/** A name without what spellings differ in. @param {string} name */
export const folded = (name) => name.toLowerCase().replace(/[^a-z0-9]/g, '');

/**
 * What was meant by a name that is nearly one of these, for a sentence; '' where nobody can tell.
 * @param {unknown} name @param {readonly string[]} names
 */
export function meant(name, names) {
  if (typeof name !== 'string' || name.length > 40) return '';
  const given = folded(name);
  let [best, least] = ['', given.length / 3 + 0.1];
  for (const each of given ? names : []) {
    const other = folded(each);
    const begins = given.length > 2 && other.startsWith(given);
    const far = other === given ? -1 : begins ? 0.5 : distance(given, other);
    if (far < least) [best, least] = [each, far];
  }
  return best && `; did you mean '${best}'?`;
}

/**
 * Letters to put in, take out or change, to make one word of another (Levenshtein 1966).
 * @param {string} a @param {string} b
 */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(
        Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)),
      );
    }
    row = next;
  }
  return row[b.length];
}
