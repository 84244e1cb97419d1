/* net.js: a net drawn from a seed: a list of layers, or a graph with branches, residuals, joins,
 * several inputs and outputs. Every layer and input leads to an output. The same seed gives the
 * same net, everywhere.
 *
 * A net is { name, spec, samples, y, bytes?, weighted?, byHand }, as data.js and compare.js take
 * it. */
import { numbers } from '../../numbers.js';
import { TIED, drawHead, drawOptimizer, furnish, headLayers, tied } from './heads.js';
import { HIDDEN, drawKeeping, drawLayer, drawing } from './layers.js';
import { shapeOf, weightsOf } from './shapes.js';

const ELEMENTWISE = ['add', 'subtract', 'multiply', 'average', 'maximum', 'minimum'];
const MOST_WEIGHTS = 1500;
const MOST_CELLS = 240;
const elements = (shape) => shape.reduce((a, b) => a * b, 1);

/** A graph as it grows. `ends` are values that nobody reads: { name, shape, masked }. */
class Growing {
  constructor(d, listed) {
    Object.assign(this, {
      d,
      listed,
      layers: [],
      ends: [],
      weights: 0,
      counts: {},
      known: [],
      values: [],
      tables: [],
      last: undefined,
    });
  }

  /** Adds a layer behind values; its value. @param {any} fields @param {any[]} from */
  add(fields, from) {
    const { d, listed } = this;
    const layer = furnish(d, { ...fields });
    const count = this.counts[layer.type] ?? 0;
    this.counts[layer.type] = count + 1;
    const { type, ...rest } = layer;
    const own = !listed && d.chance(0.6) ? { name: `n${this.layers.length}` } : {};
    const implied =
      from.length === 1 &&
      (from[0] === this.last || (!this.layers.length && this.inputCount === 1));
    const input =
      implied && (listed || d.chance(0.5))
        ? {}
        : { input: from.length > 1 || d.chance(0.1) ? from.map((f) => f.name) : from[0].name };
    this.layers.push({ type, ...own, ...input, ...rest });
    this.weights += layer.tiedTo
      ? 0
      : weightsOf(
          layer,
          from.map((f) => f.shape),
        );
    const shape = shapeOf(
      layer,
      from.map((f) => f.shape),
    );
    const value = {
      name: own.name ?? (count ? `${type}_${count}` : type),
      shape,
      masked: masks(layer, from),
      from,
    };
    if (TIED.includes(type) && !layer.tiedTo)
      this.known.push({ layer, name: value.name, shape: from[0].shape, readers: from.length });
    this.ends = this.ends.filter((end) => !from.includes(end)).concat(value);
    this.values.push(value);
    return (this.last = value);
  }

  fits(layer, shapes) {
    const shape = shapeOf(layer, shapes);
    return (
      shape &&
      elements(shape) <= MOST_CELLS &&
      elements(shape) > 0 &&
      this.weights + weightsOf(layer, shapes) <= MOST_WEIGHTS
    );
  }

  /** A layer behind one value, or none where twenty draws do not fit. */
  extend(end) {
    const { d } = this;
    const twin = d.pick(
      this.known.filter((k) => k.readers === 1 && k.shape.join() === end.shape.join()),
    );
    if (twin && !end.masked && d.chance(0.15))
      return this.add(tied(d, twin.layer, twin.name), [end]);
    for (let i = 0; i < 20; i++) {
      const layer = drawLayer(d, end.shape, end.masked);
      if (layer && this.fits(layer, [end.shape])) return this.add(layer, [end]);
    }
    return end;
  }

  /** One to two layers that keep the shape, and what they were given. */
  residual(end) {
    const { d } = this;
    let inner = end;
    for (let i = d.between(1, 2); i > 0; i--) {
      const layer = drawKeeping(d, end.shape, end.masked);
      if (this.fits(layer, [end.shape])) inner = this.add(layer, [inner]);
    }
    if (inner === end) return end;
    return this.add(
      { type: d.pick(['add', ...ELEMENTWISE]) },
      d.chance(0.5) ? [end, inner] : [inner, end],
    );
  }

  /** A join with one or two values that others have read, or with itself. */
  again(end) {
    const { d } = this;
    const alike = (list) => list.filter(({ shape }) => shape.join() === end.shape.join());
    const near = d.chance(0.6) ? alike(end.from ?? []) : [];
    const others = near.length ? near : alike(this.values);
    if (!others.length) return this.extend(end);
    const from = [end, ...Array.from({ length: d.pick([1, 1, 2]) }, () => d.pick(others))];
    if (d.chance(0.5)) from.reverse();
    const type = d.pick(
      from.length === 2 ? ELEMENTWISE : ELEMENTWISE.filter((name) => name !== 'subtract'),
    );
    // the same twice: no difference, and of its maximum no side
    if (new Set(from).size < from.length && !['add', 'multiply', 'average'].includes(type))
      return this.extend(end);
    return this.add({ type }, from);
  }

  /** Brings a value to a shape by a dense, where need be. */
  shaped(end, shape) {
    if (end.shape.join() === shape.join()) return end;
    if (end.shape.slice(0, -1).join() !== shape.slice(0, -1).join()) {
      if (end.shape.length > 1) end = this.add({ type: 'flatten' }, [end]);
      if (shape.length > 1) {
        end = this.add({ type: 'dense', units: elements(shape) }, [end]);
        return this.add({ type: 'reshape', targetShape: shape }, [end]);
      }
    }
    return this.add({ type: 'dense', units: shape.at(-1), activation: this.d.pick(HIDDEN) }, [end]);
  }

  /** Two values become one. */
  join(a, b) {
    const { d } = this;
    if (a.shape.length === 2 && b.shape.length === 2 && !a.masked && !b.masked && d.chance(0.5)) {
      const attention = { type: 'multiHeadAttention', numHeads: 2, keyDim: d.between(2, 3) };
      if (this.fits(attention, [a.shape, b.shape]))
        return this.add(attention, d.chance(0.7) ? [a, b] : [a, b, b]);
    }
    const axis = a.shape.findIndex((n, i) => n !== b.shape[i]);
    const oneDiffers =
      a.shape.length === b.shape.length && a.shape.filter((n, i) => n !== b.shape[i]).length <= 1;
    if (oneDiffers && d.chance(0.6)) {
      const at = axis < 0 ? d.between(0, a.shape.length - 1) : axis;
      const layer = {
        type: 'concatenate',
        ...(at < a.shape.length - 1 || d.chance(0.5)
          ? { axis: d.chance(0.5) ? at + 1 : at - a.shape.length }
          : {}),
      };
      if (this.fits(layer, [a.shape, b.shape])) return this.add(layer, [a, b]);
    }
    if (elements(a.shape) > 24) a = this.add(this.d.pick([{ type: 'flatten' }]), [a]);
    if (a.shape.length === 1 && a.shape[0] > 6)
      a = this.add({ type: 'dense', units: d.between(3, 6), activation: d.pick(HIDDEN) }, [a]);
    if (a.shape.length < 3 && d.chance(0.25)) return this.dot(a, this.shaped(b, a.shape));
    const wide = this.shaped(b, d.chance(0.2) ? a.shape.map((n, i) => (i ? n : 1)) : a.shape);
    return this.add({ type: d.pick(ELEMENTWISE) }, d.chance(0.5) ? [a, wide] : [wide, a]);
  }

  dot(a, b) {
    const { d } = this;
    const at = d.between(1, a.shape.length);
    const axes =
      at === a.shape.length && d.chance(0.5)
        ? {}
        : { axes: d.chance(0.5) ? at : [at, at - a.shape.length - 1] };
    return this.add(
      { type: 'dot', ...axes, ...(d.chance(0.3) && a.shape[at - 1] > 2 && { normalize: true }) },
      [a, b],
    );
  }
}

/** Whether a value has a mask, after all it came through. */
function masks(layer, from) {
  if (layer.type === 'embedding') return layer.maskZero === true;
  if (ELEMENTWISE.includes(layer.type)) return from.every(({ masked }) => masked);
  if (layer.type === 'concatenate') return from.some(({ masked }) => masked);
  if (!from[0].masked) return false;
  const { type, returnSequences } = layer.type === 'bidirectional' ? layer.layer : layer;
  if (['simpleRNN', 'lstm', 'gru'].includes(type)) return returnSequences === true;
  return !['conv1d', 'flatten', 'globalAveragePooling1d', 'reshape', 'dot'].includes(type);
}

/* ---- inputs ---- */

const INPUTS = [
  (d) => [d.between(3, 8)],
  (d) => [d.between(2, 6), d.between(2, 5)],
  (d) => [d.between(2, 7), d.between(2, 7), d.between(1, 4)],
  (d) => [d.between(2, 7), d.between(3, 7), d.between(1, 4)],
  (d) => [d.between(2, 3), d.between(2, 4), d.between(2, 4), d.between(1, 2)],
];

/** Values of the inputs; indices go through an embedding at once. */
function begin(net, count) {
  const { d } = net;
  const names =
    count === 1 && d.chance(0.7) ? ['input'] : ['left', 'right', 'third'].slice(0, count);
  net.inputCount = count;
  const drawn = names.map((name) => {
    const tokens = d.chance(0.22);
    return { name, tokens, shape: tokens ? [d.between(2, 6)] : d.pick(INPUTS)(d), masked: false };
  });
  const inputShape =
    names[0] === 'input'
      ? drawn[0].shape
      : Object.fromEntries(drawn.map(({ name, shape }) => [name, shape]));
  net.ends = drawn.slice();
  net.values = drawn.filter(({ tokens }) => !tokens);
  for (const input of drawn.filter(({ tokens }) => tokens)) {
    const table = {
      type: 'embedding',
      inputDim: d.between(3, 9),
      outputDim: d.between(2, 6),
      ...(d.chance(0.6) && { maskZero: true }),
    };
    const { name } = net.add(table, [input]);
    net.tables.push({ ...table, name });
    if (!net.listed && d.chance(0.15))
      net.add({ ...table, ...(d.chance(0.5) && { tiedTo: name }) }, [input]);
  }
  return inputShape;
}

/* ---- outputs ---- */

/** Ends become outputs, with heads; all but so many are joined first. */
function finish(net, most) {
  const { d } = net;
  while (net.ends.length > most) net.join(net.ends[0], net.ends[1]);
  /** @type {any[]} */
  const outputs = [];
  for (const value of net.ends.slice()) {
    let end = value;
    if (end.shape.length > 2 && (elements(end.shape) > 40 || d.chance(0.6)))
      end = net.add(
        { type: d.chance(0.5) && end.shape.length === 3 ? 'globalAveragePooling2d' : 'flatten' },
        [end],
      );
    else if (!end.masked && end.shape.length === 2 && d.chance(0.4))
      end = net.add({ type: 'flatten' }, [end]);
    const head = drawHead(d);
    const table = net.tables.find(({ outputDim }) => outputDim === end.shape.at(-1));
    const layers =
      table && !net.listed && head.activation === 'softmax' && d.chance(0.6)
        ? [
            {
              type: 'dense',
              units: table.inputDim,
              activation: 'softmax',
              tiedTo: table.name,
              useBias: false,
            },
          ]
        : headLayers(d, end.shape, head);
    for (const layer of layers) {
      end = net.add(layer, [end]);
      delete net.layers.at(-1).trainable;
    }
    outputs.push({
      ...head,
      name: end.name,
      shape: end.shape,
      lossWeight: d.chance(0.5) ? d.pick([0.3, 2]) : undefined,
    });
  }
  return outputs;
}

/** How outputs and losses are said: by the default, beside the outputs, or by name. */
function saidOf(d, outputs, single) {
  if (single && d.chance(0.7)) return outputs[0].loss ? { loss: outputs[0].loss } : {};
  if (d.chance(0.5))
    return {
      outputs: outputs.map(({ name, loss, lossWeight }) =>
        loss || lossWeight
          ? { name, ...(loss && { loss }), ...(lossWeight && { lossWeight }) }
          : name,
      ),
    };
  const byName = (key) =>
    Object.fromEntries(
      outputs
        .filter((output) => output[key] !== undefined)
        .map((output) => [output.name, output[key]]),
    );
  const [loss, lossWeights] = [byName('loss'), byName('lossWeight')];
  return {
    outputs: outputs.map(({ name }) => name),
    ...(Object.keys(loss).length && { loss }),
    ...(Object.keys(lossWeights).length && { lossWeights }),
  };
}

/**
 * @param {number} seed
 * @param {number} [again]  what single precision does not carry ten steps is drawn again
 */
export function netAtRandom(seed, again = 0) {
  for (let draw = 0; ; draw++) {
    const net = drawNet(seed, 64 * again + draw);
    if (net.weights <= 2000) return net;
  }
}

function drawNet(seed, again) {
  const next = numbers(Math.imul(seed, 2654435761) + Math.imul(again, 40503) + 12345);
  for (let i = 0; i < 5; i++) next();
  const d = drawing(next);
  const listed = d.chance(0.35);
  const net = new Growing(d, listed);
  const inputShape = begin(net, listed ? 1 : d.pick([1, 1, 1, 2, 2, 3]));
  for (let i = d.between(1, listed ? 6 : 7); i > 0; i--) {
    const end = d.pick(net.ends);
    if (listed) net.extend(end);
    else if (d.chance(0.25)) net.residual(end);
    else if (net.layers.length > 1 && d.chance(0.3)) net.again(net.last);
    else if (net.ends.length > 1 && d.chance(0.35)) net.join(...net.ends.slice(0, 2));
    else if (net.layers.length && net.ends.length < 3 && d.chance(0.25) && net.extend(end) !== end)
      net.ends.push(end);
    else net.extend(end);
  }
  const outputs = finish(net, listed ? 1 : d.pick([1, 1, 2, 3]));
  const bytes = d.chance(0.1);
  const spec = {
    inputShape,
    layers: net.layers,
    ...saidOf(d, outputs, net.layers.at(-1) && outputs.length === 1),
    ...drawOptimizer(d, { layers: net.layers, outputs }),
    ...(bytes && { inputScale: 1 / 127.5, inputOffset: -1 }),
    seed,
  };
  const y = Object.fromEntries(outputs.map(({ name, form }) => [name, form]));
  return {
    name: `at random ${seed}`,
    seed,
    spec,
    samples: d.between(3, 8),
    y,
    bytes,
    weighted: d.chance(0.12),
    byHand: true,
    weights: net.weights,
  };
}
