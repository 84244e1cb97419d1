/* docs-text.mjs: what docs/layers.md says of each name in the schema: a formula, and what is worth
 * knowing.
 *
 * docs.mjs refuses a name that has nothing here, and anything here that is not in the schema.
 * Ranges, defaults and options are not told here: they are the schema's. */

/**
 * What is computed of each layer's input x, and where Keras 3 or PyTorch differ.
 * @type {Record<string, string>}
 */
export const LAYERS = {
  dense:
    '`y = act(x · kernel + bias)` over the last axis of any rank; kernel (in, units). PyTorch: `Linear`, whose weight is the transpose.',
  conv1d:
    '`y[t, f] = act(bias[f] + Σ x[t·s + k·d − pad, c] · kernel[k, c, f])`; x (T, channels), kernel (k, channels/groups, filters). `same` pads as TensorFlow does, the odd cell behind; `causal` pads in front only.',
  conv2d:
    '`y[i, j, f] = act(bias[f] + Σ x[i·s + u·d − pad, j·s + v·d − pad, c] · kernel[u, v, c, f])`; x (rows, columns, channels), kernel (kh, kw, channels/groups, filters). Channels are last; PyTorch has them first, and pads both sides alike.',
  depthwiseConv2d:
    'Each channel by itself: output channel `c·depthMultiplier + m` is channel c with `depthwise_kernel[:, :, c, m]`.',
  separableConv2d:
    '`depthwiseConv2d` without bias, then a 1×1 `conv2d`: weights depthwise_kernel, pointwise_kernel (1, 1, channels·depthMultiplier, filters), bias.',
  conv2dTranspose:
    'The gradient of `conv2d` with respect to its input as a layer: every cell of x adds its multiple of the kernel (kh, kw, filters, channels). Size: `same` in·s; `valid` in·s + max(k − s, 0); with outputPadding as in Keras 3.',
  maxPooling1d:
    'The largest of each window of x (T, channels). Strides are the pool size unless given.',
  averagePooling1d: 'The mean of each window of x (T, channels), of the cells that are in x.',
  maxPooling2d:
    'The largest of each window of x (rows, columns, channels). Strides are the pool size unless given.',
  averagePooling2d:
    'The mean of each window, of the cells that are in x: with `same`, PyTorch counts padding too (count_include_pad).',
  globalMaxPooling1d: '`y[c] = max over t of x[t, c]`.',
  globalAveragePooling1d:
    '`y[c] = mean over t of x[t, c]`; of the steps that count, where there is a mask.',
  globalMaxPooling2d: '`y[c] = max over i, j of x[i, j, c]`.',
  globalAveragePooling2d: '`y[c] = mean over i, j of x[i, j, c]`.',
  upSampling2d:
    'Rows and columns repeated (`nearest`), or interpolated between the centers of cells (`bilinear`, PyTorch: align_corners false).',
  zeroPadding2d:
    'Zeros around rows and columns: a number for all sides, [rows, columns], or [[top, bottom], [left, right]].',
  cropping2d: 'Rows and columns taken away, told like the padding of `zeroPadding2d`.',
  flatten: 'All axes of a sample in one.',
  reshape: 'The same numbers in another shape; one axis may be −1, and is what is left.',
  permute: '`y` has axis `dims[i]` of x as its axis i; axes count from 1, as in Keras 3.',
  repeatVector: '`y[t] = x` for n steps.',
  rescaling: '`y = x · scale + offset`.',
  normalization:
    '`y = (x − mean) / max(√variance, 1e-7)`, with numbers that are given, one or one for each number of the last axis. Nothing is adapted or trained.',
  dropout: 'Training: zero with probability rate, else `x / (1 − rate)`; else y = x.',
  spatialDropout2d: '`dropout` of whole channels.',
  gaussianNoise: 'Training: `x + stddev · n`, n from the standard normal distribution; else y = x.',
  activation: '`y = act(x)`.',
  softmax: '`softmax` over the last axis.',
  prelu:
    '`y = x` where x > 0, else `alpha · x`; alpha has the shape of x, with sharedAxes (from 1) of length 1. PyTorch shares all axes but the channels.',
  batchNormalization:
    '`y = gamma · (x − mean) / √(variance + epsilon) + beta` over the last axis. Training: mean and (biased) variance of the batch, and `moving = momentum · moving + (1 − momentum) · batch`; else the moving ones. With trainable: false always the moving ones. PyTorch: momentum is 1 − this one, and the moving variance is the unbiased one.',
  layerNormalization:
    '`y = gamma · (x − mean) / √(variance + epsilon) + beta`, mean and variance over the last axis of each position. PyTorch: epsilon 1e-5.',
  groupNormalization:
    'As `layerNormalization`, mean and variance over all positions and the channels of one group of one sample; groups −1: each channel is one. PyTorch: epsilon 1e-5.',
  embedding:
    '`y[…] = embeddings[x[…]]`: rows of a table (inputDim, outputDim). x is an input of the model, whose numbers are indices; one that is out of range is INVALID_DATA. maskZero: index 0 does not count.',
  positionEmbedding:
    '`y[t] = x[t] + embeddings[t]`, a table (sequenceLength, D) that is trained. KerasHub puts out the table alone: add it with a join there.',
  simpleRNN: '`h = act(x · kernel + h · recurrent_kernel + bias)`.',
  lstm: '`i, f, c, o = x · kernel + h · recurrent_kernel + bias` in this order; `c = σ(f) · c + σ(i) · act(c̃)`, `h = σ(o) · act(c)`. PyTorch: order i, f, g, o, and two biases.',
  gru: '`z, r, h` in this order; `h = z · h + (1 − z) · act(h̃)`. resetAfter: r multiplies the product with recurrent_kernel (bias (2, 3·units)), else what goes into it. PyTorch: order r, z, n, resetAfter only.',
  bidirectional:
    'One layer forward and one of the same kind backward through time, merged; weights are called forward_… and backward_….',
  timeDistributed: 'The layer, at every step of the first axis alone.',
  multiHeadAttention:
    '`softmax(q · kᵀ / √keyDim) · v` of each head, heads joined by the output kernel. Inputs: one (self-attention), [query, value] or [query, value, key]. useCausalMask: no step sees a later one. A step that sees none takes the mean.',
  add: '`y = a + b + …`',
  subtract: '`y = a − b`',
  multiply: '`y = a · b · …`',
  average: '`y = (a + b + …) / n`',
  maximum: '`y = max(a, b, …)`',
  minimum: '`y = min(a, b, …)`',
  concatenate:
    'One input behind the other along the axis, which counts the samples as axis 0, as in Keras 3; −1 is the last.',
  dot: 'The sums of products of two inputs over one axis of each (the samples are axis 0); normalize: of vectors of length 1, which makes it the cosine.',
};

/** @type {Record<string, string>} */
export const ACTIVATIONS = {
  linear: '`x`',
  relu: '`max(x, 0)`',
  leakyRelu: '`x > 0 ? x : 0.3·x`. PyTorch: 0.01; Keras 3: 0.2 as an activation, 0.3 as a layer',
  elu: '`x > 0 ? x : exp(x) − 1`',
  selu: '`1.0507 · (x > 0 ? x : 1.6733 · (exp(x) − 1))`',
  gelu: '`x · Φ(x)`, Φ of the normal distribution (by erf). Keras 3’s default too; its approximate form is another',
  sigmoid: '`1 / (1 + exp(−x))`',
  tanh: '`tanh(x)`',
  softplus: '`log(1 + exp(x))`',
  swish: '`x · sigmoid(x)`; PyTorch: SiLU',
  softmax: '`exp(x) / Σ exp(x)` over the last axis',
  relu6: '`min(max(x, 0), 6)`',
  hardSigmoid:
    '`relu6(x + 3) / 6`, Keras 3’s and PyTorch’s. `hard_sigmoid` of Keras 2, `hardSigmoid` of TensorFlow.js: `clip(0.2·x + 0.5, 0, 1)`, which is this one of `1.2·x`',
  softsign: '`x / (1 + |x|)`',
  exponential: '`exp(x)`',
  mish: '`x · tanh(softplus(x))`',
};

/**
 * fan: of the weights that reach one output, or leave one input, as Keras 3 counts them.
 * @type {Record<string, string>}
 */
export const INITIALIZERS = {
  zeros: '0',
  ones: '1',
  constant: 'value',
  glorotUniform: 'uniform within ±√(6 / (fanIn + fanOut))',
  glorotNormal: 'truncated normal, variance 2 / (fanIn + fanOut)',
  heUniform: 'uniform within ±√(6 / fanIn)',
  heNormal: 'truncated normal, variance 2 / fanIn',
  leCunUniform: 'uniform within ±√(3 / fanIn)',
  leCunNormal: 'truncated normal, variance 1 / fanIn',
  randomUniform: 'uniform from minval to maxval',
  randomNormal: 'normal',
  truncatedNormal: 'normal, what is beyond two stddev drawn again',
  orthogonal: 'gain · Q of the QR decomposition of a normal matrix',
  identity: 'gain · the identity matrix',
  varianceScaling: 'variance scale / fan of the mode; uniform: within ±√(3 · scale / fan)',
};

/** Of one output: p is what is predicted, y what is wanted. @type {Record<string, string>} */
export const LOSSES = {
  sparseCategoricalCrossentropy: '`−log p[y]`, y an index; like categoricalCrossentropy',
  categoricalCrossentropy: '`−Σ y · log p`; last activation softmax, computed from its logits',
  binaryCrossentropy:
    'mean of `−y · log p − (1 − y) · log(1 − p)`; last activation sigmoid, from its logits',
  meanSquaredError: 'mean of `(p − y)²`',
  meanAbsoluteError: 'mean of `|p − y|`',
  huber: 'mean of `½ r²` where |r| ≤ delta, else `delta · (|r| − ½ delta)`; r = p − y',
  meanAbsolutePercentageError: '100 · mean of `|y − p| / max(|y|, 1e-7)`',
  meanSquaredLogarithmicError: 'mean of `(log(max(y, 1e-7) + 1) − log(max(p, 1e-7) + 1))²`',
  logCosh: 'mean of `log cosh(p − y)`',
  klDivergence: '`Σ y · log(y / p)`, both within 1e-7 and 1',
  poisson: 'mean of `p − y · log(p + 1e-7)`',
  cosineSimilarity: '`−Σ y · p` of both scaled to length 1, over the last axis',
  hinge: 'mean of `max(1 − y · p, 0)`; y is −1 or 1, or 0 or 1',
  squaredHinge: 'mean of `max(1 − y · p, 0)²`',
  categoricalHinge: '`max(0, max((1 − y) · p) − Σ y · p + 1)`',
  binaryFocalCrossentropy:
    'mean of `(1 − pₜ)^gamma` times the binary cross-entropy, pₜ the probability of what is wanted; applyClassBalancing: times alpha (1) or 1 − alpha (0)',
  categoricalFocalCrossentropy:
    '`−Σ alpha · (1 − p)^gamma · y · log p`, from logits; Keras 3 clips p to 1e-7 at least',
};

/** Of options of losses. @type {Record<string, string>} */
export const LOSS_OPTIONS = {
  labelSmoothing: 'y becomes `y · (1 − s) + s / classes` (binary: + s / 2)',
  delta: 'where the square ends',
  gamma: 'how much less what is easy counts',
  alpha: 'weight of the class',
  applyClassBalancing: 'weigh by alpha',
};

export const CONTROL_PAGE = `# Learning rates of a run, and its end

This page is made of the schema that the core checks a run by (\`npm run docs\`): names, ranges and defaults are those that
count. Formulas and rules are Keras 3.16's unless it is said otherwise. They are computed in double by the core: an interrupted
run goes on to the same bits, in every browser. Which one when: [training.md](training.md).
`;

export const ABOUT_SCHEDULES = `\`fit(x, y, { learningRate: { type: 'cosine', decaySteps: 1000 } })\`. In the formulas s is the number of updates since the run's
beginning, the first one at 0 (batches / gradientAccumulationSteps, rounded down; Keras counts batches), or of complete epochs with
\`per: 'epoch'\`; N is decaySteps, r learningRate. A rate that the optimizer does not take, with its epsilon and weightDecay, fails
the run. A schedule stands neither beside reduceOnPlateau nor beside a rate from \`onEpoch\` or \`run.set\`: each would undo the other.`;

export const OTHER_CONTROLS = `### until, maxSteps, maxSeconds

\`until: { valAccuracy: 0.98, valLoss: 0.1 }\` ends the run with the first epoch whose numbers are all as good, or better, each in its own
direction (\`reason\` is \`'reached'\`). \`maxSteps\` and \`maxSeconds\` end it after a step (\`'limit'\`); both count from the run's
beginning, seconds without pauses, and a run that is resumed may be given more.
`;

/**
 * s: updates, or epochs, that are complete; N: decaySteps; r: learningRate.
 * @type {Record<string, string>}
 */
export const SCHEDULES = {
  constant: '`r`',
  exponential: '`r · decayRate^(s / N)`; staircase: the exponent is rounded down',
  piecewise:
    'values[0] up to and with step boundaries[0], values[1] up to boundaries[1], and so on',
  polynomial:
    '`(r − end) · (1 − s / N)^power + end`, from N on endLearningRate; cycle: N grows to its next multiple',
  inverseTime: '`r / (1 + decayRate · s / N)`; staircase: s / N is rounded down',
  cosine:
    'a line from learningRate to warmupTarget over warmupSteps, then half a cosine over N steps down to alpha of it. Without warmupTarget the line goes from 0 to learningRate (Keras: no warm-up then)',
  cosineRestarts:
    'SGDR: half a cosine over firstDecaySteps, then again from mMul times the height over tMul times the steps',
  oneCycle:
    'PyTorch’s OneCycleLR, the rate alone: half a cosine up to maxLearningRate over pctStart of totalSteps, then one down to where it began / finalDivFactor. It begins at learningRate, else at maxLearningRate / divFactor',
};

/* Keras 3.16's callbacks, their order of operations included. */
/** @type {Record<string, string>} */
export const CONTROLS = {
  earlyStopping: 'ends the run when a number of its epochs’ records no longer gets better',
  reduceOnPlateau: 'makes the learning rate less when a number no longer gets better',
};

/** @type {Record<string, string>} */
export const CONTROL_OPTIONS = {
  monitor: 'the name of a number of epoch records',
  mode: 'whether less or more of it is better; auto: as the metric says',
  'earlyStopping.patience': 'epochs in a row without a better value that are borne',
  'reduceOnPlateau.patience': 'epochs in a row without a better value before the rate falls',
  minDelta: 'what is better by no more than this is not better',
  baseline: 'a value that has to be bettered within patience epochs',
  startFromEpoch: 'epochs at the begin that are not looked at',
  restoreBest: 'at its end, whatever ended it, the model has the weights of the best epoch',
  factor: 'the rate is multiplied by it: above 0',
  cooldown: 'epochs after a fall that are not counted',
  minLearningRate: 'the rate does not fall below it',
};

/** @type {Record<string, string>} */
export const SCHEDULE_OPTIONS = {
  learningRate: 'where it begins; without it the optimizer’s own',
  'oneCycle.learningRate': 'where it begins, in place of maxLearningRate / divFactor',
  per: 'whether steps or complete epochs are counted; steps are updates since the run’s beginning',
  decaySteps: 'N',
  decayRate: 'see above',
  staircase: 'in steps instead of a slope',
  boundaries: 'rising counts',
  values: 'one rate more than boundaries',
  endLearningRate: 'where it ends',
  power: 'see above',
  cycle: 'begins anew after N',
  alpha: 'the share that is left at the end',
  warmupTarget: 'the rate after the warm-up, which needs warmupSteps',
  warmupSteps: 'steps of the warm-up, which are not among N',
  firstDecaySteps: 'steps of the first cycle',
  tMul: 'each cycle’s length by the one’s before',
  mMul: 'each cycle’s height likewise',
  totalSteps: 'of the cycle; the rate stays at its end from there on',
  maxLearningRate: 'the highest rate',
  pctStart: 'the share of totalSteps in which it rises',
  divFactor: 'maxLearningRate / where it begins',
  finalDivFactor: 'where it begins / where it ends',
};

/**
 * g is the gradient, t the number of the update, lr the learning rate.
 * @type {Record<string, string>}
 */
export const OPTIMIZERS = {
  sgd: '`v = momentum · v − lr · g`, `w += v`; nesterov: `w += momentum · v − lr · g`. PyTorch has the learning rate outside of v',
  adam: '`m = β₁m + (1 − β₁)g`, `v = β₂v + (1 − β₂)g²`, `w −= lr · m̂ / (√v̂ + epsilon)` with m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ): epsilon as in the paper and PyTorch (there 1e-8). Keras 3 adds it to √v before the correction, which is a smaller one in the first steps',
  adamw: '`adam`, with `w −= lr · weightDecay · w` before it. PyTorch’s default is 0.01',
  adamax: '`m` as adam, `u = max(β₂u, |g|)`, `w −= lr / (1 − β₁ᵗ) · m / (u + epsilon)`',
  nadam: '`adam` with Nesterov’s momentum, and Keras 3’s schedule of β₁: `β₁ · (1 − ½ · 0.96ᵗ)`',
  rmsprop:
    '`v = rho · v + (1 − rho)g²`, step `lr · g / √(v + epsilon)`; centered: v less the square of the mean gradient. PyTorch: epsilon outside of the root',
  adagrad:
    '`a += g²` from initialAccumulatorValue on, `w −= lr · g / √(a + epsilon)`. PyTorch: epsilon outside of the root, a from 0 on',
  adadelta:
    '`a = rho · a + (1 − rho)g²`, `Δ = −√(d + epsilon) / √(a + epsilon) · g`, `d = rho · d + (1 − rho)Δ²`, `w += lr · Δ`. PyTorch: learning rate 1',
  lion: '`w −= lr · sign(β₁m + (1 − β₁)g)`, then `m = β₂m + (1 − β₂)g`',
};

/**
 * What an option means, by its name, or by `layer.name` where that differs.
 * @type {Record<string, string>}
 */
export const OPTIONS = {
  units: 'numbers that come out',
  filters: 'channels that come out',
  kernelSize: 'of the kernel',
  poolSize: 'of the window',
  strides: 'from one window to the next',
  padding: 'what is beyond the edge',
  dilationRate: 'cells from one of the kernel to the next',
  groups: 'of channels, each by itself',
  depthMultiplier: 'channels that come out for each',
  outputPadding: 'cells more, on the far side',
  activation: 'of what comes out',
  recurrentActivation: 'of the gates: σ above',
  useBias: 'adds a bias',
  keepDims: 'axes that are gone stay, with length 1',
  size: 'times',
  interpolation: 'of cells in between',
  cropping: 'cells',
  dims: 'a permutation of the axes',
  n: 'steps',
  scale: 'with gamma',
  'batchNormalization.momentum': 'how much of the moving ones stays',
  'rescaling.scale': 'factor',
  center: 'with beta',
  offset: 'added',
  mean: 'taken off',
  variance: 'divided by, as its square root',
  targetShape: 'of one sample; −1 is what is left',
  rate: 'probability',
  stddev: 'of the noise',
  sharedAxes: 'from 1',
  momentum: 'how much of the last update is in this one',
  epsilon: 'keeps divisors from 0',
  inputDim: 'indices',
  outputDim: 'numbers of a row',
  maskZero: 'index 0 does not count',
  sequenceLength: 'steps at most',
  returnSequences: 'the output of every step, not only the last',
  goBackwards: 'through time from its end',
  unitForgetBias: 'the bias of f begins at 1',
  resetAfter: 'of r: after the product, or before',
  mergeMode: 'of both directions',
  numHeads: 'how many there are',
  keyDim: 'of a head',
  valueDim: 'of a head; keyDim',
  dropout: 'of the scores, while training',
  useCausalMask: 'no step sees a later one',
  axis: 'along which',
  axes: 'one for both, or one of each',
  normalize: 'both to vectors of length 1',
  learningRate: 'how large an update is',
  weightDecay: 'decoupled: w −= lr · weightDecay · w',
  clipValue: 'each number of a gradient to ±this',
  clipNorm: 'the norm of each tensor’s gradient',
  globalClipNorm: 'the norm of all gradients together',
  gradientAccumulationSteps: 'so many batches make one update, of their mean',
  useEma: 'averages of the weights, which they become at the end of a fit',
  emaMomentum: '`average = emaMomentum · average + (1 − emaMomentum) · w`',
  emaOverwriteFrequency: 'the weights become their averages so often',
  nesterov: 'as Nesterov has it',
  beta1: 'β₁',
  beta2: 'β₂',
  amsgrad: 'the largest v̂ so far',
  rho: 'how long squares of gradients last',
  centered: 'by the variance of gradients',
  initialAccumulatorValue: 'of the sum of squares, at first',
  inputScale: 'of uint8 data',
  inputOffset: 'likewise',
  seed: 'of weights, shuffles, dropout',
  inputShape: 'of one sample',
  value: 'of each number',
  minval: 'the least',
  maxval: 'the greatest',
  gain: 'factor',
  mode: 'the fan that divides',
  distribution: 'of the numbers',
  'named.scale': 'of the variance',
  'named.mean': 'of the distribution',
  'named.stddev': 'of the distribution',
};

export const HEAD = `# Every layer, loss, optimizer and option

This page is made of the schema that the core checks a network by (\`npm run docs\`): its names, ranges and defaults are
those that count. Layers, options, defaults and weights are Keras 3's under TensorFlow.js's names (camelCase), unless it is
said otherwise; where PyTorch computes something else, that is said too. Unknown names are refused, and so is what cannot be
computed: with INVALID_SPEC, and the layer and field that it is about.

## The network

\`createTrainer({ inputShape, layers, outputs, loss, … })\`

- \`inputShape\`: the shape of one sample, or \`{ name: shape }\` of several inputs. A single one is called \`input\`.
- \`layers\`: in an order in which every layer comes after those that it reads.
- \`outputs\`: names of layers, or \`{ name, loss, lossWeight }\`; the last layer, unless given. Every layer and input leads to one.
- \`loss\`: a name, or \`{ type, … }\` with its options, for all outputs; or \`{ output: loss }\`. Unless given it follows from the
  output's activation: softmax categorical, sigmoid binary cross-entropy, else meanSquaredError.
- \`lossWeights\`: \`{ output: number from 0 on }\`; 1. What is trained on, and told as \`loss\`, is the weighted sum.
- \`metrics\`: what is told beside the loss: [metrics.md](metrics.md); \`labels\`: names of the classes, of several outputs by name.
- \`optimizer\`: a name or \`{ type, … }\`; \`learningRate\` here or there. Schedules, and what ends a run, are options of \`fit\`:
  [control.md](control.md). What to use when: [training.md](training.md).

inputScale and inputOffset are applied to uint8 data on the way into the network, but not to the indices of an embedding.
`;
export const COMMON = `## What every layer takes

- \`name\`: one that nothing else has; the type, then type_1, type_2, … Weights are called \`name/role\`.
- \`input\`: the name of an earlier layer or an input, or an array of these; the layer before, unless given.
- \`trainable\`: false keeps its weights as they are; true.
- \`tiedTo\`: the name of an earlier layer of the same type and shapes, whose weights this one has too. A dense may be tied to an
  embedding: its kernel is then the table transposed, and its bias, if any, must be off.

Joins (add … dot) repeat an axis of length 1, and refuse other shapes that differ. Masks begin at an embedding with maskZero, go
through what works step by step, through joins, recurrent layers with returnSequences, attention, and into the loss, which is
then the mean over the positions that count.
`;
export const WEIGHTS = `## Initializers, regularizers, constraints

Each weight has its own: \`kernelInitializer: 'heNormal'\`, \`kernelRegularizer: { l2: 0.001 }\`, \`kernelConstraint: 'maxNorm'\`. A
regularizer adds \`l1 · Σ|w| + l2 · Σw²\` to the loss, training and evaluating, of weights that are trained (PyTorch's weight_decay
is half of l2, and not in the loss). A constraint is applied after each update: \`w · clip(norm, 0, maxNorm) / (1e-7 + norm)\`, norms
along the axis. Fans are counted as in Keras 3. An initializer with options is \`{ type, … }\`.
`;
export const TARGETS = `## Losses

The loss of a batch is the sum of its samples' divided by their number: Keras 3's sum_over_batch_size. sampleWeight multiplies a
sample's loss, and the divisor stays the number. A loss \`{ type, … }\` takes options. Accuracy is Keras 3's: the largest, or the side of
0.5 of one output, and of each with a binary loss.
`;
export const UPDATES =
  'g is the gradient of the batch’s loss, t the number of the update from 1 on, lr the learning rate. Formulas are Keras 3’s but for the epsilon of adam and adamw.';
export const DIFFERENCES = `## Where others differ, in short

- Keras 3 adds adam's epsilon before the correction of v, PyTorch after it; here it is PyTorch's and the paper's.
- Keras 3's learning phase is told: here dropout, noise and the statistics of a batch are of training alone.
- timeDistributed of a layer with moving statistics is refused: Keras 3 takes the statistics of every step by itself.
- hardSigmoid is Keras 3's and PyTorch's. That of Keras 2 and TensorFlow.js is another function, \`clip(0.2·x + 0.5, 0, 1)\`: weights
  that were trained with it, as of gates with recurrentActivation hardSigmoid, give its numbers here when those that lead to it,
  bias and recurrent kernel too, are multiplied by 1.2.
- leakyRelu's slope is 0.3, that of a LeakyReLU layer in Keras 3 and TensorFlow.js; Keras 3's activation of that name has 0.2.
- TensorFlow.js's lstm and gru have recurrentActivation hardSigmoid, its own, unless told; its gru has resetAfter: false. Here they are
  sigmoid and true, as in Keras 3.
- Recurrent layers have no dropout of their own and no state from one batch to the next: such fields are refused.
- PyTorch: channels come first there, \`Linear\` and \`Conv\` hold transposed weights, recurrent gates come in another order.
`;

/**
 * y is what a number should be, p what it is; TP, FP, FN, TN are sums of weights of one class.
 * @type {Record<string, string>}
 */
export const METRICS = {
  accuracy:
    'as the loss has it: the largest is the target’s largest; with a binary loss, the share of numbers on the right side of 0.5',
  binaryAccuracy: 'the share of numbers on the right side of threshold, of a sigmoid',
  topKAccuracy: 'the target’s class is among the k largest; ties at the boundary count as hits',
  precision: '`TP / (TP + FP)`',
  recall: '`TP / (TP + FN)`',
  f1: '`2 TP / (2 TP + FN + FP)`',
  fBeta: '`(1 + beta²) TP / ((1 + beta²) TP + beta² FN + FP)`',
  specificity: '`TN / (TN + FP)`',
  auc: 'the area below the curve: roc, the chance that a sample of the class has a higher score than one that is not of it, equal scores counting half; pr, scikit-learn’s average precision. A class without samples, or that all samples have (roc), counts in no mean. With thresholds it is Keras’s approximation',
  confusionMatrix:
    '`{ size, counts }`: rows are true classes, columns predicted ones; 1,024 classes at most',
  perClassAccuracy: 'recall of each class, of one sigmoid unit both',
  meanIoU: 'the mean of `TP / (TP + FP + FN)` over the classes that are there or predicted',
  matthews: 'the correlation of true and predicted classes (Matthews’s φ, Gorodkin’s Rₖ)',
  meanSquaredError: 'the mean of `(y − p)²`',
  rootMeanSquaredError: 'its square root',
  meanAbsoluteError: 'the mean of `abs(y − p)`',
  meanAbsolutePercentageError: 'the mean of `100 abs(y − p) / max(abs(y), 1e-7)`',
  r2: '`1 − Σ(y − p)² / Σ(y − ȳ)²`, the mean over the numbers of the output; of a number whose targets are all alike 1 where all are met, else 0',
  pearson: 'the correlation of y and p, the mean over the numbers of the output',
  cosineSimilarity: 'the mean of `Σ y · p`, both scaled to length 1, over the last axis',
};

/** Of options of metrics. @type {Record<string, string>} */
export const METRIC_OPTIONS = {
  threshold:
    'a number above it is positive. Without it the largest of a softmax is, and of a sigmoid what is above 0.5',
  'binaryAccuracy.threshold': 'a number above it is positive',
  average:
    'over classes: macro is the plain mean, weighted that by their weight among the targets, micro of all counts (or scores) together, none a Float32Array',
  classIndex: 'the only class that counts',
  beta: 'how much more recall counts than precision',
  k: 'how many may be the right one',
  curve: 'roc: true over false positives; pr: precision over recall',
  thresholds:
    'from 0 to 1, in equal steps: memory does not grow with the data. Without them all scores are kept and sorted',
};

export const METRICS_PAGE = `# Metrics

This page is made of the schema that the core checks metrics by (\`npm run docs\`): names, ranges and defaults are those that
count.

\`metrics: ['accuracy', 'f1', { type: 'auc', curve: 'pr', name: 'precisionRecall' }]\`; of several outputs by name:
\`metrics: { kind: ['f1'], age: ['meanAbsoluteError'] }\`. A list is meant for every output. \`{ type, … }\` takes options, and
\`name\`: what the number is called in records, its type unless given; two may not have the same. What validates has \`val\` before
it: \`valF1\`.

Training metrics are those of an epoch's batches, each before its update, as Keras has them. sampleWeight multiplies what a sample
counts; of a sequence every position counts that is not masked. Where 0 would be divided by 0 the result is 0. Where a prediction is
not finite the results are NaN. Numbers are computed in double, in the order of the data: bits do not depend on threads.

A class is the largest of a softmax, or of one sigmoid unit what is above 0.5; each of several sigmoid units is a label of its own, and
average goes over them. Of one sigmoid unit average changes nothing.
`;
