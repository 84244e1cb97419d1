/* graphs.js: joins, residuals, several inputs and outputs, embeddings and masks, tied and frozen
 * layers. */
import { FAR, conv, dense, flatten, net } from './net.js';

const SMALL = { samples: 6, ...FAR, learningRate: 0.03 };
const named = (layer, name, input) => ({
  ...layer,
  ...(name && { name }),
  ...(input && { input }),
});
const at = (input, layer) => ({ ...layer, input });

const JOINS = ['add', 'subtract', 'multiply', 'average', 'maximum', 'minimum', 'concatenate'];
const joins = [
  ...JOINS.map((type) =>
    net(
      `${type} of two vectors`,
      [6],
      [
        named(dense(5, 'tanh'), 'a', 'input'),
        named(dense(5, 'swish'), 'b', 'input'),
        at(['a', 'b'], { type }),
        dense(3, 'softmax'),
      ],
      FAR,
    ),
  ),
  ...JOINS.filter((type) => type !== 'subtract').map((type) =>
    net(
      `${type} of three planes, one of them the input`,
      [4, 3, 2],
      [
        named(conv(2, 1, { activation: 'tanh' }), 'a', 'input'),
        named(conv(2, 3, { padding: 'same' }), 'b', 'a'),
        at(['b', 'input', 'a'], { type }),
        flatten,
        dense(3, 'softmax'),
      ],
      SMALL,
    ),
  ),
  ...JOINS.filter((type) => type !== 'concatenate').flatMap((type) =>
    [
      [1, 3],
      [4, 1],
      [1, 1],
    ].map((shape, i) =>
      net(
        `${type} with an axis of 1, ${shape}`,
        [4, 3],
        [
          named(dense(3, 'tanh'), 'a', 'input'),
          named(flatten, 'flat', 'input'),
          dense(shape[0] * shape[1], 'tanh'),
          { type: 'reshape', targetShape: shape, name: 'b' },
          at(i % 2 ? ['b', 'a'] : ['a', 'b'], { type }),
          flatten,
          dense(3, 'softmax'),
        ],
        SMALL,
      ),
    ),
  ),
  ...[-1, 3, 1, -2].map((axis) =>
    net(
      `concatenate on axis ${axis}`,
      [3, 4, 2],
      [
        named(conv(2, 1, { activation: 'tanh' }), 'a', 'input'),
        named(conv(2, 3, { padding: 'same' }), 'b', 'input'),
        at(['a', 'b', 'a'], { type: 'concatenate', axis }),
        flatten,
        dense(3, 'softmax'),
      ],
      SMALL,
    ),
  ),
  ...[{}, { normalize: true }, { axes: 1 }].map((fields) =>
    net(
      `dot of vectors ${JSON.stringify(fields)}`,
      [6],
      [
        named(dense(5, 'tanh'), 'a', 'input'),
        named(dense(5, 'swish'), 'b', 'input'),
        at(['a', 'b'], { type: 'dot', ...fields }),
        dense(3, 'softmax'),
      ],
      FAR,
    ),
  ),
  ...[{}, { axes: 1 }, { axes: [2, 2], normalize: true }, { axes: [1, -2] }].map((fields) =>
    net(
      `dot of rows ${JSON.stringify(fields)}`,
      [4, 3],
      [
        named(dense(3, 'tanh'), 'a', 'input'),
        named(dense(3, 'swish'), 'b', 'input'),
        at(['a', 'b'], { type: 'dot', ...fields }),
        flatten,
        dense(3, 'softmax'),
      ],
      SMALL,
    ),
  ),
  net(
    'dot of rows and a vector',
    [4, 3],
    [
      named(dense(3, 'tanh'), 'a', 'input'),
      named(flatten, 'f', 'input'),
      dense(3, 'tanh', { name: 'b' }),
      at(['a', 'b'], { type: 'dot', axes: [2, 1] }),
      dense(3, 'softmax'),
    ],
    SMALL,
  ),
  net(
    'multiply of a value with itself',
    [6],
    [dense(5, 'tanh', { name: 'a' }), at(['a', 'a'], { type: 'multiply' }), dense(3, 'softmax')],
    FAR,
  ),
  net(
    'a value read four times',
    [6],
    [
      dense(5, 'tanh', { name: 'a' }),
      at('a', dense(5, 'relu', { name: 'b' })),
      at(['a', 'b'], { type: 'add', name: 'c' }),
      at(['a', 'c', 'a'], { type: 'multiply' }),
      dense(3, 'softmax'),
    ],
    FAR,
  ),
];

const block = (i, from, filters, strides) => [
  named(conv(filters, 3, { padding: 'same', strides, useBias: false }), `c${i}`, from),
  { type: 'batchNormalization' },
  { type: 'activation', activation: 'relu' },
  conv(filters, 3, { padding: 'same', useBias: false }),
  { type: 'batchNormalization', name: `n${i}` },
  ...(strides > 1 ? [named(conv(filters, 1, { strides }), `s${i}`, from)] : []),
  at([`n${i}`, strides > 1 ? `s${i}` : from], { type: 'add' }),
  { type: 'activation', activation: 'relu', name: `o${i}` },
];
const graphs = [
  net(
    'a residual net',
    [6, 6, 3],
    [
      conv(4, 3, { padding: 'same', name: 'stem' }),
      ...block(0, 'stem', 4, 1),
      ...block(1, 'o0', 6, 2),
      { type: 'globalAveragePooling2d' },
      dense(3, 'softmax'),
    ],
    { samples: 8, ...FAR, learningRate: 0.01 },
  ),
  net(
    'three branches that meet',
    [6, 6, 3],
    [
      named(conv(3, 1, { activation: 'relu' }), 'a', 'input'),
      named(conv(3, 3, { padding: 'same', activation: 'tanh' }), 'b', 'input'),
      named({ type: 'maxPooling2d', poolSize: 3, strides: 1, padding: 'same' }, 'p', 'input'),
      conv(2, 1, { name: 'c' }),
      at(['a', 'b', 'c'], { type: 'concatenate' }),
      { type: 'averagePooling2d' },
      flatten,
      dense(3, 'softmax'),
    ],
    SMALL,
  ),
  net(
    'two inputs',
    { left: [4, 3], right: [5] },
    [
      named({ type: 'gru', units: 4 }, undefined, 'left'),
      named(dense(4, 'tanh'), undefined, 'right'),
      at(['gru', 'dense'], { type: 'concatenate' }),
      dense(3, 'softmax'),
    ],
    SMALL,
  ),
  net(
    'one input by name',
    { picture: [4, 4, 2] },
    [conv(3, 2, { activation: 'relu' }), flatten, dense(3, 'softmax')],
    SMALL,
  ),
  net(
    'three inputs, bytes',
    { a: [3], b: [4], c: [3] },
    [
      at('a', dense(4, 'relu', { name: 'x' })),
      at('b', dense(4, 'relu', { name: 'y' })),
      at('c', dense(4, 'relu', { name: 'z' })),
      at(['x', 'y', 'z'], { type: 'average' }),
      dense(2, 'softmax'),
    ],
    { ...SMALL, bytes: true, inputScale: 1 / 127.5, inputOffset: -1 },
  ),
  net(
    'two outputs, losses by default',
    [6],
    [
      dense(8, 'tanh', { name: 'body' }),
      dense(3, 'softmax', { name: 'kind' }),
      at('body', dense(2, undefined, { name: 'place' })),
    ],
    { outputs: ['kind', 'place'], y: { kind: 'index', place: 'rows' }, ...FAR },
  ),
  net(
    'two outputs, losses and weights by name',
    [6],
    [
      dense(8, 'tanh', { name: 'body' }),
      dense(3, 'softmax', { name: 'kind' }),
      at('body', dense(2, undefined, { name: 'place' })),
    ],
    {
      outputs: ['kind', 'place'],
      loss: { kind: 'categoricalCrossentropy', place: { type: 'huber', delta: 0.5 } },
      lossWeights: { place: 0.25 },
      y: { kind: 'rows', place: 'rows' },
      ...FAR,
    },
  ),
  net(
    'three outputs, one of them read by another, with losses of their own',
    [6],
    [
      dense(8, 'tanh', { name: 'body' }),
      dense(4, 'tanh', { name: 'code' }),
      dense(1, 'sigmoid', { name: 'flag' }),
      at('body', dense(3, 'softmax', { name: 'kind' })),
    ],
    {
      outputs: [
        { name: 'code', loss: 'meanAbsoluteError', lossWeight: 0.5 },
        'flag',
        { name: 'kind', lossWeight: 2 },
      ],
      y: { code: 'rows', flag: 'index', kind: 'index' },
      ...FAR,
    },
  ),
  net(
    'an output that is not the last layer',
    [6],
    [dense(4, 'softmax', { name: 'first' }), dense(3, 'tanh', { name: 'more' })],
    { outputs: ['first', 'more'], y: { first: 'index', more: 'rows' }, ...FAR },
  ),
  net(
    'an autoencoder',
    [6, 6, 1],
    [
      conv(4, 3, { strides: 2, padding: 'same', activation: 'relu' }),
      conv(3, 3, { strides: 2, padding: 'same', activation: 'relu' }),
      {
        type: 'conv2dTranspose',
        filters: 4,
        kernelSize: 3,
        strides: 2,
        padding: 'same',
        activation: 'relu',
      },
      { type: 'upSampling2d' },
      conv(1, 3, { activation: 'sigmoid' }),
    ],
    {
      y: 'rows',
      samples: 6,
      loss: 'binaryCrossentropy',
      optimizer: { type: 'sgd', momentum: 0.9 },
      learningRate: 0.02,
    },
  ),
];

const words = (name, layers, more) =>
  net(
    name,
    [6],
    [
      { type: 'embedding', inputDim: 9, outputDim: 5, name: 'words', ...more?.embedding },
      ...layers,
    ],
    { ...SMALL, learningRate: 0.05, ...more?.spec },
  );
const masked = { embedding: { maskZero: true } };
const embeddings = [
  words('embedding', [flatten, dense(3, 'softmax')]),
  words('embedding of bytes', [flatten, dense(3, 'softmax')], {
    spec: { inputScale: 1 / 255, bytes: true },
  }),
  words('embedding, regularized and constrained', [flatten, dense(3, 'softmax')], {
    embedding: {
      embeddingsRegularizer: 'l2',
      embeddingsConstraint: { maxNorm: 0.1, axis: 1 },
      embeddingsInitializer: 'randomNormal',
    },
  }),
  net(
    'embedding of a reshaped input',
    [6],
    [
      { type: 'reshape', targetShape: [2, 3] },
      { type: 'embedding', inputDim: 7, outputDim: 3 },
      flatten,
      dense(3, 'softmax'),
    ],
    SMALL,
  ),
  words('masks into an lstm', [{ type: 'lstm', units: 4 }, dense(3, 'softmax')], masked),
  words('masks into a gru', [{ type: 'gru', units: 4 }, dense(3, 'softmax')], masked),
  words(
    'masks into a gru without reset after',
    [{ type: 'gru', units: 4, resetAfter: false, goBackwards: true }, dense(3, 'softmax')],
    masked,
  ),
  words(
    'masks into a simpleRNN',
    [{ type: 'simpleRNN', units: 4, goBackwards: true }, dense(3, 'softmax')],
    masked,
  ),
  words(
    'masks through sequences',
    [
      { type: 'lstm', units: 4, returnSequences: true },
      { type: 'gru', units: 3, returnSequences: true },
      { type: 'simpleRNN', units: 3 },
      dense(3, 'softmax'),
    ],
    masked,
  ),
  words(
    'masked sequences, flat',
    [{ type: 'lstm', units: 4, returnSequences: true }, flatten, dense(3, 'softmax')],
    masked,
  ),
  ...['concat', 'sum', 'mul', 'ave'].map((mergeMode) =>
    words(
      `masks in bidirectional, ${mergeMode}`,
      [
        {
          type: 'bidirectional',
          mergeMode,
          layer: { type: 'gru', units: 3, returnSequences: true },
        },
        { type: 'globalAveragePooling1d' },
        dense(3, 'softmax'),
      ],
      masked,
    ),
  ),
  words(
    'masked bidirectional sequences, flat',
    [
      { type: 'bidirectional', layer: { type: 'lstm', units: 3, returnSequences: true } },
      flatten,
      dense(3, 'softmax'),
    ],
    masked,
  ),
  words(
    'masks in bidirectional',
    [{ type: 'bidirectional', layer: { type: 'lstm', units: 3 } }, dense(3, 'softmax')],
    masked,
  ),
  words(
    'masked mean',
    [dense(4, 'relu'), { type: 'globalAveragePooling1d' }, dense(3, 'softmax')],
    masked,
  ),
  words(
    'masked mean that keeps its axis',
    [{ type: 'globalAveragePooling1d', keepDims: true }, flatten, dense(3, 'softmax')],
    masked,
  ),
  words(
    'masks through activation, dropout, layerNormalization',
    [
      { type: 'activation', activation: 'tanh' },
      { type: 'dropout', rate: 0 },
      { type: 'layerNormalization' },
      { type: 'globalAveragePooling1d' },
      dense(3, 'softmax'),
    ],
    masked,
  ),
  words('masked loss', [dense(4, 'tanh'), dense(3, 'softmax')], masked),
  words('masked loss behind a gru', [{ type: 'gru', units: 4, returnSequences: true }, dense(2)], {
    embedding: { maskZero: true },
    spec: { y: 'rows' },
  }),
  words(
    'masked loss behind timeDistributed',
    [{ type: 'timeDistributed', layer: { type: 'dense', units: 3, activation: 'softmax' } }],
    masked,
  ),
  words('masked loss, weighted samples', [dense(3, 'softmax')], {
    embedding: { maskZero: true },
    spec: { weighted: true },
  }),
  words(
    'masks through a residual',
    [dense(5, 'tanh', { name: 'a' }), at(['a', 'words'], { type: 'add' }), dense(3, 'softmax')],
    masked,
  ),
  ...JOINS.filter((type) => type !== 'subtract').flatMap((type) =>
    [true, false].map((both) =>
      net(
        `masks of ${both ? 'both' : 'one'} in ${type}`,
        { a: [5], b: [5] },
        [
          named({ type: 'embedding', inputDim: 7, outputDim: 4, maskZero: true }, 'x', 'a'),
          named({ type: 'embedding', inputDim: 7, outputDim: 4, maskZero: both }, 'y', 'b'),
          at(['x', 'y'], { type }),
          { type: 'gru', units: 3, returnSequences: true },
          flatten,
          dense(3, 'softmax'),
        ],
        SMALL,
      ),
    ),
  ),
  net(
    'masks of sequences one behind the other',
    { a: [4], b: [3] },
    [
      named({ type: 'embedding', inputDim: 7, outputDim: 4, maskZero: true }, 'x', 'a'),
      named({ type: 'embedding', inputDim: 7, outputDim: 4, maskZero: true }, 'y', 'b'),
      at(['x', 'y'], { type: 'concatenate', axis: 1 }),
      { type: 'lstm', units: 3 },
      dense(3, 'softmax'),
    ],
    SMALL,
  ),
  words(
    'masks through batchNormalization',
    [{ type: 'batchNormalization' }, { type: 'globalAveragePooling1d' }, dense(3, 'softmax')],
    masked,
  ),
  words(
    'masks in attention',
    [
      { type: 'multiHeadAttention', numHeads: 2, keyDim: 3 },
      { type: 'globalAveragePooling1d' },
      dense(3, 'softmax'),
    ],
    masked,
  ),
  words(
    'masks in causal attention, masked loss',
    [
      { type: 'multiHeadAttention', numHeads: 2, keyDim: 3, useCausalMask: true },
      dense(3, 'softmax'),
    ],
    masked,
  ),
  words(
    'a masked convolution',
    [
      { type: 'conv1d', filters: 3, kernelSize: 2 },
      { type: 'globalMaxPooling1d' },
      dense(3, 'softmax'),
    ],
    masked,
  ),
  net(
    'attention over another sequence',
    { query: [4, 3], memory: [5, 6] },
    [
      named(dense(4), 'q', 'query'),
      named(dense(3), 'v', 'memory'),
      at(['q', 'v'], { type: 'multiHeadAttention', numHeads: 2, keyDim: 3 }),
      flatten,
      dense(3, 'softmax'),
    ],
    SMALL,
  ),
  net(
    'attention with keys of their own',
    { query: [4, 3], memory: [5, 6] },
    [
      named(dense(4), 'q', 'query'),
      named(dense(3), 'v', 'memory'),
      named(dense(2), 'k', 'memory'),
      at(['q', 'v', 'k'], { type: 'multiHeadAttention', numHeads: 2, keyDim: 3, valueDim: 2 }),
      flatten,
      dense(3, 'softmax'),
    ],
    SMALL,
  ),
  net(
    'attention over masked words',
    { query: [4, 3], text: [5] },
    [
      named({ type: 'embedding', inputDim: 8, outputDim: 4, maskZero: true }, 'w', 'text'),
      at(['query', 'w'], { type: 'multiHeadAttention', numHeads: 2, keyDim: 3 }),
      flatten,
      dense(3, 'softmax'),
    ],
    SMALL,
  ),
  net(
    'two texts, one table',
    { a: [4], b: [5] },
    [
      named({ type: 'embedding', inputDim: 8, outputDim: 4, maskZero: true }, 'w', 'a'),
      { type: 'gru', units: 3, name: 'ga' },
      named(
        { type: 'embedding', inputDim: 8, outputDim: 4, maskZero: true, tiedTo: 'w' },
        undefined,
        'b',
      ),
      { type: 'gru', units: 3, tiedTo: 'ga', name: 'gb' },
      at(['ga', 'gb'], { type: 'concatenate' }),
      dense(3, 'softmax'),
    ],
    SMALL,
  ),
];

const gptBlock = (i, from) => [
  named({ type: 'layerNormalization' }, `l${i}`, from),
  { type: 'multiHeadAttention', numHeads: 2, keyDim: 3, useCausalMask: true, name: `m${i}` },
  at([from, `m${i}`], { type: 'add', name: `r${i}` }),
  { type: 'layerNormalization' },
  dense(12, 'gelu'),
  dense(6, undefined, { name: `f${i}` }),
  at([`r${i}`, `f${i}`], { type: 'add', name: `b${i}` }),
];
const gpt = (name, head) =>
  net(
    name,
    [5],
    [
      { type: 'embedding', inputDim: 8, outputDim: 6, name: 'words' },
      { type: 'positionEmbedding', sequenceLength: 5, name: 'b' },
      ...gptBlock(0, 'b'),
      ...gptBlock(1, 'b0'),
      { type: 'layerNormalization' },
      head,
    ],
    { samples: 5, optimizer: { type: 'sgd', momentum: 0.9 }, learningRate: 0.02 },
  );

const tied = [
  gpt('a small GPT', dense(8, 'softmax')),
  gpt('a small GPT, its head the table', dense(8, 'softmax', { tiedTo: 'words', useBias: false })),
  net(
    'tied denses',
    [6],
    [
      dense(6, 'tanh', { name: 'a' }),
      dense(6, 'relu', { tiedTo: 'a' }),
      dense(6, 'tanh', { tiedTo: 'a' }),
      dense(3, 'softmax'),
    ],
    FAR,
  ),
  net(
    'tied convolutions, regularized once',
    [5, 5, 3],
    [
      conv(3, 3, { padding: 'same', name: 'a', kernelRegularizer: 'l2' }),
      conv(3, 3, { padding: 'same', activation: 'tanh', tiedTo: 'a' }),
      flatten,
      dense(3, 'softmax'),
    ],
    SMALL,
  ),
  net(
    'twins',
    { left: [5], right: [5] },
    [
      at('left', dense(4, 'tanh', { name: 'a' })),
      at('right', dense(4, 'tanh', { name: 'b', tiedTo: 'a' })),
      at(['a', 'b'], { type: 'subtract' }),
      dense(1, 'sigmoid'),
    ],
    { ...SMALL, y: 'rows' },
  ),
  net(
    'frozen layers',
    [5, 5, 2],
    [
      conv(3, 2, { trainable: false, activation: 'relu', kernelRegularizer: 'l2' }),
      { type: 'batchNormalization', trainable: false },
      conv(3, 2, { activation: 'tanh' }),
      flatten,
      dense(4, 'tanh', { trainable: false }),
      dense(3, 'softmax'),
    ],
    SMALL,
  ),
  net(
    'a frozen branch',
    [6],
    [
      named(dense(4, 'tanh', { trainable: false }), 'a', 'input'),
      named(dense(4, 'tanh'), 'b', 'input'),
      at(['a', 'b'], { type: 'multiply' }),
      dense(3, 'softmax'),
    ],
    FAR,
  ),
  net(
    'a frozen owner of tied weights',
    [6],
    [
      dense(6, 'tanh', { name: 'a', trainable: false }),
      dense(6, 'relu', { tiedTo: 'a' }),
      dense(3, 'softmax'),
    ],
    FAR,
  ),
];

export const GRAPHS = [...joins, ...graphs, ...embeddings, ...tied];
