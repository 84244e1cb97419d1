/* run.js: `npm test`: every proof there is, from a bare machine.
 *
 * Installs what is missing, builds, then runs the steps below, two side by side (one at a time
 * where it says `alone`); all of them run whatever fails, and the exit status is zero only where
 * all passed. `npm test -- js browser` runs the steps named; `all` are those that run where none
 * is. `npm test -- quick` is a change's own
 * loop, below three minutes once it has been built: types, and the native and js tests that are
 * fast and between them use everything; no sanitizers, no browser. What a step says is printed
 * whole when it ends; at the end stand each step's seconds and the slowest tests. Node's own
 * modules only. */

import { readdirSync } from 'node:fs';
import { buildDigits } from '../examples/digits-data/build.js';
import { build } from '../wasm-build/build.mjs';
import { ROOT } from '../wasm-build/lists.mjs';
import { SetupError, asCommand, ensurePackages, ensureTools } from '../wasm-build/setup.mjs';
import { findProgram } from '../wasm-build/toolchain.mjs';
import { runSteps } from './run-steps.js';

/** @typedef {import('./run-steps.js').Step} Step */

/* CMake's own choice would be make, which a machine may not have. The tests that build native
 * programs inherit it. */
if (findProgram('ninja')) process.env.CMAKE_GENERATOR ??= 'Ninja';
if (findProgram('ccache')) process.env.CMAKE_C_COMPILER_LAUNCHER ??= 'ccache';

/* Slow js tests: places and deaths, which wait, floods of requests, and an app that is compiled. */
const SLOW_JS =
  /^(api-hover|api-recovery|api-types|api-visible|hostile-many|memory|persist-api|suspend)/;
/* Slow native tests: gradients by differences, and threads. */
const SLOW_NATIVE = '^test_(gradients|gradients_conv|gradients_norm|gradients_recurrent|team)$';

/** Test files below folders of tests/. @param {...string} folders */
const filesOf = (...folders) =>
  folders.flatMap((folder) =>
    readdirSync(`${ROOT}tests/${folder}`)
      .sort()
      .filter((name) => name.endsWith('.test.js'))
      .map((name) => `tests/${folder}/${name}`),
  );

/** @param {string[]} files @param {number} [jobs] */
const node = (files, jobs = 1) => [
  process.execPath,
  '--test',
  `--test-concurrency=${jobs}`,
  '--test-reporter=spec',
  '--test-reporter-destination=stdout',
  ...files,
];

/**
 * @param {string} folder
 * @param {string[]} options
 * @param {string[]} targets none: all
 * @param {string[]} tests
 */
const native = (folder, options, targets, tests) => [
  ['cmake', '-S', '.', '-B', folder, ...options],
  [
    'cmake',
    '--build',
    folder,
    '--parallel',
    '2',
    ...(targets.length > 0 ? ['--target', ...targets] : []),
  ],
  ['ctest', '--test-dir', folder, '--output-on-failure', '--no-tests=error', ...tests],
];

const types = () =>
  ['tsconfig.json', 'tests/bench/tsconfig.json'].map((project) => [
    process.execPath,
    'node_modules/typescript/bin/tsc',
    '-p',
    project,
  ]);

/* The longest begin first. Threads that wait for each other spin: a step of one process at a time
 * beside another one is what two cores carry. Browsers and bundlers take both. @type
 * {Record<string, Step>} */
const STEPS = {
  fuzz: { commands: () => [[process.execPath, 'tests/fuzz/run.mjs', '3600', '1', 'test']] },
  native: { commands: () => native('build-native', [], [], []) },
  js: { commands: () => [node([...filesOf('js', 'bench')])] },
  wasi: { commands: () => [[process.execPath, 'tests/run-wasi.mjs']] },
  golden: { commands: () => [node(filesOf('golden', 'nets'))] },
  tsan: { commands: () => native('build-tsan', ['-DOFS_TSAN=ON'], ['test_team'], []) },
  soak: { commands: () => [node(filesOf('soak'))] },
  bits: { commands: () => [node(filesOf('bits'))] },
  ports: { commands: () => [node(filesOf('ports'))] },
  webkit: { commands: () => [node(['tests/engines/webkit.test.js'])] },
  firefox: { commands: () => [node(['tests/engines/firefox.test.js'])] },
  coverage: {
    after: 'fuzz',
    commands: () => [[process.execPath, 'tests/coverage/run.mjs', 'parsers']],
  },
  types: { commands: types },
  browser: { alone: true, commands: () => [node(filesOf('browser'))] },
  package: { alone: true, commands: () => [node(filesOf('package'))] },
};

/* Steps that run where they are named only: their tools come from the registry. @type
 * {Record<string, Step>} */
const NAMED = {
  hosts: { alone: true, commands: () => [[process.execPath, 'tests/hosts/run.mjs']] },
  'hosts-third': {
    alone: true,
    commands: () => [[process.execPath, 'tests/hosts/run.mjs', 'third']],
  },
};

/** @type {Record<string, Step>} */
const QUICK = {
  'quick native': {
    commands: () => native('build-quick', ['-DOFS_SANITIZE=OFF'], [], ['-E', SLOW_NATIVE]),
  },
  'quick js': {
    commands: () => [
      node(filesOf('js', 'bench').filter((file) => !SLOW_JS.test(file.replace(/.*\//, '')))),
    ],
  },
  types: { commands: types },
};

await asCommand(async () => {
  const every = { ...STEPS, ...NAMED };
  const names = [...Object.keys(every), 'all'];
  const asked = process.argv.slice(2);
  const unknown = asked.filter((name) => name !== 'quick' && !names.includes(name));
  if (unknown.length)
    throw new SetupError(
      `unknown: ${unknown.join(' ')}; expected quick, or any of ${names.join(' ')}`,
    );
  if (asked.length > 1 && asked.includes('quick')) throw new SetupError('quick stands alone');
  ensureTools(['build', 'test']);
  ensurePackages();
  await build();
  buildDigits();
  const all = asked.length === 0 || asked.includes('all');
  const chosen = Object.entries(every).filter(
    ([name]) => (all && name in STEPS) || asked.includes(name),
  );
  const failed = await runSteps(asked[0] === 'quick' ? QUICK : Object.fromEntries(chosen));
  if (failed.length) throw new SetupError(`failed: ${failed.join(', ')}`);
});
