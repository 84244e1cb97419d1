/* specs.js: what a spec says of its graph where it leaves things out: names, sources, outputs,
 * losses.
 *
 * Read from the spec alone: it is the tests' own reading, not the core's. */

/** @param {any} spec @returns {Record<string, number[]>} shapes by name, in order */
export const inputsOf = ({ inputShape }) =>
  Array.isArray(inputShape) ? { input: inputShape } : inputShape;

/** Layers with their names and the names they read. @param {any} spec */
export function namedLayers(spec) {
  const counts = new Map();
  let before = Object.keys(inputsOf(spec))[0];
  return spec.layers.map((layer) => {
    const count = counts.get(layer.type) ?? 0;
    counts.set(layer.type, count + 1);
    const name = layer.name ?? (count ? `${layer.type}_${count}` : layer.type);
    const from = layer.input === undefined ? [before] : [layer.input].flat();
    before = name;
    return { layer, name, from };
  });
}

/** What is applied to a layer's own output: recurrent layers have it within. */
export function activationOf({ type, activation = 'linear', layer }) {
  if (type === 'softmax') return 'softmax';
  if (type === 'timeDistributed') return activationOf(layer);
  return ['simpleRNN', 'lstm', 'gru'].includes(type) ? 'linear' : activation;
}

const BY_ACTIVATION = { softmax: 'categoricalCrossentropy', sigmoid: 'binaryCrossentropy' };

/**
 * Outputs with loss and weight.
 * @param {any} spec
 * @returns {{ name: string, loss: any, lossWeight: number, activation: string }[]}
 */
export function outputsOf(spec) {
  const layers = namedLayers(spec);
  const lossOf = (name) =>
    spec.loss?.[name] !== undefined
      ? spec.loss[name]
      : spec.loss?.type || typeof spec.loss === 'string'
        ? spec.loss
        : undefined;
  return (spec.outputs ?? [layers.at(-1).name]).map((entry) => {
    const {
      name,
      loss = lossOf(name),
      lossWeight = spec.lossWeights?.[name] ?? 1,
    } = typeof entry === 'string' ? { name: entry } : entry;
    const activation = activationOf(layers.find((l) => l.name === name).layer);
    return {
      name,
      loss: loss ?? BY_ACTIVATION[activation] ?? 'meanSquaredError',
      lossWeight,
      activation,
    };
  });
}

/**
 * The inputs that are indices, with the embeddings that read them.
 * @param {any} spec
 * @returns {Map<string, any>}
 */
export function indexInputs(spec) {
  const layers = namedLayers(spec);
  const found = new Map();
  for (const { layer, from } of layers.filter((l) => l.layer.type === 'embedding')) {
    let [source] = from;
    for (let at; (at = layers.find((l) => l.name === source));) [source] = at.from;
    const before = found.get(source);
    found.set(source, {
      inputDim: Math.min(layer.inputDim, before?.inputDim ?? Infinity),
      maskZero: layer.maskZero || before?.maskZero,
    });
  }
  return found;
}
