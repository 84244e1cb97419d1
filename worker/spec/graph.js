/* graph.js: the graph of a spec, by name: inputs, layers with the layers they wrap, outputs with
 * their losses.
 *
 * Names are JavaScript's alone: to C an input is -1 - k, a layer its place. Every name is of one
 * thing, and a layer reads what comes before it, so that a spec without a name is a list. What a
 * layer does is not known here. */

import { isRecord, oneOf, show } from '../host/errors.js';
import { readFields, recordNamed, refuse } from './fields.js';
import { fieldsOf, recordOf, valuesOf } from './schema.js';

/** @typedef {import('./schema.js').Schema} Schema */
/** @typedef {import('./schema.js').RecordType} RecordType */
/**
 * A record to write; inner: the layer that a wrapper wraps.
 * @typedef {{ record: RecordType, values: Record<string, any>, inner?: Part }} Part
 */
/** @typedef {Part & { name: string }} NamedPart */
/** @typedef {{ inputs: string[], layers: string[] }} Names */
/**
 * The values of parts by name, in canonical form, as the core has filled them in.
 * @typedef {Map<Part, Record<string, any>>} Built
 */

const MOST_LETTERS = 100;
const MOST_LISTED = 20; // names in a sentence
/** Fields whose values are places, and names in a spec. */
const NAMED = ['input', 'tiedTo'];

/** @param {any} name @param {string} where */
function checkName(name, where) {
  if (typeof name === 'string' && name && name.length <= MOST_LETTERS && !name.includes('/'))
    return;
  refuse(
    `${where} is ${show(name)}, ` +
      `expected a name of 1 to ${MOST_LETTERS} characters without '/'`,
  );
}

/**
 * Reads the inputs in their order: { name: shape }, or a shape, of 'input'.
 * @param {Schema} schema @param {RecordType} model @param {any} given
 * @returns {NamedPart[]}
 */
export function readInputs(schema, model, given) {
  const record = recordOf(schema, 'input');
  const shapes = model.fields.filter(({ name }) => name === 'inputShape');
  return Object.entries(isRecord(given) ? given : { input: given }).map(([name, shape]) => {
    const label = isRecord(given) ? `inputShape.${name}` : 'inputShape';
    checkName(name, 'the name of an input');
    const fields = shapes.map((field) => ({ ...field, name: label }));
    const values = readFields(schema, fields, { [label]: shape }, '');
    return { record, name, values: { shape: values[label] } };
  });
}

/**
 * Names the layers: with their own names, else type, type_1, ...
 * @param {any[]} layers @param {string[]} inputs
 */
export function nameLayers(layers, inputs) {
  /** @type {Map<string, string>} */
  const taken = new Map(inputs.map((name) => [name, 'an input']));
  layers.forEach((layer, i) => {
    if (layer?.name === undefined) return;
    checkName(layer.name, `layer ${i}: name`);
    const by = taken.get(layer.name);
    if (by) {
      refuse(
        `layer ${i}: name is ${show(layer.name)}, ` +
          `which is the name of ${by}: expected another`,
      );
    }
    taken.set(layer.name, `layer ${i}`);
  });
  /** @type {Map<string, number>} */
  const seen = new Map();
  return layers.map((layer, i) => {
    // Any other type is refused when the layer is read.
    const type = typeof layer?.type === 'string' ? layer.type : '';
    let count = seen.get(type) ?? 0;
    seen.set(type, count + 1);
    if (layer?.name !== undefined) return layer.name;
    while (taken.has(count ? `${type}_${count}` : type)) count++;
    const name = count ? `${type}_${count}` : type;
    taken.set(name, `layer ${i}`);
    return name;
  });
}

/**
 * Finds the place of an input (-1 - k) or a layer that is named before `place`.
 * @param {any} name @param {Names} names @param {number} place @param {string} where
 */
function placeOf(name, { inputs, layers }, place, where) {
  const earlier = [...inputs, ...layers.slice(0, place)];
  const at = earlier.indexOf(name);
  if (at >= 0) return at < inputs.length ? -1 - at : at - inputs.length;
  const later = layers.indexOf(name);
  const what =
    later < 0
      ? 'which names nothing'
      : later === place
        ? 'the layer itself'
        : `layer ${later}, which comes later`;
  return refuse(`${where} is ${show(name)}, ${what}: expected ${someOf(earlier)}`);
}

/** @param {string[]} names */
function someOf(names) {
  const left = names.length - MOST_LISTED;
  const rest = left > 0 ? `, or of ${left} before them` : '';
  return `one of ${oneOf(names.slice(-MOST_LISTED))}${rest}`;
}

/** @param {Names} names @param {number} place */
const nameAt = ({ inputs, layers }, place) => (place < 0 ? inputs[-1 - place] : layers[place]);

/**
 * @param {Schema} schema @param {any} layer @param {number} place @param {Names} names
 * @returns {NamedPart}
 */
export function readLayer(schema, layer, place, names) {
  /** @param {any} own @param {string} where */
  const resolve = ({ name, input, tiedTo, ...fields }, where) => {
    const of = (/** @type {any} */ each) => placeOf(each, names, place, `${where}input`);
    if (input !== undefined) {
      const listed = Array.isArray(input) && input.length <= schema.constants.MAX_LAYERS;
      fields.input = listed ? Array.from(input, of) : [of(input)];
    }
    if (tiedTo !== undefined) {
      fields.tiedTo = placeOf(tiedTo, { ...names, inputs: [] }, place, `${where}tiedTo`);
    }
    return fields;
  };
  return { ...readPart(schema, layer, `layer ${place}`, resolve), name: names.layers[place] };
}

/**
 * @param {Schema} schema @param {any} given @param {string} what
 * @param {(fields: any, where: string) => any} [resolve]  names; a wrapped layer has none
 * @returns {Part}
 */
function readPart(schema, given, what, resolve) {
  if (!isRecord(given)) refuse(`${what} is ${show(given)}, expected an object with a type`);
  const { type, ...own } = given;
  const record = recordNamed(schema, 'layer', type, what);
  const where = `${what} (${type}): `;
  const wraps = record.group !== 'layer';
  if (wraps) delete own.layer;
  const besides = [...(resolve ? ['name'] : []), ...(wraps ? ['layer'] : [])];
  const fields = fieldsOf(schema, record).filter(({ name }) => resolve || !NAMED.includes(name));
  const values = readFields(schema, fields, resolve ? resolve(own, where) : own, where, besides);
  if (!wraps) return { record, values };
  return { record, values, inner: readPart(schema, given.layer, `${where}layer`) };
}

/**
 * Describes a layer as a spec has it, with every field.
 * @param {Built} built @param {Part} part
 * @param {Names} [names]  left out for a wrapped layer @param {number} [place]
 * @returns {any}
 */
export function describeLayer(built, part, names, place = 0) {
  const {
    record: { type },
    inner,
  } = part;
  const { input, tiedTo, ...own } = /** @type {Record<string, any>} */ (built.get(part));
  const fields = { ...own, ...(inner && { layer: describeLayer(built, inner) }) };
  if (!names) return { type, ...fields };
  const from = (input ?? [place - 1]).map((/** @type {number} */ at) => nameAt(names, at));
  return {
    type,
    name: names.layers[place],
    input: from.length > 1 ? from : from[0],
    ...fields,
    ...(tiedTo !== undefined && { tiedTo: nameAt(names, tiedTo) }),
  };
}

/**
 * Reads the outputs: their layers, losses and loss weights.
 * @param {Schema} schema @param {any} spec @param {Names} names
 * @returns {NamedPart[]}
 */
export function readOutputs(schema, { outputs, loss, lossWeights }, { layers }) {
  const record = recordOf(schema, 'result');
  if (
    outputs !== undefined &&
    !(Array.isArray(outputs) && outputs.length && outputs.length <= schema.constants.MAX_LAYERS)
  ) {
    refuse(
      `outputs is ${show(outputs)}, ` +
        'expected an array of names of layers, or of { name, loss, lossWeight }',
    );
  }
  const given = Array.from(outputs ?? [layers[layers.length - 1]], (each) =>
    isRecord(each) ? each : { name: each },
  );
  given.forEach(({ name, ...rest }, i) => {
    const where = `outputs[${i}]`;
    const unknown = Object.keys(rest).find((key) => key !== 'loss' && key !== 'lossWeight');
    if (unknown) {
      refuse(`${where}: unknown field '${unknown}', expected one of 'name', 'loss', 'lossWeight'`);
    }
    if (!layers.includes(name)) {
      refuse(`${where} is ${show(name)}, which is no layer: expected ${someOf(layers)}`);
    }
    if (given.findIndex((other) => other.name === name) < i) {
      refuse(`${where} is ${show(name)} a second time`);
    }
  });
  const all = given.map(({ name }) => name);
  const lossOf =
    isRecord(loss) && typeof loss.type !== 'string' ? byName(loss, all, 'loss') : () => loss;
  const weightOf =
    lossWeights === undefined ? () => undefined : byName(lossWeights, all, 'lossWeights');
  return given.map((own) => {
    const { name } = own;
    const where = outputs ? `output '${name}': ` : '';
    const one = (/** @type {string} */ what, /** @type {any} */ a, /** @type {any} */ b) =>
      a === undefined || b === undefined
        ? (a ?? b)
        : refuse(`output '${name}': ${what} is given twice, ${show(a)} and ${show(b)}`);
    const values = {
      layer: layers.indexOf(name),
      ...readLoss(schema, record, one('loss', own.loss, lossOf(name)), where),
      lossWeight: one('lossWeight', own.lossWeight, weightOf(name)),
    };
    return { record, name, values: readFields(schema, record.fields, values, where) };
  });
}

/**
 * Reads a loss as fields of an output's record.
 * @param {Schema} schema @param {RecordType} record @param {any} loss @param {string} where
 */
function readLoss(schema, record, loss, where) {
  if (!isRecord(loss)) return { loss };
  const { type, ...options } = loss;
  const takes = [...valuesOf(schema, type).keys()];
  const fields = record.fields.filter(({ name }) => takes.includes(name));
  const name = typeof type === 'string' ? type : show(type);
  return { loss: type, ...readFields(schema, fields, options, `${where}loss (${name}): `) };
}

/**
 * Describes a loss as a spec has it: with its options where one was given.
 * @param {Schema} schema @param {Built} built
 * @param {Part} part  of the output @param {string} type
 */
export function describeLoss(schema, built, part, type) {
  const takes = [...valuesOf(schema, type).keys()];
  if (!takes.some((name) => part.values[name] !== undefined)) return type;
  const values = /** @type {Record<string, any>} */ (built.get(part));
  const options = Object.entries(values).filter(([name]) => takes.includes(name));
  return { type, ...Object.fromEntries(options) };
}

/**
 * @param {any} given  { output: value } @param {string[]} outputs @param {string} what
 * @returns {(name: string) => any}
 */
export function byName(given, outputs, what) {
  if (!isRecord(given)) {
    refuse(`${what} is ${show(given)}, expected { name of an output: its value }`);
  }
  const unknown = Object.keys(given).find((name) => !outputs.includes(name));
  if (unknown !== undefined) {
    refuse(`${what}: ${show(unknown)} is no output, expected one of ${oneOf(outputs)}`);
  }
  return (name) => (Object.hasOwn(given, name) ? given[name] : undefined);
}
