/* iife.test.js: a bundle that is one classic script, by esbuild: with `assets` it trains in a
 * worker, a classic one too, without it the refusal names the option. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import { ignores, openBrowser } from '../browser/setting.js';
import { GUARD, appWith, assertTrained, copyInto, page, resultOfPage, served } from './setting.js';

/** @type {import('playwright-core').Browser} */
let browser;
let result;
let classic;
before(async () => {
  const folder = appWith([], {
    'main.js': `import * as api from 'offstage';
import { tryTrain } from './job.js';
globalThis.result = (async () => ({
  told: await tryTrain(api, { assets: 'there' }),
  untold: await tryTrain(api, { mode: 'worker' }),
  unlisted: await api.listTrainers().catch(({ code, message }) => code + ': ' + message),
}))();
`,
    'site/index.html': page('<script defer src="main.js"></script>'),
  });
  await build({
    absWorkingDir: folder,
    entryPoints: ['main.js'],
    bundle: true,
    minify: true,
    format: 'iife',
    outfile: 'site/main.js',
    logLevel: 'silent', // it warns of import.meta, which is what this is about
  });
  copyInto(folder, 'site', 'there/wasm-build/dist');
  browser = await openBrowser();
  result = await resultOfPage(browser, { server: await served(`${folder}/site`) });
  const server = await served(`${folder}/site`);
  classic = await resultOfPage(browser, { server, prepare: ignores });
}, GUARD);
after(() => browser?.close());

test('a classic script: with assets', () => {
  for (const { told } of [result, classic]) assertTrained(told, { storage: 'opfs' });
});

test('a classic script: without, the option is named', () => {
  for (const { untold, unlisted } of [result, classic]) {
    assert.match(untold.error, /^(WORKER_LOST|UNSUPPORTED): .*the option assets/);
    assert.match(unlisted, /^UNSUPPORTED: .*the option assets/);
  }
});
