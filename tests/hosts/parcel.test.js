/* parcel.test.js: an app that Parcel 2 builds without settings: worker, wasm and what keeps
 * trainers are found, and the classic worker where there are no modules. */

import { after, before, test } from 'node:test';
import { ignores, openBrowser } from '../browser/setting.js';
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
  for (const prepare of [undefined, ignores]) {
    const server = await served(`${folder}/dist`);
    assertTrained(await resultOfPage(browser, { server, prepare }), { storage: 'opfs' });
  }
});
