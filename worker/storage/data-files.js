/* data-files.js: data of a run on storage: in pieces of a megabyte, never in memory twice.
 *
 * The pieces are written first and the index file last: without it they do not count. */

import { OffstageError, reasonOf } from '../host/errors.js';
import { TextDecoder, TextEncoder } from '../host/node.js';
import { dataFile, pieceFile } from './naming.js';

/** @typedef {import('./file-set.js').Item} Item */
/** @typedef {import('./file-set.js').FileSet} FileSet */
/** @typedef {import('../data/columns.js').DType} DType */

/**
 * A column of data to be stored: its bytes as they lie in memory. read() may give a view of any
 * memory: it is copied before anything else happens.
 * @typedef {object} ColumnToKeep
 * @property {DType} dtype
 * @property {number} bytes
 * @property {number} indices
 * @property {(at: number, count: number) => Uint8Array} read
 */
/**
 * A column that is stored: pieces() gives its bytes in order, a megabyte at a time, and throws
 * DATA_LOST where some are missing.
 * @typedef {object} KeptColumn
 * @property {DType} dtype
 * @property {number} bytes
 * @property {number} [indices]
 * @property {() => AsyncGenerator<Uint8Array, void>} pieces
 */
/**
 * weights: of the samples, if any; validation...: what was given to validate on.
 * @template T
 * @typedef {{ x: T, y: T, weights?: T, validationX?: T, validationY?: T, validationWeights?: T }}
 *   Columns
 */
/** @typedef {Columns<KeptColumn> & { about: any }} KeptData */
/**
 * The files of a data set: pieces, and the index without which the set does not exist.
 * @typedef {{ number: number, index: Item, pieces: Item[] }} DataSet
 */

const PIECE_BYTES = 1024 * 1024;
const OPTIONAL = /** @type {const} */ ([
  'weights',
  'validationX',
  'validationY',
  'validationWeights',
]);

/**
 * @param {FileSet} files
 * @param {number} number  of the data set
 * @param {Columns<ColumnToKeep>} columns
 * @param {any} about
 * @param {() => void} check  throws to leave it
 * @returns {Promise<DataSet>} rejects, and drops the pieces, where it is not there as a whole
 */
export async function writeColumns(files, number, columns, about, check) {
  /** @type {Item[]} */
  const pieces = [];
  try {
    for (const [column, { bytes, read }] of Object.entries(columns)) {
      for (let at = 0; at < bytes; at += PIECE_BYTES) {
        check();
        const piece = new Uint8Array(read(at, Math.min(PIECE_BYTES, bytes - at)));
        pieces.push(await files.write(pieceFile(number, column, at / PIECE_BYTES), piece));
      }
    }
    check();
    const entries = Object.entries(columns).map(([name, { dtype, bytes, indices }]) => [
      name,
      { dtype, bytes, ...(indices && { indices }) },
    ]);
    const text = JSON.stringify({ about, ...Object.fromEntries(entries) });
    const bytes = Object.values(columns).reduce((sum, column) => sum + column.bytes, 0);
    const index = await files.write(dataFile(number, bytes), new TextEncoder().encode(text));
    return { number, index, pieces };
  } catch (error) {
    files.drop(...pieces);
    throw error;
  }
}

/**
 * @param {FileSet} files @param {DataSet} set
 * @returns {Promise<KeptData>} rejects with DATA_LOST where it cannot be read
 */
export async function readColumns(files, { number, index: { storage, file: indexFile } }) {
  const read = (/** @type {string} */ file) =>
    files.read({ storage, file }).catch((error) => lose(`${file}: ${reasonOf(error)}`, error));
  /**
   * @param {string} column @param {{ dtype: DType, bytes: number, indices?: number }} facts
   * @returns {KeptColumn}
   */
  const kept = (column, { dtype, bytes, indices }) => ({
    dtype,
    bytes,
    indices,
    async *pieces() {
      for (let at = 0; at < bytes; at += PIECE_BYTES) {
        const file = pieceFile(number, column, at / PIECE_BYTES);
        const piece = await read(file);
        const wanted = Math.min(PIECE_BYTES, bytes - at);
        if (piece.length !== wanted) lose(`${file} has ${piece.length} bytes, expected ${wanted}`);
        yield piece;
      }
    },
  });
  const text = new TextDecoder().decode(await read(indexFile));
  try {
    const { about, x, y, ...more } = JSON.parse(text);
    const there = OPTIONAL.filter((name) => more[name]).map((name) => [
      name,
      kept(name, more[name]),
    ]);
    return { about, x: kept('x', x), y: kept('y', y), ...Object.fromEntries(there) };
  } catch (error) {
    return lose(`${indexFile}: ${reasonOf(error)}`, error);
  }
}

/** @param {string} why @param {unknown} [cause] @returns {never} */
function lose(why, cause) {
  throw new OffstageError('DATA_LOST', `the data that were kept cannot be read: ${why}`, { cause });
}
