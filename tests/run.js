/* run.js: `npm test`: every proof there is, from a bare machine.
 *
 * Installs what is missing, builds, then runs the steps below in turn; all of them run whatever fails, and the exit
 * status is zero only where all passed. `npm test -- js browser` runs the steps named. Node's own modules only. */

import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { buildDigits } from '../examples/digits-data/build.js';
import { build } from '../wasm-build/build.mjs';
import { ROOT } from '../wasm-build/lists.mjs';
import { SetupError, asCommand, ensurePackages, ensureTools } from '../wasm-build/setup.mjs';
import { findProgram } from '../wasm-build/toolchain.mjs';

/* CMake's own choice would be make, which a machine may not have. The tests that build native programs inherit it. */
if (findProgram('ninja')) process.env.CMAKE_GENERATOR ??= 'Ninja';

/** Test files below folders of tests/. @param {...string} folders */
const filesOf = (...folders) =>
  folders.flatMap((folder) =>
    readdirSync(`${ROOT}tests/${folder}`)
      .sort()
      .filter((name) => name.endsWith('.test.js'))
      .map((name) => `tests/${folder}/${name}`),
  );

/** @param {number} jobs @param {...string} folders */
const nodeTests = (jobs, ...folders) =>
  [process.execPath, '--test', `--test-concurrency=${jobs}`, ...filesOf(...folders)];

/* One browser, one bundler at a time: they take both cores. */
const STEPS = {
  types: () => ['tsconfig.json', 'tests/bench/tsconfig.json'].map((project) =>
    [process.execPath, 'node_modules/typescript/bin/tsc', '-p', project]),
  native: () => [
    ['cmake', '-S', '.', '-B', 'build-native'],
    ['cmake', '--build', 'build-native', '--parallel', '2'],
    ['ctest', '--test-dir', 'build-native', '--output-on-failure', '--no-tests=error', '--parallel', '2'],
    ['cmake', '-S', '.', '-B', 'build-tsan', '-DOFS_TSAN=ON'],
    ['cmake', '--build', 'build-tsan', '--parallel', '2', '--target', 'test_team'],
    ['ctest', '--test-dir', 'build-tsan', '--output-on-failure', '--no-tests=error'],
  ],
  wasi: () => [[process.execPath, 'tests/run-wasi.mjs']],
  js: () => [nodeTests(2, 'js', 'bits', 'golden', 'nets', 'bench')],
  fuzz: () => [[process.execPath, 'tests/fuzz/run.mjs', '60', '1', 'test']],
  coverage: () => [[process.execPath, 'tests/coverage/run.mjs', 'parsers']],
  soak: () => [nodeTests(2, 'soak')],
  browser: () => [nodeTests(1, 'browser')],
  package: () => [nodeTests(1, 'package')],
};

/** @param {string[]} command @returns {Promise<boolean>} whether it ended with status 0 */
function passes([file, ...args]) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', (error) => {
      console.error(`${file}: ${error.message}`);
      resolve(false);
    });
    child.once('exit', (status) => resolve(status === 0));
  });
}

/** @param {string[][]} commands  of which the first failure is the last */
async function allPass(commands) {
  for (const command of commands) if (!(await passes(command))) return false;
  return true;
}

await asCommand(async () => {
  const names = Object.keys(STEPS);
  const asked = process.argv.slice(2);
  const unknown = asked.filter((name) => !names.includes(name));
  if (unknown.length) throw new SetupError(`unknown: ${unknown.join(' ')}; expected any of ${names.join(' ')}`);
  ensureTools(['build', 'test']);
  ensurePackages();
  await build();
  buildDigits();
  const failed = [];
  let passed = 0;
  for (const [name, commands] of Object.entries(STEPS)) {
    if (asked.length && !asked.includes(name)) continue;
    console.log(`\n== ${name}`);
    if (await allPass(commands())) passed++;
    else failed.push(name);
  }
  console.log(`\nsteps: ${passed} passed, ${failed.length} failed`);
  if (failed.length) throw new SetupError(`failed: ${failed.join(', ')}`);
});
