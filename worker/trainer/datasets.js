/* datasets.js: the data sets that lie in one core's memory.
 *
 * Data arrives inline, as one column, or as an upload in slices of about 1 MB. A request takes what
 * it names; from then on it owns the block and frees it. What lies here has the right length for
 * the model. Every byte is looked at once, for its checksum and for what the core could not use: of
 * an upload when its slice comes, while it is in the cache, of all else in pieces, so that nobody
 * waits for it. What was found is told when a request asks. */

import { crc32 } from '../host/crc32.js';
import {
  ARRAYS,
  ELEMENT_BYTES,
  badIndex,
  badNumber,
  copyElements,
  refuse,
  rowOf,
  typedWeights,
  typedX,
  typedY,
  widthsOf,
} from '../data/columns.js';
import { checkFields, oneOf, show, tagOf } from '../host/errors.js';
import { reader, wire } from './foreign.js';

/** @typedef {import('../data/columns.js').Column} Column */
/** @typedef {import('../data/columns.js').DType} DType */
/** @typedef {import('../data/columns.js').DataFacts} DataFacts */
/**
 * What is known of a column's first bytes. Which of x and y it is may not be known yet.
 * @typedef {object} Seen
 * @property {number} bytes    looked at: whole elements
 * @property {number | null} sum  their CRC-32; null: nobody asks for it
 * @property {number} badX     the first element that x may not hold, -1: none
 * @property {number} badY     the first that y may not hold, with `indices`, -1: none
 * @property {number} indices  of y, as a column's
 */
/**
 * indices: of y, as a column's.
 * @typedef {{ address: number, dtype: DType, type: number, length: number, bytes: number, samples:
 *   number, single: boolean,
 *   indices: number, seen: Seen }} Stored
 */
/**
 * @typedef {{ address: number, dtype: DType, total: number, received: number, seen: Seen }} Upload
 */

const UPLOAD_FIELDS = ['upload', 'dtype', 'total', 'offset', 'bytes'];
/** Uploads that no request has taken yet. */
const MOST_UPLOADS = 1024;
/** Elements of lists that get room before they have been read: more than that may be a claim. */
const BELIEVED = 2 ** 20;
const LOOKED_AT_ONCE = 2 ** 18; // bytes: a third of a millisecond
/** Bytes of a slice: 2 milliseconds; what a larger one has more is left for later. */
const LOOKED_ON_ARRIVAL = 2 ** 21;
const READ_AT_ONCE = 65536; // elements of lists
const BINARY_TARGETS =
  'numbers from 0 to 1, which a binary cross-entropy takes; ' +
  'of others the last layer is linear, and its loss meanSquaredError';
const WEIGHED_AT_ONCE = 65536; // elements of y: some 50 microseconds

export class Store {
  #core;
  #model;
  #facts;
  /** Any finite number will do in x, as it will in rows of y. */ #finite;
  /** Of each output: its loss takes numbers from 0 to 1. @type {boolean[]} */ #binary;
  /** @type {Map<number, Upload>} */
  #uploads = new Map();
  /**
   * Of columns that came from where they were kept; a client's uploads count upwards from 0, as a
   * rule.
   */
  #lastKept = 0;

  /**
   * @param {import('./core.js').Core} core
   * @param {number} model its address
   * @param {DataFacts} facts
   */
  constructor(core, model, facts) {
    this.#core = core;
    this.#model = model;
    this.#facts = facts;
    this.#finite = facts.inputs.every(({ below }) => below === 0);
    this.#binary = facts.outputs.map(({ loss }) => /^binary/.test(loss?.type ?? loss));
  }

  /** @param {any} payload @returns {import('../protocol.js').DataStored} */
  receive(payload) {
    const { upload, dtype, total, offset, bytes } = checkFields(
      payload,
      UPLOAD_FIELDS,
      'UPLOAD_DATA',
      'INVALID_DATA',
    );
    if (!Number.isSafeInteger(upload)) refuse(`upload is ${show(upload)}, expected an integer`);
    if (!Object.keys(ELEMENT_BYTES).includes(dtype)) {
      refuse(
        `upload ${upload}: dtype is ${show(dtype)}, ` +
          `expected one of ${oneOf(Object.keys(ELEMENT_BYTES))}`,
      );
    }
    const size = ELEMENT_BYTES[/** @type {DType} */ (dtype)];
    if (!Number.isSafeInteger(total) || total <= 0 || total % size !== 0) {
      refuse(
        `upload ${upload}: total is ${show(total)}, ` +
          `expected a positive number of bytes that ${size} divides`,
      );
    }
    if (tagOf(bytes) !== 'ArrayBuffer') {
      refuse(`upload ${upload}: bytes is ${show(bytes)}, expected an ArrayBuffer`);
    }
    const known = this.#uploads.get(upload) ?? {
      address: 0,
      dtype,
      total,
      received: 0,
      seen: unseen(),
    };
    if (known.dtype !== dtype || known.total !== total) {
      refuse(
        `upload ${upload} began with ${known.total} bytes of ${known.dtype}, ` +
          `got a slice of ${total} bytes of ${dtype}`,
      );
    }
    if (offset !== known.received || offset + bytes.byteLength > total) {
      refuse(
        `upload ${upload}: got ${bytes.byteLength} bytes from ${show(offset)} on, ` +
          `expected them from ${known.received} on, up to ${total}`,
      );
    }
    if (!this.#uploads.has(upload)) {
      if (this.#uploads.size >= MOST_UPLOADS) {
        refuse(
          `upload ${upload}: ${MOST_UPLOADS} uploads wait to be named in a request, ` +
            'expected DISCARD_DATA or requests first',
        );
      }
      known.address = this.#core.memory.alloc(total, 'the data');
      this.#uploads.set(upload, known);
    }
    this.#core.write(known.address + offset, new Uint8Array(bytes));
    known.received += bytes.byteLength;
    const whole = known.received - (known.received % size);
    this.#look(known, Math.min(whole, known.seen.bytes + LOOKED_ON_ARRIVAL));
    if (known.received < total) return { upload, received: known.received, bytes };
    return {
      upload,
      received: total,
      ...(known.seen.bytes === total && { fingerprint: printOf(dtype, total, known.seen) }),
    };
  }

  /** Frees an upload that no request has taken; nothing where there is none. @param {any} upload */
  discard(upload) {
    const known = this.#uploads.get(upload);
    if (known) this.#core.memory.free(known.address);
    this.#uploads.delete(upload);
  }

  /**
   * The bytes of a column, for who keeps them elsewhere: as long as its owner does not free it.
   * @param {Stored} column
   */
  piecesOf({ address, dtype, bytes, indices }) {
    const { memory } = this.#core;
    return {
      dtype,
      bytes,
      indices,
      read: (/** @type {number} */ at, /** @type {number} */ count) =>
        new Uint8Array(memory.buffer(), address + at, count),
    };
  }

  /**
   * What tells these data from others: the type, length and checksum of their bytes.
   * @param {import('../host/pump.js').Pump} pump
   * @param {Stored} column
   * @returns {Generator<void, string, void>}
   */
  *fingerprint(pump, column) {
    yield* this.#lookThrough(pump, column);
    const { dtype, bytes, indices, seen } = column;
    return printOf(dtype, bytes, seen) + (indices ? `/${indices}` : '');
  }

  /**
   * Takes in a column that was kept elsewhere, as an upload of its own.
   * @param {import('../storage/checkpoint-store.js').KeptColumn} column
   * @returns {Promise<{ upload: number, indices?: number }>}
   */
  async receiveKept({ dtype, bytes: total, indices, pieces }) {
    const upload = --this.#lastKept;
    let offset = 0;
    try {
      for await (const piece of pieces()) {
        this.receive({ upload, dtype, total, offset, bytes: piece.slice().buffer });
        offset += piece.length;
      }
    } catch (error) {
      this.discard(upload);
      throw error;
    }
    return { upload, ...(indices && { indices }) };
  }

  /**
   * Whether it takes wire.js to read these data, or to refuse them.
   * @param {any} x @param {{ y: any, weights: any }} [labelled]  where the request has more than x
   */
  needsWire(x, labelled) {
    if (reader()) return false;
    const column = isUpload(x) ? null : typedX(x, this.#facts);
    if (!column && !isUpload(x)) return true;
    if (!labelled) return false;
    const { y, weights } = labelled;
    const samples = column?.samples ?? this.#samplesOf(x);
    if (!isUpload(y) && !typedY(y, this.#facts, samples)) return true;
    return weights !== undefined && !isUpload(weights) && !typedWeights(weights, samples);
  }

  /** What an upload has as x; NaN where it is not here. @param {any} x */
  #samplesOf({ upload }) {
    const { total = NaN, dtype = 'uint8' } = this.#uploads.get(upload) ?? {};
    return total / ELEMENT_BYTES[dtype] / rowOf(this.#facts.inputs);
  }

  /** x as it came inline, of a request that needs no wire.js. @param {any} x @returns {Column} */
  readX(x) {
    return typedX(x, this.#facts) ?? wire().readX(x, this.#facts);
  }

  /** @param {any} x @returns {Stored} */
  takeX(x) {
    if (!isUpload(x)) return this.#put(this.readX(x));
    const row = rowOf(this.#facts.inputs);
    const { length } = this.#complete(x, ['float32', 'uint8'], 'x');
    if (length % row !== 0) refuse(`x has ${length} elements, expected a multiple of ${row}`);
    return this.#take(x.upload, {
      length,
      samples: length / row,
      single: length === row,
      indices: 0,
    });
  }

  /** @param {any} y @param {number} samples @returns {Stored} */
  takeY(y, samples) {
    if (!isUpload(y)) {
      return this.#put(typedY(y, this.#facts, samples) ?? wire().readY(y, this.#facts, samples));
    }
    const { outputs } = this.#facts;
    const { indices = 0 } = y;
    const [{ targets }] = outputs;
    const several = outputs.length > 1;
    const known = this.#complete(
      y,
      targets > 0 && !several ? ['int32', 'float32'] : ['float32'],
      'y',
    );
    const allowed = several
      ? outputs.reduce((bits, output, k) => bits | (output.targets > 0 ? 1 << k : 0), 0)
      : 0;
    if (!Number.isSafeInteger(indices) || (indices & ~allowed) !== 0 || indices > allowed) {
      refuse(
        `y.indices is ${show(indices)}, expected bits of ${allowed}, ` +
          'of the outputs that take class indices',
      );
    }
    const width = widthsOf(outputs, several ? indices : Number(known.dtype === 'int32')).reduce(
      (a, b) => a + b,
    );
    if (known.length !== samples * width) {
      refuse(
        `y has ${known.length} elements of ${known.dtype} for ${samples} samples, ` +
          `expected ${samples * width}`,
      );
    }
    return this.#take(y.upload, { length: known.length, samples, single: false, indices });
  }

  /**
   * The samples' weights, of a request that has some.
   * @param {any} weights
   * @param {number} samples
   * @returns {Stored | null}
   */
  takeWeights(weights, samples) {
    if (weights === undefined) return null;
    if (!isUpload(weights)) {
      return this.#put(typedWeights(weights, samples) ?? wire().readWeights(weights, samples));
    }
    const { length } = this.#complete(weights, ['float32'], 'sampleWeight');
    if (length !== samples) refuse(`sampleWeight has ${length} elements, expected ${samples}`);
    return this.#take(weights.upload, { length, samples, single: false, indices: 0 });
  }

  /** As many of the same. @param {number} samples @returns {Stored} */
  ones(samples) {
    return /** @type {Stored} */ (this.takeWeights(new Float32Array(samples).fill(1), samples));
  }

  /** @param {any} payload @param {string[]} dtypes @param {string} name */
  #complete(payload, dtypes, name) {
    const { upload } = checkFields(
      payload,
      name === 'y' ? ['upload', 'indices'] : ['upload'],
      name,
      'INVALID_DATA',
    );
    const known = this.#uploads.get(upload);
    if (!known) refuse(`${name} names upload ${show(upload)}, which is not here`);
    if (known.received !== known.total) {
      refuse(
        `${name}: of upload ${upload} ` + `only ${known.received} of ${known.total} bytes are here`,
      );
    }
    if (!dtypes.includes(known.dtype)) {
      refuse(`${name} is an upload of ${known.dtype}, expected ${oneOf(dtypes)}`);
    }
    return { ...known, length: known.total / ELEMENT_BYTES[known.dtype] };
  }

  /**
   * @param {number} upload
   * @param {{ length: number, samples: number, single: boolean, indices: number }} as
   * @returns {Stored}
   */
  #take(upload, as) {
    const { address, dtype, seen } = /** @type {Upload} */ (this.#uploads.get(upload));
    this.#uploads.delete(upload);
    return {
      address,
      dtype,
      type: this.#typeOf(dtype),
      bytes: as.length * ELEMENT_BYTES[dtype],
      seen,
      ...as,
    };
  }

  /** @param {Column} column @returns {Stored} */
  #put(column) {
    const { dtype, length, samples, single, indices } = column;
    const bytes = length * ELEMENT_BYTES[dtype];
    if (!column.typed && length > BELIEVED) readThrough(column);
    const address = this.#core.memory.alloc(bytes, 'the data');
    try {
      const type = this.#write(column, address);
      return {
        address,
        dtype,
        type,
        length,
        bytes,
        samples,
        single,
        indices,
        seen: unseen(indices),
      };
    } catch (error) {
      this.#core.memory.free(address);
      throw error;
    }
  }

  /**
   * Writes a column to where there is room for it, and tells its type.
   * @param {Column} column @param {number} address
   */
  #write(column, address) {
    copyElements(column, 0, column.length, { buffer: this.#core.memory.buffer(), at: address });
    return this.#typeOf(column.dtype);
  }

  /**
   * One sample in a block that is somebody else's: it is not summed, since it trains nothing.
   * @param {Column} column @param {number} address
   * @returns {Pick<Stored, 'address' | 'dtype' | 'type' | 'bytes' | 'seen'>}
   */
  place(column, address) {
    const { dtype, length } = column;
    const type = this.#write(column, address);
    return {
      address,
      dtype,
      type,
      bytes: length * ELEMENT_BYTES[dtype],
      seen: { ...unseen(), sum: null },
    };
  }

  /** @param {DType} dtype */
  #typeOf(dtype) {
    const { F32, U8, I32 } = this.#core.schema.constants;
    return dtype === 'float32' ? F32 : dtype === 'uint8' ? U8 : I32;
  }

  /** @param {...(Stored | null | undefined)} data */
  free(...data) {
    for (const stored of data) if (stored) this.#core.memory.free(stored.address);
  }

  /**
   * Looks at a column's bytes up to `end`.
   * @param {Pick<Stored, 'address' | 'dtype' | 'seen'>} column @param {number} end  of an element
   */
  #look({ address, dtype, seen }, end) {
    const from = seen.bytes;
    if (end <= from) return;
    const size = ELEMENT_BYTES[dtype];
    const [at, first, count] = [address + from, from / size, (end - from) / size];
    const type = this.#typeOf(dtype);
    const core = this.#core;
    if (seen.sum !== null) {
      seen.sum = crc32(new Uint8Array(core.memory.buffer(), at, end - from), seen.sum);
    }
    if (dtype !== 'int32' && seen.badX < 0) {
      seen.badX = placeBehind(first, core.checkX(this.#model, at, type, first, count));
    }
    if (dtype === 'float32' && this.#finite && seen.indices === 0) seen.badY = seen.badX;
    else if (dtype !== 'uint8' && seen.badY < 0) {
      seen.badY = placeBehind(
        first,
        core.checkY(this.#model, at, type, seen.indices, first, count),
      );
    }
    seen.bytes = end;
  }

  /**
   * Looks at what of a column was not looked at.
   * @param {import('../host/pump.js').Pump} pump
   * @param {Pick<Stored, 'address' | 'dtype' | 'bytes' | 'seen'>} column
   */
  *#lookThrough(pump, column) {
    const { bytes, seen } = column;
    while (seen.bytes < bytes) {
      this.#look(column, Math.min(bytes, seen.bytes + LOOKED_AT_ONCE));
      if (seen.bytes < bytes && pump.look()) yield;
    }
  }

  /**
   * Refuses in x what the core could not use: numbers that are not finite, and what an embedding
   * has no row for.
   * @param {import('../host/pump.js').Pump} pump
   * @param {Pick<Stored, 'address' | 'dtype' | 'bytes' | 'seen'>} x
   */
  *checkX(pump, x) {
    yield* this.#lookThrough(pump, x);
    const { badX } = x.seen;
    if (badX >= 0) {
      throw badNumber('x', badX, this.#numberAt(x, badX), this.#facts.inputs, 'inputs');
    }
  }

  /**
   * Refuses class indices out of range and non-finite numbers in y.
   * @param {import('../host/pump.js').Pump} pump @param {Stored} y
   */
  *checkY(pump, y) {
    yield* this.#lookThrough(pump, y);
    if (y.seen.indices !== y.indices) {
      // which nobody knew when its slices came
      const { sum } = y.seen;
      y.seen = { ...unseen(y.indices), sum: null };
      yield* this.#lookThrough(pump, y);
      y.seen.sum = sum;
    }
    const { badY } = y.seen;
    if (badY >= 0) throw this.#refusalOfY(y, badY);
    if (y.dtype === 'float32' && this.#binary.includes(true)) yield* this.#checkShares(pump, y);
  }

  /**
   * Refuses targets outside [0, 1] of a binary cross-entropy, whose loss means nothing there.
   * @param {import('../host/pump.js').Pump} pump @param {Stored} y
   */
  *#checkShares(pump, y) {
    const binary = widthsOf(this.#facts.outputs, y.indices).flatMap((width, k) =>
      Array(width).fill(this.#binary[k] && !((y.indices >> k) & 1)),
    );
    for (let at = 0; at < y.length; at += READ_AT_ONCE) {
      const values = this.numbersOf(y, at, Math.min(READ_AT_ONCE, y.length - at));
      for (let i = 0; i < values.length; i++) {
        if ((values[i] < 0 || values[i] > 1) && binary[(at + i) % binary.length]) {
          throw this.#refusalOfY(y, at + i, BINARY_TARGETS);
        }
      }
      if (at + READ_AT_ONCE < y.length && pump.look()) yield;
    }
  }

  /**
   * Some elements of a column, where they lie: until somebody else had a turn.
   * @param {Pick<Stored, 'address' | 'dtype'>} column @param {number} at @param {number} count
   */
  numbersOf({ address, dtype }, at, count) {
    const begin = address + ELEMENT_BYTES[dtype] * at;
    return new ARRAYS[dtype](this.#core.memory.buffer(), begin, count);
  }

  /** @param {Stored} y @param {number} at  the element that is bad @param {string} [wanted] */
  #refusalOfY(y, at, wanted) {
    const { outputs } = this.#facts;
    const value = this.#numberAt(y, at);
    const [only] = outputs;
    if (outputs.length === 1) {
      return y.dtype === 'int32'
        ? badIndex('y', at, value, only)
        : badNumber('y', at, value, outputs, 'outputs', wanted);
    }
    const widths = widthsOf(outputs, y.indices);
    const row = widths.reduce((a, b) => a + b);
    let [k, i] = [0, at % row];
    while (i >= widths[k]) i -= widths[k++];
    const [name, element] = [`y.outputs.${outputs[k].name}`, Math.floor(at / row) * widths[k] + i];
    return (y.indices >> k) & 1
      ? badIndex(name, element, value, outputs[k])
      : badNumber(name, element, value, [outputs[k]], 'outputs', wanted);
  }

  /** @param {Pick<Stored, 'address' | 'dtype'>} column @param {number} i @returns {number} */
  #numberAt({ address, dtype }, i) {
    return this.numbersOf({ address, dtype }, i, 1)[0];
  }

  /**
   * Refuses weights of samples that are none, and gives those of samples that are trained on their
   * class's too: of the first `trained`, or of those that are not held out.
   * @param {import('../host/pump.js').Pump} pump @param {Stored | null} weights
   * @param {{ y: Stored, trained: number, held?: Uint8Array | null,
   *   classWeight: Float32Array | null }} by
   */
  *prepareWeights(pump, weights, { y, trained, held, classWeight }) {
    if (!weights) return;
    if (held) trained = y.samples;
    const rows = Math.max(1, Math.floor((WEIGHED_AT_ONCE * y.samples) / y.length));
    for (let first = 0; first < weights.length; first += rows) {
      const count = Math.min(rows, weights.length - first);
      const before = held && classWeight && this.numbersOf(weights, first, count).slice();
      const bad = this.#weigh(
        weights,
        y,
        first,
        count,
        first < trained ? classWeight : null,
        trained - first,
      );
      if (bad >= 0) {
        refuse(
          `sampleWeight is ${this.#numberAt(weights, first + bad)} ` +
            `for sample ${first + bad}, expected a finite number from 0 on`,
        );
      }
      if (before) {
        const after = this.numbersOf(weights, first, count);
        for (let i = 0; i < count; i++) if (held[first + i]) after[i] = before[i];
      }
      if (first + count < weights.length && pump.look()) yield;
    }
    if (classWeight) weights.seen = unseen();
  }

  /**
   * @param {Stored} weights @param {Stored} y @param {number} first @param {number} count
   * @param {Float32Array | null} classWeight @param {number} weighed
   */
  #weigh(weights, y, first, count, classWeight, weighed) {
    const core = this.#core;
    const of = classWeight
      ? core.memory.alloc(classWeight.byteLength, 'the weights of classes')
      : 0;
    if (classWeight) {
      core.write(
        of,
        new Uint8Array(classWeight.buffer, classWeight.byteOffset, classWeight.byteLength),
      );
    }
    const target = y.address + (first * y.bytes) / y.samples;
    const bad = core.weigh(
      this.#model,
      weights.address + 4 * first,
      count,
      target,
      y.type,
      of,
      weighed,
    );
    if (classWeight) core.memory.free(of);
    return bad;
  }
}

/** @param {DType} dtype @param {number} bytes @param {Seen} seen */
const printOf = (dtype, bytes, { sum }) => `${dtype} ${bytes} ${sum?.toString(16)}`;

/** @param {number} [indices] @returns {Seen} */
const unseen = (indices = 0) => ({ bytes: 0, sum: 0, badX: -1, badY: -1, indices });

/**
 * The place of an element `at` behind another; -1 stays: there is none.
 * @param {number} first
 * @param {number} at
 */
const placeBehind = (first, at) => (at < 0 ? at : first + at);

/**
 * @param {any} value  x or y of a request
 * @returns {value is { upload: number, indices?: any }}
 */
export function isUpload(value) {
  return (
    value !== null && typeof value === 'object' && !ArrayBuffer.isView(value) && 'upload' in value
  );
}

/**
 * @param {any} value  x or y of a request
 * @returns {value is { stored: true }}  the data that are kept with the checkpoints
 */
export function isStored(value) {
  return (
    value !== null &&
    typeof value === 'object' &&
    !ArrayBuffer.isView(value) &&
    value.stored === true
  );
}

/**
 * Reads a column for nothing but its refusal.
 * @param {Column} column
 */
function readThrough(column) {
  const { length, unit } = column;
  const count = Math.max(1, Math.floor(READ_AT_ONCE / unit)) * unit;
  for (let at = 0; at < length; at += count) copyElements(column, at, Math.min(count, length - at));
}
