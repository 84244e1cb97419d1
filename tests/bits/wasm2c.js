/* wasm2c.js: the core's wasm as a native program: wasm2c (of wabt) translates it to C, and
 * tests/c/wasm2c_run.c trains with it what native.js hands it. Its vectors are none: wabt 1.0.32,
 * which Debian 12 has, translates no SIMD, so that `base` is the variant. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../../wasm-build/toolchain.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDER = `${ROOT}build-bits/wasm2c`;

/**
 * @returns {{ wasm2c: string, runtime: string } | null} the translator, and where its runtime is
 */
export function findWasm2c() {
  const wasm2c = findProgram('wasm2c');
  if (!wasm2c) return null;
  const runtime = `${dirname(dirname(wasm2c))}/share/wabt/wasm2c`;
  return existsSync(`${runtime}/wasm-rt-impl.c`) ? { wasm2c, runtime } : null;
}

/**
 * @param {NonNullable<ReturnType<typeof findWasm2c>>} found @param {string} compiler
 * @returns {string} the program
 */
export function buildWasm2c({ wasm2c, runtime }, compiler) {
  mkdirSync(FOLDER, { recursive: true });
  const wasm = `${ROOT}wasm-build/dist/offstage.base.wasm`;
  execFileSync(wasm2c, [wasm, '--module-name', 'core', '-o', `${FOLDER}/core.c`]);
  const program = `${FOLDER}/wasm2c_run`;
  execFileSync(compiler, [
    '-std=gnu11',
    '-O1',
    '-w', // what a translator writes
    // As wasm has it: every product is rounded, and every sum.
    '-ffp-contract=off',
    '-frounding-math',
    '-fsignaling-nans',
    `-I${FOLDER}`,
    `-I${runtime}`,
    `-I${ROOT}src`,
    `${ROOT}tests/c/wasm2c_run.c`,
    `${FOLDER}/core.c`,
    `${runtime}/wasm-rt-impl.c`,
    '-lm',
    '-o',
    program,
  ]);
  return program;
}
