/* parts-inside.js: host/parts.js for files that have the parts in them: wasm-build/bundles.mjs
 * puts it in its place. Nothing is asked for, so that nothing is missing or of another build. */

/** @type {Record<string, () => Promise<any>>} */
const INSIDE = {
  'kept.js': () => import('./storage/kept.js'),
  'refusal.js': () => import('./spec/refusal.js'),
  'wire.js': () => import('./trainer/wire.js'),
};

/**
 * @template T
 * @param {import('./host/parts.js').Part<T>} part
 * @returns {Promise<T>}
 */
export const loadPart = ({ file }) => INSIDE[file]();

/** What keeps trainers on storage, and brings them back. */
export const loadKept = INSIDE['kept.js'];
