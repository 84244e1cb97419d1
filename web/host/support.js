/* support.js: tells whether a session can run beside the page, and where relative addresses begin.
 * Invariant: every "no" is a sentence that can stand in info.reason. Node's facilities come from
 * process.getBuiltinModule, which bundlers do not see. Nothing is started here. */
import { OffstageError } from '../../worker/host/errors.js';
import { threadKind } from '../../worker/host/spawn.js';

/** Whether this file is of the built files for older engines. */
const CLASSIC = /** @type {any} */ (globalThis).OFFSTAGE_CLASSIC === true;

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

/** @returns {number | null} the id of Node's process, null elsewhere */
export const processId = () => nodeProcess()?.pid ?? null;

/** @type {{ share?: WebAssembly.Memory } | undefined} */
let share;

/**
 * Gives what the workers of this page share its cores by; nothing where no memory can be shared.
 */
export function sharedCores() {
  if (share) return share;
  const { crossOriginIsolated } = /** @type {any} */ (globalThis);
  try {
    if (crossOriginIsolated === false) return (share = {});
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const { port1 } = new MessageChannel();
    port1.postMessage(memory); // some engines share none
    port1.close();
    return (share = { share: memory });
  } catch {
    return (share = {});
  }
}

/**
 * Tells whether a worker may be a module, without making one: who knows of modules asks for the
 * type before it refuses the address, and refuses that alone. Engines with Node's modules beside
 * their workers all do.
 */
export function takesModules() {
  if (threadKind() !== 'web' || nodeProcess()) return true;
  if (CLASSIC) return false;
  const refusal = refusalOf('module');
  return refusal !== null && refusal === refusalOf('classic');
}

/** @param {WorkerType} type @returns {string | null} by name; null where nobody asked for it */
function refusalOf(type) {
  let asked = false;
  /* Address and options in one: bundlers refuse an address that is a literal. */
  const probe = /** @type {any} */ ({
    toString: () => 'http://[',
    get type() {
      asked = true;
      return type;
    },
  });
  let refusal = '';
  try {
    new Worker(probe, probe).terminate();
  } catch (error) {
    refusal = String(/** @type {any} */ (error)?.name);
  }
  return asked ? refusal : null;
}

/** @returns {string | null} why no worker can be had, null where one can */
export function whyNoWorker() {
  if (threadKind()) return null;
  const node = nodeProcess();
  return node
    ? `Node ${node.versions?.node} has no process.getBuiltinModule (20.16 or newer has)`
    : 'this page has no Worker';
}

/**
 * Refuses in a service worker, where nothing else would say what to do instead.
 * @param {string} where the function that was called
 */
export function refuseServiceWorker(where) {
  if (Object.prototype.toString.call(globalThis) !== '[object ServiceWorkerGlobalScope]') return;
  throw new OffstageError(
    'UNSUPPORTED',
    `${where}: a service worker has no workers and loads no modules later: call it in a page, or ` +
      'an offscreen document of an extension, that exchanges messages with the service worker',
  );
}

/** @returns {string | null} why mode 'auto' should not use a worker although there may be one */
export function whyNotAuto() {
  const { OFFSTAGE_USE_WORKERS: use } = nodeProcess()?.env ?? {};
  if (use === 'false') return 'OFFSTAGE_USE_WORKERS=false is set';
  return whyNoWorker();
}

/**
 * @returns {string} what a relative address is relative to: the document, or the working directory
 */
export function baseAddress() {
  /** @type {{ document?: Document, location?: Location }} */
  const { document, location } = globalThis;
  const address = document?.baseURI ?? location?.href;
  if (address) return address;
  const node = nodeProcess();
  return node?.getBuiltinModule?.('node:url').pathToFileURL(`${node.cwd?.()}/`).href;
}
