/* start.js: `npm run train`: everything from a bare machine to a network trained in the terminal.
 * Up to the training, Node's own modules only, because there may be no packages yet. */

import { build } from '../../wasm-build/build.mjs';
import { asCommand, ensurePackages, ensureTools } from '../../wasm-build/setup.mjs';
import { buildDigits } from '../digits-data/build.js';

await asCommand(async () => {
  ensureTools(['build']);
  ensurePackages();
  await build();
  buildDigits();
  const { main } = await import('./train.js');
  await main(process.argv.slice(2));
});
