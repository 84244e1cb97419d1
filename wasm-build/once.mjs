/* once.mjs: files that are made once from the same input.
 *
 * What a file is made of (text of sources and headers, flags, compiler) is hashed into a stamp
 * beside it; a file is made again only where the hash differs, and a failure leaves no file of an
 * older input behind. Node's own modules only. */

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { ROOT } from './lists.mjs';

/** @param {...(string | Buffer)} parts */
export function hash(...parts) {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(`${part.length}:`).update(part);
  return sum.digest('hex');
}

/**
 * One hash of all that is included from below a folder: it is small, so an object depends on all of
 * it.
 * @param {string} folder
 */
export function hashHeaders(folder) {
  const files = readdirSync(ROOT + folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(h|def)$/.test(name),
  );
  return hash(...files.sort().flatMap((name) => [name, readFileSync(`${ROOT}${folder}/${name}`)]));
}

/**
 * Makes `file` by `make(temporary)` unless it was made from the same input.
 * @param {string} file
 * @param {string} input hash
 * @param {(temporary: string) => Promise<unknown>} make
 * @returns {Promise<boolean>} whether it was made
 */
export async function once(file, input, make) {
  const stamp = `${file}.stamp`;
  if (existsSync(file) && existsSync(stamp) && readFileSync(stamp, 'utf8') === input) return false;
  rmSync(file, { force: true });
  const temporary = `${file}.${process.pid}`;
  try {
    await make(temporary);
    renameSync(temporary, file);
    writeFileSync(stamp, input);
  } finally {
    rmSync(temporary, { force: true });
  }
  return true;
}

/**
 * Runs the jobs, as many at a time as there are cores.
 * @param {Iterable<() => Promise<unknown>>} jobs
 */
export async function inParallel(jobs) {
  const queue = [...jobs].values();
  const worker = async () => {
    for (const job of queue) await job();
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}
