/* classic-script.js: where the classic worker is, and what it has to be told: loaded where an
 * engine has no module workers, so that others do not pay for it. Its addresses are literals, which
 * bundlers recognise; the wasm's are module.js's.
 * Invariant: what is served has the page's origin. A script of another one that a script of the
 * page's imported would keep what it throws to itself, and so the page makes a copy, once. */
import { besideUrl } from '../../worker/host/asset.js';
import { reasonOf } from '../../worker/host/errors.js';
import { BESIDE } from '../../worker/host/module.js';

/**
 * @param {URL} [assets]  the folder that the app serves, where it does
 * @param {boolean} [blob]  a copy is wanted in any case
 * @returns {Promise<{ served: URL, from?: URL, files: Record<string, string> }>} from: what was
 *   copied; files: addresses by the names of built files; with assets, which tells of the others,
 *   the script's own alone
 */
export async function classicScript(assets, blob) {
  const address = assets
    ? new URL('wasm-build/dist/worker.classic.js', assets)
    : besideUrl(
        () => new URL('../../wasm-build/dist/worker.classic.js', import.meta.url),
        'the classic worker',
      );
  const near = !blob && (!/^https?:/.test(address.href) || address.origin === globalThis.origin);
  const served = near ? address : await copyOf(address);
  const files = { 'worker.classic.js': served.href };
  const script = near ? { served, files } : { served, files, from: address };
  if (assets) return script;
  for (const [set, variants] of Object.entries(BESIDE)) {
    for (const [variant, beside] of Object.entries(variants)) {
      const name = set === 'full' ? variant : `${set}.${variant}`;
      Object.assign(files, { [`offstage.${name}.wasm`]: beside().href });
    }
  }
  return script;
}

/** Copies, for as long as there is the page, by address. @type {Map<string, Promise<URL>>} */
const copies = new Map();

/** @param {URL} address */
function copyOf({ href }) {
  const copy = copies.get(href) ?? read(href);
  copies.set(href, copy);
  copy.catch(() => copies.delete(href)); // it may be tried again
  return copy;
}

/** @param {string} address */
async function read(address) {
  try {
    const response = await fetch(address);
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const blob = new Blob([await response.arrayBuffer()], { type: 'text/javascript' });
    return new URL(URL.createObjectURL(blob));
  } catch (cause) {
    const message =
      `${address} could not be read (${reasonOf(cause)}; connect-src of the page's policy and ` +
      'that server have to allow it)';
    throw new Error(message, { cause });
  }
}
