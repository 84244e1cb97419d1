/* checkpoint-store.js: keeps a trainer's checkpoints and data on storage, and finds the last good one.
 *
 * A keeper owns its trainer's name from openKeeper() to close(): two sessions never write under one. Storage may fail,
 * fill up or hang at any call; training is not to notice: what goes wrong is told through `warn` and by a false, and
 * what was complete stays until something newer is. Files are numbered and never written twice. What is in a
 * checkpoint is not known here: who calls says whether it is whole. */

import { OffstageError, show } from '../host/errors.js';
import { readColumns, writeColumns } from './data-files.js';
import { asCheckpoint, asData, checkWhere, checkpointFile, numberOf } from './naming.js';
import { ownOrRefuse } from './owner.js';
import { openShelf } from './file-set.js';
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
 * @typedef {object} KeeperOptions
 * @property {string} name       of the trainer, 1 to 100 characters
 * @property {number} [keep]     checkpoints that are kept, 2 unless told otherwise
 * @property {string} [folder]   Node's, '.offstage' below the working directory; not looked at elsewhere
 * @property {Warn} warn         told once of each kind of trouble, until a write succeeds; of each torn checkpoint
 * @property {number} [limit]    ms that storage may take for one call, 15000; what takes longer hangs
 * @property {number} [wait]     ms that are given to a former owner of the name that is dying, 2000
 * @property {import('./storage.js').Opener[]} [openers]  storages instead of the platform's, for tests
 */

/**
 * Takes the name and looks what is there.
 * @param {KeeperOptions} options
 * @returns {Promise<Keeper>} rejects with BUSY where the name is owned elsewhere, and INVALID_OPTION; nothing else
 */
export async function openKeeper({ name, keep = 2, folder, warn, limit = LIMIT_MS, wait, openers }) {
  checkWhere(name, folder);
  checkKeep(keep);
  const release = await ownOrRefuse(name, { folder, wait });
  const keeper = new Keeper(await openShelf(name, { folder, limit, openers }, warn), keep, release);
  await keeper.look();
  return keeper;
}

/** @param {number} keep */
function checkKeep(keep) {
  if (Number.isSafeInteger(keep) && keep >= 1) return;
  throw new OffstageError('INVALID_OPTION', `keep is ${show(keep)}, expected a positive integer`);
}

/** openKeeper() makes keepers. */
export class Keeper {
  #shelf;
  #keep;
  #release;
  /** Newest first. @type {(Kept & Item)[]} */ #checkpoints = [];
  /** What was refused; it goes when something newer is there. @type {Item[]} */ #torn = [];
  /** @type {DataSet | null} */ #data = null;
  /** The last that was given. */ #number = 0;
  /** @type {Set<Promise<unknown>>} */ #underWay = new Set();
  #closed = false;

  /** @param {import('./file-set.js').Shelf} shelf @param {number} keep @param {() => void} release */
  constructor(shelf, keep, release) {
    this.#shelf = shelf;
    this.#keep = keep;
    this.#release = release;
  }

  /** Where checkpoints are written to. */
  get storage() {
    return this.#shelf.kind;
  }

  /** Why that is no better one, null where there is none. */
  get reason() {
    return this.#shelf.reason;
  }

  /** Checkpoints that are there, as far as is known. */
  get count() {
    return this.#checkpoints.length;
  }

  /** So many checkpoints are kept from the next one on. @param {number} keep a positive integer */
  keepAtMost(keep) {
    checkKeep(keep);
    this.#keep = keep;
  }

  /** Whether data are kept. */
  hasData() {
    return this.#data !== null;
  }

  /** Finds what is there; openKeeper() calls it. */
  async look() {
    const items = await this.#shelf.items();
    this.#number = items.reduce((most, { file }) => Math.max(most, numberOf(file)), 0);
    this.#checkpoints = items.flatMap((item) => ({ ...asCheckpoint(item.file), ...item }))
      .filter(/** @returns {item is Kept & Item} */ (item) => item.savedAt !== undefined)
      .sort((a, b) => b.savedAt - a.savedAt);
    const rest = items.filter(({ file }) => !asCheckpoint(file));
    for (const told of rest.filter(({ file }) => asData(file))) {
      const number = numberOf(told.file);
      if (number > (this.#data?.number ?? 0)) this.#data = { number, told, pieces: [] };
    }
    const { number, told } = this.#data ?? {};
    const mine = (/** @type {Item} */ { file, storage }) => numberOf(file) === number && storage === told?.storage;
    if (this.#data) this.#data.pieces = rest.filter((item) => mine(item) && item !== told);
    this.#shelf.drop(...rest.filter((item) => !mine(item)));
  }

  /**
   * Keeps a checkpoint, and lets go of those beyond `keep` when it is there. Never rejects.
   * @param {Uint8Array<ArrayBuffer>} bytes  not to be changed meanwhile
   * @param {{ step: number, epoch: number }} meta
   * @returns {Promise<boolean>} false: it is not kept, those before are, and `warn` has told why
   */
  write(bytes, { step, epoch }) {
    return this.#track(async () => {
      const kept = { savedAt: this.#next(), step, epoch, bytes: bytes.length };
      try {
        this.#checkpoints.unshift({ ...kept, ...(await this.#shelf.write(checkpointFile(kept), bytes)) });
      } catch (error) {
        return this.#shelf.fail('a checkpoint could not be kept', error);
      }
      this.#shelf.drop(...this.#checkpoints.splice(this.#keep), ...this.#torn.splice(0));
      await this.#shelf.sweep();
      return true;
    });
  }

  /**
   * Keeps the data of a run instead of those that are kept. Never rejects; checkpoints are written in between.
   * @param {import('./data-files.js').Columns<ColumnToKeep>} columns  to be there until it settles
   * @param {any} [about]  anything that JSON can tell, for readData() to give back
   * @returns {Promise<boolean>} false: they are not kept, those before are, and `warn` has told why unless close() came
   */
  writeData(columns, about = null) {
    const check = () => {
      if (this.#closed) throw new Error('the keeper was closed');
    };
    return this.#track(async () => {
      const before = this.#data;
      try {
        this.#data = await writeColumns(this.#shelf, this.#next(), columns, about, check);
        if (before) this.#shelf.drop(...before.pieces, before.told);
        return true;
      } catch (error) {
        return !this.#closed && this.#shelf.fail('the data could not be kept', error, 'DATA_NOT_PERSISTED');
      } finally {
        await this.#shelf.sweep();
      }
    });
  }

  /** Lets go of the data that are kept, with the next write. */
  forgetData() {
    if (this.#data) this.#shelf.drop(...this.#data.pieces, this.#data.told);
    this.#data = null;
  }

  /**
   * What writeData() was given.
   * @returns {Promise<KeptData | null>} null: no data are kept. Rejects with DATA_LOST where they cannot be read
   */
  async readData() {
    return this.#data && readColumns(this.#shelf, this.#data);
  }

  /** What writeData() was told of the data that are kept; null where there are none that could be read. @returns {Promise<any>} */
  async aboutData() {
    try {
      return (await this.readData())?.about ?? null;
    } catch {
      return null;
    }
  }

  /**
   * The newest checkpoint that is whole. Those that are not are told of as TORN_CHECKPOINT and passed over.
   * @template T
   * @param {(bytes: Uint8Array<ArrayBuffer>) => T | Promise<T>} check  throws BAD_CHECKPOINT, or anything that is no
   *   OffstageError, where it is torn; other errors are handed on
   * @returns {Promise<{ bytes: Uint8Array<ArrayBuffer>, value: T } | null>} null: there is none
   */
  async latest(check) {
    for (const entry of [...this.#checkpoints]) {
      const of = `the checkpoint of step ${entry.step}`;
      let bytes;
      try {
        bytes = await this.#shelf.read(entry);
      } catch (error) {
        this.#shelf.fail(`${of} could not be read`, error);
        continue;
      }
      try {
        return { bytes, value: await check(bytes) };
      } catch (error) {
        if (error instanceof OffstageError && error.code !== 'BAD_CHECKPOINT') throw error;
        this.#torn.push(...this.#checkpoints.splice(this.#checkpoints.indexOf(entry), 1));
        this.#shelf.warn('TORN_CHECKPOINT', `${of} is torn, the one before is looked at`, error);
      }
    }
    return null;
  }

  /** Gives the name back, when what is under way has ended. */
  async close() {
    this.#closed = true;
    await Promise.all(this.#underWay);
    this.#release();
  }

  /** A number that no file has: the time, so that it is a later one even where a storage could not be listed. */
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
