/* settings.js: the options in START_TRAINING's payload, beside the data.
 *
 * Unknown fields, wrong types and values out of range are INVALID_OPTION. A run that is resumed
 * keeps its own settings: those given must be the same, but for the epochs, of which there may be
 * more. */

import { OffstageError, checkFields, show } from '../../host/errors.js';
import { completeControls } from './controls.js';
import {
  RATE,
  REQUESTED,
  SEARCH,
  SETTINGS,
  SETTING_NAMES,
  SHARE,
  settingsOf,
  wireName,
} from './fit-options.js';

/** @typedef {import('./fit-options.js').RunSettings} RunSettings */
/**
 * @typedef {object} Persist
 * @property {string} name
 * @property {number} [keep]
 * @property {number} [seconds]
 * @property {number} [epochs]
 * @property {boolean} data
 * @property {string} [folder]
 */
/**
 * @typedef {object} Settings
 * @property {RunSettings} run
 * @property {boolean} resume
 * @property {boolean} otherData
 * @property {number} progressHz
 * @property {'throttled' | 'every'} batchRecords
 * @property {boolean} returnWeights
 * @property {boolean} waits             the client answers to the end of each epoch
 * @property {boolean} recovers          its session was lost: where it had ended it has ended
 * @property {number | null} snapshotMs  null: the client wants none
 * @property {Persist | null} persist
 */

export const DATA_FIELDS = ['x', 'y', 'sampleWeight'];
const FIELDS = [
  'x',
  'y',
  ...SETTING_NAMES.map(wireName),
  ...Object.keys(REQUESTED),
  'returnWeights',
  'waits',
  'recovers',
  'snapshotMs',
  'persist',
  'sampleWeight',
  'classWeight',
  'validationData',
];
const MOST_KEPT = 100;

/**
 * @param {any} payload  of START_TRAINING
 * @param {import('./state.js').RunState | null} past  the run that can be resumed
 * @param {import('../../spec/schema.js').Schema} schema
 * @returns {Settings}
 */
export function readSettings(payload, past, schema) {
  checkFields(payload, FIELDS, 'START_TRAINING', 'INVALID_OPTION');
  const { returnWeights = false, waits = false, recovers = false, snapshotMs = null } = payload;
  const {
    progressHz = REQUESTED.progressHz.otherwise,
    batchRecords = REQUESTED.batchRecords.otherwise,
    resume = REQUESTED.resume.otherwise,
    otherData = REQUESTED.otherData.otherwise,
  } = payload;
  for (const [name, rule] of Object.entries({ ...SETTINGS, ...REQUESTED })) {
    const wire = wireName(name);
    follow(wire === name ? name : `${wire} (${name})`, payload[wire], rule);
  }
  follow('returnWeights', returnWeights, REQUESTED.resume);
  follow('waits', waits, REQUESTED.resume);
  follow('recovers', recovers, REQUESTED.resume);
  if (snapshotMs !== null) atLeast('snapshotMs', snapshotMs, 0);
  if (resume && !past) refuse('resume is true, but there is no run to go on with: leave it out');
  const run = completeControls(schema, settingsOf(payload, resume ? past?.settings : {}));
  if (resume && past) refuseOther(run, past);
  if (run.splitBy && run.validationSplit === 0) {
    refuse(`splitBy is '${run.splitBy}', expected validationSplit above 0 with it`);
  }
  if (payload.validationData !== undefined) {
    if (run.validationSplit > 0) {
      refuse(`validationData beside validationSplit ${run.validationSplit}, expected one of them`);
    }
    checkFields(payload.validationData, DATA_FIELDS, 'validationData', 'INVALID_OPTION');
  }
  return {
    run,
    resume,
    otherData,
    progressHz,
    batchRecords,
    returnWeights,
    waits,
    recovers,
    snapshotMs,
    persist: readPersist(payload.persist),
  };
}

/**
 * Refuses a value that is given and breaks the rule.
 * @param {string} name @param {unknown} value @param {import('./fit-options.js').Rule<any>} rule
 */
function follow(name, value, { accepts, allowed }) {
  if (value === undefined || accepts(value)) return;
  refuse(`${name} is ${show(value)}, expected ${allowed}`);
}

/** A setting as a text. @param {unknown} value */
const told = (value) => (typeof value === 'object' ? JSON.stringify(value) : String(value));

/**
 * Refuses settings that are not those of the run that is resumed.
 * @param {RunSettings} run @param {import('./state.js').RunState} past
 */
function refuseOther(run, { settings, epoch }) {
  for (const name of SETTING_NAMES) {
    /** @type {import('./fit-options.js').Rule<any>} */
    const { grows, otherwise } = SETTINGS[name];
    if (grows || told(run[name]) === told(settings[name])) continue;
    refuse(
      `${name} is ${told(run[name] ?? otherwise)}, ` +
        `but the run that is resumed has ${told(settings[name] ?? otherwise)}`,
    );
  }
  if (run.epochs < epoch) {
    refuse(`numEpochs (epochs) is ${run.epochs}, but the run that is resumed is in epoch ${epoch}`);
  }
}

/**
 * Reads the weights of classes, by their indices; 1 where none is given.
 * @param {any} given  { label or index: number }
 * @param {import('../../data/columns.js').OutputFacts[]} outputs
 * @returns {Float32Array | null}
 */
export function readClassWeight(given, outputs) {
  if (given === undefined) return null;
  const [{ classes, targets, labels }] = outputs;
  if (outputs.length > 1 || targets !== 1) {
    const why =
      outputs.length > 1 ? `the model has ${outputs.length} outputs` : 'a sample has no one class';
    refuse(`classWeight is given, but ${why}: expected sampleWeight`);
  }
  const names = labels ?? Array.from({ length: classes }, (_, i) => `${i}`);
  const weights = new Float32Array(classes).fill(1);
  const allowed = [...names, ...weights.keys()].map(String);
  const byClass = checkFields(given, allowed, 'classWeight', 'INVALID_OPTION');
  for (const [name, weight] of Object.entries(byClass)) {
    atLeast(`classWeight.${name}`, weight, 0);
    weights[names.includes(name) ? names.indexOf(name) : Number(name)] = weight;
  }
  return weights;
}

/**
 * Reads when a run is to be stopped: at the end of its epoch, or at once.
 * @param {any} payload  of STOP_TRAINING @returns {boolean}
 */
export function readStop(payload) {
  const { after } = checkFields(payload, ['after'], 'STOP_TRAINING', 'INVALID_OPTION');
  if (after !== undefined && after !== 'epoch') refuse(`after is ${show(after)}, expected 'epoch'`);
  return after === 'epoch';
}

/**
 * @param {any} payload  of SET_RUN
 * @returns {{ learningRate?: number, duty?: number }}
 */
export function readChange(payload) {
  const allowed = ['learningRate', 'duty'];
  const { learningRate, duty } = checkFields(payload, allowed, 'SET_RUN', 'INVALID_OPTION');
  follow('learningRate', learningRate, { ...RATE, otherwise: undefined });
  follow('duty', duty, { ...SHARE, otherwise: 1 });
  return { learningRate, duty };
}

/**
 * @param {any} payload  of CONTINUE_TRAINING
 * @returns {{ epoch: number, stop: boolean, learningRate?: number }}
 */
export function readAnswer(payload) {
  const allowed = ['epoch', 'stop', 'learningRate'];
  const fields = checkFields(payload, allowed, 'CONTINUE_TRAINING', 'INVALID_OPTION');
  const { epoch, stop = false, learningRate } = fields;
  if (epoch === undefined) refuse('epoch is missing, expected that of EPOCH_ENDED');
  positiveInteger('epoch', epoch);
  follow('stop', stop, REQUESTED.resume);
  follow('learningRate', learningRate, { ...RATE, otherwise: undefined });
  return { epoch, stop, learningRate };
}

/**
 * Reads the rates that are to be tried.
 * @param {any} payload  of FIND_LEARNING_RATE @returns {import('../rate-search.js').Range}
 */
export function readRange(payload) {
  const allowed = [...DATA_FIELDS, ...Object.keys(SEARCH)];
  checkFields(payload, allowed, 'FIND_LEARNING_RATE', 'INVALID_OPTION');
  const entries = Object.entries(SEARCH).map(([name, rule]) => {
    follow(name, payload[name], rule);
    return [name, payload[name] ?? rule.otherwise];
  });
  /** @type {import('../rate-search.js').Range} */
  const range = Object.fromEntries(entries);
  if (range.from < range.to) return range;
  refuse(`from is ${range.from}, expected a number below to, which is ${range.to}`);
}

/** @param {unknown} batchSize @returns {number} */
export function readBatchSize(batchSize = SETTINGS.batchSize.otherwise) {
  return positiveInteger('batchSize', batchSize);
}

/** @param {any} given @returns {Persist | null} */
function readPersist(given) {
  if (given === undefined || given === null) return null;
  const fields = ['name', 'keep', 'seconds', 'epochs', 'data', 'folder'];
  const {
    name,
    keep,
    seconds,
    epochs,
    data = false,
    folder,
  } = checkFields(given, fields, 'persist', 'INVALID_OPTION');
  if (typeof name !== 'string') refuse(`persist.name is ${show(name)}, expected a string`);
  if (folder !== undefined && typeof folder !== 'string') {
    refuse(`persist.folder is ${show(folder)}, expected a path`);
  }
  follow('persist.data', data, REQUESTED.resume);
  if (keep !== undefined && positiveInteger('persist.keep', keep) > MOST_KEPT) {
    refuse(`persist.keep is ${keep}, expected at most ${MOST_KEPT}`);
  }
  if (seconds !== undefined) atLeast('persist.seconds', seconds, 0);
  if (epochs !== undefined) positiveInteger('persist.epochs', epochs);
  return { name, keep, seconds, epochs, data, folder };
}

/** @param {string} name @param {any} value @param {number} low */
function atLeast(name, value, low) {
  if (typeof value === 'number' && value >= low && value < Infinity) return;
  refuse(`${name} is ${show(value)}, expected a number from ${low} on`);
}

/** @param {string} name @param {any} value @returns {number} */
function positiveInteger(name, value) {
  follow(name, value, SETTINGS.batchSize);
  return value;
}

/** @param {string} message @returns {never} */
function refuse(message) {
  throw new OffstageError('INVALID_OPTION', message);
}
