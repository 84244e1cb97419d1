/* checkpoint-store.js: keeps a trainer's checkpoints and data on storage, finds the last good one.
 *
 * A store owns its trainer's name from openStore() to close(): two sessions never write under one.
 * Storage may fail, fill up or hang at any call, and training is not to notice: a failure is
 * reported through `warn` and by a false, and what was complete stays until something newer is.
 * Files are numbered and never written twice. What is in a checkpoint is not known here: the caller
 * says whether it is whole. */

import { OffstageError, show } from '../host/errors.js';
import { readColumns, writeColumns } from './data-files.js';
import { asCheckpoint, asData, checkWhere, checkpointFile, numberOf } from './naming.js';
import { ownOrRefuse } from './owner.js';
import { openFileSet } from './file-set.js';
import { LIMIT_MS } from './storage.js';

/** @typedef {import('./data-files.js').ColumnToKeep} ColumnToKeep */
/** @typedef {import('./data-files.js').DataSet} DataSet */
/** @typedef {import('./data-files.js').KeptColumn} KeptColumn */
/** @typedef {import('./data-files.js').KeptData} KeptData */
/** @typedef {import('./naming.js').Kept} Kept */
/** @typedef {import('./file-set.js').Item} Item */
/** @typedef {import('./file-set.js').Warn} Warn */
/** @typedef {import('./file-set.js').Warning} Warning */

/**
 * @typedef {object} StoreOptions
 * @property {string} name       of the trainer, 1 to 100 characters
 * @property {number} [keep]     how many checkpoints are kept, 2 by default
 * @property {string} [folder]   Node's, '.offstage' below the working directory; ignored elsewhere
 * @property {Warn} warn         called once for each kind of trouble, until a write succeeds, and
 *   for each torn checkpoint
 * @property {number} [limit]    ms that storage may take for one call, 15000; a longer one hangs
 * @property {number} [wait]     ms that a former owner of the name has to end, 2000
 * @property {import('./storage.js').Opener[]} [openers]  in place of the platform's, for tests
 */

/**
 * Takes the name and lists its files.
 * @param {StoreOptions} options
 * @returns {Promise<CheckpointStore>} rejects with BUSY where the name is owned elsewhere, and
 *   INVALID_OPTION; nothing else
 */
export async function openStore({ name, keep = 2, folder, warn, limit = LIMIT_MS, wait, openers }) {
  checkWhere(name, folder);
  checkKeep(keep);
  const release = await ownOrRefuse(name, { folder, wait });
  const files = await openFileSet(name, { folder, limit, openers }, warn);
  const store = new CheckpointStore(files, keep, release);
  await store.look();
  return store;
}

/** @param {number} keep */
function checkKeep(keep) {
  if (Number.isSafeInteger(keep) && keep >= 1) return;
  throw new OffstageError('INVALID_OPTION', `keep is ${show(keep)}, expected a positive integer`);
}

/** A CheckpointStore keeps the checkpoints and the data of one trainer; openStore() makes it. */
export class CheckpointStore {
  #files;
  #keep;
  #release;
  /** The checkpoints, newest first. @type {(Kept & Item)[]} */ #checkpoints = [];
  /** Checkpoints that were refused; a newer one replaces them. @type {Item[]} */ #torn = [];
  /** @type {DataSet | null} */ #data = null;
  /** The last number that a file was given. */ #number = 0;
  /** Writes that have not settled. @type {Set<Promise<unknown>>} */ #underWay = new Set();
  #closed = false;

  /**
   * @param {import('./file-set.js').FileSet} files @param {number} keep
   * @param {() => void} release
   */
  constructor(files, keep, release) {
    this.#files = files;
    this.#keep = keep;
    this.#release = release;
  }

  /** The storage that checkpoints are written to. */
  get storage() {
    return this.#files.kind;
  }

  /** The reason why it is no better one; null: there is none. */
  get reason() {
    return this.#files.reason;
  }

  /** The number of checkpoints that are stored, as far as is known. */
  get count() {
    return this.#checkpoints.length;
  }

  /** Sets how many checkpoints are kept, from the next one on. @param {number} keep  positive */
  keepAtMost(keep) {
    checkKeep(keep);
    this.#keep = keep;
  }

  /** Says whether data are stored. */
  hasData() {
    return this.#data !== null;
  }

  /** Lists what is stored; openStore() calls it. */
  async look() {
    const items = await this.#files.items();
    this.#number = items.reduce((most, { file }) => Math.max(most, numberOf(file)), 0);
    this.#checkpoints = items
      .flatMap((item) => ({ ...asCheckpoint(item.file), ...item }))
      .filter(/** @returns {item is Kept & Item} */ (item) => item.savedAt !== undefined)
      .sort((a, b) => b.savedAt - a.savedAt);
    const rest = items.filter(({ file }) => !asCheckpoint(file));
    for (const index of rest.filter(({ file }) => asData(file))) {
      const number = numberOf(index.file);
      if (number > (this.#data?.number ?? 0)) this.#data = { number, index, pieces: [] };
    }
    const { number, index } = this.#data ?? {};
    const mine = (/** @type {Item} */ { file, storage }) =>
      numberOf(file) === number && storage === index?.storage;
    if (this.#data) this.#data.pieces = rest.filter((item) => mine(item) && item !== index);
    this.#files.drop(...rest.filter((item) => !mine(item)));
  }

  /**
   * Writes a checkpoint, then drops those beyond `keep`. Never rejects.
   * @param {Uint8Array<ArrayBuffer>} bytes  not to be changed meanwhile
   * @param {{ step: number, epoch: number }} meta
   * @returns {Promise<boolean>} false: it is not stored, those before are, and `warn` was called
   */
  write(bytes, { step, epoch }) {
    return this.#track(async () => {
      const kept = { savedAt: this.#next(), step, epoch, bytes: bytes.length };
      try {
        const item = await this.#files.write(checkpointFile(kept), bytes);
        this.#checkpoints.unshift({ ...kept, ...item });
      } catch (error) {
        return this.#files.fail('a checkpoint could not be kept', error);
      }
      this.#files.drop(...this.#checkpoints.splice(this.#keep), ...this.#torn.splice(0));
      await this.#files.sweep();
      return true;
    });
  }

  /**
   * Writes the data of a run in place of those that are stored. Never rejects; checkpoints are
   * written in between.
   * @param {import('./data-files.js').Columns<ColumnToKeep>} columns  unchanged until it settles
   * @param {any} [about]  a JSON value for readData() to give back
   * @returns {Promise<boolean>} false: they are not stored, those before are, and `warn` was called
   *   unless close() came
   */
  writeData(columns, about = null) {
    const check = () => {
      if (this.#closed) throw new Error('the store was closed');
    };
    return this.#track(async () => {
      const before = this.#data;
      try {
        this.#data = await writeColumns(this.#files, this.#next(), columns, about, check);
        if (before) this.#files.drop(...before.pieces, before.index);
        return true;
      } catch (error) {
        if (this.#closed) return false;
        return this.#files.fail('the data could not be kept', error, 'DATA_NOT_PERSISTED');
      } finally {
        await this.#files.sweep();
      }
    });
  }

  /** Drops the data that are stored, with the next write. */
  forgetData() {
    if (this.#data) this.#files.drop(...this.#data.pieces, this.#data.index);
    this.#data = null;
  }

  /**
   * Reads the data that writeData() was given.
   * @returns {Promise<KeptData | null>} null: no data are stored. Rejects with DATA_LOST where they
   *   cannot be read
   */
  async readData() {
    return this.#data && readColumns(this.#files, this.#data);
  }

  /** Reads writeData()'s `about`; null: no data that can be read. @returns {Promise<any>} */
  async aboutData() {
    try {
      return (await this.readData())?.about ?? null;
    } catch {
      return null;
    }
  }

  /**
   * Reads the newest checkpoint that is whole. Each torn one is warned of and passed over.
   * @template T
   * @param {(bytes: Uint8Array<ArrayBuffer>) => T | Promise<T>} check  throws BAD_CHECKPOINT, or
   *   anything that is no OffstageError, where it is torn; other errors are passed on
   * @returns {Promise<{ bytes: Uint8Array<ArrayBuffer>, value: T } | null>} null: there is none
   */
  async latest(check) {
    for (const entry of [...this.#checkpoints]) {
      const of = `the checkpoint of step ${entry.step}`;
      let bytes;
      try {
        bytes = await this.#files.read(entry);
      } catch (error) {
        this.#files.fail(`${of} could not be read`, error);
        continue;
      }
      try {
        return { bytes, value: await check(bytes) };
      } catch (error) {
        if (error instanceof OffstageError && error.code !== 'BAD_CHECKPOINT') throw error;
        this.#torn.push(...this.#checkpoints.splice(this.#checkpoints.indexOf(entry), 1));
        this.#files.warn('TORN_CHECKPOINT', `${of} is torn, the one before is looked at`, error);
      }
    }
    return null;
  }

  /** Gives the name back when every write has settled. */
  async close() {
    this.#closed = true;
    await Promise.all(this.#underWay);
    this.#release();
  }

  /** Makes a number that no file has: the time, to be later even where a storage was not listed. */
  #next() {
    return (this.#number = Math.max(this.#number + 1, Date.now()));
  }

  /** @param {() => Promise<boolean>} act */
  async #track(act) {
    if (this.#closed) return false;
    const acting = act();
    this.#underWay.add(acting);
    return acting.finally(() => this.#underWay.delete(acting));
  }
}
