/* refusal.js: what C's ofs_error says, as an OffstageError with a sentence.
 *
 * C tells where (layer, field), why, what was got and what is allowed, in numbers; the schema and the spec
 * that was refused turn them back into names. Only wording lives here. */

import { OffstageError } from './errors.js';
import { showBytes } from './memory.js';
import { enumName } from './spec.js';

/** @typedef {import('./spec.js').Refusal} Refusal */
/** @typedef {import('./spec.js').Schema} Schema */
/** @typedef {import('./spec.js').EncodedSpec} EncodedSpec */

/* ofs_status, as offstage.h has it; the numbers are part of its interface. */
const CODES = /** @type {Record<number, import('./errors.js').ErrorCode>} */ ({
  [-1]: 'INVALID_SPEC',
  [-2]: 'INVALID_DATA',
  [-3]: 'INVALID_OPTION',
  [-4]: 'OUT_OF_MEMORY',
});

/**
 * @param {Schema} schema
 * @param {EncodedSpec | null} spec  the spec that the refusal is about
 * @param {Refusal} refusal
 * @returns {OffstageError}
 */
export function explain(schema, spec, refusal) {
  const { status, layer, field: id, got, low, high } = refusal;
  const code = CODES[status];
  if (!code) return new OffstageError('WORKER_LOST', `the core was called out of sequence (status ${status})`);
  const part = partOf(schema, spec, layer);
  const field = part?.record.fields.find((f) => f.id === id);
  const reason = schema.reasons.get(refusal.reason) ?? `reason ${refusal.reason}`;
  const where = placeOf(schema, part, layer);
  const number = fieldNumber(schema, field, got);
  const name = field ? `${field.name} ` : '';
  const value = field && Array.isArray(part?.values[field.name]) ? `[${part.values[field.name].join(', ')}]` : '';
  const holds = value && value !== `[${got}]` ? ` in ${value}` : '';
  const between = low === high ? `${high}` : `${low} to ${high}`;
  const kind = field?.kind === 'integer' ? 'an integer' : 'a number';
  return new OffstageError(code, where + sentence());

  function sentence() {
    switch (reason) {
      case 'range':
        if (field?.kind === 'boolean') return `${name}is ${number}, expected ${low === 1}`;
        return `${name || 'a value '}is ${number}${holds}, expected ${kind} from ${low} to ${high}`;
      case 'notInteger':
        return `${name || 'a value '}is ${got}${holds}, expected an integer from ${low} to ${high}`;
      case 'notFinite':
        return `${name || 'a value '}is ${got}${holds}, expected a finite number`;
      case 'missing':
        return `${name || 'a part '}is missing`;
      case 'twice':
        return `${name || 'a field '}is given twice`;
      case 'unknown':
        return `${name}${got} is unknown`;
      case 'count':
        return `${name || 'layers '}holds ${got} values, expected ${between}`;
      case 'rank':
        return `its input has ${got} dimensions, expected ${between}`;
      case 'window':
        return `${name}reaches over ${got} cells, but its input has ${high}: expected at most ${high}`;
      case 'product':
        return `${name || 'its shape '}makes ${got} elements${holds}, expected ${low < high ? 'at most ' : ''}${high}`;
      case 'shape':
        return `its inputs do not fit together: an axis is ${got} long, expected ${high}`;
      case 'truncated':
        return `the spec's bytes are cut off or go on at byte ${got}`;
      case 'conflict':
        return `${name}excludes another field that is given`;
      case 'output':
        return outputSentence(schema, spec, field, refusal);
      case 'bytes':
        return `a block of ${showBytes(got)} is too small, ${showBytes(high)} are needed`;
      default:
        return `${name}is refused (${reason}): got ${got}, allowed ${low} to ${high}`;
    }
  }
}

/** ofs_culprit, in words. */
const FAULTS = ['the loss', 'the gradient', 'a statistic', 'the output'];

/**
 * Why a step was not made.
 * @param {EncodedSpec | null} spec
 * @param {{ what: number, layer: number, step: number }} fault
 */
export function explainFault(spec, { what, layer, step }) {
  const { record, name = undefined } = /** @type {any} */ (spec?.layers[layer] ?? {});
  const where = layer < 0 ? '' : ` of layer ${layer}${record ? ` (${name ?? record.type})` : ''}`;
  return new OffstageError('NON_FINITE', `step ${step}: ${FAULTS[what]}${where} is not finite${what === 1 ? ', or 1e15 and more' : ''}; ` +
    'nothing was changed by this step, but what came before leads to it: a smaller learningRate, clipNorm, or inputs of about 1 may help');
}

/** @param {Schema} schema @param {EncodedSpec | null} spec @param {number} layer */
function partOf(schema, spec, layer) {
  if (!spec) return undefined;
  if (layer === schema.constants.IN_MODEL) return spec.model;
  if (layer === schema.constants.IN_OPTIMIZER) return spec.optimizer;
  return spec.layers[layer];
}

/** @param {Schema} schema @param {{ record: { type: string } } | undefined} part @param {number} layer */
function placeOf(schema, part, layer) {
  if (layer === schema.constants.IN_OPTIMIZER) return `optimizer (${part?.record.type}): `;
  return layer >= 0 ? `layer ${layer}${part ? ` (${part.record.type})` : ''}: ` : '';
}

/** @param {Schema} schema @param {import('./spec.js').Field | undefined} field @param {number} got */
function fieldNumber(schema, field, got) {
  if (field?.kind === 'boolean') return `${got === 1}`;
  return field?.kind === 'enum' ? `'${enumName(schema, field.enumeration, got)}'` : `${got}`;
}

/**
 * The loss and the last layer: in the loss's own field `got`, `low` are ids of activations, else numbers of units.
 * @param {Schema} schema
 * @param {EncodedSpec | null} spec
 * @param {import('./spec.js').Field | undefined} field
 * @param {Refusal} refusal
 */
function outputSentence(schema, spec, field, { got, low }) {
  if (!field) {
    return `has ${got} output${got === 1 ? '' : 's'} on its last axis, expected at least ${low} for its activation`;
  }
  const activation = (/** @type {number} */ id) => `'${enumName(schema, 'activation', id)}'`;
  return `loss is '${spec?.model.values.loss}', expected a last layer with activation ${activation(low)}, ` +
    `got ${activation(got)}`;
}
