/* refusal.js: what C's ofs_error says, as an OffstageError with a sentence; and what was meant by a
 * name that nothing has.
 *
 * C tells where (layer, field), why, what was got and what is allowed, in numbers; the schema and
 * the spec that was refused turn them back into names. Only wording lives here. It is a part
 * (host/parts.js): refused.js loads it. */

export { elsewhere } from './elsewhere.js';
import { OffstageError, folded, meant, oneOf } from '../host/errors.js';
import { showBytes } from '../host/memory.js';
import { aboutLayer, codeOf, listOf } from './refused.js';
import { enumName, fieldsOf } from './schema.js';

/** @typedef {import('./spec.js').Refusal} Refusal */
/** @typedef {import('./schema.js').Schema} Schema */
/** @typedef {import('./schema.js').Field} Field */
/** @typedef {import('./spec.js').EncodedSpec} EncodedSpec */

/**
 * @param {Schema} schema
 * @param {import('./refused.js').Refused} about
 * @param {Refusal} refusal
 * @returns {OffstageError}
 */
export function explain(schema, about, refusal) {
  const { layer, field: id, got, low, high } = refusal;
  const list = listOf(about);
  const spec = list ? null : /** @type {EncodedSpec | null} */ (about);
  const listed = list?.parts[layer];
  const part = listed ?? partOf(schema, spec, layer);
  const field = part && fieldsOf(schema, part.record).find((f) => f.id === id);
  const reason = schema.reasons.get(refusal.reason) ?? `reason ${refusal.reason}`;
  const where = listed ? `${listed.what} (${listed.record.type}): ` : placeOf(schema, spec, layer);
  const number = fieldNumber(schema, field, got, part?.values);
  const name = field ? `${field.name} ` : '';
  const unnamed = listed ? 'its output ' : 'layers ';
  const value =
    field && Array.isArray(part?.values[field.name])
      ? `[${part.values[field.name].join(', ')}]`
      : '';
  const holds = value && value !== `[${got}]` ? ` in ${value}` : '';
  const between = low === high ? `${high}` : `${low} to ${high}`;
  const kind = field?.kind === 'integer' ? 'an integer' : 'a number';
  return new OffstageError(codeOf(schema, refusal, list), `${where}${sentence()}`);

  function sentence() {
    switch (reason) {
      case 'range':
        if (field?.kind === 'boolean') return `${name}is ${number}, expected ${low === 1}`;
        if (number[0] === "'") {
          return `${name}is ${number}, expected another one: this one cannot be had here`;
        }
        return `${name || 'a value '}is ${number}${holds}, expected ${kind} from ${low} to ${high}`;
      case 'notInteger':
        return `${name || 'a value '}is ${got}${holds}, expected an integer from ${low} to ${high}`;
      case 'notFinite':
        return `${name || 'a value '}is ${got}${holds}, expected a finite number`;
      case 'missing':
        return `${name || 'a part '}is missing${
          name === 'input ' && spec ? `, expected one of ${oneOf(spec.names.inputs)}` : ''
        }`;
      case 'twice':
        return `${name || 'a field '}is given twice`;
      case 'unknown':
        return layer >= 0 && !field
          ? `type '${typeName(schema, got)}' cannot stand here`
          : `${name}${got} is unknown`;
      case 'count':
        return `${name || unnamed}holds ${got} values, expected ${between}`;
      case 'rank':
        return `its input has ${got} dimensions, expected ${between}`;
      case 'window':
        return (
          `${name}reaches over ${got} cells, but its input has ${high}: ` +
          `expected at most ${high}`
        );
      case 'product':
        return (
          `${name || 'its shape '}makes ${got} elements${holds}, ` +
          `expected ${low < high ? 'at most ' : ''}${high}`
        );
      case 'shape':
        return `its inputs do not fit together: an axis is ${got} long, expected ${high}`;
      case 'divides':
        return `${name}is ${got}, which does not divide ${high}`;
      case 'indices':
        return (
          'its input is what a layer puts out, ' +
          'expected indices: an input of the model, through flatten or reshape at most'
        );
      case 'truncated':
        return `the spec's bytes are cut off or go on at byte ${got}`;
      case 'conflict':
        return field?.name !== 'tiedTo'
          ? `${name}excludes another field that is given`
          : `tiedTo is layer ${got}, expected one of the same type, ` +
              'whose weights have the same shapes and are its own; ' +
              'or, for a dense with useBias: false, an embedding';
      case 'output':
        return listed
          ? listedSentence(schema, refusal)
          : outputSentence(schema, part, field, refusal);
      case 'unused':
        return layer >= 0
          ? "leads to no output, expected its name in a layer's input or in outputs"
          : `input '${spec?.names.inputs[got]}' is not read by a layer`;
      case 'bytes':
        return `a block of ${showBytes(got)} is too small, ${showBytes(high)} are needed`;
      default:
        return `${name}is refused (${reason}): got ${got}, allowed ${low} to ${high}`;
    }
  }
}

/**
 * What fields are of: of a wrapper and what it wraps, the latter.
 * @param {Schema} schema
 * @param {EncodedSpec | null} spec
 * @param {number} layer
 * @returns {import('./graph.js').Part | undefined}
 */
function partOf({ constants: { IN_MODEL, IN_OPTIMIZER, IN_OUTPUT } }, spec, layer) {
  if (!spec) return undefined;
  if (layer === IN_MODEL) return spec.model;
  if (layer === IN_OPTIMIZER) return spec.optimizer;
  let part =
    layer <= IN_OUTPUT ? spec.outputs[IN_OUTPUT - layer] : /** @type {any} */ (spec.layers[layer]);
  while (part?.inner) part = part.inner;
  return part;
}

/** @param {Schema} schema @param {EncodedSpec | null} spec @param {number} layer */
function placeOf({ constants: { IN_OPTIMIZER, IN_OUTPUT } }, spec, layer) {
  if (layer === IN_OPTIMIZER) return `optimizer (${spec?.optimizer.record.type}): `;
  if (layer <= IN_OUTPUT) return `output '${spec?.outputs[IN_OUTPUT - layer]?.name}': `;
  return layer >= 0 ? `layer ${layer}${aboutLayer(spec, layer)}: ` : '';
}

/** @param {Schema} schema @param {number} id */
const typeName = (schema, id) => schema.records.find((r) => r.id === id)?.type ?? id;

/**
 * @param {Schema} schema
 * @param {Field | undefined} field
 * @param {number} got
 * @param {Record<string, any>} [values]
 */
function fieldNumber(schema, field, got, values) {
  if (field?.kind === 'boolean') return `${got === 1}`;
  // A number that is told stands beside an initializer.
  const told = field && Object.values(Object(values?.[field.name])).includes(got);
  return field?.kind === 'enum' || (field?.kind === 'initializer' && !told)
    ? `'${enumName(schema, field.enumeration, got)}'`
    : `${got}`;
}

/**
 * The loss and its layer: in the loss's own field `got`, `low` are ids of activations, else numbers
 * of units.
 * @param {Schema} schema
 * @param {import('./graph.js').Part | undefined} part
 * @param {Field | undefined} field
 * @param {Refusal} refusal
 */
function outputSentence(schema, part, field, { got, low }) {
  if (!field) {
    return (
      `has ${got} output${got === 1 ? '' : 's'} on its last axis, ` +
      `expected at least ${low} for its activation`
    );
  }
  const activation = (/** @type {number} */ id) => `'${enumName(schema, 'activation', id)}'`;
  return (
    `loss is '${part?.values.loss}', ` +
    `expected a last layer with activation ${activation(low)}, got ${activation(got)}`
  );
}

/** A metric and its output. @param {Schema} schema @param {Refusal} refusal */
function listedSentence(schema, { got, low, high }) {
  const [is, one, other] = [got, low, high].map((id) => enumName(schema, 'activation', id));
  return (
    `its output's layer has activation '${is}', ` +
    `expected '${one}'${one === other ? '' : ` or '${other}'`}`
  );
}

/**
 * What others call by other names than these: Keras and TensorFlow.js, PyTorch, and habit. Names
 * are folded; each has its meanings, of which the first counts that may stand there.
 * @type {Record<string, string>}
 */
const MEANINGS = {
  dense: 'linear fc fullyconnected affine innerproduct mlp hidden hiddenlayer output outputlayer',
  conv2d: 'convolution convolution2d convolutional',
  maxPooling2d: 'pool pooling pool2d pooling2d',
  globalAveragePooling2d: 'adaptiveaveragepooling2d gap gap2d',
  globalMaxPooling2d: 'adaptivemaxpooling2d gmp gmp2d',
  batchNormalization: 'batchnormalization1d batchnormalization2d bn bn2d',
  layerNormalization: 'ln',
  groupNormalization: 'instancenormalization instancenormalization2d gn',
  spatialDropout2d: 'dropout2d',
  conv2dTranspose: 'convtranspose2d deconv deconv2d deconvolution',
  depthwiseConv2d: 'dwconv depthwise',
  upSampling2d: 'upsample upsample2d upsamplingnearest2d',
  zeroPadding2d: 'padding pad zeropad',
  simpleRNN: 'rnn elman',
  multiHeadAttention: 'attention selfattention mha',
  concatenate: 'merge cat concat',
  add: 'residual skip sum plus',
  activation:
    'relu leakyrelu elu selu gelu sigmoid tanh softplus swish silu mish hardsigmoid hardswish ' +
    'relu6 softsign nonlinearity act func',
  embedding: 'wordembedding lookup',
  swish: 'silu',
  leakyRelu: 'lrelu',
  hardSigmoid: 'hsigmoid',
  linear: 'none identity',
  meanSquaredError: 'mse l2 l2loss mseloss regression squarederror meansquare',
  meanAbsoluteError: 'mae l1 l1loss absoluteerror maeloss',
  meanAbsolutePercentageError: 'mape',
  meanSquaredLogarithmicError: 'msle',
  huber: 'smoothl1 smoothl1loss huberloss',
  klDivergence: 'kl kld kldiv kldivloss kullbackleiblerdivergence kldivergence',
  logCosh: 'logcosh logcoshloss',
  binaryCrossentropy: 'bce bceloss bcewithlogits bcewithlogitsloss sigmoidcrossentropy logloss',
  sparseCategoricalCrossentropy: 'scce sparsecrossentropy nll nllloss',
  categoricalCrossentropy: 'cce ce crossentropy crossentropyloss softmaxcrossentropy xent',
  rootMeanSquaredError: 'rmse',
  cosineSimilarity: 'cosine cosineproximity cosineloss',
  r2: 'r2score rsquared coefficientofdetermination',
  pearson: 'pearsoncorrelation correlation pearsonr',
  f1: 'f1score fscore fmeasure f1measure',
  fBeta: 'fbetascore',
  recall: 'sensitivity tpr truepositiverate hitrate',
  precision: 'ppv positivepredictivevalue',
  specificity: 'tnr truenegativerate selectivity',
  auc: 'auroc rocauc aucroc rocaucscore auprc prauc aucpr averageprecision averageprecisionscore',
  topKAccuracy: 'topk top5 topkcategoricalaccuracy sparsetopkcategoricalaccuracy',
  confusionMatrix: 'confusion confmat',
  perClassAccuracy: 'classaccuracy balancedaccuracy',
  meanIoU: 'iou jaccard jaccardscore jaccardindex',
  matthews: 'mcc matthewscorrcoef matthewscorrelation phi',
  sgd: 'gd gradientdescent stochasticgradientdescent momentum nesterov',
  rmsprop: 'rms',
  accuracy: 'acc categoricalaccuracy binaryaccuracy sparsecategoricalaccuracy',
  glorotUniform: 'xavier xavieruniform glorot',
  glorotNormal: 'xaviernormal',
  heUniform: 'kaiming kaiminguniform he msra',
  heNormal: 'kaimingnormal',
  leCunNormal: 'lecun',
  randomNormal: 'normal gaussian',
  randomUniform: 'uniform',
  zeros: 'zero',
  ones: 'one',
  learningRate: 'lr alpha eta stepsize learnrate rate',
  weightDecay: 'wd decay',
  beta1: 'betas b1',
  beta2: 'b2',
  epsilon: 'eps',
  units: 'outfeatures outputdim outputs neurons size nodes hiddensize hiddenunits numunits dim n',
  filters: 'outchannels channels kernels numfilters features outputchannels units',
  kernelSize: 'size kernel filtersize ksize window',
  poolSize: 'kernelsize size pool window',
  strides: 'step hop subsample',
  dilationRate: 'dilation dilations',
  rate: 'p prob probability dropout dropoutrate keepprob',
  useBias: 'bias',
  targetShape: 'shape size outputshape',
  inputDim: 'numembeddings vocabsize vocabularysize vocab inputsize maxtokens',
  outputDim: 'embeddingdim embeddingsize dim units',
  returnSequences: 'returnsequence sequences manytomany',
  layers: 'hiddenlayers model network',
  inputShape: 'inputsize inputs input inputdim infeatures',
  labels: 'classes classnames',
  loss: 'objective criterion lossfunction lossfn',
  optimizer: 'optim solver trainer',
  seed: 'randomseed randomstate',
};

/** Parts of names that are written in short. @type {[RegExp, string][]} */
const SHORT = [
  [/pool(?!ing)/, 'pooling'],
  [/avg/, 'average'],
  [/norm(?!al)/, 'normalization'],
  [/^(tf|nn|torch|keras|layers)(?=.{4})/, ''],
  [/layer$/, ''],
];

/**
 * What was meant by a name, for a sentence; '' where nobody can tell.
 * @param {unknown} name @param {readonly string[]} names
 */
export function guess(name, names) {
  if (typeof name !== 'string' || name.length > 60) return '';
  const plain = folded(name);
  const long = SHORT.reduce((text, [short, whole]) => text.replace(short, whole), plain);
  const same = names.find((each) => folded(each) === plain || folded(each) === long);
  const known = Object.entries(MEANINGS).find(
    ([means, others]) =>
      names.includes(means) && others.split(' ').some((word) => word === plain || word === long),
  );
  const found = same ?? known?.[0];
  return found ? `; did you mean '${found}'?` : meant(name, names) || meant(long, names);
}
