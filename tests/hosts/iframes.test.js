/* iframes.test.js: frames that train beside each other and the page that has them: of the same
 * origin, by srcdoc, and sandboxed without an origin of their own; with classic workers too. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { serve } from '../../examples/serve/server.js';
import { ignores, openBrowser } from '../browser/setting.js';
import { GUARD, appWith, assertTrained, copyInto, page, resultOfPage } from './setting.js';

/** A frame's script, which tells its parent. @param {string} name */
const script = (name) => `<script type="module">
import * as api from '/wasm-build/dist/index.js';
import { tryTrain } from '/job.js';
const result = await tryTrain(api, {}, '${name}');
parent.postMessage({ name: '${name}', result }, '*');
</script>`;

const MAIN = `import * as api from '/wasm-build/dist/index.js';
import { tryTrain } from '/job.js';
const frames = { same: { src: 'same.html' }, srcdoc: { srcdoc: SRCDOC },
  sandboxed: { src: 'sandboxed.html', sandbox: 'allow-scripts' } };
const told = {};
const all = new Promise((resolve) => addEventListener('message', ({ data }) => {
  told[data.name] = data.result;
  if (Object.keys(told).length === 3) resolve();
}));
for (const attributes of Object.values(frames))
  document.body.append(Object.assign(document.createElement('iframe'), attributes));
globalThis.result = tryTrain(api, {}, 'page').then(async (page) => { await all; return { page, ...told }; });
`;

/** @type {import('playwright-core').Browser} */
let browser;
/** By modules, and by classic workers. */
let results;
before(async () => {
  const folder = appWith([], {
    'site/index.html': page('<body><script type="module" src="main.js"></script>'),
    'site/main.js': MAIN.replace('SRCDOC', JSON.stringify(script('srcdoc'))),
    'site/same.html': page(script('same')),
    'site/sandboxed.html': page(script('sandboxed')),
  });
  copyInto(folder, 'site', 'wasm-build/dist');
  browser = await openBrowser();
  // A page without an origin loads modules as from another site.
  const headers = { 'Access-Control-Allow-Origin': '*' };
  results = [];
  for (const prepare of [undefined, ignores]) {
    const server = await serve({ root: `${folder}/site`, isolated: false, headers });
    results.push(await resultOfPage(browser, { server, prepare }));
  }
}, GUARD);
after(() => browser?.close());

for (const name of ['page', 'same', 'srcdoc'])
  test(`iframes: ${name}`, () => {
    for (const each of results) assertTrained(each[name], { storage: 'opfs' });
  });

test('iframes: one that is sandboxed has no storage, and keeps in memory', () => {
  for (const { sandboxed } of results) {
    assertTrained(sandboxed, { storage: 'memory' });
    assert.equal(sandboxed.resumed, undefined);
  }
});
