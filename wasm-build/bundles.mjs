/* bundles.mjs: web/ and worker/ -> wasm-build/dist/*.js: one file for each entry, which is what
 * the package has.
 *
 * The checkout itself needs none of them but kept.js, which has idb in it: it is served file by
 * file, so that a worker is never older than its sources. All built files lie beside each other and
 * beside the wasm, so every address in them is `./NAME`, in the literal form that bundlers
 * recognise. esbuild joins and minifies, terser finds 3 % more; each file has its source map. */

import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ROOT } from './lists.mjs';
import { hash, once } from './once.mjs';
import { SetupError } from './setup.mjs';

const DIST = `${ROOT}wasm-build/dist/`;
/** What files for engines without module workers are lowered to, and the others. */
export const CLASSIC_TARGET = ['chrome80', 'firefox88', 'safari14.1'];
const TARGET = 'es2022';

/** The entries, and what each is made of. */
export const ENTRIES = {
  'index.js': "export * from './web/index.js';", // what an app imports
  'worker.js': "import './worker/worker.js';", // the entry of a worker
  'helper.js': "import './worker/helper.js';", // the entry of a computing thread
  // The session for a page's own thread: what SERVICE of web/trainer/create.js imports.
  'session.js':
    "export { createSession } from './worker/trainer/service.js'; " +
    "export { ownHost } from './worker/host/clock.js';",
  // For engines without module workers: where the worker for them is, that worker, and what an app
  // imports that is to run where the syntax of index.js is not understood.
  'classic.js': "export * from './web/host/classic-script.js';",
  'worker.classic.js': "import './worker/classic.js';",
  'index.classic.js': "export * from './web/index.js';",
};
/** Those of them that have everything in them. */
const WHOLE = ['worker.classic.js', 'index.classic.js'];

/**
 * The parts, which load where they are used (worker/host/parts.js), and the module that each is.
 */
export const PARTS = {
  'kept.js': './worker/storage/kept.js', // what keeps trainers on storage
  'refusal.js': './worker/spec/refusal.js', // the sentences of refusals
  'wire.js': './worker/trainer/wire.js', // what reads bare messages, nested arrays and weights
};
/**
 * Bundlers put a smaller part into a data: URL, which a policy that allows scripts of the site only
 * refuses.
 */
const LEAST_BYTES = 4096;

/**
 * A part's exports are left under a name of its build, too: Parcel makes a script without exports
 * of a file that a URL names.
 * @param {string} name @param {string} module
 */
const partOf = (name, module) =>
  `export * from '${module}'; import * as exports from '${module}'; ` +
  'export const BUILD = globalThis.OFFSTAGE_BUILD; ' +
  `globalThis[Symbol.for(\`offstage ${name} \${BUILD}\`)] = { ...exports, BUILD };`;

/** All built files. @type {Record<string, string>} */
export const BUNDLES = {
  ...ENTRIES,
  ...Object.fromEntries(
    Object.entries(PARTS).map(([name, module]) => [name, partOf(name, module)]),
  ),
};

/** One hash of all sources: what was built together knows each other by it. */
const BUILD = hash(
  ...['web', 'worker'].flatMap((folder) =>
    readdirSync(ROOT + folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.js'))
      .sort()
      .map((name) => readFileSync(`${ROOT}${folder}/${name}`)),
  ),
).slice(0, 12);

/**
 * Modules that are imported on demand from a built file of their own.
 * @type {Record<string, string>}
 */
const ON_DEMAND = {
  'worker/trainer/service.js': './session.js',
  'worker/host/clock.js': './session.js',
  'web/host/classic-script.js': './classic.js',
};

/**
 * An address of a file of the package, in the form that bundlers recognise; `here` where they are
 * not to.
 */
const ADDRESS = /new URL\('(\.\.?\/[^']+)', (import\.meta\.url|here)\)/g;
/** The comments that tell bundlers to leave an import() alone. */
const KEPT_COMMENTS = /^!|@vite-ignore|webpackIgnore/;

/**
 * Every file lies beside every other: addresses are rewritten so, and modules on demand are left
 * out, but of files that have everything in them. A classic script is told the addresses.
 * @param {string} name
 * @returns {import('esbuild').Plugin}
 */
const flat = (name) => ({
  name: 'flat',
  setup(build) {
    const address = (/** @type {string} */ file, /** @type {string} */ base) =>
      name === 'worker.classic.js'
        ? `new URL(globalThis.OFFSTAGE_FILES['${file}'] ?? './${file}', self.location.href)`
        : `new URL('./${file}', ${base})`;
    build.onLoad({ filter: /[\\/](web|worker)[\\/].*\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(ADDRESS, (_, file, base) =>
        address(basename(file), base),
      ),
      loader: 'js',
    }));
    build.onResolve({ filter: /^\.\.?\// }, ({ kind, path, resolveDir }) => {
      if (WHOLE.includes(name)) {
        return /\/parts\.js$/.test(path) ? { path: `${ROOT}worker/parts-inside.js` } : undefined;
      }
      if (kind !== 'dynamic-import') return undefined;
      const module = relative(ROOT, new URL(path, `file://${resolveDir}/`).pathname);
      return ON_DEMAND[module] ? { path: ON_DEMAND[module], external: true } : undefined;
    });
  },
});

/**
 * What a file owes to others: idb is part of kept.js, and of what has it inside.
 * @param {string} name
 */
function bannerOf(name) {
  if (name !== 'kept.js' && !WHOLE.includes(name)) return '';
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
  stdin: { contents: BUNDLES[name], resolveDir: ROOT, sourcefile: name },
  absWorkingDir: ROOT,
  bundle: true,
  format: name === 'worker.classic.js' ? 'iife' : 'esm',
  target: name.includes('classic') ? CLASSIC_TARGET : TARGET,
  define: {
    'globalThis.OFFSTAGE_BUILD': JSON.stringify(BUILD),
    'globalThis.OFFSTAGE_CLASSIC': String(WHOLE.includes(name)),
    ...(name === 'worker.classic.js' && { 'import.meta.url': 'self.location.href' }),
    ...(WHOLE.includes(name) && {
      'Object.hasOwn': 'OFFSTAGE_HAS_OWN',
      structuredClone: 'OFFSTAGE_CLONE',
      Error: 'OFFSTAGE_ERROR',
    }),
  },
  inject: WHOLE.includes(name) ? [`${ROOT}worker/host/older.js`] : [],
  // What it does to white space takes KEPT_COMMENTS with it: that is left to terser.
  minifySyntax: true,
  minifyIdentifiers: true,
  outfile: DIST + name,
  sourcemap: 'external',
  plugins: [flat(name)],
  banner: { js: bannerOf(name) },
  write: false,
  metafile: true,
  // worker.js names every file; a bundle needs those that are used.
  logLevel: 'warning',
  logOverride: { 'ignored-bare-import': 'silent' },
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
  const [map, code] = outputFiles
    .sort((a, b) => b.path.length - a.path.length)
    .map(({ text }) => text);
  return once(DIST + name, hash(version, code, map), async (out) => {
    const made = await minify(
      { [name]: code },
      {
        module: name !== 'worker.classic.js',
        ecma: 2020,
        compress: { passes: 3 },
        format: { comments: KEPT_COMMENTS },
        sourceMap: { content: map, url: `${name}.map` },
      },
    );
    writeFileSync(out, /** @type {string} */ (made.code));
    writeFileSync(`${DIST}${name}.map`, /** @type {string} */ (made.map));
  });
}

/** Makes all of them; prints their sizes. */
export async function bundleAll() {
  for (const name of Object.keys(BUNDLES)) {
    const made = await bundle(name);
    const bytes = readFileSync(DIST + name);
    if (name in PARTS && bytes.length <= LEAST_BYTES) {
      throw new SetupError(
        `${name} has ${bytes.length} bytes, ` +
          `expected more than ${LEAST_BYTES}: join it with another part`,
      );
    }
    const sizes = `${bytes.length} bytes, ${gzipSync(bytes).length} gzipped`;
    process.stdout.write(`wasm-build/dist/${name}: ${sizes}${made ? '' : ' (as it was)'}\n`);
  }
}
