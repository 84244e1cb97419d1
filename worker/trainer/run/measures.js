/* measures.js: sums over the samples of steps, and the means that are reported of them.
 *
 * Totals are numbers: loss, correct predictions, samples; of a model with several outputs then loss
 * and correct predictions of each. The accuracy of one output stands beside the loss; of several
 * each has its own, under `outputs`. */

import { isRecord } from '../../host/errors.js';

/**
 * @typedef {object} Measured
 * @property {{ name: string, accuracy: boolean }[]} outputs  accuracy: it is told of that one
 */
/**
 * @typedef {{ loss?: number, accuracy?: number, valLoss?: number, valAccuracy?: number,
 *   batchLoss?: number, batchAccuracy?: number }} Measures
 */

/** @param {Measured} measured @returns {number[]} */
export const noTotals = ({ outputs: { length } }) => Array(length > 1 ? 3 + 2 * length : 3).fill(0);

/** @param {number[]} totals @param {Float64Array} step  the core's @param {number} samples */
export function addStep(totals, step, samples) {
  totals[0] += step[0];
  totals[1] += step[3];
  totals[2] += samples;
  for (let i = 3; i < totals.length; i++) totals[i] += step[i - 1];
}

/**
 * @param {Measured} measured
 * @param {number[]} totals
 * @param {['loss' | 'valLoss' | 'batchLoss', 'accuracy' | 'valAccuracy' | 'batchAccuracy']} [names]
 * @returns {any} Measures, with `outputs`: Measures of each, where there are several
 */
export function meansOf(
  { outputs },
  [loss, correct, samples, ...each],
  [lossName, accuracyName] = ['loss', 'accuracy'],
) {
  /** @param {number} sum @param {number} hits @param {boolean} counts */
  const means = (sum, hits, counts) => ({
    [lossName]: sum / samples,
    ...(counts && { [accuracyName]: hits / samples }),
  });
  if (outputs.length === 1) return means(loss, correct, outputs[0].accuracy);
  const entries = outputs.map(({ name, accuracy }, k) => [
    name,
    means(each[2 * k], each[2 * k + 1], accuracy),
  ]);
  return { ...means(loss, 0, false), outputs: Object.fromEntries(entries) };
}

/**
 * The means of one step.
 * @param {Measured} measured @param {Float64Array} step  the core's totals
 * @param {number} samples
 */
export function meansOfStep(measured, step, samples) {
  const totals = noTotals(measured);
  addStep(totals, step, samples);
  return meansOf(measured, totals, ['batchLoss', 'batchAccuracy']);
}

/**
 * Merges what was measured of training with what was of a batch or validation, or beside it.
 * @param {any} a @param {any} b
 */
export const together = (a, b) => ({
  ...a,
  ...b,
  ...(b.outputs && {
    outputs: Object.fromEntries(
      Object.keys({ ...a.outputs, ...b.outputs }).map((name) => [
        name,
        { ...a.outputs?.[name], ...b.outputs[name] },
      ]),
    ),
  }),
});

/** @param {string} prefix @param {string} name */
export const prefixed = (prefix, name) =>
  prefix ? `${prefix}${name[0].toUpperCase()}${name.slice(1)}` : name;

/**
 * The names that records have beside those of the loss, for a spec that is not checked yet.
 * @param {any} given  a spec's metrics @returns {Set<string>}
 */
export function namesOf(given) {
  const lists = isRecord(given) ? Object.values(given) : [given];
  const names = lists.flatMap((list) =>
    Array.isArray(list) ? list.map((each) => each?.name ?? each?.type ?? each) : [],
  );
  return new Set(
    names
      .filter((name) => typeof name === 'string' && name !== '')
      .flatMap((name) => [name, prefixed('val', name)]),
  );
}
