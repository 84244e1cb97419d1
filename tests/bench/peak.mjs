/* peak.mjs: builds peak.c, without relaxed SIMD and with it. Its flags are its own: the measure
 * must not move when those of the core change. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { hash, once } from '../../wasm-build/once.mjs';
import { WITHOUT_RELAXED, findEmscripten, findRelaxedLlvm } from '../../wasm-build/toolchain.mjs';

const SOURCE = fileURLToPath(new URL('peak.c', import.meta.url));
const CACHE = fileURLToPath(new URL('cache/', import.meta.url));
// -O3 unrolls, and keeps the tile in registers
const COMPILE = ['-std=c11', '-O3', '-msimd128', '-ffreestanding', '-ffp-contract=off'];
const LINK = ['--no-entry', '--strip-all', '--export=peak', '--export=fill'];

/** Makes cache/peak.VARIANT.wasm, which probes/peak.js runs. @param {'simd' | 'relaxed'} variant */
export async function buildPeak(variant) {
  const { emcc, wasmLd, version } = findEmscripten();
  const llvm = variant === 'relaxed' ? findRelaxedLlvm() : { env: {}, wasmLd, version: '' };
  if (!llvm) throw new Error(WITHOUT_RELAXED);
  const linker = llvm.wasmLd ?? wasmLd;
  if (!emcc || !linker)
    throw new Error('emcc or wasm-ld is missing: npm run build installs them or says how');
  const compile = [...COMPILE, ...(variant === 'relaxed' ? ['-mrelaxed-simd'] : []), '-c', SOURCE];
  const file = `${CACHE}peak.${variant}.wasm`;
  mkdirSync(CACHE, { recursive: true });
  await once(
    file,
    hash(version, llvm.version, readFileSync(SOURCE), ...compile.slice(0, -1), ...LINK),
    async (out) => {
      execFileSync(emcc, [...compile, '-o', `${file}.o`], {
        stdio: ['ignore', 'inherit', 'inherit'],
        env: { ...process.env, ...llvm.env },
      });
      execFileSync(linker, [...LINK, `${file}.o`, '-o', out]);
    },
  );
}
