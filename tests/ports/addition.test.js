/* addition.test.js: TensorFlow.js's addition-rnn: '12+7' becomes '19', character by character. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { columns, report, shuffled } from './setting.js';

const CHARACTERS = [...'0123456789+ '];
const sums = Array.from({ length: 900 }, (_, i) => [Math.floor(i / 30), i % 30]).map(([a, b]) => ({
  x: `${a}+${b}`.padEnd(5),
  y: `${a + b}`.padEnd(2),
}));
const mixed = shuffled(sums, 11);
const train = columns(mixed.slice(0, 800));
const held = columns(mixed.slice(800));

test('addition-rnn', async (t) => {
  // A user writes:
  const indices = (texts) => texts.map((text) => [...text].map((c) => CHARACTERS.indexOf(c)));
  const trainer = await createTrainer({
    inputShape: [5],
    layers: [
      { type: 'embedding', inputDim: 12, outputDim: 12, embeddingsInitializer: 'identity' },
      { type: 'gru', units: 64 },
      { type: 'repeatVector', n: 2 },
      { type: 'gru', units: 64, returnSequences: true },
      { type: 'dense', units: 12, activation: 'softmax' },
    ],
    learningRate: 0.005,
    labels: CHARACTERS,
  });
  const result = await trainer.fit(indices(train.x), indices(train.y), {
    epochs: 120,
    validationData: [indices(held.x), indices(held.y)],
    until: { valAccuracy: 0.95 },
  });
  const { label } = await trainer.predict(indices(['12+7 ']));
  // To here.
  const { valAccuracy } = result.history.at(-1);
  report(t, import.meta.url, { valAccuracy, epochs: result.epochs });
  assert.equal(result.reason, 'reached');
  assert.equal(label.length, 2);
  await trainer.dispose();
});
