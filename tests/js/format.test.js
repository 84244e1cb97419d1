/* format.test.js: the form of the sources: C files are as `npm run format` leaves them, and no line is
 * longer than 100 columns. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { ROOT } from '../../wasm-build/lists.mjs';
import { findClangFormat } from '../../wasm-build/toolchain.mjs';

const COLUMNS = 100;
/* Folders whose files keep to COLUMNS. */
const FOLDERS = ['src', 'tests/c', 'worker', 'web'];
/* The build writes these. */
const WRITTEN = /^wasm-build[\\/](?:dist|cache)[\\/]/;

/** @param {string} folder */
const filesOf = (folder) =>
  readdirSync(ROOT + folder, { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name}`)
    .filter((name) => /\.(?:c|h|def|js|mjs)$/.test(name) && !WRITTEN.test(name));

test('the C files are as clang-format 14 leaves them', (t) => {
  if (!findClangFormat()) return t.skip('clang-format 14 is not installed');
  const check = ['wasm-build/format.mjs', '--check'];
  const { status, stderr } = spawnSync(process.execPath, check, { cwd: ROOT, encoding: 'utf8' });
  assert.equal(status, 0, `run \`npm run format\`\n${stderr}`);
});

test(`no line is longer than ${COLUMNS} columns`, () => {
  const long = FOLDERS.flatMap(filesOf).flatMap((file) =>
    readFileSync(ROOT + file, 'utf8')
      .split('\n')
      .flatMap((line, i) => ([...line].length > COLUMNS ? [`${file}:${i + 1}`] : [])),
  );
  assert.deepEqual(long, []);
});
