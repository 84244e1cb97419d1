/* list.js: what is on storage, seen from outside: listed and removed.
 *
 * A list reads no file and takes no ownership; removing takes the name for as long as it lasts. */

import { OffstageError, reasonOf } from '../host/errors.js';
import { asCheckpoint, asData, checkWhere } from './naming.js';
import { ownOrRefuse } from './owner.js';
import { LIMIT_MS, openStorages, troubleOf, within } from './storage.js';

/**
 * @typedef {object} StoredTrainer
 * @property {string} name     that it is kept under
 * @property {number} step     of its newest checkpoint
 * @property {number} epoch    of that, as it was then
 * @property {number} savedAt  ms since 1970
 * @property {number} bytes    of all its checkpoints and data
 * @property {boolean} data    whether the data of a run are there too
 * @property {import('./storage.js').StorageKind} storage  where
 */
/**
 * @typedef {{ folder?: string, limit?: number, openers?: import('./storage.js').Opener[] }} Place
 */

/**
 * Does something with each storage that has files. One that hangs while it opens does not count as
 * empty.
 * @param {Place} place
 * @param {(storage: import('./storage.js').Storage, limit: number) => Promise<void>} act
 */
async function withStorages({ folder, limit = LIMIT_MS, openers }, act) {
  try {
    const { storages, failures } = await openStorages(false, { folder, limit, openers });
    for (const error of failures) if (troubleOf(error) === 'STORAGE_TIMEOUT') throw error;
    for (const storage of storages) await act(storage, limit);
  } catch (cause) {
    const code = troubleOf(cause) === 'STORAGE_TIMEOUT' ? 'TIMEOUT' : 'DATA_LOST';
    throw new OffstageError(code, `what is stored cannot be reached: ${reasonOf(cause)}`, {
      cause,
    });
  }
}

/** @param {Place} [place] @returns {Promise<StoredTrainer[]>} with a checkpoint, newest first */
export async function listStored(place = {}) {
  checkWhere('any', place.folder);
  /** @type {Map<string, StoredTrainer>} */
  const found = new Map();
  await withStorages(place, async (storage, limit) => {
    for (const name of await within(limit, storage.names())) {
      const files = await within(limit, storage.files(name));
      const data = files.flatMap((file) => asData(file) ?? []);
      const checkpoints = files.flatMap((file) => asCheckpoint(file) ?? []);
      if (checkpoints.length === 0) continue;
      const { savedAt, step, epoch } = checkpoints.reduce((a, b) =>
        b.savedAt > a.savedAt ? b : a,
      );
      const other = found.get(name);
      const newest =
        other && other.savedAt > savedAt
          ? other
          : { name, step, epoch, savedAt, storage: storage.kind };
      found.set(name, {
        ...newest,
        bytes: [...checkpoints, ...data].reduce((sum, { bytes }) => sum + bytes, other?.bytes ?? 0),
        data: data.length > 0 || (other?.data ?? false),
      });
    }
  });
  return [...found.values()].sort((a, b) => b.savedAt - a.savedAt);
}

/**
 * @param {string} name
 * @param {Place & { wait?: number }} [place]
 * @returns {Promise<void>} rejects with BUSY where a session has it; has no effect where it is not
 *   stored
 */
export async function removeStored(name, place = {}) {
  const { folder, wait } = place;
  checkWhere(name, folder);
  const release = await ownOrRefuse(name, { folder, wait });
  try {
    await withStorages(place, (storage, limit) => within(limit, storage.remove(name)));
  } finally {
    release();
  }
}
