/* controls.js: what a run is told about its learning rate and its end, as records for the core, and
 * what the core decides by them.
 *
 * SETTINGS' learningRate (a schedule), earlyStopping, reduceOnPlateau, until, maxSteps, maxSeconds
 * are read here. Arithmetic and state are control.c's: a run that asks for none of them has no
 * object of this class. */

import { OffstageError, checkFields, isRecord, meant, oneOf, show } from '../../host/errors.js';
import { recordNamed } from '../../spec/fields.js';
import { readOptions } from '../../spec/options.js';
import { encodeRecords } from '../../spec/spec.js';

/** @typedef {import('../../spec/schema.js').Schema} Schema */
/** @typedef {import('./fit-options.js').RunSettings} RunSettings */
/**
 * direction: 1 where more is better, -1 less.
 * @typedef {{ name: string, direction: number }} Monitor
 */

/** What an epoch's end decides, as control.c's bits. */
const KEEP_BEST = 1;
const STOP_EARLY = 2;
const STOP_REACHED = 4;
/** The state's number of the epoch whose weights are the best. */
export const KEPT = 3;

const CODE = 'INVALID_OPTION';

/**
 * Completes what a run's settings say of its control: every option has its value.
 * @param {Schema} schema @param {RunSettings} settings
 * @returns {RunSettings}
 */
export function completeControls(schema, settings) {
  const { learningRate, earlyStopping, reduceOnPlateau, until } = settings;
  const isScheduled = typeof learningRate === 'object';
  if (isScheduled && reduceOnPlateau) {
    refuse(
      'reduceOnPlateau beside a schedule in learningRate, expected one of them: ' +
        "the schedule would undo the plateau's rate",
    );
  }
  return {
    ...settings,
    ...(until && { until: readTargets(until) }),
    ...(isScheduled && { learningRate: readSchedule(schema, learningRate) }),
    ...(earlyStopping && {
      earlyStopping: readDecision(schema, 'earlyStopping', earlyStopping),
    }),
    ...(reduceOnPlateau && {
      reduceOnPlateau: readDecision(schema, 'reduceOnPlateau', reduceOnPlateau),
    }),
  };
}

/** @param {Schema} schema @param {any} given @returns {any} */
function readSchedule(schema, given) {
  const names = schema.records.filter(({ group }) => group === 'schedule').map((r) => r.type);
  const { type, ...options } = isRecord(given) ? given : { type: given };
  if (!names.includes(type)) {
    refuse(
      `learningRate.type is ${show(type)}, expected one of ${oneOf(names)}${meant(type, names)}`,
    );
  }
  const record = recordNamed(schema, 'schedule', type, 'learningRate');
  const read = readOptions(schema, record, options, {
    what: 'learningRate',
    code: CODE,
    besides: ['type'],
  });
  const { boundaries, values, warmupTarget, warmupSteps } = read;
  if (boundaries) {
    if (values.length !== boundaries.length + 1) {
      refuse(
        `learningRate.values holds ${values.length} numbers, ` +
          `expected ${boundaries.length + 1}: one more than boundaries`,
      );
    }
    if (
      boundaries.some(
        (/** @type {number} */ at, /** @type {number} */ i) => at <= boundaries[i - 1],
      )
    ) {
      refuse(`learningRate.boundaries is ${show(boundaries)}, expected rising numbers`);
    }
  }
  if (warmupTarget !== undefined && warmupSteps === 0) {
    refuse('learningRate.warmupTarget without warmupSteps, expected both');
  }
  return { type, ...read };
}

/**
 * @param {Schema} schema @param {'earlyStopping' | 'reduceOnPlateau'} name @param {any} given
 * @returns {any}
 */
function readDecision(schema, name, given) {
  const { monitor = 'valLoss', mode = 'auto', ...options } = checkRecord(given, name);
  if (typeof monitor !== 'string') {
    refuse(`${name}.monitor is ${show(monitor)}, expected the name of a number of epoch records`);
  }
  if (!['auto', 'min', 'max'].includes(mode)) {
    refuse(
      `${name}.mode is ${show(mode)}, expected one of 'auto', 'min', 'max'` +
        meant(mode, ['auto', 'min', 'max']),
    );
  }
  const record = recordNamed(schema, 'decision', name, name);
  const {
    monitor: _,
    mode: __,
    ...read
  } = readOptions(schema, record, options, {
    what: name,
    code: CODE,
  });
  return { monitor, mode, ...read };
}

/** @param {any} given @param {string} name @returns {any} */
const checkRecord = (given, name) =>
  checkFields(given, isRecord(given) ? Object.keys(given) : [], name, CODE);

/** Sorts targets by their names. @param {any} until @returns {Record<string, number>} */
function readTargets(until) {
  const targets = Object.entries(checkRecord(until, 'until')).sort();
  if (targets.length === 0 || targets.length > 64) {
    refuse(
      `until holds ${targets.length} targets, expected 1 to 64, such as { valAccuracy: 0.98 }`,
    );
  }
  for (const [name, value] of targets) {
    if (typeof value === 'number' && Math.abs(value) <= 1e30) continue;
    refuse(`until.${name} is ${show(value)}, expected a finite number`);
  }
  return Object.fromEntries(targets);
}

/**
 * Lists the numbers of epoch records that may be monitored.
 * @param {Record<string, any>} record  of an epoch
 * @param {Record<string, number>} directions  of metrics, by the names of their records
 * @returns {Monitor[]}
 */
export function monitorsOf({ epoch, learningRate, outputs = {}, ...own }, directions = {}) {
  const list = (/** @type {Record<string, any>} */ measured, prefix = '') =>
    Object.entries(measured)
      .filter(([, value]) => typeof value === 'number')
      .map(([key]) => ({ name: prefix + key, direction: directionOf(prefix, key, directions) }));
  const each = Object.entries(outputs).flatMap(([output, of]) => list(of, `${output}.`));
  return [...list(own), ...each];
}

/** @param {string} prefix @param {string} key @param {Record<string, number>} directions */
function directionOf(prefix, key, directions) {
  const plain = /^val[A-Z]/.test(key) ? key[3].toLowerCase() + key.slice(4) : key;
  if (plain === 'loss') return -1;
  return directions[prefix + plain] ?? directions[prefix + key] ?? 1;
}

/** The number of a record that a monitor names. @param {any} record @param {string} name */
function numberOf(record, name) {
  if (typeof record[name] === 'number') return record[name];
  const at = name.lastIndexOf('.');
  return record.outputs?.[name.slice(0, at)]?.[name.slice(at + 1)];
}

export class Controls {
  #core;
  #address;
  #monitors;
  /** Says that a schedule sets the rate. */ isScheduled;
  /** Says that the best weights are kept. */ restores;
  /** Says that it has limits. */ isLimited;

  /**
   * @param {import('../core.js').Core} core
   * @param {RunSettings} settings  complete
   * @param {Monitor[]} monitors
   */
  constructor(core, settings, monitors) {
    const { schema } = core;
    const { learningRate, earlyStopping, reduceOnPlateau, until, maxSteps, maxSeconds } = settings;
    /** @type {import('../../spec/graph.js').Part[]} */
    const parts = [];
    const add = (
      /** @type {string} */ group,
      /** @type {string} */ type,
      /** @type {any} */ values,
    ) => parts.push({ record: recordNamed(schema, group, type, type), values });
    const watch = (/** @type {string} */ what, /** @type {string} */ name, mode = 'auto') => {
      const names = monitors.map((each) => each.name);
      const monitor = names.indexOf(name);
      if (monitor < 0) refuseMonitor(what, name, names);
      const better = monitors[monitor].direction > 0 ? 'max' : 'min';
      return { monitor, mode: mode === 'auto' ? better : mode };
    };
    if (typeof learningRate === 'object') {
      const { type, ...values } = learningRate;
      add('schedule', type, values);
    }
    for (const [type, given] of Object.entries({ earlyStopping, reduceOnPlateau })) {
      if (!given) continue;
      const { monitor = '', mode, ...values } = given;
      add('decision', type, {
        ...values,
        ...watch(`${type}.monitor is '${monitor}'`, monitor, mode),
      });
    }
    for (const [name, value] of Object.entries(until ?? {})) {
      add('decision', 'until', { ...watch(`until has '${name}'`, name), value });
    }
    this.isLimited = maxSteps !== undefined || maxSeconds !== undefined;
    if (this.isLimited) add('decision', 'limits', { maxSteps, maxSeconds });
    this.isScheduled = typeof learningRate === 'object';
    this.restores = earlyStopping?.restoreBest === true;
    this.#core = core;
    this.#monitors = monitors;
    this.#address = core.controlInit(encodeRecords(schema, parts), monitors.length);
  }

  /** Says whether settings ask for any. @param {RunSettings} settings */
  static asked(settings) {
    const { learningRate, earlyStopping, reduceOnPlateau, until, maxSteps, maxSeconds } = settings;
    const others = [earlyStopping, reduceOnPlateau, until, maxSteps, maxSeconds];
    return typeof learningRate === 'object' || others.some((each) => each !== undefined);
  }

  /**
   * The rate of the next update.
   * @param {number} own  of the optimizer @param {number} updates @param {number} epochs complete
   */
  rateOf(own, updates, epochs) {
    return this.#core.controlRate(this.#address, own, updates, epochs);
  }

  /** @param {number} steps @param {number} seconds */
  atLimit(steps, seconds) {
    return this.#core.controlAtLimit(this.#address, steps, seconds);
  }

  /**
   * Decides after an epoch.
   * @param {any} record  of it
   * @param {number} rate  the learning rate
   * @returns {{ keepsBest: boolean, reason: 'earlyStopping' | 'reached' | null, rate: number }}
   */
  epochEnded(record, rate) {
    const values = this.#monitors.map(({ name }) => numberOf(record, name));
    const then = this.#core.controlEpoch(this.#address, record.epoch, values, rate);
    const early = then.decided & STOP_EARLY ? 'earlyStopping' : null;
    return {
      keepsBest: (then.decided & KEEP_BEST) !== 0,
      reason: then.decided & STOP_REACHED ? 'reached' : early,
      rate: then.rate,
    };
  }

  get state() {
    return this.#core.controlState(this.#address);
  }

  /** @param {number[]} state  of a checkpoint */
  restore(state) {
    if (this.#core.controlRestore(this.#address, state)) return;
    throw new OffstageError(
      'BAD_CHECKPOINT',
      'the checkpoint is refused: run/control holds numbers that its controls cannot have',
    );
  }

  free() {
    this.#core.memory.free(this.#address);
  }
}

/** @param {string} what @param {string} name @param {string[]} names @returns {never} */
function refuseMonitor(what, name, names) {
  const validates = names.some((each) => /(^|\.)val[A-Z]/.test(each));
  const more =
    !validates && /(^|\.)val[A-Z]/.test(name)
      ? ': nothing validates without validationSplit or validationData'
      : meant(name, names);
  refuse(`${what}, which this run does not measure, expected one of ${oneOf(names)}${more}`);
}

/** @param {string} message @returns {never} */
function refuse(message) {
  throw new OffstageError(CODE, message);
}
