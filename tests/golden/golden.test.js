/* golden.test.js: Offstage against TensorFlow.js: from the same weights, ten full-batch steps each; in the variant that
 * is taken by itself, and with relaxed SIMD where Node has it.
 *
 * The loss of every step agrees within 1e-5 relative, and outputs within 1e-4 of the larger of 1 and their size:
 * what single precision leaves after ten steps of networks of this size. Tolerances are for all nets the same, and
 * for relaxed SIMD too: an addition whose product was not rounded is off by no more than one whose product was. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { createTrainer } from '../../web/index.js';
import { NETS, STEPS, beginWith, dataOf, netAtRandom } from './nets.js';
import { ownLayer, trainWithTensorFlow } from './tensorflow.js';
import { withoutRelaxed } from '../relaxed.js';

const AT_RANDOM = 25;
const LOSS_TOLERANCE = 1e-5;
const OUTPUT_TOLERANCE = 1e-4;

const relative = (got, wanted) => Math.abs(got - wanted) / Math.abs(wanted);
const worst = (got, wanted) =>
  got.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i]) / Math.max(1, Math.abs(wanted[i]))), 0);

/** Trains the net from known weights. @param {object} options @param {(weights: any, data: any) => any} [first] hears of both */
async function trainHere(net, options, first) {
  const trainer = await createTrainer(net.spec, { mode: 'main', ...options });
  try {
    const { info } = trainer;
    const data = { ...dataOf(net, info), samples: net.samples };
    const weights = beginWith(await trainer.getWeights());
    first?.(weights, data);
    await trainer.setWeights(weights);
    const x = { data: data.x, shape: [net.samples, ...net.spec.inputShape] };
    const before = (await trainer.predict(x)).output;
    const { history } = await trainer.fit(data.x, data.y, { epochs: STEPS, batchSize: net.samples, shuffle: false });
    return { info, before, history, after: (await trainer.predict(x)).output };
  } finally {
    await trainer.dispose();
  }
}

function assertClose({ before, history, after }, wanted) {
  assert.equal(before.length, wanted.before.length);
  assert.ok(worst(before, wanted.before) <= OUTPUT_TOLERANCE, `outputs before differ by ${worst(before, wanted.before)}`);
  for (let i = 0; i < STEPS; i++) {
    const error = relative(history[i].loss, wanted.losses[i]);
    assert.ok(error <= LOSS_TOLERANCE, `loss ${i + 1}: got ${history[i].loss}, TF.js has ${wanted.losses[i]}: off by ${error}`);
  }
  assert.ok(worst(after, wanted.after) <= OUTPUT_TOLERANCE, `outputs after differ by ${worst(after, wanted.after)}`);
}

const skip = withoutRelaxed();
if (skip) test('with relaxed SIMD', { skip }, () => {});

for (const net of [...NETS, ...Array.from({ length: AT_RANDOM }, (_, i) => netAtRandom(i))]) {
  test(net.name, async (t) => {
    let wanted;
    const got = await trainHere(net, {}, (weights, data) => {
      wanted = trainWithTensorFlow(net.spec, weights, data, STEPS);
    });
    assertClose(got, wanted);
    if (skip) return;
    await t.test('with relaxed SIMD', async () => {
      const relaxed = await trainHere(net, { deterministic: false });
      assert.equal(relaxed.info.variant, 'relaxed');
      assertClose(relaxed, wanted);
    });
  });
}

for (const fields of [{ units: 6 }, { units: 3, returnSequences: true }, { units: 5, activation: 'relu', useBias: false }]) {
  test(`TF.js's own lstm ${JSON.stringify(fields)} has the same weights`, async () => {
    const trainer = await createTrainer({ inputShape: [7, 4], layers: [{ type: 'lstm', ...fields }], seed: 8 }, { mode: 'main' });
    const weights = beginWith(await trainer.getWeights());
    const names = ['lstm/kernel', 'lstm/recurrent_kernel', 'lstm/bias'];
    assert.deepEqual(weights.map(({ name }) => name), fields.useBias === false ? names.slice(0, 2) : names);
    await trainer.setWeights(weights);
    const x = { data: Float32Array.from({ length: 5 * 28 }, (_, i) => Math.sin(i * i)), shape: [5, 7, 4] };
    const { output } = await trainer.predict(x);
    await trainer.dispose();
    const wanted = ownLayer('lstm', fields, weights, x);
    assert.equal(output.length, wanted.length);
    assert.ok(worst(output, wanted) <= OUTPUT_TOLERANCE, `outputs differ by ${worst(output, wanted)}`);
  });
}
