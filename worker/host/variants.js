/* variants.js: names the wasm variants. What loads them is module.js; a page that only checks an
 * option needs no more than the names. */

/** @typedef {'base' | 'simd' | 'simd-mt' | 'relaxed' | 'relaxed-mt'} Variant */

/** @type {readonly Variant[]} */
export const VARIANTS = ['base', 'simd', 'simd-mt', 'relaxed', 'relaxed-mt'];
