/* run.mjs: `npm run fuzz -- [seconds] [seed] [merge]`: the fuzz targets, two to four at a time.
 *
 * First the core's (libFuzzer), then the decoders of worker/ in two processes; each group has the
 * time that is given. What is found on the way is kept in build-fuzz and used by the next run
 * on this machine; `merge` makes the fewest inputs that reach as much the corpus in
 * tests/fuzz/corpus. `npm test` runs a fixed count of each with a fixed seed and from the corpus
 * alone, and keeps nothing. A finding is an input in build-fuzz/findings, and the exit status. */

import { spawn } from 'node:child_process';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from '../../wasm-build/build.mjs';
import { SetupError, asCommand, ensurePackages, ensureTools } from '../../wasm-build/setup.mjs';
import { findProgram } from '../../wasm-build/toolchain.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BUILD = `${ROOT}build-fuzz`;
const CORPUS = `${ROOT}tests/fuzz/corpus`;
const CORE = ['fuzz_spec', 'fuzz_steps', 'fuzz_metrics', 'fuzz_control'];
/* Runs in npm test: counts, so that what is tried does not depend on the machine. */
const TEST_RUNS = /** @type {Record<string, number>} */ ({
  fuzz_spec: 250_000,
  fuzz_steps: 80_000,
  fuzz_metrics: 40_000,
  fuzz_control: 100_000,
});
const DECODERS = ['spec,message,weights', 'data,store,checkpoint'];
const LIBFUZZER = [
  '-timeout=60',
  '-rss_limit_mb=1024',
  '-max_len=4096',
  `-artifact_prefix=${BUILD}/findings/`,
];
/* Counters would keep five times as many inputs for how often something is reached. */
const MERGE = ['-merge=1', '-use_counters=0'];

/**
 * @param {string} file @param {string[]} args
 * @param {(line: string) => boolean} [shows]  which of its lines, while all is well; else all
 * @returns {Promise<boolean>} whether it ended with status 0
 */
function run(file, args, shows) {
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: ROOT,
      stdio: ['ignore', shows ? 'pipe' : 'inherit', shows ? 'pipe' : 'inherit'],
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (piece) => (text = (text + piece).slice(-1e6)));
    child.once('error', (error) => {
      console.error(`${file}: ${error.message}`);
      resolve(false);
    });
    child.once('close', (status) => {
      const lines = text.split('\n');
      const told = shows && (status === 0 ? lines.filter(shows) : lines.slice(-80));
      if (told?.length) console.log(`${basename(file)} ${args[0]}\n${told.join('\n')}`);
      resolve(status === 0);
    });
  });
}

/** @param {string} name @param {number} seconds @param {number} seed @param {string} how */
async function fuzzCore(name, seconds, seed, how) {
  const own = `${BUILD}/corpus-${how === 'test' ? 'test' : 'kept'}/${name}`;
  if (how === 'test') rmSync(own, { recursive: true, force: true });
  mkdirSync(own, { recursive: true });
  const told = (/** @type {string} */ line) => /DONE .*cov:/.test(line);
  const bound = how === 'test' ? `-runs=${TEST_RUNS[name]}` : `-max_total_time=${seconds}`;
  const args = [`-seed=${seed}`, bound, ...LIBFUZZER, own, `${CORPUS}/${name}`];
  if (!(await run(`${BUILD}/${name}`, args, told))) return false;
  if (how !== 'merge') return true;
  const merged = `${BUILD}/merged-${name}`;
  rmSync(merged, { recursive: true, force: true });
  mkdirSync(merged, { recursive: true });
  if (
    !(await run(
      `${BUILD}/${name}`,
      [...MERGE, ...LIBFUZZER, merged, `${CORPUS}/${name}`, own],
      () => false,
    ))
  )
    return false;
  rmSync(`${CORPUS}/${name}`, { recursive: true, force: true });
  renameSync(merged, `${CORPUS}/${name}`);
  return true;
}

const [seconds = '60', seed = `${Date.now() % 2 ** 31}`, how = 'keep'] = process.argv.slice(2);
if (findProgram('ninja')) process.env.CMAKE_GENERATOR ??= 'Ninja';
// Of the counters for coverage, which are not read here
process.env.LLVM_PROFILE_FILE = `${BUILD}/fuzzing.profraw`;
await asCommand(async () => {
  if (how !== 'test') {
    // npm test has seen to it
    ensureTools(['build', 'test']);
    ensurePackages();
    await build();
  }
  mkdirSync(`${BUILD}/findings`, { recursive: true });
  const built =
    (await run('cmake', ['-S', '.', '-B', 'build-fuzz', '-DOFS_FUZZ=ON'], () => false)) &&
    (await run(
      'cmake',
      ['--build', 'build-fuzz', '--parallel', '2', '--target', ...CORE],
      () => false,
    ));
  const core = built
    ? await Promise.all(CORE.map((name) => fuzzCore(name, Number(seconds), Number(seed), how)))
    : [false];
  const decoders = await Promise.all(
    DECODERS.map((names) =>
      run(
        process.execPath,
        ['tests/fuzz/js/main.mjs', seconds, seed, names, how],
        (line) => line.trim() !== '',
      ),
    ),
  );
  const passed = [...core, ...decoders].filter(Boolean).length;
  const failed = core.length + decoders.length - passed;
  console.log(`fuzz: ${passed} passed, ${failed} failed`);
  if (failed) throw new SetupError('there are findings, told above');
});
