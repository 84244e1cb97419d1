/* install.mjs: the packages that are the bench's alone: its peers, and what draws its plot.
 *
 * package.json and its lock beside this file name them, so that none is a dependency of Offstage.
 * They are installed when a bench first needs them; after that nothing asks a registry again until
 * the lock changes. */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SetupError } from '../../wasm-build/setup.mjs';

const FOLDER = fileURLToPath(new URL('./', import.meta.url));
const STAMP = `${FOLDER}node_modules/.offstage-lock`;

/** @returns {Record<string, string>} version of each package that package.json names */
export function peerVersions() {
  return JSON.parse(readFileSync(`${FOLDER}package.json`, 'utf8')).devDependencies;
}

/** Installs them, unless that has been done. */
export function ensurePeers() {
  const wanted = createHash('sha256')
    .update(readFileSync(`${FOLDER}package-lock.json`))
    .digest('hex');
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted) return;
  process.stderr.write(
    'Installing the npm packages of tests/bench/package-lock.json: the peers, 330 MB\n',
  );
  // Every package works without its install script, so that none is run. npm is a script on
  // Windows: a shell starts it.
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
  const { status, error } = spawnSync('npm', args, {
    cwd: FOLDER,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (status !== 0) {
    throw new SetupError(
      `\`npm ${args.join(' ')}\` failed in tests/bench${error ? `: ${error.message}` : ''}. The bench measures Offstage against ` +
        `${Object.keys(peerVersions()).join(', ')}: the first run needs the npm registry (or npm's cache of it), later ones do not.\n` +
        'Without them: `npm run bench -- step size stop`.',
    );
  }
  writeFileSync(STAMP, wanted);
}
