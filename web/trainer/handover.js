/* handover.js: brings specs, data and weights from the page into a session.
 * Invariant: what crosses is typed, and the page is never busy for long: large data go in transferred slices of
 * about a megabyte with a few under way, each made when an earlier one has arrived, in the buffer that came back;
 * lists are converted slice by slice on the way. Nothing of the caller's is detached unless asked (`transfer`).
 * What data must look like is known in worker/data/forms.js only. */
import { ELEMENT_BYTES, copyElements } from '../../worker/data/columns.js';
import { readFlat, readWeights, readX, readY } from '../../worker/data/forms.js';
import { OffstageError, isRecord, show } from '../../worker/host/errors.js';
import { createYield } from '../../worker/host/clock.js';

/** @typedef {import('../host/client.js').Client} Client */
/** @typedef {import('../../worker/data/columns.js').Column} Column */
/** @typedef {import('../../worker/data/columns.js').DataFacts} DataFacts */
/** @typedef {import('../../worker/data/columns.js').Piece} Piece */

/**
 * Data on their way.
 * @typedef {Column & Extras} Source
 * @typedef {object} Extras
 * @property {'inputs' | 'outputs' | undefined} [key] of several
 * @property {number[]} [shape] of a sample
 * @property {boolean} [tellShape] with the data, whose length does not say it: they go inline then
 * @property {ArrayBufferView[]} given the caller's own arrays, where they are typed ones
 */

/** Up to here data go along in the request: cloning them takes less than a further round trip. */
const INLINE_BYTES = 256 * 1024;
const SLICE_BYTES = 1024 * 1024;
const SLICES_UNDER_WAY = 3;
/** Elements of lists that are converted at a time: half a millisecond to two. */
const LIST_ELEMENTS = 32 * 1024;

/**
 * A copy of the spec that can be cloned: frameworks hand in proxies, which cannot.
 * @param {unknown} spec
 * @returns {object}
 */
export function plainSpec(spec) {
  if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) {
    throw new OffstageError('INVALID_SPEC', `the spec is ${show(spec)}, expected an object`);
  }
  if ('runtime' in spec) throw new OffstageError('INVALID_SPEC', "the spec: unknown field 'runtime'");
  try {
    return plain(spec);
  } catch (cause) {
    throw new OffstageError('INVALID_SPEC', `the spec cannot be read: ${/** @type {Error} */ (cause).message}`, { cause });
  }
}

/** @param {any} value @returns {any} */
function plain(value) {
  if (Array.isArray(value)) return Array.from(value, plain);
  const kind = Object.prototype.toString.call(value);
  if (kind !== '[object Object]') return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]));
}

/** @param {unknown} x @param {DataFacts} facts @returns {Source} */
export function inputs(x, facts) {
  const column = readX(x, facts);
  /* One sample with an axis of samples looks like one without once it is flat, so its shape goes along. */
  return { ...column, key: 'inputs', shape: facts.inputs[0].shape, tellShape: column.samples === 1 && !column.single, given: givenArrays(x, 'inputs') };
}

/** @param {unknown} y @param {DataFacts} facts @param {number} samples @returns {Source} */
export function targets(y, facts, samples) {
  return { ...readY(y, facts, samples), key: 'outputs', given: givenArrays(y, 'outputs') };
}

/** @param {unknown} weights of the samples @param {number} samples @returns {Source[]} none where there are none */
export const sampleWeights = (weights, samples) =>
  (weights === undefined ? [] : [{ ...readWeights(weights, samples), given: givenArrays(weights) }]);

/**
 * Stands for x and y of a fit that trains on what storage holds under the run's name.
 * @type {Source}
 */
export const STORED = Object.freeze(/** @type {any} */ ({ stored: true }));

/**
 * What was handed over is gone with the session that had it. @param {Source} source
 * @returns {boolean}
 */
export const isGone = ({ given, length }) => length > 0 && given.some(({ byteLength }) => byteLength === 0);

/** @param {any} cause an error @returns {OffstageError} */
export const dataLost = (cause) => new OffstageError('DATA_LOST',
  `the data were handed over (transfer: true) to a worker that is lost: ${cause?.message}`, { cause });

/** @param {any} value @param {string} [key] of several @returns {ArrayBufferView[]} */
function givenArrays(value, key = '') {
  const all = Object(value)[key];
  return (all ? Object.values(all) : [value]).map((each) => each?.data ?? each).filter((array) => ArrayBuffer.isView(array));
}

/** @param {Column} column */
const isTyped = ({ typed, parts }) => (parts ? parts.every(({ column }) => column.typed) : typed !== undefined);

/** Elements of one slice. @param {Column} column */
function stepOf(column) {
  const most = isTyped(column) ? SLICE_BYTES / ELEMENT_BYTES[column.dtype] : LIST_ELEMENTS;
  return column.unit * Math.max(1, Math.floor(most / column.unit));
}

/**
 * Makes sources ready for a request: at once where all are small, else through uploads. The uploads are the
 * session's once the request is posted; where that is not reached they are discarded here.
 * @param {Client} client
 * @param {Source[]} sources
 * @param {{ transfer: boolean, check: () => void }} options check throws to end the delivery
 * @returns {unknown[] | Promise<unknown[]>} what stands for each source in the request's payload
 */
export function deliver(client, sources, { transfer, check }) {
  if (transfer) sources.forEach(checkDetachable);
  if (sources.every(isSmall)) {
    const values = sources.map((source) => inline(source, transfer));
    if (transfer) detach(sources);
    return values;
  }
  return upload(client, sources, { transfer, check });
}

/**
 * @param {Client} client
 * @param {Source[]} sources
 * @param {{ transfer: boolean, check: () => void }} options
 * @returns {Promise<unknown[]>}
 */
async function upload(client, sources, { transfer, check }) {
  /** @type {number[]} */
  const uploads = [];
  /* Transferred in one go only where that cannot take another source's data along, and not to this thread,
   * which would then copy all of it into wasm in one go. */
  const buffers = sources.flatMap(({ given }) => given.map(({ buffer }) => buffer));
  const separate = new Set(buffers).size === buffers.length;
  const handOver = transfer && separate && client.mode === 'worker';
  try {
    const values = [];
    for (const source of sources) {
      if (isSmall(source)) {
        values.push(inline(source, transfer));
        continue;
      }
      const id = ++client.lastUpload;
      uploads.push(id);
      await send(client, id, source, { handOver, check });
      values.push({ upload: id, ...(source.indices && { indices: source.indices }) });
    }
    check();
    if (transfer) detach(sources);
    return values;
  } catch (error) {
    for (const id of uploads) client.request('DISCARD_DATA', { upload: id }).catch(() => {});
    throw error;
  }
}

/**
 * @param {Client} client
 * @param {number} id
 * @param {Source} source
 * @param {{ handOver: boolean, check: () => void }} options
 */
async function send(client, id, source, { handOver, check }) {
  const { dtype, length } = source;
  const size = ELEMENT_BYTES[dtype];
  const own = handOver ? ownPiece(source) : null;
  const step = own ? length : stepOf(source);
  /** @type {ArrayBuffer | undefined} that the session is done with */
  let spare;
  /** @type {Promise<{ bytes?: ArrayBuffer }>[]} */
  const underWay = [];
  for (let begin = 0; begin < length; begin += step) {
    check();
    const count = Math.min(step, length - begin);
    const place = spare?.byteLength === count * size ? { buffer: spare, at: 0 } : undefined;
    const bytes = /** @type {ArrayBuffer} */ ((own ?? copyElements(source, begin, count, place)).buffer);
    const stored = client.request('UPLOAD_DATA',
      { upload: id, dtype, total: length * size, offset: begin * size, bytes }, { transfer: [bytes] });
    stored.catch(() => {}); // awaited below, unless an earlier one fails
    underWay.push(stored);
    if (underWay.length >= SLICES_UNDER_WAY) spare = (await underWay.shift())?.bytes;
  }
  await Promise.all(underWay);
}

/** @param {Source} source */
const isSmall = (source) => source.tellShape
  || (source.length * ELEMENT_BYTES[source.dtype] <= INLINE_BYTES && (isTyped(source) || source.length <= LIST_ELEMENTS));

/** @param {Source} source @param {boolean} transfer small data are copied, and what was given is detached */
function inline(source, transfer) {
  const { key, parts, samples } = source;
  const of = (/** @type {Column} */ column, /** @type {number[]} */ shape = []) => {
    const data = (transfer ? null : ownPiece(column)) ?? copyElements(column, 0, column.length);
    return source.tellShape ? { data, shape: [samples, ...shape] } : data;
  };
  return parts && key ? { [key]: Object.fromEntries(parts.map(({ name, column, shape }) => [name, of(column, shape)])) } : of(source, source.shape);
}

/**
 * The array behind a source where it can cross as it is: of the right type, with all of an unshared buffer.
 * @param {Column} column
 * @returns {Piece | null}
 */
function ownPiece({ dtype, typed }) {
  const right = dtype === 'uint8' ? typed instanceof Uint8Array
    : dtype === 'float32' ? typed instanceof Float32Array : typed instanceof Int32Array;
  return right && typed.buffer instanceof ArrayBuffer && typed.byteLength === typed.buffer.byteLength ? typed : null;
}

/** @param {Source} source */
function checkDetachable({ given }) {
  if (given.every(({ buffer }) => buffer instanceof ArrayBuffer)) return;
  throw new OffstageError('INVALID_DATA', 'transfer: true got an array over shared memory, which cannot be handed over');
}

/** @typedef {{ weights: unknown, transfer: Transferable[] }} WeightsToSend */

/**
 * Weights as they cross: large ones are copied in slices between which the page has its turn.
 * @param {any} given
 * @returns {WeightsToSend | Promise<WeightsToSend>}
 */
export function weightsToSend(given) {
  if (!Array.isArray(given)) return { weights: given, transfer: [] };
  const weights = Array.from(given, (weight) =>
    (isRecord(weight) ? { ...weight, shape: plainList(weight.shape) } : weight));
  const columns = weights.map((weight, i) => readFlat(weight?.data, `weights[${i}].data`));
  const length = columns.reduce((sum, column) => sum + (column?.length ?? 0), 0);
  if (length * ELEMENT_BYTES.float32 > INLINE_BYTES) return copyWeights(weights, columns);
  /* A view takes its whole buffer along when it is cloned. */
  const partial = (/** @type {any} */ data) => ArrayBuffer.isView(data) && data.byteLength < data.buffer.byteLength;
  const own = (/** @type {any} */ data) => (partial(data) ? data.slice() : plainList(data));
  const small = weights.map((weight) => (isRecord(weight) ? { ...weight, data: own(weight.data) } : weight));
  return { weights: small, transfer: [] };
}

/** An array that can be cloned, which a framework's proxy cannot. @param {any} value */
const plainList = (value) => (Array.isArray(value) ? Array.from(value) : value);

/** @param {any[]} weights @param {(Column | null)[]} columns @returns {Promise<WeightsToSend>} */
async function copyWeights(weights, columns) {
  /** @type {Float32Array<ArrayBuffer>[]} */
  const copies = [];
  for (const column of columns) {
    if (!column) continue;
    const copy = new Float32Array(column.length);
    const step = stepOf(column);
    for (let begin = 0; begin < column.length; begin += step) {
      column.read(copy.subarray(begin, begin + step), begin);
      await turn();
    }
    copies.push(copy);
  }
  const transfer = copies.map((copy) => copy.buffer);
  return { weights: weights.map((weight, i) => (columns[i] ? { ...weight, data: copies.shift() } : weight)), transfer };
}

/** @param {unknown} given @returns {Uint8Array} */
export function checkpointBytes(given) {
  try {
    if (given instanceof Uint8Array) return given.subarray();
    if (given instanceof ArrayBuffer) return new Uint8Array(given);
  } catch (cause) { // handed over to somebody else, or no array behind a proxy
    const why = /** @type {Error} */ (cause).message;
    throw new OffstageError('BAD_CHECKPOINT', `bytes cannot be read (${why}), expected the Uint8Array of a checkpoint`, { cause });
  }
  throw new OffstageError('BAD_CHECKPOINT', `bytes is ${show(given)}, expected the Uint8Array of a checkpoint`);
}

/**
 * A copy in a buffer of its own: at once where it is small, else the page has its turn between two slices.
 * @param {Uint8Array} bytes
 * @returns {Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>}
 */
export const copyBytes = (bytes) => (bytes.length <= SLICE_BYTES ? new Uint8Array(bytes) : copySlices(bytes));

/** @param {Uint8Array} bytes @returns {Promise<Uint8Array<ArrayBuffer>>} */
async function copySlices(bytes) {
  const copy = new Uint8Array(bytes.length);
  for (let begin = 0; begin < bytes.length; begin += SLICE_BYTES) {
    if (begin > 0) await turn();
    copy.set(bytes.subarray(begin, begin + SLICE_BYTES), begin);
  }
  return copy;
}

/** @type {ReturnType<typeof createYield> | undefined} */
let later;
/** The page's turn. @returns {Promise<void>} */
const turn = () => new Promise((resolve) => (later ??= createYield())(resolve));

/** @param {Source[]} sources */
function detach(sources) {
  const { port1 } = new MessageChannel();
  for (const given of sources.flatMap((source) => source.given)) {
    if (given.byteLength === 0) continue; // detached along with the one before
    const refuse = (/** @type {unknown} */ cause) => {
      throw new OffstageError('INVALID_DATA', 'transfer: true got an array that cannot be handed over', { cause });
    };
    try {
      port1.postMessage(null, [/** @type {ArrayBuffer} */ (given.buffer)]);
    } catch (cause) {
      refuse(cause);
    }
    if (given.byteLength > 0) refuse(undefined); // Node copies wasm memory instead of refusing it
  }
  port1.close();
}
