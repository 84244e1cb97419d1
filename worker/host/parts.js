/* parts.js: loads a part: a file of its own beside the wasm, which a session or a page asks for
 * where it is used.
 *
 * Bundlers cannot split a worker's code. They emit a file that a URL names, as it is, and so it has
 * to have all it needs in it: wasm-build/bundles.mjs makes it. The OffstageError in there is a
 * class of its own, which counts as ours. A part that is missing, or of another build than the file
 * that asks for it, is refused: a site that was deployed anew while its page was open has such
 * files. Where a bundler has lost the exports of such a file, they are found where the file has
 * left them. In the checkout parts are sources like all others, but for kept.js. */

import { assetUrl, besideUrl, whyNotLoaded } from './asset.js';
import { BUILD } from './envelope.js';
import { OffstageError } from './errors.js';

/**
 * @template T
 * @typedef {object} Part
 * @property {string} file        below wasm-build/dist/, of what `assets` names
 * @property {string} what        it does, as the subject of a sentence
 * @property {() => URL} beside   where it is otherwise, by a literal: bundlers see no other form
 * @property {T} [exports]        of the file; for the type alone
 */

/** @type {Part<typeof import('../storage/kept.js')>} */
const KEPT = {
  file: 'kept.js',
  what: 'what keeps trainers',
  beside: () => new URL('../../wasm-build/dist/kept.js', import.meta.url),
};

/**
 * @template T
 * @param {Part<T>} part
 * @param {string} [assets]  base URL of wasm-build/dist/, where it is not beside this file
 * @returns {Promise<T>}
 */
export async function loadPart({ file, what, beside }, assets) {
  const url =
    assets === undefined ? besideUrl(beside, what) : assetUrl(`wasm-build/dist/${file}`, assets);
  const loaded = await load(url, what);
  const left = /** @type {any} */ (globalThis)[Symbol.for(`offstage ${file} ${BUILD}`)];
  const exports = loaded.BUILD === undefined ? (left ?? loaded) : loaded;
  if (BUILD === undefined || exports.BUILD === BUILD) return exports;
  throw new OffstageError(
    'UNSUPPORTED',
    `${what} in ${url.href} is of another version of Offstage than what asks for it: ` +
      'load the page again',
  );
}

/** @param {URL} url @param {string} what */
async function load(url, what) {
  try {
    return await import(/* @vite-ignore */ /* webpackIgnore: true */ url.href);
  } catch (cause) {
    const why = whyNotLoaded(cause);
    throw new OffstageError('UNSUPPORTED', `${what} could not be loaded from ${url.href}: ${why}`, {
      cause,
    });
  }
}

/** What keeps trainers on storage, and brings them back. @param {string} [assets] */
export const loadKept = (assets) => loadPart(KEPT, assets);
