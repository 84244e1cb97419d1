/* stored.js: what is on storage, seen from outside: listed and removed.
 *
 * A list reads no file and takes no ownership; removing takes the name for as long as it lasts. */

import { asCheckpoint, asData, checkWhere } from './naming.js';
import { ownOrRefuse } from './owner.js';
import { LIMIT_MS, openStorages, within } from './storage.js';

/**
 * @typedef {object} StoredTrainer
 * @property {string} name
 * @property {number} step     of its newest checkpoint
 * @property {number} epoch    of that, as it was then
 * @property {number} savedAt  ms since 1970
 * @property {number} bytes    of all its checkpoints and data
 * @property {boolean} data    whether the data of a run are there too
 * @property {import('./storage.js').StorageKind} storage
 */
/** @typedef {{ folder?: string, assets?: string, limit?: number, openers?: import('./storage.js').Opener[] }} Place */

/** @param {Place} place @returns {Promise<import('./storage.js').Storage[]>} what cannot be opened has nothing to show */
async function open({ folder, assets, limit = LIMIT_MS, openers }) {
  return (await openStorages(false, { folder, assets, limit, openers })).storages;
}

/** @param {Place} [place] @returns {Promise<StoredTrainer[]>} newest first; those of which a checkpoint is there */
export async function listStored(place = {}) {
  const { limit = LIMIT_MS } = place;
  checkWhere('any', place.folder);
  /** @type {Map<string, StoredTrainer & { number: number }>} */
  const found = new Map();
  for (const storage of await open(place)) {
    for (const name of await within(limit, storage.names())) {
      const files = (await within(limit, storage.files(name))).map(({ file }) => file);
      const data = files.flatMap((file) => asData(file) ?? []);
      const checkpoints = files.flatMap((file) => asCheckpoint(file) ?? []).sort((a, b) => b.number - a.number);
      const [newest] = checkpoints;
      if (!newest) continue;
      const other = found.get(name);
      const { number, step, epoch, savedAt } = other && other.number > newest.number ? other : newest;
      found.set(name, {
        name, number, step, epoch, savedAt,
        bytes: [...checkpoints, ...data].reduce((sum, { bytes }) => sum + bytes, other?.bytes ?? 0),
        data: data.length > 0 || (other?.data ?? false),
        storage: other && number === other.number ? other.storage : storage.kind,
      });
    }
  }
  return [...found.values()].sort((a, b) => b.savedAt - a.savedAt).map(({ number, ...rest }) => rest);
}

/**
 * @param {string} name
 * @param {Place & { wait?: number }} [place]
 * @returns {Promise<void>} rejects with BUSY where a session has it; nothing happens where there is none
 */
export async function removeStored(name, place = {}) {
  const { folder, wait, limit = LIMIT_MS } = place;
  checkWhere(name, folder);
  const release = await ownOrRefuse(name, { folder, wait });
  try {
    for (const storage of await open(place)) await within(limit, storage.remove(name));
  } finally {
    release();
  }
}
