/* webkit.js: WebKitGTK's MiniBrowser by WebKitWebDriver, over HTTP, on a screen of memory (Xvfb).
 * Invariant: after close() nothing of them is left. */
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { openPage, within } from './webdriver.js';

/** The commands, below a session's address. */
const PATHS = {
  SetTimeouts: 'timeouts',
  Navigate: 'url',
  Refresh: 'refresh',
  ExecuteScript: 'execute/sync',
  ExecuteAsyncScript: 'execute/async',
  PerformActions: 'actions',
};
const START_LIMIT = 60_000;

/**
 * @param {{ driver: string, browser: string, screen: string }} paths
 * @param {Record<string, string>} [environment]
 * @returns {Promise<import('./webdriver.js').Browser>}
 */
export async function openWebKit({ driver, browser, screen }, environment = {}) {
  const home = mkdtempSync(`${tmpdir()}/offstage-webkit-`);
  const display = await openScreen(screen);
  const port = await freePort();
  const child = spawn(driver, [`--port=${port}`], {
    stdio: 'ignore',
    detached: true, // so that its browser can be ended with it
    env: {
      ...process.env,
      DISPLAY: display.name,
      GDK_BACKEND: 'x11',
      WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1', // containers have no user namespaces
      LIBGL_ALWAYS_SOFTWARE: '1',
      NO_AT_BRIDGE: '1', // no desktop, so no bus for what assists
      LC_ALL: 'C', // navigator.language is 'C', which is none: pages have to bear it
      ...environment,
      HOME: home,
      XDG_DATA_HOME: `${home}/data`,
      XDG_CACHE_HOME: `${home}/cache`,
      XDG_CONFIG_HOME: `${home}/config`,
    },
  });
  const ended = new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(`WebKitWebDriver ended with ${code ?? signal}`));
    child.once('error', ({ message }) => resolve(`WebKitWebDriver did not start: ${message}`));
  });
  const base = `http://127.0.0.1:${port}`;
  let session = '';
  const close = async () => {
    if (session) await fetch(session, { method: 'DELETE' }).catch(() => {});
    try {
      process.kill(-Number(child.pid), 'SIGKILL');
    } catch {} // it has ended by itself
    await ended;
    await display.close();
    rmSync(home, { recursive: true, force: true, maxRetries: 20 });
  };
  try {
    await listening(base, ended);
    const alwaysMatch = { 'webkitgtk:browserOptions': { binary: browser, args: ['--automation'] } };
    const { sessionId, capabilities } = await post(`${base}/session`, {
      capabilities: { alwaysMatch },
    });
    session = `${base}/session/${sessionId}`;
    const page = await openPage((command, parameters = {}) =>
      post(`${session}/${PATHS[/** @type {keyof typeof PATHS} */ (command)]}`, parameters),
    );
    return { version: `WebKitGTK ${capabilities.browserVersion}`, page, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** @param {string} url @param {object} body @returns {Promise<any>} */
async function post(url, body) {
  const asked = fetch(url, { method: 'POST', body: JSON.stringify(body) });
  const { value } = await (await within(asked, `WebKit, ${url}`)).json();
  if (value?.error) throw new Error(`${value.error}: ${value.message}`);
  return value;
}

/** @param {string} base @param {Promise<any>} ended */
async function listening(base, ended) {
  let over;
  ended.then((why) => (over = why));
  for (const until = performance.now() + START_LIMIT; performance.now() < until;) {
    if (over) throw new Error(over);
    const answers = await fetch(`${base}/status`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (answers) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`WebKitWebDriver did not answer within ${START_LIMIT} ms`);
}

/** A screen that it numbers itself. @param {string} path of Xvfb */
async function openScreen(path) {
  const child = spawn(
    path,
    ['-displayfd', '3', '-screen', '0', '1280x1024x24', '-nolisten', 'tcp'],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] },
  );
  const ended = new Promise((resolve) => {
    child.once('exit', resolve);
    child.once('error', resolve);
  });
  const told = /** @type {import('node:stream').Readable} */ (child.stdio[3]);
  const number = new Promise((resolve, reject) => {
    told.setEncoding('utf8').once('data', (/** @type {string} */ text) => resolve(text.trim()));
    ended.then(() => reject(new Error('Xvfb ended before it had a screen')));
  });
  const close = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  try {
    return { name: `:${await within(number, 'Xvfb', START_LIMIT)}`, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** @returns {Promise<number>} */
function freePort() {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}
