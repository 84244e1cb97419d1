/* shapes.js: what shape a layer gives, written for the generator alone: neither the core nor
 * TensorFlow.js is asked.
 *
 * shapeOf(layer, shapes) is the outward shape without the batch, or null where Keras would refuse.
 * weightsOf() counts a layer's weights, so that nets stay small. */

const ALL = (list) => list.reduce((a, b) => a * b, 1);
const two = (value) => (Array.isArray(value) ? value : [value, value]);
const first = (value) => (Array.isArray(value) ? value[0] : value);

/** Cells after a window of `reach` cells went over. */
export function windowed(cells, reach, stride, padding) {
  if (padding !== 'valid') return Math.ceil(cells / stride);
  return reach > cells ? null : Math.floor((cells - reach) / stride) + 1;
}

const reachOf = (size, dilation) => (size - 1) * dilation + 1;

function planes(layer, [h, w], channels, sizes) {
  const [size, strides, holes] = [
    two(sizes),
    two(layer.strides ?? 1),
    two(layer.dilationRate ?? 1),
  ];
  const out = [h, w].map((cells, i) =>
    windowed(cells, reachOf(size[i], holes[i]), strides[i], layer.padding ?? 'valid'),
  );
  return out.includes(null) ? null : [...out, channels];
}

function line(layer, [t], channels, sizes) {
  const out = windowed(
    t,
    reachOf(first(sizes), first(layer.dilationRate ?? 1)),
    first(layer.strides ?? 1),
    layer.padding ?? 'valid',
  );
  return out === null ? null : [out, channels];
}

function transposed(layer, shape) {
  const [sizes, strides, holes, extra] = [
    layer.kernelSize,
    layer.strides ?? 1,
    layer.dilationRate ?? 1,
    layer.outputPadding,
  ].map(two);
  const out = [0, 1].map((i) => {
    const k = reachOf(sizes[i], holes[i]);
    const base = (shape[i] - 1) * strides[i];
    if (layer.padding === 'same')
      return extra[i] === undefined ? shape[i] * strides[i] : base + (k % 2) + extra[i];
    return base + k + (extra[i] ?? Math.max(strides[i] - k, 0));
  });
  return Math.min(...out) < 1 ? null : [...out, layer.filters];
}

const sides = (value) => two(value).flatMap((side) => two(side));

function reshaped({ targetShape }, shape) {
  const known = ALL(targetShape.filter((n) => n > 0));
  const target = targetShape.map((n) => (n > 0 ? n : ALL(shape) / known));
  return ALL(target) === ALL(shape) && target.every(Number.isInteger) ? target : null;
}

function joined(shapes) {
  const [a] = shapes;
  if (shapes.some((shape) => shape.length !== a.length)) return null;
  const out = a.map((_, i) => Math.max(...shapes.map((shape) => shape[i])));
  return shapes.every((shape) => shape.every((n, i) => n === out[i] || n === 1)) ? out : null;
}

function concatenated({ axis = -1 }, shapes) {
  const [a] = shapes;
  const at = axis < 0 ? axis + a.length : axis - 1;
  if (
    !(at in a) ||
    shapes.some(
      (shape) => shape.length !== a.length || shape.some((n, i) => i !== at && n !== a[i]),
    )
  )
    return null;
  return a.map((n, i) => (i === at ? shapes.reduce((sum, shape) => sum + shape[at], 0) : n));
}

function dotted({ axes = -1 }, shapes) {
  const at = shapes.map((shape, i) =>
    two(axes)[i] < 0 ? two(axes)[i] + shape.length : two(axes)[i] - 1,
  );
  if (
    shapes.length !== 2 ||
    shapes[0][at[0]] === undefined ||
    shapes[0][at[0]] !== shapes[1][at[1]]
  )
    return null;
  const rest = shapes.flatMap((shape, i) => shape.filter((_, j) => j !== at[i]));
  return rest.length ? rest : [1];
}

const RECURRENT = ['simpleRNN', 'lstm', 'gru'];
const rank =
  (n, f) =>
  (layer, [shape]) =>
    shape.length === n ? f(layer, shape) : null;
const global = (n) =>
  rank(n, ({ keepDims }, shape) => [
    ...(keepDims ? shape.slice(0, -1).map(() => 1) : []),
    shape.at(-1),
  ]);
/** Strides are the size where they are not said. @param {typeof planes | typeof line} f */
const pool = (n, f) =>
  rank(n, ({ poolSize = 2, strides = poolSize, padding }, shape) =>
    f({ strides, padding }, shape, shape.at(-1), poolSize),
  );
const [pool1d, pool2d] = [pool(2, line), pool(3, planes)];
const grouped = ({ groups = 1, filters }, channels) =>
  channels % groups === 0 && filters % groups === 0;
const recurrent = rank(2, ({ units, returnSequences }, [t]) =>
  returnSequences ? [t, units] : [units],
);
const join = (_, shapes) => (shapes.length > 1 ? joined(shapes) : null);

const SHAPE = {
  dense: ({ units }, [shape]) => [...shape.slice(0, -1), units],
  conv1d: rank(2, (layer, shape) =>
    grouped(layer, shape[1]) ? line(layer, shape, layer.filters, layer.kernelSize) : null,
  ),
  conv2d: rank(3, (layer, shape) =>
    grouped(layer, shape[2]) ? planes(layer, shape, layer.filters, layer.kernelSize) : null,
  ),
  depthwiseConv2d: rank(3, (layer, shape) =>
    planes(layer, shape, shape[2] * (layer.depthMultiplier ?? 1), layer.kernelSize),
  ),
  separableConv2d: rank(3, (layer, shape) => planes(layer, shape, layer.filters, layer.kernelSize)),
  conv2dTranspose: rank(3, transposed),
  maxPooling1d: pool1d,
  averagePooling1d: pool1d,
  maxPooling2d: pool2d,
  averagePooling2d: pool2d,
  globalMaxPooling1d: global(2),
  globalAveragePooling1d: global(2),
  globalMaxPooling2d: global(3),
  globalAveragePooling2d: global(3),
  upSampling2d: rank(3, ({ size = 2 }, [h, w, c]) => [h * two(size)[0], w * two(size)[1], c]),
  zeroPadding2d: rank(3, ({ padding = 1 }, [h, w, c]) => {
    const [t, b, l, r] = sides(padding);
    return [h + t + b, w + l + r, c];
  }),
  cropping2d: rank(3, ({ cropping = 0 }, [h, w, c]) => {
    const [t, b, l, r] = sides(cropping);
    return h > t + b && w > l + r ? [h - t - b, w - l - r, c] : null;
  }),
  permute: ({ dims }, [shape]) =>
    dims.length === shape.length &&
    new Set(dims).size === shape.length &&
    dims.every((d) => d in [0, ...shape] && d > 0)
      ? dims.map((d) => shape[d - 1])
      : null,
  repeatVector: rank(1, ({ n }, [d]) => [n, d]),
  flatten: (_, [shape]) => [ALL(shape)],
  reshape: (layer, [shape]) => reshaped(layer, shape),
  spatialDropout2d: rank(3, (_, shape) => shape),
  groupNormalization: ({ groups = 32 }, [shape]) => (shape.at(-1) % groups === 0 ? shape : null),
  embedding: ({ outputDim }, [shape]) => [...shape, outputDim],
  positionEmbedding: rank(2, ({ sequenceLength }, shape) =>
    shape[0] <= sequenceLength ? shape : null,
  ),
  simpleRNN: recurrent,
  lstm: recurrent,
  gru: recurrent,
  bidirectional({ layer, mergeMode = 'concat' }, shapes) {
    const out = RECURRENT.includes(layer.type) ? shapeOf(layer, shapes) : null;
    return out && (mergeMode === 'concat' ? [...out.slice(0, -1), 2 * out.at(-1)] : out);
  },
  timeDistributed({ layer }, [[steps, ...rest]]) {
    const out = rest.length ? shapeOf(layer, [rest]) : null;
    return out && [steps, ...out];
  },
  multiHeadAttention: (_, [query, value = query, key = value]) =>
    [query, value, key].every((shape) => shape.length === 2) && value[0] === key[0] ? query : null,
  add: join,
  subtract: (layer, shapes) => (shapes.length === 2 ? joined(shapes) : null),
  multiply: join,
  average: join,
  maximum: join,
  minimum: join,
  concatenate: (layer, shapes) => (shapes.length > 1 ? concatenated(layer, shapes) : null),
  dot: dotted,
};

/** @param {any} layer @param {number[][]} shapes  of its inputs @returns {number[] | null} */
export const shapeOf = (layer, shapes) =>
  (SHAPE[layer.type] ?? ((_, [shape]) => shape))(layer, shapes);

/**
 * About how many weights a layer has, at least as many as it has.
 * @param {any} layer
 * @param {number[][]} shapes
 */
export function weightsOf(layer, shapes) {
  const [shape] = shapes;
  const c = shape.at(-1);
  const { units = 0, filters = 0, kernelSize = 1, depthMultiplier = 1, type } = layer;
  const cells = Array.isArray(kernelSize)
    ? ALL(kernelSize)
    : kernelSize ** (type === 'conv1d' ? 1 : 2);
  if (layer.layer)
    return 2 * weightsOf(layer.layer, type === 'timeDistributed' ? [shape.slice(1)] : shapes);
  if (RECURRENT.includes(type)) return 4 * units * (c + units + 2);
  if (type === 'dense') return (c + 1) * units;
  if (type === 'depthwiseConv2d') return (cells + 1) * c * depthMultiplier;
  if (type === 'separableConv2d') return (cells + filters) * c * depthMultiplier + filters;
  if (filters) return ((cells * c) / (layer.groups ?? 1)) * filters + filters;
  if (type === 'embedding') return layer.inputDim * layer.outputDim;
  if (type === 'positionEmbedding') return layer.sequenceLength * c;
  if (type === 'multiHeadAttention')
    return (
      4 *
        layer.numHeads *
        Math.max(layer.keyDim, layer.valueDim ?? 0) *
        (Math.max(...shapes.map((s) => s.at(-1))) + 1) +
      c
    );
  if (type === 'prelu') return ALL(shape);
  return 4 * c;
}
