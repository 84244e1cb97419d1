/* describe.js: the description of a model: its layers as they were built, its inputs and outputs,
 * the spec that makes it again.
 *
 * The core has every number (shapes, defaults, losses), the encoded spec every name; here they are
 * put together, once, when the model is made. Nothing is computed or decided here but the labels'
 * number. */

import { measuredBy } from './run/metrics.js';
import { describeLayer, describeLoss } from '../spec/graph.js';
import { enumName } from '../spec/schema.js';
import { checkLabels, readBuilt } from '../spec/spec.js';

/** @typedef {import('./core.js').Core} Core */
/** @typedef {import('../spec/spec.js').EncodedSpec} EncodedSpec */
/** @typedef {ReturnType<typeof describeModel>} Described */
/** @typedef {import('../../wasm-build/dist/spec.js').Metrics} Metrics */

/**
 * @param {Core} core @param {number} address  of the model
 * @param {EncodedSpec} spec @param {Uint8Array} filled  its bytes as the core fills them in
 * @param {import('./run/metrics.js').Asked | null} asked  its metrics; null: none are given
 */
export function describeModel(core, address, spec, filled, asked) {
  const built = readBuilt(core.schema, spec, filled);
  const plain = spec.layers.map((layer, i) => describeLayer(built, layer, spec.names, i));
  const shapes = core.modelLayers(address);
  const inputs = spec.inputs.map(({ name }, i) => ({ name, ...core.modelInput(address, i) }));
  const outputs = spec.outputs.map((_, i) => describeOutput(core, address, spec, built, i));
  const { inputScale, inputOffset, seed } = /** @type {Record<string, number>} */ (
    built.get(spec.model)
  );
  const { parameters, trained: trainableParameters } = core.modelFacts(address);
  const [{ loss, labels, shape: outputShape, classes, targets }] = outputs;
  const several = outputs.length > 1;
  const measured = measuredBy(spec.metrics, asked, outputs);
  const about = {
    inputShape:
      inputs.length === 1 && inputs[0].name === 'input'
        ? inputs[0].shape
        : Object.fromEntries(inputs.map(({ name, shape }) => [name, shape])),
    inputScale,
    inputOffset,
    seed,
    optimizer: /** @type {{ type: string, learningRate: number, [field: string]: any }} */ ({
      type: spec.optimizer.record.type,
      ...built.get(spec.optimizer),
    }),
    metrics: /** @type {Metrics} */ (
      spec.metrics ?? (measured.outputs.some(({ accuracy }) => accuracy) ? ['accuracy'] : [])
    ),
  };
  const names = !several
    ? labels
    : outputs.some((output) => output.labels)
      ? byName(outputs, 'labels')
      : null;
  return {
    /** The layers as MODEL_READY lists them. */
    layers: plain.map((layer, i) => ({ ...layer, ...shapes[i] })),
    /** The facts that data are checked against. */
    facts: { inputs, outputs, inputScale, inputOffset },
    counts: { parameters, trainableParameters },
    measured,
    /** The other fields of MODEL_READY that stay the same as long as there is the model. */
    about: {
      ...about,
      loss: several ? byName(outputs, 'loss') : loss,
      labels: names,
      outputShape,
      classes,
      targets,
    },
    /** The spec with every field filled in: makes the same model again. */
    spec: {
      ...about,
      layers: plain,
      ...(names && { labels: names }),
      ...(spec.plain
        ? { loss }
        : {
            outputs: outputs.map(({ name, loss: own, lossWeight }) => ({
              name,
              loss: own,
              lossWeight,
            })),
          }),
    },
  };
}

/**
 * @param {Core} core @param {number} address @param {EncodedSpec} spec
 * @param {import('../spec/graph.js').Built} built
 * @param {number} i  which output
 */
function describeOutput(core, address, spec, built, i) {
  const part = spec.outputs[i];
  const { name } = part;
  const { weight: lossWeight, loss: id, ...facts } = core.modelOutput(address, i);
  const labels = spec.labels[i];
  const loss = enumName(core.schema, 'loss', id);
  checkLabels(labels, facts.classes, spec.outputs.length > 1 ? `.${name}` : '');
  return {
    name,
    ...facts,
    loss: spec.plain ? loss : describeLoss(core.schema, built, part, loss),
    lossWeight,
    labels,
  };
}

/**
 * Collects a field of the outputs by their names.
 * @param {{ name: string, loss: any, labels: string[] | null }[]} outputs
 * @param {'loss' | 'labels'} key
 */
const byName = (outputs, key) =>
  Object.fromEntries(
    outputs.flatMap((output) => (output[key] ? [[output.name, output[key]]] : [])),
  );
