/* optimizers.js: what is done with gradients: TF.js's own optimizers where the spec asks for
 * nothing that they lack, else Keras 3's formulas by hand, in double, on TF.js's gradients.
 *
 * apply(variables, gradients) changes the variables; finish() is the natural end of training. */
import { tf } from './ops.js';

/* A rule: (state of one weight, g, options, t) -> the step that is subtracted. State begins empty,
 * t counts from 1. Sources: Keras 3's documentation of each and the papers it names; adam and adamw
 * have PyTorch's epsilon. */
const moment = (s, name, beta, g) => (s[name] = beta * (s[name] ?? 0) + (1 - beta) * g);

const RULE = {
  sgd(s, g, { learningRate, momentum, nesterov }) {
    s.v = momentum * (s.v ?? 0) + learningRate * g;
    if (!momentum) return learningRate * g;
    return nesterov ? momentum * s.v + learningRate * g : s.v;
  },
  adam(s, g, { learningRate, beta1, beta2, epsilon, amsgrad }, t) {
    const m = moment(s, 'm', beta1, g) / (1 - beta1 ** t);
    const v = moment(s, 'v', beta2, g * g);
    s.most = Math.max(s.most ?? 0, v);
    return (learningRate * m) / (Math.sqrt((amsgrad ? s.most : v) / (1 - beta2 ** t)) + epsilon);
  },
  adamax(s, g, { learningRate, beta1, beta2, epsilon }, t) {
    s.u = Math.max(beta2 * (s.u ?? 0), Math.abs(g));
    return (learningRate * moment(s, 'm', beta1, g)) / ((1 - beta1 ** t) * (s.u + epsilon));
  },
  /** Dozat 2016, with a momentum that grows. */
  nadam(s, g, { learningRate, beta1, beta2, epsilon }, t) {
    const now = beta1 * (1 - 0.5 * 0.96 ** t);
    const next = beta1 * (1 - 0.5 * 0.96 ** (t + 1));
    s.product = (s.product ?? 1) * now;
    const m =
      (next * moment(s, 'm', beta1, g)) / (1 - s.product * next) +
      ((1 - now) * g) / (1 - s.product);
    return (
      (learningRate * m) / (Math.sqrt(moment(s, 'v', beta2, g * g) / (1 - beta2 ** t)) + epsilon)
    );
  },
  rmsprop(s, g, { learningRate, rho, momentum, epsilon, centered }) {
    const v = moment(s, 'v', rho, g * g);
    const mean = centered ? moment(s, 'mean', rho, g) : 0;
    const step = (learningRate * g) / Math.sqrt(v - mean * mean + epsilon);
    s.b = momentum * (s.b ?? 0) + step;
    return momentum ? s.b : step;
  },
  adagrad(s, g, { learningRate, initialAccumulatorValue, epsilon }) {
    s.sum = (s.sum ?? initialAccumulatorValue) + g * g;
    return (learningRate * g) / Math.sqrt(s.sum + epsilon);
  },
  adadelta(s, g, { learningRate, rho, epsilon }) {
    const v = moment(s, 'v', rho, g * g);
    const step = (g * Math.sqrt((s.d ?? 0) + epsilon)) / Math.sqrt(v + epsilon);
    moment(s, 'd', rho, step * step);
    return learningRate * step;
  },
  lion(s, g, { learningRate, beta1, beta2 }) {
    const step = learningRate * Math.sign(beta1 * (s.m ?? 0) + (1 - beta1) * g);
    moment(s, 'm', beta2, g);
    return step;
  },
};
RULE.adamw = RULE.adam;

const MOMENTS = { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 };
const DEFAULTS = {
  sgd: { learningRate: 0.01, momentum: 0, nesterov: false },
  adam: MOMENTS,
  adamw: { ...MOMENTS, weightDecay: 0.004 },
  adamax: MOMENTS,
  nadam: MOMENTS,
  rmsprop: { learningRate: 0.001, rho: 0.9, momentum: 0, epsilon: 1e-7, centered: false },
  adagrad: { learningRate: 0.001, initialAccumulatorValue: 0.1, epsilon: 1e-7 },
  adadelta: { learningRate: 0.001, rho: 0.95, epsilon: 1e-7 },
  lion: { learningRate: 0.001, beta1: 0.9, beta2: 0.99 },
};

/* By hand are also TF.js's centered rmsprop, which subtracts epsilon, and its adadelta, which
 * divides by the mean square of the step before. */
const OWN = {
  sgd: ({ learningRate, momentum, nesterov }) =>
    momentum > 0 ? tf.train.momentum(learningRate, momentum, nesterov) : tf.train.sgd(learningRate),
  adam: ({ learningRate, beta1, beta2, epsilon, amsgrad }) =>
    !amsgrad && tf.train.adam(learningRate, beta1, beta2, epsilon),
  adamax: ({ learningRate, beta1, beta2, epsilon }) =>
    tf.train.adamax(learningRate, beta1, beta2, epsilon),
  rmsprop: ({ learningRate, rho, momentum, epsilon, centered }) =>
    !centered && tf.train.rmsprop(learningRate, rho, momentum, epsilon),
  adagrad: ({ learningRate, initialAccumulatorValue, epsilon }) =>
    epsilon === DEFAULTS.adagrad.epsilon && tf.train.adagrad(learningRate, initialAccumulatorValue),
};

const COMMON = [
  'weightDecay',
  'clipValue',
  'clipNorm',
  'globalClipNorm',
  'gradientAccumulationSteps',
  'useEma',
  'emaMomentum',
  'emaOverwriteFrequency',
];

/** All that the spec's optimizer is. */
function optionsOf({ optimizer = 'adam', learningRate }) {
  const given = typeof optimizer === 'string' ? { type: optimizer } : optimizer;
  return { ...DEFAULTS[given.type], ...given, ...(learningRate !== undefined && { learningRate }) };
}

const normOf = (arrays) =>
  Math.sqrt(arrays.reduce((sum, array) => array.reduce((s, g) => s + g * g, sum), 0));
const scaledBy = (arrays, factor) => arrays.map((array) => array.map((g) => g * factor));

function clipped(gradients, { clipValue, clipNorm, globalClipNorm }) {
  if (clipValue)
    return gradients.map((array) => array.map((g) => Math.min(Math.max(g, -clipValue), clipValue)));
  if (clipNorm)
    return gradients.flatMap((array) =>
      scaledBy([array], clipNorm / Math.max(normOf([array]), clipNorm)),
    );
  if (globalClipNorm)
    return scaledBy(gradients, globalClipNorm / Math.max(normOf(gradients), globalClipNorm));
  return gradients;
}

/** Keras's MaxNorm over one axis: w * clip(norm, 0, most) / (1e-7 + norm). */
function constrained(variable, { maxNorm, axis }) {
  const norm = tf.sqrt(tf.sum(tf.square(variable), axis, true));
  variable.assign(tf.div(tf.mul(variable, tf.clipByValue(norm, 0, maxNorm)), tf.add(norm, 1e-7)));
}

/** @param {Record<string, any>} options */
function byHand(options) {
  const {
    type,
    learningRate,
    weightDecay = 0,
    gradientAccumulationSteps: every = 1,
    emaMomentum = 0.99,
  } = options;
  const rule = RULE[type];
  const states = new Map();
  const averages = new Map();
  let sums = null;
  let calls = 0;

  const update = (variables, gradients, t) =>
    variables.forEach((variable, i) => {
      const w = variable.dataSync();
      const state = states.get(variable) ?? Array.from(w, () => ({}));
      states.set(variable, state);
      const after = Float32Array.from(
        w,
        (old, k) =>
          old - learningRate * weightDecay * old - rule(state[k], gradients[i][k], options, t),
      );
      variable.assign(tf.tensor(after, variable.shape));
    });
  const overwrite = () => {
    for (const [variable, average] of averages)
      variable.assign(tf.tensor(Float32Array.from(average), variable.shape));
  };
  /* Keras averages after every batch, the ones that only accumulate too, and keeps nothing of
   * before the first update's. */
  const average = (variables, updates) =>
    variables.forEach((variable) => {
      const w = variable.dataSync();
      const [old, keep] = [averages.get(variable) ?? w, updates ? emaMomentum : 0];
      averages.set(
        variable,
        Array.from(w, (value, k) => keep * old[k] + (1 - keep) * value),
      );
    });

  return {
    apply(variables, gradients) {
      const updates = Math.floor(calls++ / every); // before this batch
      const arrays = gradients.map((gradient) => Array.from(gradient.dataSync()));
      sums = sums ? sums.map((array, i) => array.map((g, k) => g + arrays[i][k])) : arrays;
      if (calls % every === 0) {
        update(variables, clipped(scaledBy(sums, 1 / every), options), updates + 1);
        sums = null;
      }
      if (!options.useEma) return;
      average(variables, updates);
      if (options.emaOverwriteFrequency && (updates + 1) % options.emaOverwriteFrequency === 0)
        overwrite();
    },
    finish: overwrite,
    dispose() {},
  };
}

/** @param {any} spec @param {boolean} [hand]  also what TF.js has */
export function optimizerOf(spec, hand = false) {
  const options = optionsOf(spec);
  const plain = !COMMON.some((name) => options[name] !== undefined && options[name] !== false);
  const own = plain && !hand && OWN[options.type]?.(options);
  if (!own) return byHand(options);
  return {
    apply: (variables, gradients) =>
      own.applyGradients(variables.map(({ name }, i) => ({ name, tensor: gradients[i] }))),
    finish() {},
    dispose: () => own.dispose(),
  };
}

/** After each update. @param {any[]} weights @param {any[]} variables */
export function constrain(weights, variables) {
  weights.forEach(({ constraint, trainable }, i) => {
    if (constraint && trainable) tf.tidy(() => constrained(variables[i], constraint));
  });
}
