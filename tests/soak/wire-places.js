/* wire-places.js: where a walk over the wire finds its session: in this process, in turns that the walk takes itself,
 * so that a walk is the same each time; or in a Node worker thread. Both may die. */
import { Worker } from 'node:worker_threads';
import { connectLocal, createManualHost } from '../js/session-client.js';
import { arm, createCells, deaths, disarm, makeFragile } from './fragile.js';

const HANG_MS = 120_000; // of a session that is asked and says nothing: no limit on how slow a machine may be

/**
 * @typedef {object} Place
 * @property {(message: any, transfer: any[]) => void} send
 * @property {(n: number) => Promise<void>} turns  lets the session, and this event loop, have so many
 * @property {() => void} look                    hears what has come
 * @property {() => Promise<boolean>} more         waits for something to happen; false: nothing will
 * @property {(after: number) => void} die         of a trap, after so many pieces of work
 * @property {() => number} deaths
 * @property {() => void} spare                    a death that has not come will not
 * @property {() => Promise<void>} kill
 */

const ownCells = createCells();
let fragile = false;
const immediate = () => new Promise((resolve) => setImmediate(resolve));

/** @param {(message: any) => void} heard @returns {Place} */
export function openLocal(heard) {
  if (!fragile) makeFragile(ownCells);
  fragile = true;
  const clock = createManualHost();
  clock.perReading = 0.05;
  const client = connectLocal(clock.host);
  let told = 0;
  const tell = () => {
    while (told < client.messages.length) heard(client.messages[told++]);
  };
  /** Since when nothing waits. @type {number | null} */
  let idle = null;
  return {
    send(message, transfer) {
      client.send(message, transfer);
      tell();
    },
    look: tell,
    async turns(n) {
      clock.turn(n);
      tell();
      await immediate();
      tell();
    },
    async more() {
      if (clock.waiting > 0) idle = null;
      else idle ??= Date.now(); // a model is made in turns of the real loop
      await this.turns(100);
      if (idle !== null) await new Promise((resolve) => setTimeout(resolve, 1));
      return idle === null || Date.now() - idle < HANG_MS;
    },
    die: (after) => arm(ownCells, 'trap', 'work', after),
    deaths: () => deaths(ownCells),
    spare: () => void disarm(ownCells),
    kill: async () => {},
  };
}

/** @param {(message: any) => void} heard @returns {Place} */
export function openThread(heard) {
  const cells = createCells();
  const worker = new Worker(new URL('fragile-worker.js', import.meta.url), { workerData: { cells } });
  /** @type {(() => void)[]} */
  let waiting = [];
  let open = true;
  worker.on('message', (message) => {
    if (!open) return;
    heard(message);
    for (const wake of waiting.splice(0)) wake();
  });
  return {
    send: (message, transfer) => worker.postMessage(message, transfer),
    look: () => {},
    async turns(n) {
      for (let i = 0; i < n; i++) await immediate();
      if (n >= 5) await new Promise((resolve) => setTimeout(resolve, 1)); // the other thread has some time too
    },
    more: () => new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), HANG_MS);
      waiting.push(() => {
        clearTimeout(timer);
        resolve(true);
      });
    }),
    die: (after) => arm(cells, 'trap', 'work', after),
    deaths: () => deaths(cells),
    spare: () => void disarm(cells),
    async kill() {
      open = false;
      await worker.terminate();
    },
  };
}
