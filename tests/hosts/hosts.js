/* hosts.js: the hosts that are tried, each by the test file of its name: those that most people use
 * come first. In CI a third of them has its turn, by the number of the commit. */

import { execFileSync } from 'node:child_process';
import { ROOT } from '../../wasm-build/lists.mjs';

export const HOSTS = [
  'vite',
  'jest',
  'vitest',
  'next',
  'angular',
  'parcel',
  'react',
  'bun',
  'deno',
  'iframes',
  'copies',
  'node-bundles',
  'iife',
  'extension',
  'service-worker',
];

export const THIRDS = 3;

/** @param {number} number from 0 on; the thirds take turns @returns {string[]} */
export const third = (number) => HOSTS.filter((_, i) => i % THIRDS === number % THIRDS);

/** Counts the commits up to the one that is checked out. */
export const commitNumber = () =>
  Number(execFileSync('git', ['rev-list', '--count', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }));
