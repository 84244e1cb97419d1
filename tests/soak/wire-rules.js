/* wire-rules.js: what a session may answer to one request, given the model and the uploads that it
 * has.
 *
 * It is written from the protocol and from shapes alone; a request that could be refused for
 * several reasons may be for any of them. */
import { FACTS, dataOf, rangeOf } from './wire-operations.js';

/** @typedef {{ dtype: string, total: number, received: number, hasNaN: boolean }} Upload */
/**
 * A session as far as requests can tell. model: null before the first, 'A' .. or the code that
 * tells why it is gone.
 * @typedef {{ model: string | null, uploads: Map<number, Upload> }} State
 */

const isModel = (/** @type {string | null | undefined} */ model) =>
  typeof model === 'string' && model in FACTS;
const inRange = (/** @type {any} */ y, /** @type {number} */ classes) =>
  y.every((/** @type {number} */ index) => index < classes);

/** Requests that make a model. */
export const MAKES = ['INIT_TRAINING', 'LOAD_CHECKPOINT'];
/** What the requests that need no model get. */
const ALWAYS = ['GET_STATUS', 'PING', 'DISPOSE'];

/**
 * The codes that a request may be refused with; with one that must be, `must`.
 * @param {string} type @param {any} op @param {State} state
 * @returns {{ codes: string[], must: boolean }}
 */
export function refusals(type, op, state) {
  if (ALWAYS.includes(type)) return { codes: [], must: false };
  if (type === 'INIT_TRAINING') {
    return isModel(op.spec)
      ? { codes: [], must: false }
      : { codes: ['INVALID_SPEC', 'OUT_OF_MEMORY'], must: true };
  }
  if (type === 'LOAD_CHECKPOINT')
    return isModel(op.spec)
      ? { codes: [], must: false }
      : { codes: ['BAD_CHECKPOINT'], must: true };
  const own = isModel(state.model) ? ofModel(type, op, state) : [];
  if (isModel(state.model)) return { codes: own, must: own.length > 0 };
  return {
    codes: [state.model ?? 'BAD_MESSAGE', ...(type === 'DISCARD_DATA' ? ['INVALID_OPTION'] : [])],
    must: true,
  };
}

/**
 * @param {string} type
 * @param {any} op
 * @param {State} state
 * @returns {string[]} empty: it must be served
 */
function ofModel(type, op, state) {
  const { shapes } = FACTS[/** @type {string} */ (state.model)];
  switch (type) {
    case 'START_TRAINING': {
      if (op.op === 'again') return ofData(op, state, true);
      const codes = ofData(op, state, true);
      if (
        op.epochs < 1 ||
        op.batch < 1 ||
        op.split >= 1 ||
        (op.split > 0 && samplesOf(op, state) < 2)
      )
        codes.push('INVALID_OPTION');
      return codes;
    }
    case 'EVALUATE_MODEL':
      return [...ofData(op, state, true), ...(op.batch === 0 ? ['INVALID_OPTION'] : [])];
    case 'PREDICT':
      return ofData(op, state, false);
    case 'SET_WEIGHTS': {
      const given = FACTS[op.of]?.shapes;
      return given && JSON.stringify(given) === JSON.stringify(shapes) ? [] : ['INVALID_DATA'];
    }
    case 'UPLOAD_DATA':
      return ofSlice(op, state);
    default:
      return [];
  }
}

/** @param {any} op @param {State} state */
function samplesOf(op, state) {
  const { inputs } = FACTS[/** @type {string} */ (state.model)];
  const known = op.upload ? state.uploads.get(op.upload) : undefined;
  if (op.upload && !known) return 0;
  return (
    (known ? known.total / (known.dtype === 'uint8' ? 1 : 4) : dataOf(op.data, op.n).x.length) /
    inputs
  );
}

/** @param {any} op @param {State} state @param {boolean} both x and y @returns {string[]} */
function ofData(op, state, both) {
  const { targets, outputs, classes } = FACTS[/** @type {string} */ (state.model)];
  const { x, y } = dataOf(op.data, op.n);
  const samples = samplesOf(op, state);
  const known = state.uploads.get(op.upload);
  if (op.upload ? !known || known.received < known.total || known.hasNaN : x.some(Number.isNaN))
    return ['INVALID_DATA'];
  if (samples < 1 || !Number.isInteger(samples)) return ['INVALID_DATA'];
  if (!both) return [];
  const indices = y instanceof Int32Array;
  const right = indices
    ? targets > 0 && y.length === samples * targets && inRange(y, classes)
    : y.length === samples * outputs;
  return right ? [] : ['INVALID_DATA'];
}

/** @param {any} op @param {State} state @returns {string[]} */
function ofSlice(op, { uploads }) {
  const { begin, end, dtype, total } = rangeOf(op);
  const known = uploads.get(op.id) ?? { dtype, total, received: 0 };
  if (known.dtype !== dtype || known.total !== total || begin !== known.received || end > total)
    return ['INVALID_DATA'];
  return op.slice === 'huge' ? ['OUT_OF_MEMORY'] : [];
}

/**
 * What a request leaves behind, once it is known how it was answered.
 * @param {string} type
 * @param {any} op
 * @param {State} state
 * @param {string | null} outcome null: served
 */
export function apply(type, op, state, outcome) {
  if (MAKES.includes(type) && outcome === null) become(state, op.spec);
  if (type === 'DISPOSE') become(state, outcome ?? 'DISPOSED');
  if (!isModel(state.model)) return;
  if (op.upload) state.uploads.delete(op.upload);
  if (type === 'DISCARD_DATA') state.uploads.delete(op.id);
  if (type !== 'UPLOAD_DATA' || outcome !== null) return;
  const { begin, end, dtype, total, hasNaN } = rangeOf(op);
  const known = state.uploads.get(op.id);
  state.uploads.set(op.id, {
    dtype,
    total,
    received: (known?.received ?? 0) + end - begin,
    hasNaN: hasNaN || (known?.hasNaN ?? false),
  });
}

/** @param {State} state @param {string} model */
export function become(state, model) {
  state.model = model;
  state.uploads.clear();
}
