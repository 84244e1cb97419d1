/* fit-options.js: the options of a run, in one place: their values, their defaults, and whether
 * they belong to the run. The page's fit, START_TRAINING, checkpoints, the list of runs and the
 * types all read these tables; README has a row for each.
 *
 * SETTINGS belong to the run: checkpoints keep them, and a run that is resumed has its own.
 * REQUESTED belong to one START. This file imports nothing: it is in the bundle of the page too. */

/**
 * @template T
 * @typedef {object} Rule
 * @property {T} otherwise     the value where none is given
 * @property {string} allowed  for messages
 * @property {(value: any) => boolean} accepts
 * @property {boolean} [grows]   a run that is resumed may be given another value
 * @property {boolean} [sparse]  the default is left out of a checkpoint
 */
/**
 * @template {Record<string, Rule<any>>} R
 * @typedef {{ -readonly [K in keyof R]: R[K]['otherwise'] }} Values
 */
/** @typedef {Values<typeof SETTINGS>} FitSettings */
/**
 * Settings as a checkpoint has them.
 * @typedef {Omit<FitSettings, 'nonFinite'> & Pick<Partial<FitSettings>, 'nonFinite'>} RunSettings
 */

/** @type {Pick<Rule<number>, 'allowed' | 'accepts'>} */
const POSITIVE = {
  allowed: 'a positive integer',
  accepts: (value) => Number.isSafeInteger(value) && value >= 1,
};
/** @type {Pick<Rule<boolean>, 'allowed' | 'accepts'>} */
const FLAG = { allowed: 'true or false', accepts: (value) => typeof value === 'boolean' };

export const SETTINGS = Object.freeze({
  /**
   * How often the data are gone through, counted from the run's beginning: an integer from 1.
   * Default: 1
   * @type {Rule<number>}
   */
  epochs: { ...POSITIVE, otherwise: 1, grows: true },
  /** Samples of a step: an integer from 1. Default: 32 @type {Rule<number>} */
  batchSize: { ...POSITIVE, otherwise: 32 },
  /** The order of samples is another one in each epoch. Default: true @type {Rule<boolean>} */
  shuffle: { ...FLAG, otherwise: true },
  /**
   * The share of the samples that validates, from the end of the data, before any shuffling: from 0
   * to below 1. Default: 0
   * @type {Rule<number>}
   */
  validationSplit: {
    otherwise: 0,
    allowed: 'a number from 0 to below 1',
    accepts: (value) => typeof value === 'number' && value >= 0 && value < 1,
  },
  /**
   * The answer to a step whose loss or gradients are not finite: the run fails; or its epoch begins
   * anew, as it began before, at half the learning rate, 20 times at most. Default: 'error'
   * @type {Rule<'error' | 'rollback'>}
   */
  nonFinite: {
    otherwise: 'error',
    allowed: "'error', 'rollback'",
    accepts: (value) => value === 'error' || value === 'rollback',
    sparse: true,
  },
});

export const REQUESTED = Object.freeze({
  /**
   * The most progress messages a second: above 0 and up to 1000. Default: 10
   * @type {Rule<number>}
   */
  progressHz: {
    otherwise: 10,
    allowed: 'a number above 0 and up to 1000',
    accepts: (value) => typeof value === 'number' && value > 0 && value <= 1000,
  },
  /**
   * The run that was interrupted, or one that is to have more epochs, goes on; settings that are
   * not given are its own. Default: false
   * @type {Rule<boolean>}
   */
  resume: { ...FLAG, otherwise: false },
  /**
   * The run goes on although the data are not those that it began with; its epoch begins anew.
   * Default: false
   * @type {Rule<boolean>}
   */
  otherData: { ...FLAG, otherwise: false },
});

export const SETTING_NAMES = /** @type {(keyof FitSettings)[]} */ (Object.keys(SETTINGS));

/** The name of a setting in START_TRAINING. @param {string} name */
export const wireName = (name) => (name === 'epochs' ? 'numEpochs' : name);

/** Settings as START_TRAINING takes them. @param {Partial<FitSettings>} settings */
export const toWire = (settings) =>
  Object.fromEntries(SETTING_NAMES.map((name) => [wireName(name), settings[name]]));

/**
 * Reads the settings of a run, in the form of a checkpoint.
 * @param {any} payload  of START_TRAINING
 * @param {Partial<RunSettings>} own  of the run that is resumed: they stand where nothing is given
 * @returns {RunSettings}
 */
export function settingsOf(payload, own = {}) {
  const entries = SETTING_NAMES.map((name) => [
    name,
    payload[wireName(name)] ?? own[name] ?? SETTINGS[name].otherwise,
  ]);
  const kept = entries.filter(([name, value]) => isKept(name, value));
  return /** @type {any} */ (Object.fromEntries(kept));
}

/** @param {keyof FitSettings} name @param {unknown} value */
export function isKept(name, value) {
  const { sparse, otherwise } = /** @type {Rule<unknown>} */ (SETTINGS[name]);
  return !sparse || value !== otherwise;
}

/**
 * Counts the samples that train: as in Keras that part is rounded down.
 * @param {number} samples @param {number} split
 */
export const trainSamplesOf = (samples, split) =>
  split > 0 ? Math.floor(samples * (1 - split)) : samples;
