/* datasets.js: the data sets that lie in one core's memory.
 *
 * Data arrives inline, as one column, or as an upload in slices of about 1 MB. A request takes what it names;
 * from then on it owns the block and frees it. What lies here has the right length for the model; whether
 * its numbers are finite and its indices in range is checked in pieces, so that nobody waits for it. */

import { crc32 } from '../host/crc32.js';
import { ELEMENT_BYTES, badIndex, badNumber, copyElements, readWeights, readX, readY, rowOf, widthsOf } from '../data/samples.js';
import { OffstageError, checkFields, oneOf, show } from '../host/errors.js';

/** @typedef {import('../data/samples.js').DType} DType */
/** @typedef {import('../data/samples.js').DataFacts} DataFacts */
/**
 * indices: of y, as a column's.
 * @typedef {{ address: number, dtype: DType, type: number, length: number, bytes: number, samples: number, single: boolean,
 *   indices: number }} Stored
 */

const UPLOAD_FIELDS = ['upload', 'dtype', 'total', 'offset', 'bytes'];
/** Uploads that no request has taken yet. */
const MOST_UPLOADS = 1024;
/** Elements of lists that get room before they have been read: more than that may be a claim. */
const BELIEVED = 2 ** 20;
const CHECKED_AT_ONCE = 65536; // elements: some 20 microseconds
const SUMMED_AT_ONCE = 2 ** 18; // bytes: a quarter of a millisecond

export class Store {
  #core;
  #facts;
  /** @type {Map<number, { address: number, dtype: DType, total: number, received: number }>} */
  #uploads = new Map();
  /** Of columns that came from where they were kept; a client's uploads count upwards from 0, as a rule. */ #lastKept = 0;

  /** @param {import('./core.js').Core} core @param {DataFacts} facts */
  constructor(core, facts) {
    this.#core = core;
    this.#facts = facts;
  }

  /** @param {any} payload @returns {import('../protocol.js').DataStored} */
  receive(payload) {
    const { upload, dtype, total, offset, bytes } = checkFields(payload, UPLOAD_FIELDS, 'UPLOAD_DATA', 'INVALID_DATA');
    if (!Number.isSafeInteger(upload)) refuse(`upload is ${show(upload)}, expected an integer`);
    if (!Object.keys(ELEMENT_BYTES).includes(dtype)) {
      refuse(`upload ${upload}: dtype is ${show(dtype)}, expected one of ${oneOf(Object.keys(ELEMENT_BYTES))}`);
    }
    const size = ELEMENT_BYTES[/** @type {DType} */ (dtype)];
    if (!Number.isSafeInteger(total) || total <= 0 || total % size !== 0) {
      refuse(`upload ${upload}: total is ${show(total)}, expected a positive number of bytes that ${size} divides`);
    }
    if (Object.prototype.toString.call(bytes) !== '[object ArrayBuffer]') {
      refuse(`upload ${upload}: bytes is ${show(bytes)}, expected an ArrayBuffer`);
    }
    const known = this.#uploads.get(upload) ?? { address: 0, dtype, total, received: 0 };
    if (known.dtype !== dtype || known.total !== total) {
      refuse(`upload ${upload} began with ${known.total} bytes of ${known.dtype}, ` +
        `got a slice of ${total} bytes of ${dtype}`);
    }
    if (offset !== known.received || offset + bytes.byteLength > total) {
      refuse(`upload ${upload}: got ${bytes.byteLength} bytes from ${show(offset)} on, expected them from ` +
        `${known.received} on, up to ${total}`);
    }
    if (!this.#uploads.has(upload)) {
      if (this.#uploads.size >= MOST_UPLOADS) {
        refuse(`upload ${upload}: ${MOST_UPLOADS} uploads wait to be named in a request, expected DISCARD_DATA or requests first`);
      }
      known.address = this.#core.memory.alloc(total, 'the data');
      this.#uploads.set(upload, known);
    }
    this.#core.write(known.address + offset, new Uint8Array(bytes));
    known.received += bytes.byteLength;
    return known.received < total ? { upload, received: known.received, bytes } : { upload, received: total };
  }

  /** Frees an upload that no request has taken; nothing where there is none. @param {any} upload */
  discard(upload) {
    const known = this.#uploads.get(upload);
    if (known) this.#core.memory.free(known.address);
    this.#uploads.delete(upload);
  }

  /** The bytes of a column, for who keeps them elsewhere: as long as its owner does not free it. @param {Stored} column */
  piecesOf({ address, dtype, bytes, indices }) {
    const { memory } = this.#core;
    return {
      dtype, bytes, indices,
      read: (/** @type {number} */ at, /** @type {number} */ count) => new Uint8Array(memory.buffer(), address + at, count),
    };
  }

  /**
   * What tells these data from others: the type, length and checksum of their bytes.
   * @param {import('../host/pump.js').Pump} pump @param {Stored} column @returns {Generator<void, string, void>}
   */
  *fingerprint(pump, column) {
    const { dtype, bytes, indices, read } = this.piecesOf(column);
    let sum = 0;
    for (let at = 0; at < bytes; at += SUMMED_AT_ONCE) {
      sum = crc32(read(at, Math.min(SUMMED_AT_ONCE, bytes - at)), sum);
      if (pump.look()) yield;
    }
    return `${dtype} ${bytes} ${sum.toString(16)}${indices ? `/${indices}` : ''}`;
  }

  /**
   * Takes in a column that was kept elsewhere, as an upload of its own.
   * @param {import('../storage/checkpoint-store.js').KeptColumn} column @returns {Promise<{ upload: number, indices?: number }>}
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

  /** @param {any} x @returns {Stored} */
  takeX(x) {
    if (!isUpload(x)) return this.#put(readX(x, this.#facts));
    const row = rowOf(this.#facts.inputs);
    const { length } = this.#complete(x, ['float32', 'uint8'], 'x');
    if (length % row !== 0) refuse(`x has ${length} elements, expected a multiple of ${row}`);
    return this.#take(x.upload, { length, samples: length / row, single: length === row, indices: 0 });
  }

  /** @param {any} y @param {number} samples @returns {Stored} */
  takeY(y, samples) {
    if (!isUpload(y)) return this.#put(readY(y, this.#facts, samples));
    const { outputs } = this.#facts;
    const { indices = 0 } = y;
    const [{ targets }] = outputs;
    const several = outputs.length > 1;
    const known = this.#complete(y, targets > 0 && !several ? ['int32', 'float32'] : ['float32'], 'y');
    const allowed = several ? outputs.reduce((bits, output, k) => bits | (output.targets > 0 ? 1 << k : 0), 0) : 0;
    if (!Number.isSafeInteger(indices) || (indices & ~allowed) !== 0 || indices > allowed) {
      refuse(`y.indices is ${show(indices)}, expected bits of ${allowed}, of the outputs that take class indices`);
    }
    const width = widthsOf(outputs, several ? indices : Number(known.dtype === 'int32')).reduce((a, b) => a + b);
    if (known.length !== samples * width) {
      refuse(`y has ${known.length} elements of ${known.dtype} for ${samples} samples, expected ${samples * width}`);
    }
    return this.#take(y.upload, { length: known.length, samples, single: false, indices });
  }

  /** The samples' weights, of a request that has some. @param {any} weights @param {number} samples @returns {Stored | null} */
  takeWeights(weights, samples) {
    if (weights === undefined) return null;
    if (!isUpload(weights)) return this.#put(readWeights(weights, samples));
    const { length } = this.#complete(weights, ['float32'], 'sampleWeight');
    if (length !== samples) refuse(`sampleWeight has ${length} elements, expected ${samples}`);
    return this.#take(weights.upload, { length, samples, single: false, indices: 0 });
  }

  /** As many of the same. @param {number} samples @returns {Stored} */
  ones(samples) {
    return this.#put(readWeights(new Float32Array(samples).fill(1), samples));
  }

  /** @param {any} payload @param {string[]} dtypes @param {string} name */
  #complete(payload, dtypes, name) {
    const { upload } = checkFields(payload, name === 'y' ? ['upload', 'indices'] : ['upload'], name, 'INVALID_DATA');
    const known = this.#uploads.get(upload);
    if (!known) refuse(`${name} names upload ${show(upload)}, which is not here`);
    if (known.received !== known.total) {
      refuse(`${name}: of upload ${upload} only ${known.received} of ${known.total} bytes are here`);
    }
    if (!dtypes.includes(known.dtype)) refuse(`${name} is an upload of ${known.dtype}, expected ${oneOf(dtypes)}`);
    return { ...known, length: known.total / ELEMENT_BYTES[known.dtype] };
  }

  /** @param {number} upload @param {{ length: number, samples: number, single: boolean, indices: number }} as @returns {Stored} */
  #take(upload, as) {
    const { address, dtype } = /** @type {{ address: number, dtype: DType }} */ (this.#uploads.get(upload));
    this.#uploads.delete(upload);
    return { address, dtype, type: this.#typeOf(dtype), bytes: as.length * ELEMENT_BYTES[dtype], ...as };
  }

  /** @param {import('../data/samples.js').Column} column @returns {Stored} */
  #put(column) {
    const { dtype, length, samples, single, indices } = column;
    const bytes = length * ELEMENT_BYTES[dtype];
    if (!column.typed && length > BELIEVED) readThrough(column);
    const address = this.#core.memory.alloc(bytes, 'the data');
    try {
      return { address, dtype, type: this.place(column, address), length, bytes, samples, single, indices };
    } catch (error) {
      this.#core.memory.free(address);
      throw error;
    }
  }

  /**
   * Writes a column to where there is room for it, and tells its type.
   * @param {import('../data/samples.js').Column} column @param {number} address
   */
  place(column, address) {
    copyElements(column, 0, column.length, { buffer: this.#core.memory.buffer(), at: address });
    return this.#typeOf(column.dtype);
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
   * Refuses in x what the core could not use: numbers that are not finite, and what an embedding has no row for.
   * @param {import('../host/pump.js').Pump} pump @param {number} model @param {{ address: number, type: number, length: number }} x
   */
  *checkX(pump, model, { address, type, length }) {
    const bytes = type === this.#core.schema.constants.U8;
    yield* this.#pieces(pump, length, (at, count) => {
      const bad = this.#core.checkX(model, address + (bytes ? at : 4 * at), type, at, count);
      if (bad < 0) return;
      const where = address + (bytes ? 1 : 4) * (at + bad);
      const value = bytes ? new Uint8Array(this.#core.memory.buffer(), where, 1)[0] : this.#core.floats(where, 1)[0];
      throw badNumber('x', at + bad, value, this.#facts.inputs, 'inputs');
    });
  }

  /**
   * Refuses class indices out of range and non-finite numbers in y.
   * @param {import('../host/pump.js').Pump} pump @param {number} model @param {Stored} y
   */
  *checkY(pump, model, { address, type, length, indices }) {
    const { outputs } = this.#facts;
    if (outputs.length > 1) return yield* this.#checkRows(pump, address, length, indices);
    yield* this.#pieces(pump, length, (at, count) => {
      const bad = this.#core.checkY(model, 0, address + 4 * at, type, count);
      if (bad < 0) return;
      const where = address + 4 * (at + bad);
      if (type !== this.#core.schema.constants.I32) throw badNumber('y', at + bad, this.#core.floats(where, 1)[0], outputs, 'outputs');
      throw badIndex('y', at + bad, new Int32Array(this.#core.memory.buffer(), where, 1)[0], outputs[0]);
    });
  }

  /** Rows of several outputs. @param {import('../host/pump.js').Pump} pump @param {number} address @param {number} length @param {number} indices */
  *#checkRows(pump, address, length, indices) {
    const { outputs } = this.#facts;
    const widths = widthsOf(outputs, indices);
    const row = widths.reduce((a, b) => a + b);
    yield* this.#pieces(pump, length / row, (first, count) => {
      const values = new Float32Array(this.#core.memory.buffer(), address + 4 * first * row, count * row);
      for (let at = 0; at < values.length;) {
        for (let k = 0; k < widths.length; k++) {
          const { classes, name } = outputs[k];
          const isIndex = (indices >> k) & 1;
          for (let i = 0; i < widths[k]; i++, at++) {
            const value = values[at];
            if (isIndex ? value >= 0 && value < classes && Number.isInteger(value) : Number.isFinite(value)) continue;
            const sample = first + Math.floor(at / row);
            if (isIndex) throw badIndex(`y.outputs.${name}`, sample * widths[k] + i, value, outputs[k]);
            throw badNumber(`y.outputs.${name}`, sample * widths[k] + i, value, [outputs[k]], 'outputs');
          }
        }
      }
    }, Math.ceil(CHECKED_AT_ONCE / 8 / row));
  }

  /**
   * Refuses weights of samples that are none, and gives those of the first `trained` their class's too.
   * @param {import('../host/pump.js').Pump} pump @param {Stored | null} weights
   * @param {{ y: Stored, trained: number, classWeight: Float32Array | null }} by
   */
  *prepareWeights(pump, weights, { y, trained, classWeight }) {
    if (!weights) return;
    const { memory } = this.#core;
    const width = y.length / y.samples;
    const binary = rowOf(this.#facts.outputs) === 1;
    yield* this.#pieces(pump, weights.length, (first, count) => {
      const values = new Float32Array(memory.buffer(), weights.address + 4 * first, count);
      const wanted = y.dtype === 'int32' ? new Int32Array(memory.buffer(), y.address, y.length) : new Float32Array(memory.buffer(), y.address, y.length);
      for (let i = 0; i < count; i++) {
        if (!(values[i] >= 0 && values[i] < Infinity)) refuse(`sampleWeight is ${values[i]} for sample ${first + i}, expected a finite number from 0 on`);
        if (!classWeight || first + i >= trained) continue;
        const row = (first + i) * width;
        let label = 0;
        if (y.dtype === 'int32') label = wanted[row];
        else if (binary) label = wanted[row] > 0.5 ? 1 : 0;
        else for (let k = 1; k < width; k++) if (wanted[row + k] > wanted[row + label]) label = k;
        values[i] *= classWeight[label];
      }
    }, CHECKED_AT_ONCE / 16);
  }

  /**
   * Looks at so many in pieces.
   * @param {import('../host/pump.js').Pump} pump @param {number} length @param {(at: number, count: number) => void} look
   * @param {number} [most]
   */
  *#pieces(pump, length, look, most = CHECKED_AT_ONCE) {
    for (let at = 0; at < length; at += most) {
      look(at, Math.min(most, length - at));
      if (at + most < length && pump.look()) yield;
    }
  }
}

/**
 * @param {any} value  x or y of a request
 * @returns {value is { upload: number, indices?: any }}
 */
export function isUpload(value) {
  return value !== null && typeof value === 'object' && !ArrayBuffer.isView(value) && 'upload' in value;
}

/**
 * @param {any} value  x or y of a request
 * @returns {value is { stored: true }}  the data that are kept with the checkpoints
 */
export function isStored(value) {
  return value !== null && typeof value === 'object' && !ArrayBuffer.isView(value) && value.stored === true;
}

/**
 * Reads a column for nothing but its refusal.
 * @param {import('../data/samples.js').Column} column
 */
function readThrough(column) {
  const { length, unit } = column;
  const count = Math.max(1, Math.floor(CHECKED_AT_ONCE / unit)) * unit;
  for (let at = 0; at < length; at += count) copyElements(column, at, Math.min(count, length - at));
}

/** @param {string} message @returns {never} */
function refuse(message) {
  throw new OffstageError('INVALID_DATA', message);
}
