/* file-set.js: the files of one trainer, on all storages that have some.
 *
 * One call at a time is asked of storage, and none is waited for longer than the limit; while one
 * hangs, all others fail at once. A kind of trouble is reported once, until a write succeeds. What
 * a file means is not known here. */

import { reasonOf } from '../host/errors.js';
import { openStorages, troubleOf, within } from './storage.js';

/** @typedef {import('./storage.js').Storage} Storage */
/** @typedef {'TORN_CHECKPOINT' | 'DATA_NOT_PERSISTED'} DataTrouble */
/** @typedef {import('./storage.js').StorageTrouble | DataTrouble} Warning */
/** @typedef {(code: Warning, message: string, cause?: unknown) => void} Warn */
/** @typedef {{ storage: Storage, file: string }} Item */

const NOTHING_LASTS = 'there is no storage here that lasts longer than this thread';

/**
 * @param {string} name
 * @param {import('./storage.js').Where} where
 * @param {Warn} warn
 */
export async function openFileSet(name, where, warn) {
  const { storages, failures } = await openStorages(true, where);
  const set = new FileSet(name, storages, where.limit, warn);
  const readOnly = storages.flatMap((storage) => storage.readOnly ?? []);
  set.reason = [...failures.map(reasonOf), ...readOnly].join('; ') || null;
  if (set.kind === 'memory') {
    set.reason ??= NOTHING_LASTS;
    const what = 'checkpoints are kept in memory only and are lost when the page or process ends';
    warn('STORAGE_FAILED', `${what}: ${set.reason}`, failures[0]);
  } else {
    for (const error of failures) set.fail('a storage could not be opened', error);
  }
  return set;
}

/** A FileSet reads, writes and removes one trainer's files; openFileSet() makes it. */
export class FileSet {
  #name;
  #storages;
  #storage;
  #limit;
  /** The error of a call that still hangs. @type {unknown} */ #stuck = null;
  /** Warnings since the last write that succeeded. @type {Set<Warning>} */ #warned = new Set();
  /** @type {Promise<unknown>} */ #turn = Promise.resolve();
  /** Files that the next sweep removes. @type {Item[]} */ #rubbish = [];
  /** The reason why no better storage is written to. @type {string | null} */ reason = null;

  /** @param {string} name @param {Storage[]} storages @param {number} limit @param {Warn} warn */
  constructor(name, storages, limit, warn) {
    this.#name = name;
    this.#storages = storages;
    const writable = storages.find(({ readOnly }) => readOnly === null); // memory, at the least
    this.#storage = /** @type {Storage} */ (writable);
    this.#limit = limit;
    this.warn = warn;
  }

  /** The kind of storage that is written to. */
  get kind() {
    return this.#storage.kind;
  }

  /** Lists the trainer's files on all storages. @returns {Promise<Item[]>} */
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
   * Writes a file, after the files that nobody needs are removed.
   * @param {string} file @param {Uint8Array<ArrayBuffer>} bytes
   * @returns {Promise<Item>} rejects where the file is not there
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
    this.#warned.clear();
    return item;
  }

  /** Has files removed by the next sweep. @param {...Item} items that nobody needs */
  drop(...items) {
    this.#rubbish.push(...items);
  }

  /** Removes the files that nobody needs; one that cannot be removed is tried again later. */
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

  /** Warns of a failure. @param {string} what @param {unknown} error @param {Warning} [code] */
  fail(what, error, code = troubleOf(error)) {
    if (!this.#warned.has(code)) this.warn(code, `${what}: ${reasonOf(error)}`, error);
    this.#warned.add(code);
    return false;
  }
}
