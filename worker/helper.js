/* helper.js: the entry of a computing thread: a Web Worker, or a Node worker thread, that a
 * session's thread made.
 *
 * It is told of cores: of each it makes an instance over the core's memory, with a stack of its
 * own. It computes in the team of the core that has the helpers, and sleeps where none has. Its
 * event loop does not turn meanwhile: that a message is on its way is told by a word of the control
 * memory (host/control.js), for which it leaves what it does. A trap is told to the team at once,
 * so that nobody waits for its part, and then fails this worker like any uncaught error. */

import { CONTROL } from './host/control.js';
import { nodeBuiltin } from './host/node.js';

const { ROUND, CORE, MAIL, WITHIN } = CONTROL;

/** @typedef {import('./host/helpers.js').Task} Task */
/**
 * @typedef {{ control?: WebAssembly.Memory, index?: number, core?: Task, closed?: number }} Message
 */

const port = nodeBuiltin('node:worker_threads')?.parentPort;
const scope = port ?? /** @type {any} */ (globalThis);
/** What computes, by core. @type {Map<number, () => void>} */
const cores = new Map();
let words = new Int32Array(0);
let own = MAIL;
let within = WITHIN;
let heard = 0;

/** @param {Message} message */
async function hear({ control, index = 0, core, closed }) {
  if (control) {
    words = new Int32Array(control.buffer);
    own = MAIL + index;
    within = WITHIN + index;
    return;
  }
  if (core) cores.set(core.id, await join(core));
  else cores.delete(/** @type {number} */ (closed));
  heard++;
  serve();
}

/** @param {Task} task @returns {Promise<() => void>} computes until the team lets its helpers go */
async function join({ module, memory, team, stack }) {
  const { exports } = /** @type {{ exports: any }} */ (
    await WebAssembly.instantiate(module, { env: { memory } })
  );
  exports.__stack_pointer.value = stack;
  if (cores.size === 0) scope.postMessage('computing');
  return () => {
    try {
      exports.team_help(team);
    } catch (error) {
      exports.__stack_pointer.value = stack; // where the trap left it there may be no room
      exports.team_lose(team);
      throw error;
    }
  };
}

/** Computes until there is a message to hear. */
function serve() {
  for (;;) {
    const round = Atomics.load(words, ROUND);
    if (Atomics.load(words, own) !== heard) return;
    const core = Atomics.load(words, CORE);
    const compute = cores.get(core);
    if (compute) {
      Atomics.store(words, within, core);
      compute();
      Atomics.store(words, within, 0);
    }
    Atomics.wait(words, ROUND, round);
  }
}

let before = Promise.resolve();
const begin = (/** @type {Message} */ message) => {
  before = before.then(() => hear(message));
  /* Out of the promise, whose rejection no page would hear of: an error is what the session listens
   * for. */
  before.catch((error) =>
    setTimeout(() => {
      throw error;
    }, 0),
  );
};
if (port) port.on('message', begin);
else scope.onmessage = (/** @type {MessageEvent<Message>} */ { data }) => begin(data);
