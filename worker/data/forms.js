/* forms.js: x, y and weights of samples in every form that the contract allows, as columns.
 *
 * The page has it for what an app gives, the session only for what others than the page send:
 * columns.js takes typed arrays of the right length by itself. Forms, shapes and lengths are judged
 * here, and every refusal of them is worded here; finiteness and the range of class indices once
 * the numbers are where the core sees them. */

import { readArray, same, typedKind } from './arrays.js';
import { badIndex, dtypeOf, joinX, joinY, refuse, rgbaBytes, rgbaShare } from './columns.js';
import { checkFields, oneOf, show } from '../host/errors.js';

/** @typedef {import('./columns.js').DType} DType */
/** @typedef {import('./columns.js').Column} Column */
/** @typedef {import('./columns.js').DataFacts} DataFacts */
/** @typedef {import('./columns.js').InputFacts} InputFacts */
/** @typedef {import('./columns.js').OutputFacts} OutputFacts */
/** @typedef {import('./arrays.js').Read} Read */
/** @typedef {import('./arrays.js').Convert} Convert */

/**
 * @param {any} x
 * @param {DataFacts} facts
 * @returns {Column}
 */
export function readX(x, facts) {
  const { inputs } = facts;
  const given = namedParts(x, 'x', 'inputs', inputs);
  const columns = inputs.map((input, k) =>
    readInput(
      given[k],
      input,
      inputs.length > 1 || given[k] !== x ? `x.inputs.${input.name}` : 'x',
    ),
  );
  if (columns.length === 1) return columns[0];
  const many = columns.findIndex(({ single }) => !single);
  const { samples } = columns[Math.max(0, many)];
  columns.forEach((column, k) => {
    if (column.samples !== samples) {
      refuse(
        `x.inputs.${inputs[k].name} has ${column.samples} samples, ` +
          `expected ${samples} as x.inputs.${inputs[Math.max(0, many)].name} has`,
      );
    }
  });
  return joinX(columns, facts);
}

/**
 * @param {any} y
 * @param {DataFacts} facts
 * @param {number} samples  how many x has
 * @returns {Column}
 */
export function readY(y, { outputs }, samples) {
  const given = namedParts(y, 'y', 'outputs', outputs);
  const columns = outputs.map((output, k) =>
    readOutput(
      given[k],
      output,
      samples,
      outputs.length > 1 || given[k] !== y ? `y.outputs.${output.name}` : 'y',
    ),
  );
  if (columns.length === 1) return columns[0];
  return joinY(columns, outputs);
}

/**
 * What is given for each input or output: { inputs: { name: data } }, or the data of the only one.
 * @param {any} given
 * @param {string} what
 * @param {'inputs' | 'outputs'} key
 * @param {{ name: string }[]} wanted
 * @returns {any[]}
 */
function namedParts(given, what, key, wanted) {
  const names = wanted.map(({ name }) => name);
  const named = given !== null && typeof given === 'object' && key in given;
  if (!named) {
    return names.length === 1
      ? [given]
      : refuse(`${what} is ${show(given)}, expected { ${key}: { ${names.join(', ')} } }`);
  }
  const { [key]: parts } = checkFields(given, [key], what, 'INVALID_DATA');
  const checked = checkFields(parts, names, `${what}.${key}`, 'INVALID_DATA');
  return names.map((name) =>
    Object.hasOwn(checked, name)
      ? checked[name]
      : refuse(`${what}.${key}.${name} is missing, expected data`),
  );
}

/** @param {any} x @param {InputFacts} input @param {string} name @returns {Column} */
function readInput(x, { shape: one, size }, name) {
  const { kind, length, shape, typed, unit, read } = readArray(x, name);
  if (kind === 'strings') {
    refuse(`${name} holds strings, expected numbers of shape [n, ${one.join(', ')}]`);
  }
  const dtype = /** @type {DType} */ (kind === 'uint8' ? 'uint8' : 'float32');
  const column = { dtype, length, typed, unit, read, indices: 0 };
  if (shape === null || (shape.length === 1 && one.length !== 1)) {
    if (length === 0 || length % size !== 0) {
      refuse(
        `${name} has ${length} elements, ` +
          `expected a multiple of ${size} (inputShape [${one.join(', ')}])`,
      );
    }
    const picture = rgbaBytes(one);
    if (picture > 0 && length % picture === 0 && rgbaShare(x, picture) === 1) {
      refuse(
        `${name} is pixels of a canvas, in red, green, blue and alpha, ` +
          `expected ${size / (picture / 4)} of these 4 numbers a pixel ` +
          `(inputShape [${one.join(', ')}])`,
      );
    }
    return { ...column, samples: length / size, single: length === size };
  }
  const single = same(shape, one);
  const many = same(shape.slice(1), one) || (shape.length === 2 && shape[1] === size);
  if (!single && !many) {
    refuse(
      `${name} has shape [${shape.join(', ')}], ` +
        `expected [n, ${one.join(', ')}] or, for one sample, [${one.join(', ')}]`,
    );
  }
  return { ...column, samples: single ? 1 : shape[0], single };
}

/**
 * @param {any} y
 * @param {OutputFacts} output
 * @param {number} samples
 * @param {string} name
 * @returns {Column}
 */
function readOutput(y, output, samples, name) {
  const given = readArray(y, name);
  const { kind, length, typed, unit } = given;
  const convert = kind === 'strings' ? indexOfName(given.first, output, name) : undefined;
  const indices = formOfY(given, output, samples, name) === 'indices';
  const read =
    indices && dtypeOf(typed) !== 'int32' ? readIndices(given, output, name, convert) : given.read;
  const dtype = indices ? 'int32' : 'float32';
  return { dtype, length, samples, single: false, typed, unit, read, indices: 0 };
}

/**
 * Class indices, or rows of outputs: told by kind and shape, never by the values.
 * @param {Read} read @param {OutputFacts} output @param {number} samples @param {string} name
 * @returns {'indices' | 'rows'}
 */
function formOfY({ kind, length, shape }, { size, shape: one, targets }, samples, name) {
  const rows = `rows of ${size} number${size === 1 ? '' : 's'}`;
  if (shape === null || shape.length === 1) {
    const indices = targets > 0 && kind !== 'real';
    if (indices && length === samples * targets) return 'indices';
    if (!indices && length === samples * size) return 'rows';
    const wanted =
      targets === 0
        ? `${samples * size} (${rows})`
        : indices
          ? `${samples * targets} class indices, ` +
            `or ${rows} as nested arrays or one flat Float32Array`
          : `${samples * size} (${rows}), or class indices as an integer typed array or number[]`;
    refuse(`${name} has ${length} elements for ${samples} samples, expected ${wanted}`);
  }
  const of = (/** @type {number[]} */ tail) => same(shape, [samples, ...tail]);
  if (targets > 0 && kind !== 'real' && of(one.slice(0, -1))) return 'indices';
  if (kind !== 'strings' && (of(one) || of([size]))) return 'rows';
  const wanted =
    targets === 0 ? '' : `, or class indices [${[samples, ...one.slice(0, -1)].join(', ')}]`;
  refuse(
    `${name} has shape [${shape.join(', ')}] for ${samples} samples, ` +
      `expected [${[samples, ...one].join(', ')}]${wanted}`,
  );
}

/**
 * @param {string} first  name
 * @param {OutputFacts} output
 * @param {string} name  of the data
 * @returns {Convert}
 */
function indexOfName(first, { labels, targets }, name) {
  if (!labels || targets === 0) {
    const why = labels ? 'takes rows of numbers' : 'has no labels';
    refuse(`${name} holds class names (${show(first)}), but the model ${why}`);
  }
  const index = new Map(labels.map((label, i) => [label, i]));
  return (label, position) =>
    index.get(label) ??
    refuse(`${name}[${position}] is ${show(label)}, expected one of the labels ${oneOf(labels)}`);
}

/**
 * Class indices that lie in something else than an Int32Array.
 * @param {Read} given @param {OutputFacts} output @param {string} name @param {Convert} [convert]
 * @returns {Column['read']}
 */
function readIndices({ read }, output, name, convert) {
  return (target, begin) => {
    const values = new Float64Array(target.length);
    read(values, begin, convert);
    for (let i = 0; i < values.length; i++) {
      target[i] = values[i];
      if (target[i] !== values[i]) throw badIndex(name, begin + i, values[i], output);
    }
  };
}

/**
 * The samples' weights in the loss.
 * @param {any} given @param {number} samples
 * @returns {Column}
 */
export function readWeights(given, samples) {
  const { kind, length, shape, typed, unit, read } = readArray(given, 'sampleWeight');
  if (kind === 'strings' || length !== samples || (shape && shape[0] !== samples)) {
    refuse(
      `sampleWeight has ${kind === 'strings' ? 'strings' : `${length} elements`}, ` +
        `expected a number for each of ${samples} samples`,
    );
  }
  return { dtype: 'float32', length, samples, single: false, typed, unit, read, indices: 0 };
}

/**
 * Numbers in one flat array.
 * @param {any} value
 * @param {string} name
 * @returns {Column | null}  of float32; null where it is something else
 */
export function readFlat(value, name) {
  const list = Array.isArray(value) && typeof value[0] === 'number';
  if (!list && !(typedKind(value) && typeof (value[0] ?? 0) === 'number')) return null;
  const { length, typed, unit, read } = readArray(value, name);
  return { dtype: 'float32', length, samples: 1, single: true, typed, unit, read, indices: 0 };
}
