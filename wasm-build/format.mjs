/* format.mjs: `npm run format`: clang-format over every C file of src/ and tests/c/, by .clang-format. */

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { ROOT } from './lists.mjs';
import { SetupError, asCommand } from './setup.mjs';
import { findProgram } from './toolchain.mjs';

await asCommand(() => {
  const clangFormat = findProgram('clang-format', 'clang-format-14');
  if (!clangFormat) throw new SetupError('clang-format is missing.\n  Debian: apt-get install clang-format\n  elsewhere: `brew install clang-format`');
  const files = ['src', 'tests/c'].flatMap((folder) =>
    readdirSync(ROOT + folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.[ch]$/.test(name))
      .map((name) => `${folder}/${name}`),
  );
  const { status } = spawnSync(clangFormat, ['-i', ...files], { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) throw new SetupError('clang-format failed');
});
