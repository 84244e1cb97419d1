/* native.js: the core as a native program, tests/c/native_run.c: builds it by the CMake file, with
 * each compiler that there is, and trains a problem with it. The spec goes in as the bytes that the
 * JavaScript encoder makes. */
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../../wasm-build/toolchain.mjs';
import { Core } from '../../worker/trainer/core.js';
import { loadModule } from '../../worker/host/module.js';
import { encodeSpec } from '../../worker/spec/spec.js';
import { PROBLEMS, dataOf } from './problems.js';
import { hashOf } from './train.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DOUBLE = 8;

/** @returns {Record<string, string>} the compilers that are there, by name */
export function compilers() {
  const found = { clang: findProgram('clang', 'clang-14'), gcc: findProgram('gcc') };
  return Object.fromEntries(Object.entries(found).filter(([, path]) => path));
}

/**
 * @param {string} name @param {string} compiler
 * @returns {string} the program
 */
export function buildNative(name, compiler) {
  const folder = `build-bits/${name}`;
  const cmake = (...args) =>
    execFileSync('cmake', args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  cmake(
    '-B',
    folder,
    `-DCMAKE_C_COMPILER=${compiler}`,
    '-DCMAKE_BUILD_TYPE=Release',
    '-DOFS_SANITIZE=OFF',
  );
  cmake('--build', folder, '--target', 'native_run');
  return `${ROOT}${folder}/native_run`;
}

/** @param {ArrayBufferView} data @returns {Buffer} with zeros up to a multiple of a double */
function padded(data) {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat([bytes, Buffer.alloc((DOUBLE - (bytes.length % DOUBLE)) % DOUBLE)]);
}

/**
 * @param {string} program
 * @param {string} problem
 * @param {number} work  units a call; 1 stops at every part
 * @returns {Promise<{ hash: string, losses: number[] }>}
 */
export async function trainNatively(program, problem, work) {
  const { spec, samples, settings } = PROBLEMS[problem];
  const { numEpochs, batchSize, shuffle, validationSplit = 0 } = settings;
  const { x, y } = dataOf(PROBLEMS[problem]);
  const { schema } = await Core.create(await loadModule('base'));
  const { bytes } = encodeSpec(schema, spec);
  const { F32, U8, I32 } = schema.constants;
  const header = Float64Array.of(
    bytes.length,
    samples,
    Math.floor(samples * (1 - validationSplit)),
    x instanceof Uint8Array ? U8 : F32,
    x.byteLength,
    y instanceof Int32Array ? I32 : F32,
    y.byteLength,
    numEpochs,
    batchSize,
    shuffle ? 1 : 0,
    work,
    0,
  );
  const input = Buffer.concat([header, bytes, x, y].map(padded));
  const { status, signal, stdout, stderr } = spawnSync(program, { input, maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`native_run ended with ${status ?? signal}: ${stderr}`);
  const output = new Uint8Array(stdout);
  const weights = new Float32Array(output.buffer, numEpochs * DOUBLE);
  return {
    hash: await hashOf([{ data: weights }]),
    losses: [...new Float64Array(output.buffer, 0, numEpochs)],
  };
}
