/* amounts.js: how much of the soak is done, and from which seed.
 *
 * `npm test` does the slice, `npm run soak` the whole (it sets OFFSTAGE_SOAK). Every draw comes
 * from one seed, which OFFSTAGE_SEED sets and each failure tells, so that what failed can be done
 * again. Time is never drawn from. */

export const WHOLE = process.env.OFFSTAGE_SOAK === '1';

/** @param {number} slice @param {number} whole */
export const amount = (slice, whole) => (WHOLE ? whole : slice);

let told = 0;
/** Tells how far the whole soak is, once a minute. @param {() => string} text */
export function progress(text) {
  if (!WHOLE || Date.now() - told < 60_000) return;
  told = Date.now();
  console.log(text());
}

/** The first of the seeds; OFFSTAGE_SEED=now draws another one each time. */
export const SEED =
  process.env.OFFSTAGE_SEED === 'now' ? Date.now() >>> 0 : Number(process.env.OFFSTAGE_SEED ?? 1);

/**
 * Numbers that are the same everywhere for one seed (splitmix of 32 bits).
 * @param {number} seed
 */
export function draws(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32;
  };
  return {
    /** An integer from 0 to below n. @param {number} n */
    below: (n) => Math.floor(next() * n),
    /** @template T @param {readonly T[]} choices @returns {T} */
    of: (choices) => choices[Math.floor(next() * choices.length)],
  };
}
