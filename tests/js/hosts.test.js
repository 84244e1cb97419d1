/* hosts.test.js: every test of a host is on the list, and no host waits longer than the others for
 * its turn in CI. */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { ROOT } from '../../wasm-build/lists.mjs';
import { HOSTS, THIRDS, third } from '../hosts/hosts.js';

test('the list of hosts names the files that there are', () => {
  const files = readdirSync(`${ROOT}tests/hosts`)
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => name.replace('.test.js', ''));
  assert.deepEqual([...HOSTS].sort(), files.sort());
});

test('in a row of as many commits as there are thirds each host has its turn once', () => {
  for (const first of [0, 1, 1234])
    assert.deepEqual(
      Array.from({ length: THIRDS }, (_, i) => third(first + i))
        .flat()
        .sort(),
      [...HOSTS].sort(),
    );
});
