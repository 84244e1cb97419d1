/* readme.test.js: the code in README does what README says: every block of JavaScript is run in a
 * page, in their order, as written, but for the package's name. What a block names and does not
 * make is given: pictures of bright and dark halves, and what the blocks before it made. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { GUARD, complaints, openBrowser, withPage } from './setting.js';

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const blocks = [...README.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code]) => code);

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser?.close());

/* A block as a module that takes names from the page and leaves its own there. */
function moduleOf(code) {
  const names = [
    ...code.matchAll(/^(?:const|let) (?:(\w+)|\{ ([\w, ]+) \}|\[(\w+)\]) =/gm),
  ].flatMap(([, one, many, first]) => one ?? many?.split(', ') ?? first);
  return `${code.replaceAll("from 'offstage'", "from '/web/index.js'")}\nfor (const [name, value] of Object.entries({ ${names.join(', ')} })) Object.defineProperty(globalThis, name, { value });\n`;
}

test('README has code to run', () => {
  assert.ok(blocks.length >= 3, `${blocks.length} blocks`);
});

test('the code in README works, block by block', GUARD, () => {
  const answers = Object.fromEntries(
    blocks.map((code, i) => [`/readme-${i}.js`, { type: 'text/javascript', body: moduleOf(code) }]),
  );
  return withPage(browser, { answers }, async ({ page, said }) => {
    await page.evaluate(() => {
      const SAMPLES = 40;
      const images = new Uint8Array(SAMPLES * 784);
      const labels = Uint8Array.from({ length: SAMPLES }, (_, i) => i % 10);
      for (let i = 0; i < images.length; i++)
        images[i] = i % 784 < 78 * labels[Math.floor(i / 784)] ? 200 : 20;
      const spec = {
        inputShape: [28, 28, 1],
        layers: [{ type: 'flatten' }, { type: 'dense', units: 10, activation: 'softmax' }],
      };
      Object.assign(globalThis, { images, labels, image: images.slice(0, 784), spec });
      const [photo, size, price] = [3072, 2, 1].map((numbers) =>
        new Float32Array(12 * numbers).fill(0.5),
      );
      Object.assign(globalThis, {
        photo,
        size,
        price,
        kind: Array(12).fill('hat'),
        one: photo.slice(0, 3072),
      });
    });
    for (const [i, code] of blocks.entries()) {
      await page
        .evaluate((path) => import(path), `/readme-${i}.js`)
        .catch((error) => assert.fail(`${code}\n${error.message}`));
    }
    assert.deepEqual(complaints(said), []);
    const [confidence, resumed] = await page.evaluate(() => [
      globalThis.confidence,
      globalThis.result,
    ]);
    assert.ok(confidence > 0, 'a prediction came');
    assert.deepEqual(
      [resumed.reason, resumed.history.length],
      ['finished', 20],
      'the copy went on to the end',
    );
  });
});
