/* golden.test.js: Offstage against TensorFlow.js: from the same weights, ten full-batch steps each.
 *
 * The loss of every step agrees within 1e-5 relative, and outputs within 1e-4 of the larger of 1 and their size:
 * what single precision leaves after ten steps of networks of this size. Tolerances are for all nets the same. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { createTrainer } from '../../web/index.js';
import { NETS, STEPS, beginWith, dataOf, netAtRandom } from './nets.js';
import { trainWithTensorFlow } from './tensorflow.js';

const AT_RANDOM = 25;
const LOSS_TOLERANCE = 1e-5;
const OUTPUT_TOLERANCE = 1e-4;

const relative = (got, wanted) => Math.abs(got - wanted) / Math.abs(wanted);
const worst = (got, wanted) =>
  got.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i]) / Math.max(1, Math.abs(wanted[i]))), 0);

for (const net of [...NETS, ...Array.from({ length: AT_RANDOM }, (_, i) => netAtRandom(i))]) {
  test(net.name, async () => {
    const trainer = await createTrainer(net.spec, { mode: 'main' });
    try {
      const data = { ...dataOf(net, trainer.info), samples: net.samples };
      const weights = beginWith(await trainer.getWeights());
      const wanted = trainWithTensorFlow(net.spec, weights, data, STEPS);
      await trainer.setWeights(weights);
      const before = (await trainer.predict({ data: data.x, shape: [net.samples, ...net.spec.inputShape] })).output;
      const { history } = await trainer.fit(data.x, data.y, { epochs: STEPS, batchSize: net.samples, shuffle: false });
      const after = (await trainer.predict({ data: data.x, shape: [net.samples, ...net.spec.inputShape] })).output;

      assert.equal(before.length, wanted.before.length);
      assert.ok(worst(before, wanted.before) <= OUTPUT_TOLERANCE, `outputs before differ by ${worst(before, wanted.before)}`);
      for (let i = 0; i < STEPS; i++) {
        const error = relative(history[i].loss, wanted.losses[i]);
        assert.ok(error <= LOSS_TOLERANCE, `loss ${i + 1}: got ${history[i].loss}, TF.js has ${wanted.losses[i]}: off by ${error}`);
      }
      assert.ok(worst(after, wanted.after) <= OUTPUT_TOLERANCE, `outputs after differ by ${worst(after, wanted.after)}`);
    } finally {
      await trainer.dispose();
    }
  });
}
