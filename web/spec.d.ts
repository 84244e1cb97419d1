/* spec.d.ts: the types of a spec. Written by npm run docs from the core's schema. */

export type Regularizer = 'l1' | 'l2' | 'l1l2' | { l1?: number; l2?: number };
export type Constraint = 'maxNorm' | { maxNorm?: number; axis?: number | readonly number[] };

export type Activation = 'linear' | 'relu' | 'leakyRelu' | 'elu' | 'selu' | 'gelu' | 'sigmoid' | 'tanh' | 'softplus' | 'swish' | 'softmax' | 'relu6' | 'hardSigmoid' | 'softsign' | 'exponential' | 'mish';
export type GateActivation = 'linear' | 'relu' | 'leakyRelu' | 'elu' | 'selu' | 'sigmoid' | 'tanh' | 'softplus' | 'relu6' | 'hardSigmoid' | 'softsign' | 'exponential';
export type Initializer = 'zeros' | 'ones' | 'glorotUniform' | 'glorotNormal' | 'heUniform' | 'heNormal' | 'leCunUniform' | 'leCunNormal' | 'randomUniform' | 'randomNormal' | 'truncatedNormal' | 'orthogonal' | 'identity' | 'varianceScaling' | 'constant'
  | { type: 'zeros' }
  | { type: 'ones' }
  | { type: 'glorotUniform' }
  | { type: 'glorotNormal' }
  | { type: 'heUniform' }
  | { type: 'heNormal' }
  | { type: 'leCunUniform' }
  | { type: 'leCunNormal' }
  | { type: 'randomUniform'; minval?: number; maxval?: number }
  | { type: 'randomNormal'; mean?: number; stddev?: number }
  | { type: 'truncatedNormal'; mean?: number; stddev?: number }
  | { type: 'orthogonal'; gain?: number }
  | { type: 'identity'; gain?: number }
  | { type: 'varianceScaling'; scale?: number; mode?: 'fanIn' | 'fanOut' | 'fanAvg'; distribution?: 'truncatedNormal' | 'normal' | 'uniform' }
  | { type: 'constant'; value?: number };
export type Loss = 'sparseCategoricalCrossentropy' | 'categoricalCrossentropy' | 'binaryCrossentropy' | 'meanSquaredError' | 'meanAbsoluteError' | 'huber' | 'meanAbsolutePercentageError' | 'meanSquaredLogarithmicError' | 'logCosh' | 'klDivergence' | 'poisson' | 'cosineSimilarity' | 'hinge' | 'squaredHinge' | 'categoricalHinge' | 'binaryFocalCrossentropy' | 'categoricalFocalCrossentropy'
  | { type: 'sparseCategoricalCrossentropy' }
  | { type: 'categoricalCrossentropy'; labelSmoothing?: number }
  | { type: 'binaryCrossentropy'; labelSmoothing?: number }
  | { type: 'meanSquaredError' }
  | { type: 'meanAbsoluteError' }
  | { type: 'huber'; delta?: number }
  | { type: 'meanAbsolutePercentageError' }
  | { type: 'meanSquaredLogarithmicError' }
  | { type: 'logCosh' }
  | { type: 'klDivergence' }
  | { type: 'poisson' }
  | { type: 'cosineSimilarity' }
  | { type: 'hinge' }
  | { type: 'squaredHinge' }
  | { type: 'categoricalHinge' }
  | { type: 'binaryFocalCrossentropy'; labelSmoothing?: number; gamma?: number; alpha?: number; applyClassBalancing?: boolean }
  | { type: 'categoricalFocalCrossentropy'; labelSmoothing?: number; gamma?: number; alpha?: number };

interface Common {
  /** Unique; unless given: the type, type_1, type_2, ... */
  name?: string;
  /** Earlier layers or inputs by name; unless given: the layer before. */
  input?: string | readonly string[];
  trainable?: boolean;
  /** An earlier layer of the same type and shapes, whose weights this one has too. */
  tiedTo?: string;
}

export interface DenseLayer extends Common {
  type: 'dense';
  units: number;
  /** linear */
  activation?: Activation;
  /** true */
  useBias?: boolean;
  /** glorotUniform */
  kernelInitializer?: Initializer;
  kernelRegularizer?: Regularizer;
  kernelConstraint?: Constraint;
  /** zeros */
  biasInitializer?: Initializer;
  biasRegularizer?: Regularizer;
  biasConstraint?: Constraint;
}

export interface Conv2dLayer extends Common {
  type: 'conv2d';
  kernelSize: number | readonly number[];
  /** 1 */
  strides?: number | readonly number[];
  /** valid */
  padding?: 'valid' | 'same';
  /** 1 */
  dilationRate?: number | readonly number[];
  /** linear */
  activation?: Activation;
  /** true */
  useBias?: boolean;
  /** zeros */
  biasInitializer?: Initializer;
  biasRegularizer?: Regularizer;
  biasConstraint?: Constraint;
  filters: number;
  /** glorotUniform */
  kernelInitializer?: Initializer;
  kernelRegularizer?: Regularizer;
  kernelConstraint?: Constraint;
  /** 1 */
  groups?: number;
}

export interface MaxPooling2dLayer extends Common {
  type: 'maxPooling2d';
  /** 2 */
  poolSize?: number | readonly number[];
  strides?: number | readonly number[];
  /** valid */
  padding?: 'valid' | 'same';
}

export interface AveragePooling2dLayer extends Common {
  type: 'averagePooling2d';
  /** 2 */
  poolSize?: number | readonly number[];
  strides?: number | readonly number[];
  /** valid */
  padding?: 'valid' | 'same';
}

export interface FlattenLayer extends Common {
  type: 'flatten';
}

export interface ReshapeLayer extends Common {
  type: 'reshape';
  targetShape: readonly number[];
}

export interface DropoutLayer extends Common {
  type: 'dropout';
  rate: number;
}

export interface ActivationLayer extends Common {
  type: 'activation';
  activation: Activation;
}

export interface LstmLayer extends Common {
  type: 'lstm';
  units: number;
  /** tanh */
  activation?: GateActivation;
  /** sigmoid */
  recurrentActivation?: GateActivation;
  /** true */
  useBias?: boolean;
  /** glorotUniform */
  kernelInitializer?: Initializer;
  kernelRegularizer?: Regularizer;
  kernelConstraint?: Constraint;
  /** orthogonal */
  recurrentInitializer?: Initializer;
  recurrentRegularizer?: Regularizer;
  recurrentConstraint?: Constraint;
  /** zeros */
  biasInitializer?: Initializer;
  biasRegularizer?: Regularizer;
  biasConstraint?: Constraint;
  /** true */
  unitForgetBias?: boolean;
  /** false */
  returnSequences?: boolean;
  /** false */
  goBackwards?: boolean;
}

export interface GruLayer extends Common {
  type: 'gru';
  units: number;
  /** tanh */
  activation?: GateActivation;
  /** sigmoid */
  recurrentActivation?: GateActivation;
  /** true */
  useBias?: boolean;
  /** glorotUniform */
  kernelInitializer?: Initializer;
  kernelRegularizer?: Regularizer;
  kernelConstraint?: Constraint;
  /** orthogonal */
  recurrentInitializer?: Initializer;
  recurrentRegularizer?: Regularizer;
  recurrentConstraint?: Constraint;
  /** zeros */
  biasInitializer?: Initializer;
  biasRegularizer?: Regularizer;
  biasConstraint?: Constraint;
  /** true */
  resetAfter?: boolean;
  /** false */
  returnSequences?: boolean;
  /** false */
  goBackwards?: boolean;
}

export interface Conv1dLayer extends Common {
  type: 'conv1d';
  kernelSize: number;
  /** 1 */
  strides?: number;
  /** valid */
  padding?: 'valid' | 'same' | 'causal';
  /** 1 */
  dilationRate?: number;
  /** linear */
  activation?: Activation;
  /** true */
  useBias?: boolean;
  /** zeros */
  biasInitializer?: Initializer;
  biasRegularizer?: Regularizer;
  biasConstraint?: Constraint;
  filters: number;
  /** glorotUniform */
  kernelInitializer?: Initializer;
  kernelRegularizer?: Regularizer;
  kernelConstraint?: Constraint;
  /** 1 */
  groups?: number;
}

export interface DepthwiseConv2dLayer extends Common {
  type: 'depthwiseConv2d';
  kernelSize: number | readonly number[];
  /** 1 */
  strides?: number | readonly number[];
  /** valid */
  padding?: 'valid' | 'same';
  /** 1 */
  dilationRate?: number | readonly number[];
  /** linear */
  activation?: Activation;
  /** true */
  useBias?: boolean;
  /** zeros */
  biasInitializer?: Initializer;
  biasRegularizer?: Regularizer;
  biasConstraint?: Constraint;
  /** glorotUniform */
  depthwiseInitializer?: Initializer;
  depthwiseRegularizer?: Regularizer;
  depthwiseConstraint?: Constraint;
  /** 1 */
  depthMultiplier?: number;
}

export interface SeparableConv2dLayer extends Common {
  type: 'separableConv2d';
  kernelSize: number | readonly number[];
  /** 1 */
  strides?: number | readonly number[];
  /** valid */
  padding?: 'valid' | 'same';
  /** 1 */
  dilationRate?: number | readonly number[];
  /** linear */
  activation?: Activation;
  /** true */
  useBias?: boolean;
  /** zeros */
  biasInitializer?: Initializer;
  biasRegularizer?: Regularizer;
  biasConstraint?: Constraint;
  filters: number;
  /** glorotUniform */
  depthwiseInitializer?: Initializer;
  depthwiseRegularizer?: Regularizer;
  depthwiseConstraint?: Constraint;
  /** glorotUniform */
  pointwiseInitializer?: Initializer;
  pointwiseRegularizer?: Regularizer;
  pointwiseConstraint?: Constraint;
  /** 1 */
  depthMultiplier?: number;
}

export interface Conv2dTransposeLayer extends Common {
  type: 'conv2dTranspose';
  kernelSize: number | readonly number[];
  /** 1 */
  strides?: number | readonly number[];
  /** valid */
  padding?: 'valid' | 'same';
  /** 1 */
  dilationRate?: number | readonly number[];
  /** linear */
  activation?: Activation;
  /** true */
  useBias?: boolean;
  /** zeros */
  biasInitializer?: Initializer;
  biasRegularizer?: Regularizer;
  biasConstraint?: Constraint;
  filters: number;
  /** glorotUniform */
  kernelInitializer?: Initializer;
  kernelRegularizer?: Regularizer;
  kernelConstraint?: Constraint;
  outputPadding?: number | readonly number[];
}

export interface MaxPooling1dLayer extends Common {
  type: 'maxPooling1d';
  /** 2 */
  poolSize?: number;
  strides?: number;
  /** valid */
  padding?: 'valid' | 'same';
}

export interface AveragePooling1dLayer extends Common {
  type: 'averagePooling1d';
  /** 2 */
  poolSize?: number;
  strides?: number;
  /** valid */
  padding?: 'valid' | 'same';
}

export interface GlobalMaxPooling1dLayer extends Common {
  type: 'globalMaxPooling1d';
  /** false */
  keepDims?: boolean;
}

export interface GlobalAveragePooling1dLayer extends Common {
  type: 'globalAveragePooling1d';
  /** false */
  keepDims?: boolean;
}

export interface GlobalMaxPooling2dLayer extends Common {
  type: 'globalMaxPooling2d';
  /** false */
  keepDims?: boolean;
}

export interface GlobalAveragePooling2dLayer extends Common {
  type: 'globalAveragePooling2d';
  /** false */
  keepDims?: boolean;
}

export interface UpSampling2dLayer extends Common {
  type: 'upSampling2d';
  /** 2 */
  size?: number | readonly number[];
  /** nearest */
  interpolation?: 'nearest' | 'bilinear';
}

export interface ZeroPadding2dLayer extends Common {
  type: 'zeroPadding2d';
  /** 1 */
  padding?: number | readonly [number, number] | readonly [readonly [number, number], readonly [number, number]];
}

export interface Cropping2dLayer extends Common {
  type: 'cropping2d';
  /** 0 */
  cropping?: number | readonly [number, number] | readonly [readonly [number, number], readonly [number, number]];
}

export interface PermuteLayer extends Common {
  type: 'permute';
  dims: readonly number[];
}

export interface RepeatVectorLayer extends Common {
  type: 'repeatVector';
  n: number;
}

export interface RescalingLayer extends Common {
  type: 'rescaling';
  scale: number;
  /** 0 */
  offset?: number;
}

export interface NormalizationLayer extends Common {
  type: 'normalization';
  mean: number | readonly number[];
  variance: number | readonly number[];
}

export interface BatchNormalizationLayer extends Common {
  type: 'batchNormalization';
  /** 0.001 */
  epsilon?: number;
  /** true */
  center?: boolean;
  /** true */
  scale?: boolean;
  /** ones */
  gammaInitializer?: Initializer;
  gammaRegularizer?: Regularizer;
  gammaConstraint?: Constraint;
  /** zeros */
  betaInitializer?: Initializer;
  betaRegularizer?: Regularizer;
  betaConstraint?: Constraint;
  /** 0.99 */
  momentum?: number;
  /** zeros */
  movingMeanInitializer?: Initializer;
  /** ones */
  movingVarianceInitializer?: Initializer;
}

export interface LayerNormalizationLayer extends Common {
  type: 'layerNormalization';
  /** 0.001 */
  epsilon?: number;
  /** true */
  center?: boolean;
  /** true */
  scale?: boolean;
  /** ones */
  gammaInitializer?: Initializer;
  gammaRegularizer?: Regularizer;
  gammaConstraint?: Constraint;
  /** zeros */
  betaInitializer?: Initializer;
  betaRegularizer?: Regularizer;
  betaConstraint?: Constraint;
}

export interface GroupNormalizationLayer extends Common {
  type: 'groupNormalization';
  /** 0.001 */
  epsilon?: number;
  /** true */
  center?: boolean;
  /** true */
  scale?: boolean;
  /** ones */
  gammaInitializer?: Initializer;
  gammaRegularizer?: Regularizer;
  gammaConstraint?: Constraint;
  /** zeros */
  betaInitializer?: Initializer;
  betaRegularizer?: Regularizer;
  betaConstraint?: Constraint;
  /** 32 */
  groups?: number;
}

export interface EmbeddingLayer extends Common {
  type: 'embedding';
  inputDim: number;
  outputDim: number;
  /** false */
  maskZero?: boolean;
  /** randomUniform */
  embeddingsInitializer?: Initializer;
  embeddingsRegularizer?: Regularizer;
  embeddingsConstraint?: Constraint;
}

export interface PositionEmbeddingLayer extends Common {
  type: 'positionEmbedding';
  sequenceLength: number;
  /** glorotUniform */
  embeddingsInitializer?: Initializer;
  embeddingsRegularizer?: Regularizer;
  embeddingsConstraint?: Constraint;
}

export interface SimpleRNNLayer extends Common {
  type: 'simpleRNN';
  units: number;
  /** tanh */
  activation?: GateActivation;
  /** true */
  useBias?: boolean;
  /** glorotUniform */
  kernelInitializer?: Initializer;
  kernelRegularizer?: Regularizer;
  kernelConstraint?: Constraint;
  /** orthogonal */
  recurrentInitializer?: Initializer;
  recurrentRegularizer?: Regularizer;
  recurrentConstraint?: Constraint;
  /** zeros */
  biasInitializer?: Initializer;
  biasRegularizer?: Regularizer;
  biasConstraint?: Constraint;
  /** false */
  returnSequences?: boolean;
  /** false */
  goBackwards?: boolean;
}

export interface BidirectionalLayer extends Common {
  type: 'bidirectional';
  layer: Layer;
  /** concat */
  mergeMode?: 'concat' | 'sum' | 'mul' | 'ave';
}

export interface TimeDistributedLayer extends Common {
  type: 'timeDistributed';
  layer: Layer;
}

export interface MultiHeadAttentionLayer extends Common {
  type: 'multiHeadAttention';
  numHeads: number;
  keyDim: number;
  valueDim?: number;
  /** 0 */
  dropout?: number;
  /** true */
  useBias?: boolean;
  /** false */
  useCausalMask?: boolean;
  /** glorotUniform */
  kernelInitializer?: Initializer;
  kernelRegularizer?: Regularizer;
  kernelConstraint?: Constraint;
  /** zeros */
  biasInitializer?: Initializer;
  biasRegularizer?: Regularizer;
  biasConstraint?: Constraint;
}

export interface SpatialDropout2dLayer extends Common {
  type: 'spatialDropout2d';
  rate: number;
}

export interface GaussianNoiseLayer extends Common {
  type: 'gaussianNoise';
  stddev: number;
}

export interface SoftmaxLayer extends Common {
  type: 'softmax';
  /** -1 */
  axis?: number;
}

export interface PreluLayer extends Common {
  type: 'prelu';
  /** zeros */
  alphaInitializer?: Initializer;
  alphaRegularizer?: Regularizer;
  alphaConstraint?: Constraint;
  sharedAxes?: readonly number[];
}

export interface AddLayer extends Common {
  type: 'add';
}

export interface SubtractLayer extends Common {
  type: 'subtract';
}

export interface MultiplyLayer extends Common {
  type: 'multiply';
}

export interface AverageLayer extends Common {
  type: 'average';
}

export interface MaximumLayer extends Common {
  type: 'maximum';
}

export interface MinimumLayer extends Common {
  type: 'minimum';
}

export interface ConcatenateLayer extends Common {
  type: 'concatenate';
  /** -1 */
  axis?: number;
}

export interface DotLayer extends Common {
  type: 'dot';
  /** -1 */
  axes?: number | readonly number[];
  /** false */
  normalize?: boolean;
}

export type Layer = DenseLayer | Conv2dLayer | MaxPooling2dLayer | AveragePooling2dLayer | FlattenLayer | ReshapeLayer | DropoutLayer | ActivationLayer | LstmLayer | GruLayer | Conv1dLayer | DepthwiseConv2dLayer | SeparableConv2dLayer | Conv2dTransposeLayer | MaxPooling1dLayer | AveragePooling1dLayer | GlobalMaxPooling1dLayer | GlobalAveragePooling1dLayer | GlobalMaxPooling2dLayer | GlobalAveragePooling2dLayer | UpSampling2dLayer | ZeroPadding2dLayer | Cropping2dLayer | PermuteLayer | RepeatVectorLayer | RescalingLayer | NormalizationLayer | BatchNormalizationLayer | LayerNormalizationLayer | GroupNormalizationLayer | EmbeddingLayer | PositionEmbeddingLayer | SimpleRNNLayer | BidirectionalLayer | TimeDistributedLayer | MultiHeadAttentionLayer | SpatialDropout2dLayer | GaussianNoiseLayer | SoftmaxLayer | PreluLayer | AddLayer | SubtractLayer | MultiplyLayer | AverageLayer | MaximumLayer | MinimumLayer | ConcatenateLayer | DotLayer;

export interface SgdOptimizer {
  type: 'sgd';
  /** 0.01 */
  learningRate?: number;
  /** 0 */
  weightDecay?: number;
  clipValue?: number;
  clipNorm?: number;
  globalClipNorm?: number;
  /** 1 */
  gradientAccumulationSteps?: number;
  /** false */
  useEma?: boolean;
  /** 0.99 */
  emaMomentum?: number;
  emaOverwriteFrequency?: number;
  /** 0 */
  momentum?: number;
  /** false */
  nesterov?: boolean;
}

export interface AdamOptimizer {
  type: 'adam';
  /** 0.001 */
  learningRate?: number;
  /** 0 */
  weightDecay?: number;
  clipValue?: number;
  clipNorm?: number;
  globalClipNorm?: number;
  /** 1 */
  gradientAccumulationSteps?: number;
  /** false */
  useEma?: boolean;
  /** 0.99 */
  emaMomentum?: number;
  emaOverwriteFrequency?: number;
  /** 0.9 */
  beta1?: number;
  /** 0.999 */
  beta2?: number;
  /** 1e-7 */
  epsilon?: number;
  /** false */
  amsgrad?: boolean;
}

export interface AdamwOptimizer {
  type: 'adamw';
  /** 0.001 */
  learningRate?: number;
  /** 0.004 */
  weightDecay?: number;
  clipValue?: number;
  clipNorm?: number;
  globalClipNorm?: number;
  /** 1 */
  gradientAccumulationSteps?: number;
  /** false */
  useEma?: boolean;
  /** 0.99 */
  emaMomentum?: number;
  emaOverwriteFrequency?: number;
  /** 0.9 */
  beta1?: number;
  /** 0.999 */
  beta2?: number;
  /** 1e-7 */
  epsilon?: number;
  /** false */
  amsgrad?: boolean;
}

export interface AdamaxOptimizer {
  type: 'adamax';
  /** 0.001 */
  learningRate?: number;
  /** 0 */
  weightDecay?: number;
  clipValue?: number;
  clipNorm?: number;
  globalClipNorm?: number;
  /** 1 */
  gradientAccumulationSteps?: number;
  /** false */
  useEma?: boolean;
  /** 0.99 */
  emaMomentum?: number;
  emaOverwriteFrequency?: number;
  /** 0.9 */
  beta1?: number;
  /** 0.999 */
  beta2?: number;
  /** 1e-7 */
  epsilon?: number;
}

export interface NadamOptimizer {
  type: 'nadam';
  /** 0.001 */
  learningRate?: number;
  /** 0 */
  weightDecay?: number;
  clipValue?: number;
  clipNorm?: number;
  globalClipNorm?: number;
  /** 1 */
  gradientAccumulationSteps?: number;
  /** false */
  useEma?: boolean;
  /** 0.99 */
  emaMomentum?: number;
  emaOverwriteFrequency?: number;
  /** 0.9 */
  beta1?: number;
  /** 0.999 */
  beta2?: number;
  /** 1e-7 */
  epsilon?: number;
}

export interface RmspropOptimizer {
  type: 'rmsprop';
  /** 0.001 */
  learningRate?: number;
  /** 0 */
  weightDecay?: number;
  clipValue?: number;
  clipNorm?: number;
  globalClipNorm?: number;
  /** 1 */
  gradientAccumulationSteps?: number;
  /** false */
  useEma?: boolean;
  /** 0.99 */
  emaMomentum?: number;
  emaOverwriteFrequency?: number;
  /** 0 */
  momentum?: number;
  /** 0.9 */
  rho?: number;
  /** 1e-7 */
  epsilon?: number;
  /** false */
  centered?: boolean;
}

export interface AdagradOptimizer {
  type: 'adagrad';
  /** 0.001 */
  learningRate?: number;
  /** 0 */
  weightDecay?: number;
  clipValue?: number;
  clipNorm?: number;
  globalClipNorm?: number;
  /** 1 */
  gradientAccumulationSteps?: number;
  /** false */
  useEma?: boolean;
  /** 0.99 */
  emaMomentum?: number;
  emaOverwriteFrequency?: number;
  /** 0.1 */
  initialAccumulatorValue?: number;
  /** 1e-7 */
  epsilon?: number;
}

export interface AdadeltaOptimizer {
  type: 'adadelta';
  /** 0.001 */
  learningRate?: number;
  /** 0 */
  weightDecay?: number;
  clipValue?: number;
  clipNorm?: number;
  globalClipNorm?: number;
  /** 1 */
  gradientAccumulationSteps?: number;
  /** false */
  useEma?: boolean;
  /** 0.99 */
  emaMomentum?: number;
  emaOverwriteFrequency?: number;
  /** 0.95 */
  rho?: number;
  /** 1e-7 */
  epsilon?: number;
}

export interface LionOptimizer {
  type: 'lion';
  /** 0.001 */
  learningRate?: number;
  /** 0 */
  weightDecay?: number;
  clipValue?: number;
  clipNorm?: number;
  globalClipNorm?: number;
  /** 1 */
  gradientAccumulationSteps?: number;
  /** false */
  useEma?: boolean;
  /** 0.99 */
  emaMomentum?: number;
  emaOverwriteFrequency?: number;
  /** 0.9 */
  beta1?: number;
  /** 0.99 */
  beta2?: number;
}

export type Optimizer = 'sgd' | 'adam' | 'adamw' | 'adamax' | 'nadam' | 'rmsprop' | 'adagrad' | 'adadelta' | 'lion' | SgdOptimizer | AdamOptimizer | AdamwOptimizer | AdamaxOptimizer | NadamOptimizer | RmspropOptimizer | AdagradOptimizer | AdadeltaOptimizer | LionOptimizer;
