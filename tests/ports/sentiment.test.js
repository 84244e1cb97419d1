/* sentiment.test.js: TensorFlow.js's sentiment: texts of unlike lengths, good or bad. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { numbers } from '../numbers.js';
import { columns, report } from './setting.js';

const random = numbers(7);
const below = (n) => Math.floor(n * random());
/** Words 1 to 20 are good, 21 to 40 bad, the rest of 100 say nothing. */
const reviews = Array.from({ length: 600 }, () => {
  const y = below(2);
  const words = Array.from({ length: 8 + below(12) }, () =>
    random() < 0.35 ? 1 + 20 * Number(random() < 0.8 ? !y : y) + below(20) : 41 + below(60),
  );
  return { x: words, y };
});
const { x: texts, y: moods } = columns(reviews);

test('sentiment', async (t) => {
  // A user writes:
  const padded = texts.map((words) => [...words, ...Array(20).fill(0)].slice(0, 20));
  const trainer = await createTrainer({
    inputShape: [20],
    layers: [
      { type: 'embedding', inputDim: 101, outputDim: 16, maskZero: true },
      { type: 'globalAveragePooling1d' },
      { type: 'dense', units: 1, activation: 'sigmoid' },
    ],
    learningRate: 0.01,
    metrics: ['accuracy', 'auc'],
  });
  const result = await trainer.fit(padded, moods, {
    epochs: 30,
    validationSplit: 0.25,
    splitBy: 'stratified',
    earlyStopping: { monitor: 'valAuc', patience: 5, restoreBest: true },
  });
  // To here.
  const { valAuc, valAccuracy } = result.history[result.bestEpoch - 1];
  report(t, import.meta.url, { valAuc, valAccuracy });
  assert.ok(valAuc > 0.9, `${valAuc}`);
  await trainer.dispose();
});
