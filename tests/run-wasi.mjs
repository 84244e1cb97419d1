/* run-wasi.mjs: the C tests as WebAssembly, with and without SIMD.
 *
 * clang and wasi-libc make of each program of tests/c/programs.txt what the wasm build makes of the core, and
 * Node's WASI runs it: exit status 0 passes. The compile flags of the core are the wasm build's own, so that what
 * is tested is also what ships. `node tests/run-wasi.mjs [part of a name]`. */

import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { promisify } from 'node:util';
import { ROOT, readList } from '../wasm-build/lists.mjs';
import { findClang } from '../wasm-build/toolchain.mjs';
import { COMPILE, OPTIMIZED, VARIANTS } from '../wasm-build/variants.mjs';

const run = promisify(execFile);
const BUILD = `${ROOT}build-wasi/`;
const JOBS = 2; // each takes a whole core, and the smallest machine that this is for has two

const TARGET = [
  '--target=wasm32-wasi', // WASI preview 1: a main(), standard output and an exit status
  '-DOFS_HOSTED', // the C library has memcpy and its kin
];
/* The core's flags but those that say there is no C library, which the double build and the tests lean on. */
const HOSTED = [...COMPILE, ...OPTIMIZED.kernel].filter((flag) => !['-ffreestanding', '-fno-builtin'].includes(flag));
const LINK = [
  '-lm',
  '-Wl,-z,stack-size=1048576', // tests keep buffers on the stack
  '-Wl,--stack-first', // and an overflow of it traps
];

/* Each import is wrapped: called straight from optimized wasm, Node's own now and then end in a segmentation
 * fault (nodejs/node#53087; 5 of 40 runs of a program that reads the clock, none with the wrapping). */
const RUNNER = `
  import { readFile } from 'node:fs/promises';
  import { WASI } from 'node:wasi';
  const wasi = new WASI({ version: 'preview1', args: ['test'], returnOnExit: true });
  const module = await WebAssembly.compile(await readFile(process.argv[1]));
  const calls = Object.entries(wasi.wasiImport).map(([name, call]) => [name, (...args) => call(...args)]);
  const imports = { wasi_snapshot_preview1: Object.fromEntries(calls) };
  process.exitCode = wasi.start(await WebAssembly.instantiate(module, imports));`;

/**
 * @param {string} clang @param {string} variant @param {boolean} double
 * @returns {Promise<string[]>} the core's objects
 */
async function compileCore(clang, variant, double) {
  const folder = `${BUILD}${variant}${double ? '-double' : ''}/`;
  mkdirSync(folder, { recursive: true });
  const entries = readList('wasm-build/sources.txt').filter(({ tags }) => !(double && tags.includes('fast')));
  const flags = double ? [...HOSTED, '-DOFS_REAL_DOUBLE'] : COMPILE;
  return Promise.all(
    entries.map(async ({ name }) => {
      const object = `${folder}${name.replaceAll('/', '.')}.o`;
      const args = [...TARGET, ...flags, ...VARIANTS[variant], '-I', `${ROOT}src`, '-c', ROOT + name, '-o', object];
      await limited(() => run(clang, args));
      return object;
    }),
  );
}

/** Lets at most JOBS of the given tasks run at a time. */
const limited = (() => {
  let free = JOBS;
  /** @type {(() => void)[]} */
  const waiting = [];
  return async (/** @type {() => Promise<any>} */ task) => {
    if (free === 0) await new Promise((resolve) => waiting.push(/** @type {any} */ (resolve)));
    else free--;
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
})();

/**
 * @param {string} clang @param {string} variant @param {{ name: string, tags: string[] }} program @param {string[]} core
 */
async function test(clang, variant, { name, tags }, core) {
  const file = `${BUILD}${variant}/${name.replace(/\.c$/, '.wasm')}`;
  const real = tags.includes('double') ? ['-DOFS_REAL_DOUBLE'] : [];
  const sources = ['-I', `${ROOT}src`, `${ROOT}tests/c/${name}`, ...core];
  await run(clang, [...TARGET, ...HOSTED, ...VARIANTS[variant], ...real, ...sources, ...LINK, '-o', file]);
  const start = process.hrtime.bigint();
  const args = ['--no-warnings', '--input-type=module', '-e', RUNNER, file];
  await run(process.execPath, args, { maxBuffer: 1 << 26 });
  return Number((process.hrtime.bigint() - start) / 1_000_000n);
}

const { clang } = findClang();
const wanted = process.argv[2] ?? '';
const programs = readList('tests/c/programs.txt').filter(({ name, tags }) => !tags.includes('tool') && name.includes(wanted));
let passed = 0;
let failed = 0;
for (const variant of Object.keys(VARIANTS)) {
  const float = await compileCore(clang, variant, false);
  const double = await compileCore(clang, variant, true);
  const jobs = programs.map(async (program) => {
    const label = `wasi ${variant} ${program.name}`;
    try {
      const ms = await limited(() => test(clang, variant, program, program.tags.includes('double') ? double : float));
      passed++;
      console.log(`ok     ${label} (${ms} ms)`);
    } catch (error) {
      failed++;
      console.log(`FAILED ${label}\n${error.stdout ?? ''}${error.stderr || error.message}`);
    }
  });
  await Promise.all(jobs);
}
console.log(`wasi: ${passed} passed, ${failed} failed`);
if (failed || !passed) process.exitCode = 1;
