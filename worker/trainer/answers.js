/* answers.js: the answers of a plan: its outputs, and the class of each classifier's.
 *
 * A model with one output has one answer, one with several { outputs: { name: answer } }. Of one
 * sample index, label and confidence are scalars. */

import { OffstageError } from '../host/errors.js';
import { showBytes } from '../host/memory.js';

/** @typedef {import('../data/columns.js').OutputFacts} OutputFacts */
/**
 * @typedef {object} Answer
 * @property {Float32Array} output
 * @property {Int32Array} [index]
 * @property {string[]} [label]
 * @property {Float32Array} [confidence]
 */

/**
 * Room for the predictions of so many samples.
 * @param {OutputFacts[]} outputs @param {number} samples
 * @returns {Answer[]}
 */
export function roomFor(outputs, samples) {
  return outputs.map(({ classes, size, shape }) => {
    const output = floatArray(samples * size);
    if (classes === 0) return { output };
    const count = output.length / shape[shape.length - 1];
    return { output, index: new Int32Array(count), label: [], confidence: new Float32Array(count) };
  });
}

/**
 * Adds what was predicted of samples from `first` on.
 * @param {Answer} answer @param {OutputFacts} facts
 * @param {Float32Array} values @param {number} first
 */
export function addTo(
  { output, index, label, confidence },
  { size, shape, labels },
  values,
  first,
) {
  const begin = first * size;
  output.set(values, begin);
  if (!index || !label || !confidence) return;
  const axis = shape[shape.length - 1];
  for (let at = begin, i = begin / axis; at < begin + values.length; at += axis, i++) {
    let best = 0;
    if (axis === 1) best = output[at] > 0.5 ? 1 : 0;
    else for (let k = 1; k < axis; k++) if (output[at + k] > output[at + best]) best = k;
    index[i] = best;
    confidence[i] = axis > 1 ? output[at + best] : best === 1 ? output[at] : 1 - output[at];
    label.push(labels?.[best] ?? String(best));
  }
}

/**
 * @param {Answer[]} answers @param {OutputFacts[]} outputs
 * @param {{ single: boolean, step: number }} of
 * @returns {import('../protocol.js').Prediction}
 */
export function tell(answers, outputs, of) {
  const { single } = of;
  const told = answers.map((answer) => (single ? asOne(answer) : answer));
  if (told.length === 1) return { ...told[0], ...of };
  return { outputs: Object.fromEntries(outputs.map(({ name }, k) => [name, told[k]])), ...of };
}

/** Makes one sample's prediction scalars. @param {Answer} answer */
function asOne(answer) {
  const { output, index, label, confidence } = answer;
  if (index?.length !== 1 || !label || !confidence) return answer;
  return { output, index: index[0], label: label[0], confidence: confidence[0] };
}

/** @param {number} length */
export function floatArray(length) {
  try {
    return new Float32Array(length);
  } catch (cause) {
    const message = `the answer needs ${showBytes(4 * length)}: more than can be had`;
    throw new OffstageError('OUT_OF_MEMORY', message, { cause });
  }
}
