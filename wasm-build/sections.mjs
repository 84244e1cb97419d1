/* sections.mjs: puts the linker's data back into what wasm-opt has made of it.
 *
 * wasm-opt cuts constants into a segment between any two runs of zeros, which is shorter as it lies
 * and longer gzipped (126 segments: 0.5 KB of 43), and Binaryen 108 has no option against it.
 * Addresses are the same in both files. */

const DATA_COUNT = 12;
const DATA = 11;
const HEAD = 8; // magic and version

/**
 * @param {Buffer} wasm
 * @returns {{ id: number, bytes: Buffer }[]} its sections, each with its head
 */
function sectionsOf(wasm) {
  const sections = [];
  for (let at = HEAD; at < wasm.length;) {
    let end = at + 1;
    let size = 0;
    for (let shift = 0, more = true; more; shift += 7) {
      // LEB128
      size |= (wasm[end] & 127) << shift;
      more = wasm[end++] > 127;
    }
    end += size;
    sections.push({ id: wasm[at], bytes: wasm.subarray(at, end) });
    at = end;
  }
  return sections;
}

/** @param {Buffer} linked @param {Buffer} optimized  made of it @returns {Buffer} */
export function withLinkedData(linked, optimized) {
  const before = sectionsOf(linked);
  const sections = sectionsOf(optimized).flatMap((section) => {
    const kept = section.id === DATA || section.id === DATA_COUNT;
    return kept ? before.filter(({ id }) => id === section.id) : [section];
  });
  return Buffer.concat([optimized.subarray(0, HEAD), ...sections.map(({ bytes }) => bytes)]);
}
