/* fuzz.js: `npm run fuzz:nets -- --count N --seed S`: nets of the seeds from S on, against
 * TensorFlow.js. A net that fails is printed, and the smallest that was found to fail like it. */
import { build } from '../../wasm-build/build.mjs';
import { asCommand, ensurePackages, ensureTools, SetupError } from '../../wasm-build/setup.mjs';

/** @param {string[]} args */
function read(args) {
  const options = { count: 1000, seed: 1000 };
  for (let i = 0; i < args.length; i += 2) {
    const name = args[i].replace(/^--/, '');
    const value = Number(args[i + 1]);
    if (!(name in options) || !Number.isInteger(value) || value < 0)
      throw new SetupError(`${args.slice(i).join(' ')}: expected --count N or --seed S`);
    options[name] = value;
  }
  return options;
}

await asCommand(async () => {
  const { count, seed } = read(process.argv.slice(2));
  ensureTools(['build']);
  ensurePackages();
  await build();
  const { checkSeed, failureOf, shrink } = await import('./random/check.js');
  const failed = [];
  let again = 0;
  for (let at = seed; at < seed + count; at++) {
    const { net, error, draws } = await checkSeed(at);
    if (draws > 1) again++;
    if (!error) continue;
    failed.push(at);
    console.log(`\nseed ${at}: ${error.message}\n${JSON.stringify(net.spec)}`);
    const { spec, samples } = await shrink(net, failureOf);
    console.log(`smallest, of ${samples} samples:\n${JSON.stringify(spec)}`);
  }
  console.log(
    `\n${count} nets from seed ${seed} on: ${failed.length} failed, ${again} drawn again`,
  );
  if (failed.length) throw new SetupError(`failed: ${failed.join(' ')}`);
});
