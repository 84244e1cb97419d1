/* handover.js: brings data from the page into a session.
 * Invariant: what crosses is typed, and the page is never busy for long: large data go in
 * transferred slices of about a megabyte with a few under way, each made when an earlier one has
 * arrived, in the buffer that came back; lists are converted slice by slice on the way. Nothing of
 * the caller's is detached unless asked (`transfer`). What data must look like is known in
 * worker/data/forms.js only. */
import { ELEMENT_BYTES, copyElements, dtypeOf } from '../../worker/data/columns.js';
import { readWeights, readX, readY } from '../../worker/data/forms.js';
import { OffstageError, tagOf } from '../../worker/host/errors.js';
import { messageChannel } from '../../worker/host/node.js';
import { isSmall, stepOf } from './capture.js';

/** @typedef {import('../host/client.js').Client} Client */
/** @typedef {import('../../worker/data/columns.js').Column} Column */
/** @typedef {import('../../worker/data/columns.js').DataFacts} DataFacts */
/** @typedef {import('../../worker/data/columns.js').Piece} Piece */

/**
 * Data on their way into a session.
 * @typedef {Column & Extras & import('./capture.js').Captured} Source
 * @typedef {object} Extras
 * @property {'inputs' | 'outputs' | undefined} [key] names the list, where there are several
 * @property {number[]} [shape] of a sample
 */

const SLICES_UNDER_WAY = 3;

/** @param {unknown} x @param {DataFacts} facts @returns {Source} */
export function inputs(x, facts) {
  const column = readX(x, facts);
  /* One sample with an axis of samples looks like one without once it is flat, so its shape goes
   * along. */
  return {
    ...column,
    name: 'x',
    key: 'inputs',
    shape: facts.inputs[0].shape,
    given: givenArrays(x, 'inputs'),
    tellShape: column.samples === 1 && !column.single,
  };
}

/** @param {unknown} y @param {DataFacts} facts @param {number} samples @returns {Source} */
export function targets(y, facts, samples) {
  return {
    ...readY(y, facts, samples),
    name: 'y',
    key: 'outputs',
    given: givenArrays(y, 'outputs'),
  };
}

/**
 * @param {unknown} weights of the samples
 * @param {number} samples
 * @returns {Source[]} none where there are none
 */
export const sampleWeights = (weights, samples) =>
  weights === undefined
    ? []
    : [{ ...readWeights(weights, samples), name: 'sampleWeight', given: givenArrays(weights) }];

/**
 * Stands for x and y of a fit that trains on what storage holds under the run's name.
 * @type {Source}
 */
export const STORED = Object.freeze(/** @type {any} */ ({ stored: true }));

/**
 * Tells whether data that were handed over are gone with the session that had them.
 * @param {Source} source
 * @returns {boolean}
 */
export const isGone = ({ given, length }) =>
  length > 0 && given.some(({ byteLength }) => byteLength === 0);

export const HANDED_OVER = 'were handed over (transfer: true)';

/**
 * Makes the error of data that a lost session had, and nobody else has.
 * @param {string} how so
 * @param {any} cause an error
 */
export const dataLost = (how, cause) =>
  new OffstageError(
    'DATA_LOST',
    `the data ${how}, and the worker that had them is lost: ${cause?.message}`,
    { cause },
  );

/**
 * Lists the caller's own typed arrays.
 * @param {any} value
 * @param {string} [key] the name of the list, where there are several
 * @returns {ArrayBufferView[]}
 */
export function givenArrays(value, key = '') {
  const all = Object(value)[key];
  const arrays = (all ? Object.values(all) : [value]).map((each) => each?.data ?? each);
  return arrays.filter((array) => ArrayBuffer.isView(array));
}

/**
 * @typedef {object} DeliverOptions
 * @property {boolean} transfer
 * @property {() => void} check throws to end the delivery
 * @property {(source: Source, fingerprint: string) => void} [sent] what the session has got of a
 *   source: it may throw likewise
 */

/**
 * Makes sources ready for a request: at once where all are small, else through uploads. The uploads
 * are the session's once the request is posted; where that is not reached they are discarded here.
 * @param {Client} client
 * @param {Source[]} sources
 * @param {DeliverOptions} options
 * @returns {unknown[] | Promise<unknown[]>} what stands for each source in the request's payload
 */
export function deliver(client, sources, options) {
  const { transfer } = options;
  if (transfer) sources.forEach(checkDetachable);
  if (sources.every(isSmall)) {
    const values = sources.map((source) => inline(source, transfer));
    if (transfer) detach(sources);
    return values;
  }
  return upload(client, sources, options);
}

/** Uploads are numbered through all sessions of the page. */
let lastUpload = 0;

/**
 * @param {Client} client
 * @param {Source[]} sources
 * @param {DeliverOptions} options
 * @returns {Promise<unknown[]>}
 */
async function upload(client, sources, { transfer, check, sent }) {
  /** @type {number[]} */
  const uploads = [];
  /* Transferred in one go only where that cannot take another source's data along, and not to this
   * thread, which would then copy all of it into wasm in one go. */
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
      const id = ++lastUpload;
      uploads.push(id);
      const fingerprint = await send(client, id, source, { handOver, check });
      if (fingerprint !== undefined) sent?.(source, fingerprint);
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
 * @returns {Promise<string | undefined>} the fingerprint of what has arrived
 */
async function send(client, id, source, { handOver, check }) {
  const { dtype, length } = source;
  const size = ELEMENT_BYTES[dtype];
  const own = handOver && !source.copy ? ownPiece(source) : null;
  const step = own ? length : stepOf(source);
  /** The buffer of a slice that the session is done with. @type {ArrayBuffer | undefined} */
  let spare;
  /** @type {Promise<import('../../worker/protocol.js').DataStored>[]} */
  const underWay = [];
  for (let begin = 0; begin < length; begin += step) {
    check();
    const count = Math.min(step, length - begin);
    if (source.copy) await source.copy.until(begin + count);
    source.guard?.check(begin, begin + count);
    const place = spare?.byteLength === count * size ? { buffer: spare, at: 0 } : undefined;
    const piece = own ?? copyElements(source, begin, count, place);
    const bytes = /** @type {ArrayBuffer} */ (piece.buffer);
    const payload = { upload: id, dtype, total: length * size, offset: begin * size, bytes };
    const stored = client.request('UPLOAD_DATA', payload, { transfer: [bytes] });
    stored.catch(() => {}); // awaited below, unless an earlier one fails
    underWay.push(stored);
    if (underWay.length >= SLICES_UNDER_WAY) spare = (await underWay.shift())?.bytes;
  }
  return (await Promise.all(underWay)).pop()?.fingerprint;
}

/**
 * @param {Source} source
 * @param {boolean} transfer small data are copied, and what was given is detached
 */
function inline(source, transfer) {
  const { key, parts, samples } = source;
  source.guard?.check(0, source.length);
  const of = (/** @type {Column} */ column, /** @type {number[]} */ shape = []) => {
    const data = (transfer ? null : ownPiece(column)) ?? copyElements(column, 0, column.length);
    return source.tellShape ? { data, shape: [samples, ...shape] } : data;
  };
  if (!parts || !key) return of(source, source.shape);
  const named = parts.map(({ name, column, shape }) => [name, of(column, shape)]);
  return { [key]: Object.fromEntries(named) };
}

/**
 * The array behind a source where it can cross as it is: of the right type, with all of an unshared
 * buffer.
 * @param {Column} column
 * @returns {Piece | null}
 */
function ownPiece({ dtype, typed }) {
  if (dtypeOf(typed) !== dtype || tagOf(typed.buffer) !== 'ArrayBuffer') return null;
  return typed.byteLength === typed.buffer.byteLength ? typed : null;
}

/** @param {Source} source */
function checkDetachable({ given }) {
  if (given.every(({ buffer }) => tagOf(buffer) === 'ArrayBuffer')) return;
  refuseTransfer('over shared memory, which cannot be handed over');
}

/** @param {Source[]} sources */
function detach(sources) {
  const { port1 } = messageChannel();
  for (const given of sources.flatMap((source) => source.given)) {
    if (given.byteLength === 0) continue; // detached along with the one before
    try {
      port1.postMessage(null, [/** @type {ArrayBuffer} */ (given.buffer)]);
    } catch (cause) {
      refuseTransfer('that cannot be handed over', cause);
    }
    /* Node copies wasm memory instead of refusing it. */
    if (given.byteLength > 0) refuseTransfer('that cannot be handed over');
  }
  port1.close();
}

/** @param {string} got what the array is @param {unknown} [cause] @returns {never} */
function refuseTransfer(got, cause) {
  throw new OffstageError('INVALID_DATA', `transfer: true got an array ${got}`, { cause });
}
