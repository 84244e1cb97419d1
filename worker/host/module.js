/* module.js: which wasm runs, and how: the `runtime` that is asked for, and the compiled module,
 * once per URL.
 *
 * It chooses the variant, finds its file and compiles it. What is chosen otherwise than asked is
 * told in `reason`; what was forced and cannot be is refused. Which set of a variant is enough its
 * caller knows: where a smaller set's file cannot be loaded the full one is, which computes the
 * same. No instance is made here and nothing is evaluated from text, so a page with a strict policy
 * needs 'wasm-unsafe-eval' only. The URLs are literals: bundlers recognise only those. */

import { assetUrl, besideUrl, whyNotLoaded } from './asset.js';
import { BUILD, OTHER_VERSION } from './envelope.js';
import { cores, hasWebAssembly, whyNoRelaxed, whyNoSimd, whyNoThreads } from './engine.js';
import { OffstageError, checkFields, oneOf, show } from './errors.js';
import { nodeBuiltin } from './node.js';
import { isShare } from './shared-cores.js';
import { VARIANTS } from './variants.js';

/** @typedef {import('./variants.js').Variant} Variant */
/** @typedef {import('./variants.js').SetName} SetName */

/** Where the files are. @type {Record<SetName, Record<Variant, () => URL>>} */
export const BESIDE = {
  full: {
    base: () => new URL('../../wasm-build/dist/offstage.base.wasm', import.meta.url),
    simd: () => new URL('../../wasm-build/dist/offstage.simd.wasm', import.meta.url),
    'simd-mt': () => new URL('../../wasm-build/dist/offstage.simd-mt.wasm', import.meta.url),
    relaxed: () => new URL('../../wasm-build/dist/offstage.relaxed.wasm', import.meta.url),
    'relaxed-mt': () => new URL('../../wasm-build/dist/offstage.relaxed-mt.wasm', import.meta.url),
  },
  lean: {
    base: () => new URL('../../wasm-build/dist/offstage.lean.base.wasm', import.meta.url),
    simd: () => new URL('../../wasm-build/dist/offstage.lean.simd.wasm', import.meta.url),
    'simd-mt': () => new URL('../../wasm-build/dist/offstage.lean.simd-mt.wasm', import.meta.url),
    relaxed: () => new URL('../../wasm-build/dist/offstage.lean.relaxed.wasm', import.meta.url),
    'relaxed-mt': () =>
      new URL('../../wasm-build/dist/offstage.lean.relaxed-mt.wasm', import.meta.url),
  },
  dense: {
    base: () => new URL('../../wasm-build/dist/offstage.dense.base.wasm', import.meta.url),
    simd: () => new URL('../../wasm-build/dist/offstage.dense.simd.wasm', import.meta.url),
    'simd-mt': () => new URL('../../wasm-build/dist/offstage.dense.simd-mt.wasm', import.meta.url),
    relaxed: () => new URL('../../wasm-build/dist/offstage.dense.relaxed.wasm', import.meta.url),
    'relaxed-mt': () =>
      new URL('../../wasm-build/dist/offstage.dense.relaxed-mt.wasm', import.meta.url),
  },
};

const isRelaxed = (/** @type {Variant} */ variant) => variant.startsWith('relaxed');
/**
 * Whether a variant computes in a shared memory, which JavaScript makes.
 * @param {Variant} variant
 */
export const isShared = (variant) => variant.endsWith('-mt');

/** @type {Map<string, Promise<WebAssembly.Module>>} */
const compiled = new Map();

/**
 * @param {Variant} variant
 * @param {string} [assets]  base URL of wasm-build/dist/, where it is not beside this file
 * @param {SetName} [set]
 * @returns {Promise<WebAssembly.Module>}
 */
export function loadModule(variant, assets, set = 'full') {
  const name = set === 'full' ? variant : `${set}.${variant}`;
  const url =
    assets === undefined
      ? besideUrl(BESIDE[set][variant], 'the core')
      : assetUrl(`wasm-build/dist/offstage.${name}.wasm`, assets);
  let module = compiled.get(url.href);
  if (!module) {
    module = compile(url);
    compiled.set(url.href, module);
    module.catch(() => compiled.delete(url.href)); // a failed fetch may be tried again
  }
  return module;
}

/** @param {URL} url @returns {Promise<WebAssembly.Module>} */
async function compile(url) {
  try {
    const fs = url.protocol === 'file:' && nodeBuiltin('node:fs');
    if (fs) return await WebAssembly.compile(await fs.promises.readFile(url));
    const response = await fetch(url);
    if (!response.ok) {
      throw new Error(`the server answered ${response.status} ${response.statusText}`.trim());
    }
    // Servers that do not know the type of .wasm are common, and streaming insists on it.
    const streams = typeof WebAssembly.compileStreaming === 'function';
    if (streams && /^application\/wasm\b/i.test(response.headers.get('content-type') ?? '')) {
      return await WebAssembly.compileStreaming(response);
    }
    return await WebAssembly.compile(await response.arrayBuffer());
  } catch (cause) {
    throw new OffstageError(
      'UNSUPPORTED',
      `the core could not be loaded from ${url.href}: ${whyNotLoaded(cause)}`,
      { cause },
    );
  }
}

const FIELDS = [
  'variant',
  'threads',
  'deterministic',
  'assets',
  'place',
  'sliceWork',
  'duty',
  'notices',
  'debug',
  'build',
  'share',
];
const PLACES = ['worker', 'main'];
/** Threads of 'auto' at most: an operation is cut into about eight parts. */
const AUTO_THREADS = 8;
/** Threads at most: more than any operation has parts for. */
const MOST_THREADS = 64;

/**
 * How a session runs.
 * @typedef {object} Settled
 * @property {Variant} variant
 * @property {boolean} forced    the variant was: nothing else may take its place
 * @property {number} threads    that compute, the session's own included
 * @property {string | null} reason  why something is not as it was asked for
 * @property {'worker' | 'main'} place
 * @property {string} [assets]
 * @property {number} [sliceWork]
 * @property {number} duty       share of the time in which training computes
 * @property {WebAssembly.Memory} [share]  of shared-cores.js
 */

/**
 * @param {any} [given] a protocol Runtime
 * @returns {Settled}
 */
export function readRuntime(given = {}) {
  if (BUILD !== undefined && (given?.build ?? BUILD) !== BUILD) {
    unsupported(
      `what runs here is ${OTHER_VERSION}: its build is ${BUILD}, not ${show(given.build)}`,
    );
  }
  const {
    variant,
    threads = 'auto',
    deterministic = true,
    assets,
    place = 'worker',
    sliceWork,
    duty = 1,
    notices = false,
    debug = false,
    share,
  } = checkFields(given, FIELDS, 'runtime', 'INVALID_OPTION');
  if (variant !== undefined && !VARIANTS.includes(variant)) {
    refuse(`variant is ${show(variant)}, expected one of ${oneOf(VARIANTS)}`);
  }
  if (
    threads !== 'auto' &&
    !(Number.isSafeInteger(threads) && threads >= 0 && threads <= MOST_THREADS)
  ) {
    refuse(`threads is ${show(threads)}, expected 'auto' or an integer from 0 to ${MOST_THREADS}`);
  }
  for (const [name, flag] of Object.entries({ deterministic, notices, debug })) {
    if (typeof flag !== 'boolean') refuse(`${name} is ${show(flag)}, expected true or false`);
  }
  if (typeof duty !== 'number' || !(duty > 0 && duty <= 1)) {
    refuse(`duty is ${show(duty)}, expected a number above 0 and up to 1`);
  }
  if (assets !== undefined && typeof assets !== 'string') {
    refuse(`assets is ${show(assets)}, expected a URL`);
  }
  if (!PLACES.includes(place)) refuse(`place is ${show(place)}, expected one of ${oneOf(PLACES)}`);
  if (sliceWork !== undefined && !(Number.isFinite(sliceWork) && sliceWork >= 1)) {
    refuse(`sliceWork is ${show(sliceWork)}, expected a number from 1`);
  }
  if (!hasWebAssembly()) {
    unsupported('this engine has no WebAssembly, which Offstage computes with');
  }
  if (share !== undefined && !isShare(share)) {
    refuse(`share is ${show(share)}, expected a WebAssembly.Memory that is shared`);
  }
  const chosen = choose({ variant, threads, deterministic, place });
  return { ...chosen, assets, place, sliceWork, duty, share };
}

/**
 * @param {{ variant?: Variant, threads: number | 'auto', deterministic: boolean, place: string }}
 *   asked
 * @returns {Pick<Settled, 'variant' | 'forced' | 'threads' | 'reason'>}
 */
function choose({ variant: forced, threads: asked, deterministic, place }) {
  if (forced !== undefined) checkForced(forced, deterministic);
  const oneIsMeant = place === 'main' || (forced !== undefined && !isShared(forced));
  /* One is left for the page. */
  const automatic = oneIsMeant ? 1 : Math.min(AUTO_THREADS, cores() - 1);
  const wanted = Math.max(1, asked === 'auto' ? automatic : asked);
  const whyOne = wanted > 1 ? whyOneThread(place, forced) : null;
  const threads = whyOne === null ? wanted : 1;
  const whyExact = deterministic || forced !== undefined ? null : whyNoRelaxed();
  const reason = joined(whyOne && oneThread(wanted, whyOne), whyExact && exactBits(whyExact));
  if (forced !== undefined) return { variant: forced, forced: true, threads, reason };
  const fastest = deterministic || whyExact !== null ? 'simd' : 'relaxed';
  const variant =
    whyNoSimd() !== null ? 'base' : threads > 1 ? /** @type {const} */ (`${fastest}-mt`) : fastest;
  return { variant, forced: false, threads, reason };
}

/** @param {Variant} variant @param {boolean} deterministic */
function checkForced(variant, deterministic) {
  if (isRelaxed(variant) && deterministic) {
    refuse(
      `variant is '${variant}', whose bits differ between machines: ` +
        'expected deterministic: false with it',
    );
  }
  const why =
    (isRelaxed(variant) ? whyNoRelaxed() : variant === 'base' ? null : whyNoSimd()) ??
    (isShared(variant) ? whyNoThreads() : null);
  if (why !== null) unsupported(`variant '${variant}' cannot run: ${why}`);
}

/** @param {string} place @param {Variant} [forced] */
function whyOneThread(place, forced) {
  if (place === 'main') return 'the session runs on the main thread, which may not wait for others';
  if (forced !== undefined && !isShared(forced)) return `variant '${forced}' has no threads`;
  return whyNoSimd() ?? whyNoThreads();
}

const oneThread = (/** @type {number} */ wanted, /** @type {string} */ why) =>
  `one thread computes, not ${wanted}: ${why}`;
const exactBits = (/** @type {string} */ why) =>
  `bits are the same everywhere, relaxed SIMD is not used: ${why}`;
/** @param {...(string | null)} reasons */
const joined = (...reasons) => reasons.filter((reason) => reason !== null).join('; ') || null;

/**
 * Loads the runtime's module and makes something of it. Where a set's file does not load the full
 * one is taken; where a variant that was not forced does not load, or its shared memory cannot be
 * had, the next simpler one is, and the runtime that comes back says so.
 * @template T
 * @param {Settled} runtime
 * @param {SetName} set  that is enough
 * @param {(module: WebAssembly.Module, runtime: Settled) => Promise<T>} make
 * @returns {Promise<{ made: T, runtime: Settled }>}
 */
export async function openModule(runtime, set, make) {
  for (let now = runtime, from = set; ;) {
    let loaded = false;
    try {
      const module = await loadModule(now.variant, now.assets, from);
      loaded = true;
      return { made: await make(module, now), runtime: now };
    } catch (error) {
      if (loaded || from === 'full') now = simpler(now, loaded, /** @type {Error} */ (error));
      else from = 'full';
    }
  }
}

/** @param {Settled} runtime @param {boolean} loaded @param {Error} error @returns {Settled} */
function simpler(runtime, loaded, error) {
  const { variant, forced, threads, reason } = runtime;
  if (!forced && !loaded && isRelaxed(variant)) {
    const exact = isShared(variant) ? 'simd-mt' : 'simd';
    return { ...runtime, variant: exact, reason: joined(reason, exactBits(error.message)) };
  }
  if (forced || !isShared(variant)) throw error;
  const single = isRelaxed(variant) ? 'relaxed' : 'simd';
  return {
    ...runtime,
    variant: single,
    threads: 1,
    reason: joined(reason, oneThread(threads, error.message)),
  };
}

/** @param {string} message @returns {never} */
function refuse(message) {
  throw new OffstageError('INVALID_OPTION', message);
}

/** @param {string} message @returns {never} */
function unsupported(message) {
  throw new OffstageError('UNSUPPORTED', message);
}
