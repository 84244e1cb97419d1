/* date-conversion.test.js: TensorFlow.js's date-conversion-attention: dates written in two ways
 * become one; each character looks at the others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { numbers } from '../numbers.js';
import { columns, report } from './setting.js';

const CHARACTERS = [...'0123456789-/'];
const random = numbers(13);
const two = (from, to) => `${from + Math.floor((to - from + 1) * random())}`.padStart(2, '0');
const dates = Array.from({ length: 1200 }, () => {
  const [day, month, year] = [two(1, 28), two(1, 12), two(0, 99)];
  const x = random() < 0.5 ? `${day}/${month}/${year}` : `${month}-${day}-${year}`;
  return { x, y: `${year}-${month}-${day}` };
});
const train = columns(dates.slice(0, 1000));
const held = columns(dates.slice(1000));

test('date-conversion-attention', async (t) => {
  // A user writes:
  const indices = (texts) => texts.map((text) => [...text].map((c) => CHARACTERS.indexOf(c)));
  const trainer = await createTrainer({
    inputShape: [8],
    layers: [
      { type: 'embedding', inputDim: 12, outputDim: 32 },
      { type: 'positionEmbedding', sequenceLength: 8, name: 'read' },
      { type: 'multiHeadAttention', numHeads: 4, keyDim: 16 },
      { type: 'add', input: ['read', 'multiHeadAttention'], name: 'seen' },
      { type: 'dense', units: 64, activation: 'relu' },
      { type: 'dense', units: 12, activation: 'softmax' },
    ],
    labels: CHARACTERS,
  });
  const result = await trainer.fit(indices(train.x), indices(train.y), {
    epochs: 60,
    learningRate: { type: 'oneCycle', maxLearningRate: 0.01, totalSteps: 60 * 32 },
    validationData: [indices(held.x), indices(held.y)],
    until: { valAccuracy: 0.98 },
  });
  const { label } = await trainer.predict(indices(['24/12/63']));
  // To here.
  const { valAccuracy } = result.history.at(-1);
  report(t, import.meta.url, { valAccuracy, epochs: result.epochs });
  assert.equal(result.reason, 'reached');
  assert.equal(label.length, 8);
  await trainer.dispose();
});
