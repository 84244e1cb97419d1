/* crc32.js: the checksum of checkpoints and the fingerprint of data: CRC-32 as zlib, PNG and
 * Python's zlib.crc32 have it (reflected polynomial 0xEDB88320, ISO 3309), eight bytes at a time
 * (Kounavis and Berry, "A Systematic Approach to Building High Performance Software-Based CRC
 * Generators", 2005). It finds every change of up to 32 bits in a row; it is no defence against
 * somebody who changes the checksum too. */

const SLICES = 8;
/**
 * table[256 k + b]: the remainder of byte b followed by k zero bytes.
 * @type {Int32Array | undefined}
 */
let table;

function makeTable() {
  const made = new Int32Array(256 * SLICES);
  for (let b = 0; b < 256; b++) {
    let c = b;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    made[b] = c;
  }
  for (let i = 256; i < made.length; i++) {
    made[i] = (made[i - 256] >>> 8) ^ made[made[i - 256] & 255];
  }
  return made;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} [before] the checksum of what stands before them: crc32(b, crc32(a)) is that of a
 *   and b together
 * @returns {number} unsigned, 32 bits
 */
export function crc32(bytes, before = 0) {
  const t = (table ??= makeTable());
  let c = ~before;
  let i = 0;
  for (const last = bytes.length - SLICES; i <= last; i += SLICES) {
    c ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    c =
      t[1792 + (c & 255)] ^
      t[1536 + ((c >>> 8) & 255)] ^
      t[1280 + ((c >>> 16) & 255)] ^
      t[1024 + (c >>> 24)] ^
      t[768 + bytes[i + 4]] ^
      t[512 + bytes[i + 5]] ^
      t[256 + bytes[i + 6]] ^
      t[bytes[i + 7]];
  }
  for (; i < bytes.length; i++) c = (c >>> 8) ^ t[(c ^ bytes[i]) & 255];
  return ~c >>> 0;
}
