/* data.js: what a net learns from, drawn from its seed: inputs, targets of the form that its losses
 * take, weights to begin with. Nothing here computes what a network does. */
import { numbers } from '../numbers.js';
import { indexInputs, inputsOf } from './specs.js';

const elements = (shape) => shape.reduce((a, b) => a * b, 1);

/**
 * Rows of indices that end in zeros where zero is a mask; some have one within, and none has only
 * zeros.
 */
function indices(next, count, width, { inputDim, maskZero }) {
  const low = maskZero ? 1 : 0;
  const x = Float32Array.from({ length: count }, () => low + Math.floor(next() * (inputDim - low)));
  if (!maskZero) return x;
  for (let row = 0; row < count; row += width) {
    const kept = 1 + Math.floor(next() * width);
    x.fill(0, row + kept, row + width);
    if (kept > 2 && next() < 0.4) x[row + Math.floor(next() * (kept - 1))] = 0;
  }
  return x;
}

const oneOf = (next, row) => (row[Math.floor(next() * row.length)] = 1);
const each = (draw) => (next, row) => row.forEach((_, i) => (row[i] = draw(next)));

function distribution(next, row) {
  row.forEach((_, i) => (row[i] = 0.1 + next()));
  const sum = row.reduce((a, b) => a + b);
  row.forEach((value, i) => (row[i] = value / sum));
}

const REAL = each((next) => 3 * next() - 1.5);
const POSITIVE = each((next) => 0.2 + 2 * next());
const ROWS = {
  categoricalCrossentropy: oneOf,
  sparseCategoricalCrossentropy: oneOf,
  categoricalFocalCrossentropy: oneOf,
  categoricalHinge: oneOf,
  binaryCrossentropy: each((next) => Math.round(next())),
  binaryFocalCrossentropy: each((next) => Math.round(next())),
  klDivergence: distribution,
  poisson: POSITIVE,
  cosineSimilarity: POSITIVE,
  meanSquaredLogarithmicError: POSITIVE,
  meanAbsolutePercentageError: each((next) => (next() < 0.5 ? -1 : 1) * (1 + next())),
  hinge: each((next) => (next() < 0.5 ? -1 : 1)),
  squaredHinge: each((next) => (next() < 0.5 ? -1 : 1)),
};
const BY_ACTIVATION = { softmax: oneOf, sigmoid: ROWS.binaryCrossentropy };

/** Targets of one output. @param {'index' | 'rows'} form */
function targets(next, { loss, activation }, form, shape, samples) {
  const axis = shape.at(-1);
  const count = samples * elements(shape);
  if (form === 'index')
    return Int32Array.from({ length: count / axis }, () => Math.floor(next() * Math.max(axis, 2)));
  const fill = ROWS[loss.type ?? loss] ?? BY_ACTIVATION[activation] ?? REAL;
  const rows = new Float32Array(count);
  for (let at = 0; at < count; at += axis) fill(next, rows.subarray(at, at + axis));
  return rows;
}

/**
 * All that both sides are given, by name.
 * @param {any} net { spec, samples, y: the form of targets, for all outputs or by name, bytes?,
 *   weighted?: true | 'classes' }
 * @param {{ shapes: Map<string, number[]>, outputs: any[] }} model
 */
export function dataOf({ spec, samples, y, bytes, weighted }, { shapes, outputs }) {
  const next = numbers(samples + 17);
  const embedded = indexInputs(spec);
  /** @type {Record<string, any>} */
  const x = {};
  for (const [name, shape] of Object.entries(inputsOf(spec))) {
    const count = samples * elements(shape);
    if (embedded.has(name))
      x[name] = (bytes ? Uint8Array : Float32Array).from(
        indices(next, count, shape.at(-1), embedded.get(name)),
      );
    else if (bytes) x[name] = Uint8Array.from({ length: count }, () => Math.floor(256 * next()));
    else x[name] = Float32Array.from({ length: count }, () => 2 * next() - 1);
  }
  const form = (name) => (typeof y === 'string' ? y : y[name]);
  const wanted = Object.fromEntries(
    outputs.map((output) => [
      output.name,
      targets(next, output, form(output.name), shapes.get(output.name), samples),
    ]),
  );
  if (weighted === 'classes')
    return { x, y: wanted, samples, classWeight: { 0: 0.5, 1: 2, 2: 0.75 } };
  const sampleWeight = weighted
    ? Float32Array.from({ length: samples }, () => Math.round(16 * next()) / 8)
    : undefined;
  return { x, y: wanted, samples, sampleWeight };
}

/** By the role of a weight; all others begin as the model has them. */
const BEGIN = [
  [/(bias|beta|moving_mean)$/, (value) => 0.4 * value - 0.2],
  [/(gamma|moving_variance)$/, (value) => 0.8 + 0.4 * value],
  [/alpha$/, (value) => 0.1 + 0.3 * value],
];

/**
 * The weights that both begin with: a model's own, but for those whose zeros and ones would hide
 * mistakes.
 */
export function beginWith(weights) {
  const next = numbers(99);
  return weights.map(({ name, shape, data }) => {
    const [, draw] = BEGIN.find(([role]) => role.test(name)) ?? [];
    return { name, shape, data: draw ? Float32Array.from(data, () => draw(next())) : data };
  });
}
