/* deno.test.js: a script, and an app's tests, under Deno, with the package in node_modules. */

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { GUARD, MAIN, appWith, assertTrained, readJson, resultOf, runIn } from './setting.js';

const DENO = [process.execPath, 'node_modules/deno/bin.cjs'];

let folder = '';
before(() => {
  folder = appWith(['deno'], {
    'main.js': MAIN,
    'app.test.js': `import { writeFileSync } from 'node:fs';
import * as api from 'offstage';
import { train } from './job.js';
Deno.test('it trains', async () => writeFileSync('result.json', JSON.stringify(await train(api))));
`,
  });
}, GUARD);

test('Deno: a script', GUARD, () =>
  assertTrained(resultOf(folder, [...DENO, 'run', '--quiet', '-A', 'main.js'])),
);

test('Deno: deno test, which finds what is left running', GUARD, () => {
  const { stdout, stderr } = runIn(folder, [...DENO, 'test', '--quiet', '-A', '--no-check']);
  assert.doesNotMatch(stdout + stderr, /warn|uncaught|leak/i);
  assertTrained(readJson(`${folder}/result.json`));
});
