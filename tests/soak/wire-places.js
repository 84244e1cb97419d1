/* wire-places.js: where a walk over the wire finds its session: in this process, in turns that the
 * walk takes itself, so that a walk is the same each time; or in a Node worker thread. Both may
 * die. Or beside others on one thread, each over a port, which may be closed: none of these dies.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import { connectLocal, createManualHost } from '../js/session-client.js';
import { arm, createCells, deaths, disarm, makeFragile } from './fragile.js';

// Of a session that is asked and says nothing: no limit on how slow a machine may be
const HANG_MS = 120_000;

/**
 * @typedef {object} Place
 * @property {(message: any, transfer: any[]) => void} send
 * @property {(n: number) => Promise<void>} turns lets the session, and this event loop, have so
 *   many
 * @property {() => void} look                    hears what has come
 * @property {() => Promise<boolean>} more waits for something to happen; false: nothing will
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
  const worker = new Worker(new URL('fragile-worker.js', import.meta.url), {
    workerData: { cells },
  });
  const { listen, ...ways } = remote(heard);
  worker.on('message', listen);
  return {
    ...ways,
    send: (message, transfer) => worker.postMessage(message, transfer),
    die: (after) => arm(cells, 'trap', 'work', after),
    deaths: () => deaths(cells),
    spare: () => void disarm(cells),
    async kill() {
      worker.off('message', listen);
      await worker.terminate();
    },
  };
}

/** A worker thread on which each place is a session over a port of its own. */
export function shareThread() {
  const workerData = { cells: createCells() };
  const worker = new Worker(new URL('fragile-worker.js', import.meta.url), { workerData });
  let lastId = 0;
  return {
    /** @param {(message: any) => void} heard @returns {Place} */
    open(heard) {
      const { port1, port2 } = new MessageChannel();
      worker.postMessage(
        { v: 1, id: ++lastId, type: 'OPEN_SESSION', payload: { service: 'trainer', port: port2 } },
        [port2],
      );
      const { listen, ...ways } = remote(heard);
      port1.on('message', listen);
      return {
        ...ways,
        send: (message, transfer) => port1.postMessage(message, transfer),
        die: () => {},
        deaths: () => 0,
        spare: () => {},
        async kill() {
          port1.off('message', listen);
          port1.close();
        },
      };
    },
    end: () => worker.terminate(),
  };
}

/** The ways of a place in another thread. @param {(message: any) => void} heard */
function remote(heard) {
  /** @type {(() => void)[]} */
  const waiting = [];
  return {
    /** @param {any} message */
    listen(message) {
      heard(message);
      for (const wake of waiting.splice(0)) wake();
    },
    look: () => {},
    /** @param {number} n */
    async turns(n) {
      for (let i = 0; i < n; i++) await immediate();
      // The other thread has some time too
      if (n >= 5) await new Promise((resolve) => setTimeout(resolve, 1));
    },
    /** @returns {Promise<boolean>} */
    more: () =>
      new Promise((resolve) => {
        const timer = setTimeout(() => resolve(false), HANG_MS);
        waiting.push(() => {
          clearTimeout(timer);
          resolve(true);
        });
      }),
  };
}
