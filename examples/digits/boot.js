/* boot.js: loads the page's modules, and says so in words where one of them cannot be loaded.
 * Imports nothing itself, so that it runs whatever is missing. */

import('./main.js').catch((error) => {
  /** @param {string} id @param {string} text */
  const say = (id, text) => document.getElementById(id)?.replaceChildren(text);
  console.error(error);
  say(
    'alert-text',
    `The page could not start: ${error.message}. ` +
      'Are all its files served? npm start builds and serves them.',
  );
  say('state', 'Not started');
  document.getElementById('alert')?.removeAttribute('hidden');
});
