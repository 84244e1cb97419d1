/* service-worker.test.js: a service worker has no workers, may not load modules later, and is ended
 * when it has nothing to answer: everything that would need them is refused, with what to do. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openBrowser } from '../browser/setting.js';
import { GUARD, appWith, assertTrained, copyInto, page, resultOfPage, served } from './setting.js';

const WORKER = `import * as api from './offstage/index.js';
import { SPEC } from './job.js';
const tell = (promise) => promise.then(() => null, ({ code, message }) => code + ': ' + message);
const said = [];
for (const level of ['warn', 'error']) console[level] = (...args) => said.push(args.join(' '));
addEventListener('message', async ({ source }) => source.postMessage({
  createTrainer: await tell(api.createTrainer(SPEC)),
  'createTrainer, main': await tell(api.createTrainer(SPEC, { mode: 'main' })),
  loadTrainer: await tell(api.loadTrainer(new Uint8Array(8))),
  resumeTrainer: await tell(api.resumeTrainer('host')),
  listTrainers: await tell(api.listTrainers()),
  removeTrainer: await tell(api.removeTrainer('host')),
  said,
}));
`;

/** @type {import('playwright-core').Browser} */
let browser;
let result;
before(async () => {
  const folder = appWith([], {
    'site/index.html': page('<script type="module" src="main.js"></script>'),
    'site/main.js': `import * as api from './offstage/index.js';
import { tryTrain } from './job.js';
globalThis.result = (async () => {
  const told = new Promise((resolve) => navigator.serviceWorker.onmessage = ({ data }) => resolve(data));
  await navigator.serviceWorker.register('worker.js', { type: 'module' });
  (await navigator.serviceWorker.ready).active.postMessage('go');
  return { told: await told, page: await tryTrain(api) };
})();
`,
    'site/worker.js': WORKER,
  });
  copyInto(folder, 'site', 'offstage');
  browser = await openBrowser();
  result = await resultOfPage(browser, { server: await served(`${folder}/site`) });
}, GUARD);
after(() => browser?.close());

test('a service worker is refused, with what to do', () => {
  const { said, ...refusals } = result.told;
  for (const [what, refusal] of Object.entries(refusals))
    assert.match(
      refusal,
      new RegExp(`^UNSUPPORTED: ${what.split(',')[0]}: .*service worker.*page`),
    );
  assert.deepEqual(said, []);
});

test('a page that has one trains', () => assertTrained(result.page, { storage: 'opfs' }));
