/* memory.test.js: the block allocator over wasm memory, against a model that knows every byte's
 * owner. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createMemory } from '../../worker/host/memory.js';

const PAGE = 65536;
const wasm = (initial = 1, maximum) =>
  new WebAssembly.Memory(maximum ? { initial, maximum } : { initial });

test('blocks are aligned, do not overlap and lie above the base', () => {
  const memory = wasm();
  const blocks = createMemory(memory, 1000, 64);
  const seen = [1, 63, 64, 65, 1000, 0].map((bytes) => ({
    at: blocks.alloc(bytes, 'a block'),
    bytes,
  }));
  for (const { at } of seen) assert.equal(at % 64, 0);
  assert.equal(seen[0].at, 1024);
  for (const a of seen)
    for (const b of seen) {
      if (a !== b) assert.ok(a.at + a.bytes <= b.at || b.at + b.bytes <= a.at);
    }
  assert.equal(
    new Set(seen.map(({ at }) => at)).size,
    seen.length,
    'an empty block has an address of its own',
  );
});

test('first fit: the lowest gap that is large enough is used again', () => {
  const blocks = createMemory(wasm(), 0, 64);
  const [a, b, c] = [640, 64, 640].map((bytes) => blocks.alloc(bytes, 'a block'));
  blocks.alloc(64, 'a guard');
  blocks.free(c);
  blocks.free(a);
  assert.equal(blocks.alloc(640, 'a block'), a);
  assert.equal(blocks.alloc(65, 'a block'), c);
  blocks.free(b);
  assert.equal(blocks.alloc(64, 'a block'), b);
});

test('freed neighbours become one block, in any order of freeing', () => {
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
  ]) {
    const memory = wasm();
    const blocks = createMemory(memory, 0, 64);
    const three = [64, 128, 64].map((bytes) => blocks.alloc(bytes, 'a block'));
    blocks.alloc(PAGE - 256, 'the rest');
    for (const i of order) blocks.free(three[i]);
    assert.equal(blocks.alloc(256, 'all three'), three[0]);
    assert.equal(memory.buffer.byteLength, PAGE, 'nothing grew');
  }
});

test('memory grows by what is missing, the free end counted in', () => {
  const memory = wasm();
  const blocks = createMemory(memory, 0, 64);
  blocks.alloc(PAGE - 128, 'most of it');
  const at = blocks.alloc(PAGE, 'a page');
  assert.equal(at, PAGE - 128);
  assert.equal(memory.buffer.byteLength, 2 * PAGE);
  assert.equal(blocks.used(), 2 * PAGE - 128);
  new Uint8Array(blocks.buffer(), at, PAGE).fill(7);
});

test('what cannot be had is refused with the size, and nothing is lost by it', () => {
  const blocks = createMemory(wasm(1, 2), 0, 64);
  const at = blocks.alloc(PAGE, 'the first');
  for (const bytes of [2 * PAGE, 2 ** 33, 1e300, Infinity, NaN]) {
    assert.throws(
      () => blocks.alloc(bytes, 'the second'),
      (/** @type {any} */ error) =>
        error.code === 'OUT_OF_MEMORY' &&
        error.message.includes('the second') &&
        error.message.includes(String(bytes)),
    );
  }
  assert.equal(blocks.used(), PAGE);
  blocks.free(at);
  assert.equal(blocks.alloc(2 * PAGE, 'all'), 0);
});

test('a block is freed once', () => {
  const blocks = createMemory(wasm(), 0, 64);
  const at = blocks.alloc(10, 'a block');
  blocks.free(at);
  assert.throws(() => blocks.free(at));
  assert.throws(() => blocks.free(at + 64));
});

test('ten thousand random calls leave every byte with one owner', () => {
  const blocks = createMemory(wasm(), 12345, 64);
  let state = 1;
  const random = (/** @type {number} */ n) => (state = (state * 48271) % 2147483647) % n;
  /** @type {Map<number, number>} */
  const owned = new Map();
  for (let i = 0; i < 10000; i++) {
    const addresses = [...owned.keys()];
    if (owned.size > 40 || (owned.size > 0 && random(2))) {
      const at = addresses[random(addresses.length)];
      blocks.free(at);
      owned.delete(at);
    } else {
      const bytes = 1 + random(20000);
      const at = blocks.alloc(bytes, 'a block');
      assert.ok(at >= 12345 && at + bytes <= blocks.buffer().byteLength);
      for (const [other, size] of owned) assert.ok(at + bytes <= other || other + size <= at);
      owned.set(at, bytes);
    }
  }
  for (const at of owned.keys()) blocks.free(at);
  assert.equal(blocks.used(), 0);
});
