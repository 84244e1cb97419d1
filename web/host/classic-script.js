/* classic-script.js: where the classic worker is, and what it has to be told: loaded where an
 * engine has no module workers, so that others do not pay for it. Its addresses are literals, which
 * bundlers recognise; the wasm's are module.js's. */
import { besideUrl } from '../../worker/host/asset.js';
import { BESIDE } from '../../worker/host/module.js';

/**
 * @param {URL} [assets]  the folder that the app serves, where it does
 * @returns {{ served: URL, files: Record<string, string> }} files: addresses by the names of built
 *   files; with assets, which tells of the others, the script's own alone
 */
export function classicScript(assets) {
  const served = assets
    ? new URL('wasm-build/dist/worker.classic.js', assets)
    : besideUrl(
        () => new URL('../../wasm-build/dist/worker.classic.js', import.meta.url),
        'the classic worker',
      );
  const files = { 'worker.classic.js': served.href };
  if (assets) return { served, files };
  for (const [set, variants] of Object.entries(BESIDE)) {
    for (const [variant, beside] of Object.entries(variants)) {
      const name = set === 'full' ? variant : `${set}.${variant}`;
      Object.assign(files, { [`offstage.${name}.wasm`]: beside().href });
    }
  }
  return { served, files };
}
