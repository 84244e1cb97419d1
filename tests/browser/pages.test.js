/* pages.test.js: the site that `npm run pages` writes trains below any path of a server that sends
 * no header of its own, and asks for nothing outside its folder. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { after, before, test } from 'node:test';
import { buildDigits } from '../../examples/digits-data/build.js';
import { writeSite } from '../../examples/pages/site.js';
import { serve } from '../../examples/serve/server.js';
import { GUARD, complaints, openBrowser, withPage } from './setting.js';

const PATH = '/any/sub/path/';
/** @type {string} */
let root;
/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  root = mkdtempSync(`${tmpdir()}/offstage-pages-`);
  buildDigits();
  writeSite(root + PATH);
  browser = await openBrowser();
}, GUARD);
after(async () => {
  await browser?.close();
  rmSync(root, { recursive: true, force: true });
});

test(
  'the site trains in a worker below a path, and draws from its folder alone',
  GUARD,
  async () => {
    const asked = [];
    const watch = (page) => page.context().on('request', (request) => asked.push(request.url()));
    const server = await serve({ root, isolated: false });
    await withPage(browser, { server, path: PATH, watch }, async ({ page, said, url }) => {
      await page.waitForURL(`${url}${PATH}examples/digits/`);
      await page.locator('#epochs').selectOption('3');
      await page.locator('#go').click();
      await page
        .locator('#state')
        .filter({ hasText: /^Finished.* read right/ })
        .waitFor();
      assert.equal(await page.locator('#where-mode').textContent(), 'Web Worker');
      assert.deepEqual(complaints(said), []);
      assert.ok(asked.some((address) => address.endsWith('worker.js')));
      for (const address of asked) assert.ok(address.startsWith(url + PATH), address);
    });
  },
);

test('a folder that holds something else is not emptied; a site is written anew', GUARD, () => {
  const folder = `${root}/own`;
  writeSite(folder);
  writeSite(folder);
  rmSync(`${folder}/.nojekyll`);
  writeFileSync(`${folder}/mine.txt`, 'mine');
  assert.throws(() => writeSite(folder), /holds something else/);
});
