/* run.mjs: `npm run coverage`: branch coverage of src, worker and web, and the proof that the
 * parsers have all of it.
 *
 * The core's is llvm-cov's of the native tests, without sanitizers, and of the fuzz targets over
 * their corpus; that of JavaScript is V8's of the js tests, by c8. The parsers of what comes from
 * outside (PARSERS) must reach every branch, else the exit status is not zero; so it is where a
 * test fails. With `parsers` (`npm test`) only these are told of, and only the tests that are about
 * them are run, which takes seconds. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from '../../wasm-build/build.mjs';
import { asCommand, ensurePackages, ensureTools } from '../../wasm-build/setup.mjs';
import { findProgram } from '../../wasm-build/toolchain.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const only = process.argv[2] === 'parsers';
/* The fuzz targets' build counts the branches of the parser. */
const [BUILD, OPTION] = only
  ? [`${ROOT}build-fuzz`, '-DOFS_FUZZ=ON']
  : [`${ROOT}build-coverage`, '-DOFS_COVERAGE=ON'];
const RAW = `${BUILD}/coverage`;
const PARSERS = [
  'src/spec/records.c',
  'worker/protocol.js',
  'worker/trainer/dialect.js',
  'worker/trainer/checkpoint.js',
  ...['spec', 'schema', 'fields', 'graph'].map((name) => `worker/spec/${name}.js`),
];
const PARSER_TESTS = {
  c: ['test_spec', 'test_spec_fields', 'test_spec_graphs'],
  js: [
    'spec',
    'graph-spec',
    'graph-data',
    'dialect',
    'protocol',
    'resume',
    'hostile',
    'hostile-checkpoint',
    'on-epoch',
    'control',
    'metrics-api',
  ],
};
const TEST_MS = 180_000; // of one test

/**
 * @param {string} file @param {string[]} args @param {NodeJS.ProcessEnv} [env]
 * @returns {{ ok: boolean, text: string }}
 */
function run(file, args, env = {}) {
  const { status, stdout, stderr, error } = spawnSync(file, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  const command = [file, ...args.slice(0, 3)].join(' ');
  if (status !== 0)
    console.error(`${command}: ${error?.message ?? status}\n${`${stdout}${stderr}`.slice(-4000)}`);
  return { ok: status === 0, text: stdout ?? '' };
}

/**
 * @param {string} name  of a tool of LLVM, which reads what the same version of clang has written
 */
const llvm = (name) => /** @type {string} */ (findProgram(`${name}-14`, name));

/**
 * @param {string} title
 * @param {{ name: string, count: number, covered: number }[]} files  of which the branches are told
 */
function print(title, files) {
  const row = (
    /** @type {string} */ name,
    /** @type {number} */ covered,
    /** @type {number} */ count,
  ) =>
    console.log(
      [
        '  ',
        name.padEnd(34),
        `${covered}`.padStart(6),
        ' of',
        `${count}`.padStart(6),
        (count ? (100 * covered) / count : 100).toFixed(1).padStart(7),
        ' %',
      ].join(''),
    );
  console.log(`\nbranches of ${title}`);
  for (const { name, covered, count } of files) row(name, covered, count);
  const sum = (/** @type {'count' | 'covered'} */ key) =>
    files.reduce((all, file) => all + file[key], 0);
  row('all', sum('covered'), sum('count'));
}

/** Programs of tests/c that are tests, by their list. */
function nativeTests() {
  const lines = readFileSync(`${ROOT}tests/c/programs.txt`, 'utf8')
    .split('\n')
    .filter((line) => line && !line.startsWith('#'));
  const tests = lines
    .map((line) => line.split(/\s+/))
    .filter((words) => !words.includes('tool') && !words.includes('double'));
  return tests
    .map(([file]) => file.replace('.c', ''))
    .filter((name) => !only || PARSER_TESTS.c.includes(name));
}

function coverNative() {
  const fuzz = ['fuzz_spec', 'fuzz_steps', 'fuzz_metrics', 'fuzz_control'];
  const tests = nativeTests();
  if (!run('cmake', ['-S', '.', '-B', BUILD, OPTION]).ok) return [];
  if (!run('cmake', ['--build', BUILD, '--parallel', '2', '--target', ...tests, ...fuzz]).ok)
    return [];
  const passed = [...tests, ...fuzz].map((name) => {
    const corpus = `tests/fuzz/corpus/${name}`;
    const inputs = fuzz.includes(name)
      ? readdirSync(`${ROOT}${corpus}`).map((file) => `${corpus}/${file}`)
      : [];
    return run(`${BUILD}/${name}`, inputs, { LLVM_PROFILE_FILE: `${RAW}/${name}.profraw` }).ok;
  });
  const merged = `${RAW}/all.profdata`;
  const raw = [...tests, ...fuzz].map((name) => `${RAW}/${name}.profraw`).filter(existsSync);
  run(llvm('llvm-profdata'), ['merge', '-sparse', '-o', merged, ...raw]);
  const programs = [...tests, ...fuzz].map((name) => `${BUILD}/${name}`);
  const objects = programs.slice(1).flatMap((program) => ['-object', program]);
  const { ok, text } = run(llvm('llvm-cov'), [
    'export',
    '-summary-only',
    `-instr-profile=${merged}`,
    programs[0],
    ...objects,
    `${ROOT}src`,
  ]);
  if (!ok || passed.includes(false)) process.exitCode = 1;
  if (!ok) return [];
  /** @type {{ filename: string, summary: any }[]} */
  const { files } = JSON.parse(text).data[0];
  return files.map(
    ({
      filename,
      summary: {
        branches: { count, covered },
      },
    }) => ({ name: filename.slice(ROOT.length), count, covered }),
  );
}

function coverJs() {
  const tests = readdirSync(`${ROOT}tests/js`)
    .filter((name) => name.endsWith('.test.js'))
    .filter((name) => !only || PARSER_TESTS.js.includes(name.replace('.test.js', '')));
  const folder = `${RAW}/js`;
  const { ok } = run(
    process.execPath,
    [
      '--test',
      '--test-concurrency=2',
      `--test-timeout=${TEST_MS}`,
      ...tests.map((name) => `tests/js/${name}`),
    ],
    { NODE_V8_COVERAGE: folder },
  );
  if (!ok) process.exitCode = 1;
  run(process.execPath, [
    'node_modules/c8/bin/c8.js',
    'report',
    '--temp-directory',
    folder,
    '--all',
    '--src',
    '.',
    '--include',
    'worker/**',
    '--include',
    'web/**',
    '--reporter',
    'json',
    '--reports-dir',
    RAW,
  ]);
  /** @type {Record<string, { b: Record<string, number[]>, branchMap: any }>} */
  const files = JSON.parse(readFileSync(`${RAW}/coverage-final.json`, 'utf8'));
  return Object.entries(files).map(([path, { b, branchMap }]) => {
    const name = path.slice(ROOT.length).replaceAll('\\', '/');
    const missed = Object.keys(b).filter((key) => b[key].some((hits) => hits === 0));
    for (const key of PARSERS.includes(name) ? missed : []) {
      console.log(`${name}:${branchMap[key].loc.start.line}: a branch is not reached`);
    }
    return { name, count: Object.keys(b).length, covered: Object.keys(b).length - missed.length };
  });
}

if (findProgram('ninja')) process.env.CMAKE_GENERATOR ??= 'Ninja';
await asCommand(async () => {
  if (!only) {
    // npm test has seen to it
    ensureTools(['build', 'test']);
    ensurePackages();
    await build();
  }
  rmSync(RAW, { recursive: true, force: true });
  mkdirSync(`${RAW}/js`, { recursive: true });
  const native = coverNative();
  const js = coverJs();
  if (!only) {
    print('src', native);
    for (const folder of ['worker', 'web'])
      print(
        folder,
        js.filter(({ name }) => name.startsWith(`${folder}/`)),
      );
    console.log('');
  }
  let passed = 0;
  for (const parser of PARSERS) {
    const { count = 0, covered = 0 } = [...native, ...js].find(({ name }) => name === parser) ?? {};
    const whole = count > 0 && covered === count;
    passed += Number(whole);
    console.log(
      `${whole ? 'all' : 'NOT all'} branches of ${parser} are reached: ${covered} of ${count}`,
    );
    if (!whole) process.exitCode = 1;
  }
  console.log(`coverage: ${passed} passed, ${PARSERS.length - passed} failed`);
});
