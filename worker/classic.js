/* classic.js: the entry of worker.classic.js: one classic script for engines that have no module
 * workers. It has everything in it: the session, its parts and the computing thread, which a
 * worker of that name is.
 * Invariant: the addresses of files are those that the page tells, in the script's own address
 * or, where a blob: imports it, before: a classic script does not know what a bundler has named
 * them. */

const scope = /** @type {any} */ (globalThis);
scope.OFFSTAGE_FILES ??= JSON.parse(decodeURIComponent(scope.location.hash.slice(1)));

/* Both are in this file: they begin before any message is heard. */
(scope.name === 'offstage helper' ? import('./helper.js') : import('./worker.js')).catch((error) =>
  setTimeout(() => {
    throw error; // a page hears of errors, and of no rejection
  }, 0),
);
