/* persist.js: reads the option `persist` of a trainer and of a fit: how checkpoints are kept.
 * Invariant: what it gives can stand in START_TRAINING as it is; defaults are the session's. */
import { NAME, isFolder, isName } from '../../worker/storage/naming.js';
import * as rule from '../host/options.js';
import { optional, readOptions } from '../host/options.js';

/**
 * @typedef {object} PersistOptions
 * @property {string} name under which resumeTrainer() finds it, 1 to 100 characters; one trainer at
 *   a time has a name
 * @property {number} [keep] checkpoints that are kept, an integer from 1. Default: 2
 * @property {number} [seconds] between two of them, from 0. Default: 5
 * @property {number} [epochs] between two of them, instead: an integer from 1. Default: none
 * @property {string} [folder] in Node: where. Default: '.offstage' in the working directory
 */

/** Where files are kept, in Node. @type {rule.Rule<string | undefined>} */
export const FOLDER = { otherwise: undefined, allowed: 'a path', accepts: isFolder };

const FIELDS = {
  name: { otherwise: '', allowed: `a string ${NAME}`, accepts: isName },
  keep: optional(rule.integer(1, 2)),
  seconds: optional(
    rule.number('a number of at least 0', (value) => value >= 0 && value < Infinity, 5),
  ),
  epochs: optional(rule.integer(1, 1)),
  folder: FOLDER,
};

/** @type {rule.Rule<string | PersistOptions | undefined>} */
export const PERSIST = {
  otherwise: undefined,
  allowed: `a name ${NAME}, or { name, keep, seconds, epochs, folder }`,
  accepts: (value) =>
    isName(value) || (typeof value === 'object' && value !== null && 'name' in value),
};

/**
 * @param {string} where
 * @param {string | PersistOptions | undefined} given
 */
export function readPersist(where, given) {
  if (given === undefined) return undefined;
  const fields = typeof given === 'string' ? { name: given } : given;
  return readOptions(`${where}: persist`, fields, FIELDS);
}
