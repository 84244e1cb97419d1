/* storage.js: where files of trainers can be kept here, best first, and what they are called.
 *
 * A storage keeps files of bytes under the name of a trainer (Storage, below); opfs.js, indexeddb.js, folder.js and volatile.js are the four there are.
 * Whatever a storage does may fail, fill up or hang: nothing of it is waited for without a limit, and a storage that
 * does not open is passed over and told about. Nothing here knows what is in a file. */

import { nodeBuiltin } from '../host/node.js';
import { openFolder } from './folder.js';
import { openIndexedDb } from './indexeddb.js';
import { openMemory } from './volatile.js';
import { openOpfs } from './opfs.js';

/** @typedef {'opfs' | 'indexedDB' | 'folder' | 'memory'} StorageKind */
/** @typedef {'QUOTA_EXCEEDED' | 'STORAGE_TIMEOUT' | 'STORAGE_FAILED'} StorageTrouble */

/**
 * Every call may reject. A name nothing was written under has no files; removing what is not there is no failure.
 * @typedef {object} Storage
 * @property {StorageKind} kind
 * @property {string | null} readOnly  why nothing can be written to it from here
 * @property {() => Promise<string[]>} names
 * @property {(name: string) => Promise<string[]>} files
 * @property {(name: string, file: string) => Promise<Uint8Array<ArrayBuffer>>} read
 * @property {(name: string, file: string, bytes: Uint8Array<ArrayBuffer>) => Promise<void>} write  all of the file or,
 *   where this is cut off, perhaps a torn one; bytes stay as they are until it settles
 * @property {(name: string, file?: string) => Promise<void>} remove  a file, or all of a name
 */

/**
 * @typedef {object} Where
 * @property {string} [folder]  Node's
 * @property {number} limit     ms that a storage may take for one call
 * @property {Opener[]} [openers]  instead of the platform's own, for tests
 */
/**
 * null: it is not to be had, or has nothing and nothing may be made.
 * @typedef {(make: boolean, where: Where) => Promise<Storage | null>} Opener
 */

/** ms that a storage may take for one call. */
export const LIMIT_MS = 15_000;

/** What is shown of a failure. @param {unknown} error */
export const textOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * What a promise gives, or a TimeoutError after `limit` ms; what comes later goes unheard.
 * @template T
 * @param {number} limit @param {Promise<T>} promise @returns {Promise<T>}
 */
export async function within(limit, promise) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(Object.assign(new Error(`the storage did not answer within ${limit} ms`), { name: 'TimeoutError' }));
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
  const full = error?.name === 'QuotaExceededError' || error?.code === 'ENOSPC' || error?.code === 'EDQUOT';
  return full ? 'QUOTA_EXCEEDED' : 'STORAGE_FAILED';
}

/** @returns {Opener[]} what this platform has, best first */
const platform = () => (nodeBuiltin('node:fs') ? [openFolder] : [openOpfs, openIndexedDb]);

/**
 * Opens what there is. To write (`make`) the first storage that can be written to is made; of the others those that
 * hold something, since a trainer that moved from one to the other, say from a worker to the page, is not to lose it.
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
      const storage = await within(where.limit, open(make && storages.every(({ readOnly }) => readOnly), where));
      if (storage) storages.push(storage);
    } catch (error) {
      failures.push(error);
    }
  }
  return { storages: [...storages, openMemory()], failures };
}
