/* doubts.js: what is probably not meant by a run's data, though they can be trained on: its
 * warnings.
 *
 * They are looked for once, when the data have been checked, and never refuse anything. The classes
 * in y are counted; of x some rows are read, evenly spread, and all of a feature only where these
 * are alike in it: a few percent of the time that the check takes. */

import { rgbaBytes, rgbaShare } from '../../data/columns.js';

/** @typedef {import('../datasets.js').Stored} Stored */
/** @typedef {'IMBALANCED' | 'SORTED_LABELS' | 'UNSCALED' | 'SCALE_UNUSED' | 'CONSTANT_FEATURE' |
 *   'LIKELY_RGBA'} DoubtCode */
/** @typedef {{ code: DoubtCode, message: string }} Doubt */
/**
 * What is looked at. trained: samples, the others validate.
 * @typedef {object} Looked
 * @property {import('../model.js').Model} model
 * @property {import('../../host/pump.js').Pump} pump
 * @property {{ x: Stored, y: Stored, weights: Stored | null }} data
 * @property {number} trained
 */

const AT_ONCE = 65536; // elements, some 50 microseconds
const SAMPLED = 8192; // elements of x
const MOST_TARGETS = 2 ** 22; // of rows of y; beyond that they are not counted
const FEW = 10; // samples, of which nothing is told that chance may make
const LEAST_SHARE = 0.1; // of a class
const LARGE = 10; // root mean square of what is about 1 where it is scaled
const MOST_FEATURES = 4096; // and classes
const MOST_CONSTANT = 8; // features that are read whole
const FREQUENT = 0.25; // of the numbers of what changes
const LIKELY = 0.9; // of the pixels of a picture

/** @param {Looked} looked @returns {Generator<void, Doubt[], void>} */
export function* findDoubts(looked) {
  return [...(yield* inClasses(looked)), ...(yield* inNumbers(looked))];
}

/** @param {Looked} looked @returns {Generator<void, Doubt[], void>} */
function* inClasses({ model, pump, data: { y, weights }, trained }) {
  const [{ classes, targets, labels, size }] = model.facts.outputs;
  const rows = y.dtype !== 'int32';
  if (model.facts.outputs.length > 1 || targets !== 1 || classes > MOST_FEATURES) return [];
  if (rows && y.length > MOST_TARGETS) return [];
  const width = rows ? size : 1;
  const counted = { counts: new Uint32Array(classes), changes: 0, before: -1 };
  const { counts } = counted;
  let taught = counts;
  const step = Math.max(1, Math.floor(AT_ONCE / width));
  for (let first = 0; first < y.samples;) {
    if (first === trained) taught = counts.slice();
    const count = Math.min(step, (first < trained ? trained : y.samples) - first);
    const values = model.store.numbersOf(y, first * width, count * width);
    /* One unit in (0, 1) may as well give a share, or any other number. */
    if (rows && width === 1 && values.some((value) => value !== 0 && value !== 1)) return [];
    countClasses(
      counted,
      rows ? Array.from({ length: count }, (_, i) => classOf(values, i * width, width)) : values,
    );
    first += count;
    if (first < y.samples && pump.look()) yield;
  }
  const { changes } = counted;
  const called = (/** @type {number} */ k) => (labels ? `'${labels[k]}'` : `${k}`);
  /** @type {Doubt[]} */
  const doubts = [];
  const fewest = counts.indexOf(Math.min(...counts));
  const least = Math.min(LEAST_SHARE, 0.5 / classes) * y.samples;
  if (y.samples >= FEW && !weights && counts[fewest] < least) {
    doubts.push({
      code: 'IMBALANCED',
      message:
        `class ${called(fewest)} has ${counts[fewest]} of ${y.samples} samples: ` +
        'classWeight, or more samples of it, may help',
    });
  }
  if (trained === y.samples) return doubts;
  const untaught = counts.findIndex((count, k) => count > 0 && taught[k] === 0);
  const sorted = changes === counts.reduce((sum, count) => sum + Math.min(1, count), 0);
  if (untaught >= 0 || (sorted && changes > 1 && y.samples >= FEW)) {
    const what =
      untaught >= 0
        ? `class ${called(untaught)} stands in no sample that is trained on`
        : 'the labels are sorted by class';
    doubts.push({
      code: 'SORTED_LABELS',
      message:
        `${what}: validationSplit takes the last ${y.samples - trained} samples; ` +
        'shuffle the samples, x and y alike, before they are given',
    });
  }
  return doubts;
}

/**
 * @param {{ counts: Uint32Array, changes: number, before: number }} counted changes: from one class
 *   to another
 * @param {ArrayLike<number>} indices of the next samples
 */
function countClasses(counted, indices) {
  const { counts } = counted;
  let { changes, before } = counted;
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i];
    counts[index]++;
    if (index !== before) changes++;
    before = index;
  }
  counted.changes = changes;
  counted.before = before;
}

/** @param {ArrayLike<number>} values @param {number} at @param {number} width */
function classOf(values, at, width) {
  if (width === 1) return Number(values[at] > 0.5);
  let largest = 0;
  for (let k = 1; k < width; k++) if (values[at + k] > values[at + largest]) largest = k;
  return largest;
}

/** @param {Looked} looked @returns {Generator<void, Doubt[], void>} */
function* inNumbers({ model, pump, data: { x } }) {
  const { inputs, inputScale, inputOffset } = model.facts;
  const bytes = x.dtype === 'uint8';
  const row = x.length / x.samples;
  /** @type {Doubt[]} */
  const doubts = [];
  const scales = inputScale !== 1 || inputOffset !== 0;
  const unused = scales && !bytes && inputs.length === 1 && inputs[0].below === 0;
  if (unused) {
    doubts.push({
      code: 'SCALE_UNUSED',
      message:
        `inputScale is ${inputScale} and inputOffset ${inputOffset}, which are applied to uint8 ` +
        'data only, and x is none: give a Uint8Array, or scale the numbers, here and in predict',
    });
  }
  const rows = Math.min(x.samples, Math.max(FEW, Math.floor(SAMPLED / row)));
  const next = Math.floor(x.samples / rows);
  const scaled = model.layers.slice(0, 3).some(({ type }) => /ormalization|rescaling/.test(type));
  let begin = 0;
  for (const { name, shape, size, below } of inputs) {
    const called = inputs.length > 1 ? `x.inputs.${name}` : 'x';
    const features = !bytes && shape.length === 1 && size <= MOST_FEATURES ? size : 0;
    const alike = new Uint8Array(features).fill(x.samples < FEW ? 0 : 1);
    const measured = { squares: 0, most: 0, alike };
    const scale = bytes ? [inputScale, inputOffset] : [1, 0];
    for (let i = 0; below === 0 && i < rows;) {
      const some = Math.min(rows - i, Math.max(1, Math.floor(SAMPLED / size)));
      const values = model.store.numbersOf(x, 0, x.length);
      for (const end = i + some; i < end; i++) {
        measure(measured, values, { at: i * next * row + begin, first: begin, size, scale });
      }
      if (i < rows && pump.look()) yield;
    }
    const { squares, most } = measured;
    if (!unused && !scaled && squares > LARGE * LARGE * rows * size) {
      doubts.push({
        code: 'UNSCALED',
        message:
          `${called} holds numbers up to ${most}, and nothing scales them: numbers of about 1 ` +
          `train better, by ${bytes ? 'inputScale: 1 / 255' : 'a division, or a layer'} ` +
          `${bytes ? 'or a layer ' : ''}like normalization in front`,
      });
    }
    /** @type {number[]} */
    const constant = [];
    /** Numbers, and whether they are the background of others. @type {Map<number, boolean>} */
    const background = new Map();
    for (let k = 0; below === 0 && k < features && constant.length < MOST_CONSTANT; k++) {
      if (!alike[k]) continue;
      const at = begin + k;
      const [value] = model.store.numbersOf(x, at, 1);
      if (!background.has(value)) {
        const values = model.store.numbersOf(x, 0, x.length);
        background.set(value, isFrequent(values, value, { begin, row: next * row, rows, alike }));
        if (pump.look()) yield;
      }
      if (background.get(value)) continue;
      if (yield* isConstant({ model, pump, x, row, at })) constant.push(k);
    }
    if (constant.length > 0 && constant.length < features) {
      doubts.push({
        code: 'CONSTANT_FEATURE',
        message:
          `${called} has the same number in every sample at element ${constant.join(', ')}` +
          `${constant.length < MOST_CONSTANT ? '' : ', and perhaps at more'}: ` +
          'the network learns nothing from it',
      });
    }
    begin += size;
  }
  const picture = bytes && inputs.length === 1 ? rgbaBytes(inputs[0].shape) : 0;
  if (picture > 0 && x.length % picture === 0) {
    const values = model.store.numbersOf(x, 0, picture);
    /* In black and white a shape's rows end like opaque pixels, as often as not. */
    const grey = values.some((value) => value !== 0 && value !== 255);
    if (grey && rgbaShare(values, picture) >= LIKELY) {
      doubts.push({
        code: 'LIKELY_RGBA',
        message:
          `x looks like pixels of a canvas, in red, green, blue and alpha, taken for ` +
          `${x.samples} samples of [${inputs[0].shape.join(', ')}]: leave out what is not wanted`,
      });
    }
  }
  return doubts;
}

/**
 * Adds a row's part of an input to what is known of it.
 * @param {{ squares: number, most: number, alike: Uint8Array }} measured alike: of each feature, as
 *   long as it is as in the first row
 * @param {ArrayLike<number>} values
 * @param {{ at: number, first: number, size: number, scale: number[] }} place
 */
function measure(measured, values, { at, first, size, scale: [scale, offset] }) {
  const { alike } = measured;
  let { squares, most } = measured;
  for (let k = 0; k < size; k++) {
    const value = values[at + k] * scale + offset;
    squares += value * value;
    most = Math.max(most, Math.abs(value));
    if (k < alike.length && values[at + k] !== values[first + k]) alike[k] = 0;
  }
  measured.squares = squares;
  measured.most = most;
}

/**
 * Says whether a number is that of many features that change: the background of pictures, the words
 * that a text does not have. That some features are never another is usual there.
 * @param {ArrayLike<number>} values @param {number} value
 * @param {{ begin: number, row: number, rows: number, alike: Uint8Array }} looked alike: the
 *   features that do not change
 */
function isFrequent(values, value, { begin, row, rows, alike }) {
  let [changing, same] = [0, 0];
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < alike.length; k++) {
      if (alike[k]) continue;
      changing++;
      if (values[begin + i * row + k] === value) same++;
    }
  }
  return same > FREQUENT * changing;
}

/**
 * Says whether an element of x is the same in every sample.
 * @param {Pick<Looked, 'model' | 'pump'> & { x: Stored, row: number, at: number }} feature
 * @returns {Generator<void, boolean, void>}
 */
function* isConstant({ model, pump, x, row, at }) {
  const step = Math.max(1, Math.floor(AT_ONCE / row));
  const [wanted] = model.store.numbersOf(x, at, 1);
  for (let first = 0; first < x.samples; first += step) {
    const count = Math.min(step, x.samples - first);
    const values = model.store.numbersOf(x, first * row, count * row);
    for (let i = 0; i < count; i++) if (values[i * row + at] !== wanted) return false;
    if (first + step < x.samples && pump.look()) yield;
  }
  return true;
}
