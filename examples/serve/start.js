/* start.js: `npm start`: everything from a bare machine to the demo in a browser.
 *
 * Installs what is missing, builds what has changed, makes the digits file, then serves. `--
 * --plain` leaves the headers of cross-origin isolation out. Up to the server, Node's own modules
 * only. */

import { build } from '../../wasm-build/build.mjs';
import { SetupError, asCommand, ensurePackages, ensureTools } from '../../wasm-build/setup.mjs';
import { buildDigits } from '../digits-data/build.js';

const FIRST_PORT = 8080;
const PORTS = 100;

/** @param {boolean} isolated */
async function serveAtFreePort(isolated) {
  const { DEMO, serve } = await import('./server.js');
  for (let port = FIRST_PORT; port < FIRST_PORT + PORTS; port++) {
    try {
      const { url } = await serve({ isolated, port });
      return url + DEMO;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EADDRINUSE') throw error;
    }
  }
  throw new SetupError(`every port from ${FIRST_PORT} to ${FIRST_PORT + PORTS - 1} is taken`);
}

await asCommand(async () => {
  const args = process.argv.slice(2);
  const unknown = args.filter((arg) => arg !== '--plain');
  if (unknown.length) {
    throw new SetupError(`unknown: ${unknown.join(' ')}; expected nothing or --plain`);
  }
  ensureTools(['build']);
  ensurePackages();
  await build();
  buildDigits();
  const isolated = !args.includes('--plain');
  const url = await serveAtFreePort(isolated);
  const how = isolated ? 'cross-origin isolated' : 'not cross-origin isolated';
  console.log(`\n  Offstage trains at ${url}\n  ${how}; Ctrl-C ends it\n`);
});
