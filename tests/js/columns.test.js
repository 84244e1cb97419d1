/* columns.test.js: what columns.js takes as it is, forms.js reads to the same column; all else it
 * leaves to forms.js. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { copyElements, typedWeights, typedX, typedY } from '../../worker/data/columns.js';
import { readWeights, readX, readY } from '../../worker/data/forms.js';

/** @param {string} name @param {number[]} shape @param {number} [below] */
const input = (name, shape, below = 0) => ({
  name,
  shape,
  size: shape.reduce((a, b) => a * b),
  below,
});
/** @param {string} name @param {number[]} shape @param {number} classes @param {number} targets */
const output = (name, shape, classes, targets) => ({
  ...input(name, shape),
  classes,
  targets,
  labels: classes ? ['a', 'b', 'c'] : null,
});
const ONE = {
  inputs: [input('input', [2, 2])],
  outputs: [output('out', [3], 3, 1)],
  inputScale: 0.5,
  inputOffset: 1,
};
const PLAIN = { ...ONE, inputs: [input('input', [1])], outputs: [output('out', [2], 0, 0)] };
const WORDS = { ...ONE, outputs: [output('out', [2, 3], 3, 2)] };
const SEVERAL = {
  ...ONE,
  inputs: [input('a', [2, 2]), input('b', [3], 5)],
  outputs: [output('c', [3], 3, 1), output('d', [2], 0, 0)],
};
const ALL = [ONE, PLAIN, WORDS, SEVERAL];

/** @param {number} n */
const count = (n) => Array.from({ length: n }, (_, i) => i % 3);
/** Arrays of each type and of lengths that fit and do not. */
const ARRAYS = [0, 1, 2, 3, 4, 6, 8, 9, 12].flatMap((n) =>
  [Float32Array, Uint8Array, Int32Array, Uint8ClampedArray, Float64Array, Int8Array, Array].map(
    (Type) => Type.from(count(n)),
  ),
);
const BIG = [
  BigInt64Array.of(1n, 2n),
  new DataView(new ArrayBuffer(4)),
  null,
  undefined,
  'ab',
  3,
  {},
  [
    [1, 2],
    [0, 1],
  ],
  ['a', 'b'],
];
const SHAPES = [
  [1, 2, 2],
  [2, 2],
  [2, 2, 2],
  [1, 1],
  [3, 1],
  [3],
  [2, 4],
  [0],
  'a',
  undefined,
  [2, -2],
];

/** @param {any} column */
const elements = (column) => Array.from(copyElements(column, 0, column.length));

/**
 * @param {any} typed @param {() => any} read
 * @returns {boolean} whether it was taken
 */
function agrees(typed, read) {
  if (!typed) return false;
  const wanted = read();
  for (const key of ['dtype', 'length', 'samples', 'single', 'indices', 'unit', 'typed'])
    assert.equal(typed[key], wanted[key], key);
  assert.equal(typed.parts?.length, wanted.parts?.length);
  assert.deepEqual(elements(typed), elements(wanted));
  return true;
}

test('x as typed arrays, with and without a shape, by name and alone', () => {
  const parts = [
    ...ARRAYS,
    ...BIG,
    ...ARRAYS.flatMap((data) => SHAPES.map((shape) => ({ data, shape }))),
  ];
  let taken = 0;
  for (const facts of ALL.slice(0, 3)) {
    for (const x of parts.flatMap((part) => [
      part,
      { inputs: { input: part } },
      { inputs: { input: part, more: 1 } },
      { inputs: part },
    ])) {
      taken += Number(agrees(typedX(x, facts), () => readX(x, facts)));
    }
  }
  for (const a of [...ARRAYS, { data: Float32Array.from(count(4)), shape: [1, 2, 2] }]) {
    for (const b of [...ARRAYS, { data: Uint8Array.from(count(3)), shape: [1, 3] }]) {
      taken += Number(
        agrees(typedX({ inputs: { a, b } }, SEVERAL), () => readX({ inputs: { a, b } }, SEVERAL)),
      );
    }
  }
  assert.ok(taken > 50, `${taken} were taken`);
});

test('y and weights as typed arrays', () => {
  let taken = 0;
  for (const samples of [1, 2, 3, 4]) {
    for (const y of [...ARRAYS, ...BIG]) {
      for (const facts of ALL.slice(0, 3)) {
        for (const given of [y, { outputs: { out: y } }]) {
          taken += Number(
            agrees(typedY(given, facts, samples), () => readY(given, facts, samples)),
          );
        }
      }
      taken += Number(agrees(typedWeights(y, samples), () => readWeights(y, samples)));
      for (const d of ARRAYS) {
        const both = { outputs: { c: y, d } };
        taken += Number(
          agrees(typedY(both, SEVERAL, samples), () => readY(both, SEVERAL, samples)),
        );
      }
    }
  }
  assert.ok(taken > 30, `${taken} were taken`);
});

test('what a page sends is taken as it is', () => {
  const x = Float32Array.from(count(8));
  assert.equal(typedX(x, ONE)?.samples, 2);
  assert.equal(typedX({ data: x.slice(0, 4), shape: [1, 2, 2] }, ONE)?.single, false);
  assert.equal(typedX(x.slice(0, 4), ONE)?.single, true);
  assert.equal(typedX(Uint8Array.from(x), ONE)?.dtype, 'uint8');
  assert.equal(typedY(Int32Array.of(1, 2), ONE, 2)?.dtype, 'int32');
  assert.equal(typedY(Float32Array.from(count(6)), ONE, 2)?.dtype, 'float32');
  assert.equal(typedX({ inputs: { a: x, b: Uint8Array.from(count(6)) } }, SEVERAL)?.samples, 2);
  assert.equal(
    typedY({ outputs: { c: Int32Array.of(1, 0), d: new Float32Array(4) } }, SEVERAL, 2)?.indices,
    1,
  );
  assert.equal(typedWeights(new Float32Array(2), 2)?.samples, 2);
});
