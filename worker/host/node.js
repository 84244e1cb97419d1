/* node.js: gives the parts of Node by a call that bundlers do not follow: an `import 'node:...'` in
 * a file that a browser reaches makes them fail. */

/**
 * @param {string} name  of a module: 'node:...'
 * @returns {any} undefined in browsers
 */
export function nodeBuiltin(name) {
  return /** @type {any} */ (globalThis).process?.getBuiltinModule?.(name);
}

/** Makes a channel: jsdom has none, and runs in Node, which has. @returns {MessageChannel} */
export function messageChannel() {
  const Channel = globalThis.MessageChannel ?? nodeBuiltin('node:worker_threads').MessageChannel;
  return new Channel();
}

/** Codecs of text: jsdom has none either. */
export const { TextDecoder, TextEncoder } = nodeBuiltin('node:util') ?? globalThis;
