/* setting.js: what the ports share: data from a seed, and what each of them prints.
 *
 * A port is a program of TensorFlow.js's, ml5's or micro:bit's examples, as it is written here.
 * What a user writes stands between two marks, and its lines are counted: neither empty ones nor
 * comments. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { numbers } from '../numbers.js';

export const BEGIN = '// A user writes:';
export const END = '// To here.';

/** Numbers of a normal distribution, by the sum of twelve even ones. @param {number} seed */
export function normals(seed) {
  const random = numbers(seed);
  return () => Array.from({ length: 12 }, random).reduce((sum, n) => sum + n, -6);
}

/** Items in another order. @template T @param {T[]} items @param {number} seed @returns {T[]} */
export function shuffled(items, seed) {
  const random = numbers(seed);
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** Samples and their targets. @param {{ x: any, y: any }[]} samples */
export const columns = (samples) => ({
  x: samples.map(({ x }) => x),
  y: samples.map(({ y }) => y),
});

/** Counts the lines between the marks of a file. @param {string} url */
export function linesOf(url) {
  const parts = readFileSync(new URL(url), 'utf8').split(BEGIN).slice(1);
  assert.ok(parts.length > 0, `${url} has no mark`);
  return parts
    .flatMap((part) => part.split(END)[0].split('\n'))
    .filter((line) => line.trim() && !line.trim().startsWith('//')).length;
}

/**
 * Prints what a port has reached.
 * @param {import('node:test').TestContext} t @param {string} url  the file's
 * @param {Record<string, number>} metrics
 */
export function report(t, url, metrics) {
  const told = Object.entries(metrics).map(([name, value]) => `${name} ${value.toFixed(3)}`);
  t.diagnostic(`${t.name}: ${told.join(', ')}; ${linesOf(url)} lines by hand`);
}
