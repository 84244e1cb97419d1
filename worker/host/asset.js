/* asset.js: where a file of the package is, for an app that serves wasm-build/dist/ itself. */

import { OffstageError, show } from './errors.js';

/**
 * @param {string} path from the package's root
 * @param {string} assets base URL of wasm-build/dist/
 */
export function assetUrl(path, assets) {
  const folder = assets.endsWith('/') ? assets : `${assets}/`;
  try {
    return new URL(path, new URL(folder, globalThis.location?.href ?? import.meta.url));
  } catch (cause) {
    throw new OffstageError('INVALID_OPTION', `assets is ${show(assets)}, expected a URL`, {
      cause,
    });
  }
}
