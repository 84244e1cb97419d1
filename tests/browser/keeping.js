/* keeping.js: a keeper in a browser, for storage.test.js: the same acts on the page and in a worker
 * of it. As a worker's script it takes { id, act, given } and answers { id, result } or { id, error
 * }. */
import { sealed, unsealed } from '../js/sealed.js';

let keeper;
const warnings = [];

const ACTS = {
  /** `without`: what this thread is to be without, as [class, method]. */
  async open({ without = [], ...options }) {
    for (const [kind, method] of without) delete globalThis[kind].prototype[method];
    const { openStore } = await import('../../wasm-build/dist/kept.js');
    keeper = await openStore({
      name: 'model',
      wait: 0,
      ...options,
      warn: (code, message) => warnings.push({ code, message }),
    });
    const { storage, reason, count } = keeper;
    return { storage, reason, count, data: keeper.hasData() };
  },
  write: ({ step, length }) => keeper.write(sealed(step, length), { step, epoch: 1 }),
  /** Writes until this thread is ended; tells of each. */
  async writeOn({ length }) {
    for (let step = 1; ; step++) {
      await keeper.write(sealed(step, length), { step, epoch: 1 });
      globalThis.postMessage({ step });
    }
  },
  async latest({ steps, length }) {
    const found = await keeper.latest(unsealed);
    const same = (step) => sealed(step, length).every((byte, i) => byte === found.bytes[i]);
    return found && (steps.find(same) ?? `another of ${found.bytes.length} bytes`);
  },
  async writeData({ length }) {
    const x = new Uint8Array(length).map((_, i) => i >> 4);
    const column = (dtype, bytes) => ({
      dtype,
      bytes: bytes.length,
      read: (at, count) => bytes.subarray(at, at + count),
    });
    return keeper.writeData(
      { x: column('uint8', x), y: column('int32', x.slice(0, 8)) },
      { length },
    );
  },
  async readData() {
    const { x, about } = await keeper.readData();
    let at = 0;
    for await (const piece of x.pieces())
      for (const byte of piece) if (byte !== ((at++ >> 4) & 255)) throw new Error(`byte ${at}`);
    return { at, about };
  },
  close: () => keeper.close(),
  warned: () => warnings.splice(0),
  list: async () => (await import('../../wasm-build/dist/kept.js')).listStored(),
  remove: async ({ name }) =>
    (await import('../../wasm-build/dist/kept.js')).removeStored(name, { wait: 0 }),
};

/** @param {keyof typeof ACTS} act @param {any} [given] */
export async function perform(act, given = {}) {
  try {
    return { result: await ACTS[act](given) };
  } catch ({ code, name, message, stack }) {
    return { error: code ?? stack ?? `${name}: ${message}` };
  }
}

if (!globalThis.document) {
  globalThis.onmessage = async ({ data: { id, act, given } }) =>
    globalThis.postMessage({ id, ...(await perform(act, given)) });
}
