/* read.js: the format of the digits file: what build.js writes, pages and Node programs read.
 *
 *     offset  0  four little-endian uint32: 0x4447464f ("OFGD"), samples in all, the first of
 *                them to train with, pixels of a side
 *            16  the images, one byte a pixel, 0 paper and 255 ink, row by row
 *                the labels, one byte a sample
 * Runs in browsers and Node alike, so nothing of either may be used here. */

const MAGIC = 0x4447464f;
const HEAD = 16;

/**
 * @typedef {{ x: Uint8Array, y: Uint8Array }} Digits images of side * side pixels, and the digit of
 *   each
 */

/**
 * @param {Digits} digits @param {number} train how many of them, from the start, are to train with
 * @param {number} side
 * @returns {Uint8Array}
 */
export function format({ x, y }, train, side) {
  const bytes = new Uint8Array(HEAD + x.length + y.length);
  const head = new DataView(bytes.buffer);
  [MAGIC, y.length, train, side].forEach((value, i) => head.setUint32(4 * i, value, true));
  bytes.set(x, HEAD);
  bytes.set(y, HEAD + x.length);
  return bytes;
}

/**
 * Views of the file's bytes, no copies.
 * @param {ArrayBuffer | Uint8Array} file
 * @returns {{ side: number, train: Digits, test: Digits }}
 */
export function parse(file) {
  const bytes = file instanceof Uint8Array ? file : new Uint8Array(file);
  const head = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEAD || head.getUint32(0, true) !== MAGIC) {
    throw new Error('this is no file of digits');
  }
  const [samples, train, side] = [4, 8, 12].map((offset) => head.getUint32(offset, true));
  const pixels = side * side;
  const size = HEAD + samples * (pixels + 1);
  if (train > samples || bytes.length !== size) {
    throw new Error(`a file of ${samples} digits has ${size} bytes, got ${bytes.length}`);
  }
  const labels = HEAD + samples * pixels;
  /** @param {number} from @param {number} to @returns {Digits} */
  const part = (from, to) => ({
    x: bytes.subarray(HEAD + from * pixels, HEAD + to * pixels),
    y: bytes.subarray(labels + from, labels + to),
  });
  return { side, train: part(0, train), test: part(train, samples) };
}
