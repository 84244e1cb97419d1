/* compare.js: one net, trained here and by TensorFlow.js from the same weights, ten full-batch
 * steps each.
 *
 * The loss of every step agrees within 1e-5 relative, and outputs within 1e-4 of the larger of 1
 * and their size: what single precision leaves after ten steps of networks of this size; TF.js has
 * single precision too. Tolerances are for all nets the same, and for relaxed SIMD: an addition
 * whose product was not rounded is off by no more than one whose product was. */
import assert from 'node:assert/strict';
import { createTrainer } from '../../web/index.js';
import { numbers } from '../numbers.js';
import { beginWith, dataOf } from './data.js';
import { inputsOf } from './specs.js';
import { modelOf, trainWithTensorFlow } from './tensorflow.js';

export const STEPS = 10;
const LOSS_TOLERANCE = 1e-5;
const OUTPUT_TOLERANCE = 1e-4;

const relative = (got, wanted) => (got === wanted ? 0 : Math.abs(got - wanted) / Math.abs(wanted));
export const worst = (got, wanted) =>
  got.reduce(
    (most, value, i) =>
      Math.max(most, Math.abs(value - wanted[i]) / Math.max(1, Math.abs(wanted[i]))),
    0,
  );

/** What the API takes for data by name: plain where a spec has no names. */
function given({ spec, samples }, { x, y }) {
  const shaped = Object.fromEntries(
    Object.entries(inputsOf(spec)).map(([name, shape]) => [
      name,
      { data: x[name], shape: [samples, ...shape] },
    ]),
  );
  const names = Object.keys(y);
  return {
    x: Array.isArray(spec.inputShape) ? shaped.input : { inputs: shaped },
    y: names.length > 1 ? { outputs: y } : y[names[0]],
  };
}

/** Outputs by name. */
function outputsOf(prediction, names) {
  if (names.length === 1) return { [names[0]]: prediction.output };
  return Object.fromEntries(names.map((name) => [name, prediction.outputs[name].output]));
}

/** The weights that both begin with. @param {any} net */
export async function firstWeights({ spec }) {
  const trainer = await createTrainer(spec, { mode: 'main' });
  try {
    return beginWith(await trainer.getWeights());
  } finally {
    await trainer.dispose();
  }
}

/**
 * Trains the net from known weights.
 * @param {any} net
 * @param {any} model
 * @param {object} [options] of createTrainer
 */
export async function trainHere(net, model, options = {}) {
  const trainer = await createTrainer(net.spec, { mode: 'main', ...options });
  try {
    const weights = beginWith(await trainer.getWeights());
    assert.deepEqual(
      weights.map(({ shape }) => shape),
      model.weights.map(({ shape }) => shape),
      'shapes of weights',
    );
    await trainer.setWeights(weights);
    const data = dataOf(net, model);
    const { x, y } = given(net, data);
    const names = model.outputs.map(({ name }) => name);
    const before = outputsOf(await trainer.predict(x), names);
    const { sampleWeight, classWeight } = data;
    const fit = {
      epochs: STEPS,
      batchSize: net.samples,
      shuffle: false,
      ...(sampleWeight && { sampleWeight }),
      ...(classWeight && { classWeight }),
    };
    const { history } = await trainer.fit(x, y, fit);
    const after = outputsOf(await trainer.predict(x), names);
    const { loss } = await trainer.evaluate(x, y, sampleWeight && { sampleWeight });
    return {
      info: trainer.info,
      weights,
      before,
      losses: history.map((epoch) => epoch.loss),
      after,
      evaluated: loss,
    };
  } finally {
    await trainer.dispose();
  }
}

/**
 * @param {Awaited<ReturnType<typeof trainHere>>} got
 * @param {ReturnType<typeof trainWithTensorFlow>} wanted
 */
export function assertClose(got, wanted) {
  for (const when of ['before', 'after']) {
    for (const [name, values] of Object.entries(wanted[when])) {
      assert.equal(got[when][name].length, values.length);
      const error = worst(got[when][name], values);
      assert.ok(error <= OUTPUT_TOLERANCE, `${name} ${when} training is off by ${error}`);
    }
    const losses = when === 'before' ? wanted.losses : [];
    losses.forEach((loss, i) => {
      const error = relative(got.losses[i], loss);
      assert.ok(
        error <= LOSS_TOLERANCE,
        `loss ${i + 1}: got ${got.losses[i]}, TF.js has ${loss}: off by ${error}`,
      );
    });
  }
  const error = relative(got.evaluated, wanted.evaluated);
  assert.ok(
    error <= LOSS_TOLERANCE,
    `evaluated: got ${got.evaluated}, TF.js has ${wanted.evaluated}: off by ${error}`,
  );
}

/** Both, as the test of one net. @returns what TF.js has, for another variant to be held against */
export async function compare(net, options) {
  const model = modelOf(net.spec);
  const got = await trainHere(net, model, options);
  const wanted = trainWithTensorFlow(net.spec, got.weights, dataOf(net, model), STEPS, net.byHand);
  assertClose(got, wanted);
  return { model, wanted };
}

/* A squared error below it has outputs that are right to the third digit, whose fourth to seventh
 * are all that is left. */
const LEAST_LOSS = 2e-3;

/**
 * Whether single precision alone would break a net's comparison: a loss that is all but gone, or
 * TF.js's own losses or outputs that move by a quarter of the tolerances where every weight it
 * begins with is off by one rounding. Ours are not asked.
 * @param {any} net @param {{ shape: number[], data: Float32Array }[]} weights
 */
export function isChaotic(net, weights) {
  const data = dataOf(net, modelOf(net.spec));
  const [next, once] = [numbers(5), 2 ** -23];
  const moved = weights.map(({ data: values, ...rest }) => ({
    ...rest,
    data: values.map((w) => w * (1 + once * (next() < 0.5 ? -1 : 1))),
  }));
  const [a, b] = [weights, moved].map((from) =>
    trainWithTensorFlow(net.spec, from, data, STEPS, net.byHand),
  );
  if (a.losses.some((loss) => !(Math.abs(loss) > LEAST_LOSS))) return true;
  const pairs = [...a.losses, a.evaluated].map((loss, i) => [loss, [...b.losses, b.evaluated][i]]);
  if (pairs.some(([loss, other]) => !(relative(other, loss) <= LOSS_TOLERANCE / 4))) return true;
  return Object.keys(a.after).some(
    (name) => !(worst(b.after[name], a.after[name]) <= OUTPUT_TOLERANCE / 4),
  );
}
