/* settings.js: what START_TRAINING may say beside the data, and what it means.
 *
 * Unknown fields, wrong types and values out of range are INVALID_OPTION. A run that is resumed keeps its own
 * settings: those given must be the same, but for the epochs, of which there may be more. */

import { OffstageError, checkFields, oneOf, show } from '../../host/errors.js';

/** @typedef {{ epochs: number, batchSize: number, shuffle: boolean, validationSplit: number, nonFinite?: 'rollback' }} RunSettings */
/**
 * @typedef {{ name: string, keep?: number, seconds?: number, epochs?: number, data: boolean, folder?: string }} Persist
 */
/**
 * @typedef {object} Settings
 * @property {RunSettings} run
 * @property {boolean} resume
 * @property {boolean} otherData
 * @property {number} progressHz
 * @property {boolean} returnWeights
 * @property {number | null} snapshotMs  null: the client wants none
 * @property {Persist | null} persist
 */

const FIELDS = ['x', 'y', 'numEpochs', 'batchSize', 'shuffle', 'validationSplit', 'progressHz', 'returnWeights', 'resume',
  'otherData', 'snapshotMs', 'persist', 'nonFinite', 'sampleWeight', 'classWeight'];
/** What is done about a step that is not finite. */
const NON_FINITE = ['error', 'rollback'];
const MOST_HZ = 1000;
const MOST_KEPT = 100;

/**
 * @param {any} payload  of START_TRAINING
 * @param {import('./state.js').RunState | null} past  the run that can be resumed
 * @returns {Settings}
 */
export function readSettings(payload, past) {
  checkFields(payload, FIELDS, 'START_TRAINING', 'INVALID_OPTION');
  const { progressHz = 10, returnWeights = false, resume = false, otherData = false, snapshotMs = null } = payload;
  flags({ returnWeights, resume, otherData });
  if (typeof progressHz !== 'number' || !(progressHz > 0 && progressHz <= MOST_HZ)) {
    refuse(`progressHz is ${show(progressHz)}, expected a number above 0 and up to ${MOST_HZ}`);
  }
  if (snapshotMs !== null) atLeast('snapshotMs', snapshotMs, 0);
  if (resume && !past) refuse('resume is true, but there is no run to go on with: leave it out');
  const run = resume && past ? resumed(payload, past) : readRun(payload, {});
  return { run, resume, otherData, progressHz, returnWeights, snapshotMs, persist: readPersist(payload.persist) };
}

/** @param {any} payload @param {Partial<RunSettings>} own  what counts where nothing is given @returns {RunSettings} */
function readRun(payload, { epochs = 1, batchSize = 32, shuffle: shuffled = true, validationSplit: split = 0, nonFinite: policy }) {
  const { numEpochs = epochs, shuffle = shuffled, validationSplit = split, nonFinite = policy ?? 'error' } = payload;
  flags({ shuffle });
  if (typeof validationSplit !== 'number' || !(validationSplit >= 0 && validationSplit < 1)) {
    refuse(`validationSplit is ${show(validationSplit)}, expected a number from 0 to below 1`);
  }
  if (!NON_FINITE.includes(nonFinite)) refuse(`nonFinite is ${show(nonFinite)}, expected one of ${oneOf(NON_FINITE)}`);
  return {
    epochs: positiveInteger('numEpochs (epochs)', numEpochs),
    batchSize: readBatchSize(payload.batchSize ?? batchSize), shuffle, validationSplit,
    ...(nonFinite === 'rollback' && { nonFinite }),
  };
}

/** @param {any} payload @param {import('./state.js').RunState} past */
function resumed(payload, past) {
  const run = readRun(payload, past.settings);
  for (const name of /** @type {const} */ (['batchSize', 'shuffle', 'validationSplit', 'nonFinite'])) {
    if (run[name] === past.settings[name]) continue;
    refuse(`${name} is ${run[name] ?? 'error'}, but the run that is resumed has ${past.settings[name] ?? 'error'}`);
  }
  if (run.epochs < past.epoch) refuse(`numEpochs (epochs) is ${run.epochs}, but the run that is resumed is in epoch ${past.epoch}`);
  return run;
}

/**
 * The weights of classes by their indices; 1 where none is told.
 * @param {any} given  { label or index: number } @param {import('../../data/samples.js').OutputFacts[]} outputs
 * @returns {Float32Array | null}
 */
export function readClassWeight(given, outputs) {
  if (given === undefined) return null;
  const [{ classes, targets, labels }] = outputs;
  if (outputs.length > 1 || targets !== 1) {
    refuse(`classWeight is given, but ${outputs.length > 1 ? `the model has ${outputs.length} outputs` : 'a sample has no one class'}: expected sampleWeight`);
  }
  const names = labels ?? Array.from({ length: classes }, (_, i) => `${i}`);
  const weights = new Float32Array(classes).fill(1);
  for (const [name, weight] of Object.entries(checkFields(given, [...names, ...weights.keys()].map(String), 'classWeight', 'INVALID_OPTION'))) {
    atLeast(`classWeight.${name}`, weight, 0);
    weights[names.includes(name) ? names.indexOf(name) : Number(name)] = weight;
  }
  return weights;
}

/** How many of so many samples train: Keras's rounding, the training part is what is rounded down. @param {number} samples @param {number} split */
export const trainSamplesOf = (samples, split) => (split > 0 ? Math.floor(samples * (1 - split)) : samples);

/** @param {unknown} batchSize @returns {number} */
export function readBatchSize(batchSize = 32) {
  return positiveInteger('batchSize', batchSize);
}

/** @param {any} given @returns {Persist | null} */
function readPersist(given) {
  if (given === undefined || given === null) return null;
  const { name, keep, seconds, epochs, data = false, folder } =
    checkFields(given, ['name', 'keep', 'seconds', 'epochs', 'data', 'folder'], 'persist', 'INVALID_OPTION');
  if (typeof name !== 'string') refuse(`persist.name is ${show(name)}, expected a string`);
  if (folder !== undefined && typeof folder !== 'string') refuse(`persist.folder is ${show(folder)}, expected a path`);
  flags({ 'persist.data': data });
  if (keep !== undefined && positiveInteger('persist.keep', keep) > MOST_KEPT) refuse(`persist.keep is ${keep}, expected at most ${MOST_KEPT}`);
  if (seconds !== undefined) atLeast('persist.seconds', seconds, 0);
  if (epochs !== undefined) positiveInteger('persist.epochs', epochs);
  return { name, keep, seconds, epochs, data, folder };
}

/** @param {Record<string, unknown>} values */
function flags(values) {
  for (const [name, value] of Object.entries(values)) {
    if (typeof value !== 'boolean') refuse(`${name} is ${show(value)}, expected true or false`);
  }
}

/** @param {string} name @param {any} value @param {number} low */
function atLeast(name, value, low) {
  if (typeof value !== 'number' || !(value >= low && value < Infinity)) refuse(`${name} is ${show(value)}, expected a number from ${low} on`);
}

/** @param {string} name @param {any} value @returns {number} */
function positiveInteger(name, value) {
  if (!Number.isSafeInteger(value) || value < 1) refuse(`${name} is ${show(value)}, expected a positive integer`);
  return value;
}

/** @param {string} message @returns {never} */
function refuse(message) {
  throw new OffstageError('INVALID_OPTION', message);
}
