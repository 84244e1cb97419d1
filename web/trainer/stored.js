/* stored.js: brings back, lists and removes the trainers on storage, which outlive a page.
 * Invariant: what asks storage is in worker/, and loads when it is used first; a page that
 * asks nothing loads nothing. A trainer that comes back owns its name from then on, as the one
 * before it did. */
import { OffstageError, checkFields, isRecord, show } from '../../worker/host/errors.js';
import { checkWhere } from '../../worker/storage/naming.js';
import { assetsFolder } from '../host/endpoint.js';
import * as rule from '../host/options.js';
import { readOptions } from '../host/options.js';
import { refuseServiceWorker } from '../host/support.js';
import { TRAINER_OPTIONS, beginTrainer } from './create.js';
import { STORED } from './handover.js';
import { FOLDER } from './persist.js';

/** @typedef {import('../../worker/storage/list.js').StoredTrainer} StoredTrainer */
/**
 * Where trainers are looked for: in Node in a folder, in a page in its origin's storage.
 * @typedef {object} StoredOptions
 * @property {string} [folder] in Node: where. Default: '.offstage' in the working directory
 * @property {string | URL} [assets] as createTrainer() takes it. Default: beside the module
 */

const PLACE = { folder: FOLDER, assets: rule.address };

/**
 * Brings back the trainer whose checkpoints fit() kept by `persist: name`: model, optimizer,
 * history and runs, as the newest whole one has them; torn ones are told by 'warning' events. Later
 * fits are kept under the name too. Where its run was interrupted and the data were kept
 * (persistData), it goes on by itself: see trainer.run. Else trainer.fit(x, y, { resume: true })
 * goes on with it.
 * @param {string} name
 * @param {import('./create.js').TrainerOptions & { folder?: string }} [options]
 * @returns {Promise<import('./trainer.js').Trainer>} rejects with BUSY where another tab, session
 *   or process has it, and with BAD_CHECKPOINT where there is none that could be read
 */
export async function resumeTrainer(name, options = {}) {
  checkFields(options, [...TRAINER_OPTIONS, 'folder'], 'resumeTrainer', 'INVALID_OPTION');
  const { folder, ...rest } = options;
  checkWhere(name, folder);
  const stored = { name, ...(folder !== undefined && { folder }) };
  const kept = { ...rest, persist: keptAs(stored, rest.persist) };
  const { trainer, past } = await beginTrainer('resumeTrainer', kept, () => ({ stored }));
  const data = /** @type {any} */ (STORED);
  if (past?.data === 'stored' && past.ended === null) trainer.fit(data, data, { resume: true });
  return trainer;
}

/**
 * Reads how later fits are kept: under the same name, in the same place, else as the app says.
 * @param {{ name: string, folder?: string }} stored @param {unknown} given
 */
function keptAs(stored, given) {
  if (given === undefined) return stored;
  const named = /** @type {any} */ (typeof given === 'string' ? { name: given } : given);
  if (!isRecord(named)) return named; // which is refused like any other
  for (const [field, value] of Object.entries({ name: stored.name, folder: stored.folder })) {
    if (named[field] === undefined || named[field] === value) continue;
    throw new OffstageError(
      'INVALID_OPTION',
      `resumeTrainer: persist.${field} is ${show(named[field])}, ` +
        `expected ${show(value)}, where it comes from; a fit may say another`,
    );
  }
  return { ...named, ...stored };
}

/**
 * Lists the trainers that are on storage, newest first.
 * @param {StoredOptions} [options]
 * @returns {Promise<StoredTrainer[]>}
 */
export async function listTrainers(options) {
  const { folder, kept } = await open('listTrainers', options);
  return kept.listStored({ folder });
}

/**
 * Removes a trainer's checkpoints and data from storage. Nothing happens where there are none.
 * @param {string} name
 * @param {StoredOptions} [options]
 * @returns {Promise<void>} rejects with BUSY while somebody has it
 */
export async function removeTrainer(name, options) {
  const { folder, kept } = await open('removeTrainer', options);
  return kept.removeStored(name, { folder });
}

/** @param {string} where @param {StoredOptions | undefined} options */
async function open(where, options) {
  const { folder, assets } = readOptions(where, options, PLACE);
  refuseServiceWorker(where);
  return { folder, kept: await load(assetsFolder(assets)?.href) };
}

/** @param {string} [assets] */
async function load(assets) {
  try {
    return await (await import('../../worker/host/parts.js')).loadKept(assets);
  } catch (cause) {
    if (cause instanceof OffstageError) throw cause;
    const why = /** @type {Error} */ (cause).message;
    const message = `what reads storage could not be loaded: ${why}`;
    throw new OffstageError('UNSUPPORTED', message, { cause });
  }
}
