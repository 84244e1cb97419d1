/* module.js: which wasm runs, and how: the `runtime` that is asked for, and the compiled module, once per URL.
 *
 * It finds the file, compiles it and tells which variant an engine can run. No instance is made here and
 * nothing is evaluated from text, so a page with a strict policy needs 'wasm-unsafe-eval' only. The URLs are
 * literals because bundlers recognise only those. */

import { OffstageError, checkFields, oneOf, show } from './errors.js';

/** @typedef {'base' | 'simd'} Variant */

/** @type {readonly Variant[]} */
export const VARIANTS = ['base', 'simd'];

/** @type {Record<Variant, () => URL>} */
const BESIDE = {
  base: () => new URL('../wasm-build/dist/offstage.base.wasm', import.meta.url),
  simd: () => new URL('../wasm-build/dist/offstage.simd.wasm', import.meta.url),
};

/* A module with one function () -> v128 that is `i32.const 0, i8x16.splat`: valid where SIMD is. */
const SIMD_PROBE = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // "\0asm", version 1
  0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, // types: () -> v128
  0x03, 0x02, 0x01, 0x00, // functions: one of type 0
  0x0a, 0x08, 0x01, 0x06, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x0b, // code
]);

/**
 * The fastest variant that this engine can run.
 * @returns {Variant}
 */
export function bestVariant() {
  if (typeof WebAssembly !== 'object') {
    throw new OffstageError('UNSUPPORTED', 'this engine has no WebAssembly, which Offstage computes with');
  }
  return WebAssembly.validate(SIMD_PROBE) ? 'simd' : 'base';
}

/** @type {Map<string, Promise<WebAssembly.Module>>} */
const compiled = new Map();

/**
 * @param {Variant} variant
 * @param {string} [assets]  base URL of worker/ and wasm-build/, where they are not beside this file
 * @returns {Promise<WebAssembly.Module>}
 */
export function loadModule(variant, assets) {
  const url = assets === undefined ? BESIDE[variant]() : assetUrl(variant, assets);
  let module = compiled.get(url.href);
  if (!module) {
    module = compile(url);
    compiled.set(url.href, module);
    module.catch(() => compiled.delete(url.href)); // a failed fetch may be tried again
  }
  return module;
}

/** @param {Variant} variant @param {string} assets */
function assetUrl(variant, assets) {
  const folder = assets.endsWith('/') ? assets : `${assets}/`;
  try {
    const base = new URL(folder, globalThis.location?.href ?? import.meta.url);
    return new URL(`wasm-build/dist/offstage.${variant}.wasm`, base);
  } catch (cause) {
    throw new OffstageError('INVALID_OPTION', `assets is ${show(assets)}, expected a URL`, { cause });
  }
}

/** @param {URL} url @returns {Promise<WebAssembly.Module>} */
async function compile(url) {
  try {
    const fs = url.protocol === 'file:' && nodeBuiltin('node:fs');
    if (fs) return await WebAssembly.compile(await fs.promises.readFile(url));
    const response = await fetch(url);
    if (!response.ok) throw new Error(`the server answered ${response.status} ${response.statusText}`.trim());
    // Servers that do not know the type of .wasm are common, and streaming insists on it.
    const streams = typeof WebAssembly.compileStreaming === 'function';
    if (streams && /^application\/wasm\b/i.test(response.headers.get('content-type') ?? '')) {
      return await WebAssembly.compileStreaming(response);
    }
    return await WebAssembly.compile(await response.arrayBuffer());
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new OffstageError('UNSUPPORTED', `the core could not be loaded from ${url.href}: ${why}`, { cause });
  }
}

/**
 * A part of Node, by a call that bundlers do not follow; undefined in browsers.
 * @param {string} name
 * @returns {any}
 */
export function nodeBuiltin(name) {
  return /** @type {any} */ (globalThis).process?.getBuiltinModule?.(name);
}

const FIELDS = ['variant', 'threads', 'deterministic', 'assets', 'place', 'sliceWork'];
const PLACES = ['worker', 'main'];

/**
 * @param {any} [given]
 * @returns {{ variant: Variant, assets?: string, place: 'worker' | 'main', sliceWork?: number,
 *   threads: number, reason: string | null }}
 */
export function readRuntime(given = {}) {
  const { variant = bestVariant(), threads = 'auto', deterministic = true, assets, place = 'worker', sliceWork } =
    checkFields(given, FIELDS, 'runtime', 'INVALID_OPTION');
  if (!VARIANTS.includes(variant)) refuse(`variant is ${show(variant)}, expected one of ${oneOf(VARIANTS)}`);
  if (threads !== 'auto' && !(Number.isSafeInteger(threads) && threads >= 0)) {
    refuse(`threads is ${show(threads)}, expected 'auto' or a number from 0`);
  }
  if (typeof deterministic !== 'boolean') refuse(`deterministic is ${show(deterministic)}, expected true or false`);
  if (assets !== undefined && typeof assets !== 'string') refuse(`assets is ${show(assets)}, expected a URL`);
  if (!PLACES.includes(place)) refuse(`place is ${show(place)}, expected one of ${oneOf(PLACES)}`);
  if (sliceWork !== undefined && !(Number.isFinite(sliceWork) && sliceWork >= 1)) {
    refuse(`sliceWork is ${show(sliceWork)}, expected a number from 1`);
  }
  const many = threads !== 'auto' && threads > 1;
  const reason = many ? `one thread computes, not ${threads}: this version has no threaded variant` : null;
  return { variant, assets, place, sliceWork, threads: 1, reason };
}

/** @param {string} message @returns {never} */
function refuse(message) {
  throw new OffstageError('INVALID_OPTION', message);
}
