/* support.js: what the platform offers for running a session beside the page, and why not where it does not.
 * Invariant: every "no" is a sentence that can stand in info.reason. Node's facilities come from
 * process.getBuiltinModule, which bundlers do not see. Nothing is started here. */

/**
 * The part of node:worker_threads that Offstage uses.
 * @typedef {object} NodeThread
 * @property {number} threadId
 * @property {(message: unknown, transfer?: readonly Transferable[]) => void} postMessage
 * @property {(event: string, listener: (value: any) => void) => unknown} on
 * @property {() => void} ref
 * @property {() => void} unref
 * @property {() => Promise<number>} terminate
 */

/**
 * @typedef {object} NodeProcess
 * @property {{ node?: string }} [versions]
 * @property {number} [pid]
 * @property {Record<string, string | undefined>} [env]
 * @property {() => string} [cwd]
 * @property {(name: string) => any} [getBuiltinModule]
 */

/** @returns {NodeProcess | null} Node's process, null elsewhere */
function nodeProcess() {
  const { process } = /** @type {{ process?: NodeProcess }} */ (globalThis);
  return process?.versions?.node ? process : null;
}

/** @returns {number | null} of Node's process, null elsewhere */
export const processId = () => nodeProcess()?.pid ?? null;

const hasWebWorker = () => typeof globalThis.Worker === 'function';

/**
 * Where a session's own thread would come from.
 * @returns {'web' | 'node' | null} null: from nowhere, whyNoWorker() says why
 */
export function workerKind() {
  if (hasWebWorker()) return 'web';
  return nodeProcess()?.getBuiltinModule ? 'node' : null;
}

/** @returns {string | null} why no worker can be had, null where one can */
export function whyNoWorker() {
  if (workerKind()) return null;
  const node = nodeProcess();
  return node
    ? `Node ${node.versions?.node} has no process.getBuiltinModule (20.16 or newer has)`
    : 'this page has no Worker';
}

/** @returns {string | null} why mode 'auto' should not use a worker although there may be one */
export function whyNotAuto() {
  if (nodeProcess()?.env?.OFFSTAGE_USE_WORKERS === 'false') return 'OFFSTAGE_USE_WORKERS=false is set';
  return whyNoWorker();
}

/** @returns {new (url: URL, options: object) => NodeThread} */
export function nodeThreadClass() {
  return nodeProcess()?.getBuiltinModule?.('node:worker_threads').Worker;
}

/** @returns {string} what a relative address is relative to: the document, or the working directory */
export function baseAddress() {
  const { document, location } = /** @type {{ document?: Document, location?: Location }} */ (globalThis);
  const address = document?.baseURI ?? location?.href;
  if (address) return address;
  const node = nodeProcess();
  return node?.getBuiltinModule?.('node:url').pathToFileURL(`${node.cwd?.()}/`).href;
}
