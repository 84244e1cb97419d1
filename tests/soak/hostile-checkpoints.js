/* hostile-checkpoints.js: checkpoints that are damaged, and ones that are well-formed, have the
 * right checksum and lie. The checksum is Node's own (zlib), the format written down here a second
 * time: nothing of worker/trainer/checkpoint.js. */
import { crc32 } from 'node:zlib';

const SUM_KEY = '"checksum":"';

/** @param {Uint8Array} bytes @returns {{ header: any, about: any, body: Uint8Array }} */
export function open(bytes) {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  return {
    header,
    about: JSON.parse(header.__metadata__.offstage),
    body: bytes.subarray(8 + length),
  };
}

/**
 * A file with the right checksum.
 * @param {{ header: any, about: any, body: Uint8Array }} parts  about undefined: the header's own
 */
export function close({ header, about, body }) {
  const full =
    about === undefined
      ? header
      : { ...header, __metadata__: { ...header.__metadata__, offstage: JSON.stringify(about) } };
  return sealed(new TextEncoder().encode(JSON.stringify(full)), body);
}

/** @param {Uint8Array} text of the header @param {Uint8Array} body */
export function sealed(text, body) {
  const bytes = Buffer.concat([Buffer.alloc(8), text, body]);
  bytes.writeBigUInt64LE(BigInt(text.length));
  const at = bytes.indexOf(SUM_KEY) + SUM_KEY.length;
  if (at < SUM_KEY.length) return new Uint8Array(bytes);
  const sum = crc32(bytes.subarray(at + 8), crc32(bytes.subarray(0, at)));
  bytes.write(sum.toString(16).padStart(8, '0'), at);
  return new Uint8Array(bytes);
}

/** What may stand where something else is expected. `undefined` takes the field away. */
const LIES = [
  undefined,
  null,
  true,
  false,
  0,
  1,
  -1,
  0.5,
  3,
  17,
  1e9,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  -(2 ** 53),
  1e308,
  '',
  '0',
  '1',
  '7',
  '-1',
  '1e3',
  '9007199254740993',
  'relu',
  'softmax',
  'NaN',
  '\u0000',
  [],
  [1],
  [1, 2],
  [2 ** 31, 2 ** 31],
  [-1, 2],
  [[1]],
  {},
  { type: 'dense' },
  { a: { b: 1 } },
  'x'.repeat(70_000),
];

/**
 * Paths of all fields below a value, itself left out.
 * @param {any} value
 * @param {string[]} path
 * @returns {string[][]}
 */
function paths(value, path = []) {
  if (value === null || typeof value !== 'object') return [];
  return Object.keys(value).flatMap((key) => [
    [...path, key],
    ...paths(value[key], [...path, key]),
  ]);
}

/** @param {any} value @param {string[]} path @param {(parent: any, key: string) => void} change */
function changed(value, path, change) {
  const copy = structuredClone(value);
  const parent = path.slice(0, -1).reduce((at, key) => at[key], copy);
  change(parent, path[path.length - 1]);
  return copy;
}

/**
 * @param {any} root
 * @returns {Generator<{ what: string, value: any }>} every field, with every lie
 */
function* lies(root) {
  for (const path of paths(root)) {
    for (const lie of LIES) {
      const value = changed(root, path, (parent, key) => {
        if (lie !== undefined) parent[key] = lie;
        else if (Array.isArray(parent)) parent.splice(Number(key), 1);
        else delete parent[key];
      });
      yield {
        what: `${path.join('.')} = ${lie === undefined ? 'nothing' : JSON.stringify(lie).slice(0, 40)}`,
        value,
      };
    }
    yield {
      what: `${path.join('.')} beside another`,
      value: changed(root, path, (parent, key) =>
        Object.assign(parent, { [`${key}x`]: parent[key], ['__proto__x']: 1 }),
      ),
    };
  }
}

/**
 * @param {Uint8Array} bytes a good checkpoint
 * @returns {Generator<{ what: string, bytes: Uint8Array }>}
 */
export function* liars(bytes) {
  const { header, about, body } = open(bytes);
  for (const { what, value } of lies(about))
    yield { what: `offstage: ${what}`, bytes: close({ header, about: value, body }) };
  for (const { what, value } of lies(header))
    yield { what: `header: ${what}`, bytes: close({ header: value, about: undefined, body }) };
  const text = new TextEncoder().encode(JSON.stringify(header));
  for (const [what, edit] of Object.entries({
    'a tensor named __proto__': (/** @type {string} */ json) =>
      json.replace(/"run\/totals"/, '"__proto__"'),
    'two tensors of one name': (/** @type {string} */ json) =>
      json.replace(/}$/, `,"run/totals":${JSON.stringify(header['run/totals'])}}`),
    'metadata twice': (/** @type {string} */ json) => json.replace(/}$/, ',"__metadata__":{}}'),
    'no JSON': (/** @type {string} */ json) => json.slice(0, -1),
    'JSON of great depth': (/** @type {string} */ json) =>
      json.replace(/}$/, `,"deep":${'['.repeat(50_000)}${']'.repeat(50_000)}}`),
    'a header that is a list': (/** @type {string} */ json) => `[${json}]`,
  }))
    yield { what, bytes: sealed(new TextEncoder().encode(edit(JSON.stringify(header))), body) };
  yield {
    what: 'no UTF-8',
    bytes: sealed(Buffer.concat([text.subarray(0, -1), Buffer.from([0xff, 0x7d])]), body),
  };
  for (const more of [1, 8])
    yield {
      what: `${more} bytes too many`,
      bytes: sealed(text, Buffer.concat([body, Buffer.alloc(more)])),
    };
  for (const fewer of [1, 4, 8])
    yield { what: `${fewer} bytes too few`, bytes: sealed(text, body.subarray(0, -fewer)) };
  const floats = body.length - (body.length % 4);
  for (let at = 0; at < floats; at += 4) {
    const bad = Uint8Array.from(body);
    new DataView(bad.buffer).setFloat32(at, at % 8 ? NaN : Infinity, true);
    yield { what: `no number at ${at}`, bytes: sealed(text, bad) };
  }
}

/**
 * @param {Uint8Array} bytes
 * @param {number} flips of each byte: 1, or 8 for every bit
 * @returns {Generator<{ what: string, bytes: Uint8Array }>}
 */
export function* damaged(bytes, flips) {
  for (let length = 0; length < bytes.length; length++)
    yield { what: `${length} of ${bytes.length} bytes`, bytes: bytes.slice(0, length) };
  for (let at = 0; at < bytes.length; at++) {
    for (let flip = 0; flip < flips; flip++) {
      const bit = flips === 8 ? flip : at % 8;
      const bad = bytes.slice();
      bad[at] ^= 1 << bit;
      yield { what: `bit ${bit} of byte ${at} of ${bytes.length}`, bytes: bad };
    }
  }
}
