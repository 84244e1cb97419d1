/* words.js: adds to the refusal of an option of fit where users of other libraries find what they
 * looked for.
 * Invariant: the words are loaded when something was refused, from where the trainer has its files;
 * without them the refusal stands as it is. */
import { OffstageError, unknownFields } from '../../worker/host/errors.js';

/** @typedef {typeof import('../../worker/spec/refusal.js')} Words */
/** @type {import('../../worker/host/parts.js').Part<Words>} */
const WORDS = {
  file: 'refusal.js',
  what: 'the sentence of a refusal',
  beside: () => new URL('../../worker/spec/refusal.js', import.meta.url),
};

/**
 * @param {any} error of a fit
 * @param {string} [assets]
 * @returns {Promise<unknown>} the error to reject with
 */
export async function worded(error, assets) {
  const name = unknownFields.get(error);
  if (name === undefined) return error;
  try {
    const { loadPart } = await import('../../worker/host/parts.js');
    const more = (await loadPart(WORDS, assets)).elsewhere(name);
    return more ? new OffstageError(error.code, error.message + more) : error;
  } catch {
    return error;
  }
}
