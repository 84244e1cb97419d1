/* endpoint.js: how a session is reached: a browser's module worker, a Node worker thread, or this very thread.
 * Invariant: the three look alike (Endpoint), every message is structured-cloned or transferred, and a session
 * that cannot be reached any more is told exactly once through `lost`. An endpoint does not keep a Node process
 * alive unless ref() was called last. What messages mean is not known here. */
import { OffstageError } from '../../worker/host/errors.js';
import { baseAddress, nodeThreadClass, whyNoWorker, workerKind } from './support.js';

/**
 * @typedef {object} Listener
 * @property {(message: any) => void} heard
 * @property {(error: OffstageError) => void} lost the reason is in the message; nothing is heard afterwards
 */

/**
 * @typedef {object} Endpoint
 * @property {'worker' | 'main'} mode
 * @property {number} threadId as the session's records have it
 * @property {(message: object, transfer?: Transferable[]) => void} post
 * @property {() => void} ref
 * @property {() => void} unref
 * @property {() => void} close ends a worker at once; `lost` is not told
 */

const lostError = (/** @type {string} */ message, /** @type {unknown} */ cause) =>
  new OffstageError('WORKER_LOST', message, cause === undefined ? undefined : { cause });

/** The worker in one file, below `assets`. */
const WORKER = 'wasm-build/dist/worker.js';

const UNREADABLE = 'a message of the worker could not be read';

/** @param {string | URL | undefined} assets @returns {URL | undefined} as an absolute folder */
export function assetsFolder(assets) {
  if (assets === undefined) return undefined;
  const text = String(assets);
  try {
    return new URL(text.endsWith('/') ? text : `${text}/`, baseAddress());
  } catch (cause) {
    throw new OffstageError('INVALID_OPTION', `createTrainer: assets must be a URL, got '${text}'`, { cause });
  }
}

/**
 * @param {URL | undefined} assets
 * @param {Listener} listener
 * @returns {Endpoint}
 */
export function openWorker(assets, listener) {
  const kind = workerKind();
  if (!kind) throw new OffstageError('UNSUPPORTED', `no worker can be had: ${whyNoWorker()}`);
  try {
    return kind === 'web' ? openWebWorker(assets, listener) : openNodeThread(assets, listener);
  } catch (cause) {
    throw lostError(`the worker could not be started: ${/** @type {Error} */ (cause).message}`, cause);
  }
}

/**
 * @param {URL | undefined} assets
 * @param {Listener} listener
 * @returns {Endpoint}
 */
function openWebWorker(assets, { heard, lost }) {
  const address = assets && new URL(WORKER, assets);
  /* The second form is the one literal that bundlers recognise. */
  const worker = address
    ? new Worker(address, { type: 'module', name: 'offstage' })
    : new Worker(new URL('../../worker/worker.js', import.meta.url), { type: 'module', name: 'offstage' });
  let silent = true;
  const close = () => {
    worker.onmessage = worker.onmessageerror = null;
    worker.onerror = (event) => event.preventDefault?.(); // one on its way would be the page's own error
    worker.terminate();
  };
  worker.onmessage = (event) => {
    silent = false;
    heard(event.data);
  };
  worker.onmessageerror = () => {
    close();
    lost(lostError(UNREADABLE, undefined));
  };
  worker.onerror = (event) => {
    event.preventDefault?.();
    close();
    lost(lostError(webFailure(event, silent, address), /** @type {ErrorEvent} */ (event).error ?? undefined));
  };
  return {
    mode: 'worker',
    threadId: 1,
    post: (message, transfer) => worker.postMessage(message, transfer ?? []),
    ref() {},
    unref() {},
    close,
  };
}

/**
 * A script that cannot be loaded fires an event without a message, so that reason is written here.
 * @param {Event} event
 * @param {boolean} silent whether the worker had said nothing yet
 * @param {URL | undefined} address
 */
function webFailure(event, silent, address) {
  const { message, filename, lineno } = /** @type {ErrorEvent} */ (event);
  if (message) return `the worker failed: ${message}${filename ? ` (${filename}:${lineno})` : ''}`;
  if (!silent) return 'the worker failed without giving a reason';
  return `the worker script ${address ? `${address} ` : ''}could not be loaded (not found, blocked by a policy, or no script)`;
}

/**
 * @param {URL | undefined} assets
 * @param {Listener} listener
 * @returns {Endpoint}
 */
function openNodeThread(assets, { heard, lost }) {
  const NodeThread = nodeThreadClass();
  /* Not import.meta.url in place, lest a bundler emits the worker a second time. */
  const here = import.meta.url;
  const address = assets ? new URL(WORKER, assets) : new URL('../../worker/worker.js', here);
  /* No flags are handed on: with --input-type among them a thread refuses to load a file. */
  const thread = new NodeThread(address, { name: 'offstage', execArgv: [] });
  let open = true;
  /** @param {string} message @param {unknown} [cause] */
  const fail = (message, cause) => {
    if (!open) return;
    close();
    lost(lostError(message, cause));
  };
  const close = () => {
    open = false;
    thread.unref();
    thread.terminate().catch(() => {});
  };
  thread.on('message', (message) => {
    if (open) heard(message);
  });
  thread.on('messageerror', (error) => fail(UNREADABLE, error));
  thread.on('error', (error) => fail(`the worker failed: ${error?.message ?? error}`, error));
  thread.on('exit', (code) => fail(`the worker ended without being asked (exit code ${code})`));
  thread.unref();
  return {
    mode: 'worker',
    threadId: thread.threadId,
    post: (message, transfer) => thread.postMessage(message, transfer),
    ref: () => thread.ref(),
    unref: () => thread.unref(),
    close,
  };
}

async function loadSession() {
  try {
    const [session, host] = await Promise.all([import('../../worker/trainer/session.js'), import('../../worker/host/clock.js')]);
    return { ...session, ...host };
  } catch (cause) {
    throw new OffstageError('UNSUPPORTED', `the session could not be loaded: ${/** @type {Error} */ (cause).message}`, { cause });
  }
}

/**
 * The same session on this thread. A real channel lies between, so that messages are cloned as everywhere.
 * @param {Listener} listener
 * @returns {Promise<Endpoint>}
 */
export async function openInProcess({ heard, lost }) {
  const { createSession, createHost } = await loadSession();
  const { port1, port2 } = /** @type {{ port1: CountedPort, port2: CountedPort }} */ (new MessageChannel());
  createSession(/** @type {any} */ (port2), createHost(0));
  port1.onmessage = (event) => heard(event.data);
  port1.onmessageerror = () => lost(lostError(UNREADABLE, undefined));
  port1.unref?.();
  port2.unref?.();
  return {
    mode: 'main',
    threadId: 0,
    post: (message, transfer) => port1.postMessage(message, transfer ?? []),
    ref: () => port1.ref?.(),
    unref: () => port1.unref?.(),
    close() {
      port1.postMessage({ v: 1, id: 'close', type: 'DISPOSE' }); // a session on this thread cannot be terminated
      port1.close();
    },
  };
}

/** @typedef {MessagePort & { ref?: () => void, unref?: () => void }} CountedPort Node's ports count */
