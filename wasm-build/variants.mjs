/* variants.mjs: how the sources become wasm, every flag with its reason.
 *
 * The invariant: each variant computes the same bits. So no flag here may let the compiler change a result
 * (fast-math, contraction, relaxed SIMD), and a variant differs from the next in its instructions only. */

/** Flags of every variant's compiler. */
const COMPILE = [
  '-std=c11', // what the core is written in; no GNU dialect, so that any C11 compiler reads the same language
  '-ffreestanding', // no C library: nothing but what src/ defines may be called, nothing is assumed of main()
  '-fno-builtin', // and a loop that looks like memset or strlen stays the loop that it is
  '-ffp-contract=off', // a * b + c is rounded twice on every target, else bits differ between machines
  '-fno-math-errno', // sqrt is one instruction: there is no errno to set
  '-fvisibility=hidden', // the linker exports what exports.txt names, and drops the rest
  '-ffunction-sections', // function by function
  '-mcpu=mvp', // only what each engine with wasm has; later Emscriptens switch more on by themselves
  '-Wall',
  '-Wextra',
  '-Werror', // a warning in code that runs on a stranger's machine is a defect
];

/* The kernels take nearly all of the time, the rest is nearly all of the code. */
const KERNEL = ['-O3', '-fno-unroll-loops']; // they unroll by hand where it pays; doing it again only adds bytes
const OTHER = ['-Os'];

/** What a variant adds. The name is the file's: offstage.NAME.wasm. */
export const VARIANTS = {
  base: [
    '-Wno-psabi', // four-lane vectors passed by value have no ABI without SIMD; all of them are inlined
  ],
  simd: [
    '-msimd128', // vector types become 128-bit instructions: the same operations, four at a time
  ],
};

export const LINK = [
  '--no-entry', // a library: no main
  '--gc-sections', // what no export reaches is not shipped
  '--strip-all', // no names or producers' notes
  '-O2', // the linker's own: tail-merged strings
  '--stack-first', // an overflow of the stack runs off the bottom of memory and traps, instead of over data
  '-z',
  'stack-size=131072', // a product packs up to 44 KB of panels on it, nothing else is large
  '--max-memory=4294967296', // all that wasm32 can address: data sets and activations live in this memory
  // no --initial-memory: as many pages as stack and constants need, JavaScript grows it
  // no --allow-undefined: an import of any kind is an error here, not in the page
];

/* wasm-opt after the linker, where it is installed: 1 KB less of 26 gzipped at the same speed; -O3 is 3 % slower
 * in V8, which optimizes again. */
export const OPTIMIZE = ['-O2'];

/**
 * The compiler's flags for one source.
 * @param {{ tags: string[] }} source  an entry of sources.txt
 * @param {keyof typeof VARIANTS} variant
 */
export function flagsFor({ tags }, variant) {
  return [...COMPILE, ...(tags.includes('fast') ? KERNEL : OTHER), ...VARIANTS[variant]];
}
