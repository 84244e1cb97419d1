/* asset.js: where a file of the package is, for an app that serves wasm-build/dist/ itself; and
 * what to do where one cannot be loaded. */

import { BUILD } from './envelope.js';
import { OffstageError, reasonOf, show } from './errors.js';
import { nodeBuiltin } from './node.js';

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

const ASSETS = 'tell by the option assets where wasm-build/dist/ is';
const VITE = " (for Vite's development server set optimizeDeps.exclude: ['offstage'])";
/** How Chromium, Firefox and WebKit say that a policy forbids WebAssembly. */
const FORBIDDEN = /unsafe-eval|\bCSP\b|content security policy/i;
/** How Chromium, Firefox and WebKit say that nobody answers. */
const NO_ANSWER = /^(failed to fetch|networkerror|load failed)/i;
/** How Chromium and Node, Firefox, and Safari say that a file does not begin as wasm does. */
const NO_WASM = /magic word|magic number|\\0asm/;

/**
 * Why a file could not be loaded, and what to do about it, for the end of a sentence.
 * @param {unknown} cause
 */
export function whyNotLoaded(cause) {
  const why = reasonOf(cause).replace(/\.$/, '');
  if (FORBIDDEN.test(why)) {
    return (
      'the Content Security Policy of the page forbids WebAssembly: ' +
      "'wasm-unsafe-eval' in its script-src is enough"
    );
  }
  if (globalThis.location?.protocol === 'file:' && !nodeBuiltin('node:fs')) {
    return `${why}; a page from disk (file:) cannot load it: let a web server serve the page`;
  }
  if (NO_ANSWER.test(why)) {
    return `${why}: no network, or connect-src of a Content Security Policy; ${ASSETS}`;
  }
  if (NO_WASM.test(why))
    return `${why}; the server sent something else, probably a page: ${ASSETS}${VITE}`;
  return `${why}; ${ASSETS}${/https?:\S+\/node_modules\//.test(why) ? VITE : ''}`;
}

/**
 * Vite's development server puts a package's scripts into a folder of its own, but not the files
 * that they name.
 * @param {URL} url of such a file
 * @returns {URL | undefined} where it lies
 */
export function unbundled({ href }) {
  const at = href.replace(/\/\.vite\/(?:.+\/)?deps\/([^/]+)$/, '/offstage/wasm-build/dist/$1');
  return at === href ? undefined : new URL(at);
}

/**
 * The address of a file beside a script, by a literal of its own: a bundle may not know its own
 * address.
 * @param {() => URL} beside @param {string} what  the file is
 */
export function besideUrl(beside, what) {
  try {
    const url = beside();
    return unbundled(url) ?? onDisk(url);
  } catch (cause) {
    throw new OffstageError(
      'UNSUPPORTED',
      `${what} cannot be found beside a bundle that has no address: ${whyNotLoaded(cause)}`,
      { cause },
    );
  }
}

const here = import.meta.url;
/** The way from this file, which lies among the built ones itself, to wasm-build/dist/. */
const DIST = BUILD === undefined ? '../../wasm-build/dist/' : './';

/**
 * In Node a file beside this one is on disk, though a test runner that serves pages as well has
 * given it an address of its own server.
 * @param {URL} url
 */
function onDisk(url) {
  const [, name] = /\/wasm-build\/dist\/([^/]+)$/.exec(url.pathname) ?? [];
  const served = url.protocol !== 'file:' && here.startsWith('file:') && nodeBuiltin('node:fs');
  return name && served ? new URL(DIST + name, here) : url;
}
