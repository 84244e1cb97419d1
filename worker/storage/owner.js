/* owner.js: sees to it that one session at a time owns a trainer's name.
 *
 * The platform lets go of the name where its owner dies without a word. Browsers: a Web Lock. Node:
 * a socket of that name that is listened on; it is closed when its process or worker thread ends,
 * however that happens, and no process id can be mistaken for another's. Nothing is stored. */

import { nodeBuiltin } from '../host/node.js';
import { OffstageError, show } from '../host/errors.js';
import { foldersOf } from './naming.js';
import { rootFolder } from './folder.js';

/** @typedef {() => void} Release */
const WAIT_MS = 2000;
/** ms between two attempts */
const AGAIN_MS = 50;

/**
 * @param {string} name
 * @param {{ folder?: string, wait?: number }} where  wait: ms that a former owner has to end
 * @returns {Promise<Release>} rejects with BUSY where it is owned elsewhere; without locks
 *   everybody owns
 */
export async function ownOrRefuse(name, { folder, wait = WAIT_MS }) {
  const release = nodeBuiltin('node:fs')
    ? await ownBySocket(addressOf(name, folder), wait)
    : globalThis.navigator?.locks
      ? await ownByLock(`offstage:${name}`, wait)
      : () => {};
  if (release) return release;
  throw new OffstageError(
    'BUSY',
    `the trainer ${show(name)} is in use: ` +
      'another tab, session or process owns what is kept of it; ' +
      'dispose of the trainer that has it, or close its tab or process',
  );
}

/** @param {string} lock @param {number} wait @returns {Promise<Release | null>} */
function ownByLock(lock, wait) {
  return new Promise((resolve) => {
    const enough = new AbortController();
    const timer = setTimeout(() => enough.abort(), wait);
    const held = (/** @type {Lock | null} */ given) => {
      clearTimeout(timer);
      if (!given) return resolve(null);
      return new Promise((release) => resolve(() => release(undefined)));
    };
    const options = wait > 0 ? { signal: enough.signal } : { ifAvailable: true };
    navigator.locks.request(lock, options, held).catch((error) => {
      clearTimeout(timer);
      resolve(error.name === 'AbortError' ? null : () => {}); // without an origin: no locks
    });
  });
}

/**
 * Makes a socket's address of a name. Linux and Windows have names for sockets that end with their
 * owner; elsewhere they are files, which may be left.
 * @param {string} name @param {string} [folder]
 */
function addressOf(name, folder) {
  const path = [rootFolder(folder), ...foldersOf(name)].join('/');
  const hash = nodeBuiltin('node:crypto').createHash('sha256').update(path).digest('hex');
  const id = `offstage-${hash.slice(0, 32)}`;
  const { platform } = nodeBuiltin('node:process');
  if (platform === 'linux') return `\0${id}`;
  return platform === 'win32' ? `\\\\.\\pipe\\${id}` : `${nodeBuiltin('node:os').tmpdir()}/${id}`;
}

/** @param {string} address @param {number} wait  ms @returns {Promise<Release | null>} */
export async function ownBySocket(address, wait) {
  for (const until = performance.now() + wait; ;) {
    const server = await listen(address);
    if (server) return () => server.close();
    if (address.startsWith('/') && !(await answers(address)) && (await clear(address))) continue;
    if (performance.now() >= until) return null;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** @param {string} address @returns {Promise<any>} the server, or null where another one listens */
function listen(address) {
  const net = nodeBuiltin('node:net');
  const server = net.createServer((/** @type {any} */ caller) => caller.destroy());
  server.unref();
  return new Promise((resolve) => {
    server.once('error', (/** @type {any} */ error) =>
      resolve(error.code === 'EADDRINUSE' ? null : { close() {} }),
    );
    // exclusive: a cluster does not share it
    server.listen({ path: address, exclusive: true }, () => resolve(server));
  });
}

/** @param {string} address @returns {Promise<boolean>} whether somebody listens there */
const answers = (address) =>
  new Promise((resolve) => {
    const call = nodeBuiltin('node:net').connect(address);
    call.once('error', () => resolve(false));
    call.once('connect', () => resolve(call.destroy() !== undefined));
  });

/**
 * Removes a dead socket's file, and puts it back where somebody has just begun to listen there.
 * @param {string} address @returns {Promise<boolean>} whether it is removed
 */
async function clear(address) {
  const fs = nodeBuiltin('node:fs/promises');
  const aside = `${address}.${nodeBuiltin('node:crypto').randomUUID().slice(0, 8)}`;
  try {
    await fs.rename(address, aside);
    const alive = await answers(aside);
    await (alive ? fs.rename(aside, address) : fs.rm(aside));
    return !alive;
  } catch (error) {
    return /** @type {any} */ (error).code === 'ENOENT'; // another one was quicker
  }
}
