/* folder.js: files in a folder, in Node.
 *
 * A file is written under another name, brought to the disk, and renamed: under its own name it is
 * there whole or not at all, whatever ends the process or the machine. What a dead process left
 * behind is listed like any file. */

import { nodeBuiltin } from '../host/node.js';
import { foldersOf, isPart, nameOf } from './naming.js';

/** The default folder, below the working directory. */
const FOLDER = '.offstage';

/** The folder of all trainers, as an absolute path. @param {string} [folder] @returns {string} */
export const rootFolder = (folder = FOLDER) => nodeBuiltin('node:path').resolve(folder);

/** @type {import('./storage.js').Opener} */
export async function openFolder(make, { folder }) {
  const fs = nodeBuiltin('node:fs/promises');
  const root = rootFolder(folder);
  if (make) {
    await fs.mkdir(root, { recursive: true });
    await fs.access(root, nodeBuiltin('node:fs').constants.W_OK);
  }
  const at = (/** @type {string[]} */ ...parts) => [root, ...parts].join('/');
  const of = (/** @type {string} */ name) => at(...foldersOf(name));

  /** @param {string} path @returns {Promise<any[]>} */
  const list = (path) =>
    fs.readdir(path, { withFileTypes: true }).catch((/** @type {any} */ error) => {
      if (error?.code !== 'ENOENT') throw error;
      return [];
    });

  /** @param {string[]} parts @returns {Promise<string[]>} */
  const names = async (...parts) =>
    (
      await Promise.all(
        (await list(at(...parts)))
          .filter((entry) => entry.isDirectory())
          .map(({ name }) => (isPart(name) ? names(...parts, name) : nameOf([...parts, name]))),
      )
    ).flat();

  /** Brings a folder's entries to the disk, which Windows has no call for. @param {string} path */
  const sync = async (path) => {
    if (nodeBuiltin('node:process').platform === 'win32') return;
    const handle = await fs.open(path);
    await handle.sync().finally(() => handle.close());
  };

  return {
    kind: 'folder',
    readOnly: null,
    names: () => names(),
    files: async (name) =>
      (await list(of(name))).filter((entry) => entry.isFile()).map((entry) => entry.name),
    read: async (name, file) => {
      const { buffer, byteOffset, byteLength } = await fs.readFile(`${of(name)}/${file}`);
      return new Uint8Array(buffer, byteOffset, byteLength);
    },
    async write(name, file, bytes) {
      const path = of(name);
      await fs.mkdir(path, { recursive: true });
      const temporary = `${path}/${file}.part`;
      try {
        const handle = await fs.open(temporary, 'w');
        await handle
          .writeFile(bytes)
          .then(() => handle.sync())
          .finally(() => handle.close());
        await fs.rename(temporary, `${path}/${file}`);
      } catch (error) {
        await fs.rm(temporary, { force: true }).catch(() => {}); // what failed is the writing
        throw error;
      }
      await sync(path);
    },
    remove: (name, file = '') => fs.rm(`${of(name)}/${file}`, { recursive: true, force: true }),
  };
}
