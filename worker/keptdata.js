/* keptdata.js: data of a run on storage: in pieces of a megabyte, so that they are never in memory twice.
 *
 * The pieces come first and the file that tells of them last: without it they do not count. */

import { OffstageError } from './errors.js';
import { dataFile, pieceFile } from './naming.js';
import { textOf } from './storage.js';

/** @typedef {import('./shelf.js').Item} Item */
/** @typedef {import('./shelf.js').Shelf} Shelf */
/** @typedef {import('./data.js').DType} DType */

/**
 * A column of data to be kept: its bytes as they lie in memory. read() may give a view of any memory: it is copied
 * before anything else happens.
 * @typedef {{ dtype: DType, bytes: number, read: (at: number, count: number) => Uint8Array }} ColumnToKeep
 */
/**
 * A column that is kept: pieces() gives its bytes in order, a megabyte at a time, and throws DATA_LOST where some are
 * missing.
 * @typedef {{ dtype: DType, bytes: number, pieces: () => AsyncGenerator<Uint8Array, void> }} KeptColumn
 */
/** @typedef {{ x: KeptColumn, y: KeptColumn, about: any }} KeptData */
/**
 * A data set's files, of which `told` makes it count.
 * @typedef {{ number: number, told: Item, pieces: Item[] }} DataSet
 */

const PIECE_BYTES = 1024 * 1024;

/**
 * @param {Shelf} shelf
 * @param {number} number  of the data set
 * @param {{ x: ColumnToKeep, y: ColumnToKeep }} columns
 * @param {any} about
 * @param {() => void} check  throws to leave it
 * @returns {Promise<DataSet>} rejects where it is not there as a whole; its pieces are dropped then
 */
export async function writeColumns(shelf, number, { x, y }, about, check) {
  /** @type {Item[]} */
  const pieces = [];
  try {
    for (const [column, { bytes, read }] of Object.entries({ x, y })) {
      for (let at = 0; at < bytes; at += PIECE_BYTES) {
        check();
        const piece = new Uint8Array(read(at, Math.min(PIECE_BYTES, bytes - at)));
        pieces.push(await shelf.write(pieceFile(number, column, at / PIECE_BYTES), piece));
      }
    }
    check();
    const of = (/** @type {ColumnToKeep} */ { dtype, bytes }) => ({ dtype, bytes });
    const text = JSON.stringify({ about, x: of(x), y: of(y) });
    const told = await shelf.write(dataFile(number, x.bytes + y.bytes), new TextEncoder().encode(text));
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
  /** @param {string} column @param {{ dtype: DType, bytes: number }} told @returns {KeptColumn} */
  const kept = (column, { dtype, bytes }) => ({
    dtype,
    bytes,
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
    const { about, x, y } = JSON.parse(text);
    return { about, x: kept('x', x), y: kept('y', y) };
  } catch (error) {
    return lose(`${toldFile}: ${textOf(error)}`, error);
  }
}

/** @param {string} why @param {unknown} [cause] @returns {never} */
function lose(why, cause) {
  throw new OffstageError('DATA_LOST', `the data that were kept cannot be read: ${why}`, { cause });
}
