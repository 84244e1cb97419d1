/* engine.mjs: the loop of the fuzzer: a value of the corpus is changed and tried; what reaches
 * something that none before it did joins the corpus; what should not happen is a finding.
 *
 * Findings: anything thrown but an OffstageError with a code of the list, more steps (counted by
 * the instrumented code) or memory than the size of the input explains, a second of time three
 * times over, and a changed prototype. A hang is the watchdog's to see: it knows the input that is
 * being tried. */

import { createHash } from 'node:crypto';
import { deserialize, getHeapStatistics, serialize } from 'node:v8';
import { mutate } from './values.mjs';

const MOST_BYTES = 65536; // of an input
const MOST_STEPS = (/** @type {number} */ size) => 100_000 + 1000 * size;
const MOST_MEMORY = (/** @type {number} */ size) => 32 * 2 ** 20 + 1000 * size;
const MOST_MS = 1000;

/**
 * @typedef {{ name: string, seeds: () => any[], words: string[], tokens?: Uint8Array[], run:
 *   (value: any) => void }} Target
 */
/** @typedef {{ bytes: Uint8Array, why: string, stack: string }} Finding */

/** The counters of the instrumented modules, as flat lists of [holder, key]. */
function readCounters() {
  const all = Object.values(/** @type {any} */ (globalThis).__coverage__ ?? {});
  return {
    plain: all.flatMap(({ s, f }) => [s, f]),
    lists: all.flatMap(({ b }) => Object.values(b)),
    steps: all.map(({ s }) => s),
  };
}

/** What an input reached: counters by magnitude. Counters are zero afterwards. */
export function createCoverage() {
  const { plain, lists } = readCounters();
  const holders = [...plain, ...lists];
  const keys = holders.map((holder) => Object.keys(holder));
  const count = keys.reduce((sum, each) => sum + each.length, 0);
  const seen = new Uint8Array(count * 8);
  let reached = 0;
  return {
    seen,
    /**
     * @param {boolean} keep
     * @returns {{ features: number[], steps: number }} features not seen before; where kept they
     *   are, from here on
     */
    collect(keep) {
      const features = [];
      let at = 0;
      let steps = 0;
      holders.forEach((holder, i) => {
        for (const key of keys[i]) {
          const n = holder[key];
          if (n > 0) {
            const feature = at * 8 + Math.min(7, Math.floor(Math.log2(n)));
            if (seen[feature] === 0) features.push(feature);
            if (i < plain.length) steps += n;
            holder[key] = 0;
          }
          at++;
        }
      });
      if (keep) for (const feature of features) seen[feature] = 1;
      if (keep) reached += features.length;
      return { features, steps };
    },
    get reached() {
      return reached;
    },
  };
}

const prototypes = [
  Object.prototype,
  Array.prototype,
  Function.prototype,
  String.prototype,
  Map.prototype,
  Error.prototype,
];
const names = () => prototypes.map((each) => Reflect.ownKeys(each).length).join();
const untouched = names();
const memory = () => {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
};

/**
 * Tries one input.
 * @param {Target} target @param {Uint8Array} bytes @param {readonly string[]} codes
 * @returns {{ why: string, stack: string, ms: number } | null}
 */
function tryOnce(target, bytes, codes) {
  const value = deserialize(bytes);
  const before = memory();
  const begin = performance.now();
  let why = '';
  let stack = '';
  try {
    target.run(value);
  } catch (error) {
    const { name, code } = /** @type {any} */ (error ?? {});
    if (name !== 'OffstageError' || !codes.includes(code)) {
      why = `threw ${String(error)}`;
      stack = String(/** @type {any} */ (error)?.stack)
        .split('\n')
        .slice(1, 4)
        .join('\n');
    }
  }
  const ms = performance.now() - begin;
  const taken = memory() - before;
  const size = bytes.length;
  if (!why && taken > MOST_MEMORY(size))
    why = `took ${Math.round(taken / 2 ** 20)} MiB for ${size} bytes`;
  if (!why && names() !== untouched) why = 'changed a prototype';
  return why || ms > MOST_MS ? { why, stack, ms } : null;
}

/**
 * @param {Target} target @param {Uint8Array} bytes @param {readonly string[]} codes
 * @returns {Omit<Finding, 'bytes'> | null}
 */
export function examine(target, bytes, codes) {
  let found = tryOnce(target, bytes, codes);
  for (let again = 0; found && !found.why && again < 2; again++)
    found = tryOnce(target, bytes, codes);
  if (!found) return null;
  return {
    why: found.why || `took ${Math.round(found.ms)} ms, three times, for ${bytes.length} bytes`,
    stack: found.stack,
  };
}

/**
 * @param {object} setting
 * @param {Target} setting.target
 * @param {Uint8Array[]} setting.corpus
 * @param {readonly string[]} setting.codes
 * @param {number} setting.seconds
 * @param {number} setting.most  runs
 * @param {(n: number) => number} setting.random
 * @param {(bytes: Uint8Array | null) => void} setting.about told of every input before it is tried,
 *   and of its end
 */
export function fuzz({ target, corpus: given, codes, seconds, most, random, about }) {
  const coverage = createCoverage();
  /** @type {Uint8Array[]} */ const corpus = [];
  /** @type {Map<string, Finding>} */ const findings = new Map();
  const dictionary = {
    words: target.words,
    tokens: target.tokens ?? target.words.map((word) => new TextEncoder().encode(word)),
  };
  const end = performance.now() + 1000 * seconds;
  let runs = 0;
  /** @param {Uint8Array} bytes @param {boolean} always */
  const attempt = (bytes, always) => {
    about(bytes);
    runs++;
    coverage.collect(false);
    const found = examine(target, bytes, codes);
    about(null);
    const { features, steps } = coverage.collect(true);
    const size = bytes.length;
    const why =
      found?.why ?? (steps > MOST_STEPS(size) ? `took ${steps} steps for ${size} bytes` : null);
    const stack = found?.stack ?? '';
    const key = `${why?.replace(/[\d.]+/g, '#').slice(0, 60)} ${stack.split('\n')[0]}`;
    if (why && !findings.has(key)) findings.set(key, { bytes, why, stack });
    if (!why && (always || features.length > 0)) corpus.push(bytes);
  };
  for (const bytes of given) attempt(bytes, true);
  for (const seed of target.seeds()) attempt(serialize(seed), true);
  while (runs < most && performance.now() < end) {
    const pick = () =>
      corpus[
        random(3) ? random(corpus.length) : corpus.length - 1 - random(Math.min(8, corpus.length))
      ];
    /** @type {Uint8Array} */ let bytes;
    try {
      bytes = serialize(mutate(deserialize(pick()), random, dictionary, deserialize(pick())));
    } catch {
      continue; // what cannot be cloned cannot be sent
    }
    if (bytes.length <= MOST_BYTES) attempt(bytes, false);
  }
  return { runs, corpus, reached: coverage.reached, findings: [...findings.values()] };
}

/**
 * The fewest inputs that reach what all reach, the small ones first.
 * @param {Target} target @param {Uint8Array[]} corpus @param {readonly string[]} codes
 */
export function minimize(target, corpus, codes) {
  const coverage = createCoverage();
  return [...corpus]
    .sort((a, b) => a.length - b.length)
    .filter((bytes) => {
      coverage.collect(false);
      tryOnce(target, bytes, codes);
      return coverage.collect(true).features.length > 0;
    });
}

/** @param {Uint8Array} bytes */
export const nameOf = (bytes) => createHash('sha1').update(bytes).digest('hex').slice(0, 12);
