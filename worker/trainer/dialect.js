/* dialect.js: the bare form and the short layers, turned into the canonical form at the door,
 * and back.
 *
 * Pages that speak the older dialect send messages without `v` and `id`, five requests of them,
 * with nested arrays and short layers. The session behind this file knows the canonical form only;
 * nothing else in the tree but foreign.js knows that another one exists. Short layers are a matter
 * of the bare form: an enveloped INIT without an inputShape is an error, not a short net. Every
 * function here is pure. */

import { OffstageError, checkFields, elementsOf, isRecord, oneOf, show } from '../host/errors.js';
import { bareError } from './foreign.js';

const BARE_REQUESTS = ['INIT_TRAINING', 'START_TRAINING', 'STOP_TRAINING', 'PREDICT', 'DISPOSE'];
const SHORT_INPUT = [28, 28, 3];
const SHORT_TYPES = ['conv', 'pool'];
const POOLING = /** @type {Record<string, string>} */ ({
  max: 'maxPooling2d',
  average: 'averagePooling2d',
});
/** Short names of fields, by the canonical type that they belong to. */
const SHORT_FIELDS = /** @type {Record<string, Record<string, string>>} */ ({
  conv2d: { filterSize: 'kernelSize', numFilters: 'filters' },
  activation: { func: 'activation' },
});

/**
 * The canonical request, without its envelope.
 * @param {any} message  a bare one
 * @returns {{ type: import('../protocol.js').RequestType, payload: Record<string, any> }}
 */
export function fromBare(message) {
  const { type, payload = {} } = message;
  if (!BARE_REQUESTS.includes(type)) {
    throw new OffstageError(
      'BAD_MESSAGE',
      `a message without v and id has type ${show(type)}, ` +
        `expected one of ${oneOf(BARE_REQUESTS)}`,
    );
  }
  if (!isRecord(payload)) {
    throw new OffstageError(
      'BAD_MESSAGE',
      `the payload of ${type} is ${show(payload)}, ` + 'expected an object',
    );
  }
  if (type === 'INIT_TRAINING') return { type, payload: withAccuracy(expandShort(payload)) };
  if (type === 'START_TRAINING') {
    return { type, payload: { ...unfold(type, payload), returnWeights: true } };
  }
  return { type, payload: unfold(type, payload) };
}

/**
 * trainingData and inputGrid, which both forms may carry, as x and y.
 * @param {string} type
 * @param {Record<string, any>} payload
 * @returns {Record<string, any>}
 */
export function unfold(type, payload) {
  if (type === 'START_TRAINING' && payload.trainingData !== undefined) {
    const { trainingData, ...rest } = payload;
    refuseBoth(rest, ['x', 'y'], 'trainingData');
    if (!Array.isArray(trainingData)) {
      throw new OffstageError(
        'INVALID_DATA',
        `trainingData is ${show(trainingData)}, ` + 'expected an array of { grid, label }',
      );
    }
    const items = Array.from(trainingData, (item, i) =>
      checkFields(item, ['id', 'grid', 'label'], `trainingData[${i}]`, 'INVALID_DATA'),
    );
    return { ...rest, x: items.map((item) => item.grid), y: items.map((item) => item.label) };
  }
  if (type === 'PREDICT' && payload.inputGrid !== undefined) {
    const { inputGrid, ...rest } = payload;
    refuseBoth(rest, ['x'], 'inputGrid');
    return { ...rest, x: inputGrid };
  }
  return payload;
}

/** @param {Record<string, any>} rest @param {string[]} names @param {string} instead */
function refuseBoth(rest, names, instead) {
  const twice = names.find((name) => rest[name] !== undefined);
  if (twice) {
    throw new OffstageError(
      'INVALID_DATA',
      `${twice} and ${instead} are both given, ` + 'expected one of them',
    );
  }
}

/** @param {Record<string, any>} spec  bare progress always tells the accuracy */
function withAccuracy(spec) {
  const none =
    spec.metrics === undefined || (Array.isArray(spec.metrics) && spec.metrics.length === 0);
  return none ? { ...spec, metrics: ['accuracy'] } : spec;
}

/**
 * The canonical spec of a short net; any other spec as it is.
 * @param {Record<string, any>} spec
 * @returns {Record<string, any>}
 */
export function expandShort(spec) {
  if (!Array.isArray(spec.layers)) return spec;
  const given = elementsOf(spec.layers);
  if (given.length < spec.layers.length) return spec; // with a hole, which is refused
  if (spec.inputShape !== undefined && !given.some(isShort)) return spec;
  const inputShape = spec.inputShape ?? SHORT_INPUT;
  let flat = Array.isArray(inputShape) && inputShape.length === 1;
  const layers = [];
  for (const layer of given.map(expandLayer)) {
    if (layer?.type === 'dense' && !flat) layers.push({ type: 'flatten' });
    if (layer?.type === 'dense' || layer?.type === 'flatten') flat = true;
    if (layer?.type === 'reshape') {
      flat = Array.isArray(layer.targetShape) && layer.targetShape.length === 1;
    }
    layers.push(layer);
  }
  const last = layers[layers.length - 1];
  if (last?.type === 'dense' && last.units === 1) return { ...spec, inputShape, layers };
  if (!flat) layers.push({ type: 'flatten' });
  layers.push({ type: 'dense', units: 1, activation: 'sigmoid' });
  return { ...spec, inputShape, layers, loss: spec.loss ?? 'binaryCrossentropy' };
}

/** @param {any} type */
const shortFields = (type) =>
  typeof type === 'string' && Object.hasOwn(SHORT_FIELDS, type) ? SHORT_FIELDS[type] : {};

/** @param {any} layer */
function isShort(layer) {
  if (!isRecord(layer)) return false;
  if (SHORT_TYPES.includes(layer.type) || layer.id !== undefined) return true;
  return Object.keys(shortFields(layer.type)).some((name) => layer[name] !== undefined);
}

/** @param {any} layer @param {number} i */
function expandLayer(layer, i) {
  if (!isRecord(layer)) return layer;
  const { id, ...rest } = layer;
  if (rest.type === 'conv') rest.type = 'conv2d';
  if (rest.type === 'pool') {
    const { poolingType } = rest;
    if (poolingType !== undefined && !Object.keys(POOLING).includes(poolingType)) {
      throw new OffstageError(
        'INVALID_SPEC',
        `layer ${i} (pool): ` +
          `poolingType is ${show(poolingType)}, expected one of ${oneOf(Object.keys(POOLING))}`,
      );
    }
    delete rest.poolingType;
    rest.type = POOLING[poolingType ?? 'max'];
  }
  for (const [short, long] of Object.entries(shortFields(rest.type))) {
    if (rest[short] === undefined) continue;
    if (rest[long] !== undefined) {
      throw new OffstageError(
        'INVALID_SPEC',
        `layer ${i} (${layer.type}): ` + `${short} and ${long} are both given`,
      );
    }
    rest[long] = rest[short];
    delete rest[short];
  }
  return rest;
}

/**
 * A canonical reply as the bare messages that say the same; none where the bare form has no word
 * for it.
 * @param {string} type
 * @param {any} payload
 * @returns {{ type: string, payload: any }[]}
 */
export function toBare(type, payload) {
  switch (type) {
    case 'ERROR':
    case 'TRAINING_ERROR':
      return [bareError(payload)];
    case 'TRAINING_PROGRESS':
      return payload.records
        .filter((/** @type {{ kind: string }} */ record) => record.kind === 'epoch')
        .map((/** @type {object} */ record) => ({ type, payload: record }));
    case 'TRAINING_COMPLETE': {
      const { weights, ...rest } = payload;
      return [{ type, payload: { ...rest, modelWeights: weights } }];
    }
    case 'PREDICTION_RESULT': {
      const { single, step, ...rest } = payload;
      return [{ type, payload: rest }];
    }
    case 'MODEL_READY':
    case 'DISPOSED':
      return [{ type, payload }];
    default:
      return [];
  }
}
