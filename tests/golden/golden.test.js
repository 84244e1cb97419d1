/* golden.test.js: the table of networks, against TensorFlow.js: in the variant that is taken by
 * itself, and with relaxed SIMD where Node has it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { createTrainer } from '../../web/index.js';
import { withoutRelaxed } from '../relaxed.js';
import { assertClose, compare, trainHere, worst } from './compare.js';
import { beginWith } from './data.js';
import { NETS } from './nets.js';
import { bowl, ownLayer } from './tensorflow.js';

const OUTPUT_TOLERANCE = 1e-4;
const skip = withoutRelaxed();
if (skip) test('with relaxed SIMD', { skip }, () => {});

for (const net of NETS) {
  test(net.name, async (t) => {
    const { model, wanted } = await compare(net);
    if (skip) return;
    await t.test('with relaxed SIMD', async () => {
      const relaxed = await trainHere(net, model, { deterministic: false });
      assert.equal(relaxed.info.variant, 'relaxed');
      assertClose(relaxed, wanted);
    });
  });
}
for (const fields of [
  { units: 6 },
  { units: 3, returnSequences: true },
  { units: 5, activation: 'relu', useBias: false },
]) {
  test(`TF.js's own lstm ${JSON.stringify(fields)} has the same weights`, async () => {
    const trainer = await createTrainer(
      { inputShape: [7, 4], layers: [{ type: 'lstm', ...fields }], seed: 8 },
      { mode: 'main' },
    );
    const weights = beginWith(await trainer.getWeights());
    const names = ['lstm/kernel', 'lstm/recurrent_kernel', 'lstm/bias'];
    assert.deepEqual(
      weights.map(({ name }) => name),
      fields.useBias === false ? names.slice(0, 2) : names,
    );
    await trainer.setWeights(weights);
    const x = {
      data: Float32Array.from({ length: 5 * 28 }, (_, i) => Math.sin(i * i)),
      shape: [5, 7, 4],
    };
    const { output } = await trainer.predict(x);
    await trainer.dispose();
    const wanted = ownLayer('lstm', fields, weights, x);
    assert.equal(output.length, wanted.length);
    assert.ok(
      worst(output, wanted) <= OUTPUT_TOLERANCE,
      `outputs differ by ${worst(output, wanted)}`,
    );
  });
}

/* What TF.js lacks is written by hand (tensorflow/optimizers.js): the same rules, where it has
 * them. */
for (const optimizer of [
  'sgd',
  { type: 'sgd', momentum: 0.9, nesterov: true },
  'adam',
  'adamax',
  { type: 'rmsprop', momentum: 0.5 },
  'adagrad',
]) {
  test(`TF.js's own ${JSON.stringify(optimizer)} is the one by hand`, () => {
    const [own, hand] = [false, true].map((byHand) => bowl(optimizer, byHand));
    assert.ok(worst(hand, own) <= 1e-5, `off by ${worst(hand, own)}`);
  });
}
