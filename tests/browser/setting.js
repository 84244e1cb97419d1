/* setting.js: what the browser tests share: Chromium, a server whose answers a test decides, pages, and a tab that
 * is really hidden. Nothing here waits for a time; a guard ends what hangs. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import sirv from 'sirv';
import { findChromium } from '../../wasm-build/toolchain.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What hangs longer than this is broken; nothing is expected to be quicker than anything. */
export const GUARD = { timeout: 240_000 };

const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const ISOLATION = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
/** The policy that DESIGN.md promises to work under. */
export const STRICT = "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";

/** An empty page; one that knows its path is a page like any other, as far as modules are concerned. */
const BLANK = '<!doctype html><html lang="en"><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,">';

function chromiumPath() {
  const path = findChromium();
  if (!path) throw new Error('there is no Chromium: `node wasm-build/setup.mjs test` installs it or says how');
  return path;
}

export const openBrowser = () => chromium.launch({ executablePath: chromiumPath(), args: ARGS });

/**
 * The checkout as it is, and an empty page at /blank.
 * @param {object} [options]
 * @param {boolean} [options.isolated]
 * @param {string} [options.policy]  Content-Security-Policy
 * @param {Record<string, { status?: number, type?: string, body?: string }>} [options.answers]  instead of files
 */
export async function serve({ isolated = false, policy, answers = {} } = {}) {
  const headers = {
    ...(isolated && ISOLATION),
    ...(policy && { 'Content-Security-Policy': policy }),
    'Cache-Control': 'no-store',
  };
  const all = { '/blank': { type: 'text/html', body: BLANK }, ...answers };
  const files = sirv(ROOT, {
    dev: true,
    setHeaders: (response) => Object.entries(headers).forEach(([name, value]) => response.setHeader(name, value)),
  });
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const missing = { status: 404, body: 'not found' };
    const answer = ({ status = 200, type = 'text/plain', body = '' }) =>
      response.writeHead(status, { ...headers, 'Content-Type': type }).end(body);
    if (Object.hasOwn(all, pathname)) answer(all[pathname]);
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
 * A page of a server made for it, with what it said. `body` gets { page, said, url }; `prepare` runs in the page
 * before anything else, `watch` gets it before it goes anywhere.
 * @param {import('playwright-core').Browser} browser
 * @param {Parameters<typeof serve>[0] & { path?: string, prepare?: () => void,
 *   watch?: (page: import('playwright-core').Page) => void, server?: Awaited<ReturnType<typeof serve>> }} options
 *   server: another one, which ends with the page
 * @param {(setting: { page: import('playwright-core').Page, said: { type: string, text: string }[], url: string }) => Promise<void>} body
 */
export async function withPage(browser, { path = '/blank', prepare, watch, server: given, ...options }, body) {
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

/** What a page said that no page should: uncaught errors, console errors, broken policies, warnings. */
export const complaints = (said) => said.filter(({ type }) => ['uncaught', 'error', 'warning'].includes(type));

/**
 * Chromium spoken to directly, over a pipe, because Playwright keeps every page visible.
 * @returns {Promise<{ send: (method: string, params?: object, sessionId?: string) => Promise<any>, close: () => Promise<void> }>}
 */
async function openPipe() {
  const profile = mkdtempSync(`${tmpdir()}/offstage-`);
  const args = [...ARGS, '--headless=new', '--remote-debugging-pipe', `--user-data-dir=${profile}`, 'about:blank'];
  const child = spawn(chromiumPath(), args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
  const waiting = new Map();
  const fail = (why) => {
    for (const { reject } of waiting.values()) reject(new Error(why));
    waiting.clear();
  };
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.once('error', (error) => fail(`Chromium could not be started: ${error.message}`));
  ended.then((code) => fail(`Chromium ended with ${code}`));
  child.stdio[3].on('error', () => {}); // of a browser that is gone; `ended` says so
  let rest = '';
  child.stdio[4].setEncoding('utf8').on('data', (chunk) => {
    const messages = (rest + chunk).split('\0');
    rest = messages.pop();
    for (const { id, result, error } of messages.map((text) => JSON.parse(text))) {
      const request = waiting.get(id);
      waiting.delete(id);
      if (error) request?.reject(new Error(error.message));
      else request?.resolve(result);
    }
  });
  let lastId = 0;
  return {
    send: (method, params = {}, sessionId) => new Promise((resolve, reject) => {
      waiting.set(++lastId, { resolve, reject });
      child.stdio[3].write(`${JSON.stringify({ id: lastId, method, params, sessionId })}\0`);
    }),
    async close() {
      child.stdio[3].write(`${JSON.stringify({ id: ++lastId, method: 'Browser.close' })}\0`);
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 20 }); // its children may still be writing
    },
  };
}

/**
 * A browser of two tabs. `evaluate` runs an expression in the first one, awaiting what it gives.
 * @param {string} url  of the first tab
 */
export async function openTabs(url) {
  const pipe = await openPipe();
  try {
    const open = async (address) => (await pipe.send('Target.createTarget', { url: address })).targetId;
    const first = await open(url);
    const { sessionId } = await pipe.send('Target.attachToTarget', { targetId: first, flatten: true });
    const evaluate = async (expression) => {
      const { result, exceptionDetails } = await pipe.send('Runtime.evaluate',
        { expression, awaitPromise: true, returnByValue: true }, sessionId);
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    };
    // The tab begins as an empty page, whose world ends when the address is there.
    const loaded = () => evaluate(`location.href === ${JSON.stringify(url)} && document.readyState === 'complete'`);
    while (!(await loaded().catch(() => false))) await new Promise(setImmediate);
    return {
      evaluate,
      /** Puts another tab in front of the first. */
      async hide() {
        await pipe.send('Target.activateTarget', { targetId: await open('about:blank') });
      },
      close: pipe.close,
    };
  } catch (error) {
    await pipe.close();
    throw error;
  }
}
