/* runtime.js: how a session is asked to run: checks INIT_TRAINING's `runtime` and says what becomes of it. */

import { OffstageError, checkFields, oneOf, show } from './errors.js';
import { VARIANTS } from './module.js';

const FIELDS = ['variant', 'threads', 'deterministic', 'assets', 'place', 'sliceWork'];
const PLACES = ['worker', 'main'];

/**
 * @param {any} [given]
 * @returns {{ variant?: import('./module.js').Variant, assets?: string, place: 'worker' | 'main', sliceWork?: number,
 *   threads: number, reason: string | null }}
 */
export function readRuntime(given = {}) {
  const { variant, threads = 'auto', deterministic = true, assets, place = 'worker', sliceWork } =
    checkFields(given, FIELDS, 'runtime', 'INVALID_OPTION');
  if (variant !== undefined && !VARIANTS.includes(variant)) {
    refuse(`variant is ${show(variant)}, expected one of ${oneOf(VARIANTS)}`);
  }
  if (threads !== 'auto' && !(Number.isSafeInteger(threads) && threads >= 0)) {
    refuse(`threads is ${show(threads)}, expected 'auto' or a number from 0`);
  }
  if (typeof deterministic !== 'boolean') refuse(`deterministic is ${show(deterministic)}, expected true or false`);
  if (assets !== undefined && typeof assets !== 'string') refuse(`assets is ${show(assets)}, expected a URL`);
  if (!PLACES.includes(place)) refuse(`place is ${show(place)}, expected one of ${oneOf(PLACES)}`);
  if (sliceWork !== undefined && !(Number.isFinite(sliceWork) && sliceWork >= 1)) {
    refuse(`sliceWork is ${show(sliceWork)}, expected a number from 1`);
  }
  const many = threads !== 'auto' && threads > 1;
  const reason = many ? `one thread computes, not ${threads}: this version has no threaded variant` : null;
  return { variant, assets, place, sliceWork, threads: 1, reason };
}

/** @param {string} message @returns {never} */
function refuse(message) {
  throw new OffstageError('INVALID_OPTION', message);
}
