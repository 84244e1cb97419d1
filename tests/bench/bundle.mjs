/* bundle.mjs: the worker as an app ships it: one minified file, and the wasm beside it, below cache/bundled/.
 *
 * The layout is the one that `assets` asks for. Files are made anew each time: it takes a tenth of a second. */

import { build } from 'esbuild';
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { fileOf } from './browser.mjs';

const FOLDER = 'tests/bench/cache/bundled/';

/** @returns {Promise<string>} what to give createTrainer() as `assets` */
export async function bundleWorker() {
  const entryPoints = ['worker/worker.js', ...readdirSync(fileOf('worker')).filter((name) => name === 'helper.js').map((name) => `worker/${name}`)];
  await build({
    entryPoints: entryPoints.map(fileOf), outdir: fileOf(`${FOLDER}worker/`), bundle: true, minify: true, format: 'esm',
    logLevel: 'silent', // it warns that new URL(...) stays as it is: `assets` is for that
  });
  mkdirSync(fileOf(`${FOLDER}wasm-build/dist/`), { recursive: true });
  for (const name of readdirSync(fileOf('wasm-build/dist'))) {
    if (name.endsWith('.wasm')) copyFileSync(fileOf(`wasm-build/dist/${name}`), fileOf(`${FOLDER}wasm-build/dist/${name}`));
  }
  return `/${FOLDER}`;
}
