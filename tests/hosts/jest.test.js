/* jest.test.js: an app's tests under Jest, whose files have a realm of their own: in its node and
 * its jsdom environment. */

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { GUARD, appWith, assertTrained, readJson, runIn } from './setting.js';

let folder = '';
before(() => {
  folder = appWith(['jest', 'jest-environment-jsdom'], {
    'package.json':
      '{ "private": true, "type": "module", "jest": { "transform": {}, "watchman": false } }',
    'app.test.js': `import { writeFileSync } from 'node:fs';
import * as api from 'offstage';
import { train } from './job.js';
test('it trains', async () => writeFileSync('result.json', JSON.stringify(await train(api))), 120000);
`,
  });
}, GUARD);

for (const environment of ['node', 'jsdom'])
  test(`Jest: ${environment}`, GUARD, () => {
    const { stderr } = runIn(
      folder,
      [process.execPath, 'node_modules/jest/bin/jest.js', `--env=${environment}`],
      { NODE_OPTIONS: '--experimental-vm-modules' },
    );
    const said = stderr.replace(/^.*ExperimentalWarning: VM Modules.*\n.*--trace-warnings.*$/m, '');
    assert.doesNotMatch(said, /warning|did not exit|console\.|open handle/i);
    assertTrained(readJson(`${folder}/result.json`));
  });
