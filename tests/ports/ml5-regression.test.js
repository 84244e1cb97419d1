/* ml5-regression.test.js: ml5's NeuralNetwork that answers with a number, in its own units. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { numbers } from '../numbers.js';
import { report } from './setting.js';

const random = numbers(37);

test('ml5 regression', async (t) => {
  const samples = Array.from({ length: 300 }, () => {
    const [width, height] = [10 + 90 * random(), 10 + 90 * random()];
    return { width, height, outline: 2 * (width + height) };
  });
  // A user writes:
  const row = ({ width, height }) => [width / 100, height / 100];
  const most = Math.max(...samples.map(({ outline }) => outline));
  const trainer = await createTrainer({
    inputShape: [2],
    layers: [
      { type: 'dense', units: 16, activation: 'relu' },
      { type: 'dense', units: 1 },
    ],
    learningRate: 0.01,
    metrics: ['r2'],
  });
  const targets = samples.map(({ outline }) => outline / most);
  const result = await trainer.fit(samples.map(row), targets, { epochs: 60, validationSplit: 0.2 });
  const { output } = await trainer.predict(row({ width: 40, height: 60 }));
  const outline = output[0] * most;
  // To here.
  const { valR2 } = result.history.at(-1);
  report(t, import.meta.url, { valR2, outline });
  assert.ok(valR2 > 0.98, `${valR2}`);
  assert.ok(Math.abs(outline - 200) < 10, `${outline}`);
  await trainer.dispose();
});
