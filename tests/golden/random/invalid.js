/* invalid.js: specs that must be refused, each made from a valid one by one change.
 *
 * A change is { spec, layer?, field } or null where the net has no place for it: the index of the
 * layer and the field that the refusal must name. `layer` undefined: the field is the model's or
 * the optimizer's. */
import { inputsOf, namedLayers } from '../specs.js';
import { shapeOf } from './shapes.js';

const JOINS = ['add', 'subtract', 'multiply', 'average', 'maximum', 'minimum'];

const changedAt = (spec, i, fields) => ({
  ...spec,
  layers: spec.layers.map((layer, k) => (k === i ? { ...layer, ...fields } : layer)),
});
const dropped = (spec, i, field) => ({
  ...spec,
  layers: spec.layers.map((layer, k) =>
    k === i ? Object.fromEntries(Object.entries(layer).filter(([name]) => name !== field)) : layer,
  ),
});

/** Layers as the spec has them, with index, name and shapes of inputs. */
function places(spec) {
  const shapes = new Map(Object.entries(inputsOf(spec)));
  return namedLayers(spec).map(({ layer, name, from }, i) => {
    const read = from.map((source) => shapes.get(source));
    shapes.set(name, shapeOf(layer, read));
    return { layer, name, from, i, read, shape: shapes.get(name) };
  });
}

/** What a layer more would rename keeps its name. */
const withNames = (spec) => namedLayers(spec).map(({ layer, name }) => ({ ...layer, name }));

/**
 * A change of one layer that has what is asked for.
 * @param {(place: any) => boolean} suits
 * @param {(place: any, spec: any, d: any) => any} change
 */
const atLayer = (suits, change) => (spec, d) => {
  const place = d.pick(places(spec).filter(suits));
  return place ? change(place, spec, d) : null;
};
const has =
  (field) =>
  ({ layer }) =>
    layer[field] !== undefined;
const is =
  (...types) =>
  ({ layer }) =>
    types.includes(layer.type);
/** @param {string} field @param {any[]} values  none of which it takes */
const bad = (field, values, suits = has(field)) =>
  atLayer(suits, ({ i }, spec, d) => ({
    spec: changedAt(spec, i, { [field]: d.pick(values) }),
    layer: i,
    field,
  }));

const REQUIRED = {
  dense: 'units',
  conv1d: 'filters',
  conv2d: 'kernelSize',
  depthwiseConv2d: 'kernelSize',
  separableConv2d: 'filters',
  conv2dTranspose: 'filters',
  permute: 'dims',
  repeatVector: 'n',
  reshape: 'targetShape',
  activation: 'activation',
  dropout: 'rate',
  rescaling: 'scale',
  embedding: 'inputDim',
  positionEmbedding: 'sequenceLength',
  lstm: 'units',
  gru: 'units',
  simpleRNN: 'units',
  multiHeadAttention: 'numHeads',
  timeDistributed: 'layer',
  bidirectional: 'layer',
  normalization: 'mean',
};

const NUMBERS = [0, -1, 1.5, NaN, '3', null, [], true];

export const CHANGES = {
  'a field that is not one': atLayer(
    () => true,
    ({ i }, spec, d) => {
      const field = d.pick(['unit', 'kernel_size', 'Activation', 'dilation', 'inputs', 'toString']);
      return { spec: changedAt(spec, i, { [field]: 1 }), layer: i, field };
    },
  ),
  'a field of another layer': atLayer(
    is('flatten', 'add', 'layerNormalization', 'softmax'),
    ({ i }, spec) => ({ spec: changedAt(spec, i, { units: 4 }), layer: i, field: 'units' }),
  ),
  'a type that is not one': atLayer(
    () => true,
    ({ i }, spec, d) => ({
      spec: changedAt(spec, i, { type: d.pick(['Dense', 'conv3d', '', 7, undefined]) }),
      layer: i,
      field: 'type',
    }),
  ),
  'a required field left out': atLayer(
    ({ layer }) => layer.type in REQUIRED,
    ({ i, layer }, spec) => ({
      spec: dropped(spec, i, REQUIRED[layer.type]),
      layer: i,
      field: REQUIRED[layer.type],
    }),
  ),
  units: bad('units', NUMBERS),
  filters: bad('filters', NUMBERS),
  kernelSize: bad('kernelSize', [0, -2, 1.5, [1, 2, 3], '3', [2, 0]]),
  strides: bad(
    'strides',
    [0, -1, 0.5, [1, 2, 3], 'same'],
    is(
      'conv1d',
      'conv2d',
      'maxPooling2d',
      'averagePooling1d',
      'depthwiseConv2d',
      'conv2dTranspose',
    ),
  ),
  padding: bad(
    'padding',
    ['full', 'Same', 1, ['valid']],
    is(
      'conv1d',
      'conv2d',
      'maxPooling2d',
      'separableConv2d',
      'conv2dTranspose',
      'averagePooling2d',
    ),
  ),
  'causal padding of planes': bad(
    'padding',
    ['causal'],
    is('conv2d', 'depthwiseConv2d', 'separableConv2d', 'maxPooling2d', 'maxPooling1d'),
  ),
  activation: bad('activation', ['reLU', 'none', 3, {}], has('activation')),
  'softmax within a recurrent layer': bad(
    'recurrentActivation',
    ['softmax', 'gelu'],
    is('lstm', 'gru'),
  ),
  rate: bad('rate', [1, -0.1, '0.5', NaN], is('dropout', 'spatialDropout2d')),
  epsilon: bad(
    'epsilon',
    [-1, 'small', Infinity],
    is('layerNormalization', 'batchNormalization', 'groupNormalization'),
  ),
  momentum: bad('momentum', [-0.1, 1.5, '0.9'], is('batchNormalization')),
  trainable: bad('trainable', [0, 'false', null], () => true),
  numHeads: bad('numHeads', NUMBERS),
  mergeMode: bad('mergeMode', ['add', 'cat', 1], is('bidirectional')),
  interpolation: bad('interpolation', ['cubic', 'Nearest'], is('upSampling2d')),
  kernelInitializer: bad(
    'kernelInitializer',
    ['he', { type: 'glorotUniform', gain: 2 }, { gain: 1 }, 4],
    is('dense', 'conv2d', 'lstm'),
  ),
  kernelRegularizer: bad(
    'kernelRegularizer',
    ['l3', { l3: 1 }, { l2: -1 }, 0.01],
    is('dense', 'conv2d', 'gru'),
  ),
  kernelConstraint: bad(
    'kernelConstraint',
    ['unitNorm', { maxNorm: -1 }, { max: 1 }, { axis: 9 }],
    is('dense', 'conv2d', 'gru'),
  ),
  'a window larger than what is there': atLayer(
    ({ layer, read }) =>
      is('conv2d', 'conv1d', 'depthwiseConv2d', 'separableConv2d')({ layer }) && read[0].length > 1,
    ({ i, read }, spec) => ({
      spec: changedAt(spec, i, { kernelSize: read[0][0] + 1, padding: 'valid', dilationRate: 1 }),
      layer: i,
      field: 'kernelSize',
    }),
  ),
  'groups that do not divide': atLayer(is('conv1d', 'conv2d'), ({ i, read }, spec) => ({
    spec: changedAt(spec, i, { groups: read[0].at(-1) + 1 }),
    layer: i,
    field: 'groups',
  })),
  'groups that do not divide channels': atLayer(is('groupNormalization'), ({ i, read }, spec) => ({
    spec: changedAt(spec, i, { groups: read[0].at(-1) + 1 }),
    layer: i,
    field: 'groups',
  })),
  targetShape: atLayer(is('reshape'), ({ i, read }, spec, d) => {
    const cells = read[0].reduce((a, b) => a * b, 1);
    return {
      spec: changedAt(spec, i, {
        targetShape: d.pick([[cells + 1], [cells, 2], [-1, -1], [0, cells], [-2], [-1, cells + 1]]),
      }),
      layer: i,
      field: 'targetShape',
    };
  }),
  dims: atLayer(is('permute'), ({ i, layer }, spec, d) => ({
    spec: changedAt(spec, i, {
      dims: d.pick(
        [
          [...layer.dims, 1],
          layer.dims.map(() => 1),
          layer.dims.map((n) => n - 1),
          layer.dims.slice(1),
        ].filter((dims) => dims.length !== 1 || dims[0] !== 1 || layer.dims.length > 1),
      ),
    }),
    layer: i,
    field: 'dims',
  })),
  cropping: atLayer(is('cropping2d'), ({ i, read }, spec) => ({
    spec: changedAt(spec, i, { cropping: read[0][0] }),
    layer: i,
    field: 'cropping',
  })),
  sequenceLength: atLayer(
    ({ layer, read }) => layer.type === 'positionEmbedding' && read[0][0] > 1,
    ({ i, read }, spec) => ({
      spec: changedAt(spec, i, { sequenceLength: read[0][0] - 1 }),
      layer: i,
      field: 'sequenceLength',
    }),
  ),
  'a source that is not there': atLayer(
    () => true,
    ({ i }, spec) => ({ spec: changedAt(spec, i, { input: 'nowhere' }), layer: i, field: 'input' }),
  ),
  'a source that comes later': atLayer(
    () => true,
    ({ i, name }, spec) => ({
      spec: changedAt(spec, i, { name, input: name }),
      layer: i,
      field: 'input',
    }),
  ),
  'no sources': atLayer(
    () => true,
    ({ i }, spec, d) => ({
      spec: changedAt(spec, i, { input: d.pick([[], 3, null, ['']]) }),
      layer: i,
      field: 'input',
    }),
  ),
  'one source for a join': atLayer(is(...JOINS, 'concatenate', 'dot'), ({ i, from }, spec) => ({
    spec: changedAt(spec, i, { input: from[0] }),
    layer: i,
    field: 'input',
  })),
  'two sources for one': atLayer(is('dense', 'flatten', 'lstm', 'conv2d'), ({ i, from }, spec) => ({
    spec: changedAt(spec, i, { input: [from[0], from[0]] }),
    layer: i,
    field: 'input',
  })),
  'three sources for a difference': atLayer(is('subtract', 'dot'), ({ i, from }, spec) => ({
    spec: changedAt(spec, i, { input: [...from, from[0]] }),
    layer: i,
    field: 'input',
  })),
  'a join of shapes that differ': atLayer(
    ({ layer, read }) =>
      JOINS.includes(layer.type) && read[0].join() === read.at(-1).join() && read[0].at(-1) > 1,
    ({ i, from, read }, spec) => {
      const other = { type: 'dense', name: 'other', units: read[0].at(-1) + 1, input: from[0] };
      const layers = withNames(spec);
      layers.splice(i, 1, other, { ...layers[i], input: [...from.slice(0, -1), 'other'] });
      return { spec: { ...spec, layers }, layer: i + 1, field: 'input' };
    },
  ),
  'axis of concatenate': bad('axis', [0, 7, -7, 1.5], is('concatenate')),
  'a name twice': (spec, d) => {
    const [a, b] = [
      d.between(0, spec.layers.length - 1),
      d.between(0, spec.layers.length - 1),
    ].sort((x, y) => x - y);
    if (a === b) return null;
    const { name } = places(spec)[a];
    return { spec: changedAt(changedAt(spec, a, { name }), b, { name }), layer: b, field: 'name' };
  },
  'the name of an input': atLayer(
    () => true,
    ({ i }, spec) => ({
      spec: changedAt(spec, i, { name: Object.keys(inputsOf(spec))[0] }),
      layer: i,
      field: 'name',
    }),
  ),
  name: bad('name', [3, '', {}, []], () => true),
  'a layer that leads nowhere': (spec) => {
    const [from] = places(spec);
    const outputs = spec.outputs ?? [places(spec).at(-1).name];
    return {
      spec: {
        ...spec,
        outputs,
        layers: [...spec.layers, { type: 'flatten', name: 'lost', input: from.name }],
      },
      layer: spec.layers.length,
      field: 'outputs',
    };
  },
  tiedTo: atLayer(has('units'), ({ i }, spec, d) => ({
    spec: changedAt(spec, i, { tiedTo: d.pick(['nowhere', 4]) }),
    layer: i,
    field: 'tiedTo',
  })),
  'tied to another shape': atLayer(
    ({ layer, i }) => layer.type === 'dense' && !layer.tiedTo && i > 0,
    ({ i, layer, from, read }, spec) => {
      const owner = { type: 'dense', name: 'owner', units: layer.units + 1, input: from[0] };
      const layers = withNames(spec);
      const between = { ...layers[i], input: 'back', tiedTo: 'owner' };
      layers.splice(i, 1, owner, { type: 'dense', name: 'back', units: read[0].at(-1) }, between);
      return { spec: { ...spec, layers }, layer: i + 2, field: 'tiedTo' };
    },
  ),
  'a bias beside the table of an embedding': atLayer(is('embedding'), ({ name, layer }, spec) => {
    const layers = [
      ...spec.layers,
      { type: 'dense', name: 'late', units: layer.inputDim, tiedTo: name, input: name },
    ];
    return {
      spec: { ...spec, layers, outputs: [...(spec.outputs ?? [places(spec).at(-1).name]), 'late'] },
      layer: layers.length - 1,
      field: 'tiedTo',
    };
  }),
  'a batch within a batch': atLayer(
    ({ shape }) => shape.length > 1,
    ({ name }, spec) => {
      const layers = [
        ...spec.layers,
        {
          type: 'timeDistributed',
          name: 'late',
          layer: { type: 'batchNormalization' },
          input: name,
        },
      ];
      return {
        spec: {
          ...spec,
          layers,
          outputs: [...(spec.outputs ?? [places(spec).at(-1).name]), 'late'],
        },
        layer: layers.length - 1,
        field: 'batchNormalization',
      };
    },
  ),
  'an embedding of what was computed': atLayer(is('dense'), ({ name }, spec) => {
    const layers = [
      ...spec.layers,
      { type: 'embedding', name: 'late', inputDim: 4, outputDim: 2, input: name },
    ];
    return {
      spec: { ...spec, layers, outputs: [...(spec.outputs ?? [places(spec).at(-1).name]), 'late'] },
      layer: layers.length - 1,
      field: 'input',
    };
  }),
  'a rank that does not fit': atLayer(
    ({ shape }) => shape.length === 1,
    ({ name }, spec) => {
      const layers = [
        ...spec.layers,
        { type: 'conv2d', name: 'late', filters: 2, kernelSize: 1, input: name },
      ];
      return {
        spec: {
          ...spec,
          layers,
          outputs: [...(spec.outputs ?? [places(spec).at(-1).name]), 'late'],
        },
        layer: layers.length - 1,
        field: 'input',
      };
    },
  ),
  'an output that is not there': (spec) => ({
    spec: { ...spec, outputs: ['nowhere'] },
    field: 'outputs',
  }),
  outputs: (spec, d) => ({
    spec: { ...spec, outputs: d.pick([[], 'dense', [3], [null], [{ loss: 'meanSquaredError' }]]) },
    field: 'outputs',
  }),
  lossWeights: (spec) => ({ spec: { ...spec, lossWeights: { nowhere: 1 } }, field: 'lossWeights' }),
  loss: (spec, d) => ({
    spec: { ...spec, loss: d.pick(['mse', { nowhere: 'huber' }, { type: 'huber', gamma: 1 }, 3]) },
    field: 'loss',
  }),
  'an option of a loss': (spec, d) => {
    const [type, field, value] = d.pick([
      ['huber', 'delta', -1],
      ['categoricalCrossentropy', 'labelSmoothing', 1],
      ['binaryFocalCrossentropy', 'gamma', -2],
      ['huber', 'labelSmoothing', 0.1],
    ]);
    const outputs = (spec.outputs ?? [places(spec).at(-1).name]).map((output) =>
      typeof output === 'string' ? output : output.name,
    );
    return {
      spec: {
        ...spec,
        outputs: outputs.map((name) => ({ name, loss: { type, [field]: value } })),
        loss: undefined,
        lossWeights: undefined,
      },
      field,
    };
  },
  optimizer: (spec, d) => ({
    spec: {
      ...spec,
      optimizer: d.pick(['Adam', { type: 'sgd', beta1: 0.5 }, { momentum: 0.5 }, 3, null]),
    },
    field: 'optimizer',
  }),
  learningRate: (spec, d) => ({
    spec: { ...spec, optimizer: 'adam', learningRate: d.pick([-1, 0, NaN, '0.1', Infinity]) },
    field: 'learningRate',
  }),
  'two kinds of clipping': (spec) => ({
    spec: {
      ...spec,
      learningRate: undefined,
      optimizer: { type: 'sgd', clipValue: 1, clipNorm: 1 },
    },
    field: 'clip',
  }),
  'an option of the optimizer': (spec, d) => {
    const [field, value] = d.pick([
      ['weightDecay', -1],
      ['clipNorm', 0],
      ['gradientAccumulationSteps', 0],
      ['emaMomentum', 2],
      ['useEma', 'yes'],
      ['globalClipNorm', NaN],
    ]);
    return {
      spec: { ...spec, learningRate: undefined, optimizer: { type: 'sgd', [field]: value } },
      field,
    };
  },
  inputShape: (spec, d) => {
    const shape = d.pick([[], [0], [-1, 3], 'big', [1.5], null]);
    const named = Object.fromEntries(Object.keys(inputsOf(spec)).map((name) => [name, shape]));
    return {
      spec: { ...spec, inputShape: Array.isArray(spec.inputShape) ? shape : named },
      field: 'inputShape',
    };
  },
  'a field of the spec': (spec) => ({ spec: { ...spec, epochs: 3 }, field: 'epochs' }),
};
