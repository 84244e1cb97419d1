/* bun.test.js: a script, and an app's tests, under Bun. */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { before, test } from 'node:test';
import { GUARD, MAIN, appWith, assertTrained, readJson, resultOf, runIn } from './setting.js';

let folder = '';
let bun = '';
before(() => {
  folder = appWith(['bun'], {
    'main.js': MAIN,
    'app.test.js': `import { writeFileSync } from 'node:fs';
import { test } from 'bun:test';
import * as api from 'offstage';
import { train } from './job.js';
test('it trains', async () => writeFileSync('result.json', JSON.stringify(await train(api))), 120000);
`,
  });
  // The package bun has programs for each machine in packages of their own.
  const own = `${folder}/node_modules/@oven`;
  bun = `${own}/${readdirSync(own)[0]}/bin/bun`;
}, GUARD);

test('Bun: a script', GUARD, () => assertTrained(resultOf(folder, [bun, 'main.js'])));

test('Bun: bun test', GUARD, () => {
  const { stdout, stderr } = runIn(folder, [bun, 'test']);
  assert.doesNotMatch(stdout + stderr, /warn|unhandled/i);
  assertTrained(readJson(`${folder}/result.json`));
});
