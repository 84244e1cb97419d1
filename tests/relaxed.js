/* relaxed.js: whether the relaxed variants can be tested in this Node, and the reason where not.
 *
 * Node 20 has relaxed SIMD behind a flag, which is set here for the whole process, its threads
 * included. The page tests need nothing of it: their Chromium has relaxed SIMD. */
import { existsSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { WITHOUT_RELAXED } from '../wasm-build/toolchain.mjs';
import { whyNoRelaxed } from '../worker/host/engine.js';

const FILE = new URL('../wasm-build/dist/offstage.relaxed.wasm', import.meta.url);

/** @returns {string | false} for a test's `skip`: why there are no relaxed variants to test */
export function withoutRelaxedFiles() {
  return existsSync(FILE) ? false : `the build has no relaxed variants: ${WITHOUT_RELAXED}`;
}

/** @returns {string | false} for a test's `skip`, after trying to have relaxed SIMD here */
export function withoutRelaxed() {
  const missing = withoutRelaxedFiles();
  if (missing) return missing;
  if (whyNoRelaxed() !== null) setFlagsFromString('--experimental-wasm-relaxed-simd');
  return whyNoRelaxed() ?? false;
}
