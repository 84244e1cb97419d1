/* pipe.js: Chromium spoken to directly (Chrome DevTools Protocol over a pipe), for what Playwright
 * keeps away: it holds every page visible. A tab here can be put behind another, frozen, crashed,
 * and asked for its workers. Invariant: every promise settles, also where the browser ends; after
 * close() nothing of it is left, nor its profile. Tests and the bench use it: nothing here knows
 * what is trained, and nothing waits for a time. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';

/** Headless Chromium as tests and bench start it, whoever speaks to it. */
export const ARGS = [
  '--no-sandbox', // containers have no user namespaces
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * @typedef {object} Pipe
 * @property {(method: string, params?: object, sessionId?: string) => Promise<any>} send
 * @property {(listener: (event: { method: string, params: any, sessionId?: string }) => void) => ()
 *   => void} listen gives what ends it
 * @property {() => Promise<void>} close
 */

/**
 * @param {string} path of Chromium
 * @param {string[]} [more] arguments
 * @returns {Promise<Pipe>}
 */
export async function openPipe(path, more = []) {
  const profile = mkdtempSync(`${tmpdir()}/offstage-`);
  const args = [
    ...ARGS,
    '--headless=new',
    '--remote-debugging-pipe',
    `--user-data-dir=${profile}`,
    ...more,
    'about:blank',
  ];
  const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
  const [, , , input, output] =
    /** @type {[any, any, any, import('node:stream').Writable, import('node:stream').Readable]} */ (
      /** @type {any} */ (child.stdio)
    );
  /** @type {Map<number, { resolve: (result: any) => void, reject: (error: Error) => void }>} */
  const waiting = new Map();
  const listeners = new Set();
  let over = '';
  const fail = (/** @type {string} */ why) => {
    over = why;
    for (const { reject } of waiting.values()) reject(new Error(why));
    waiting.clear();
  };
  const ended = new Promise((resolve) => {
    child.once('exit', (code) => resolve(fail(`Chromium ended with ${code}`)));
    child.once('error', (error) =>
      resolve(fail(`Chromium could not be started: ${error.message}`)),
    );
  });
  input.on('error', () => {}); // of a browser that is gone; `ended` says so
  let rest = '';
  output.setEncoding('utf8').on('data', (chunk) => {
    const messages = (rest + chunk).split('\0');
    rest = messages.pop() ?? '';
    for (const message of messages.map((text) => JSON.parse(text))) {
      if (message.method) {
        for (const listener of [...listeners]) listener(message);
        continue;
      }
      const request = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.error) request?.reject(new Error(message.error.message));
      else request?.resolve(message.result);
    }
  });
  let lastId = 0;
  return {
    send: (method, params = {}, sessionId) =>
      new Promise((resolve, reject) => {
        if (over) return reject(new Error(over));
        waiting.set(++lastId, { resolve, reject });
        input.write(`${JSON.stringify({ id: lastId, method, params, sessionId })}\0`);
      }),
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      if (!over) input.write(`${JSON.stringify({ id: ++lastId, method: 'Browser.close' })}\0`);
      await ended;
      // Its children may still be writing
      rmSync(profile, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}

/**
 * A tab of the browser. `evaluate` runs an expression in its page, awaiting what it gives.
 * @typedef {object} Tab
 * @property {(expression: string) => Promise<any>} evaluate
 * @property {(method: string, params?: object) => Promise<any>} send
 * @property {() => Promise<void>} show puts it in front of the others
 * @property {() => Promise<void>} crash its process, until it is gone
 * @property {() => Promise<void>} reload of a page that has crashed, until it is there again
 * @property {() => Promise<Worker[]>} workers that the page has
 */

/**
 * A dedicated worker, beside the page.
 * @typedef {object} Worker
 * @property {string} url
 * @property {(method: string, params?: object) => Promise<any>} send
 * @property {() => Promise<Worker[]>} workers that it has made itself
 */

/** @param {Pipe} pipe @param {string} url @returns {Promise<Tab>} */
export async function openTab(pipe, url) {
  const { targetId } = await pipe.send('Target.createTarget', { url });
  const { sessionId } = await pipe.send('Target.attachToTarget', { targetId, flatten: true });
  const send = (/** @type {string} */ method, params = {}) => pipe.send(method, params, sessionId);
  /** @param {string} expression */
  async function evaluate(expression) {
    const { result, exceptionDetails } = await send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails)
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }
  /* The tab begins as an empty page, whose world ends when the address is there. */
  const loaded = async (condition = 'true') => {
    const there = `location.href === ${JSON.stringify(url)} && document.readyState === 'complete' && ${condition}`;
    while (!(await evaluate(there).catch(() => false))) await new Promise(setImmediate);
  };
  await loaded();
  return {
    evaluate,
    send,
    async show() {
      await pipe.send('Target.activateTarget', { targetId });
    },
    async crash() {
      await send('Inspector.enable');
      await new Promise((resolve) => {
        const stop = pipe.listen(({ method, sessionId: from }) => {
          if (method === 'Inspector.targetCrashed' && from === sessionId) resolve(stop());
        });
        send('Page.crash').catch(() => {}); // nobody is left to answer
      });
    },
    async reload() {
      await send('Page.reload');
      await loaded();
    },
    workers: () => workersOf(pipe, sessionId),
  };
}

/**
 * The workers that a page or a worker has made.
 * @param {Pipe} pipe @param {string} sessionId @returns {Promise<Worker[]>}
 */
async function workersOf(pipe, sessionId) {
  /** @type {Worker[]} */
  const found = [];
  const stop = pipe.listen(({ method, params, sessionId: from }) => {
    if (
      method !== 'Target.attachedToTarget' ||
      from !== sessionId ||
      params.targetInfo.type !== 'worker'
    )
      return;
    found.push({
      url: params.targetInfo.url,
      send: (asked, given = {}) => pipe.send(asked, given, params.sessionId),
      workers: () => workersOf(pipe, params.sessionId),
    });
  });
  await pipe.send(
    'Target.setAutoAttach',
    { autoAttach: true, waitForDebuggerOnStart: false, flatten: true },
    sessionId,
  );
  stop();
  return found;
}
