/* main.mjs: `node tests/fuzz/js/main.mjs <seconds> <seed> <target,...> test|keep|merge`: fuzzes
 * those targets in turn.
 *
 * The corpus is tests/fuzz/corpus/js/<target>, one v8.serialize()d value a file; `keep` adds what
 * earlier runs on this machine left in build-fuzz/js, and leaves there what it finds; `merge` makes
 * the fewest inputs that reach everything the corpus. The exit status tells whether there was a
 * finding, whose input is kept in build-fuzz/findings. */

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
const kept = fileURLToPath(new URL('../../../build-fuzz/findings/', import.meta.url));

register('./instrument.mjs', import.meta.url);
const { TARGETS } = await import('./targets.mjs');
const { ERROR_CODES } = await import('../../../worker/host/errors.js');
const { fuzz, minimize, nameOf } = await import('./engine.mjs');
const { createRandom } = await import('./values.mjs');

/** @param {string} folder */
function filesOf(folder) {
  const names = existsSync(folder) ? readdirSync(folder).sort() : [];
  return names.map((name) => new Uint8Array(readFileSync(`${folder}/${name}`)));
}

/** @param {string} folder @param {Uint8Array[]} inputs */
function writeAll(folder, inputs) {
  mkdirSync(folder, { recursive: true });
  for (const bytes of inputs) writeFileSync(`${folder}/${nameOf(bytes)}`, bytes);
}

/** Shows an input that is being tried to a thread that looks at the clock. @param {string} name */
function watch(name) {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const bytes = new Uint8Array(new SharedArrayBuffer(BUFFER));
  const file = `${kept}${name}-hang`;
  const thread = new Worker(new URL('./watchdog.mjs', import.meta.url), {
    workerData: { words, bytes, file, seconds: HANGS },
  });
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

/** Runs of a target in npm test: a count, so that what is tried does not depend on the machine. */
const TEST_RUNS = 40_000;

const [seconds, seed, names, how] = process.argv.slice(2);
const targets = TARGETS.filter(({ name }) => names.split(',').includes(name));
let failed = false;
for (const target of targets) {
  const { name } = target;
  const dog = watch(name);
  const { runs, corpus, reached, findings } = fuzz({
    target,
    codes: ERROR_CODES,
    seconds: Number(seconds) / targets.length,
    most: how === 'test' ? TEST_RUNS : Infinity,
    random: createRandom(Number(seed)),
    about: dog.about,
    corpus: [`${committed}${name}`, ...(how === 'test' ? [] : [`${own}${name}`])].flatMap(filesOf),
  });
  const few = minimize(target, corpus, ERROR_CODES);
  if (how === 'merge')
    for (const each of [committed, own]) rmSync(`${each}${name}`, { recursive: true, force: true });
  if (how !== 'test') writeAll(`${how === 'merge' ? committed : own}${name}`, few);
  await dog.end();
  console.log(
    `fuzz js/${name}: ${runs} runs, ${reached} features, ${few.length} inputs, ${findings.length} findings`,
  );
  for (const { bytes, why, stack } of findings) {
    writeAll(kept, [bytes]);
    const shown = inspect(deserialize(bytes), {
      depth: 6,
      breakLength: 120,
      maxArrayLength: 20,
      maxStringLength: 80,
    });
    console.log(`  ${name} ${nameOf(bytes)}: ${why}\n${stack}\n  ${shown.slice(0, 600)}`);
    failed = true;
  }
}
process.exitCode = failed ? 1 : 0;
