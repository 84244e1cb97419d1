/* volatile.js: files in the memory of this thread, for want of a storage: they end with it. */

/** @type {Map<string, Map<string, Uint8Array<ArrayBuffer>>>} */
const kept = new Map();

/** @returns {import('./storage.js').Storage} */
export function openMemory() {
  return {
    kind: 'memory',
    readOnly: null,
    names: async () => [...kept.keys()],
    files: async (name) => [...(kept.get(name)?.keys() ?? [])],
    async read(name, file) {
      const bytes = kept.get(name)?.get(file);
      if (!bytes) throw new Error(`there is no ${file}`);
      return bytes.slice();
    },
    async write(name, file, bytes) {
      const files = kept.get(name) ?? new Map();
      kept.set(name, files.set(file, bytes.slice()));
    },
    async remove(name, file) {
      const files = kept.get(name);
      if (file !== undefined) files?.delete(file);
      if (file === undefined || files?.size === 0) kept.delete(name);
    },
  };
}
