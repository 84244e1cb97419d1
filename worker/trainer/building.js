/* building.js: makes a model for a session: from a spec, or from a checkpoint, whose state it has.
 *
 * It changes nothing of the session's: a model that is made is returned whole, and one that is
 * refused, or not wanted any more, leaves nothing behind. */

import { Core } from './core.js';
import { OffstageError, arrayType, checkFields, show, tagOf } from '../host/errors.js';
import { loadKept } from '../host/parts.js';
import { Model } from './model.js';
import { openModule } from '../host/module.js';
import { isLacking, worded } from '../spec/refused.js';
import { setOf } from '../spec/sets.js';
import { restoreState } from './snapshot.js';

/* In a worker 2 ms train as fast as 4 (measured), and half as long does a prediction wait. */
const SLICE_MS = { worker: 2, main: 8 };

/** @typedef {import('../host/module.js').Settled} Settled */
/**
 * @typedef {object} Source
 * @property {any} spec
 * @property {import('./checkpoint.js').Checkpoint} [checkpoint]
 * @property {import('../storage/name-lock.js').Held} [held]
 * @property {boolean} [hasData]
 */
/**
 * @typedef {object} Ports
 * @property {import('../host/pump.js').Pump} pump
 * @property {import('./stages.js').Stages} stages
 * @property {import('../storage/name-lock.js').NameLock} holding
 * @property {(work: import('../host/pump.js').Work) => Promise<any>} finished  has the pump do it
 * @property {(reason: OffstageError) => void} lost  a helper has died
 * @property {import('../host/helpers.js').Helpers} helpers  of the thread
 * @property {() => void} check  throws where the model is not wanted any more
 */

/**
 * What LOAD_CHECKPOINT names: a checkpoint's bytes, or the newest good one of a name.
 * @param {any} payload @param {Settled} settled @param {Ports} ports
 * @returns {Promise<Source>}
 */
export async function openSource(payload, settled, { pump, holding, finished }) {
  const { bytes, stored, hold } = checkFields(
    payload,
    ['bytes', 'stored', 'hold'],
    'LOAD_CHECKPOINT',
    'INVALID_OPTION',
  );
  if (stored === undefined) {
    const given = bytesOf(bytes);
    const { openCheckpoint } = await loadKept(settled.assets);
    const checkpoint = await finished(openCheckpoint(pump, given));
    const own =
      hold === undefined ? null : checkFields(hold, ['name', 'folder'], 'hold', 'INVALID_OPTION');
    return {
      spec: checkpoint.about.spec,
      checkpoint,
      ...(own && { held: await holding.regain(own, settled.assets) }),
    };
  }
  const { name, folder } = checkFields(stored, ['name', 'folder'], 'stored', 'INVALID_OPTION');
  const held = await holding.open({ name, folder }, settled.assets);
  const found = held.keeper.count;
  const latest = await held.keeper.latest((await loadKept(settled.assets)).decodeCheckpoint);
  if (latest) {
    const { about } = latest.value;
    const hasData = about.run !== null && (await held.keeper.aboutData()) === about.run.fingerprint;
    return { spec: about.spec, checkpoint: latest.value, held, hasData };
  }
  await holding.release(held);
  throw new OffstageError('BAD_CHECKPOINT', whyNone(show(name), found, found - held.keeper.count));
}

/**
 * Only what is damaged is worth removing: what could not be read may be another time.
 * @param {string} name @param {number} found @param {number} damaged
 */
function whyNone(name, found, damaged) {
  if (found === 0) return `no checkpoint of ${name} was found`;
  const remedy = damaged === found ? `; removeTrainer(${name}) clears them` : '';
  return (
    `no checkpoint of ${name} could be read: ` + `${damaged} of ${found} files are damaged${remedy}`
  );
}

/** @param {any} given @returns {Uint8Array} */
function bytesOf(given) {
  const bytes = tagOf(given) === 'ArrayBuffer' ? new Uint8Array(given) : given;
  if (arrayType(bytes) === 'Uint8Array' && tagOf(bytes.buffer) === 'ArrayBuffer') return bytes;
  throw new OffstageError(
    'BAD_CHECKPOINT',
    `bytes is ${show(given)}, expected a Uint8Array of a checkpoint's bytes`,
  );
}

/**
 * Makes the model, in the smallest core that has its layers: a layer that a smaller set refuses as
 * unknown is tried in the full one.
 * @param {Source} source @param {Settled} settled @param {Ports} ports
 * @returns {Promise<{ model: Model, runtime: Settled }>}
 */
export async function makeModel(source, settled, ports) {
  const set = setOf(source.spec);
  try {
    return await makeModelOf(set, source, settled, ports).catch((error) => {
      if (set === 'full' || !isLacking(error)) throw error;
      return makeModelOf('full', source, settled, ports);
    });
  } catch (refused) {
    const error = await worded(refused, settled.assets);
    if (!source.checkpoint || !(error instanceof OffstageError) || error.code !== 'INVALID_SPEC')
      throw error;
    throw new OffstageError(
      'BAD_CHECKPOINT',
      `the checkpoint's spec is refused: ${error.message}`,
      { cause: error },
    );
  }
}

/**
 * @param {import('../host/variants.js').SetName} set
 * @param {Source} source @param {Settled} settled @param {Ports} ports
 * @returns {Promise<{ model: Model, runtime: Settled }>}
 */
async function makeModelOf(set, { spec, checkpoint }, settled, ports) {
  const { pump, stages, helpers, finished, lost, check } = ports;
  const { made: core, runtime } = await openModule(
    settled,
    set,
    (module, { threads, assets, share }) =>
      Core.create(module, { threads, assets, lost, helpers, share }),
  );
  try {
    check();
    stages.enter('compiling');
    const { place, sliceWork, duty } = runtime;
    pump.configure({ sliceMs: SLICE_MS[place], sliceWork, duty });
    const model = new Model(core, spec);
    await finished(checkpoint ? restoreState(pump, model, checkpoint) : model.randomize(pump));
    check();
    return { model, runtime };
  } catch (error) {
    core.close();
    throw error;
  }
}
