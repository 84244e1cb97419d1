/* size.mjs: how many bytes does an app ship?
 *
 * Everything that one variant needs, in a worker or on the page: the bridge, the worker's modules and one wasm. As
 * the files are, each minified by itself, and bundled as esbuild does it for production; each file gzipped by
 * itself, as a web host sends it. */

import { build, transform } from 'esbuild';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { constants, brotliCompressSync, gzipSync } from 'node:zlib';
import { fileOf } from './browser.mjs';

export const title = 'KB that an app ships for one variant (KB of 1000 bytes)';

const GOAL_KB = 40;
const PEER = 'tests/bench/node_modules/@tensorflow/tfjs/dist/tf.min.js';

/** @typedef {Uint8Array} Bytes */

const gzip = (/** @type {Bytes} */ bytes) => gzipSync(bytes, { level: 9 }).length / 1000;
const brotli = (/** @type {Bytes} */ bytes) =>
  brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length / 1000;
const sum = (/** @type {Bytes[]} */ files, /** @type {(bytes: Bytes) => number} */ size) => files.reduce((all, file) => all + size(file), 0);

/** @param {string} folder */
const modulesOf = (folder) => readdirSync(fileOf(folder)).filter((name) => name.endsWith('.js')).map((name) => readFileSync(fileOf(folder + name)));

/** @param {Bytes} source @returns {Promise<Bytes>} */
async function minify(source) {
  return Buffer.from((await transform(source, { minify: true, format: 'esm' })).code);
}

/** @param {string[]} entries @returns {Promise<Bytes[]>} */
async function bundle(entries) {
  const { outputFiles } = await build({
    entryPoints: entries.map(fileOf), bundle: true, minify: true, splitting: true, format: 'esm',
    outdir: 'out', write: false, logLevel: 'silent', // it warns that new URL(...) stays as it is: `assets` is for that
  });
  return outputFiles.map((file) => file.contents);
}

/** @returns {Promise<import('./table.mjs').Figure[]>} */
export async function measure() {
  const [bridge, worker] = [modulesOf('web/'), modulesOf('worker/')];
  const modules = [...bridge, ...worker];
  const minified = await Promise.all(modules.map(minify));
  const bundled = await bundle(['web/index.js', 'worker/worker.js', 'worker/helper.js'].filter((path) => existsSync(fileOf(path))));
  const peer = { what: 'tf.min.js', value: gzip(readFileSync(fileOf(PEER))) };
  /** @type {import('./table.mjs').Figure[]} */
  const figures = [];
  for (const variant of ['simd', 'base', 'simd-mt', 'relaxed', 'relaxed-mt']) {
    const path = fileOf(`wasm-build/dist/offstage.${variant}.wasm`);
    if (!existsSync(path)) {
      figures.push({ what: variant, unit: 'KB', value: NaN, cannot: 'this machine cannot build it' });
      continue;
    }
    const wasm = readFileSync(path);
    const all = (/** @type {string} */ how, /** @type {Bytes[]} */ files, /** @type {(bytes: Bytes) => number} */ size = gzip) =>
      ({ what: `${variant}, ${how}`, unit: 'KB', value: sum([...files, wasm], size) });
    figures.push(
      { ...all('bundled by esbuild, gzip', bundled), peer, goal: { most: GOAL_KB } },
      { ...all('files minified, gzip', minified), peer, goal: { most: GOAL_KB } },
      { ...all('files as they are, gzip', modules), peer },
      all('bundled by esbuild, brotli', bundled, brotli),
      { what: `${variant}, the wasm alone, gzip`, unit: 'KB', value: gzip(wasm) },
      { what: `${variant}, the wasm alone, brotli`, unit: 'KB', value: brotli(wasm) },
    );
  }
  figures.push(
    { what: 'bundles alone, gzip', unit: 'KB', value: sum(bundled, gzip) },
    { what: `web/, ${bridge.length} files minified, gzip`, unit: 'KB', value: sum(await Promise.all(bridge.map(minify)), gzip) },
    { what: `worker/, ${worker.length} files minified, gzip`, unit: 'KB', value: sum(await Promise.all(worker.map(minify)), gzip) },
  );
  return figures;
}
