/* node-bundles.test.js: apps that are bundled for Node: by webpack, and by Vite (ssr) and esbuild,
 * which leave the package out; where these take it in, `assets` tells where its files are, and
 * without that the refusal says so. */

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { build as buildWithEsbuild } from 'esbuild';
import { build as buildWithVite } from 'vite';
import webpack from 'webpack';
import { GUARD, MAIN, appWith, assertTrained, resultOf } from './setting.js';

let folder = '';
before(() => {
  folder = appWith([], {
    'main.js': MAIN,
    'assets.js': `import * as api from 'offstage';
import { tryTrain } from './job.js';
const assets = new URL('../node_modules/offstage/', import.meta.url);
const told = await tryTrain(api, { assets });
console.log(JSON.stringify({ told, untold: await tryTrain(api, { mode: 'worker' }) }));
`,
  });
}, GUARD);

/** @param {string} entry @param {import('esbuild').BuildOptions} [options] */
async function esbuild(entry, options) {
  const { warnings } = await buildWithEsbuild({
    absWorkingDir: folder,
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: 'out/main.js',
    logLevel: 'silent',
    ...options,
  });
  assert.deepEqual(warnings, []);
}
/** @param {{ told: any, untold: any }} results */
function assertSaysAssets({ told, untold }) {
  assertTrained(told);
  assert.match(untold.error, /^WORKER_LOST: .*the option assets/);
}
const resultOfBundle = () => resultOf(folder, [process.execPath, 'out/main.js']);

test('esbuild for Node, with the package left out', GUARD, async () => {
  await esbuild('main.js', { external: ['offstage'] });
  assertTrained(resultOfBundle());
});

test('esbuild for Node, with the package taken in and assets', GUARD, async () => {
  await esbuild('assets.js');
  assertSaysAssets(resultOfBundle());
});

test('webpack for Node', GUARD, async () => {
  const stats = await new Promise((resolve, reject) => {
    webpack(
      {
        mode: 'production',
        target: 'node',
        context: folder,
        entry: './main.js',
        experiments: { outputModule: true },
        output: { path: `${folder}/packed`, filename: 'main.js', module: true },
      },
      (error, made) => (error ? reject(error) : resolve(made)),
    );
  });
  assert.equal(stats.hasErrors() || stats.hasWarnings(), false, stats.toString('errors-warnings'));
  assertTrained(resultOf(folder, [process.execPath, 'packed/main.js']));
});

/** @param {string} entry @param {object} [options] */
async function vite(entry, options) {
  const build = {
    ssr: entry,
    outDir: 'out',
    rollupOptions: { output: { entryFileNames: 'main.js' } },
  };
  await buildWithVite({ root: folder, logLevel: 'silent', build, ...options });
}

test('Vite for a server', GUARD, async () => {
  await vite('main.js');
  assertTrained(resultOfBundle());
});

test('Vite for a server, with the package taken in and assets', GUARD, async () => {
  await vite('assets.js', { ssr: { noExternal: true } });
  assertSaysAssets(resultOfBundle());
});
