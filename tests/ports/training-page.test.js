/* training-page.test.js: the examples of docs/training.md do what it says: each block is run as
 * written, after those before it, but for the package's name. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { normals } from './setting.js';

const PAGE = readFileSync(new URL('../../docs/training.md', import.meta.url), 'utf8');
const blocks = [...PAGE.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code]) => code);
const INDEX = new URL('../../web/index.js', import.meta.url).href;
/** What the page says is given. */
const GIVEN = `const { x, y, spec } = globalThis.given;`;
const TRAINERS = ['trainer', 'rare', 'head', 'forecast', 'mood'];
const LEFT = ['best', 'slower', 'shown', 'run', 'seen', 'weighed', 'learned', ...TRAINERS];

test('docs/training.md: its examples run', async (t) => {
  assert.ok(blocks.length >= 9, `${blocks.length} blocks`);
  const normal = normals(47);
  const names = ['ash', 'elm', 'oak'];
  const y = Array.from({ length: 300 }, (_, i) => names[i % 7 === 0 ? 2 : i % 2]);
  const x = y.map((name) =>
    [0, 1, 2, 3].map((i) => 2 * Number(names[i] === name) + 0.7 * normal()),
  );
  const spec = {
    inputShape: [4],
    layers: [
      { type: 'dense', units: 16, activation: 'relu' },
      { type: 'dense', units: 3, activation: 'softmax' },
    ],
    labels: names,
    learningRate: 0.01,
  };
  Object.assign(globalThis, { given: { x, y, spec } });
  const folder = mkdtempSync(`${tmpdir()}/offstage-training-`);
  t.after(() => rmSync(folder, { recursive: true }));
  t.mock.method(console, 'log', () => {});
  const code = `${GIVEN}\n${blocks.join('')}\nexport { ${LEFT.join(', ')} };\n`;
  writeFileSync(`${folder}/page.mjs`, code.replaceAll("from 'offstage'", `from '${INDEX}'`));
  const left = await import(pathToFileURL(`${folder}/page.mjs`).href);
  assert.ok(['reached', 'earlyStopping', 'finished', 'limit'].includes(left.best.reason));
  assert.equal(left.best.restored, true);
  assert.ok(left.slower.history.every(({ learningRate }) => learningRate > 0));
  assert.ok(left.shown.length > 0 && left.shown.every(({ same }) => same));
  assert.equal(left.run.state, 'ended');
  assert.ok(left.seen.includes('running') && left.seen.at(-1) === 'ended', `${left.seen}`);
  assert.equal(left.weighed.history.at(-1).valPerClassAccuracy.length, 3);
  assert.ok(left.learned.history.at(-1).valMeanAbsoluteError < 0.2);
  for (const name of TRAINERS) await left[name].dispose();
});
