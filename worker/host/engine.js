/* engine.js: what the engine that this runs in can do: instructions, threads, cores.
 *
 * Every "no" is a clause that can stand in info.reason or in an error; null is "yes". Instructions
 * are probed by WebAssembly.validate on modules of a few bytes, so nothing is compiled or fetched
 * to find out. Nothing is chosen here. */

import { reasonOf } from './errors.js';
import { nodeBuiltin } from './node.js';

const HEAD = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]; // "\0asm", version 1
/* One function, () -> v128, and one, () -> (). */
const GIVES_V128 = [0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, 0x03, 0x02, 0x01, 0x00];
const GIVES_NOTHING = [0x01, 0x04, 0x01, 0x60, 0x00, 0x00, 0x03, 0x02, 0x01, 0x00];
const SHARED_MEMORY = [0x05, 0x04, 0x01, 0x03, 0x01, 0x01]; // one page, shared
const ZERO = [0x41, 0x00]; // i32.const 0
const SPLAT = [...ZERO, 0xfd, 0x0f]; // i8x16.splat
const END = 0x0b;

/**
 * A module of one function.
 * @param {number[]} sections before its code
 * @param {number[]} code below 100 bytes
 */
function probe(sections, code) {
  const body = [0x00, ...code, END]; // no locals
  return new Uint8Array([...HEAD, ...sections, 0x0a, body.length + 2, 0x01, body.length, ...body]);
}

const SIMD = probe(GIVES_V128, SPLAT);
/* Three vectors and f32x4.relaxed_madd, by the opcode that was standardised. */
const RELAXED = probe(GIVES_V128, [...SPLAT, ...SPLAT, ...SPLAT, 0xfd, 0x85, 0x02]);
/* memory.atomic.notify, drop, memory.fill: atomics and bulk memory, which a threaded module has
 * both. */
const THREADS = probe(
  [...GIVES_NOTHING, ...SHARED_MEMORY],
  [...ZERO, ...ZERO, 0xfe, 0x00, 0x02, 0x00, 0x1a, ...ZERO, ...ZERO, ...ZERO, 0xfc, 0x0b, 0x00],
);

export const hasWebAssembly = () => typeof WebAssembly === 'object';

/** @returns {string | null} */
export const whyNoSimd = () => (WebAssembly.validate(SIMD) ? null : 'this engine has no SIMD');

/** @returns {string | null} */
export const whyNoRelaxed = () =>
  whyNoSimd() ?? (WebAssembly.validate(RELAXED) ? null : 'this engine has no relaxed SIMD');

/**
 * Of isolation the engine is believed, not its SharedArrayBuffer: WebKitGTK has isolated pages
 * without one.
 * @returns {string | null} why this thread cannot start threads that compute in the same memory
 */
export function whyNoThreads() {
  const { SharedArrayBuffer, crossOriginIsolated, Worker } = /** @type {any} */ (globalThis);
  if (!(crossOriginIsolated ?? typeof SharedArrayBuffer === 'function')) {
    return (
      'the page is not cross-origin isolated, which takes the headers ' +
      'Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp'
    );
  }
  if (!WebAssembly.validate(THREADS)) return 'this engine has no threads in WebAssembly';
  if (typeof Worker !== 'function' && !nodeBuiltin('node:worker_threads')) {
    return 'a worker starts no workers here';
  }
  const { port1 } = new MessageChannel();
  try {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    port1.postMessage(memory); // as to a helper: some engines share none
    return null;
  } catch (cause) {
    return `no memory can be shared here: ${reasonOf(cause)}`;
  } finally {
    port1.close();
  }
}

/** @returns {number} cores that this process may use, as far as the platform tells */
export const cores = () =>
  nodeBuiltin('node:os')?.availableParallelism() ??
  /** @type {any} */ (globalThis).navigator?.hardwareConcurrency ??
  1;
