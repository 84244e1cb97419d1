/* place.js: chooses where the first session runs: in a worker, or on this thread.
 * Invariant: mode 'worker' never falls back; in mode 'auto' a place that fails is told in `reasons`
 * and by one console warning, and what the session itself refuses is never a reason to fall back;
 * where it rejects nothing is left running. */
import { whyNotAuto } from './support.js';

/** @typedef {'auto' | 'worker' | 'main'} Mode */
/**
 * @typedef {(place: 'worker' | 'main', signal?: AbortSignal) => import('./connect.js').Opening}
 *   Open
 */
/**
 * A session that stands. ready: what its beginning was answered by; reasons: why the place is not
 * the best one.
 * @typedef {{ place: 'worker' | 'main', client: import('./client.js').Client, ready: any, reasons:
 *   string[] }} Standing
 */

/**
 * @param {Mode} mode
 * @param {Open} open
 * @param {AbortSignal} [signal]
 * @returns {Promise<Standing>}
 */
export async function openFirst(mode, open, signal) {
  const reasons = [];
  if (mode !== 'main') {
    const why = mode === 'auto' ? whyNotAuto() : null;
    const found = why ?? (await openInWorker(mode, open, signal));
    if (typeof found !== 'string') return found;
    reasons.push(found);
    console.warn(`Offstage runs on the main thread: ${found}`);
  }
  const { client, ready } = open('main', signal);
  return { place: 'main', client, ready: await ready, reasons };
}

/**
 * @param {'auto' | 'worker'} mode
 * @param {Open} open
 * @param {AbortSignal} [signal]
 * @returns {Promise<Standing | string>} a string: why the place failed, where that is a reason to
 *   fall back
 */
async function openInWorker(mode, open, signal) {
  const { client, ready } = open('worker', signal);
  try {
    return { place: 'worker', client, ready: await ready, reasons: [] };
  } catch (error) {
    if (mode === 'worker' || client.refused) throw error;
    return /** @type {Error} */ (error).message;
  }
}
