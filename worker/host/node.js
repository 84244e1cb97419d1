/* node.js: gives the parts of Node by a call that bundlers do not follow: an `import 'node:...'` in
 * a file that a browser reaches makes them fail. */

/**
 * @param {string} name  of a module: 'node:...'
 * @returns {any} undefined in browsers
 */
export function nodeBuiltin(name) {
  return /** @type {any} */ (globalThis).process?.getBuiltinModule?.(name);
}
