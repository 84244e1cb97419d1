/* watchdog.mjs: a thread that ends the process when one input has been tried for too long, and
 * keeps that input.
 *
 * The shared words are a count of inputs and the size of the one being tried, the shared bytes that
 * input. */

import { mkdirSync, writeFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { workerData } from 'node:worker_threads';

const { words, bytes, file, seconds } = workerData;
let last = -1;
let since = 0;
setInterval(() => {
  const count = Atomics.load(words, 0);
  since = count === last ? since + 1 : 0;
  last = count;
  if (since < seconds || Atomics.load(words, 1) === 0) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes.slice(0, Atomics.load(words, 1)));
  writeSync(2, `hangs: an input has been tried for ${seconds} s; it is kept in ${file}\n`);
  process.kill(process.pid, 'SIGKILL');
}, 1000);
