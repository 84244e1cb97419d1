/* memory.js: who owns which bytes of wasm memory above the core's own.
 *
 * Free blocks are a list sorted by address, never adjacent, first fit; a freed block joins its
 * neighbours. Memory grows when nothing fits and never shrinks: dropping the instance gives it
 * back. Only this file grows it, so a view is stale exactly when alloc() has been called since it
 * was made (of a shared memory: too short, not detached). */

import { OffstageError } from './errors.js';

export const PAGE = 65536;
const MOST_PAGES = 65536; // 4 GiB: what a 32-bit pointer reaches
/**
 * Pages that a threaded module begins with: the linker is told so many, and not fewer may be handed
 * over.
 */
export const SHARED_PAGES = 8;
/* Maxima of a shared memory, in pages: 4 GiB, and down to 256 MiB. The address space of a maximum
 * is taken at once, and iOS has none of 2 GB. */
const SHARED_MAXIMA = [65536, 32768, 16384, 8192, 4096];

/**
 * @typedef {object} Memory
 * @property {(bytes: number, what: string) => number} alloc address of an aligned block;
 *   OUT_OF_MEMORY
 * @property {(address: number) => void} free                 of a block that alloc returned
 * @property {() => number} used                              bytes handed out
 * @property {() => ArrayBuffer} buffer the bytes as they are, until the next alloc
 */

/**
 * @param {number} bytes
 * @returns {string}
 */
export function showBytes(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  const unit = Math.min(4, Math.floor(Math.log2(bytes) / 10));
  const inUnit = (bytes / 2 ** (10 * unit)).toFixed(1);
  return `${inUnit} ${['', 'KiB', 'MiB', 'GiB', 'TiB'][unit]} (${bytes} bytes)`;
}

/**
 * The biggest shared memory that can be had.
 * @returns {{ shared: WebAssembly.Memory, mostPages: number }}
 */
export function openSharedMemory() {
  /** @type {unknown} */
  let cause;
  for (const maximum of SHARED_MAXIMA) {
    try {
      const memory = new WebAssembly.Memory({ initial: SHARED_PAGES, maximum, shared: true });
      return { shared: memory, mostPages: maximum };
    } catch (error) {
      cause = error;
    }
  }
  throw new OffstageError('OUT_OF_MEMORY', 'memory that threads share cannot be had here', {
    cause,
  });
}

/**
 * @param {WebAssembly.Memory} memory
 * @param {number} base   the first byte to hand out
 * @param {number} align  a power of two; of every address and size
 * @param {number} [mostPages]  that it was made to grow to
 * @returns {Memory}
 */
export function createMemory(memory, base, align, mostPages = MOST_PAGES) {
  const up = (/** @type {number} */ bytes) => Math.ceil(bytes / align) * align;
  let end = memory.buffer.byteLength;
  let used = 0;
  /** @type {{ at: number, size: number }[]} */
  const free = end > up(base) ? [{ at: up(base), size: end - up(base) }] : [];
  /** @type {Map<number, number>} */
  const blocks = new Map();

  /** @param {number} size @param {string} what */
  function grow(size, what) {
    const last = free[free.length - 1];
    const tail = last && last.at + last.size === end ? last.size : 0;
    const pages = Math.ceil((size - tail) / PAGE);
    try {
      if (end / PAGE + pages > MOST_PAGES) throw new RangeError('more than 32-bit addresses reach');
      memory.grow(pages);
    } catch (cause) {
      const most =
        mostPages < MOST_PAGES && end / PAGE + pages > mostPages
          ? `memory that threads share ends at ${showBytes(mostPages * PAGE)} here, ` +
            'with threads: 1 there may be more'
          : 'more memory cannot be had';
      const message = `${what} needs ${showBytes(size)}, ${showBytes(used)} are in use: ${most}`;
      throw new OffstageError('OUT_OF_MEMORY', message, { cause });
    }
    const grown = memory.buffer.byteLength - end;
    if (tail > 0) last.size += grown;
    else free.push({ at: end, size: grown });
    end += grown;
  }

  return {
    alloc(bytes, what) {
      const size = Math.max(align, up(bytes));
      if (!(size <= Number.MAX_SAFE_INTEGER)) {
        throw new OffstageError(
          'OUT_OF_MEMORY',
          `${what} needs ${bytes} bytes: more than can be addressed`,
        );
      }
      let i = free.findIndex((block) => block.size >= size);
      if (i < 0) {
        grow(size, what);
        i = free.length - 1;
      }
      const { at } = free[i];
      free[i].at += size;
      free[i].size -= size;
      if (free[i].size === 0) free.splice(i, 1);
      blocks.set(at, size);
      used += size;
      return at;
    },
    free(address) {
      const size = blocks.get(address);
      if (size === undefined) throw new Error(`no block at ${address}`);
      blocks.delete(address);
      used -= size;
      let i = free.findIndex((block) => block.at > address);
      if (i < 0) i = free.length;
      free.splice(i, 0, { at: address, size });
      for (const j of [i, i - 1]) {
        const [left, right] = [free[j], free[j + 1]];
        if (left && right && left.at + left.size === right.at) {
          left.size += right.size;
          free.splice(j + 1, 1);
        }
      }
    },
    used: () => used,
    buffer: () => memory.buffer,
  };
}
