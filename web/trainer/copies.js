/* copies.js: copies what crosses to a session by value: specs, weights, checkpoints.
 * Invariant: what it gives can be cloned or transferred, and shares no memory with what the app
 * holds; of large ones the page has its turn between two slices. */
import { ELEMENT_BYTES } from '../../worker/data/columns.js';
import { readFlat } from '../../worker/data/forms.js';
import { OffstageError, arrayType, isRecord, show, tagOf } from '../../worker/host/errors.js';
import { AT_ONCE_BYTES, INLINE_BYTES, SLICE_BYTES, capture, turn } from './capture.js';
import { givenArrays } from './handover.js';

/** @typedef {import('../../worker/data/columns.js').Column} Column */

/**
 * Copies the spec: what frameworks hand in may be proxies, which cannot be cloned.
 * @param {unknown} spec
 * @returns {object}
 */
export function plainSpec(spec) {
  if (!isRecord(spec)) {
    throw new OffstageError('INVALID_SPEC', `the spec is ${show(spec)}, expected an object`);
  }
  if ('runtime' in spec) {
    throw new OffstageError('INVALID_SPEC', "the spec: unknown field 'runtime'");
  }
  try {
    return plainData(spec, '', 'INVALID_SPEC');
  } catch (cause) {
    if (cause instanceof OffstageError) throw cause;
    const why = /** @type {Error} */ (cause).message;
    throw new OffstageError('INVALID_SPEC', `the spec cannot be read: ${why}`, { cause });
  }
}

/**
 * Copies what is to be cloned, and refuses what no session could be told of; the session refuses
 * the rest in its own words.
 * @param {any} value @param {string} path @param {import('../../worker/host/errors.js').ErrorCode}
 *   code
 * @returns {any}
 */
export function plainData(value, path, code) {
  if (Array.isArray(value)) {
    return Array.from(value, (part, i) => plainData(part, `${path}[${i}]`, code));
  }
  if (isRecord(value)) {
    const inside = path && `${path}.`;
    return Object.fromEntries(
      Object.entries(value).map(([name, part]) => [name, plainData(part, inside + name, code)]),
    );
  }
  if (!CANNOT_CROSS.includes(typeof value === 'object' ? tagOf(value) : typeof value)) return value;
  throw new OffstageError(
    code,
    `${path} is ${show(value)}, expected data: a name, a number, an array or a plain object`,
  );
}

/** An Object here is an instance whose fields nobody sees. */
const CANNOT_CROSS = ['function', 'symbol', 'Object', 'Promise', 'WeakMap', 'WeakSet', 'WeakRef'];

/** @typedef {{ weights: unknown, transfer: Transferable[] }} WeightsToSend */

/**
 * Copies weights: large ones in slices between which the page has its turn.
 * @param {any} given
 * @returns {WeightsToSend | Promise<WeightsToSend>}
 */
export function weightsToSend(given) {
  if (!Array.isArray(given)) return { weights: given, transfer: [] };
  const weights = Array.from(given, (weight) =>
    isRecord(weight) ? { ...weight, shape: plainList(weight.shape) } : weight,
  );
  const columns = weights.map((weight, i) => readFlat(weight?.data, `weights[${i}].data`));
  const length = columns.reduce((sum, column) => sum + (column?.length ?? 0), 0);
  if (length * ELEMENT_BYTES.float32 > INLINE_BYTES) return copyWeights(weights, columns);
  const own = (/** @type {any} */ data) =>
    ArrayBuffer.isView(data) ? /** @type {any} */ (data).slice() : plainList(data);
  const small = weights.map((weight) =>
    isRecord(weight) ? { ...weight, data: own(weight.data) } : weight,
  );
  return { weights: small, transfer: [] };
}

/** Copies an array: a framework's proxy could not be cloned. @param {any} value */
const plainList = (value) => (Array.isArray(value) ? Array.from(value) : value);

/** @param {any[]} weights @param {(Column | null)[]} columns @returns {Promise<WeightsToSend>} */
async function copyWeights(weights, columns) {
  const dtype = /** @type {const} */ ('float32');
  const sources = columns.flatMap((column, i) => {
    const { data } = weights[i] ?? {};
    const name = `weights[${i}].data`;
    return column ? [{ ...column, dtype, name, given: givenArrays(data) }] : [];
  });
  const copies = capture(sources);
  for (const { copy, length } of copies) await copy?.until(length);
  const transfer = copies.map(({ typed }) => typed.buffer);
  const copied = weights.map((weight, i) =>
    columns[i] ? { ...weight, data: copies.shift()?.typed } : weight,
  );
  return { weights: copied, transfer };
}

/** @param {unknown} given @returns {Uint8Array} */
export function checkpointBytes(given) {
  try {
    if (arrayType(given) === 'Uint8Array') return /** @type {Uint8Array} */ (given).subarray();
    if (tagOf(given) === 'ArrayBuffer') return new Uint8Array(/** @type {ArrayBuffer} */ (given));
    Object(given).byteLength; // throws where a proxy hides one of them
  } catch (cause) {
    // handed over to somebody else, or no array behind a proxy
    refuseBytes(`bytes cannot be read (${/** @type {Error} */ (cause).message})`, cause);
  }
  return refuseBytes(`bytes is ${show(given)}`);
}

/** @param {string} got @param {unknown} [cause] @returns {never} */
function refuseBytes(got, cause) {
  const message = `${got}, expected the Uint8Array of a checkpoint`;
  throw new OffstageError('BAD_CHECKPOINT', message, cause === undefined ? undefined : { cause });
}

/**
 * A copy in a buffer of its own: at once up to AT_ONCE_BYTES, the rest slice by slice, between
 * which the page has its turn. Who changes the bytes before their end makes a copy whose checksum
 * is wrong.
 * @param {Uint8Array} bytes
 * @returns {Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>}
 */
export const copyBytes = (bytes) =>
  bytes.length <= AT_ONCE_BYTES ? new Uint8Array(bytes) : copySlices(bytes);

/** @param {Uint8Array} bytes @returns {Promise<Uint8Array<ArrayBuffer>>} */
async function copySlices(bytes) {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes.subarray(0, AT_ONCE_BYTES));
  for (let begin = AT_ONCE_BYTES; begin < copy.length; begin += SLICE_BYTES) {
    await turn();
    copy.set(bytes.subarray(begin, begin + SLICE_BYTES), begin);
  }
  return copy;
}
