/* mnist.test.js: TensorFlow.js's mnist: pictures of ten digits by convolutions, whose loss is drawn
 * at each batch; the run ends where it is good enough. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { numbers } from '../numbers.js';
import { report } from './setting.js';

const SAMPLES = 800;
const random = numbers(5);
const digits = Array.from({ length: 10 }, () => Array.from({ length: 49 }, () => random() < 0.4));
const labels = Uint8Array.from({ length: SAMPLES }, (_, i) => i % 10);
const images = new Uint8Array(SAMPLES * 784);
for (let i = 0; i < images.length; i++) {
  const [row, column] = [Math.floor((i % 784) / 28), i % 28];
  const on = digits[labels[Math.floor(i / 784)]][7 * (row >> 2) + (column >> 2)];
  images[i] = 160 * Number(on) + 95 * random();
}

test('mnist', async (t) => {
  const drawn = [];
  // A user writes:
  const trainer = await createTrainer({
    inputShape: [28, 28, 1],
    layers: [
      { type: 'conv2d', filters: 8, kernelSize: 5, activation: 'relu' },
      { type: 'maxPooling2d', poolSize: 2 },
      { type: 'conv2d', filters: 16, kernelSize: 5, activation: 'relu' },
      { type: 'maxPooling2d', poolSize: 2 },
      { type: 'flatten' },
      { type: 'dense', units: 10, activation: 'softmax' },
    ],
    optimizer: 'rmsprop',
    inputScale: 1 / 255,
  });
  const run = trainer.fit(images, labels, {
    epochs: 20,
    validationSplit: 0.15,
    batchRecords: 'every',
    until: { valAccuracy: 0.97 },
  });
  run.addEventListener('batch', ({ detail }) => drawn.push(detail.batchLoss));
  const result = await run;
  // To here.
  const { valAccuracy } = result.history.at(-1);
  report(t, import.meta.url, { valAccuracy, epochs: result.epochs });
  assert.equal(result.reason, 'reached');
  assert.equal(drawn.length, result.steps);
  assert.ok(valAccuracy >= 0.97);
  await trainer.dispose();
});
