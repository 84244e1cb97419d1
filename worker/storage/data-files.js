/* data-files.js: data of a run on storage: in pieces of a megabyte, so that they are never in memory twice.
 *
 * The pieces come first and the file that tells of them last: without it they do not count. */

import { OffstageError } from '../host/errors.js';
import { dataFile, pieceFile } from './naming.js';
import { textOf } from './storage.js';

/** @typedef {import('./file-set.js').Item} Item */
/** @typedef {import('./file-set.js').Shelf} Shelf */
/** @typedef {import('../data/columns.js').DType} DType */

/**
 * A column of data to be kept: its bytes as they lie in memory. read() may give a view of any memory: it is copied
 * before anything else happens.
 * @typedef {{ dtype: DType, bytes: number, indices: number, read: (at: number, count: number) => Uint8Array }} ColumnToKeep
 */
/**
 * A column that is kept: pieces() gives its bytes in order, a megabyte at a time, and throws DATA_LOST where some are
 * missing.
 * @typedef {{ dtype: DType, bytes: number, indices?: number, pieces: () => AsyncGenerator<Uint8Array, void> }} KeptColumn
 */
/** weights: of the samples, where they have some. @typedef {{ x: T, y: T, weights?: T }} Columns @template T */
/** @typedef {Columns<KeptColumn> & { about: any }} KeptData */
/**
 * A data set's files, of which `told` makes it count.
 * @typedef {{ number: number, told: Item, pieces: Item[] }} DataSet
 */

const PIECE_BYTES = 1024 * 1024;

/**
 * @param {Shelf} shelf
 * @param {number} number  of the data set
 * @param {Columns<ColumnToKeep>} columns
 * @param {any} about
 * @param {() => void} check  throws to leave it
 * @returns {Promise<DataSet>} rejects where it is not there as a whole; its pieces are dropped then
 */
export async function writeColumns(shelf, number, columns, about, check) {
  /** @type {Item[]} */
  const pieces = [];
  try {
    for (const [column, { bytes, read }] of Object.entries(columns)) {
      for (let at = 0; at < bytes; at += PIECE_BYTES) {
        check();
        const piece = new Uint8Array(read(at, Math.min(PIECE_BYTES, bytes - at)));
        pieces.push(await shelf.write(pieceFile(number, column, at / PIECE_BYTES), piece));
      }
    }
    check();
    const each = Object.entries(columns).map(([name, { dtype, bytes, indices }]) => [name, { dtype, bytes, ...(indices && { indices }) }]);
    const text = JSON.stringify({ about, ...Object.fromEntries(each) });
    const bytes = Object.values(columns).reduce((sum, column) => sum + column.bytes, 0);
    const told = await shelf.write(dataFile(number, bytes), new TextEncoder().encode(text));
    return { number, told, pieces };
  } catch (error) {
    shelf.drop(...pieces);
    throw error;
  }
}

/**
 * @param {Shelf} shelf @param {DataSet} set
 * @returns {Promise<KeptData>} rejects with DATA_LOST where it cannot be read
 */
export async function readColumns(shelf, { number, told: { storage, file: toldFile } }) {
  const read = (/** @type {string} */ file) => shelf.read({ storage, file })
    .catch((error) => lose(`${file}: ${textOf(error)}`, error));
  /** @param {string} column @param {{ dtype: DType, bytes: number, indices?: number }} told @returns {KeptColumn} */
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
  const text = new TextDecoder().decode(await read(toldFile));
  try {
    const { about, x, y, weights } = JSON.parse(text);
    return { about, x: kept('x', x), y: kept('y', y), ...(weights && { weights: kept('weights', weights) }) };
  } catch (error) {
    return lose(`${toldFile}: ${textOf(error)}`, error);
  }
}

/** @param {string} why @param {unknown} [cause] @returns {never} */
function lose(why, cause) {
  throw new OffstageError('DATA_LOST', `the data that were kept cannot be read: ${why}`, { cause });
}
