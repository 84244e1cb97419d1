/* numbers.js: numbers for tests' data, the same in Node and in a page. No imports: pages load it
 * too. */

/**
 * Numbers in [0, 1) from a seed: a linear congruence of 32 bits, whose upper bits are good enough
 * for data.
 * @param {number} seed
 * @returns {() => number}
 */
export function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
