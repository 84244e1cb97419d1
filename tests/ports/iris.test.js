/* iris.test.js: TensorFlow.js's iris: three flowers by four numbers, whose confusion matrix is
 * shown at each epoch, of that very epoch. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { columns, normals, report, shuffled } from './setting.js';

const KINDS = ['setosa', 'versicolor', 'virginica'];
const normal = normals(1);
const flowers = KINDS.flatMap((y, kind) =>
  Array.from({ length: 50 }, () => ({
    x: [5 + 0.7 * kind, 3.2 - 0.3 * kind, 1.5 + 2 * kind, 0.3 + 0.9 * kind].map(
      (mean) => mean + 0.3 * normal(),
    ),
    y,
  })),
);
const mixed = shuffled(flowers, 2);
const train = columns(mixed.slice(0, 120));
const held = columns(mixed.slice(120));

test('iris', async (t) => {
  const shown = [];
  // A user writes:
  const trainer = await createTrainer({
    inputShape: [4],
    layers: [
      { type: 'dense', units: 10, activation: 'sigmoid' },
      { type: 'dense', units: 3, activation: 'softmax' },
    ],
    learningRate: 0.02,
    labels: KINDS,
    metrics: ['accuracy', 'confusionMatrix'],
  });
  const result = await trainer.fit(train.x, train.y, {
    epochs: 40,
    validationData: [held.x, held.y],
    onEpoch: async (record) => {
      const { label } = await trainer.predict(held.x);
      shown.push({ record, label });
    },
  });
  // To here.
  assert.equal(shown.length, 40);
  for (const { record, label } of shown) {
    const counts = new Float64Array(9);
    held.y.forEach((kind, i) => counts[3 * KINDS.indexOf(kind) + KINDS.indexOf(label[i])]++);
    assert.deepEqual(record.valConfusionMatrix.counts, counts, `epoch ${record.epoch}`);
  }
  const { valAccuracy } = result.history.at(-1);
  report(t, import.meta.url, { valAccuracy });
  assert.ok(valAccuracy >= 0.95, `${valAccuracy}`);
  await trainer.dispose();
});
