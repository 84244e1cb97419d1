/* instrument.mjs: a module hook that puts counters into worker/: one for each statement, function
 * and branch, in globalThis.__coverage__. Everything else is loaded as it is. */

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { createInstrumenter } from 'istanbul-lib-instrument';

const FOLDER = new URL('../../../worker/', import.meta.url).href;
const instrumenter = createInstrumenter({ esModules: true, produceSourceMap: false });

/**
 * @param {string} url
 * @param {object} context
 * @param {(url: string, context: object) => Promise<any>} next
 */
export async function load(url, context, next) {
  if (!url.startsWith(FOLDER)) return next(url, context);
  const path = fileURLToPath(url);
  const source = instrumenter.instrumentSync(await readFile(path, 'utf8'), path);
  return { format: 'module', source, shortCircuit: true };
}
