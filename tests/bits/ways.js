/* ways.js: the ways in which a problem is trained for its bits: place, variant and threads, sliced
 * or not, disturbed or not.
 *
 * The whole product is large and its cases are much alike, so `npm test` takes a selection that
 * holds every pair of values, and `npm run soak` takes all. Each problem's selection begins
 * elsewhere in the product, so that together they hold most triples too. `missingPairs` is the
 * proof that a selection is enough. */
import { PROBLEMS, enginesOf } from './problems.js';

/**
 * @typedef {{ place: 'main' | 'worker', variant: string, threads: number, sliced: boolean,
 *   disturbed: boolean }} Way
 */

/** @param {string} problem @returns {Way[]} the whole product */
export const allWays = (problem) =>
  /** @type {const} */ (['main', 'worker']).flatMap((place) =>
    enginesOf(problem, place === 'main').flatMap((engine) =>
      [false, true].flatMap((sliced) =>
        [false, true].map((disturbed) => ({ place, ...engine, sliced, disturbed })),
      ),
    ),
  );

/** @param {Way} way */
export const nameOf = ({ place, variant, threads, sliced, disturbed }) =>
  [
    place,
    variant,
    `${threads} threads`,
    ...(sliced ? ['sliced'] : []),
    ...(disturbed ? ['disturbed'] : []),
  ].join(', ');

/** The pairs of values that a way holds; variant and threads are one value. @param {Way} way */
function pairsOf({ place, variant, threads, sliced, disturbed }) {
  const values = [place, `${variant} ${threads}`, `sliced ${sliced}`, `disturbed ${disturbed}`];
  return values.flatMap((one, i) => values.slice(i + 1).map((other) => `${one}, ${other}`));
}

/**
 * @param {Way[]} all
 * @param {Way[]} chosen
 * @returns {string[]} pairs of the product that are not in the selection
 */
export function missingPairs(all, chosen) {
  const held = new Set(chosen.flatMap(pairsOf));
  return [...new Set(all.flatMap(pairsOf))].filter((pair) => !held.has(pair));
}

/**
 * A selection that holds every pair, and no way without which it would: the way that brings most
 * new pairs is taken, until none is missing.
 * @param {Way[]} all
 * @param {number} begin  where the search begins, and so which of equal ways is taken
 * @returns {Way[]}
 */
export function pairwise(all, begin) {
  const order = all.map((_, i) => all[(begin + i) % all.length]);
  const missing = new Set(all.flatMap(pairsOf));
  const chosen = [];
  while (missing.size > 0) {
    const gain = (/** @type {Way} */ way) =>
      pairsOf(way).filter((pair) => missing.has(pair)).length;
    const best = order.reduce((a, b) => (gain(b) > gain(a) ? b : a));
    for (const pair of pairsOf(best)) missing.delete(pair);
    chosen.push(best);
  }
  return chosen.reduce((kept, way) => {
    const others = kept.filter((other) => other !== way);
    // Later ones may have brought all that it has
    return missingPairs(all, others).length > 0 ? kept : others;
  }, chosen);
}

/**
 * @param {string} problem @param {boolean} whole
 * @param {number} [turn]  selections of different turns differ
 * @returns {Way[]}
 */
export function waysOf(problem, whole, turn = 0) {
  const all = allWays(problem);
  return whole ? all : pairwise(all, 5 * (Object.keys(PROBLEMS).indexOf(problem) + turn));
}
