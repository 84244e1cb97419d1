/* package.test.js: the packed tarball has what an app needs and nothing else, and an app that has
 * nothing but the tarball trains and keeps its trainers: in Node, on a page without a bundler,
 * built by Vite and by webpack without settings, and by esbuild with `assets`. All of them compute
 * the same bits. */

import assert from 'node:assert/strict';
import { cpSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import test, { after, before } from 'node:test';
import { build as buildWithEsbuild } from 'esbuild';
import webpack from 'webpack';
import { BUNDLES } from '../../wasm-build/bundles.mjs';
import { ROOT } from '../../wasm-build/lists.mjs';
import { SET_NAMES, VARIANTS, VARIANT_NAMES, fileOf } from '../../wasm-build/variants.mjs';
import { GUARD, ignores, openBrowser } from '../browser/setting.js';
import { withoutRelaxedFiles } from '../relaxed.js';
import {
  assertTrained,
  installedFolder,
  pack,
  page,
  resultOfPage,
  run,
  withoutOpfs,
} from './setting.js';

/** @type {import('playwright-core').Browser} */
let browser;
/** What Node trains: all others have to give the same. */
let expected = '';

const RUN = "import { train } from './app.js';\nglobalThis.result = train();\n";
const FROM_NODE =
  "import { train } from './src/app.js';\nconsole.log(JSON.stringify(await train()));\n";

/** @param {string} folder @returns {any} what the app tells when Node runs it there */
const trainInNode = (folder) => JSON.parse(run(process.execPath, ['main.js'], folder));

/** Where workers may be modules, and where they may not. @param {string} root */
async function assertTrains(root) {
  assertTrained(await resultOfPage(browser, root), expected);
  assertTrained(await resultOfPage(browser, root, ignores), expected);
}

before(async () => {
  const result = trainInNode(installedFolder({ 'main.js': FROM_NODE }));
  expected = result[0].weights;
  assertTrained(result, expected, 'folder');
  browser = await openBrowser();
}, GUARD);
after(() => browser?.close());

test('the tarball has every file that an app needs, and no other', GUARD, (t) => {
  const fewer = withoutRelaxedFiles();
  if (fewer) t.diagnostic(fewer);
  const variants = VARIANT_NAMES.filter((variant) => !fewer || !VARIANTS[variant].relaxed);
  const names = run('tar', ['-tzf', pack()])
    .trim()
    .split('\n')
    .map((name) => name.replace(/^package\//, ''));
  const scripts = ['web', 'worker'].flatMap((folder) =>
    readdirSync(`${ROOT}${folder}`, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => relative(ROOT, `${parentPath}/${name}`)),
  );
  assert.ok(
    scripts.every((name) => name.endsWith('.js')),
    `only scripts are expected in web/ and worker/: ${scripts}`,
  );
  const docs = [
    ...readdirSync(`${ROOT}docs`).filter((name) => name.endsWith('.md')),
    'screenshot.png', // README shows it
  ].map((name) => `docs/${name}`);
  const wanted = [
    'package.json',
    'README.md',
    'LICENSE',
    ...docs,
    ...variants.flatMap((variant) =>
      SET_NAMES.map((set) => `wasm-build/dist/${fileOf(variant, set)}`),
    ),
    ...Object.keys(BUNDLES).flatMap((name) => [
      `wasm-build/dist/${name}`,
      `wasm-build/dist/${name}.map`,
    ]),
    ...scripts.map((name) => `types/${name.replace(/\.js$/, '.d.ts')}`),
    'types/wasm-build/dist/spec.d.ts',
  ];
  assert.deepEqual(names.sort(), wanted.sort());
});

test('the package needs no other package', () => {
  const { dependencies, peerDependencies, optionalDependencies } = JSON.parse(
    readFileSync(`${ROOT}package.json`, 'utf8'),
  );
  assert.deepEqual(
    [dependencies, peerDependencies, optionalDependencies],
    [undefined, undefined, undefined],
  );
});

test('what looks for main or types, and not for exports, finds the same files', () => {
  const { main, types, exports } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
  assert.deepEqual({ types, default: main }, exports['.']);
});

test('Node: a worker file of the package is reached by its name', GUARD, () => {
  const folder = installedFolder({
    'main.js': "console.log(import.meta.resolve('offstage/worker'));\n",
  });
  assert.match(
    run(process.execPath, ['main.js'], folder),
    /\/node_modules\/offstage\/wasm-build\/dist\/worker\.js\n$/,
  );
});

test('Node: the file for older browsers trains in a worker, too', GUARD, () => {
  const folder = installedFolder({ 'main.js': FROM_NODE });
  const app = `${folder}/src/app.js`;
  writeFileSync(
    app,
    readFileSync(app, 'utf8').replace("from 'offstage'", "from 'offstage/classic'"),
  );
  assertTrained(trainInNode(folder), expected, 'folder');
});

test('TypeScript: the types are found from the tarball, in both ways of resolving', GUARD, () => {
  const folder = installedFolder({
    'app.ts': `import { createTrainer, type Trainer } from 'offstage';
const trainer: Trainer = await createTrainer({ inputShape: [2], layers: [{ type: 'dense', units: 1 }] });
const loss: number = (await trainer.fit(new Float32Array(4), new Float32Array(2), { epochs: 1 })).history[0]!.loss;
// @ts-expect-error: epochs is a number
trainer.fit(new Float32Array(4), new Float32Array(2), { epochs: 'one' });
export { loss };\n`,
  });
  const tsc = ['--noEmit', '--strict', '--target', 'es2022', 'app.ts'];
  for (const [module, resolution] of [
    ['nodenext', 'nodenext'],
    ['node16', 'node16'],
    ['es2022', 'bundler'],
  ]) {
    run(
      process.execPath,
      [
        `${ROOT}node_modules/typescript/bin/tsc`,
        '--module',
        module,
        '--moduleResolution',
        resolution,
        ...tsc,
      ],
      folder,
    );
  }
});

test('a page without a bundler', GUARD, async () => {
  const names =
    '<script type="importmap">{ "imports": { "offstage": "./node_modules/offstage/wasm-build/dist/index.js" } }</script>';
  const folder = installedFolder({
    'index.html': page(`${names}<script type="module" src="src/index.js"></script>`),
    'src/index.js': RUN,
  });
  await assertTrains(withoutOpfs(folder));
});

test('Vite, a production build without settings', GUARD, async () => {
  const folder = installedFolder({
    'index.html': page('<script type="module" src="/src/index.js"></script>'),
    'src/index.js': RUN,
  });
  run(process.execPath, [`${ROOT}node_modules/vite/bin/vite.js`, 'build'], folder);
  await assertTrains(withoutOpfs(`${folder}/dist`));
});

// The output's folder is where webpack's command would put it: below the working folder, which is
// not this process's.
test('webpack 5, a production build without settings', GUARD, async () => {
  const folder = installedFolder({ 'src/index.js': RUN });
  const stats = await new Promise((resolve, reject) => {
    webpack(
      { mode: 'production', context: folder, output: { path: `${folder}/dist` } },
      (error, result) => (error ? reject(error) : resolve(result)),
    );
  });
  assert.equal(stats.hasErrors() || stats.hasWarnings(), false, stats.toString('errors-warnings'));
  writeFileSync(`${folder}/dist/index.html`, page('<script defer src="main.js"></script>'));
  await assertTrains(withoutOpfs(`${folder}/dist`));
});

test('esbuild, with `assets`', GUARD, async () => {
  const folder = installedFolder({
    'src/index.js':
      "import { train } from './app.js';\nglobalThis.result = train({ assets: '/offstage/' });\n",
    'dist/index.html': page('<script type="module" src="index.js"></script>'),
  });
  const { warnings } = await buildWithEsbuild({
    absWorkingDir: folder,
    entryPoints: ['src/index.js'],
    bundle: true,
    minify: true,
    format: 'esm',
    outdir: 'dist',
    logLevel: 'silent',
  });
  assert.deepEqual(warnings, []);
  cpSync(`${folder}/node_modules/offstage/wasm-build`, `${folder}/dist/offstage/wasm-build`, {
    recursive: true,
  });
  await assertTrains(withoutOpfs(`${folder}/dist`));
});
