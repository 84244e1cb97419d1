/* foreign.js: what a session knows of messages that the page sends seldom or never: that they are
 * such, and which part reads them.
 *
 * The part, wire.js, is loaded with the first of them and is the thread's from then on. Where it
 * cannot be had, what needs it is refused, in the form in which it was asked. */

import { isRecord } from '../host/errors.js';
import { loadPart } from '../host/parts.js';

/** @typedef {typeof import('./wire.js')} Wire */

/** @type {import('../host/parts.js').Part<Wire>} */
const WIRE = {
  file: 'wire.js',
  what: 'what reads bare messages, nested arrays and weights',
  beside: () => new URL('./wire.js', import.meta.url),
};
/** Fields that an enveloped message may have of the bare form, by its type. */
const FOLDED = /** @type {Record<string, string>} */ ({
  START_TRAINING: 'trainingData',
  PREDICT: 'inputGrid',
});

/** @type {Wire | null} */
let loaded = null;

/** The part, once it has been loaded. */
export const reader = () => loaded;

/** Likewise, for who has waited for it. */
export const wire = () => /** @type {Wire} */ (loaded);

/** Types of error replies beside ERROR. */
export const ERRORS = ['TRAINING_ERROR'];

/** @param {any} message @returns {boolean} */
export function isBare(message) {
  return isRecord(message) && message.v === undefined && message.id === undefined;
}

/** @param {any} message @returns {boolean}  only the part can read it */
export function isForeign(message) {
  if (isBare(message)) return true;
  const type = message?.type;
  return (
    typeof type === 'string' &&
    Object.hasOwn(FOLDED, type) &&
    message.payload?.[FOLDED[type]] !== undefined
  );
}

/**
 * Loads the part for a message.
 * @param {any} message
 * @param {unknown} known where the session's files are, as a model's runtime says
 */
export async function load(message, known) {
  const assets = message.payload?.runtime?.assets ?? known;
  loaded ??= await loadPart(WIRE, typeof assets === 'string' ? assets : undefined);
}

/** An ERROR's payload as a bare message. @param {{ error: string, code: string }} payload */
export const bareError = ({ error, code }) => ({
  type: 'TRAINING_ERROR',
  payload: { error, code },
});
