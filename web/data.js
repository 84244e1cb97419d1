/* data.js: brings specs and data from the page into a session.
 * Invariant: what crosses is typed, and the page is never busy for long: large data go in transferred slices of
 * about a megabyte with a few under way, nested arrays are converted slice by slice on the way. Nothing of the
 * caller's is detached unless asked (`transfer`). What data must look like is known in worker/data.js only. */
import { ELEMENT_BYTES, copyElements, readX, readY } from '../worker/data.js';
import { OffstageError, show } from '../worker/errors.js';

/** @typedef {import('./client.js').Client} Client */
/** @typedef {import('../worker/data.js').Column} Column */
/** @typedef {import('../worker/data.js').DataFacts} DataFacts */
/** @typedef {Float32Array | Uint8Array | Int32Array} Piece */

/**
 * Data on their way: what they become, and how to get a piece of them.
 * @typedef {object} Source
 * @property {'float32' | 'uint8' | 'int32'} dtype
 * @property {number} length elements
 * @property {number} samples
 * @property {boolean} single one sample, given without an axis of samples
 * @property {number[]} [shape] to be told with the data, where their length does not say it; they go inline then
 * @property {number} step elements of one piece
 * @property {(begin: number, end: number) => Piece} piece an array of its own
 * @property {ArrayLike<number> | undefined} held the array behind it, where it is in one piece
 * @property {ArrayBufferView | undefined} given the caller's own array, where it is a typed one
 */

/** Up to here data go along in the request: cloning them takes less than a further round trip. */
const INLINE_BYTES = 256 * 1024;
const SLICE_BYTES = 1024 * 1024;
const SLICES_UNDER_WAY = 3;
/** Elements of nested arrays that are converted at a time: a millisecond or two. */
const NESTED_ELEMENTS = 64 * 1024;

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
  return nested(x, facts.inputs, facts.inputShape.length + 1, (part) => readX(part, facts))
    ?? whole(withShape(readX(x, facts), facts), x);
}

/**
 * One sample with an axis of samples looks like one without once it is flat, so its shape goes along.
 * @param {Column} column
 * @param {DataFacts} facts
 */
function withShape(column, { inputShape }) {
  return column.samples === 1 && !column.single ? { ...column, shape: [1, ...inputShape] } : column;
}

/** @param {unknown} y @param {DataFacts} facts @param {number} samples @returns {Source} */
export function targets(y, facts, samples) {
  const large = Array.isArray(y) && y.length === samples;
  return (large && nested(y, facts.outputs, facts.outputShape.length + 1, (part) => readY(part, facts, part.length)))
    || whole(readY(y, facts, samples), y);
}

/** @param {Column & { shape?: number[] }} column @param {any} given @returns {Source} */
function whole(column, given) {
  const array = given?.data ?? given;
  return {
    ...column,
    step: SLICE_BYTES / ELEMENT_BYTES[column.dtype],
    piece: (begin, end) => copyElements(column, begin, end),
    held: column.source,
    given: ArrayBuffer.isView(array) ? array : undefined,
  };
}

/**
 * Large nested arrays with an axis of samples, read piece by piece.
 * @param {unknown} values
 * @param {number} width elements of one sample
 * @param {number} depth axes
 * @param {(part: unknown[]) => Column} read
 * @returns {Source | null} null where it is better read at once
 */
function nested(values, width, depth, read) {
  if (!Array.isArray(values) || values.length < 2 || values.length * width <= NESTED_ELEMENTS) return null;
  const axes = axesOf(values);
  if (axes !== depth && axes !== 2) return null;
  const first = read(values.slice(0, 1));
  if (first.length !== width) return null;
  const count = Math.max(1, Math.floor(NESTED_ELEMENTS / width));
  return {
    dtype: first.dtype,
    length: values.length * width,
    samples: values.length,
    single: false,
    step: count * width,
    held: undefined,
    given: undefined,
    piece(begin, end) {
      const from = begin / width;
      const column = fromSample(from, () => read(values.slice(from, end / width)));
      if (column.dtype === first.dtype && column.length === end - begin) return copyElements(column);
      throw new OffstageError('INVALID_DATA', `from sample ${from} on the data are of another form than the first sample`);
    },
  };
}

/** @param {any} values @returns {number} how deep arrays lie in the first elements */
function axesOf(values) {
  let axes = 0;
  for (let node = values; typeof node === 'object' && node !== null && node.length > 0; node = node[0]) axes++;
  return axes;
}

/**
 * Messages count from the piece's first sample, so they say which that is.
 * @template T
 * @param {number} sample
 * @param {() => T} read
 * @returns {T}
 */
function fromSample(sample, read) {
  try {
    return read();
  } catch (error) {
    if (sample === 0 || !(error instanceof OffstageError)) throw error;
    throw new OffstageError(error.code, `counted from sample ${sample}: ${error.message}`, { cause: error.cause });
  }
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
  const separate = new Set(sources.map(({ given }, i) => given?.buffer ?? i)).size === sources.length;
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
      values.push({ upload: id });
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
  const given = handOver ? ownPiece(source) : null;
  const step = given ? length : source.step;
  /** @type {Promise<unknown>[]} */
  const underWay = [];
  for (let begin = 0; begin < length; begin += step) {
    check();
    const bytes = (given ?? source.piece(begin, Math.min(begin + step, length))).buffer;
    const stored = client.request('UPLOAD_DATA',
      { upload: id, dtype, total: length * size, offset: begin * size, bytes }, { transfer: [/** @type {ArrayBuffer} */ (bytes)] });
    stored.catch(() => {}); // awaited below, unless an earlier one fails
    underWay.push(stored);
    if (underWay.length >= SLICES_UNDER_WAY) await underWay.shift();
  }
  await Promise.all(underWay);
}

/** @param {Source} source */
const isSmall = ({ dtype, length, held, shape }) =>
  held !== undefined && (shape !== undefined || length * ELEMENT_BYTES[dtype] <= INLINE_BYTES);

/** @param {Source} source @param {boolean} transfer small data are copied, and what was given is detached */
function inline(source, transfer) {
  const data = (transfer ? null : ownPiece(source)) ?? source.piece(0, source.length);
  return source.shape ? { data, shape: source.shape } : data;
}

/**
 * The array behind a source where it can cross as it is: of the right type, with all of an unshared buffer.
 * @param {Source} source
 * @returns {Piece | null}
 */
function ownPiece({ dtype, held }) {
  const right = dtype === 'uint8' ? held instanceof Uint8Array
    : dtype === 'float32' ? held instanceof Float32Array : held instanceof Int32Array;
  if (!right) return null;
  const array = /** @type {Piece} */ (held);
  return array.buffer instanceof ArrayBuffer && array.byteLength === array.buffer.byteLength ? array : null;
}

/** @param {Source} source */
function checkDetachable({ given }) {
  if (!given || given.buffer instanceof ArrayBuffer) return;
  throw new OffstageError('INVALID_DATA', 'transfer: true got an array over shared memory, which cannot be handed over');
}

/**
 * A view takes its whole buffer along when it is cloned, so partial ones are copied first.
 * @param {unknown} weights
 * @returns {unknown}
 */
export function weightsToSend(weights) {
  if (!Array.isArray(weights)) return weights;
  return weights.map((weight) => {
    const data = weight?.data;
    const partial = data instanceof Float32Array && data.byteLength < data.buffer.byteLength;
    return partial ? { ...weight, data: data.slice() } : weight;
  });
}

/** @param {Source[]} sources */
function detach(sources) {
  const { port1 } = new MessageChannel();
  for (const { given } of sources) {
    if (!given || given.byteLength === 0) continue; // detached along with the one before
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
