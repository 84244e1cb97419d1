/* storage.js: the storages for trainers' files on this platform, best first, and their common type.
 *
 * A storage keeps files of bytes under the name of a trainer (Storage, below); opfs.js,
 * indexeddb.js, folder.js and volatile.js are the four there are. Any call of a storage may fail,
 * fill up or hang: none is waited for without a limit, and a storage that does not open is passed
 * over and reported. What is in a file is not known here. */

import { nodeBuiltin } from '../host/node.js';
import { openFolder } from './folder.js';
import { openIndexedDb } from './indexeddb.js';
import { openMemory } from './volatile.js';
import { openOpfs } from './opfs.js';

/** @typedef {'opfs' | 'indexedDB' | 'folder' | 'memory'} StorageKind */
/** @typedef {'QUOTA_EXCEEDED' | 'STORAGE_TIMEOUT' | 'STORAGE_FAILED'} StorageTrouble */

/**
 * A storage, any call of which may reject. A name nothing was written under has no files; removing
 * what is not there is no failure.
 * @typedef {object} Storage
 * @property {StorageKind} kind
 * @property {string | null} readOnly  why nothing can be written to it from here
 * @property {() => Promise<string[]>} names
 * @property {(name: string) => Promise<string[]>} files
 * @property {(name: string, file: string) => Promise<Uint8Array<ArrayBuffer>>} read
 * @property {(name: string, file: string, bytes: Uint8Array<ArrayBuffer>) => Promise<void>} write
 *   all of the file or, where it is cut off, perhaps a torn one; bytes stay unchanged meanwhile
 * @property {(name: string, file?: string) => Promise<void>} remove  a file, or all of a name
 */

/**
 * @typedef {object} Where
 * @property {string} [folder]  Node's
 * @property {number} limit     ms that a storage may take for one call
 * @property {Opener[]} [openers]  instead of the platform's own, for tests
 */
/**
 * null: there is no such storage, or it is empty and nothing may be made.
 * @typedef {(make: boolean, where: Where) => Promise<Storage | null>} Opener
 */

/** ms that a storage may take for one call. */
export const LIMIT_MS = 15_000;

/**
 * Waits for a promise, at most `limit` ms: then it rejects with TimeoutError, and what the promise
 * gives later is ignored.
 * @template T
 * @param {number} limit @param {Promise<T>} promise @returns {Promise<T>}
 */
export async function within(limit, promise) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      const error = new Error(`the storage did not answer within ${limit} ms`);
      reject(Object.assign(error, { name: 'TimeoutError' }));
    }, limit);
  });
  try {
    return await /** @type {Promise<T>} */ (Promise.race([promise, late]));
  } finally {
    clearTimeout(timer);
  }
}

/** @param {any} error @returns {StorageTrouble} */
export function troubleOf(error) {
  if (error?.name === 'TimeoutError') return 'STORAGE_TIMEOUT';
  const full = error?.name === 'QuotaExceededError' || ['ENOSPC', 'EDQUOT'].includes(error?.code);
  return full ? 'QUOTA_EXCEEDED' : 'STORAGE_FAILED';
}

/** @returns {Opener[]} this platform's, best first */
const platform = () => (nodeBuiltin('node:fs') ? [openFolder] : [openOpfs, openIndexedDb]);

/**
 * Opens the storages. To write (`make`) the first one that can be written to is made; of the others
 * those that have files, since a trainer that moved from one to the other, say from a worker to the
 * page, is not to lose them.
 * @param {boolean} make
 * @param {Where} where
 * @returns {Promise<{ storages: Storage[], failures: unknown[] }>}  memory is always the last
 */
export async function openStorages(make, where) {
  /** @type {Storage[]} */
  const storages = [];
  const failures = [];
  for (const open of where.openers ?? platform()) {
    try {
      const making = make && storages.every(({ readOnly }) => readOnly);
      const storage = await within(where.limit, open(making, where));
      if (storage) storages.push(storage);
    } catch (error) {
      failures.push(error);
    }
  }
  return { storages: [...storages, openMemory()], failures };
}
