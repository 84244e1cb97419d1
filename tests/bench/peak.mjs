/* peak.mjs: builds peak.c and measures with it. Its flags are its own: the measure must not move when those of the
 * core change. */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findEmscripten } from '../../wasm-build/toolchain.mjs';

const SOURCE = fileURLToPath(new URL('peak.c', import.meta.url));
const CACHE = fileURLToPath(new URL('cache/', import.meta.url));
const COMPILE = ['-std=c11', '-O3', '-msimd128', '-ffreestanding', '-ffp-contract=off']; // -O3 unrolls, and keeps the tile in registers
const LINK = ['--no-entry', '--strip-all', '--export=peak', '--export=fill'];
const KERNEL_FLOP = 2 * 4 * 8;

/** @returns {Uint8Array} */
function build() {
  const { emcc, wasmLd, version } = findEmscripten();
  if (!emcc || !wasmLd) throw new Error('emcc or wasm-ld is missing: npm run build installs them or says how');
  const compile = [...COMPILE, '-c', SOURCE];
  const name = createHash('sha256').update(version).update(readFileSync(SOURCE)).update(compile.slice(0, -1).join(' ')).digest('hex');
  const file = `${CACHE}peak.${name.slice(0, 16)}`;
  if (!existsSync(`${file}.wasm`)) {
    mkdirSync(CACHE, { recursive: true });
    execFileSync(emcc, [...compile, '-o', `${file}.o`], { stdio: ['ignore', 'inherit', 'inherit'] });
    execFileSync(wasmLd, [...LINK, `${file}.o`, '-o', `${file}.wasm`]);
  }
  return readFileSync(`${file}.wasm`);
}

/** @returns {Promise<(ms: number) => number>} measures for about that long: FLOP per nanosecond, that is GFLOP/s */
export async function createPeak() {
  const instance = await WebAssembly.instantiate(await WebAssembly.compile(/** @type {BufferSource} */ (build())), {});
  const { peak, fill } = /** @type {any} */ (instance.exports);
  fill();
  const flop = (/** @type {number} */ times) => KERNEL_FLOP * peak(times) * times;
  for (let i = 0; i < 20; i++) peak(1000); // until the optimizing compiler has taken over
  return (ms) => {
    let done = 0;
    const start = performance.now();
    let now = start;
    while (now - start < ms) {
      done += flop(2000);
      now = performance.now();
    }
    return done / (now - start) / 1e6;
  };
}
