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
 *   addresses, by the names of built files, in its first message; it is served, then
 * @property {URL} [from]         where what is served is a copy of, in a blob:
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
  const { worker, what, made } = openWeb(script);
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
    const classic = script.files !== undefined;
    failed(webFailure(event, silent && what, classic), event.error ?? undefined);
  };
  if (script.files) worker.postMessage({ OFFSTAGE_FILES: script.files });
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
 * has another one, a module of the page's own imports it. A classic one would keep its errors to
 * itself, and so a copy of it is made before (`from`).
 * @param {Script} script
 * @returns {{ worker: Worker, what: string, made?: string }} what: it is called; made: the address
 *   of the module in between
 */
function openWeb({ name, served: given, web, node, blob, files, from }) {
  const beside = originOf(node);
  const served = given ?? (beside && unbundled(beside));
  const address = from ?? served ?? beside;
  const { origin } = globalThis;
  if (!address || !(blob || (/^https?:/.test(address.href) && address.origin !== origin))) {
    const worker = served ? new Worker(served, files ? { name } : { type: 'module', name }) : web();
    return { what: `script ${served ?? ''}`.trim(), worker };
  }
  const what = `script ${foreign(address)}`;
  /* A sandboxed frame has no origin. */
  const type = files || origin === 'null' ? 'classic' : 'module';
  const text = (type === 'classic' ? classicImport : moduleImport)(JSON.stringify(address.href));
  const made = from
    ? undefined
    : URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  try {
    return { what, made, worker: new Worker(made ?? /** @type {URL} */ (served), { type, name }) };
  } catch (cause) {
    throw new Error(`${what} is refused`, { cause });
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

/** What names a script of another origin, with what it takes to load it. @param {URL} served */
const foreign = (served) =>
  `${served}, which a blob: script imports (the page's policy has to allow blob: in worker-src, ` +
  `else child-src, else script-src, and ${served.origin} in script-src and connect-src; that ` +
  'server has to allow other origins),';

/**
 * A script that cannot be loaded fires an event without a message, so that reason is written here.
 * In place of a classic one a page would run, and the module in between has a message of its own.
 * @param {ErrorEvent} event
 * @param {string | false} script what it is called, where it had said nothing yet
 * @param {boolean} classic
 */
function webFailure({ message, filename, lineno }, script, classic) {
  const said = message && `${message}${filename ? ` (${filename}:${lineno})` : ''}`;
  if (said && !(script && classic)) return `failed: ${said}`;
  if (!script) return 'failed without giving a reason';
  const why = said || 'not found, blocked by a policy, or no script';
  return whyNotLoaded(`${script} could not be loaded (${why})`);
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
