/* boston.test.js: TensorFlow.js's boston-housing: a price by twelve numbers of other sizes, with
 * the weights of the best epoch at the end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { columns, normals, report } from './setting.js';

const normal = normals(3);
const houses = Array.from({ length: 420 }, () => {
  const x = Array.from({ length: 12 }, (_, i) => 10 * i + (1 + i) * normal());
  const scaled = x.map((value, i) => (value - 10 * i) / (1 + i));
  const price = 22 + 5 * scaled[0] - 3 * scaled[5] + 2 * scaled[7] * scaled[8];
  return { x, y: price + normal() };
});
const train = columns(houses.slice(0, 320));
const held = columns(houses.slice(320));
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

test('boston-housing', async (t) => {
  // A user writes:
  const means = train.x[0].map((_, i) => mean(train.x.map((row) => row[i])));
  const variances = means.map((m, i) => mean(train.x.map((row) => (row[i] - m) ** 2)));
  const trainer = await createTrainer({
    inputShape: [12],
    layers: [
      { type: 'normalization', mean: means, variance: variances },
      { type: 'dense', units: 50, activation: 'tanh' },
      { type: 'dense', units: 50, activation: 'tanh' },
      { type: 'dense', units: 1 },
    ],
    learningRate: 0.01,
    metrics: ['rootMeanSquaredError', 'r2'],
  });
  const result = await trainer.fit(train.x, train.y, {
    epochs: 200,
    validationSplit: 0.2,
    earlyStopping: { patience: 20, restoreBest: true },
    reduceOnPlateau: { patience: 8, factor: 0.3 },
  });
  const { loss, r2 } = await trainer.evaluate(held.x, held.y);
  // To here.
  const guess = mean(train.y);
  const baseline = mean(held.y.map((price) => (price - guess) ** 2));
  report(t, import.meta.url, { loss, baseline, r2, bestEpoch: result.bestEpoch });
  assert.equal(result.restored, true);
  const losses = result.history.map(({ valLoss }) => valLoss);
  assert.equal(losses[result.bestEpoch - 1], Math.min(...losses));
  const validated = await trainer.evaluate(train.x.slice(256), train.y.slice(256));
  assert.equal(Math.abs(validated.loss / Math.min(...losses) - 1) < 1e-5, true);
  assert.ok(loss < 0.3 * baseline, `${loss}, ${baseline}`);
  await trainer.dispose();
});
