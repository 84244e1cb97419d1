/* format.mjs: `npm run format`: prettier over the JavaScript, by package.json, and clang-format
 * over the C files of src/, tests/c/ and tests/fuzz/, by .clang-format. With --check it changes
 * nothing, and fails where it would; names of languages (js, c) restrict it to them. */

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ROOT } from './lists.mjs';
import { SetupError, asCommand, ensurePackages } from './setup.mjs';
import { findClangFormat } from './toolchain.mjs';

const SCRIPTS = ['{web,worker,tests,examples}/**/*.{js,mjs}', 'wasm-build/*.mjs', '!**/dist/**'];
const C_FOLDERS = ['src', 'tests/c', 'tests/fuzz'];

/** @param {string} name @param {string} program @param {string[]} args */
function run(name, program, args) {
  const { status } = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) throw new SetupError(`${name} failed`);
}

/** @type {Record<string, (check: boolean) => void>} */
const FORMATTERS = {
  js(check) {
    ensurePackages();
    const manifest = createRequire(import.meta.url).resolve('prettier/package.json');
    const program = join(dirname(manifest), 'bin/prettier.cjs');
    const mode = check ? '--check' : '--write';
    run('prettier', process.execPath, [program, '--log-level', 'warn', mode, ...SCRIPTS]);
  },
  c(check) {
    const clangFormat = findClangFormat();
    if (!clangFormat)
      throw new SetupError(
        'clang-format 14 is missing.\n' +
          '  Debian: apt-get install clang-format-14\n' +
          '  elsewhere: releases of the LLVM project; other versions break lines elsewhere',
      );
    const files = C_FOLDERS.flatMap((folder) =>
      readdirSync(ROOT + folder, { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.[ch]$/.test(name))
        .map((name) => `${folder}/${name}`),
    );
    run('clang-format', clangFormat, [...(check ? ['--dry-run', '-Werror'] : ['-i']), ...files]);
  },
};

await asCommand(() => {
  const args = process.argv.slice(2).filter((arg) => arg !== '--check');
  const unknown = args.filter((arg) => !Object.hasOwn(FORMATTERS, arg));
  if (unknown.length > 0) throw new SetupError(`unknown: ${unknown.join(' ')}; expected js, c`);
  const check = process.argv.includes('--check');
  for (const name of args.length > 0 ? args : Object.keys(FORMATTERS)) FORMATTERS[name](check);
});
