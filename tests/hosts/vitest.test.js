/* vitest.test.js: an app's tests under Vitest: in each of its pools and environments, with the
 * package bundled by Vite, and with the Worker of @vitest/web-worker. */

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { GUARD, appWith, assertTrained, readJson, runIn, writeInto } from './setting.js';

let folder = '';
before(() => {
  folder = appWith(['vitest', 'vite', '@vitest/web-worker', 'jsdom', 'happy-dom'], {
    'app.test.js': `import { writeFileSync } from 'node:fs';
import { test } from 'vitest';
import * as api from 'offstage';
import { train } from './job.js';
test('it trains', async () => writeFileSync('result.json', JSON.stringify(await train(api))), 120000);
`,
  });
}, GUARD);

const inlined = { server: { deps: { inline: ['offstage'] } } };
const polyfilled = { setupFiles: ['@vitest/web-worker'] };
/** @type {[string, string, object?][]} */
const WAYS = [
  ['node', 'threads'],
  ['node', 'forks'],
  ['node', 'vmThreads'],
  ['jsdom', 'forks'],
  ['jsdom', 'vmThreads'],
  ['happy-dom', 'forks'],
  ['node', 'forks', inlined],
  ['jsdom', 'forks', inlined],
  ['node', 'threads', polyfilled],
  ['jsdom', 'forks', polyfilled],
];

for (const [environment, pool, more = {}] of WAYS)
  test(`Vitest: ${environment}, ${pool} ${Object.keys(more)}`, GUARD, () => {
    const config = { environment, pool, ...more };
    writeInto(folder, 'vitest.config.js', `export default { test: ${JSON.stringify(config)} };\n`);
    const { stdout, stderr } = runIn(folder, [
      process.execPath,
      'node_modules/vitest/vitest.mjs',
      'run',
    ]);
    assert.equal(stderr, '');
    assert.doesNotMatch(stdout, /warn|unhandled|close timed out/i);
    assertTrained(readJson(`${folder}/result.json`));
  });
