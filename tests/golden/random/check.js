/* check.js: the net of a seed, compared; and the smallest net that still fails, where it does.
 *
 * A net that single precision does not carry is drawn again, judged by TensorFlow.js alone: nothing
 * is loosened. */
import { compare, firstWeights, isChaotic } from '../compare.js';
import { inputsOf, namedLayers, outputsOf } from '../specs.js';
import { modelOf } from '../tensorflow.js';
import { netAtRandom } from './net.js';
import { shapeOf } from './shapes.js';

const MOST_DRAWS = 5;

/** What is wrong with a net, or null. @param {any} net */
export async function failureOf(net, options) {
  try {
    await compare(net, options);
    return null;
  } catch (error) {
    return /** @type {Error} */ (error);
  }
}

/** Numbers that disagree, or are none, may be excused; a refusal or a shape may not. */
const excused = async (net, error) =>
  /off by|not finite/.test(error.message) && isChaotic(net, await firstWeights(net));

/**
 * @param {number} seed @param {object} [options]  of createTrainer
 * @returns {Promise<{ net: any, error: Error | null, draws: number }>}
 */
export async function checkSeed(seed, options) {
  for (let draws = 1; ; draws++) {
    const net = netAtRandom(seed, draws - 1);
    const error = await failureOf(net, options);
    if (!error || draws === MOST_DRAWS || !(await excused(net, error)))
      return { net, error, draws };
  }
}

/* ---- smaller ---- */

/**
 * The same net with everything said: names, sources, outputs. So that what is taken away changes
 * nothing else.
 */
function spelled(net) {
  const { loss, lossWeights, ...spec } = net.spec;
  const outputs = outputsOf(net.spec).map(({ activation, ...output }) => output);
  const layers = namedLayers(net.spec).map(({ layer, name, from }) => ({
    ...layer,
    name,
    input: from,
  }));
  return { ...net, spec: { ...spec, inputShape: inputsOf(net.spec), layers, outputs } };
}

/** Without what leads to no output; null where a layer does not fit any more. */
function pruned(net) {
  const { spec } = net;
  const read = new Set(spec.outputs.map(({ name }) => name));
  const layers = [];
  for (const layer of spec.layers.slice().reverse()) {
    if (!read.has(layer.name)) continue;
    for (const name of [layer.input, layer.tiedTo ?? []].flat()) read.add(name);
    layers.unshift(layer);
  }
  const inputShape = Object.fromEntries(
    Object.entries(spec.inputShape).filter(([name]) => read.has(name)),
  );
  const shapes = new Map(Object.entries(inputShape));
  for (const layer of layers) {
    const from = layer.input.map((name) => shapes.get(name));
    const shape = from.every(Boolean) ? shapeOf(layer, from) : null;
    if (!shape) return null;
    shapes.set(layer.name, shape);
  }
  if (
    !layers.length ||
    spec.outputs.some(({ name }) => !layers.some((layer) => layer.name === name))
  )
    return null;
  return { ...net, spec: { ...spec, inputShape, layers } };
}

const withSpec = (net, fields) => ({ ...net, spec: { ...net.spec, ...fields } });
const without = (object, field) =>
  Object.fromEntries(Object.entries(object).filter(([name]) => name !== field));
const KEPT = ['type', 'name', 'input', 'layer', 'inputDim', 'outputDim', 'targetShape', 'dims'];

/** Nets that are a little less than this one. */
function* lesser(net) {
  const { spec } = net;
  for (const output of spec.outputs)
    if (spec.outputs.length > 1)
      yield withSpec(net, { outputs: spec.outputs.filter((o) => o !== output) });
  for (const gone of spec.layers) {
    for (const source of gone.input) {
      const layers = spec.layers
        .filter((layer) => layer !== gone)
        .map((layer) => ({
          ...layer,
          input: layer.input.map((name) => (name === gone.name ? source : name)),
        }));
      yield withSpec(net, {
        layers,
        outputs: spec.outputs.map((o) => (o.name === gone.name ? { ...o, name: source } : o)),
      });
    }
  }
  if (spec.optimizer !== 'sgd') yield withSpec(net, { optimizer: 'sgd', learningRate: 0.01 });
  if (net.weighted) yield { ...net, weighted: false };
  if (net.bytes) yield { ...net, bytes: false };
  if (net.samples > 2) yield { ...net, samples: net.samples - 1 };
  const replaced = (layer, by) =>
    withSpec(net, { layers: spec.layers.map((l) => (l === layer ? by : l)) });
  for (const layer of spec.layers) {
    for (const field of Object.keys(layer))
      if (!KEPT.includes(field)) yield replaced(layer, without(layer, field));
    for (const field of Object.keys(layer.layer ?? {}))
      if (field !== 'type') yield replaced(layer, { ...layer, layer: without(layer.layer, field) });
    for (const field of ['units', 'filters', 'numHeads', 'keyDim'])
      if (layer[field] > 1) yield replaced(layer, { ...layer, [field]: layer[field] - 1 });
  }
  for (const [name, shape] of Object.entries(spec.inputShape)) {
    for (const axis of shape.keys())
      if (shape[axis] > 1)
        yield withSpec(net, {
          inputShape: { ...spec.inputShape, [name]: shape.map((n, i) => (i === axis ? n - 1 : n)) },
        });
  }
}

/**
 * The smallest net found that still fails, and not by being refused where the first was not.
 * @param {any} net
 * @param {(net: any) => Promise<Error | null>} failure
 * @param {number} [limit]  of tries
 */
export async function shrink(net, failure, limit = 400) {
  const kind = (error) => error?.code ?? 'numbers';
  const first = await failure(net);
  let best = spelled(net);
  const same = async (candidate) => {
    try {
      modelOf(candidate.spec); // what TensorFlow.js cannot make is no smaller net
      return kind(await failure(candidate)) === kind(first);
    } catch {
      return false;
    }
  };
  if (!(await same(best))) return net;
  for (let tries = 0, smaller = true; smaller;) {
    smaller = false;
    for (const candidate of lesser(best)) {
      const valid = pruned(candidate);
      if (!valid || tries++ > limit || !(await same(valid))) continue;
      best = valid;
      smaller = true;
      break;
    }
  }
  return best;
}
