/* older.js: what engines of 2020 and 2021 lack of the language's own functions, for the files that
 * wasm-build/bundles.mjs makes for them: it puts these names in the place of the functions'. They
 * do what Offstage needs of them and no more, and the page's own are left alone. */

const own = Object.prototype.hasOwnProperty;

/** @param {object} object @param {PropertyKey} name */
export const OFFSTAGE_HAS_OWN = (object, name) => own.call(object, name);

/** @param {any} value plain data: numbers, texts, arrays, records @returns {any} */
export const copy = (value) => {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(copy);
  if (Object.getPrototypeOf(value) !== Object.prototype) throw new TypeError('no plain data');
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, copy(each)]));
};

const { Error: Own } = globalThis;
class WithCause extends Own {
  /** @param {string} [message] @param {{ cause?: unknown }} [options] */
  constructor(message, options) {
    super(message);
    if (!options || !('cause' in options)) return;
    const { cause: value } = options;
    Object.defineProperty(this, 'cause', { value, writable: true, configurable: true });
  }
}
/** Keeps the cause of an error. @type {ErrorConstructor} */
export const OFFSTAGE_ERROR = /** @type {any} */ (
  'cause' in new Own('', { cause: 0 }) ? Own : WithCause
);

/** @type {typeof structuredClone} */
export const OFFSTAGE_CLONE = /** @type {any} */ (globalThis).structuredClone ?? copy;
