/* run.mjs: `npm test -- hosts`: an app in every host; `npm test -- hosts-third`: in a third of
 * them.
 *
 * Which third has its turn follows from the number of the commit alone. The package is packed once,
 * and what plain Node computes with it is told to all tests. */

import { spawnSync } from 'node:child_process';
import { ROOT } from '../../wasm-build/lists.mjs';
import { HOSTS, THIRDS, commitNumber, third } from './hosts.js';
import { inNode, tarball } from './setting.js';

let hosts = HOSTS;
if (process.argv[2] === 'third') {
  const number = commitNumber();
  hosts = third(number);
  console.log(`hosts: third ${(number % THIRDS) + 1} of ${THIRDS}, for commit number ${number}`);
}
console.log(`hosts that run: ${hosts.join(', ')}`);
const rest = HOSTS.filter((host) => !hosts.includes(host));
if (rest.length > 0) console.log(`hosts whose turn it is not: ${rest.join(', ')}`);

const { status } = spawnSync(
  process.execPath,
  [
    '--test',
    '--test-concurrency=1',
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    ...hosts.map((host) => `tests/hosts/${host}.test.js`),
  ],
  {
    cwd: ROOT,
    stdio: 'inherit',
    env: {
      ...process.env,
      OFFSTAGE_HOSTS_TARBALL: tarball(),
      OFFSTAGE_HOSTS_EXPECTED: JSON.stringify(inNode()),
    },
  },
);
process.exitCode = status ?? 1;
