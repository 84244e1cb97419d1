/* jena.test.js: TensorFlow.js's jena-weather: the temperature of half a day on, by the last day's
 * hours; what validates is later than what trains. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { normals, report } from './setting.js';

const normal = normals(17);
let drift = 0;
const hours = Array.from({ length: 1500 }, (_, hour) => {
  drift = 0.98 * drift + 0.2 * normal();
  const swing = Math.sin((2 * Math.PI * hour) / 24);
  return [10 + 6 * swing + 4 * drift, 1000 + 5 * drift + normal(), 60 - 10 * swing + normal()];
});
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

test('jena-weather', async (t) => {
  // A user writes:
  const known = hours.slice(0, 1200);
  const means = [0, 1, 2].map((i) => mean(known.map((hour) => hour[i])));
  const variances = means.map((m, i) => mean(known.map((hour) => (hour[i] - m) ** 2)));
  const starts = Array.from({ length: hours.length - 36 }, (_, i) => i);
  const x = starts.map((i) => hours.slice(i, i + 24));
  const y = starts.map((i) => (hours[i + 35][0] - means[0]) / Math.sqrt(variances[0]));
  const trainer = await createTrainer({
    inputShape: [24, 3],
    layers: [
      { type: 'normalization', mean: means, variance: variances },
      { type: 'gru', units: 24 },
      { type: 'dense', units: 1 },
    ],
    learningRate: 0.005,
    metrics: ['meanAbsoluteError'],
  });
  const result = await trainer.fit(x, y, {
    epochs: 30,
    validationSplit: 0.2,
    earlyStopping: { monitor: 'valMeanAbsoluteError', patience: 5, restoreBest: true },
    reduceOnPlateau: { monitor: 'valMeanAbsoluteError', patience: 2, factor: 0.3 },
  });
  // To here.
  const { valMeanAbsoluteError } = result.history[result.bestEpoch - 1];
  const held = starts.slice(Math.floor(starts.length * 0.8));
  const yesterday = mean(
    held.map((i) => Math.abs(hours[i + 35][0] - hours[i + 11][0]) / Math.sqrt(variances[0])),
  );
  report(t, import.meta.url, { valMeanAbsoluteError, yesterday });
  assert.ok(valMeanAbsoluteError < yesterday, `${valMeanAbsoluteError}, ${yesterday}`);
  assert.ok(result.restored);
  await trainer.dispose();
});
