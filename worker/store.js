/* store.js: the data sets that lie in one core's memory.
 *
 * Data arrives inline, as one column, or as an upload in slices of about 1 MB. A request takes what it names;
 * from then on it owns the block and frees it. What lies here has the right length for the model; whether
 * its numbers are finite and its indices in range is checked in pieces, so that nobody waits for it. */

import { crc32 } from './crc32.js';
import { ELEMENT_BYTES, badIndex, badNumber, copyElements, readX, readY } from './data.js';
import { OffstageError, checkFields, oneOf, show } from './errors.js';

/** @typedef {import('./data.js').DType} DType */
/** @typedef {import('./data.js').DataFacts} DataFacts */
/**
 * @typedef {{ address: number, dtype: DType, type: number, length: number, bytes: number, samples: number, single: boolean }}
 *   Stored
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

  /** @param {any} payload @returns {import('./protocol.js').DataStored} */
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
  piecesOf({ address, dtype, bytes }) {
    const { memory } = this.#core;
    return {
      dtype, bytes,
      read: (/** @type {number} */ at, /** @type {number} */ count) => new Uint8Array(memory.buffer(), address + at, count),
    };
  }

  /**
   * What tells these data from others: the type, length and checksum of their bytes.
   * @param {import('./pump.js').Pump} pump @param {Stored} column @returns {Generator<void, string, void>}
   */
  *fingerprint(pump, column) {
    const { dtype, bytes, read } = this.piecesOf(column);
    let sum = 0;
    for (let at = 0; at < bytes; at += SUMMED_AT_ONCE) {
      sum = crc32(read(at, Math.min(SUMMED_AT_ONCE, bytes - at)), sum);
      if (pump.look()) yield;
    }
    return `${dtype} ${bytes} ${sum.toString(16)}`;
  }

  /**
   * Takes in a column that was kept elsewhere, as an upload of its own.
   * @param {import('./keeper.js').KeptColumn} column @returns {Promise<{ upload: number }>}
   */
  async receiveKept({ dtype, bytes: total, pieces }) {
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
    return { upload };
  }

  /** @param {any} x @returns {Stored} */
  takeX(x) {
    if (!isUpload(x)) return this.#put(readX(x, this.#facts));
    const { inputs } = this.#facts;
    const known = this.#complete(x, ['float32', 'uint8'], 'x');
    const length = known.total / ELEMENT_BYTES[known.dtype];
    if (length % inputs !== 0) refuse(`x has ${length} elements, expected a multiple of ${inputs}`);
    return this.#take(x.upload, { length, samples: length / inputs, single: length === inputs });
  }

  /** @param {any} y @param {number} samples @returns {Stored} */
  takeY(y, samples) {
    if (!isUpload(y)) return this.#put(readY(y, this.#facts, samples));
    const { targets, outputs } = this.#facts;
    const known = this.#complete(y, targets > 0 ? ['int32', 'float32'] : ['float32'], 'y');
    const length = known.total / ELEMENT_BYTES[known.dtype];
    const width = known.dtype === 'int32' ? targets : outputs;
    if (length !== samples * width) {
      refuse(`y has ${length} elements of ${known.dtype} for ${samples} samples, expected ${samples * width}`);
    }
    return this.#take(y.upload, { length, samples, single: false });
  }

  /** @param {any} payload @param {string[]} dtypes @param {string} name */
  #complete(payload, dtypes, name) {
    const { upload } = checkFields(payload, ['upload'], name, 'INVALID_DATA');
    const known = this.#uploads.get(upload);
    if (!known) refuse(`${name} names upload ${show(upload)}, which is not here`);
    if (known.received !== known.total) {
      refuse(`${name}: of upload ${upload} only ${known.received} of ${known.total} bytes are here`);
    }
    if (!dtypes.includes(known.dtype)) refuse(`${name} is an upload of ${known.dtype}, expected ${oneOf(dtypes)}`);
    return known;
  }

  /** @param {number} upload @param {{ length: number, samples: number, single: boolean }} as @returns {Stored} */
  #take(upload, as) {
    const { address, dtype } = /** @type {{ address: number, dtype: DType }} */ (this.#uploads.get(upload));
    this.#uploads.delete(upload);
    return { address, dtype, type: this.#typeOf(dtype), bytes: as.length * ELEMENT_BYTES[dtype], ...as };
  }

  /** @param {import('./data.js').Column} column @returns {Stored} */
  #put(column) {
    const { dtype, length, samples, single } = column;
    const bytes = length * ELEMENT_BYTES[dtype];
    if (!column.typed && length > BELIEVED) readThrough(column);
    const address = this.#core.memory.alloc(bytes, 'the data');
    try {
      return { address, dtype, type: this.place(column, address), length, bytes, samples, single };
    } catch (error) {
      this.#core.memory.free(address);
      throw error;
    }
  }

  /**
   * Writes a column to where there is room for it, and tells its type.
   * @param {import('./data.js').Column} column @param {number} address
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
   * Refuses non-finite numbers in x.
   * @param {import('./pump.js').Pump} pump @param {number} model @param {{ address: number, type: number, length: number }} x
   */
  *checkX(pump, model, { address, type, length }) {
    if (type === this.#core.schema.constants.U8) return;
    for (let at = 0; at < length; at += CHECKED_AT_ONCE) {
      const count = Math.min(CHECKED_AT_ONCE, length - at);
      const bad = this.#core.checkX(model, address + 4 * at, type, at, count);
      if (bad >= 0) {
        const value = this.#core.floats(address + 4 * (at + bad), 1)[0];
        throw badNumber('x', at + bad, value, this.#facts.inputs);
      }
      if (at + count < length && pump.look()) yield;
    }
  }

  /**
   * Refuses class indices out of range and non-finite numbers in y.
   * @param {import('./pump.js').Pump} pump @param {number} model @param {Stored} y
   */
  *checkY(pump, model, { address, type, length }) {
    const { outputs, classes, targets } = this.#facts;
    for (let at = 0; at < length; at += CHECKED_AT_ONCE) {
      const count = Math.min(CHECKED_AT_ONCE, length - at);
      const bad = this.#core.checkY(model, 0, address + 4 * at, type, count);
      if (bad >= 0) {
        const where = address + 4 * (at + bad);
        const indices = type === this.#core.schema.constants.I32;
        if (!indices) throw badNumber('y', at + bad, this.#core.floats(where, 1)[0], outputs);
        throw badIndex(at + bad, new Int32Array(this.#core.memory.buffer(), where, 1)[0], classes, targets);
      }
      if (at + count < length && pump.look()) yield;
    }
  }
}

/**
 * @param {any} value  x or y of a request
 * @returns {value is { upload: number }}
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
 * @param {import('./data.js').Column} column
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
