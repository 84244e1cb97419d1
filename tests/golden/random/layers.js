/* layers.js: a layer drawn at random for a shape.
 *
 * drawLayer(draw, shape, masked) gives the fields of one that Keras would take there, or null; not
 * every draw fits. What single precision alone would tell apart is not drawn: normalization of
 * fewer than four numbers, whose signs are all that is left of them; exponentials of exponentials;
 * ties of a maximum. */
import { shapeOf } from './shapes.js';

/**
 * @typedef {object} Draw
 * @property {() => number} next in [0, 1)
 * @property {(low: number, high: number) => number} between  an integer
 * @property {(list: any[]) => any} pick
 * @property {(share: number) => boolean} chance
 */

/** @param {() => number} next @returns {Draw} */
export const drawing = (next) => ({
  next,
  between: (low, high) => low + Math.floor(next() * (high - low + 1)),
  pick: (list) => list[Math.floor(next() * list.length)],
  chance: (share) => next() < share,
});

export const HIDDEN = [
  'linear',
  'relu',
  'relu6',
  'leakyRelu',
  'elu',
  'selu',
  'gelu',
  'sigmoid',
  'hardSigmoid',
  'tanh',
  'softplus',
  'softsign',
  'swish',
  'mish',
];
const OF_GATES = [
  'relu',
  'relu6',
  'leakyRelu',
  'elu',
  'selu',
  'sigmoid',
  'hardSigmoid',
  'tanh',
  'softplus',
  'softsign',
];
const elements = (shape) => shape.reduce((a, b) => a * b, 1);

const act = ({ pick, chance }, share = 0.7) => (chance(share) ? { activation: pick(HIDDEN) } : {});
const bias = ({ chance }) => (chance(0.2) ? { useBias: false } : {});
/** One number, or one for each axis. */
const spread = ({ chance }, draw) => (chance(0.5) ? draw() : [draw(), draw()]);
const strided = (d, sizes) => {
  const more = {};
  if (d.chance(0.35))
    more.strides = sizes === 2 ? spread(d, () => d.between(1, 3)) : d.between(1, 3);
  else if (d.chance(0.3))
    more.dilationRate = sizes === 2 ? spread(d, () => d.between(1, 2)) : d.between(1, 3);
  return more;
};
const padded = ({ chance, pick }, list = ['valid', 'same']) =>
  chance(0.6) ? { padding: pick(list) } : {};
const grouped = ({ pick, between }, channels) => {
  const groups = pick([1, 1, 1, 2, 3].filter((n) => channels % n === 0));
  return groups > 1 ? { groups, filters: groups * between(1, 2) } : { filters: between(1, 5) };
};

const pool = (d, axes, size) => ({
  type: d.pick(['maxPooling', 'averagePooling']) + axes,
  ...(d.chance(0.7) && { poolSize: size() }),
  ...(d.chance(0.5) && { strides: size() }),
  ...padded(d),
});

/* ---- recurrent ---- */

function recurrent(d, type = d.pick(['simpleRNN', 'lstm', 'gru'])) {
  const layer = { type, units: d.between(1, 5), ...bias(d) };
  if (d.chance(0.6)) layer.returnSequences = true;
  if (d.chance(0.25)) layer.goBackwards = true;
  if (d.chance(0.2)) layer.activation = d.pick(OF_GATES);
  if (type !== 'simpleRNN' && d.chance(0.2))
    layer.recurrentActivation = d.pick(['sigmoid', 'hardSigmoid', 'tanh']);
  if (type === 'gru' && d.chance(0.4)) layer.resetAfter = false;
  return layer;
}

function bidirectional(d) {
  const { goBackwards, ...layer } = recurrent(d);
  return {
    type: 'bidirectional',
    layer,
    ...(d.chance(0.6) && { mergeMode: d.pick(['concat', 'sum', 'mul', 'ave']) }),
  };
}

function attention(d) {
  const layer = {
    type: 'multiHeadAttention',
    numHeads: d.between(1, 3),
    keyDim: d.between(1, 4),
    ...bias(d),
  };
  if (d.chance(0.3)) layer.valueDim = d.between(1, 4);
  if (d.chance(0.4)) layer.useCausalMask = true;
  return layer;
}

/* ---- for every rank ---- */

/** Of fewer numbers the mean and the deviation leave little but signs. */
const ENOUGH = 4;

function normalizing(d, shape) {
  const channels = shape.at(-1);
  const more = {
    ...(d.chance(0.2) && { epsilon: d.pick([1e-2, 1e-3]) }),
    ...(d.chance(0.15) && { center: false }),
    ...(d.chance(0.15) && { scale: false }),
  };
  const kinds = ['batchNormalization', 'batchNormalization'];
  if (channels >= ENOUGH) kinds.push('layerNormalization');
  const groups = [1, 2, 3].filter((n) => channels % n === 0 && elements(shape) / n >= ENOUGH);
  if (groups.length) kinds.push('groupNormalization');
  const type = d.pick(kinds);
  if (type === 'groupNormalization') return { type, groups: d.pick(groups), ...more };
  if (type === 'batchNormalization' && d.chance(0.4)) more.momentum = d.pick([0.5, 0.9]);
  return { type, ...more };
}

const perChannel = (d, channels, draw) =>
  d.chance(0.5) ? draw() : Array.from({ length: channels }, draw);

const ANY_RANK = [
  (d) => ({ type: 'dense', units: d.between(2, 8), ...act(d) }),
  (d) => ({ type: 'activation', activation: d.chance(0.1) ? 'softmax' : d.pick(HIDDEN) }),
  normalizing,
  normalizing,
  (d, shape) => ({
    type: 'prelu',
    ...(d.chance(0.4) &&
      shape.length > 1 && {
        sharedAxes: d.chance(0.5) ? [1] : shape.map((_, i) => i + 1).slice(0, -1),
      }),
  }),
  (d) => ({ type: 'dropout', rate: 0 }),
  (d) => ({
    type: 'rescaling',
    scale: d.pick([0.5, -1.5]),
    ...(d.chance(0.5) && { offset: 0.25 }),
  }),
  (d, shape) => ({
    type: 'normalization',
    mean: perChannel(d, shape.at(-1), () => Math.round(8 * d.next() - 4) / 8),
    variance: perChannel(d, shape.at(-1), () => (1 + Math.round(8 * d.next())) / 4),
  }),
  (d) => (d.chance(0.3) ? { type: 'softmax' } : null),
];

const withDims = (d, shape) => {
  const dims = shape.map((_, i) => i + 1);
  for (let i = dims.length - 1; i > 0; i--) {
    const j = d.between(0, i);
    [dims[i], dims[j]] = [dims[j], dims[i]];
  }
  return { type: 'permute', dims };
};

/** The same elements in other axes; one of them may be left to be counted. */
function reshaping(d, shape, ranks) {
  const target = [];
  let left = elements(shape);
  for (let i = d.pick(ranks); i > 1; i--) {
    const n = d.pick([1, 2, 3, 4, 5].filter((size) => left % size === 0));
    target.push(n);
    left /= n;
  }
  target.push(left);
  if (d.chance(0.4)) target[d.between(0, target.length - 1)] = -1;
  return { type: 'reshape', targetShape: target };
}

const wrapped = (d, shape, masked) => {
  const layer = drawLayer(d, shape.slice(1), masked, true);
  return layer && { type: 'timeDistributed', layer };
};

/* ---- by rank ---- */

const OF_VECTORS = [
  (d) => ({ type: 'dense', units: d.between(2, 9), ...act(d), ...bias(d) }),
  (d) => ({ type: 'repeatVector', n: d.between(2, 4) }),
  (d, shape) => reshaping(d, shape, [2, 3]),
];

const OF_ROWS = [
  (d, [, c]) => ({
    type: 'conv1d',
    kernelSize: d.between(1, 3),
    ...grouped(d, c),
    ...strided(d, 1),
    ...padded(d, ['valid', 'same', 'causal']),
    ...act(d),
    ...bias(d),
  }),
  (d, [, c]) => ({
    type: 'conv1d',
    kernelSize: d.between(2, 3),
    ...grouped(d, c),
    padding: d.pick(['same', 'causal']),
    ...act(d),
  }),
  (d) => pool(d, '1d', () => d.between(1, 3)),
  (d) => pool(d, '1d', () => 2),
  (d) => ({
    type: d.pick(['globalMaxPooling1d', 'globalAveragePooling1d']),
    ...(d.chance(0.3) && { keepDims: true }),
  }),
  (d) => recurrent(d),
  (d) => recurrent(d),
  bidirectional,
  bidirectional,
  attention,
  (d, [t]) => ({ type: 'positionEmbedding', sequenceLength: t + d.between(0, 2) }),
  wrapped,
  withDims,
  (d, shape) => reshaping(d, shape, [3]),
];

const OF_PLANES = [
  (d, [, , c]) => ({
    type: 'conv2d',
    kernelSize: spread(d, () => d.between(1, 3)),
    ...grouped(d, c),
    ...strided(d, 2),
    ...padded(d),
    ...act(d),
    ...bias(d),
  }),
  (d, [, , c]) => ({
    type: 'conv2d',
    kernelSize: d.pick([1, 3]),
    ...grouped(d, c),
    padding: 'same',
    ...act(d),
  }),
  (d) => ({
    type: 'depthwiseConv2d',
    kernelSize: spread(d, () => d.between(1, 3)),
    ...(d.chance(0.4) && { depthMultiplier: 2 }),
    ...strided(d, 2),
    ...padded(d),
    ...act(d),
    ...bias(d),
  }),
  (d) => ({
    type: 'separableConv2d',
    filters: d.between(1, 4),
    kernelSize: spread(d, () => d.between(1, 3)),
    ...(d.chance(0.3) && { depthMultiplier: 2 }),
    ...strided(d, 2),
    ...padded(d),
    ...act(d),
    ...bias(d),
  }),
  (d) => transposedConv(d),
  (d) => pool(d, '2d', () => spread(d, () => d.between(1, 3))),
  (d) => pool(d, '2d', () => 2),
  (d) => ({
    type: d.pick(['globalMaxPooling2d', 'globalAveragePooling2d']),
    ...(d.chance(0.3) && { keepDims: true }),
  }),
  (d) => ({
    type: 'upSampling2d',
    ...(d.chance(0.7) && { size: spread(d, () => d.between(1, 3)) }),
    ...(d.chance(0.5) && { interpolation: d.pick(['nearest', 'bilinear']) }),
  }),
  (d) => ({ type: 'zeroPadding2d', ...(d.chance(0.8) && { padding: margins(d) }) }),
  (d) => ({ type: 'cropping2d', cropping: margins(d) }),
  (d) => ({ type: 'spatialDropout2d', rate: 0 }),
  wrapped,
  withDims,
  (d, shape) => reshaping(d, shape, [2]),
];

const OF_MORE = [wrapped, wrapped, (d, shape) => reshaping(d, shape, [1, 2, 3]), withDims];

function margins(d) {
  const side = () => d.between(0, 2);
  return d.pick([
    side,
    () => [side(), side()],
    () => [
      [side(), side()],
      [side(), side()],
    ],
  ])();
}

function transposedConv(d) {
  const layer = {
    type: 'conv2dTranspose',
    filters: d.between(1, 3),
    kernelSize: spread(d, () => d.between(1, 3)),
    ...padded(d),
    ...act(d),
    ...bias(d),
  };
  if (d.chance(0.6)) layer.strides = spread(d, () => d.between(1, 3));
  else if (d.chance(0.4)) layer.dilationRate = 2;
  // Keras takes an output padding only below the stride
  const least = Math.min(...[layer.strides ?? 1].flat());
  if (least > 1 && d.chance(0.4)) layer.outputPadding = d.between(0, least - 1);
  return layer;
}

/** Layers that pass a mask on or heed it; all else drops it. */
const OF_MASKED = [
  (d) => ({ type: 'dense', units: d.between(2, 6), ...act(d) }),
  (d) => ({ type: 'activation', activation: d.pick(HIDDEN) }),
  (d, shape) => ({
    type: shape[1] >= ENOUGH && d.chance(0.6) ? 'layerNormalization' : 'batchNormalization',
  }),
  (d) => ({ type: 'dropout', rate: 0 }),
  (d, [t]) => ({ type: 'positionEmbedding', sequenceLength: t + d.between(0, 2) }),
  (d) => recurrent(d),
  (d) => recurrent(d),
  bidirectional,
  attention,
  () => ({ type: 'globalAveragePooling1d' }),
  (d) => ({ type: 'timeDistributed', layer: { type: 'dense', units: d.between(2, 5), ...act(d) } }),
  (d, [, c]) => ({ type: 'conv1d', kernelSize: 2, ...grouped(d, c), ...padded(d), ...act(d) }),
  () => ({ type: 'flatten' }),
];

const BY_RANK = [[], OF_VECTORS, OF_ROWS, OF_PLANES];
/* Within timeDistributed: one pass over the whole batch, so nothing that would tell steps apart. */
const NOT_WRAPPED = ['batchNormalization', 'timeDistributed', 'reshape', 'permute'];

/**
 * @param {Draw} d
 * @param {number[]} shape
 * @param {boolean} [masked]
 * @param {boolean} [inside]  a wrapper
 * @returns {any} null where what was drawn does not fit
 */
export function drawLayer(d, shape, masked = false, inside = false) {
  const own = masked ? OF_MASKED : (BY_RANK[shape.length] ?? OF_MORE);
  const layer = d.pick(!masked && d.chance(0.3) ? ANY_RANK : own)?.(d, shape, masked);
  if (!layer || (inside && NOT_WRAPPED.includes(layer.type))) return null;
  return shapeOf(layer, [shape]) && layer;
}

/**
 * A layer whose output has the shape of its input: what a residual goes around.
 * @param {Draw} d
 * @param {number[]} shape
 */
export function drawKeeping(d, shape, masked = false) {
  const c = shape.at(-1);
  const kinds = [{ type: 'dense', units: c, ...act(d) }];
  if (shape.length === 2)
    kinds.push({ ...attention(d) }, { ...recurrent(d), units: c, returnSequences: true });
  if (shape.length === 2 && !masked)
    kinds.push({
      type: 'conv1d',
      filters: c,
      kernelSize: d.between(1, 3),
      padding: d.pick(['same', 'causal']),
      ...act(d),
    });
  if (shape.length === 3) {
    const window = { kernelSize: d.pick([1, 2, 3]), padding: 'same', ...act(d) };
    kinds.push(
      { type: 'conv2d', filters: c, ...window },
      { type: 'depthwiseConv2d', ...window },
      { type: 'separableConv2d', filters: c, ...window },
    );
  }
  if (c >= ENOUGH) kinds.push({ type: 'layerNormalization' });
  return d.pick(kinds);
}
