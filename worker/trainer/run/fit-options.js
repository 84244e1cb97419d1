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
 * The settings that a checkpoint has only where they are not the default.
 * @typedef {'nonFinite' | 'splitBy' | 'learningRate' | 'earlyStopping' | 'reduceOnPlateau'
 *   | 'until' | 'maxSteps' | 'maxSeconds'} Sparse
 */
/** @typedef {import('../../../wasm-build/dist/spec.js').Schedule} Schedule */
/** @typedef {import('../../../wasm-build/dist/spec.js').EarlyStopping} EarlyStopping */
/** @typedef {import('../../../wasm-build/dist/spec.js').ReduceOnPlateau} ReduceOnPlateau */
/**
 * Settings as a checkpoint has them.
 * @typedef {Omit<FitSettings, Sparse> & Pick<Partial<FitSettings>, Sparse>} RunSettings
 */

/** @type {Pick<Rule<number>, 'allowed' | 'accepts'>} */
const POSITIVE = {
  allowed: 'a positive integer',
  accepts: (value) => Number.isSafeInteger(value) && value >= 1,
};
/** @type {Pick<Rule<number>, 'allowed' | 'accepts'>} */
export const RATE = {
  allowed: 'a number from 0 to 1e6',
  accepts: (value) => typeof value === 'number' && value >= 0 && value <= 1e6,
};
/** @type {Pick<Rule<number>, 'allowed' | 'accepts'>} */
const TRIED = {
  allowed: 'a number from 1e-12 to 1e6',
  accepts: (value) => typeof value === 'number' && value >= 1e-12 && value <= 1e6,
};
/** @type {Pick<Rule<number>, 'allowed' | 'accepts'>} */
export const SHARE = {
  allowed: 'a number above 0 and up to 1',
  accepts: (value) => typeof value === 'number' && value > 0 && value <= 1,
};
/** @param {unknown} value */
const areOptions = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
/**
 * Takes options by name, which are read where they are used.
 * @param {string} like @returns {Pick<Rule<any>, 'allowed' | 'accepts'>}
 */
const options = (like) => ({
  allowed: `an object such as ${like}`,
  accepts: areOptions,
});
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
  /** The share of the samples that validates: from 0 to below 1. Default: 0 @type {Rule<number>} */
  validationSplit: {
    otherwise: 0,
    allowed: 'a number from 0 to below 1',
    accepts: (value) => typeof value === 'number' && value >= 0 && value < 1,
  },
  /**
   * The samples that validate: the end of the data, before any shuffling; or chosen at random, by
   * the model's seed; or so that each class has its share. Default: 'end'
   * @type {Rule<'end' | 'random' | 'stratified'>}
   */
  splitBy: {
    otherwise: 'end',
    allowed: "'end', 'random', 'stratified'",
    accepts: (value) => value === 'end' || value === 'random' || value === 'stratified',
    sparse: true,
  },
  /**
   * The optimizer's learning rate in this run: a number from 0 to 1e6, or a schedule. Default: its
   * own
   * @type {Rule<number | Schedule | undefined>}
   */
  learningRate: {
    allowed: `${RATE.allowed}, or a schedule such as { type: 'cosine', decaySteps: 1000 }`,
    accepts: (value) => RATE.accepts(value) || areOptions(value),
    otherwise: undefined,
    sparse: true,
  },
  /**
   * The run ends when a number of its epochs' records no longer gets better. Default: it does not
   * @type {Rule<EarlyStopping | undefined>}
   */
  earlyStopping: { ...options('{ patience: 3 }'), otherwise: undefined, sparse: true },
  /**
   * The learning rate falls when a number no longer gets better. Default: it does not
   * @type {Rule<ReduceOnPlateau | undefined>}
   */
  reduceOnPlateau: { ...options('{ patience: 3 }'), otherwise: undefined, sparse: true },
  /**
   * The run ends when numbers of an epoch's record are all as good as these, or better. Default: it
   * does not
   * @type {Rule<Readonly<Record<string, number>> | undefined>}
   */
  until: { ...options('{ valAccuracy: 0.98 }'), otherwise: undefined, sparse: true },
  /**
   * The most steps, counted from the run's beginning: an integer from 1. Default: no limit
   * @type {Rule<number | undefined>}
   */
  maxSteps: { ...POSITIVE, otherwise: undefined, grows: true, sparse: true },
  /**
   * The most seconds, counted likewise, pauses left out: a number above 0. Default: no limit
   * @type {Rule<number | undefined>}
   */
  maxSeconds: {
    otherwise: undefined,
    allowed: 'a number above 0',
    accepts: (value) => typeof value === 'number' && value > 0 && value <= 1e30,
    grows: true,
    sparse: true,
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
   * The batches that are told of: the latest one with each message, or every one, as numbers.
   * Default: 'throttled'
   * @type {Rule<'throttled' | 'every'>}
   */
  batchRecords: {
    otherwise: 'throttled',
    allowed: "'throttled', 'every'",
    accepts: (value) => value === 'throttled' || value === 'every',
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

/** The options of findLearningRate that are not about its data. */
export const SEARCH = Object.freeze({
  /** The first rate: a number from 1e-12 to 1e6. Default: 1e-7 @type {Rule<number>} */
  from: { ...TRIED, otherwise: 1e-7 },
  /** The last rate, above the first: a number from 1e-12 to 1e6. Default: 1 @type {Rule<number>} */
  to: { ...TRIED, otherwise: 1 },
  /**
   * How many rates are tried, one a step: an integer from 2 to 1e6. Default: 100
   * @type {Rule<number>}
   */
  steps: {
    otherwise: 100,
    allowed: 'an integer from 2 to 1e6',
    accepts: (value) => Number.isInteger(value) && value >= 2 && value <= 1e6,
  },
  /** Samples of a step: an integer from 1. Default: 32 @type {Rule<number>} */
  batchSize: { ...POSITIVE, otherwise: 32 },
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
