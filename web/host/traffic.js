/* traffic.js: counts the bytes of a message.
 * Invariant: counting takes no time to speak of, however large the message is: lists of numbers are
 * not walked. */
import { isRecord } from '../../worker/host/errors.js';

/** Levels of a payload that may hold arrays: { x: { data } }, { weights: [{ data }] }. */
const DEPTH = 4;

/**
 * Counts the bytes of the typed arrays and buffers in a value. Lists of numbers count nothing.
 * @param {any} value
 * @returns {number}
 */
export function binaryBytes(value, depth = DEPTH) {
  if (typeof value !== 'object' || value === null || depth === 0) return 0;
  if (typeof value.byteLength === 'number') return value.byteLength;
  return partsOf(value).reduce((bytes, part) => bytes + binaryBytes(part, depth - 1), 0);
}

/** @param {any} value @returns {any[]} */
function partsOf(value) {
  if (Array.isArray(value)) return isRecord(value[0]) ? value : [];
  return isRecord(value) ? Object.values(value) : [];
}
