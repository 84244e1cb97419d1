/* graph-spec.test.js: specs of graphs: what the bytes say, what is told back, and every refusal
 * with its place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { encodeSpec } from '../../worker/spec/spec.js';
import { schemaOf } from '../../wasm-build/spec-types.mjs';
import { twoByTwo } from './graph-setting.js';
import { connectLocal } from './session-client.js';

const schema = await schemaOf();

/** The records of a spec's bytes: types, and fields by name. @param {any} spec */
function recordsOf(spec) {
  const { bytes } = encodeSpec(schema, spec);
  return readRecords(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

/** @param {DataView} view */
function readRecords(view) {
  let at = 8;
  const u16 = () => view.getUint16((at += 2) - 2, true);
  const common = schema.records.find(({ group }) => group === 'common')?.fields ?? [];
  const records = [];
  for (let left = view.getUint32(4, true); left > 0; left--) {
    const id = u16();
    const record = schema.records.find((each) => each.id === id);
    const fields = [];
    for (let more = u16(); more > 0; more--) {
      const field = u16();
      const { name } = /** @type {any} */ (
        [...(record?.fields ?? []), ...common].find((each) => each.id === field)
      );
      fields.push([
        name,
        Array.from({ length: u16() }, () => view.getFloat64((at += 8) - 8, true)),
      ]);
    }
    records.push([record?.type, Object.fromEntries(fields)]);
  }
  assert.equal(at, view.byteLength);
  return records;
}

test('the bytes: inputs, wrappers, places for names, outputs', () => {
  const spec = {
    inputShape: { a: [4, 3], b: [2] },
    layers: [
      {
        type: 'bidirectional',
        name: 'r',
        input: 'a',
        mergeMode: 'sum',
        layer: { type: 'lstm', units: 3 },
      },
      {
        type: 'dense',
        input: ['b'],
        units: 3,
        trainable: false,
        kernelInitializer: { type: 'randomNormal', stddev: 2 },
        kernelRegularizer: 'l1l2',
        biasRegularizer: { l1: 3 },
        kernelConstraint: { maxNorm: 1.5 },
        biasConstraint: 'maxNorm',
      },
      { type: 'dense', input: 'b', units: 3, tiedTo: 'dense' },
      { type: 'add', input: ['r', 'dense', 'dense_1'] },
    ],
    outputs: [{ name: 'add', lossWeight: 2 }],
    optimizer: 'sgd',
  };
  assert.deepEqual(recordsOf(spec), [
    ['model', { inputShape: [4, 3] }],
    ['input', { shape: [2] }],
    ['sgd', {}],
    ['bidirectional', { mergeMode: [1], input: [-1] }],
    ['lstm', { units: [3] }],
    [
      'dense',
      {
        units: [3],
        kernelInitializer: [9, 0, 2],
        kernelRegularizer: [0.01, 0.01],
        kernelConstraint: [1.5, 0],
        biasRegularizer: [3, 0],
        biasConstraint: [2, 0],
        input: [-2],
        trainable: [0],
      },
    ],
    ['dense', { units: [3], input: [-2], tiedTo: [1] }],
    ['add', { input: [0, 1, 2] }],
    ['output', { layer: [3], lossWeight: [2] }],
  ]);
});

test('an output that is the last layer, with a loss by name, is none of its own', () => {
  const dense = { type: 'dense', name: 'd', units: 1 };
  const of = (/** @type {any} */ rest) =>
    recordsOf({ inputShape: [2], layers: [dense], ...rest }).map(([type, fields]) => [
      type,
      fields.loss,
    ]);
  for (const rest of [
    { loss: 'huber' },
    { outputs: ['d'], loss: 'huber' },
    { loss: { d: 'huber' } },
    { outputs: [{ name: 'd', loss: 'huber' }] },
  ]) {
    assert.deepEqual(of(rest), [
      ['model', [5]],
      ['adam', undefined],
      ['dense', undefined],
    ]);
  }
  for (const rest of [
    { loss: { type: 'huber', delta: 1 } },
    { loss: 'huber', lossWeights: { d: 3 } },
  ])
    assert.equal(of(rest).at(-1)?.[0], 'output');
});

test('sides of a picture in every form', () => {
  const padding = (/** @type {any} */ given) =>
    recordsOf({ inputShape: [3, 3, 1], layers: [{ type: 'zeroPadding2d', padding: given }] }).at(
      -1,
    )?.[1].padding;
  assert.deepEqual(
    [
      2,
      [1, 2],
      [
        [1, 2],
        [3, 4],
      ],
    ].map(padding),
    [
      [2, 2, 2, 2],
      [1, 1, 2, 2],
      [1, 2, 3, 4],
    ],
  );
});

test('a name that is taken is passed over', () => {
  const { names } = encodeSpec(schema, {
    inputShape: [2],
    layers: [
      { type: 'dense', name: 'dense_1', units: 1 },
      { type: 'dense', units: 1 },
      { type: 'dense', units: 1 },
    ],
  });
  assert.deepEqual(names.layers, ['dense_1', 'dense_2', 'dense_3']);
});

test('one number in a list, axes in a row, and how they are told', async () => {
  const ready = await connectLocal().ask('INIT_TRAINING', {
    inputShape: [6, 6, 1],
    layers: [
      { type: 'zeroPadding2d', padding: 1 },
      { type: 'conv2d', filters: 2, kernelSize: 3, kernelConstraint: { axis: [0, 1, 2] } },
      { type: 'reshape', targetShape: [6, 12] },
      { type: 'conv1d', filters: 2, kernelSize: [2], strides: 1 },
      { type: 'flatten' },
      { type: 'dense', units: 1 },
    ],
  });
  assert.deepEqual(ready.layers[0].padding, [
    [1, 1],
    [1, 1],
  ]);
  assert.deepEqual(ready.layers[1].kernelConstraint, { maxNorm: 2, axis: [0, 1, 2] });
  assert.deepEqual([ready.layers[3].kernelSize, ready.layers[3].strides], [2, 1]);
});

test('what a model tells of itself makes the same model again, names and all', async () => {
  const client = connectLocal();
  const ready = await client.ask('INIT_TRAINING', twoByTwo());
  assert.deepEqual(
    ready.inputs.map(({ name, shape }) => [name, shape]),
    [
      ['picture', [4, 4, 1]],
      ['size', [3]],
    ],
  );
  assert.deepEqual(
    ready.outputs.map(({ name, shape, loss, lossWeight, labels }) => ({
      name,
      shape,
      loss,
      lossWeight,
      labels,
    })),
    [
      {
        name: 'kind',
        shape: [3],
        loss: 'categoricalCrossentropy',
        lossWeight: 1,
        labels: ['cup', 'hat', 'key'],
      },
      {
        name: 'price',
        shape: [2],
        loss: { type: 'huber', delta: 0.5 },
        lossWeight: 0.25,
        labels: null,
      },
    ],
  );
  assert.deepEqual(
    ready.layers.map(({ name, input }) => [name, input]),
    [
      ['look', 'picture'],
      ['flatten', 'look'],
      ['weigh', 'size'],
      ['add', ['flatten', 'weigh']],
      ['dropout', 'add'],
      ['kind', 'add'],
      ['price', 'dropout'],
    ],
  );
  const { weights } = await client.ask('GET_WEIGHTS');
  assert.deepEqual(
    weights.map(({ name, trainable }) => [name, trainable]),
    [
      'look/kernel',
      'look/bias',
      'weigh/kernel',
      'weigh/bias',
      'kind/kernel',
      'kind/bias',
      'price/kernel',
      'price/bias',
    ].map((name) => [name, true]),
  );
  const plain = ready.layers.map(({ outputShape, parameters, ...layer }) => layer);
  const again = await client.ask('INIT_TRAINING', {
    ...twoByTwo(),
    layers: plain,
    outputs: ready.outputs.map(({ name, loss, lossWeight }) => ({ name, loss, lossWeight })),
    labels: ready.labels,
    optimizer: ready.optimizer,
  });
  const { startedAt, memoryBytes, stageSeconds, ...same } = again;
  assert.deepEqual(
    same,
    (({ startedAt: _, memoryBytes: __, stageSeconds: ___, ...rest }) => rest)(ready),
  );
  assert.deepEqual((await client.ask('GET_WEIGHTS')).weights, weights);
});

test('names of weights in wrappers, of shared ones, and which are trained', async () => {
  const client = connectLocal();
  const ready = await client.ask('INIT_TRAINING', {
    inputShape: [5, 2],
    layers: [
      { type: 'bidirectional', layer: { type: 'gru', units: 2, returnSequences: true } },
      {
        type: 'timeDistributed',
        name: 'each',
        layer: { type: 'dense', units: 3 },
        trainable: false,
      },
      {
        type: 'timeDistributed',
        input: 'bidirectional',
        layer: { type: 'dense', units: 3 },
        tiedTo: 'each',
      },
      { type: 'add', input: ['each', 'timeDistributed_1'] },
      { type: 'batchNormalization' },
    ],
  });
  const { weights } = await client.ask('GET_WEIGHTS');
  assert.deepEqual(
    weights.map(({ name, shape, trainable }) => [name, shape, trainable]),
    [
      ...['forward', 'backward'].flatMap((side) => [
        [`bidirectional/${side}_kernel`, [2, 6], true],
        [`bidirectional/${side}_recurrent_kernel`, [2, 6], true],
        [`bidirectional/${side}_bias`, [2, 6], true],
      ]),
      ['each/kernel', [4, 3], false],
      ['each/bias', [3], false],
      ['batchNormalization/gamma', [3], true],
      ['batchNormalization/beta', [3], true],
      ['batchNormalization/moving_mean', [3], false],
      ['batchNormalization/moving_variance', [3], false],
    ],
  );
  assert.equal(ready.parameters, 12 + 12 + 12 + 12 + 12 + 12 + 15 + 12);
  assert.equal(ready.trainableParameters, 72 + 6);
  assert.deepEqual(ready.layers[1].layer.type, 'dense');
});

const A = { type: 'dense', name: 'a', units: 2 };
const softmax = { type: 'dense', units: 3, activation: 'softmax' };
/** What is wrong, the spec, and what the message must name. @type {[string, any, RegExp][]} */
const BAD = [
  ['a name twice', { layers: [A, A] }, /layer 1: name is 'a', which is the name of layer 0/],
  [
    'the name of an input',
    { layers: [{ ...A, name: 'input' }] },
    /layer 0: name is 'input', which is the name of an input/,
  ],
  [
    'a path for a name',
    { layers: [{ ...A, name: 'a/b' }] },
    /layer 0: name is 'a\/b', expected a name/,
  ],
  ['no name', { layers: [{ ...A, name: '' }] }, /layer 0: name is ''/],
  ['a number for a name', { layers: [{ ...A, name: 5 }] }, /layer 0: name is 5/],
  [
    'a name of an input that is a path',
    { inputShape: { 'a/b': [1] } },
    /the name of an input is 'a\/b'/,
  ],
  ['no inputs', { inputShape: {} }, /inputShape is missing/],
  ['a shape of an input', { inputShape: { a: [2], b: 'x' } }, /inputShape.b is 'x'/],
  [
    'too many inputs',
    { inputShape: Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`i${i}`, [1]])) },
    /inputShape holds 9 values, expected 1 to 8/,
  ],
  [
    'an input nobody reads',
    { inputShape: { p: [2], q: [2] }, layers: [{ ...A, input: 'p' }] },
    /input 'q' is not read by a layer/,
  ],
  [
    'an unknown name',
    { layers: [{ ...A, input: 'b' }] },
    /layer 0 \(dense\): input is 'b', which names nothing: expected one of 'input'/,
  ],
  [
    'itself',
    { layers: [{ ...A, input: 'a' }] },
    /layer 0 \(dense\): input is 'a', the layer itself/,
  ],
  [
    'a later layer',
    {
      layers: [
        { ...A, input: 'dense_1' },
        { type: 'dense', units: 1 },
      ],
    },
    /input is 'dense_1', layer 1, which comes later/,
  ],
  ['a number for an input', { layers: [{ ...A, input: 0 }] }, /input is 0, which names nothing/],
  [
    'no input where there are several',
    { inputShape: { p: [2], q: [2] }, layers: [A] },
    /layer 0 \(dense 'a'\): input is missing, expected one of 'p', 'q'/,
  ],
  [
    'a layer that leads nowhere',
    { layers: [A, { ...softmax, input: 'input' }] },
    /layer 0 \(dense 'a'\): leads to no output/,
  ],
  [
    'two inputs of a dense',
    { layers: [A, { ...softmax, input: ['a', 'input'] }] },
    /layer 1 \(dense\): input holds 2 values, expected 1/,
  ],
  [
    'shapes that do not fit',
    {
      layers: [
        A,
        { ...A, name: 'b', units: 3, input: 'input' },
        { type: 'add', input: ['a', 'b'] },
      ],
    },
    /layer 2 \(add\)/,
  ],
  [
    'tied to an input',
    { layers: [{ ...A, tiedTo: 'input' }] },
    /layer 0 \(dense\): tiedTo is 'input', which names nothing/,
  ],
  [
    'outputs that are all holes',
    { layers: [A], outputs: Object.assign([], { length: 2 ** 30 }) },
    /outputs is \[.* in all\], expected an array of names/,
  ],
  [
    'inputs that are all holes',
    { layers: [{ ...A, input: Object.assign([], { length: 2 ** 30 }) }] },
    /layer 0 \(dense\): input/,
  ],
  [
    'sides that are all holes',
    { layers: [{ type: 'zeroPadding2d', padding: [Object.assign([], { length: 2 ** 30 }), 1] }] },
    /padding is/,
  ],
  [
    'a loss whose type is a number',
    { layers: [A], outputs: [{ name: 'a', loss: { type: 5, delta: 1 } }] },
    /output 'a': loss \(5\): unknown field 'delta'/,
  ],
  [
    'tied to another shape',
    { layers: [A, { type: 'dense', units: 3, tiedTo: 'a' }] },
    /layer 1 \(dense\): tiedTo is layer 0, expected one of the same type/,
  ],
  [
    'nothing wrapped',
    { layers: [{ type: 'timeDistributed' }] },
    /layer 0 \(timeDistributed\): layer is undefined, expected an object/,
  ],
  [
    'a name within',
    { layers: [{ type: 'timeDistributed', layer: A }] },
    /layer 0 \(timeDistributed\): layer \(dense\): unknown field 'name'/,
  ],
  [
    'a dense both ways',
    { inputShape: [3, 2], layers: [{ type: 'bidirectional', layer: { type: 'dense', units: 1 } }] },
    /layer 0 \(bidirectional\): type 'dense' cannot stand here/,
  ],
  [
    'units within',
    {
      inputShape: [3, 2],
      layers: [{ type: 'bidirectional', name: 'both', layer: { type: 'lstm', units: 0 } }],
    },
    /layer 0 \(bidirectional 'both'\): units is 0/,
  ],
  [
    'a wrapped field at a plain layer',
    { layers: [{ ...A, layer: A }] },
    /layer 0 \(dense\): unknown field 'layer'/,
  ],
  ['no outputs', { outputs: [] }, /outputs is \[\]/],
  ['an output that is no layer', { outputs: ['b'] }, /outputs\[0\] is 'b', which is no layer/],
  ['an output twice', { outputs: ['dense', 'dense'] }, /outputs\[1\] is 'dense' a second time/],
  [
    'an unknown field of an output',
    { outputs: [{ name: 'dense', weight: 1 }] },
    /outputs\[0\]: unknown field 'weight'/,
  ],
  [
    'a loss twice',
    { outputs: [{ name: 'dense', loss: 'huber' }], loss: 'poisson' },
    /output 'dense': loss is given twice/,
  ],
  [
    'a loss of no output',
    { loss: { b: 'huber' } },
    /loss: 'b' is no output, expected one of 'dense'/,
  ],
  [
    'an option of another loss',
    { loss: { type: 'huber', gamma: 1 } },
    /loss \(huber\): unknown field 'gamma', expected one of 'delta'/,
  ],
  [
    'an option out of range',
    { layers: [A], loss: { type: 'huber', delta: 0 } },
    /output 'a': delta is 0, expected a number from/,
  ],
  [
    'a loss for another output',
    { outputs: [{ name: 'dense', loss: { type: 'binaryCrossentropy', labelSmoothing: 0.1 } }] },
    /output 'dense': loss is 'binaryCrossentropy', expected a last layer with activation 'sigmoid'/,
  ],
  ['a weight below 0', { lossWeights: { dense: -1 } }, /output 'dense': lossWeight is -1/],
  ['weights of no output', { lossWeights: { b: 1 } }, /lossWeights: 'b' is no output/],
  ['weights that are a number', { lossWeights: 2 }, /lossWeights is 2/],
  ['labels of no output', { labels: { b: ['x'] } }, /labels: 'b' is no output/],
  ['labels by name', { labels: { dense: ['x'] } }, /labels holds 1 names, expected 3/],
  [
    'an initializer’s option',
    { layers: [{ ...A, kernelInitializer: { type: 'constant', valeu: 1 } }] },
    /kernelInitializer \(constant\): unknown field 'valeu', expected one of 'value'/,
  ],
  [
    'an initializer’s range',
    { layers: [{ ...A, kernelInitializer: { type: 'randomNormal', stddev: -1 } }] },
    /layer 0 \(dense 'a'\): kernelInitializer is -1, expected a number from 0/,
  ],
  [
    'no initializer',
    { layers: [{ ...A, kernelInitializer: { type: 'x' } }] },
    /kernelInitializer is \{ type \}, expected one of 'zeros'/,
  ],
  [
    'a regularizer',
    { layers: [{ ...A, kernelRegularizer: 'l3' }] },
    /kernelRegularizer is 'l3', expected 'l1', 'l2', 'l1l2' or \{ l1, l2 \}/,
  ],
  [
    'a regularizer’s field',
    { layers: [{ ...A, kernelRegularizer: { l3: 1 } }] },
    /kernelRegularizer: unknown field 'l3'/,
  ],
  [
    'a regularizer’s number',
    { layers: [{ ...A, kernelRegularizer: { l1: '1' } }] },
    /kernelRegularizer.l1 is '1'/,
  ],
  [
    'a penalty below 0',
    { layers: [{ ...A, kernelRegularizer: { l1: -1 } }] },
    /kernelRegularizer is -1/,
  ],
  ['a constraint', { layers: [{ ...A, kernelConstraint: 5 }] }, /kernelConstraint is 5/],
  [
    'an axis that is not there',
    { layers: [{ ...A, kernelConstraint: { axis: 2 } }] },
    /kernelConstraint is 2/,
  ],
  [
    'an option of what has none',
    { layers: [{ ...A, kernelInitializer: { type: 'zeros', value: 1 } }] },
    /kernelInitializer \(zeros\): unknown field 'value', expected none but type/,
  ],
  [
    'axes apart',
    { layers: [{ ...A, kernelConstraint: { axis: [0, 2] } }] },
    /kernelConstraint.axis is \[0, 2\], expected a number, or axes that follow each other/,
  ],
  [
    'a norm in words',
    { layers: [{ ...A, kernelConstraint: { maxNorm: '2' } }] },
    /kernelConstraint.maxNorm is '2', expected a number$/,
  ],
  [
    'labels that are no list',
    { labels: { dense: 'abc' } },
    /labels.dense is 'abc', expected an array of class names/,
  ],
  [
    'a loss that is not, with options',
    { loss: { type: 'near', delta: 1 } },
    /loss \(near\): unknown field 'delta'/,
  ],
  [
    'three sides',
    { inputShape: [3, 3, 1], layers: [{ type: 'zeroPadding2d', padding: [1, 2, 3] }] },
    /padding is \[1, 2, 3\], expected an integer, \[rows, columns\]/,
  ],
];

test('every bad graph is refused with its place', async () => {
  const client = connectLocal();
  for (const [what, change, message] of BAD) {
    await assert.rejects(
      client.ask('INIT_TRAINING', { inputShape: [2], layers: [softmax], ...change }),
      (/** @type {any} */ error) => {
        assert.equal(error.code, 'INVALID_SPEC', `${what}: ${error.message}`);
        assert.match(error.message, message, what);
        return true;
      },
      what,
    );
  }
});

test('a refusal names no more layers than can be read', async () => {
  const layers = Array.from({ length: 60 }, () => ({ type: 'dense', units: 1 }));
  await assert.rejects(
    connectLocal().ask('INIT_TRAINING', {
      inputShape: [1],
      layers: [...layers, { type: 'dense', units: 1, input: 'x' }],
    }),
    { message: /expected one of 'dense_40', .*'dense_59', or of 41 before them/ },
  );
});

test('values are told back in the form in which they were given, with what the core filled in', async () => {
  const { ask } = connectLocal();
  const layersOf = async (/** @type {any[]} */ layers) =>
    (await ask('INIT_TRAINING', { inputShape: [3], layers, runtime: { variant: 'base' } })).layers;
  const kernelInitializer = { type: 'randomUniform', minval: -0.1 };
  for (const mean of [0.5, [0.5], [1, 2, 3]]) {
    const [normalization, dense] = await layersOf([
      { type: 'normalization', mean, variance: 2 },
      { type: 'dense', units: 2, kernelInitializer },
    ]);
    assert.deepEqual([normalization.mean, normalization.variance], [mean, 2]);
    assert.deepEqual(dense.kernelInitializer, { ...kernelInitializer, maxval: 0.05 });
    assert.equal(dense.biasInitializer, 'zeros');
  }
});
