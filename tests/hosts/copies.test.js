/* copies.test.js: several copies of the package on one page, one of them of another version: they
 * train side by side, their files are not mixed, and they know of each other where they share
 * storage. */

import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { openBrowser } from '../browser/setting.js';
import { GUARD, appWith, assertTrained, copyInto, page, resultOfPage, served } from './setting.js';

const MAIN = `import * as one from '/one/index.js';
import * as two from '/two/index.js';
import * as other from '/other/index.js';
import { SPEC, tryTrain } from './job.js';
const tell = (promise) => promise.then(() => null, ({ code }) => code);
globalThis.result = (async () => {
  const trained = await Promise.all([one, two, other].map((api, i) => tryTrain(api, {}, 'copy ' + i)));
  const first = await one.createTrainer(SPEC, { persist: 'shared' });
  await first.fit(new Uint8Array(64), [1], { epochs: 1 });
  const second = await other.createTrainer(SPEC, { persist: 'shared' });
  const busy = await tell(second.fit(new Uint8Array(64), [1], { epochs: 1 }));
  const bytes = await first.save();
  await first.dispose();
  const free = await tell(second.fit(new Uint8Array(64), [1], { epochs: 1 }));
  await second.dispose();
  const loaded = await other.loadTrainer(bytes);
  const { step } = loaded.status();
  await loaded.dispose();
  const listed = await Promise.all([one, two, other].map(async (api) => (await api.listTrainers()).map(({ name }) => name)));
  const error = await two.createTrainer({ ...SPEC, layers: [] }).catch((e) => e);
  const known = [one, two, other].map(({ OffstageError }) => error instanceof OffstageError);
  return { trained, busy, free, step, listed, known };
})();
`;

/** @type {import('playwright-core').Browser} */
let browser;
let result;
before(async () => {
  const folder = appWith([], {
    'site/index.html': page('<script type="module" src="main.js"></script>'),
    'site/main.js': MAIN,
  });
  for (const name of ['one', 'two', 'other']) copyInto(folder, 'site', name);
  const [, build] = /\bBUILD\b.*?"([0-9a-f]{12})"|"([0-9a-f]{12})"/.exec(
    readFileSync(`${folder}/site/other/kept.js`, 'utf8'),
  );
  for (const name of readdirSync(`${folder}/site/other`).filter((file) => file.endsWith('.js'))) {
    const path = `${folder}/site/other/${name}`;
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(build, 'another one.'));
  }
  browser = await openBrowser();
  result = await resultOfPage(browser, { server: await served(`${folder}/site`) });
}, GUARD);
after(() => browser?.close());

test('copies: all train side by side', () => {
  for (const trained of result.trained) assertTrained(trained, { storage: 'opfs' });
});

test('copies: a name on storage belongs to one of them at a time', () => {
  assert.deepEqual([result.busy, result.free], ['BUSY', null]);
  assert.deepEqual(result.listed, [['shared'], ['shared'], ['shared']]);
});

test("copies: one reads another one's checkpoint, and knows its errors", () => {
  assert.equal(result.step, 1);
  assert.deepEqual(result.known, [true, true, true]);
});
