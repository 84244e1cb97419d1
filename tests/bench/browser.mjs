/* browser.mjs: Chromium, and a server of the checkout for it.
 *
 * Started by the first question that needs it, ended by run.mjs. The server sends files with the
 * headers of cross-origin isolation, because clocks are finer there (5 microseconds, else 100),
 * without them where an address ends in ?plain, and lets them be cached, as a web host does: a new
 * context has an empty cache, so what is cold and what is warm is the question's choice. */

import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findChromium } from '../../wasm-build/toolchain.mjs';
import { ARGS, openPipe, openTab } from '../browser/pipe.js';

const ROOT = new URL('../../', import.meta.url);
/** Folders that a page of a bench may ask for. */
const SERVED = ['/web/', '/worker/', '/wasm-build/dist/', '/tests/bench/'];
const TYPES = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.html': 'text/html; charset=utf-8',
  '.wasm': 'application/wasm',
};
const BLANK = '/tests/bench/pages/blank.html';
const ISOLATION = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

async function serve() {
  /** @type {Map<string, Promise<Buffer>>} */
  const files = new Map();
  const server = createServer(async (request, response) => {
    const { pathname, search } = new URL(request.url ?? '/', 'http://bench');
    const type = TYPES[/** @type {keyof typeof TYPES} */ (extname(pathname))];
    try {
      if (!type || !SERVED.some((folder) => pathname.startsWith(folder)))
        throw new Error('not served');
      const file = files.get(pathname) ?? readFile(new URL(`.${pathname}`, ROOT));
      files.set(pathname, file);
      const body = await file;
      response.writeHead(200, {
        'content-type': type,
        'content-length': body.length,
        'cache-control': 'max-age=3600',
        'cross-origin-resource-policy': 'same-origin',
        ...(search !== '?plain' && ISOLATION),
      });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return { server, origin: `http://127.0.0.1:${port}` };
}

/** What a question asks of the browser; nothing is started before it does. */
export function openBrowser() {
  /** @type {ReturnType<typeof start> | undefined} */
  let started;
  let version = '';
  /** @type {(() => Promise<void>)[]} */
  const closers = [];

  async function start() {
    const executablePath = findChromium();
    if (!executablePath)
      throw new Error(
        'there is no Chromium: `node wasm-build/setup.mjs test` installs it or says how',
      );
    const { chromium } = await import('playwright-core');
    const { server, origin } = await serve();
    closers.push(async () => void server.close());
    const launch = { executablePath, args: ARGS };
    const browser = await chromium.launch(launch);
    closers.push(() => browser.close());
    version = browser.version();
    return { chromium, origin, launch, browser };
  }
  const get = () => (started ??= start());

  /** @param {import('playwright-core').BrowserContext} context */
  async function blankPage(context) {
    const { origin } = await get();
    const page = await context.newPage();
    await page.goto(origin + BLANK);
    return page;
  }

  return {
    version: () => version,
    /**
     * A page in a context of its own: empty caches, a process of its own.
     * @template T
     * @param {(page: import('playwright-core').Page) => Promise<T>} use
     */
    async withPage(use) {
      const { browser } = await get();
      const context = await browser.newContext();
      try {
        return await use(await blankPage(context));
      } finally {
        await context.close();
      }
    },
    /**
     * Pages of one profile on disk, as a user has it: what one load caches the next one finds.
     * @template T
     * @param {(newPage: () => Promise<import('playwright-core').Page>) => Promise<T>} use
     */
    async withProfile(use) {
      const { chromium, launch } = await get();
      const folder = mkdtempSync(join(tmpdir(), 'offstage-bench-'));
      const context = await chromium.launchPersistentContext(folder, launch);
      try {
        return await use(() => blankPage(context));
      } finally {
        await context.close();
        rmSync(folder, { recursive: true, force: true });
      }
    },
    /**
     * Watches the workers that a page will make. read(): bytes of their heaps after a collection,
     * by how their scripts' addresses end.
     * @param {import('playwright-core').Page} page
     */
    async watchWorkerHeaps(page) {
      const session = await page.context().newCDPSession(page);
      /** @type {{ url: string, ask: (method: string) => Promise<any> }[]} */
      const workers = [];
      /** @type {Map<number, (result: any) => void>} */
      const waiting = new Map();
      let id = 0;
      session.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
        const ask = (/** @type {string} */ method) =>
          new Promise((resolve) => {
            waiting.set(++id, resolve);
            void session.send('Target.sendMessageToTarget', {
              sessionId,
              message: JSON.stringify({ id, method }),
            });
          });
        workers.push({ url: targetInfo.url, ask });
      });
      session.on('Target.receivedMessageFromTarget', ({ message }) => {
        const reply = JSON.parse(message);
        waiting.get(reply.id)?.(reply.result);
      });
      await session.send('Target.setAutoAttach', {
        autoAttach: true,
        waitForDebuggerOnStart: false,
        flatten: false,
      });
      return {
        /** @param {string[]} ends @returns {Promise<number[]>} */
        read: (ends) =>
          Promise.all(
            ends.map(async (end) => {
              const worker = workers.find(({ url }) => url.endsWith(end));
              if (!worker) throw new Error(`the page has no worker ${end}`);
              await worker.ask('HeapProfiler.collectGarbage');
              return (await worker.ask('Runtime.getHeapUsage')).usedSize;
            }),
          ),
      };
    },
    /**
     * A browser of its own whose first tab is the blank page, and another tab to put in front of
     * it.
     * @template T
     * @param {'' | '?plain'} search the page's: isolated or not
     * @param {(tabs: Tabs) => Promise<T>} use
     */
    async withTabs(search, use) {
      const { origin, launch } = await get();
      const pipe = await openPipe(launch.executablePath);
      try {
        return await use({
          tab: await openTab(pipe, origin + BLANK + search),
          other: await openTab(pipe, 'about:blank'),
        });
      } finally {
        await pipe.close();
      }
    },
    async close() {
      for (const close of closers.reverse()) await close();
    },
  };
}

/** @typedef {ReturnType<typeof openBrowser>} Browser */
/**
 * @typedef {{ tab: import('../browser/pipe.js').Tab, other: import('../browser/pipe.js').Tab }}
 *   Tabs
 */

/**
 * Calls a function of a probe in a page.
 * @param {import('playwright-core').Page} page
 * @param {string} probe file in probes/
 * @param {string} name what it exports
 * @param {any} [argument]
 * @returns {Promise<any>}
 */
export function callIn(page, probe, name, argument) {
  return page.evaluate(
    async ([file, exported, given]) => (await import(file))[exported](given),
    [`/tests/bench/probes/${probe}`, name, argument],
  );
}

/**
 * The same in a tab of withTabs().
 * @param {import('../browser/pipe.js').Tab} tab
 * @param {string} probe
 * @param {string} name
 * @param {any} [argument] of JSON
 * @returns {Promise<any>}
 */
export function callInTab(tab, probe, name, argument = null) {
  return tab.evaluate(
    `import('/tests/bench/probes/${probe}').then((probe) => probe.${name}(${JSON.stringify(argument)}))`,
  );
}

/**
 * Calls a function of a probe in Node, or in a page of its own.
 * @param {'Node' | 'Chromium'} place
 * @param {Browser} browser
 * @param {string} probe
 * @param {string} name
 * @param {any} [argument]
 * @returns {Promise<any>}
 */
export async function callAt(place, browser, probe, name, argument) {
  if (place === 'Node') return (await import(`./probes/${probe}`))[name](argument);
  return browser.withPage((page) => callIn(page, probe, name, argument));
}

/** @param {string} path @returns {string} of a file of the checkout */
export const fileOf = (path) => fileURLToPath(new URL(path, ROOT));
