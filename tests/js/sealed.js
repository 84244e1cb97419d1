/* sealed.js: bytes that tell whether they are whole: checkpoints as far as a keeper is concerned.
 * Runs anywhere. */

/** Bytes that know their own length and content: a checkpoint as far as a keeper is concerned. */
export function sealed(seed, length = 64) {
  const bytes = new Uint8Array(length).map((_, i) => (seed * 31 + i * 7) % 251);
  new DataView(bytes.buffer).setUint32(0, length);
  bytes[length - 1] = bytes
    .subarray(0, length - 1)
    .reduce((sum, byte) => (sum * 33 + byte) % 251, 7);
  return bytes;
}

/** Throws where the bytes are not what sealed() made; gives what is in them. */
export function unsealed(bytes) {
  const { byteLength: length } = bytes;
  const whole =
    length > 5 &&
    new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) === length &&
    bytes[length - 1] ===
      bytes.subarray(0, length - 1).reduce((sum, byte) => (sum * 33 + byte) % 251, 7);
  if (!whole) throw new Error('torn');
  return bytes;
}
