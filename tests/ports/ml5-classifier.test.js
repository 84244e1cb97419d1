/* ml5-classifier.test.js: ml5's NeuralNetwork that classifies: samples with named columns,
 * classes by their names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { numbers } from '../numbers.js';
import { report } from './setting.js';

const random = numbers(37);

test('ml5 classifier', async (t) => {
  const colours = Array.from({ length: 400 }, () => {
    const [r, g, b] = [0, 0, 0].map(() => Math.floor(256 * random()));
    return { r, g, b, name: r > g && r > b ? 'red-ish' : g > b ? 'green-ish' : 'blue-ish' };
  });
  // A user writes:
  const row = ({ r, g, b }) => [r / 255, g / 255, b / 255];
  const trainer = await createTrainer({
    inputShape: [3],
    layers: [
      { type: 'dense', units: 16, activation: 'relu' },
      { type: 'dense', units: 3, activation: 'softmax' },
    ],
    labels: ['red-ish', 'green-ish', 'blue-ish'],
    learningRate: 0.02,
  });
  const names = colours.map(({ name }) => name);
  const result = await trainer.fit(colours.map(row), names, { epochs: 40, validationSplit: 0.2 });
  const { label, confidence } = await trainer.predict(row({ r: 250, g: 20, b: 30 }));
  // To here.
  const { valAccuracy } = result.history.at(-1);
  report(t, import.meta.url, { valAccuracy, confidence });
  assert.equal(label, 'red-ish');
  assert.ok(valAccuracy >= 0.9, `${valAccuracy}`);
  await trainer.dispose();
});
