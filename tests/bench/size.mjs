/* size.mjs: how many bytes does a page load before it trains, and which sources are they of?
 *
 * Three kinds of app have a budget each: nets of dense layers, nets of pictures, and any net. Each
 * trains in a worker and loads the package's index.js and worker.js, and one wasm, the set that its
 * layers take, each packed by itself, as a web host sends it. What is loaded only where it is used
 * is told beside it. */

import { build, transform } from 'esbuild';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { constants, brotliCompressSync, gzipSync } from 'node:zlib';
import { PARTS, bundleOptions } from '../../wasm-build/bundles.mjs';
import { fileOf as wasmOf } from '../../wasm-build/variants.mjs';
import { fileOf } from './browser.mjs';

export const title = 'KB that a page loads to train (KB of 1000 bytes)';

/** Kinds of app: the set of layer types that they take, and the budget. */
const KINDS = /** @type {const} */ ([
  { kind: 'dense net', set: 'dense', most: { gzip: 70, brotli: 61 } },
  { kind: 'convolutional net', set: 'lean', most: { gzip: 80, brotli: 70 } },
  { kind: 'any net', set: 'full', most: { gzip: 115, brotli: 102 } },
]);
// The tests' own, of the peers' version
const PEER = 'node_modules/@tensorflow/tfjs/dist/tf.min.js';
const VARIANTS = /** @type {const} */ (['simd', 'base', 'simd-mt', 'relaxed', 'relaxed-mt']);

/** @typedef {Uint8Array} Bytes */
/** @typedef {import('./table.mjs').Figure} Figure */
/**
 * @typedef {{ bytes: Bytes, sources: Record<string, number> }} Bundle  sources: bytes of each in it
 */

const gzip = (/** @type {Bytes} */ bytes) => gzipSync(bytes, { level: 9 }).length / 1000;
const brotli = (/** @type {Bytes} */ bytes) =>
  brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length / 1000;
const sum = (/** @type {Bytes[]} */ files, /** @type {(bytes: Bytes) => number} */ size) =>
  files.reduce((all, file) => all + size(file), 0);
const kb = (/** @type {string} */ what, /** @type {number} */ value) => ({
  what,
  unit: 'KB',
  value,
});

/** @param {string} folder */
const modulesOf = (folder) =>
  readdirSync(fileOf(folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.js'))
    .map((name) => readFileSync(fileOf(folder + name)));

/** @param {Bytes} source @returns {Promise<Bytes>} */
async function minify(source) {
  return Buffer.from((await transform(source, { minify: true, format: 'esm' })).code);
}

/**
 * One of the package's scripts, with the bytes of each source in it.
 * @param {string} name
 * @returns {Promise<Bundle>}
 */
async function built(name) {
  const { metafile } = await build(bundleOptions(name));
  const inputs =
    Object.entries(metafile.outputs).find(([file]) => file.endsWith('.js'))?.[1].inputs ?? {};
  const sources = Object.entries(inputs)
    .filter(([source]) => source !== name)
    .map(([source, { bytesInOutput }]) => [source, bytesInOutput]);
  return {
    bytes: readFileSync(fileOf(`wasm-build/dist/${name}`)),
    sources: Object.fromEntries(sources),
  };
}

/**
 * The bytes of each source in a wasm, as the linker told the build: before wasm-opt, and with what
 * it removes.
 * @param {string} name  of the wasm file @returns {Bundle}
 */
function objectsOf(name) {
  const bytes = readFileSync(fileOf(`wasm-build/dist/${name}`));
  /** @type {Record<string, number>} */
  const sources = {};
  const map = fileOf(`wasm-build/cache/${name.slice('offstage.'.length, -'.wasm'.length)}.map`);
  for (const [, size, name] of existsSync(map)
    ? readFileSync(map, 'utf8').matchAll(/^\s*\S+\s+\S+\s+([0-9a-f]+) +\S*\.src\.(\S+)\.o:\(/gm)
    : []) {
    const source = `src/${name.replace(/\.(?=.*\.)/g, '/')}`;
    sources[source] = (sources[source] ?? 0) + parseInt(size, 16);
  }
  return { bytes, sources };
}

/**
 * A bundle's gzipped size shared out by bytes: an estimate, for what is alike is packed once.
 * @param {string} part
 * @param {Bundle} bundle
 */
function details(part, { bytes, sources }) {
  const all = Object.values(sources).reduce((total, size) => total + size, 0);
  return Object.entries(sources)
    .map(([source, size]) => ({
      ...kb(`${part}: ${source}, ${size} bytes`, (gzip(bytes) * size) / all),
      detail: true,
    }))
    .sort((a, b) => b.value - a.value);
}

/** @returns {Promise<Figure[]>} */
export async function measure() {
  const [page, worker, helper, session] = await Promise.all(
    ['index.js', 'worker.js', 'helper.js', 'session.js'].map(built),
  );
  const modules = [...modulesOf('web/'), ...modulesOf('worker/')];
  const minified = await Promise.all(modules.map(minify));
  const peer = { what: 'tf.min.js', value: gzip(readFileSync(fileOf(PEER))) };
  /** @type {Figure[]} */
  const figures = [];
  for (const variant of VARIANTS) {
    if (!existsSync(fileOf(`wasm-build/dist/${wasmOf(variant)}`))) {
      figures.push({ ...kb(variant, NaN), cannot: 'this machine cannot build it' });
      continue;
    }
    for (const { kind, set, most } of KINDS) {
      const wasm = readFileSync(fileOf(`wasm-build/dist/${wasmOf(variant, set)}`));
      const all = [
        page.bytes,
        worker.bytes,
        ...(variant.endsWith('-mt') ? [helper.bytes] : []),
        wasm,
      ];
      figures.push(
        {
          ...kb(`${kind}, ${variant}: page, worker and wasm, gzip`, sum(all, gzip)),
          peer,
          goal: { most: most.gzip },
        },
        {
          ...kb(`${kind}, ${variant}: the same, brotli`, sum(all, brotli)),
          goal: { most: most.brotli },
        },
        kb(`${kind}, ${variant}: the wasm alone, gzip`, gzip(wasm)),
      );
    }
  }
  figures.push(
    kb('index.js, gzip', gzip(page.bytes)),
    kb('worker.js, gzip', gzip(worker.bytes)),
    kb('loaded where several threads compute: helper.js, gzip', gzip(helper.bytes)),
    kb('loaded without a worker, in place of worker.js: session.js, gzip', gzip(session.bytes)),
    ...Object.keys(PARTS).map((name) =>
      kb(
        `loaded where it is used: ${name}, gzip`,
        gzip(readFileSync(fileOf(`wasm-build/dist/${name}`))),
      ),
    ),
    ...['classic.js', 'worker.classic.js', 'index.classic.js'].map((name) =>
      kb(
        `loaded by older browsers alone: ${name}, gzip`,
        gzip(readFileSync(fileOf(`wasm-build/dist/${name}`))),
      ),
    ),
    kb(
      `the checkout, not bundled: ${modules.length} files minified one by one, gzip`,
      sum(minified, gzip),
    ),
    kb(`the checkout, not bundled: ${modules.length} files as they are, gzip`, sum(modules, gzip)),
    ...details('page', page),
    ...details('worker', worker),
    ...KINDS.flatMap(({ kind, set }) =>
      details(`wasm of a ${kind}`, objectsOf(wasmOf('simd', set))),
    ),
  );
  return figures;
}
