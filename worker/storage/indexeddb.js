/* indexeddb.js: files as records of a database, where a browser has no better storage.
 *
 * One record a file, keyed by trainer and file; a record is there whole or not at all. */

import { openDB } from 'idb';

const DATABASE = 'offstage';
const STORE = 'files';

/** Says whether the database is there, as far as the engine tells without making it. */
async function exists() {
  const databases = await indexedDB.databases?.();
  return databases?.some(({ name }) => name === DATABASE) ?? true;
}

/** @type {import('./storage.js').Opener} */
export async function openIndexedDb(make) {
  if (!globalThis.indexedDB || !(make || (await exists()))) return null;
  /** @type {Promise<import('idb').IDBPDatabase> | null} */
  let opened = null;
  const forget = () => void (opened = null);
  const connect = () => {
    opened ??= openDB(DATABASE, 1, {
      upgrade: (database) => void database.createObjectStore(STORE),
      blocking(_, __, event) {
        // somebody removes the database
        /** @type {IDBDatabase} */ (event.target).close();
        forget();
      },
      terminated: forget,
    });
    opened.catch(forget); // the next call tries again
    return opened;
  };
  const all = (/** @type {string} */ name) => IDBKeyRange.bound([name], [name, []]);
  /** @param {IDBKeyRange} [range] */
  const keys = async (range) =>
    /** @type {[string, string][]} */ (await (await connect()).getAllKeys(STORE, range));
  await connect();

  /** Waits until a change is on the disk. @param {(store: any) => Promise<unknown>} act */
  const change = async (act) => {
    const transaction = (await connect()).transaction(STORE, 'readwrite', { durability: 'strict' });
    await Promise.all([act(transaction.store), transaction.done]);
  };

  return {
    kind: 'indexedDB',
    readOnly: null,
    names: async () => [...new Set((await keys()).map(([name]) => name))],
    files: async (name) => (await keys(all(name))).map(([, file]) => file),
    async read(name, file) {
      const bytes = await (await connect()).get(STORE, [name, file]);
      if (!bytes) throw new Error(`there is no ${file}`);
      return bytes;
    },
    /* A view would be stored with all of its buffer. */
    write: (name, file, bytes) =>
      change((store) =>
        store.put(bytes.length < bytes.buffer.byteLength ? bytes.slice() : bytes, [name, file]),
      ),
    remove: (name, file) =>
      change((store) => store.delete(file === undefined ? all(name) : [name, file])),
  };
}
