/* spawn.js: makes a thread that runs a script: a browser's worker, or a Node worker thread.
 *
 * Both look alike (Thread). Messages are cloned or transferred; `failed` is told at most once, with
 * the reason as a clause whose subject is the thread, and never after close(). A thread does not
 * keep a Node process alive unless ref() was called last. What threads do, and what their messages
 * mean, is not known here. */

import { unbundled, whyNotLoaded } from './asset.js';
import { nodeBuiltin } from './node.js';

/**
 * @typedef {object} Script
 * @property {string} name        of its threads
 * @property {URL} [served]       the address, where an app serves the script itself
 * @property {() => Worker} web   makes a worker of the script beside the caller, by a literal:
 *   bundlers see no other form
 * @property {() => URL} node     the address of the script beside the caller
 * @property {boolean} [blob]     import it from a module of the page's own origin, in a browser,
 *   also where its address has that origin
 * @property {Record<string, string>} [files]  makes it a classic script, which is told these
 *   addresses by the names of built files; it is served, then
 */
/**
 * @typedef {object} Listener
 * @property {(message: any) => void} heard
 * @property {(why: string, cause?: unknown) => void} failed
 */
/**
 * @typedef {object} Thread
 * @property {number} threadId    Node's; 1 in a browser, which tells none
 * @property {(message: any, transfer?: Transferable[]) => void} post
 * @property {() => void} ref
 * @property {() => void} unref
 * @property {() => void} close   ends it at once
 */

const UNREADABLE = 'sent a message that could not be read';

/**
 * Tells where a thread would come from. Node's own come first in Node, where a Worker is what some
 * package has put there; engines that have Node's modules beside workers of their own make those,
 * and so does an Electron page, for which Node makes none.
 * @returns {'web' | 'node' | null} null: from nowhere
 */
export function threadKind() {
  const { versions, type } = /** @type {any} */ (globalThis).process ?? {};
  const own = !versions?.node || versions.deno || versions.bun || type === 'renderer';
  if (!own && nodeBuiltin('node:worker_threads')) return 'node';
  if (typeof Worker === 'function') return 'web';
  return nodeBuiltin('node:worker_threads') ? 'node' : null;
}

/**
 * Throws where the platform refuses to make a thread.
 * @param {Script} script
 * @param {Listener} listener
 * @returns {Thread}
 */
export function spawn(script, listener) {
  return threadKind() === 'web' ? spawnWeb(script, listener) : spawnNode(script, listener);
}

/** @param {Script} script @param {Listener} listener @returns {Thread} */
function spawnWeb(script, { heard, failed }) {
  const { worker, served, made } = openWeb(script);
  let silent = true;
  const forget = () => made && URL.revokeObjectURL(made);
  const close = () => {
    forget();
    worker.onmessage = worker.onmessageerror = null;
    /* An event on its way would be the page's own error. */
    worker.onerror = (event) => event.preventDefault?.();
    worker.terminate();
  };
  worker.onmessage = ({ data }) => {
    if (silent) forget();
    silent = false;
    heard(data);
  };
  worker.onmessageerror = () => {
    close();
    failed(UNREADABLE);
  };
  worker.onerror = (event) => {
    event.preventDefault?.();
    close();
    failed(webFailure(event, silent, made ? foreign(served) : served), event.error ?? undefined);
  };
  return {
    threadId: 1,
    post: (message, transfer) => worker.postMessage(message, transfer ?? []),
    ref() {},
    unref() {},
    close,
  };
}

/**
 * A worker's script has to have the page's origin, but may import from any other: where the script
 * has another one, a module of the page's own imports it.
 * @param {Script} script
 * @returns {{ worker: Worker, served?: URL, made?: string }} served: its address, where that is
 *   known; made: that of the module in between
 */
function openWeb({ name, served: given, web, node, blob, files }) {
  const beside = originOf(node);
  const served = given ?? (beside && unbundled(beside));
  const address = served ?? beside;
  const told = JSON.stringify(files);
  const { origin } = globalThis;
  if (!address || !(blob || (/^https?:/.test(address.href) && address.origin !== origin))) {
    const script = files ? `${served}#${encodeURIComponent(told)}` : served;
    /** @type {WorkerOptions} */
    const options = files ? { name } : { type: 'module', name };
    return { served, worker: script ? new Worker(script, options) : web() };
  }
  /* A sandboxed frame has no origin. */
  const type = files || origin === 'null' ? 'classic' : 'module';
  const script = JSON.stringify(address.href);
  const text = files
    ? `self.OFFSTAGE_FILES = ${told}; importScripts(${script});`
    : (type === 'classic' ? classicImport : moduleImport)(script);
  const made = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  try {
    return { served: address, made, worker: new Worker(made, { type, name }) };
  } catch (cause) {
    throw new Error(`script ${foreign(address)} is refused`, { cause });
  }
}

/** Writes the module in between. @param {string} address as a literal */
const moduleImport = (address) => `import ${address};`;
/**
 * Writes it as a classic script, for without an origin Chromium loads no module from a blob:. It
 * keeps messages that come before the module is there.
 * @param {string} address as a literal
 */
const classicImport = (address) =>
  `const early = []; onmessage = (event) => early.push(event); import(${address}).then(` +
  '() => early.forEach((event) => dispatchEvent(event)), ' +
  '(error) => setTimeout(() => { throw error; }))';

/** @param {() => URL} address @returns {URL | undefined} undefined: a bundler has left none */
function originOf(address) {
  try {
    return address();
  } catch {
    return undefined;
  }
}

/** What names a script of another origin, with what it takes to load it. @param {URL} [served] */
const foreign = (served) =>
  `${served}, which a blob: script imports (the page's policy has to allow blob: in worker-src, ` +
  `else child-src, else script-src, and ${served?.origin} in script-src and connect-src; that ` +
  'server has to allow other origins),';

/**
 * A script that cannot be loaded fires an event without a message, so that reason is written here.
 * @param {ErrorEvent} event
 * @param {boolean} silent whether the worker had said nothing yet
 * @param {URL | string} [served]
 */
function webFailure({ message, filename, lineno }, silent, served) {
  if (message) return `failed: ${message}${filename ? ` (${filename}:${lineno})` : ''}`;
  if (!silent) return 'failed without giving a reason';
  const what = served ? `script ${served}` : 'script';
  return whyNotLoaded(`${what} could not be loaded (not found, blocked by a policy, or no script)`);
}

/** @param {Script} script @param {Listener} listener @returns {Thread} */
function spawnNode({ name, served, node }, { heard, failed }) {
  const { Worker: NodeThread } = nodeBuiltin('node:worker_threads');
  /* No flags are handed on: with --input-type among them a thread refuses to load a file. */
  const thread = new NodeThread(served ?? node(), { name, execArgv: [] });
  let open = true;
  const close = () => {
    open = false;
    thread.unref();
    thread.terminate().catch(() => {});
  };
  /** @param {string} why @param {unknown} [cause] */
  const fail = (why, cause) => {
    if (!open) return;
    close();
    failed(why, cause);
  };
  thread.on('message', (/** @type {any} */ message) => {
    if (open) heard(message);
  });
  thread.on('messageerror', (/** @type {unknown} */ error) => fail(UNREADABLE, error));
  thread.on('error', (/** @type {any} */ error) => {
    const missing = /^(ERR_)?MODULE_NOT_FOUND$/.test(error?.code);
    fail(`failed: ${missing ? whyNotLoaded(error) : (error?.message ?? error)}`, error);
  });
  thread.on('exit', (/** @type {number} */ code) =>
    fail(`ended without being asked (exit code ${code})`),
  );
  thread.unref();
  return {
    threadId: thread.threadId,
    post: (message, transfer) => thread.postMessage(message, transfer),
    ref: () => thread.ref(),
    unref: () => thread.unref(),
    close,
  };
}
