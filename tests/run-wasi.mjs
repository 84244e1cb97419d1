/* run-wasi.mjs: the C tests as WebAssembly, with and without SIMD.
 *
 * clang and wasi-libc make of each program of tests/c/programs.txt what the wasm build makes of the
 * core, and Node's WASI runs it: exit status 0 passes. The compile flags of the core are the wasm
 * build's own, so that what is tested is also what ships. `node tests/run-wasi.mjs [part of a
 * name]`. */

import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { ROOT, readList } from '../wasm-build/lists.mjs';
import { hash, hashHeaders, inParallel, once } from '../wasm-build/once.mjs';
import { findClang } from '../wasm-build/toolchain.mjs';
import { flagsFor, sourcesFor } from '../wasm-build/variants.mjs';

/** @typedef {import('../wasm-build/variants.mjs').VariantName} VariantName */

const run = promisify(execFile);
const BUILD = `${ROOT}build-wasi/`;
const TARGET = [
  '--target=wasm32-wasi', // WASI preview 1: a main(), standard output and an exit status
  '-DOFS_HOSTED', // the C library has memcpy and its kin
];
/* What says that there is no C library, which the double build and the tests lean on. */
const FREESTANDING = ['-ffreestanding', '-fno-builtin'];
const LINK = [
  '-lm',
  '-Wl,-z,stack-size=1048576', // tests keep buffers on the stack
  '-Wl,--stack-first', // and an overflow of it traps
];

/* Each import is wrapped: called straight from optimized wasm, Node's own now and then end in a
 * segmentation fault (nodejs/node#53087; 5 of 40 runs of a program that reads the clock, none with
 * the wrapping). */
const RUNNER = `
  import { readFile } from 'node:fs/promises';
  import { WASI } from 'node:wasi';
  const wasi = new WASI({ version: 'preview1', args: ['test'], returnOnExit: true });
  const module = await WebAssembly.compile(await readFile(process.argv[1]));
  const calls = Object.entries(wasi.wasiImport).map(([name, call]) => [name, (...args) => call(...args)]);
  const imports = { wasi_snapshot_preview1: Object.fromEntries(calls) };
  process.exitCode = wasi.start(await WebAssembly.instantiate(module, imports));`;

/* Every gradient is proved by the native programs; of the same nets one in four is enough to see
 * that wasm agrees. */
const EVERY = '-DCHECK_EVERY=4';

const HEADERS = [hashHeaders('src'), hashHeaders('tests/c')];

/**
 * Whatever makes an object or a program of sources: once, and told with what the compiler said.
 * @param {string} file
 * @param {string[]} args
 * @param {string[]} inputs hashes of what is in `args` by name
 */
async function compile(file, args, inputs) {
  const input = hash(clang, ...args, ...HEADERS, ...inputs);
  await once(file, input, (out) => run(clang, [...args, '-o', out], { cwd: ROOT }));
  return { file, input };
}

/**
 * @param {VariantName} variant @param {boolean} double
 * @returns {(() => Promise<{ file: string, input: string }>)[]} what makes the core's objects
 */
function coreJobs(variant, double) {
  const folder = `${BUILD}${variant}${double ? '-double' : ''}/`;
  mkdirSync(folder, { recursive: true });
  const sources = sourcesFor(variant).filter(({ tags }) => !(double && tags.includes('fast')));
  return sources.map((source) => () => {
    const flags = double
      ? [...hosted(source, variant), '-DOFS_REAL_DOUBLE']
      : flagsFor(source, variant);
    const args = [...TARGET, ...flags, '-Isrc', '-c', source.name];
    return compile(`${folder}${source.name.replaceAll('/', '.')}.o`, args, [readText(source.name)]);
  });
}

/** @param {string} path */
const readText = (path) => readFileSync(ROOT + path, 'utf8');

/** @param {{ tags: string[] }} source @param {VariantName} variant */
const hosted = (source, variant) =>
  flagsFor(source, variant).filter((flag) => !FREESTANDING.includes(flag));

/**
 * Compiles and runs a program; throws where either fails.
 * @param {VariantName} variant @param {{ name: string, tags: string[] }} program
 * @param {{ file: string, input: string }[]} core
 */
async function test(variant, { name, tags }, core) {
  const source = `tests/c/${name}`;
  const real = tags.includes('double') ? ['-DOFS_REAL_DOUBLE', EVERY] : [];
  const args = [
    ...TARGET,
    ...hosted({ tags }, variant),
    ...real,
    '-Isrc',
    source,
    ...core.map(({ file }) => file),
    ...LINK,
  ];
  const program = `${BUILD}${variant}/${name.replace(/\.c$/, '.wasm')}`;
  await compile(program, args, [readText(source), ...core.map(({ input }) => input)]);
  await run(process.execPath, ['--no-warnings', '--input-type=module', '-e', RUNNER, program], {
    maxBuffer: 1 << 26,
  });
}

const { clang = 'clang' } = findClang();
const wanted = process.argv[2] ?? '';
const ELSEWHERE = ['tool', 'threads'];
const programs = readList('tests/c/programs.txt').filter(
  ({ name, tags }) => !tags.some((tag) => ELSEWHERE.includes(tag)) && name.includes(wanted),
);
let passed = 0;
let failed = 0;

/** @param {VariantName} variant */
async function testVariant(variant) {
  /** @type {Record<string, { file: string, input: string }[]>} */
  const cores = { float: [], double: [] };
  const jobs = Object.keys(cores).flatMap((real) =>
    coreJobs(variant, real === 'double').map(
      (make, i) => async () => (cores[real][i] = await make()),
    ),
  );
  await inParallel(jobs);
  const tests = programs.map((program) => async () => {
    const label = `wasi ${variant} ${program.name}`;
    const begun = performance.now();
    try {
      await test(variant, program, cores[program.tags.includes('double') ? 'double' : 'float']);
      passed++;
      console.log(`ok     ${label} (${(performance.now() - begun).toFixed(0)}ms)`);
    } catch (error) {
      failed++;
      console.log(`FAILED ${label}\n${error.stdout ?? ''}${error.stderr || error.message}`);
    }
  });
  await inParallel(tests);
}

/* wasi-libc has no threads, and relaxed variants are outside of the promises that these programs
 * test. */
for (const variant of /** @type {VariantName[]} */ (['base', 'simd'])) await testVariant(variant);
console.log(`wasi: ${passed} passed, ${failed} failed`);
if (failed || !passed) process.exitCode = 1;
