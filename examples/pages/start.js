/* start.js: `npm run pages`: the static site of the demo in site/, or in the folder that is named.
 * Installs what is missing and builds what has changed. Node's own modules only. */

import { resolve } from 'node:path';
import { build } from '../../wasm-build/build.mjs';
import { SetupError, asCommand, ensurePackages, ensureTools } from '../../wasm-build/setup.mjs';
import { buildDigits } from '../digits-data/build.js';
import { writeSite } from './site.js';

await asCommand(async () => {
  const [folder = 'site', ...more] = process.argv.slice(2);
  if (more.length) throw new SetupError(`unknown: ${more.join(' ')}; expected one folder at most`);
  ensureTools(['build']);
  ensurePackages();
  await build();
  buildDigits();
  writeSite(resolve(folder));
  console.log(`\n  ${folder}/ is the site: any server of files will do, below any path\n`);
});
