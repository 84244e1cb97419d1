/* format.mjs: `npm run format`: clang-format over the C files of src/, tests/c/ and tests/fuzz/, by
 * .clang-format; with --check it changes nothing, and fails where it would. */

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { ROOT } from './lists.mjs';
import { SetupError, asCommand } from './setup.mjs';
import { findClangFormat } from './toolchain.mjs';

await asCommand(() => {
  const clangFormat = findClangFormat();
  if (!clangFormat)
    throw new SetupError(
      'clang-format 14 is missing.\n' +
        '  Debian: apt-get install clang-format-14\n' +
        '  elsewhere: releases of the LLVM project; other versions break lines elsewhere',
    );
  const files = ['src', 'tests/c', 'tests/fuzz'].flatMap((folder) =>
    readdirSync(ROOT + folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.[ch]$/.test(name))
      .map((name) => `${folder}/${name}`),
  );
  const mode = process.argv.includes('--check') ? ['--dry-run', '-Werror'] : ['-i'];
  const { status } = spawnSync(clangFormat, [...mode, ...files], { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) throw new SetupError('clang-format failed');
});
