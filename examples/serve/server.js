/* server.js: serves the checkout as it is, for the demo and for the browser tests.
 *
 * Only on this machine (127.0.0.1), nothing is cached and nothing is bundled. Cross-origin
 * isolation, which shared memory needs, is a matter of three headers; without them the page has to
 * work as well. */

import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import sirv from 'sirv';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const DEMO = '/examples/digits/';

const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/**
 * @param {object} [options]
 * @param {string} [options.root] the folder, by default the checkout
 * @param {boolean} [options.isolated] with the headers of cross-origin isolation
 * @param {Record<string, string>} [options.headers] more headers, such as a Content-Security-Policy
 * @param {number} [options.port] 0: any free one
 * @returns {Promise<{ url: string, close: () => Promise<void> }>} rejects where the port is taken
 */
export async function serve({ root = ROOT, isolated = true, headers = {}, port = 0 } = {}) {
  const all = Object.entries({
    ...(isolated ? ISOLATION : {}),
    ...headers,
    'Cache-Control': 'no-cache',
  });
  const files = sirv(root, {
    dev: true, // looks at the disk at each request, so that an edit needs no restart
    etag: true,
    extensions: ['html'], // a folder is its index.html
    setHeaders: (response) => all.forEach(([name, value]) => response.setHeader(name, value)),
  });
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    // Without its last slash a folder's relative links would lead elsewhere.
    if (path === '/' || `${path}/` === DEMO) {
      return response.writeHead(302, { Location: DEMO }).end();
    }
    const absent = () =>
      response.writeHead(404, { 'Content-Type': 'text/plain' }).end('not found\n');
    if (/\/\.|%2e/i.test(path))
      absent(); // .git and its like, which sirv shows in its dev mode
    else files(request, response, absent);
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', () => resolve(undefined));
  });
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  const close = () => {
    server.closeAllConnections();
    return new Promise((/** @type {(value: void) => void} */ resolve) =>
      server.close(() => resolve()),
    );
  };
  return { url: `http://127.0.0.1:${address.port}`, close };
}
