/* opfs.js: files in the origin private file system, the fastest storage of browsers.
 *
 * Workers write through synchronous handles, and let messages in between megabytes; where there are
 * none (on a page) through a writable stream, which engines other than Safari before 26 have. A
 * write that is cut off leaves a torn file, or none. */

import { foldersOf, isPart, nameOf } from './naming.js';
import { createYield } from '../host/clock.js';

const FOLDER = 'offstage';
/** Bytes written in one go: about a millisecond. */
const AT_ONCE = 1024 * 1024;

/** @typedef {{ entries(): AsyncIterable<[string, FileSystemHandle]> }} Entries */
/** @typedef {FileSystemDirectoryHandle & Entries} Folder */
/**
 * @typedef {object} SyncHandle
 * @property {(bytes: Uint8Array, options: { at: number }) => number} write
 * @property {(size: number) => void} truncate
 * @property {() => void} flush
 * @property {() => void} close
 */

/** @type {import('./storage.js').Opener} */
export async function openOpfs(make) {
  const { storage } = globalThis.navigator ?? {};
  if (!storage?.getDirectory) return null;
  const origin = await storage.getDirectory();
  const root = await origin.getDirectoryHandle(FOLDER, { create: make }).catch(unlessMissing(null));
  if (!root) return null;

  /** @param {string} name @param {boolean} [create] @returns {Promise<Folder | null>} */
  const folder = async (name, create = false) => {
    /** @type {FileSystemDirectoryHandle | null} */
    let at = root;
    for (const part of foldersOf(name)) {
      at = at && (await at.getDirectoryHandle(part, { create }).catch(unlessMissing(null)));
    }
    return /** @type {Folder | null} */ (at);
  };

  /** @param {any} at @param {string[]} parts @returns {Promise<string[]>} */
  const names = async (at, ...parts) => {
    /** @type {string[]} */
    const found = [];
    for await (const [name, handle] of at.entries()) {
      if (handle.kind !== 'directory') continue;
      const deeper = isPart(name) ? names(handle, ...parts, name) : [nameOf([...parts, name])];
      found.push(...(await deeper));
    }
    return found;
  };

  /** @param {string} name @param {string} file */
  const fileOf = async (name, file) =>
    (await (await need(folder(name))).getFileHandle(file)).getFile();

  return {
    kind: 'opfs',
    readOnly:
      hasMethod('createSyncAccessHandle') || hasMethod('createWritable')
        ? null
        : 'this page cannot write to the origin private file system, which takes a worker',
    names: () => names(root),
    async files(name) {
      const found = [];
      for await (const [file, { kind }] of (await folder(name))?.entries() ?? []) {
        if (kind === 'file') found.push(file);
      }
      return found;
    },
    read: async (name, file) => new Uint8Array(await (await fileOf(name, file)).arrayBuffer()),
    async write(name, file, bytes) {
      const handle = await (await need(folder(name, true))).getFileHandle(file, { create: true });
      const write = hasMethod('createSyncAccessHandle') ? writeAtOnce : writeAsStream;
      await write(handle, bytes);
    },
    async remove(name, file) {
      const parts = foldersOf(name);
      const last = /** @type {string} */ (parts.pop());
      let at = root;
      try {
        for (const part of parts) at = await at.getDirectoryHandle(part);
        if (file === undefined) await at.removeEntry(last, { recursive: true });
        else await (await at.getDirectoryHandle(last)).removeEntry(file);
      } catch (error) {
        unlessMissing(null)(error);
      }
    },
  };
}

/** @param {string} method of a file's handle, not all of which every thread has */
const hasMethod = (method) =>
  method in /** @type {any} */ (globalThis.FileSystemFileHandle?.prototype ?? {});

/** @type {ReturnType<typeof createYield> | undefined} */
let later;

/** @param {any} file @param {Uint8Array} bytes */
async function writeAtOnce(file, bytes) {
  /** @type {SyncHandle} */
  const handle = await file.createSyncAccessHandle();
  try {
    handle.truncate(0);
    for (let at = 0; at < bytes.length; at += AT_ONCE) {
      const piece = bytes.subarray(at, at + AT_ONCE);
      if (at > 0) await new Promise((done) => (later ??= createYield())(() => done(undefined)));
      /* Chromium throws nothing where a write reaches the quota: it returns -8, unsigned. */
      if (handle.write(piece, { at }) !== piece.length) {
        const error = new Error('the file could only be written in part');
        throw Object.assign(error, { name: 'QuotaExceededError' });
      }
    }
    handle.flush();
  } finally {
    handle.close();
  }
}

/** @param {FileSystemFileHandle} file @param {Uint8Array<ArrayBuffer>} bytes */
async function writeAsStream(file, bytes) {
  const stream = await file.createWritable();
  try {
    await stream.write(bytes);
  } catch (error) {
    await stream.abort().catch(() => {}); // what failed is the writing
    throw error;
  }
  await stream.close();
}

/** @param {Promise<Folder | null>} folder @returns {Promise<Folder>} */
async function need(folder) {
  const found = await folder;
  if (!found) throw new Error('there is no such folder');
  return found;
}

/** @template T @param {T} otherwise @returns {(error: any) => T} */
const unlessMissing = (otherwise) => (error) => {
  if (error?.name !== 'NotFoundError') throw error;
  return otherwise;
};
