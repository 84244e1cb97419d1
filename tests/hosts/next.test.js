/* next.test.js: an app of Next.js: a page that trains in the browser, and a route that trains on
 * the server, built by Turbopack and by webpack, and in the development server. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ignores, openBrowser } from '../browser/setting.js';
import {
  GUARD,
  appWith,
  assertTrained,
  freePort,
  resultOfPage,
  runIn,
  serverOf,
} from './setting.js';

const NEXT = [process.execPath, 'node_modules/next/dist/bin/next'];

/** @type {import('playwright-core').Browser} */
let browser;
let folder = '';
before(async () => {
  folder = appWith(['next', 'react', 'react-dom'], {
    'next.config.mjs': "export default { serverExternalPackages: ['offstage'] };\n",
    'app/layout.js': `export const metadata = { title: 'app', icons: { icon: 'data:,' } };
export default ({ children }) => <html lang="en"><body>{children}</body></html>;
`,
    'app/page.js': `'use client';
import { useEffect } from 'react';
import * as api from 'offstage';
import { tryTrain } from '../job.js';
let result;
export default function Page() {
  useEffect(() => { globalThis.result = result ??= tryTrain(api); }, []);
  return <p>app</p>;
}
`,
    'app/train/route.js': `import * as api from 'offstage';
import { tryTrain } from '../../job.js';
export const dynamic = 'force-dynamic';
export const GET = async () => Response.json(await tryTrain(api));
`,
  });
  browser = await openBrowser();
}, GUARD);
after(() => browser?.close());

/** @param {string} command of next */
async function assertBothTrain(command) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = [command, '-H', '127.0.0.1', '-p', `${port}`];
  const server = await serverOf(folder, [...NEXT, ...args], `${url}/`);
  try {
    assertTrained(await (await fetch(`${url}/train`)).json());
    const opened = { server: { url, close: async () => {} }, path: '/' };
    for (const prepare of [undefined, ignores])
      assertTrained(await resultOfPage(browser, { ...opened, prepare }), { storage: 'opfs' });
  } finally {
    await server.close();
  }
  assert.doesNotMatch(server.said(), /⚠(?! No build cache found)|⨯|unhandled/i);
}

for (const bundler of ['turbopack', 'webpack'])
  test(`Next.js: a build by ${bundler}`, GUARD, async () => {
    const { stdout, stderr } = runIn(folder, [...NEXT, 'build', `--${bundler}`]);
    assert.doesNotMatch(stdout + stderr, /⚠(?! No build cache found)|⨯/);
    await assertBothTrain('start');
  });

test('Next.js: the development server', GUARD, () => assertBothTrain('dev'));
