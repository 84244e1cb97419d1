/* names.test.js: a name that is nearly right, or that another library has for the same, is refused
 * with what was meant. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { cloudSpec, clouds, refused } from './api-setting.js';

/** Types of layers, as others call them. */
const LAYERS = {
  Dense: 'dense',
  dens: 'dense',
  Linear: 'dense',
  'nn.Linear': 'dense',
  fullyConnected: 'dense',
  Conv2D: 'conv2d',
  conv_2d: 'conv2d',
  conv: 'conv2d',
  convolution2d: 'conv2d',
  Conv1D: 'conv1d',
  maxPool2d: 'maxPooling2d',
  MaxPooling2D: 'maxPooling2d',
  max_pooling2d: 'maxPooling2d',
  'nn.MaxPool2d': 'maxPooling2d',
  AvgPool2d: 'averagePooling2d',
  averagePool2d: 'averagePooling2d',
  globalAvgPool2d: 'globalAveragePooling2d',
  GlobalAveragePooling2D: 'globalAveragePooling2d',
  AdaptiveAvgPool2d: 'globalAveragePooling2d',
  Flatten: 'flatten',
  flaten: 'flatten',
  DropOut: 'dropout',
  drop_out: 'dropout',
  Dropout2d: 'spatialDropout2d',
  BatchNorm2d: 'batchNormalization',
  batchNorm: 'batchNormalization',
  batch_normalization: 'batchNormalization',
  LayerNorm: 'layerNormalization',
  LSTM: 'lstm',
  GRU: 'gru',
  RNN: 'simpleRNN',
  Embedding: 'embedding',
  ReLU: 'activation',
  SoftMax: 'softmax',
  ConvTranspose2d: 'conv2dTranspose',
  Concatenate: 'concatenate',
  Activation: 'activation',
};
const ACTIVATIONS = {
  ReLU: 'relu',
  rellu: 'relu',
  Softmax: 'softmax',
  soft_max: 'softmax',
  leaky_relu: 'leakyRelu',
  LeakyReLU: 'leakyRelu',
  SiLU: 'swish',
  sigmod: 'sigmoid',
  hard_sigmoid: 'hardSigmoid',
  Tanh: 'tanh',
};
const LOSSES = {
  mse: 'meanSquaredError',
  MSELoss: 'meanSquaredError',
  mean_squared_error: 'meanSquaredError',
  mae: 'meanAbsoluteError',
  categorical_crossentropy: 'categoricalCrossentropy',
  categoricalCrossEntropy: 'categoricalCrossentropy',
  CrossEntropyLoss: 'categoricalCrossentropy',
  crossEntropy: 'categoricalCrossentropy',
  sparse_categorical_crossentropy: 'sparseCategoricalCrossentropy',
  binary_crossentropy: 'binaryCrossentropy',
  BCELoss: 'binaryCrossentropy',
  SmoothL1Loss: 'huber',
};
const OPTIMIZERS = {
  Adam: 'adam',
  adm: 'adam',
  SGD: 'sgd',
  RMSProp: 'rmsprop',
  rms_prop: 'rmsprop',
  AdamW: 'adamw',
  momentum: 'sgd',
};
const INITIALIZERS = {
  he_normal: 'heNormal',
  HeNormal: 'heNormal',
  xavierUniform: 'glorotUniform',
  kaimingNormal: 'heNormal',
  lecunNormal: 'leCunNormal',
  random_normal: 'randomNormal',
  Zeros: 'zeros',
};
/** Names beside layers. */
const FIELDS = {
  lr: 'learningRate',
  learning_rate: 'learningRate',
  input_shape: 'inputShape',
  optimiser: 'optimizer',
  metric: 'metrics',
  classNames: 'labels',
  lossFunction: 'loss',
};
/** Names in a dense, and in an optimizer. */
const OWN = {
  unit: 'units',
  out_features: 'units',
  use_bias: 'useBias',
  kernel_initializer: 'kernelInitializer',
};
const OF_ADAM = {
  lr: 'learningRate',
  beta_1: 'beta1',
  eps: 'epsilon',
  weight_decay: 'weightDecay',
};
/** Names of options, of createTrainer and of fit. */
const OPTIONS = { thread: 'threads', persist_data: 'persistData', Mode: 'mode' };
const OF_FIT = {
  batch_size: 'batchSize',
  batchsize: 'batchSize',
  epoch: 'epochs',
  validation_split: 'validationSplit',
  class_weight: 'classWeight',
  sampleWeights: 'sampleWeight',
};

const words = (meant) => new RegExp(`; did you mean '${meant}'\\?$`);
const spec = (fields) =>
  createTrainer({ ...cloudSpec(), learningRate: undefined, ...fields }, { mode: 'main' });
const [first, last] = cloudSpec().layers;

const SPECS = [
  ['layer', LAYERS, (name) => ({ layers: [{ type: name }, last] })],
  ['activation', ACTIVATIONS, (name) => ({ layers: [{ ...first, activation: name }, last] })],
  ['loss', LOSSES, (name) => ({ loss: name })],
  ['optimizer', OPTIMIZERS, (name) => ({ optimizer: name })],
  ['optimizer by type', OPTIMIZERS, (name) => ({ optimizer: { type: name } })],
  [
    'initializer',
    INITIALIZERS,
    (name) => ({ layers: [{ ...first, kernelInitializer: name }, last] }),
  ],
  ['metric', { acc: 'accuracy', Accuracy: 'accuracy' }, (name) => ({ metrics: [name] })],
  ['field', FIELDS, (name) => ({ [name]: 1 })],
  ['field of a layer', OWN, (name) => ({ layers: [{ ...first, [name]: 1 }, last] })],
  ['field of an optimizer', OF_ADAM, (name) => ({ optimizer: { type: 'adamw', [name]: 0.1 } })],
];
for (const [what, names, fields] of SPECS) {
  for (const [name, meant] of Object.entries(names)) {
    test(`${what} '${name}' is refused: ${meant} was meant`, async () => {
      await refused(spec(fields(name)), 'INVALID_SPEC', words(meant));
    });
  }
}

for (const [name, meant] of Object.entries(OPTIONS)) {
  test(`createTrainer option '${name}' is refused: ${meant} was meant`, async () => {
    await refused(createTrainer(cloudSpec(), { [name]: 1 }), 'INVALID_OPTION', words(meant));
  });
}

test('options of fit that are nearly right are refused with what was meant', async () => {
  const trainer = await createTrainer(cloudSpec(), { mode: 'main' });
  const { x, y } = clouds(6);
  for (const [name, meant] of Object.entries(OF_FIT)) {
    await refused(trainer.fit(x, y, { [name]: 1 }), 'INVALID_OPTION', words(meant));
  }
  await trainer.dispose();
});

test('nothing is guessed of what is like nothing', async () => {
  for (const name of ['quux', '', 'x', 'transformer']) {
    const error = await spec({ layers: [{ type: name }, last] }).catch((caught) => caught);
    assert.equal(error.code, 'INVALID_SPEC');
    assert.doesNotMatch(error.message, /did you mean/, name);
  }
  const there = { layers: [{ type: 'lstm', units: 2, activation: 'gelu' }, last] };
  const error = await spec({ inputShape: [3, 2], ...there }).catch((caught) => caught);
  assert.match(error.message, /activation is 'gelu', expected one of/);
  assert.doesNotMatch(error.message, /did you mean/, 'a name that stands elsewhere');
});

test('a shape of the input in the first layer is told where it belongs', async () => {
  const layers = [{ ...first, inputShape: [6] }, last];
  await refused(
    spec({ inputShape: undefined, layers }),
    'INVALID_SPEC',
    /^inputShape stands in layer 0, expected it beside layers/,
  );
});

test('a function in a spec is called one, by its place', async () => {
  const loss = () => 0;
  await refused(spec({ loss }), 'INVALID_SPEC', /^loss is a function, expected data: a name/);
  const layers = [{ ...first, activation: Math.tanh }, last];
  await refused(spec({ layers }), 'INVALID_SPEC', /^layers\[0\]\.activation is a function/);
});
