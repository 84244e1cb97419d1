/* format.test.js: the form of the sources: files are as `npm run format` leaves them, and no line
 * is longer than 100 columns. Outside of the sources a literal may be longer: no formatter breaks
 * one. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { ROOT } from '../../wasm-build/lists.mjs';
import { findClangFormat } from '../../wasm-build/toolchain.mjs';

const COLUMNS = 100;
const SOURCES = ['src', 'tests/c', 'worker', 'web'];
const OTHERS = ['wasm-build', 'tests', 'examples'];
/* The build and npm write these. */
const WRITTEN = /(?:^wasm-build[\\/](?:dist|cache)|node_modules)[\\/]/;
const COMMENT = /^\s*(?:\/\*|\*|\/\/)| \/\/ /;

/** @param {string} folder */
const filesOf = (folder) =>
  readdirSync(ROOT + folder, { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name}`)
    .filter((name) => /\.(?:c|h|def|js|mjs)$/.test(name) && !WRITTEN.test(name));

/** @param {string} language */
function check(language) {
  const args = ['wasm-build/format.mjs', language, '--check'];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  assert.equal(status, 0, `run \`npm run format\`\n${stderr}`);
}

/** @param {string[]} folders @param {(line: string) => boolean} counts */
const longIn = (folders, counts) =>
  folders.flatMap(filesOf).flatMap((file) =>
    readFileSync(ROOT + file, 'utf8')
      .split('\n')
      .flatMap((line, i) =>
        [...line].length > COLUMNS && counts(line) ? [`${file}:${i + 1}`] : [],
      ),
  );

test('the C files are as clang-format 14 leaves them', (t) => {
  if (!findClangFormat()) return t.skip('clang-format 14 is not installed');
  check('c');
});

test('the scripts are as prettier leaves them', () => check('js'));

test(`no line of the sources is longer than ${COLUMNS} columns`, () => {
  assert.deepEqual(
    longIn(SOURCES, () => true),
    [],
  );
});

test(`no comment elsewhere is longer than ${COLUMNS} columns`, () => {
  assert.deepEqual(
    longIn(OTHERS, (line) => COMMENT.test(line)),
    [],
  );
});
