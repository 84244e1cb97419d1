/* phishing.test.js: TensorFlow.js's website-phishing: good or bad by thirty signs, with precision,
 * recall and the area below the curve of what validates. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { numbers } from '../numbers.js';
import { columns, normals, report } from './setting.js';

const random = numbers(29);
const normal = normals(31);
const signs = Array.from({ length: 30 }, () => 0.7 * normal());
const sites = Array.from({ length: 1200 }, () => {
  const x = signs.map(() => Math.floor(3 * random()) - 1);
  const evidence = x.reduce((sum, value, i) => sum + value * signs[i], 0);
  return { x, y: Number(evidence + 0.5 * normal() > 0) };
});
const train = columns(sites.slice(0, 900));
const held = columns(sites.slice(900));

test('website-phishing', async (t) => {
  // A user writes:
  const trainer = await createTrainer({
    inputShape: [30],
    layers: [
      { type: 'dense', units: 100, activation: 'sigmoid' },
      { type: 'dense', units: 1, activation: 'sigmoid' },
    ],
    metrics: ['accuracy', 'precision', 'recall', 'specificity', 'auc'],
  });
  const result = await trainer.fit(train.x, train.y, {
    epochs: 40,
    validationSplit: 0.2,
    earlyStopping: { monitor: 'valAuc', patience: 5, restoreBest: true },
  });
  const measured = await trainer.evaluate(held.x, held.y);
  // To here.
  const { precision, recall, specificity, auc } = measured;
  report(t, import.meta.url, { auc, precision, recall, falsePositives: 1 - specificity });
  assert.ok(auc > 0.95 && precision > 0.8 && recall > 0.8, JSON.stringify(measured));
  assert.ok(result.bestEpoch > 0);
  await trainer.dispose();
});
