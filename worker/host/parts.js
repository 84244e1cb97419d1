/* parts.js: what a worker loads only where it is used: a file of its own beside the wasm.
 *
 * Bundlers cannot split a worker's code. They emit a file that a URL names, as it is, and so it has to have all it needs
 * in it: the build makes dist/kept.js of kept.js. The OffstageError in there is a class of its own, which counts as ours. */

import { assetUrl } from './asset.js';
import { OffstageError } from './errors.js';

/** @param {string} [assets]  base URL of wasm-build/, where it is not beside this file @returns {Promise<typeof import('../storage/kept.js')>} */
export async function loadKept(assets) {
  /* The literal is what bundlers recognise. */
  const url = assets === undefined ? new URL('../../wasm-build/dist/kept.js', import.meta.url) : assetUrl('wasm-build/dist/kept.js', assets);
  try {
    return await import(/* @vite-ignore */ /* webpackIgnore: true */ url.href);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new OffstageError('UNSUPPORTED', `what keeps trainers could not be loaded from ${url.href}: ${why}`, { cause });
  }
}
