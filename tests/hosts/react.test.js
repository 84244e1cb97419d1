/* react.test.js: components that train, in React's StrictMode, which mounts each twice: the trainer
 * of the first mount is disposed of while it is being made, or when it is there, and the second has
 * the same name on storage. Nothing of the first is left, and nothing complains. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import { openBrowser } from '../browser/setting.js';
import {
  GUARD,
  appWith,
  assertTrained,
  copyInto,
  page,
  resultOfPage,
  served,
  writeInto,
} from './setting.js';

/** What both components have in common: `use` gets a setter, and gives what undoes it. */
const app = (/** @type {string} */ use) => `
import { StrictMode, createElement, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import * as api from 'offstage';
import { tryTrain } from './job.js';
const options = { assets: '/' };
let mounts = 0;
const settled = [];
const disposals = [];
function Digits() {
  const [result, setResult] = useState(null);
  useEffect(() => { const mount = mounts++; ${use} }, []);
  return createElement('p', null, result && result.weights);
}
const workers = [];
globalThis.Worker = class extends Worker {
  constructor(...args) { super(...args); workers.push(this); this.alive = true; }
  terminate() { super.terminate(); this.alive = false; }
};
const div = document.body.appendChild(document.createElement('div'));
createRoot(div).render(createElement(StrictMode, null, createElement(Digits)));
globalThis.result = (async () => {
  while (!(settled[0] && settled[1] && div.textContent)) await new Promise((next) => setTimeout(next, 10));
  await Promise.all(disposals);
  return { mounts, settled, shown: div.textContent, alive: workers.filter((worker) => worker.alive).length };
})();
`;

const GIVEN_UP = `
    const gone = new AbortController();
    tryTrain(api, { ...options, signal: gone.signal }).then((r) => { settled[mount] = r; if (!r.error) setResult(r); });
    return () => gone.abort();`;
const DISPOSED = `
    const making = api.createTrainer({ inputShape: [1], layers: [{ type: 'dense', units: 1 }] }, options);
    const told = { on: true };
    making.then(async (trainer) => {
      const x = new Float32Array(64).map((_, i) => i / 64);
      const { history } = await trainer.fit(x, x, { epochs: 20, persist: 'strict' });
      return { losses: history.map(({ loss }) => loss), weights: 'trained' };
    }).catch(({ code }) => ({ error: code })).then((r) => { settled[mount] = r; if (told.on) setResult(r); });
    return () => { told.on = false; disposals.push(making.then((trainer) => trainer.dispose())); };`;

/** @type {import('playwright-core').Browser} */
let browser;
let folder = '';
before(async () => {
  folder = appWith(['react', 'react-dom'], {});
  copyInto(folder, 'site', 'wasm-build/dist');
  browser = await openBrowser();
}, GUARD);
after(() => browser?.close());

/** @param {string} use */
async function resultOfApp(use) {
  await build({
    absWorkingDir: folder,
    stdin: { contents: app(use), resolveDir: folder },
    bundle: true,
    format: 'esm',
    define: { 'process.env.NODE_ENV': '"development"' }, // the one that mounts twice
    outfile: 'site/main.js',
  });
  writeInto(folder, 'site/index.html', page('<body><script type="module" src="main.js"></script>'));
  return resultOfPage(browser, { server: await served(`${folder}/site`) });
}

test('React StrictMode: a signal gives up the first trainer', GUARD, async () => {
  const { mounts, settled, alive } = await resultOfApp(GIVEN_UP);
  assert.equal(mounts, 2);
  assert.deepEqual(
    settled.map(({ error }) => error?.split(':')[0]),
    ['ABORTED', undefined],
  );
  assertTrained(settled[1], { storage: 'opfs' });
  assert.equal(alive, 0, 'no worker is left');
});

test('React StrictMode: the first trainer is disposed of when it is there', GUARD, async () => {
  const { mounts, settled, shown, alive } = await resultOfApp(DISPOSED);
  assert.deepEqual([mounts, shown], [2, 'trained']);
  assert.deepEqual(
    settled.map(({ error }) => error),
    [undefined, undefined],
  );
  assert.equal(settled[1].losses.length, 20);
  assert.equal(alive, 1, 'the worker of the second alone is left');
});
