/* values.mjs: JavaScript values as a message can carry them, changed at random but reproducibly.
 *
 * A value is anything that structured clone passes. mutate() changes one to three places of it:
 * another value from a list of nasty ones, a number or a string a little, a key, an element, a
 * byte, a part of another value. */

/**
 * Mulberry32 (Tommy Ettinger 2017).
 * @param {number} seed
 * @returns {(n: number) => number}  of [0, n)
 */
export function createRandom(seed) {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

const NUMBERS = [
  0,
  -0,
  1,
  2,
  3,
  4,
  7,
  8,
  16,
  28,
  64,
  255,
  256,
  1024,
  65535,
  65536,
  16777216,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  1e21,
  1e30,
  1e308,
  -1,
  -2,
  -(2 ** 31),
  -1e308,
  0.1,
  0.5,
  0.999999999,
  1e-12,
  5e-324,
  NaN,
  Infinity,
  -Infinity,
];
const KEYS = [
  'length',
  'constructor',
  'toString',
  'valueOf',
  '__proto__',
  'prototype',
  'every',
  'map',
  'slice',
  'forEach',
  'reduce',
  'some',
  'entries',
  'indexOf',
  'toJSON',
  'then',
  '0',
  '-1',
  '',
];

/**
 * An array with nothing but its length, or one element at its end.
 * @param {number} length
 * @param {any} [last]
 */
function sparse(length, last) {
  const list = new Array(0);
  list.length = length;
  if (last !== undefined) list[length - 1] = last;
  return list;
}

function cycle() {
  const list = /** @type {any[]} */ ([1]);
  list.push(list);
  return list;
}

/** @param {number} depth */
function deep(depth) {
  let list = /** @type {any} */ (1);
  for (let i = 0; i < depth; i++) list = [list];
  return list;
}

const MAKERS = /** @type {((random: (n: number) => number) => any)[]} */ ([
  () => undefined,
  () => null,
  () => true,
  () => false,
  () => '',
  () => 'x'.repeat(2000),
  () => 10n ** 30n,
  () => 1n,
  () => [],
  () => ({}),
  () => ({ toString: 1 }),
  () => [[]],
  () => [1, 2],
  () => [0.5, -0.5],
  () => [
    [1, 2],
    [3, 4],
  ],
  () => ['a', 'b'],
  () => sparse(4),
  () => sparse(2 ** 32 - 1),
  () => sparse(2 ** 30, 1),
  () => cycle(),
  () => deep(12),
  () => deep(400),
  () => new Float32Array([1, 2, 3, 4]),
  () => new Float64Array([1, NaN]),
  () => new Uint8Array(8),
  () => new Int32Array([0, 1]),
  () => new Uint8ClampedArray(4),
  () => new BigInt64Array(4),
  () => new Float32Array(0),
  () => new DataView(new ArrayBuffer(8)),
  () => new ArrayBuffer(8),
  () => new ArrayBuffer(8, /** @type {any} */ ({ maxByteLength: 64 })),
  () => new Map([['a', 1]]),
  () => new Set([1]),
  () => new Date(0),
  () => new Date(NaN),
  () => /x/g,
  () => new Error('an error'),
  () => Object(1),
  () => Object('s'),
  (random) => NUMBERS[random(NUMBERS.length)],
  (random) => NUMBERS[random(NUMBERS.length)],
  (random) => random(10),
]);

/** @typedef {{ holder: any, key: string | number }} Place */

/** The places of a value: what is held where. @param {any} root @returns {Place[]} */
function placesOf(root) {
  /** @type {Place[]} */
  const places = [];
  const seen = new Set();
  /** @param {any} node @param {number} depth */
  function walk(node, depth) {
    if (
      node === null ||
      typeof node !== 'object' ||
      seen.has(node) ||
      depth > 12 ||
      places.length > 400
    )
      return;
    seen.add(node);
    if (ArrayBuffer.isView(node) || node instanceof ArrayBuffer) return;
    for (const key of Object.keys(node).slice(0, 64)) {
      places.push({ holder: node, key });
      walk(node[key], depth + 1);
    }
  }
  walk(root, 0);
  return places;
}

/**
 * Sets own properties only, whatever the name, where that can be.
 * @param {any} holder @param {string | number} key @param {any} value
 */
function put(holder, key, value) {
  if (Array.isArray(holder) && key === 'length') return; // no property like others
  Reflect.defineProperty(holder, key, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

/** @param {any} value */
const holdsBytes = (value) => ArrayBuffer.isView(value) || value instanceof ArrayBuffer;

/**
 * @param {any} bytes  a view or a buffer
 * @param {(n: number) => number} random
 * @param {Uint8Array[]} tokens
 */
function mutateBytes(bytes, random, tokens) {
  const own = ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
  if (own.length === 0) return new Uint8Array(random(16));
  const at = random(own.length);
  switch (random(8)) {
    case 0:
      own[at] ^= 1 << random(8);
      return bytes;
    case 1:
      own[at] = random(256);
      return bytes;
    case 2:
      own[at] = [0, 1, 0x20, 0x22, 0x7b, 0x7f, 0x80, 0xff][random(8)];
      return bytes;
    case 3:
      return own.slice(0, at);
    case 4:
      return Uint8Array.from([...own.subarray(0, at), ...own.subarray(random(own.length))]);
    case 5:
      own.copyWithin(at, random(own.length), random(own.length));
      return bytes;
    default: {
      const token = tokens[random(tokens.length)] ?? new Uint8Array([random(256)]);
      const skip = random(2) * token.length;
      return Uint8Array.from([...own.subarray(0, at), ...token, ...own.subarray(at + skip)]);
    }
  }
}

/**
 * @param {any} value @param {(n: number) => number} random
 * @param {{ words: string[], tokens: Uint8Array[] }} dictionary
 * @param {any} other  a value to take parts of
 */
function changed(value, random, { words, tokens }, other) {
  if (typeof value === 'number' && random(3)) {
    return [
      value + 1,
      value - 1,
      -value,
      value * 2,
      value / 2,
      value + 0.5,
      1 / value,
      NUMBERS[random(NUMBERS.length)],
    ][random(8)];
  }
  if (typeof value === 'string' && random(4)) {
    const at = random(value.length + 1);
    return [
      words[random(words.length)],
      value.slice(0, at),
      value.slice(at),
      `${value}${value}`,
      value.slice(0, at) + String.fromCharCode(random(256)) + value.slice(at + 1),
    ][random(5)];
  }
  if (holdsBytes(value) && random(6)) return mutateBytes(value, random, tokens);
  if (random(5) === 0 && words.length) return words[random(words.length)];
  if (random(4) === 0) {
    const places = placesOf(other);
    if (places.length) {
      const { holder, key } = places[random(places.length)];
      return holder[key];
    }
  }
  return MAKERS[random(MAKERS.length)](random);
}

/**
 * Changes a value, which may be changed in place: the caller's copy.
 * @param {any} root @param {(n: number) => number} random
 * @param {{ words: string[], tokens: Uint8Array[] }} dictionary @param {any} other
 * @returns {any}
 */
export function mutate(root, random, dictionary, other) {
  const box = { root };
  for (let times = 1 + random(3); times > 0; times--) {
    const places = placesOf(box);
    const { holder, key } = places[random(places.length)];
    const value = holder[key];
    const isList = Array.isArray(value);
    const isRecord = value !== null && typeof value === 'object' && !holdsBytes(value);
    const how = random(10);
    if (how === 0 && holder !== box) {
      if (Array.isArray(holder) && holder.length < 4096) holder.splice(Number(key), 1);
      else Reflect.deleteProperty(holder, key);
    } else if (how === 1 && isList && value.length < 4096)
      value.splice(random(value.length + 1), 0, structuredCloneOr(value[random(value.length)]));
    else if (how < 4 && isRecord) {
      const name = random(4)
        ? dictionary.words[random(dictionary.words.length)]
        : KEYS[random(KEYS.length)];
      put(value, name, changed(undefined, random, dictionary, other));
    } else if (how === 4 && isRecord) {
      const all = placesOf(box);
      put(
        value,
        random(2) ? '0' : dictionary.words[random(dictionary.words.length)],
        all[random(all.length)].holder,
      ); // perhaps a cycle
    } else put(holder, key, changed(value, random, dictionary, other));
  }
  return box.root;
}

/** @param {any} value */
function structuredCloneOr(value) {
  return value !== null && typeof value === 'object' ? structuredClone(value) : value;
}
