/* main.mjs: `node tests/fuzz/js/main.mjs <seconds> <seed> <target,...> [merge]`: fuzzes those targets in turn.
 *
 * The corpus is tests/fuzz/corpus/js/<target>, one v8.serialize()d value a file, and what earlier runs on this machine
 * left in build-fuzz/js. New inputs go to the latter; with `merge` the fewest that reach everything become the corpus.
 * The exit status tells whether there was a finding; the inputs of findings are kept beside the machine's corpus. */

import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { deserialize } from 'node:v8';
import { Worker } from 'node:worker_threads';

const HANGS = 20; // seconds
const BUFFER = 2 ** 17;
const committed = fileURLToPath(new URL('../corpus/js/', import.meta.url));
const own = fileURLToPath(new URL('../../../build-fuzz/js/', import.meta.url));

register('./instrument.mjs', import.meta.url);
const { TARGETS } = await import('./targets.mjs');
const { ERROR_CODES } = await import('../../../worker/errors.js');
const { fuzz, minimize, nameOf } = await import('./engine.mjs');
const { createRandom } = await import('./values.mjs');

/** @param {string} folder */
const filesOf = (folder) => (existsSync(folder) ? readdirSync(folder).sort().map((name) => new Uint8Array(readFileSync(`${folder}/${name}`))) : []);

/** @param {string} folder @param {Uint8Array[]} inputs */
function writeAll(folder, inputs) {
  mkdirSync(folder, { recursive: true });
  for (const bytes of inputs) writeFileSync(`${folder}/${nameOf(bytes)}`, bytes);
}

/** Shows an input that is being tried to a thread that looks at the clock. @param {string} name */
function watch(name) {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const bytes = new Uint8Array(new SharedArrayBuffer(BUFFER));
  const file = `${own}findings/${name}-hang`;
  const thread = new Worker(new URL('./watchdog.mjs', import.meta.url), { workerData: { words, bytes, file, seconds: HANGS } });
  thread.unref();
  return {
    /** @param {Uint8Array | null} input */
    about(input) {
      if (input) bytes.set(input);
      Atomics.store(words, 1, input?.length ?? 0);
      Atomics.add(words, 0, 1);
    },
    end: () => thread.terminate(),
  };
}

const [seconds, seed, names, merge] = process.argv.slice(2);
const targets = TARGETS.filter(({ name }) => names.split(',').includes(name));
let failed = false;
for (const target of targets) {
  const { name } = target;
  const dog = watch(name);
  const { runs, corpus, reached, findings } = fuzz({
    target, codes: ERROR_CODES, seconds: Number(seconds) / targets.length, random: createRandom(Number(seed)), about: dog.about,
    corpus: [...filesOf(`${committed}${name}`), ...filesOf(`${own}${name}`)],
  });
  const few = minimize(target, corpus, ERROR_CODES);
  const folder = merge ? `${committed}${name}` : `${own}${name}`;
  if (merge) for (const each of [`${committed}${name}`, `${own}${name}`]) rmSync(each, { recursive: true, force: true });
  writeAll(folder, few);
  await dog.end();
  console.log(`fuzz js/${name}: ${runs} runs, ${reached} features, ${few.length} inputs, ${findings.length} findings`);
  for (const { bytes, why, stack } of findings) {
    writeAll(`${own}findings`, [bytes]);
    console.log(`  ${name} ${nameOf(bytes)}: ${why}\n${stack}\n  ${inspect(deserialize(bytes), { depth: 6, breakLength: 160, maxArrayLength: 20 }).slice(0, 600)}`);
    failed = true;
  }
}
process.exitCode = failed ? 1 : 0;
