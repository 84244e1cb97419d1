/* tensorflow.js: TensorFlow.js trains a net: the independent implementation.
 *
 * The forward pass is written with its public operations and its own gradients, losses and
 * optimizers (tensorflow/), so that nothing of Offstage is in it: it reads the spec as it is meant,
 * defaults included. */
import { indexInputs, inputsOf } from './specs.js';
import { model, penalty } from './tensorflow/graph.js';
import { lossOf } from './tensorflow/losses.js';
import { tf } from './tensorflow/ops.js';
import { constrain, optimizerOf } from './tensorflow/optimizers.js';

/**
 * What TF.js's own layer of that name gives for the given weights, where it has it.
 * @param {'lstm'} type
 * @param {any} fields
 * @param {{ shape: number[], data: Float32Array }[]} weights
 * @param {{ data: Float32Array, shape: number[] }} x
 */
export function ownLayer(type, fields, weights, x) {
  return tf.tidy(() => {
    const layer = tf.layers[type]({ recurrentActivation: 'sigmoid', ...fields });
    const input = tf.tensor(x.data, x.shape);
    layer.apply(input); // builds it
    layer.setWeights(weights.map(({ shape, data }) => tf.tensor(data.slice(), shape)));
    return layer.apply(input).dataSync();
  });
}

/** Three weights after ten steps down a bowl. @param {any} optimizer @param {boolean} byHand */
export function bowl(optimizer, byHand) {
  return tf.tidy(() => {
    const w = tf.variable(tf.tensor1d([0.5, -0.3, 0.2]));
    const steps = optimizerOf({ optimizer }, byHand);
    for (let i = 0; i < 10; i++) {
      const { grads } = tf.variableGrads(
        () => tf.sum(tf.mul(tf.square(w), tf.tensor1d([1, 2, 0.01]))),
        [w],
      );
      steps.apply([w], [grads[w.name]]);
    }
    steps.dispose();
    return w.dataSync();
  });
}

/**
 * What a spec comes to: weights in their order, and shapes by name.
 * @param {any} spec
 * @returns {{ weights: { name: string, role: string, shape: number[] }[], shapes: Map<string,
 *   number[]>, outputs: any[] }}
 */
export const modelOf = (spec) => model(spec);

/** Bytes are scaled, unless they are the indices of an embedding. */
function inputTensors(spec, { x, samples }) {
  const { inputScale = 1, inputOffset = 0 } = spec;
  const embedded = indexInputs(spec);
  return Object.fromEntries(
    Object.entries(inputsOf(spec)).map(([name, shape]) => {
      const values =
        x[name] instanceof Uint8Array && !embedded.has(name)
          ? Float32Array.from(x[name], (value) => value * inputScale + inputOffset)
          : x[name];
      return [name, tf.tensor(Float32Array.from(values), [samples, ...shape])];
    }),
  );
}

/** Rows for class indices: one-hot, or the index itself for one sigmoid unit. */
function wantedRows(y, shape) {
  if (y instanceof Float32Array) return tf.tensor(y, shape);
  const axis = shape[shape.length - 1];
  if (axis === 1) return tf.tensor(Float32Array.from(y), shape);
  return tf.reshape(tf.cast(tf.oneHot(tf.tensor1d(y, 'int32'), axis), 'float32'), shape);
}

/**
 * Full-batch steps from the given weights.
 * @param {any} spec
 * @param {{ shape: number[], data: Float32Array }[]} weights
 * @param {{ x: Record<string, any>, y: Record<string, any>, samples: number, sampleWeight?:
 *   Float32Array, classWeight?: Record<number, number> }} data by name
 * @param {number} steps
 * @param {boolean} [byHand] the optimizer in double, although TF.js has it: its adam is off by 6e-6
 * @returns {{ before: Record<string, Float32Array>, losses: number[], after: Record<string,
 *   Float32Array>, evaluated: number }}
 */
export function trainWithTensorFlow(spec, weights, data, steps, byHand) {
  return tf.tidy(() => {
    const net = model(spec);
    const inputs = inputTensors(spec, data);
    const variables = weights.map(({ shape, data: values }) =>
      tf.variable(tf.tensor(values.slice(), shape)),
    );
    const wanted = net.outputs.map(({ name }) =>
      wantedRows(data.y[name], [data.samples, ...net.shapes.get(name)]),
    );
    const { sampleWeight, classWeight } = data;
    const ofClasses =
      classWeight && Array.from(data.y[net.outputs[0].name], (index) => classWeight[index]);
    const [evaluating, learning] = [sampleWeight, sampleWeight ?? ofClasses].map(
      (weighs) => weighs && tf.tensor1d(weighs),
    );
    const value = (i) => variables[i];
    const predict = () =>
      tf.tidy(() => {
        const at = net.walk(inputs, { value });
        return Object.fromEntries(net.outputs.map(({ name }) => [name, at.get(name).y.dataSync()]));
      });
    const lossNow = (how) => {
      const at = net.walk(inputs, { value, ...how });
      const terms = net.outputs.map(({ name, loss, lossWeight }, k) =>
        tf.mul(
          lossWeight,
          lossOf(loss, wanted[k], at.get(name), how.training ? learning : evaluating),
        ),
      );
      return terms.reduce((sum, term) => tf.add(sum, term), penalty(net.weights, variables));
    };
    const trained = variables.filter((_, i) => net.weights[i].trainable);
    const optimizer = optimizerOf(spec, byHand);
    const step = () =>
      tf.tidy(() => {
        const moved = new Map();
        const f = () =>
          lossNow({
            training: true,
            moves: (name, batch, momentum) => moved.set(name, { batch: tf.keep(batch), momentum }),
          });
        const { value: loss, grads } = tf.variableGrads(f, trained);
        optimizer.apply(
          trained,
          trained.map((variable) => grads[variable.name] ?? tf.zerosLike(variable)),
        );
        constrain(net.weights, variables);
        net.weights.forEach(({ name }, i) => {
          const { batch, momentum } = moved.get(name) ?? {};
          if (batch)
            variables[i].assign(
              tf.add(tf.mul(variables[i], momentum), tf.mul(batch, 1 - momentum)),
            );
          batch?.dispose();
        });
        return loss.dataSync()[0];
      });
    const before = predict();
    const losses = Array.from({ length: steps }, step);
    optimizer.finish();
    const result = { before, losses, after: predict(), evaluated: lossNow({}).dataSync()[0] };
    optimizer.dispose();
    for (const variable of variables) variable.dispose();
    return result;
  });
}
