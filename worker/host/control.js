/* control.js: the words of the memory that a thread shares with its helpers (helpers.js): a number
 * that changes with each of the others, the core that has the helpers (0: none), how many messages
 * each helper was sent, and the core for which each helper computes or waits (0: none). */

/** Helpers at most, each of which has a word of its own in the last two. */
export const MOST_HELPERS = 64;
export const CONTROL = Object.freeze({ ROUND: 0, CORE: 1, MAIL: 2, WITHIN: 2 + MOST_HELPERS });
