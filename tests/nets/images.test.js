/* images.test.js: image networks of the kinds that apps train, on digits: each learns to tell
 * digits that it has not seen, and a convolutional autoencoder to draw them.
 *
 * The bounds lie below what such nets are known to reach with 2,000 digits in a few epochs (a
 * linear classifier gets some 85 %), and far above chance: a layer whose gradient is wrong does not
 * get there. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { accuracyOnDigits, digits, withTrainer } from './setting.js';

const conv = (filters, kernelSize, more) => ({
  type: 'conv2d',
  filters,
  kernelSize,
  padding: 'same',
  ...more,
});
const norm = (activation = 'relu') => [
  { type: 'batchNormalization', momentum: 0.9 },
  { type: 'activation', activation },
];

test('a small convnet', async () => {
  const accuracy = await accuracyOnDigits(
    [
      conv(8, 3, { activation: 'relu' }),
      { type: 'maxPooling2d' },
      conv(16, 3, { activation: 'relu' }),
      { type: 'maxPooling2d' },
      { type: 'flatten' },
      { type: 'dropout', rate: 0.2 },
    ],
    { samples: 2000, epochs: 5 },
  );
  assert.ok(accuracy > 0.92, `${accuracy} of the held-out digits`);
});

test('a MobileNet-like net: depthwise and pointwise convolutions, batch normalisation', async () => {
  const block = (filters, strides) => [
    { type: 'depthwiseConv2d', kernelSize: 3, strides, padding: 'same', useBias: false },
    ...norm('relu6'),
    conv(filters, 1, { useBias: false }),
    ...norm('relu6'),
  ];
  const accuracy = await accuracyOnDigits(
    [
      conv(8, 3, { strides: 2, useBias: false }),
      ...norm('relu6'),
      ...block(16, 1),
      ...block(32, 2),
      { type: 'separableConv2d', filters: 48, kernelSize: 3, padding: 'same', activation: 'relu' },
      { type: 'globalAveragePooling2d' },
    ],
    { samples: 4000, epochs: 10, learningRate: 0.005 },
  );
  assert.ok(accuracy > 0.9, `${accuracy} of the held-out digits`);
});

test('a ResNet-like net: blocks that add their input', async () => {
  const block = (name, input, filters, strides) => [
    ...(strides === 1 ? [] : [conv(filters, 1, { strides, name: `${name}_short`, input })]),
    conv(filters, 3, { strides, useBias: false, input }),
    ...norm(),
    conv(filters, 3, { useBias: false }),
    { type: 'batchNormalization', momentum: 0.9, name: `${name}_body` },
    { type: 'add', input: [`${name}_body`, strides === 1 ? input : `${name}_short`] },
    { type: 'activation', activation: 'relu', name },
  ];
  const accuracy = await accuracyOnDigits(
    [
      conv(8, 3, { strides: 2, activation: 'relu', name: 'stem' }),
      ...block('one', 'stem', 8, 1),
      ...block('two', 'one', 16, 2),
      ...block('three', 'two', 16, 1),
      { type: 'globalAveragePooling2d' },
    ],
    { samples: 2000, epochs: 5, learningRate: 0.004 },
  );
  assert.ok(accuracy > 0.9, `${accuracy} of the held-out digits`);
});

test('an autoencoder draws digits that it has not seen', async () => {
  const { train, held } = digits(2000, 300);
  const scaled = (bytes) => Float32Array.from(bytes, (v) => v / 255);
  const [x, unseen] = [scaled(train.x), scaled(held.x)];
  const mean = new Float32Array(784);
  x.forEach((v, i) => (mean[i % 784] += v / 2000));
  const squared = (of) => unseen.reduce((sum, v, i) => sum + (v - of(i)) ** 2, 0) / unseen.length;
  await withTrainer(
    {
      inputShape: [28, 28, 1],
      learningRate: 0.004,
      loss: 'meanSquaredError',
      metrics: [],
      layers: [
        conv(8, 3, { strides: 2, activation: 'relu' }),
        conv(16, 3, { strides: 2, activation: 'relu' }),
        { type: 'flatten' },
        { type: 'dense', units: 24 },
        { type: 'dense', units: 784, activation: 'relu' },
        { type: 'reshape', targetShape: [7, 7, 16] },
        {
          type: 'conv2dTranspose',
          filters: 8,
          kernelSize: 3,
          strides: 2,
          padding: 'same',
          activation: 'relu',
        },
        { type: 'upSampling2d', size: 2 },
        conv(1, 3, { activation: 'sigmoid' }),
      ],
    },
    async (trainer) => {
      await trainer.fit(x, x, { epochs: 8, batchSize: 32 });
      const { output } = await trainer.predict({ data: unseen, shape: [300, 28, 28, 1] });
      const [error, without] = [squared((i) => output[i]), squared((i) => mean[i % 784])];
      assert.ok(error < without / 3, `an error of ${error}; that of the mean digit is ${without}`);
    },
  );
});
