/* variants.mjs: how the sources become wasm, every flag with its reason.
 *
 * The invariant: every variant but the relaxed ones computes the same bits. So no flag here may let
 * the compiler change a result (fast-math, contraction), and a variant differs from the next in its
 * instructions only. What the relaxed ones compute otherwise is written in the source as such
 * (ofs_madd4). Node's own modules only, and the pages of a shared memory, which memory.js owns. */

import { PAGE, SHARED_PAGES } from '../worker/host/memory.js';
import { readList } from './lists.mjs';

/** Flags of every variant's compiler. */
const COMPILE = [
  // What the core is written in; no GNU dialect, so that any C11 compiler reads the same language.
  '-std=c11',
  // No C library: nothing but what src/ defines may be called, nothing is assumed of main().
  '-ffreestanding',
  '-fno-builtin', // and a loop that looks like memset or strlen stays the loop that it is
  // a * b + c is rounded twice on every target, else bits differ between machines.
  '-ffp-contract=off',
  '-fno-math-errno', // sqrt is one instruction: there is no errno to set
  '-fvisibility=hidden', // the linker exports what exports.txt names, and drops the rest
  '-ffunction-sections', // function by function
  // Only what each engine with wasm has, and what a variant names; later Emscriptens switch more
  // on.
  '-mcpu=mvp',
  // Vectors are written where they pay: the compiler's own are more code (0.5 KB of 35 gzipped),
  // and no faster, for these loops are short or end in a sum whose order is fixed.
  '-fno-vectorize',
  '-fno-slp-vectorize',
  '-Wall',
  '-Wextra',
  '-Werror', // a warning in code that runs on a stranger's machine is a defect
];

/* What a source is tagged with in sources.txt chooses how it is compiled: what every step waits
 * for, what walks the numbers of a batch, and the rest, which is most of the code and runs once a
 * step or less. */
/** They unroll by hand where it pays; -O3 is no faster, and 0.5 KB more. */
const KERNEL = ['-O2', '-fno-unroll-loops'];
const WARM = ['-Os']; // -Oz costs dropout 5 % and a softmax loss 2 %, for 0.1 KB
const COLD = ['-Oz'];

const SIMD = [
  '-msimd128', // vector types become 128-bit instructions: the same operations, four at a time
  // What every engine with SIMD has had for longer (Chrome 75, Firefox 79, Safari 15), for shorter
  // code:
  '-mbulk-memory', // structs are copied by an instruction
  '-mnontrapping-fptoint', // a double becomes an integer without a test of its range before
];
const THREADS = [
  '-matomics', // compare-and-swap, wait and notify: what the pool is made of
  // with -mbulk-memory constants are written by the first instance alone, not by every thread's
  // over the others' data
  '-mmutable-globals', // __stack_pointer is exported, so that each thread gets a stack of its own
  '-DOFS_THREADS', // what the sources call the pool's presence
];
const RELAXED = [
  '-mrelaxed-simd', // fused multiply-add, where the source asks for it by name
  '-DOFS_RELAXED', // what the sources call its presence
];

/**
 * What a variant adds. Its name is a part of the file's: offstage.NAME.wasm,
 * offstage.SET.NAME.wasm.
 * @typedef {object} Variant
 * @property {string[]} flags   of the compiler
 * @property {boolean} [shared]   the memory is shared with other threads, and made by JavaScript
 * @property {boolean} [relaxed] needs the LLVM of findRelaxedLlvm(); bits may differ between
 *   machines
 */

/** @satisfies {Record<string, Variant>} */
const BUILT = {
  base: {
    flags: [
      // Four-lane vectors passed by value have no ABI without SIMD; all of them are inlined.
      '-Wno-psabi',
    ],
  },
  simd: { flags: SIMD },
  'simd-mt': { flags: [...SIMD, ...THREADS], shared: true },
  relaxed: { flags: [...SIMD, ...RELAXED], relaxed: true },
  'relaxed-mt': { flags: [...SIMD, ...RELAXED, ...THREADS], shared: true, relaxed: true },
};

/** @typedef {keyof typeof BUILT} VariantName */
/** @type {Record<VariantName, Variant>} */
export const VARIANTS = BUILT;
export const VARIANT_NAMES = /** @type {VariantName[]} */ (Object.keys(BUILT));

/**
 * Sets of layer types, each linked of the same objects but for its registry
 * (src/layers/registry*.c). worker/spec/sets.js chooses by the spec: a page loads what it needs.
 * Gzipped, of `simd`: full 67 KB, lean (pictures) 45, dense 34.
 * @typedef {'dense' | 'lean' | 'full'} SetName
 */
export const SET_NAMES = /** @type {const} */ (['full', 'lean', 'dense']);

/** The name of a wasm file. @param {VariantName} variant @param {SetName} [set] */
export const fileOf = (variant, set = 'full') =>
  `offstage.${set === 'full' ? '' : `${set}.`}${variant}.wasm`;

const LINK = [
  '--no-entry', // a library: no main
  '--gc-sections', // what no export reaches is not shipped
  '--strip-all', // no names or producers' notes
  '-O2', // the linker's own: tail-merged strings
  // An overflow of the stack runs off the bottom of memory and traps, instead of over data.
  '--stack-first',
  '-z',
  // Most is Winograd's: 133 KB of tiles and 42 KB of panels (clang -fstack-usage), below 2 KB of
  // callers.
  'stack-size=196608',
  // All that wasm32 can address: data sets and activations live in this memory.
  '--max-memory=4294967296',
  // no --allow-undefined: an import of any other kind is an error here, not in the page
];
/** @type {string[]} */
const OWN_MEMORY = [
  // no --initial-memory: as many pages as stack and constants need, JavaScript grows it
];
const SHARED_MEMORY = [
  // The same memory for each thread's instance; JavaScript chooses its maximum, not above ours.
  '--import-memory',
  '--shared-memory',
  `--initial-memory=${SHARED_PAGES * PAGE}`, // what JavaScript hands over to begin with
];

/**
 * The linker's flags, exports included.
 * @param {VariantName} variant
 */
export function linkFlagsFor(variant) {
  const { shared } = VARIANTS[variant];
  const names = readList('wasm-build/exports.txt').filter(
    ({ tags }) => shared || !tags.includes('mt'),
  );
  const memory = shared ? SHARED_MEMORY : OWN_MEMORY;
  return [...LINK, ...memory, ...names.map(({ name }) => `--export=${name}`)];
}

/**
 * wasm-opt's flags after the linker, where it is installed: 2.3 KB less of 35 gzipped at the same
 * speed; -O3 is 3 % slower in V8, which optimizes again. None for relaxed variants: Binaryen 108
 * (Debian 12) has relaxed SIMD under the opcodes of an old draft and refuses the final ones.
 * @param {VariantName} variant
 */
export function optimizeFlagsFor(variant) {
  const { shared, relaxed } = VARIANTS[variant];
  if (relaxed) return null;
  const simd =
    variant === 'base'
      ? []
      : ['--enable-simd', '--enable-bulk-memory', '--enable-nontrapping-float-to-int'];
  const threads = shared ? ['--enable-threads', '--enable-mutable-globals'] : [];
  // The lowest KB of memory is the far end of the stack, so that no address is below it: sums
  // become offsets.
  return ['-Oz', '--converge', '--low-memory-unused', ...simd, ...threads];
}

/**
 * The sources of a variant and set: `mt` of sources.txt is for variants with threads, the name of a
 * set for that set.
 * @param {VariantName} variant @param {SetName} [set]
 */
export function sourcesFor(variant, set = 'full') {
  return readList('wasm-build/sources.txt').filter(
    ({ tags }) =>
      (VARIANTS[variant].shared || !tags.includes('mt')) &&
      (tags.includes(set) || !SET_NAMES.some((name) => tags.includes(name))),
  );
}

/**
 * The compiler's flags for one source.
 * @param {{ tags: string[] }} source  an entry of sources.txt
 * @param {VariantName} variant
 */
export function flagsFor({ tags }, variant) {
  const speed = tags.includes('fast') ? KERNEL : tags.includes('warm') ? WARM : COLD;
  return [...COMPILE, ...speed, ...VARIANTS[variant].flags];
}
