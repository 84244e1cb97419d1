/* vite.test.js: an app of Vite: its build and its development server without settings, and that
 * server where node_modules is above the app's folder and the package is not bundled beforehand;
 * with the classic worker where there are no modules. */

import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ignores, openBrowser } from '../browser/setting.js';
import {
  GUARD,
  appWith,
  assertTrained,
  freePort,
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
  const index = page('<script type="module" src="/main.js"></script>');
  folder = appWith(['vite'], {
    'package.json': '{ "private": true, "type": "module", "workspaces": ["below"] }',
    'index.html': index,
    'main.js': pageMain(),
    'below/package.json': '{ "name": "below", "private": true, "type": "module" }',
    'below/index.html': index,
    'below/main.js': pageMain().replace('./job.js', '../job.js'),
  });
  browser = await openBrowser();
}, GUARD);
after(() => browser?.close());

/** @param {string} root @param {object} [options] of the server */
async function assertServed(root, options) {
  const vite = pathToFileURL(`${folder}/node_modules/vite/dist/node/index.js`);
  const { createServer } = await import(vite.href);
  const server = await createServer({
    root,
    logLevel: 'silent',
    server: { host: '127.0.0.1', port: await freePort(), strictPort: true },
    ...options,
  });
  await server.listen();
  const url = server.resolvedUrls.local[0].replace(/\/$/, '');
  try {
    for (const prepare of [undefined, ignores]) {
      const result = await resultOfPage(browser, {
        server: { url, close: async () => {} },
        prepare,
      });
      assertTrained(result, { storage: 'opfs' });
    }
  } finally {
    await server.close();
  }
}

test('Vite: the development server, which bundles the package beforehand', GUARD, () =>
  assertServed(folder),
);

test('Vite: the development server, with node_modules above the app', GUARD, () =>
  assertServed(`${folder}/below`, { optimizeDeps: { exclude: ['offstage'] } }),
);

test('Vite: a build', GUARD, async () => {
  runIn(folder, [process.execPath, 'node_modules/vite/bin/vite.js', 'build']);
  for (const prepare of [undefined, ignores]) {
    const server = await served(`${folder}/dist`);
    assertTrained(await resultOfPage(browser, { server, prepare }), { storage: 'opfs' });
  }
});
