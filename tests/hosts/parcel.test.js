/* parcel.test.js: an app that Parcel 2 builds without settings: worker, wasm and what keeps
 * trainers are found. */

import { after, before, test } from 'node:test';
import { openBrowser } from '../browser/setting.js';
import {
  GUARD,
  appWith,
  assertTrained,
  page,
  pageMain,
  resultOfPage,
  runIn,
  served,
} from './setting.js';

/** @type {import('playwright-core').Browser} */
let browser;
let folder = '';
before(async () => {
  folder = appWith(['parcel'], {
    'package.json': '{ "private": true }',
    'index.html': page('<script type="module" src="main.js"></script>'),
    'main.js': pageMain(),
  });
  browser = await openBrowser();
}, GUARD);
after(() => browser?.close());

test('Parcel: a build', GUARD, async () => {
  runIn(folder, [
    process.execPath,
    'node_modules/parcel/lib/bin.js',
    'build',
    'index.html',
    '--no-cache',
  ]);
  const result = await resultOfPage(browser, { server: await served(`${folder}/dist`) });
  assertTrained(result, { storage: 'opfs' });
});
