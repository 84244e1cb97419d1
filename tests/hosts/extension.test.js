/* extension.test.js: an extension of Chromium (manifest version 3) under its own policy: a page of
 * it trains in a worker; its background, a service worker, is told what to do instead. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPipe, openTab } from '../browser/pipe.js';
import { chromiumPath } from '../browser/setting.js';
import { GUARD, appWith, assertTrained, copyInto, page, pageMain } from './setting.js';

const MANIFEST = {
  manifest_version: 3,
  name: 'app',
  version: '1',
  background: { service_worker: 'background.js', type: 'module' },
  content_security_policy: { extension_pages: "script-src 'self' 'wasm-unsafe-eval'" },
};

/** @type {Awaited<ReturnType<typeof openPipe>>} */
let browser;
/** @type {import('../browser/pipe.js').Tab} */
let tab;
before(async () => {
  const folder = appWith([], {
    'extension/manifest.json': JSON.stringify(MANIFEST),
    'extension/app.html': page('<script type="module" src="main.js"></script>'),
    'extension/main.js': pageMain().replace("'offstage'", "'./offstage/index.js'"),
    'extension/background.js': `import * as api from './offstage/index.js';
import { tryTrain } from './job.js';
chrome.runtime.onMessage.addListener((message, sender, reply) => {
  tryTrain(api).then(reply);
  return true;
});
`,
  });
  copyInto(folder, 'extension', 'offstage');
  browser = await openPipe(chromiumPath(), ['--enable-unsafe-extension-debugging']);
  const { id } = await browser.send('Extensions.loadUnpacked', { path: `${folder}/extension` });
  tab = await openTab(browser, `chrome-extension://${id}/app.html`);
}, GUARD);
after(() => browser?.close());

test('an extension: its page trains', GUARD, async () => {
  const said = [];
  browser.listen(({ method, params }) => {
    if (method === 'Runtime.exceptionThrown') said.push(params.exceptionDetails);
    if (method === 'Runtime.consoleAPICalled' && params.type !== 'log') said.push(params.args);
  });
  assertTrained(await tab.evaluate('result'), { storage: 'opfs' });
  await tab.send('Runtime.enable'); // which tells what was said before, too
  assert.deepEqual(said, []);
});

test('an extension: its background is refused, with what to do', GUARD, async () => {
  const { error } = await tab.evaluate("chrome.runtime.sendMessage('go')");
  assert.match(error, /^UNSUPPORTED: createTrainer: .*service worker.*offscreen document/);
});
