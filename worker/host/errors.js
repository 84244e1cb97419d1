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
  const trapped = error instanceof WebAssembly.RuntimeError;
  const what = trapped ? 'the core trapped' : 'the session failed';
  const text = error instanceof Error ? error.message : String(error);
  return new OffstageError('WORKER_LOST', `${what}: ${text}`, { cause: error });
}

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
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (tag !== 'Object') {
    return ArrayBuffer.isView(value) ? `${tag} of ${value.byteLength} bytes` : `a ${tag}`;
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
 * A message or its payload: an object of fields, and no array, buffer, map or the like.
 * @param {unknown} value
 * @returns {value is Record<string, any>}
 */
export function isRecord(value) {
  return Object.prototype.toString.call(value) === '[object Object]';
}

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
  if (
    object === null ||
    typeof object !== 'object' ||
    Array.isArray(object) ||
    ArrayBuffer.isView(object)
  ) {
    throw new OffstageError(code, `${what} is ${show(object)}, expected an object`);
  }
  for (const key of Object.keys(object)) {
    if (!allowed.includes(key)) {
      throw new OffstageError(
        code,
        `${what}: unknown field '${key}', expected one of ${oneOf(allowed)}`,
      );
    }
  }
  return /** @type {Record<string, any>} */ (object);
}
