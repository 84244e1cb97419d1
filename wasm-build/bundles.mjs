/* bundles.mjs: web/ and worker/ -> wasm-build/dist/*.js: one file for each entry, which is what the package has.
 *
 * The checkout itself needs none of them but kept.js: it is served file by file, so that a worker is never older than its
 * sources. All built files lie beside each other and beside the wasm, so every address in them is `./NAME`, in the literal
 * form that bundlers recognise. esbuild joins and minifies, terser finds 3 % more; each file has its source map. */

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ROOT } from './lists.mjs';
import { hash, once } from './once.mjs';

const DIST = `${ROOT}wasm-build/dist/`;
const TARGET = 'es2022';

/**
 * The built files and what each is made of.
 * @type {Record<string, string>}
 */
export const BUNDLES = {
  'index.js': "export * from './web/index.js';", // what an app imports
  'worker.js': "import './worker/worker.js';", // the entry of a worker
  'helper.js': "import './worker/helper.js';", // the entry of a computing thread
  // The session for a page's own thread: what web/trainer/create.js imports on demand.
  'session.js': "export { createSession } from './worker/trainer/service.js'; export { ownHost } from './worker/host/clock.js';",
  /* Parts that load where they are used (worker/host/parts.js): each is above 4 KB, because bundlers put a smaller one into a
   * data: URL, which a policy that allows scripts of the site only refuses. */
  'kept.js': "export * from './worker/storage/kept.js';", // what keeps trainers on storage
};

/** Modules that are imported on demand from a built file of their own. @type {Record<string, string>} */
const ON_DEMAND = { 'worker/trainer/service.js': './session.js', 'worker/host/clock.js': './session.js' };

/** An address of a file of the package, in the form that bundlers recognise; `here` where they are not to. */
const ADDRESS = /new URL\('(\.\.?\/[^']+)', (import\.meta\.url|here)\)/g;
/** The comments that tell bundlers to leave an import() alone. */
const KEPT_COMMENTS = /^!|@vite-ignore|webpackIgnore/;

/** Every file lies beside every other: addresses are rewritten so, and modules on demand are left out. @type {import('esbuild').Plugin} */
const flat = {
  name: 'flat',
  setup(build) {
    build.onLoad({ filter: /[\\/](web|worker)[\\/].*\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(ADDRESS, (_, file, base) => `new URL('./${basename(file)}', ${base})`),
      loader: 'js',
    }));
    build.onResolve({ filter: /^\.\.?\// }, ({ kind, path, resolveDir }) => {
      if (kind !== 'dynamic-import') return undefined;
      const module = relative(ROOT, new URL(path, `file://${resolveDir}/`).pathname);
      return ON_DEMAND[module] ? { path: ON_DEMAND[module], external: true } : undefined;
    });
  },
};

/** What a file owes to others: idb is part of kept.js. @param {string} name */
function bannerOf(name) {
  if (name !== 'kept.js') return '';
  const idb = `${ROOT}node_modules/idb/`;
  const { version } = JSON.parse(readFileSync(`${idb}package.json`, 'utf8'));
  return `/*! idb ${version}\n\n${readFileSync(`${idb}LICENSE`, 'utf8').trim()} */`;
}

/**
 * What esbuild is told of a file.
 * @param {string} name
 * @returns {import('esbuild').BuildOptions & { metafile: true, write: false }}
 */
export const bundleOptions = (name) => ({
  stdin: { contents: BUNDLES[name], resolveDir: ROOT, sourcefile: name }, absWorkingDir: ROOT, bundle: true, format: 'esm', target: TARGET,
  minifySyntax: true, minifyIdentifiers: true, // what it does to white space takes KEPT_COMMENTS with it: that is left to terser
  outfile: DIST + name, sourcemap: 'external', plugins: [flat], banner: { js: bannerOf(name) }, write: false, metafile: true,
  logLevel: 'warning', logOverride: { 'ignored-bare-import': 'silent' }, // worker.js names every file; a bundle needs those that are used
});

/**
 * Makes one of the files and its map.
 * @param {string} name
 * @returns {Promise<boolean>} whether it was made: it was not where it had been made of the same
 */
async function bundle(name) {
  const { build } = await import('esbuild'); // they have only just been installed, perhaps
  const { minify } = await import('terser');
  const { version } = createRequire(import.meta.url)('terser/package.json');
  const { outputFiles } = await build(bundleOptions(name));
  const [map, code] = outputFiles.sort((a, b) => b.path.length - a.path.length).map(({ text }) => text);
  return once(DIST + name, hash(version, code, map), async (out) => {
    const made = await minify({ [name]: code }, {
      module: true, ecma: 2020, compress: { passes: 3 }, format: { comments: KEPT_COMMENTS },
      sourceMap: { content: map, url: `${name}.map` },
    });
    writeFileSync(out, /** @type {string} */ (made.code));
    writeFileSync(`${DIST}${name}.map`, /** @type {string} */ (made.map));
  });
}

/** Makes all of them; prints their sizes. */
export async function bundleAll() {
  for (const name of Object.keys(BUNDLES)) {
    const made = await bundle(name);
    const bytes = readFileSync(DIST + name);
    process.stdout.write(`wasm-build/dist/${name}: ${bytes.length} bytes, ${gzipSync(bytes).length} gzipped${made ? '' : ' (as it was)'}\n`);
  }
}
