/* fragile.js: a core that dies at a given moment: of its own work, or of what its session says.
 *
 * Cells shared between threads hold what is to happen and after how many events: calls of step_run,
 * or messages posted. So a moment is a count, the same on a slow machine and on a fast one. The
 * deaths are real: a wasm `unreachable`, an error that nobody catches, a thread that ends, a thread
 * that stands still. Sessions are not told. */

/** What happens; 0 is nothing. */
export const DEATHS = Object.freeze({ trap: 1, error: 2, exit: 3, silence: 4 });
/** What is counted. */
export const EVENTS = Object.freeze({ work: 0, message: 1 });

const [DEATH, EVENT, LEFT, COUNT, STILL] = [0, 1, 2, 3, 4];

/* (module (func (export "f") unreachable)) */
const UNREACHABLE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 5, 1, 3, 0,
  0, 11,
]);
const trap = /** @type {() => void} */ (
  new WebAssembly.Instance(new WebAssembly.Module(UNREACHABLE)).exports.f
);

/** Cells for arm(). @returns {Int32Array} */
export const createCells = () => new Int32Array(new SharedArrayBuffer(20));

/**
 * @param {Int32Array} cells @param {keyof typeof DEATHS} death @param {keyof typeof EVENTS} event
 * @param {number} after  as many events; 1: with the next one
 */
export function arm(cells, death, event, after) {
  Atomics.store(cells, EVENT, EVENTS[event]);
  Atomics.store(cells, LEFT, after);
  Atomics.store(cells, DEATH, DEATHS[death]);
}

/** Deaths that have happened. @param {Int32Array} cells */
export const deaths = (cells) => Atomics.load(cells, COUNT);

/** @param {Int32Array} cells */
export const disarm = (cells) => Atomics.store(cells, DEATH, 0);

/** @param {Int32Array} cells @param {keyof typeof EVENTS} event  that is about to happen here */
export function happen(cells, event) {
  const death = Atomics.load(cells, DEATH);
  if (
    death === 0 ||
    Atomics.load(cells, EVENT) !== EVENTS[event] ||
    Atomics.sub(cells, LEFT, 1) > 1
  )
    return;
  Atomics.store(cells, DEATH, 0);
  Atomics.add(cells, COUNT, 1);
  if (death === DEATHS.trap) trap();
  if (death === DEATHS.error)
    setImmediate(() => {
      throw new Error('struck by the soak');
    });
  if (death === DEATHS.exit) process.exit();
  if (death === DEATHS.silence) Atomics.wait(cells, STILL, 0);
}

/** From here on the cores made in this thread heed the cells. @param {Int32Array} cells */
export function makeFragile(cells) {
  const { instantiate } = WebAssembly;
  /** @param {any} module @param {any} imports */
  WebAssembly.instantiate = /** @type {any} */ (
    async (module, imports) => {
      const { exports } = /** @type {any} */ (await instantiate(module, imports));
      if (!exports.step_run) return { exports };
      return {
        exports: {
          ...exports,
          step_run: (/** @type {number[]} */ ...args) => {
            happen(cells, 'work');
            return exports.step_run(...args);
          },
        },
      };
    }
  );
}
