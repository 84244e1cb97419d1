/* random.test.js: nets drawn at random, against TensorFlow.js. `npm run fuzz:nets` draws any number
 * of others. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { withoutRelaxed } from '../relaxed.js';
import { checkSeed } from './random/check.js';

const NETS = 500;
/* With relaxed SIMD too, one in so many. */
const RELAXED = 8;
const MOST_DRAWN_AGAIN = 0.05 * NETS;
const skip = withoutRelaxed();
let drawnAgain = 0;

for (let seed = 1; seed <= NETS; seed++) {
  test(`at random ${seed}`, async () => {
    for (const options of seed % RELAXED || skip ? [{}] : [{}, { deterministic: false }]) {
      const { net, error, draws } = await checkSeed(seed, options);
      if (error)
        throw new Error(
          `${error.message}\n  npm run fuzz:nets -- --seed ${seed} --count 1\n  ${JSON.stringify(net.spec)}`,
          { cause: error },
        );
      if (draws > 1) drawnAgain++;
    }
  });
}

test('few nets are too much for single precision', () => {
  assert.ok(drawnAgain <= MOST_DRAWN_AGAIN, `${drawnAgain} of ${NETS} were drawn again`);
});
