/* lists.mjs: reads the text lists of the build (sources.txt, exports.txt, tests/c/programs.txt).
 *
 * One entry a line: a name, then tags; `#` begins a comment. Node's own modules only, because this
 * runs before the npm packages are there. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The root of the checkout. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * @param {string} path from the root
 * @returns {{ name: string, tags: string[] }[]}
 */
export function readList(path) {
  const lines = readFileSync(ROOT + path, 'utf8').split('\n');
  return lines
    .map((line) => line.replace(/#.*/, '').trim().split(/\s+/))
    .filter(([name]) => name)
    .map(([name, ...tags]) => ({ name, tags }));
}
