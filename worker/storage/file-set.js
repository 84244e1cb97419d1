/* file-set.js: the files of one trainer, on all storages that have some.
 *
 * One call at a time is asked of storage, and none is waited for longer than the limit; while one hangs, all others
 * fail at once. A kind of trouble is told once, until a write succeeds. What a file means is not known here. */

import { openStorages, textOf, troubleOf, within } from './storage.js';

/** @typedef {import('./storage.js').Storage} Storage */
/** @typedef {import('./storage.js').StorageTrouble | 'TORN_CHECKPOINT' | 'DATA_NOT_PERSISTED'} Warning */
/** @typedef {(code: Warning, message: string, cause?: unknown) => void} Warn */
/** @typedef {{ storage: Storage, file: string }} Item */

const NOTHING_LASTS = 'there is no storage here that lasts longer than this thread';

/**
 * @param {string} name
 * @param {import('./storage.js').Where} where
 * @param {Warn} warn
 */
export async function openShelf(name, where, warn) {
  const { storages, failures } = await openStorages(true, where);
  const shelf = new Shelf(name, storages, where.limit, warn);
  shelf.reason = [...failures.map(textOf), ...storages.flatMap(({ readOnly }) => readOnly ?? [])].join('; ') || null;
  if (shelf.kind === 'memory') {
    shelf.reason ??= NOTHING_LASTS;
    warn('STORAGE_FAILED', `checkpoints are kept in memory only and are lost when the page or process ends: ${shelf.reason}`, failures[0]);
  } else {
    for (const error of failures) shelf.fail('a storage could not be opened', error);
  }
  return shelf;
}

/** openShelf() makes shelves. */
export class Shelf {
  #name;
  #storages;
  #storage;
  #limit;
  /** The error of a call that hangs still. @type {unknown} */ #stuck = null;
  /** @type {Set<Warning>} */ #told = new Set();
  /** @type {Promise<unknown>} */ #turn = Promise.resolve();
  /** @type {Item[]} */ #rubbish = [];
  /** Why nothing better is written to. @type {string | null} */ reason = null;

  /** @param {string} name @param {Storage[]} storages @param {number} limit @param {Warn} warn */
  constructor(name, storages, limit, warn) {
    this.#name = name;
    this.#storages = storages;
    this.#storage = /** @type {Storage} */ (storages.find(({ readOnly }) => readOnly === null)); // memory, at the least
    this.#limit = limit;
    this.warn = warn;
  }

  /** What is written to. */
  get kind() {
    return this.#storage.kind;
  }

  /** Everything that is there. @returns {Promise<Item[]>} */
  async items() {
    /** @type {Item[]} */
    const all = [];
    for (const storage of this.#storages) {
      try {
        const files = await this.#call(() => storage.files(this.#name));
        for (const file of files) all.push({ storage, file });
      } catch (error) {
        this.fail('what is stored could not be listed', error);
      }
    }
    return all;
  }

  /** @param {Item} item */
  read({ storage, file }) {
    return this.#call(() => storage.read(this.#name, file));
  }

  /**
   * Writes a file; first what nobody needs is removed.
   * @param {string} file @param {Uint8Array<ArrayBuffer>} bytes @returns {Promise<Item>} rejects where it is not there
   */
  async write(file, bytes) {
    await this.sweep();
    const item = { storage: this.#storage, file };
    try {
      await this.#call(() => item.storage.write(this.#name, file, bytes));
    } catch (error) {
      this.drop(item); // it may be there in part
      await this.sweep();
      throw error;
    }
    this.#told.clear();
    return item;
  }

  /** Has files removed by the next sweep. @param {...Item} items that nobody needs */
  drop(...items) {
    this.#rubbish.push(...items);
  }

  /** Removes what nobody needs; what cannot be removed is tried again later. */
  async sweep() {
    while (this.#rubbish.length > 0 && !this.#stuck) {
      const item = /** @type {Item} */ (this.#rubbish.pop());
      try {
        await this.#call(() => item.storage.remove(this.#name, item.file));
      } catch (error) {
        this.drop(item);
        return void this.fail('what is not needed any more could not be removed', error);
      }
    }
  }

  /** @template T @param {() => Promise<T>} act @returns {Promise<T>} */
  #call(act) {
    const done = this.#turn.then(async () => {
      if (this.#stuck) throw this.#stuck;
      const acting = act();
      try {
        return await within(this.#limit, acting);
      } catch (error) {
        if (troubleOf(error) === 'STORAGE_TIMEOUT') {
          this.#stuck = error;
          const free = () => void (this.#stuck = null);
          acting.then(free, free);
        }
        throw error;
      }
    });
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Tells of a failure. @param {string} what @param {unknown} error @param {Warning} [code] */
  fail(what, error, code = troubleOf(error)) {
    if (!this.#told.has(code)) this.warn(code, `${what}: ${textOf(error)}`, error);
    this.#told.add(code);
    return false;
  }
}
