/* variants.js: names the wasm variants. What loads them is module.js; a page that only checks an
 * option needs no more than the names. */

/** A set of layer types that a core is linked with. @typedef {'dense' | 'lean' | 'full'} SetName */
/** @typedef {'base' | 'simd' | 'simd-mt' | 'relaxed' | 'relaxed-mt'} Variant */

/** @type {readonly Variant[]} */
export const VARIANTS = ['base', 'simd', 'simd-mt', 'relaxed', 'relaxed-mt'];
