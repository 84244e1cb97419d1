/* helper.js: the entry of a computing thread: a Web Worker, or a Node worker thread, that a session's thread made.
 *
 * It gets the compiled module and the memory, makes an instance of its own over them with a stack of its own, and
 * computes until the team ends; it hears no second message, for its event loop does not turn meanwhile. A trap is
 * told to the team at once, so that nobody waits for its part, and then fails this worker like any uncaught error. */

import { nodeBuiltin } from './host/node.js';

/** @typedef {{ module: WebAssembly.Module, memory: WebAssembly.Memory, team: number, stack: number }} Task */

const port = nodeBuiltin('node:worker_threads')?.parentPort;
const scope = port ?? /** @type {any} */ (globalThis);

/** @param {Task} task  stack: its upper end, from which it grows down */
async function help({ module, memory, team, stack }) {
  const { exports } = /** @type {{ exports: any }} */ (await WebAssembly.instantiate(module, { env: { memory } }));
  exports.__stack_pointer.value = stack;
  scope.postMessage('computing');
  try {
    exports.team_help(team);
  } catch (error) {
    exports.__stack_pointer.value = stack; // where the trap left it there may be no room
    exports.team_lose(team);
    throw error;
  }
  scope.close();
}

/* Out of the promise, whose rejection no page would hear of: an error is what the session listens for. */
const begin = (/** @type {Task} */ task) => void help(task).catch((error) => setTimeout(() => {
  throw error;
}, 0));
if (port) port.once('message', begin);
else scope.onmessage = (/** @type {MessageEvent<Task>} */ { data }) => begin(data);
