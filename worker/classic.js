/* classic.js: the entry of worker.classic.js: one classic script for engines that have no module
 * workers. It has everything in it: the session, its parts and the computing thread, which a
 * worker of that name is.
 * Invariant: the addresses of files are those that the page tells, before anything else, for a
 * classic script does not know what a bundler has named them; where it tells none they are beside
 * the script. */

const scope = /** @type {any} */ (globalThis);
scope.OFFSTAGE_FILES = {};
scope.addEventListener(
  'message',
  (/** @type {MessageEvent} */ event) => {
    if (!event.data?.OFFSTAGE_FILES) return;
    event.stopImmediatePropagation(); // it is no message of the session's
    scope.OFFSTAGE_FILES = event.data.OFFSTAGE_FILES;
  },
  { once: true },
);

/* Both are in this file: they begin before any message is heard. */
(scope.name === 'offstage helper' ? import('./helper.js') : import('./worker.js')).catch((error) =>
  setTimeout(() => {
    throw error; // a page hears of errors, and of no rejection
  }, 0),
);
