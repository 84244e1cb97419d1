/* endpoint.js: reaches a session: in a worker of its own, on this very thread, or over a port into
 * a thread that carries several.
 * Invariant: all endpoints look alike (Endpoint); every message is structured-cloned or
 * transferred; `lost` is told at most once, and never after close(). An endpoint does not keep a
 * Node process alive unless ref() was called last. What messages mean is not known here, but for
 * the DISPOSE that ends a session whose thread goes on. */
import { whyNotLoaded } from '../../worker/host/asset.js';
import { OffstageError } from '../../worker/host/errors.js';
import { messageChannel } from '../../worker/host/node.js';
import { spawn } from '../../worker/host/spawn.js';
import { VERSION } from '../../worker/host/envelope.js';
import { baseAddress, takesModules, whyNoWorker } from './support.js';

/**
 * @typedef {object} Listener
 * @property {(message: any) => void} heard
 * @property {(error: OffstageError) => void} lost the reason is in the message; nothing is heard
 *   afterwards
 */

/**
 * @typedef {object} Endpoint
 * @property {'worker' | 'main'} mode
 * @property {number} threadId as the session's records have it
 * @property {(message: object, transfer?: Transferable[]) => void} post
 * @property {() => void} ref
 * @property {() => void} unref
 * @property {() => void} close ends the session; `lost` is not told
 */

/**
 * The thread behind a port, as its owner knows it. A browser does not tell that the thread is lost:
 * its owner calls all of `carried` then, each with the error.
 * @typedef {object} Carrier
 * @property {'worker' | 'main'} mode
 * @property {number} threadId
 * @property {Set<(error: OffstageError) => void>} carried
 */

/**
 * @typedef {MessagePort & { ref?: () => void, unref?: () => void }} CountedPort Node's ports can be
 *   referenced
 */
/**
 * @typedef {() => Promise<(port: MessagePort) => void>} Loader loads what opens a session at a port
 */

/** @param {string} message @param {unknown} [cause] */
const lostError = (message, cause) =>
  new OffstageError('WORKER_LOST', message, cause === undefined ? undefined : { cause });

/** @param {string | URL | undefined} assets @returns {URL | undefined} as an absolute folder */
export function assetsFolder(assets) {
  if (assets === undefined) return undefined;
  const text = String(assets);
  try {
    return new URL(text.endsWith('/') ? text : `${text}/`, baseAddress());
  } catch (cause) {
    const message = `createTrainer: assets must be a URL, got '${text}'`;
    throw new OffstageError('INVALID_OPTION', message, { cause });
  }
}

/**
 * Opens the session that a worker of its own has from the start: a classic one where this engine
 * has no other.
 * @param {{ assets?: URL, crossOrigin?: 'blob' }} where
 * @param {Listener} listener
 * @returns {Endpoint | Promise<Endpoint>}
 */
export function openWorker({ assets, crossOrigin }, listener) {
  const none = whyNoWorker();
  if (none) throw new OffstageError('UNSUPPORTED', `no worker can be had: ${none}`);
  const here = import.meta.url; // not in place below, lest a bundler emits the worker a second time
  const script = {
    name: 'offstage',
    served: assets && new URL('wasm-build/dist/worker.js', assets),
    web: () =>
      new Worker(new URL('../../worker/worker.js', import.meta.url), {
        type: 'module',
        name: 'offstage',
      }),
    node: () => new URL('../../worker/worker.js', here),
    blob: crossOrigin === 'blob',
  };
  return takesModules() ? start(script, listener) : startClassic(script, assets, listener);
}

/** @param {import('../../worker/host/spawn.js').Script} script @param {Listener} listener */
function start(script, { heard, lost }) {
  try {
    const thread = spawn(script, {
      heard,
      failed: (why, cause) => lost(lostError(`the worker ${why}`, cause)),
    });
    return { mode: /** @type {const} */ ('worker'), ...thread };
  } catch (cause) {
    throw notStarted(cause);
  }
}

/**
 * @param {import('../../worker/host/spawn.js').Script} script
 * @param {URL | undefined} assets
 * @param {Listener} listener
 */
async function startClassic(script, assets, listener) {
  let classic;
  try {
    classic = await (await import('./classic-script.js')).classicScript(assets, script.blob);
  } catch (cause) {
    throw notStarted(cause);
  }
  return start({ ...script, ...classic }, listener);
}

/** @param {unknown} cause */
const notStarted = (cause) =>
  lostError(`the worker could not be started: ${whyNotLoaded(cause)}`, cause);

/**
 * Opens a session on this thread. A real channel lies between, so that messages are cloned as
 * everywhere.
 * @param {Loader} load
 * @param {Listener} listener
 * @returns {Promise<Endpoint>}
 */
export async function openInProcess(load, listener) {
  const open = await loaded(load);
  const { port1, port2 } = messageChannel();
  open(port2);
  /** @type {CountedPort} */ (port2).unref?.();
  return openPort(port1, listener, { mode: 'main', threadId: 0, carried: new Set() });
}

/** @param {Loader} load */
async function loaded(load) {
  try {
    return await load();
  } catch (cause) {
    const why = whyNotLoaded(cause);
    throw new OffstageError('UNSUPPORTED', `the session could not be loaded: ${why}`, { cause });
  }
}

/**
 * Takes the page's end of a channel whose other end a session has, or will have: what is posted
 * before waits there.
 * @param {CountedPort} port
 * @param {Listener} listener
 * @param {Carrier} carrier
 * @returns {Endpoint}
 */
export function openPort(port, { heard, lost }, { mode, threadId, carried }) {
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    carried.delete(lose);
    /* Its thread goes on, and not every browser tells it that a port is closed. */
    port.postMessage({ v: VERSION, id: 'close', type: 'DISPOSE', payload: { close: true } });
    port.close();
  };
  /** @param {OffstageError} error */
  const lose = (error) => {
    if (!open) return;
    close();
    lost(error);
  };
  carried.add(lose);
  port.onmessage = ({ data }) => {
    if (open) heard(data);
  };
  port.onmessageerror = () => lose(lostError('a message of the session could not be read'));
  /* Node tells of it, and so do some browsers. */
  port.addEventListener('close', () => lose(lostError('the port to the session was closed')));
  port.unref?.();
  return {
    mode,
    threadId,
    post: (message, transfer) => port.postMessage(message, transfer ?? []),
    ref: () => port.ref?.(),
    unref: () => port.unref?.(),
    close,
  };
}
