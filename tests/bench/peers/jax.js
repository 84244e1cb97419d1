/* jax.js: jax-js as a contender: one jitted function takes the state and a batch and returns the
 * new state.
 *
 * Its kernels run when a result is read: `dataSync()` on this thread alone, `data()` on its own
 * workers where the engine lets it share memory. Convolutions in its own order (samples, channels,
 * rows, columns), the weights put into that order once. Every function owns its arguments, as its
 * memory model wants: `.ref` keeps one. */

import { batchesOf, initialWeights, measureLayers } from '../workloads.mjs';

const JAX = new URL('../node_modules/@jax-js/jax/dist/index.js', import.meta.url).href;

/** The order of axes that puts Keras's into its own. @param {number[]} shape */
const toOwn = (shape) => (shape.length === 4 ? [3, 2, 0, 1] : shape.map((_, i) => i));

/**
 * One layer as functions: what becomes of its tensors from Keras, and forward.
 * @param {any} jax @param {ReturnType<typeof measureLayers>[number]} measured @param {number} batch
 * @returns {{ adopt?: (tensors: any[]) => any, forward: (p: any, x: any) => any }}
 */
function layerOf({ numpy: np, nn, lax }, { layer, input, shape }, batch) {
  // Softmax: the loss takes it
  const active = (/** @type {any} */ x) => (layer.activation === 'relu' ? nn.relu(x) : x);
  switch (layer.type) {
    case 'dense':
      return {
        adopt: ([k, b]) => ({ k, b }),
        forward: ({ k, b }, x) => active(np.matmul(x, k).add(b)),
      };
    case 'conv2d':
      return {
        adopt: ([k, b]) => ({ k, b: b.reshape([layer.filters, 1, 1]) }),
        forward: ({ k, b }, x) =>
          active(lax.conv(x, k, [1, 1], layer.padding.toUpperCase()).add(b)),
      };
    case 'maxPooling2d': {
      const [rows, columns, channels] = shape;
      const size = layer.poolSize; // as a reshape: 2 % faster than its reduceWindow
      return {
        forward: (_, x) =>
          np.max(
            x
              .slice([], [], [0, rows * size], [0, columns * size])
              .reshape([batch, channels, rows, size, columns, size]),
            [3, 5],
          ),
      };
    }
    case 'flatten': // with the channels last, as Keras has it, so that the next layer's weights fit
      return { forward: (_, x) => x.transpose([0, 2, 3, 1]).reshape([batch, shape[0]]) };
    case 'lstm':
      return {
        adopt: ([k, r, b]) => ({ k, r, b }),
        forward: ({ k, r, b }, x) =>
          lstm(np, nn, {
            k,
            r,
            b,
            x,
            batch,
            steps: input[0],
            features: input[1],
            units: layer.units,
          }),
      };
    default:
      throw new Error(`jax-js has no ready layer ${layer.type}`);
  }
}

/**
 * The input products of all time steps in one, then step by step: it has no scan, so jit unrolls
 * the loop.
 * @param {any} np @param {any} nn
 * @param {{ k: any, r: any, b: any, x: any, batch: number, steps: number, features: number, units:
 *   number }} given
 */
function lstm(np, nn, { k, r, b, x, batch, steps, features, units }) {
  const inputs = np
    .matmul(x.reshape([batch * steps, features]), k)
    .add(b)
    .reshape([batch, steps, 4 * units]);
  /** @type {any} */ let h;
  /** @type {any} */ let c;
  for (let t = 0; t < steps; t++) {
    const last = t === steps - 1;
    let all = (last ? inputs : inputs.ref).slice([], t, []);
    if (h) all = all.add(np.matmul(h, last ? r : r.ref));
    const [i, f, g, o] = [0, 1, 2, 3].map((gate) =>
      (gate < 3 ? all.ref : all).slice([], [gate * units, (gate + 1) * units]),
    );
    const added = nn.sigmoid(i).mul(np.tanh(g));
    if (c) c = nn.sigmoid(f).mul(c).add(added);
    else {
      f.dispose();
      c = added;
    }
    h = nn.sigmoid(o).mul(np.tanh(last ? c : c.ref));
  }
  return h;
}

/**
 * Adam's update of a tree, or plain descent.
 * @param {any} jax
 * @param {{ type: string, learningRate: number }} optimizer
 */
function optimizerOf({ numpy: np, tree }, { type, learningRate }) {
  const zeros = (/** @type {any} */ p) => tree.map((/** @type {any} */ a) => np.zeros(a.shape), p);
  const init = (/** @type {any} */ p) =>
    type === 'adam' ? { m: zeros(p), v: zeros(p), t: np.array(0) } : {};
  const [b1, b2, epsilon] = [0.9, 0.999, 1e-7];
  /** @type {(p: any, g: any, s: any) => { p: any, s: any }} */
  const update = (p, g, s) => {
    if (type === 'sgd')
      return {
        p: tree.map(
          (/** @type {any} */ a, /** @type {any} */ d) => a.sub(d.mul(learningRate)),
          p,
          g,
        ),
        s,
      };
    const t = s.t.add(1);
    const m = tree.map(
      (/** @type {any} */ a, /** @type {any} */ d) => a.mul(b1).add(d.mul(1 - b1)),
      s.m,
      tree.ref(g),
    );
    const v = tree.map(
      (/** @type {any} */ a, /** @type {any} */ d) => a.mul(b2).add(d.ref.mul(d).mul(1 - b2)),
      s.v,
      g,
    );
    const corrected = (/** @type {number} */ beta) =>
      np.array(1).div(np.array(1).sub(np.power(np.array(beta), t.ref)));
    const [c1, c2] = [corrected(b1), corrected(b2)];
    const next = tree.map(
      (/** @type {any} */ a, /** @type {any} */ mean, /** @type {any} */ square) =>
        a.sub(
          mean
            .mul(c1.ref)
            .div(np.sqrt(square.mul(c2.ref)).add(epsilon))
            .mul(learningRate),
        ),
      p,
      tree.ref(m),
      tree.ref(v),
    );
    c1.dispose();
    c2.dispose();
    return { p: next, s: { m, v, t } };
  };
  return { init, update };
}

/** @param {import('../workloads.mjs').Workload} workload @param {{ sync: boolean }} options */
export async function open(workload, { sync }) {
  const jax = await import(JAX);
  const { numpy: np, nn, tree, jit, valueAndGrad } = jax;
  const { spec, batch } = workload;
  const array = (/** @type {Float32Array} */ data, /** @type {number[]} */ shape) =>
    np.array(data.slice()).reshape(shape);
  const tensors = initialWeights(spec).map(({ data, shape }) =>
    array(data, shape).transpose(toOwn(shape)),
  );
  const layers = measureLayers(spec).map((measured) => ({
    measured,
    ...layerOf(jax, measured, batch),
  }));
  const params = layers.map(({ measured: { kernels, bias }, adopt }) =>
    adopt ? adopt(tensors.splice(0, kernels.length + (bias ? 1 : 0))) : [],
  );
  const { classes, batches } = batchesOf(workload);
  const inputAxes = spec.inputShape.length === 3 ? [0, 3, 1, 2] : undefined;
  const xs = batches
    .map(({ x }) => array(x, [batch, ...spec.inputShape]))
    .map((x) => (inputAxes ? x.transpose(inputAxes) : x));
  const ys = batches.map(({ oneHot }) => array(oneHot, [batch, classes]));
  const kept = /** @type {any[]} */ ([...xs, ...ys, ...params.flatMap((p) => Object.values(p))]);
  for (const each of kept) sync ? each.ref.dataSync() : await each.ref.data();
  const lossOf = (/** @type {any} */ p, /** @type {any} */ x, /** @type {any} */ y) => {
    const logits = layers.reduce((value, { forward }, i) => forward(p[i], value), x);
    return np.mean(np.sum(nn.logSoftmax(logits).mul(y), -1)).mul(-1);
  };
  const lossAndGradient = valueAndGrad(lossOf);
  const { init, update } = optimizerOf(jax, spec.optimizer);
  const train = jit((/** @type {any} */ state, /** @type {any} */ x, /** @type {any} */ y) => {
    const [loss, g] = lossAndGradient(tree.ref(state.p), x, y);
    return [update(state.p, g, state.s), loss];
  });
  let state = { s: init(params), p: params };
  /** @type {any} */
  let loss;
  let steps = 0;
  return {
    step() {
      const i = steps++ % batches.length;
      loss?.dispose();
      [state, loss] = train(state, xs[i].ref, ys[i].ref);
    },
    read() {
      const read = loss;
      loss = undefined;
      return sync
        ? read.dataSync()[0]
        : read.data().then((/** @type {Float32Array} */ data) => data[0]);
    },
  };
}
