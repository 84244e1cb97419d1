/* run.js: `npm run soak`: the whole soak, hours of it: walks, deaths, slopes, damaged checkpoints,
 * and of the bits every way there is, in Node and in Chromium. `npm test` does a slice of each
 * (tests/run.js).
 *
 * `npm run soak -- walk` runs the files named; OFFSTAGE_SEED=7 starts from another seed,
 * OFFSTAGE_SEED=now from one that nobody has tried. The status is zero only where all passed. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from '../../wasm-build/build.mjs';
import { SetupError, asCommand, ensurePackages, ensureTools } from '../../wasm-build/setup.mjs';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const SUFFIX = '.test.js';
/** Products of which `npm test` has the pairs. @type {Record<string, string>} */
const ELSEWHERE = { bits: '../bits/bits', 'bits-browser': '../browser/bits' };

await asCommand(async () => {
  const here = readdirSync(FOLDER)
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => name.slice(0, -SUFFIX.length));
  const all = [...here, ...Object.keys(ELSEWHERE)].sort();
  const asked = process.argv.slice(2);
  const unknown = asked.filter((name) => !all.includes(name));
  if (unknown.length > 0)
    throw new SetupError(`unknown: ${unknown.join(' ')}; expected any of ${all.join(' ')}`);
  ensureTools(['build', 'test']);
  ensurePackages();
  await build();
  const files = (asked.length > 0 ? asked : all).map(
    (name) => `${FOLDER}${ELSEWHERE[name] ?? name}${SUFFIX}`,
  );
  const { status } = spawnSync(process.execPath, ['--test', '--test-concurrency=2', ...files], {
    stdio: 'inherit',
    env: { ...process.env, OFFSTAGE_SOAK: '1' },
  });
  if (status !== 0) throw new SetupError('the soak failed');
});
