/* setting.js: what the browser tests share: Chromium, a server whose answers a test decides, pages,
 * and a tab that is really hidden. Nothing here waits for a time; a guard ends what hangs. */
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import sirv from 'sirv';
import { findChromium } from '../../wasm-build/toolchain.mjs';
import { ARGS, openPipe, openTab } from './pipe.js';

export { ignores } from '../engines/acts.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What hangs longer than this is broken; nothing is expected to be quicker than anything. */
export const GUARD = { timeout: 240_000 };

const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};
/** The policy that DESIGN.md promises to work under. */
export const STRICT = "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";

/**
 * An empty page; one that knows its path is a page like any other, as far as modules are concerned.
 */
const BLANK =
  '<!doctype html><html lang="en"><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,">';

export function chromiumPath() {
  const path = findChromium();
  if (!path)
    throw new Error(
      'there is no Chromium: `node wasm-build/setup.mjs test` installs it or says how',
    );
  return path;
}

export const openBrowser = () => chromium.launch({ executablePath: chromiumPath(), args: ARGS });

/**
 * The checkout as it is, and an empty page at /blank.
 * @typedef {{ status?: number, type?: string, body?: string }} Answer
 * @param {object} [options]
 * @param {boolean} [options.isolated]
 * @param {string} [options.policy]  Content-Security-Policy
 * @param {Record<string, string>} [options.extra]  more headers
 * @param {Record<string, Answer | (() => Answer | undefined)>} [options.answers] instead of files;
 *   undefined: the file
 */
export async function serve({ isolated = false, policy, extra = {}, answers = {} } = {}) {
  const headers = {
    ...(isolated && ISOLATION),
    ...(policy && { 'Content-Security-Policy': policy }),
    ...extra,
    'Cache-Control': 'no-store',
  };
  const all = { '/blank': { type: 'text/html', body: BLANK }, ...answers };
  const files = sirv(ROOT, {
    dev: true,
    setHeaders: (response) =>
      Object.entries(headers).forEach(([name, value]) => response.setHeader(name, value)),
  });
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const missing = { status: 404, body: 'not found' };
    const answer = ({ status = 200, type = 'text/plain', body = '' }) =>
      response.writeHead(status, { ...headers, 'Content-Type': type }).end(body);
    const given = Object.hasOwn(all, pathname) ? all[pathname] : undefined;
    const own = typeof given === 'function' ? given() : given;
    if (own) answer(own);
    else files(request, response, () => answer(missing));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * A page of a server made for it, with what it said. `body` gets { page, said, url }; `prepare`
 * runs in the page before anything else, `watch` gets it before it goes anywhere.
 * @param {import('playwright-core').Browser} browser
 * @param {Parameters<typeof serve>[0] & { path?: string, prepare?: () => void, watch?: (page:
 *   import('playwright-core').Page) => void, server?: Awaited<ReturnType<typeof serve>> }} options
 *   server: another one, which ends with the page
 * @param {(setting: { page: import('playwright-core').Page, said: { type: string, text: string }[],
 *   url: string }) => Promise<void>} body
 */
export async function withPage(
  browser,
  { path = '/blank', prepare, watch, server: given, ...options },
  body,
) {
  const server = given ?? (await serve(options));
  const context = await browser.newContext();
  try {
    if (prepare) await context.addInitScript(prepare);
    const page = await context.newPage();
    page.setDefaultTimeout(GUARD.timeout);
    const said = [];
    page.on('console', (message) => said.push({ type: message.type(), text: message.text() }));
    page.on('pageerror', (error) => said.push({ type: 'uncaught', text: String(error) }));
    watch?.(page);
    await page.goto(server.url + path);
    await body({ page, said, url: server.url });
  } finally {
    await context.close();
    await server.close();
  }
}

/**
 * What a page said that no page should: uncaught errors, console errors, broken policies, warnings.
 */
export const complaints = (said) =>
  said.filter(({ type }) => ['uncaught', 'error', 'warning'].includes(type));

/**
 * A browser of two tabs: `first` is at the address, another one is behind it until hide() puts it
 * in front.
 * @param {string} url  of the first tab
 */
export async function openTabs(url) {
  const pipe = await openPipe(chromiumPath());
  try {
    const first = await openTab(pipe, url);
    let other;
    return {
      ...first,
      async hide() {
        other ??= await openTab(pipe, 'about:blank');
        await other.show();
      },
      open: (address) => openTab(pipe, address),
      close: pipe.close,
    };
  } catch (error) {
    await pipe.close();
    throw error;
  }
}

/**
 * Calls a function of lives.js in a page.
 * @param {any} page
 * @param {string} call
 * @param {...any} args
 */
export const inPage = (page, call, ...args) =>
  page.evaluate(
    async ([name, given]) => (await import('/tests/browser/lives.js'))[name](...given),
    [call, args],
  );
