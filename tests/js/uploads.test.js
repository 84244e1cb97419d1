/* uploads.test.js: data that come in slices are looked at when they come, and what was found is
 * told by the request that names them: the same refusals and the same fingerprints as for data that
 * come inline, however they were cut. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { QUADRANTS, connectLocal, quadrants } from './session-client.js';

const N = 60;
const { x, y } = quadrants(N);
const oneHot = Float32Array.from({ length: 2 * N }, (_, i) => Number(y[i >> 1] === i % 2));
/** Lengths of slices, in turn: within an element, of whole ones, all that is left. */
const CUTS = [[1], [3, 5, 7], [4], [64, 1, 1, 1, 1], [1e9]];
const DTYPES = { Float32Array: 'float32', Int32Array: 'int32', Uint8Array: 'uint8' };

let last = 0;

/** @param {any} client @param {any} array @param {number[]} lengths */
async function upload(client, array, lengths) {
  const id = ++last;
  const bytes = new Uint8Array(array.buffer);
  const dtype = DTYPES[/** @type {keyof typeof DTYPES} */ (array.constructor.name)];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const slice = bytes.slice(at, at + lengths[i % lengths.length]);
    const { received } = await client.ask('UPLOAD_DATA', {
      upload: id,
      dtype,
      total: bytes.length,
      offset: at,
      bytes: slice.buffer,
    });
    assert.equal(received, (at += slice.length));
  }
  return { upload: id };
}

/**
 * @template {Float32Array | Int32Array} T
 * @param {T} array
 * @param {number} i
 * @param {number} value
 * @returns {T}
 */
function withOne(array, i, value) {
  const copy = /** @type {T} */ (array.slice());
  copy[i] = value;
  return copy;
}

/** @param {Promise<any>} asked */
const refusalOf = (asked) =>
  asked.then(
    () => assert.fail('was taken'),
    ({ code, message }) => ({ code, message }),
  );

test('what is wrong in an upload is told by the request that names it, as if it had come inline', async () => {
  const bad = [
    { x: withOne(x, 0, NaN), y },
    { x: withOne(x, 77, Infinity), y },
    { x: withOne(x, 2 * N - 1, -Infinity), y },
    { x, y: withOne(y, 0, 2) },
    { x, y: withOne(y, N - 1, -1) },
    { x, y: withOne(oneHot, 33, NaN) },
    { x: withOne(x, 100, NaN), y: withOne(y, 0, 9) }, // x is looked at first
    { x, y, sampleWeight: withOne(new Float32Array(N), 41, -1) },
  ];
  const client = connectLocal();
  await client.ask('INIT_TRAINING', QUADRANTS);
  for (const data of bad) {
    const inline = await refusalOf(client.ask('EVALUATE_MODEL', data));
    assert.equal(inline.code, 'INVALID_DATA');
    for (const lengths of CUTS) {
      for (const type of ['EVALUATE_MODEL', 'START_TRAINING']) {
        const entries = await Promise.all(
          Object.entries(data).map(async ([name, array]) => [
            name,
            await upload(client, array, lengths),
          ]),
        );
        assert.deepEqual(
          await refusalOf(client.ask(type, Object.fromEntries(entries))),
          inline,
          `${type} in slices of ${lengths}`,
        );
      }
    }
  }
});

test('indices of an embedding are looked at in x alone', async () => {
  const client = connectLocal();
  await client.ask('INIT_TRAINING', {
    inputShape: [4],
    layers: [
      { type: 'embedding', inputDim: 5, outputDim: 2 },
      { type: 'flatten' },
      { type: 'dense', units: 2 },
    ],
  });
  const words = Float32Array.from({ length: 4 * N }, (_, i) => i % 5);
  const wanted = Float32Array.from({ length: 2 * N }, (_, i) => i / 7 - 3);
  for (const lengths of CUTS) {
    const both = async (/** @type {any} */ a, /** @type {any} */ b) => ({
      x: await upload(client, a, lengths),
      y: await upload(client, b, lengths),
    });
    assert.equal((await client.ask('EVALUATE_MODEL', await both(words, wanted))).samples, N);
    await assert.rejects(
      client.ask('EVALUATE_MODEL', await both(withOne(words, 9, 5), wanted)),
      /x holds 5 in sample 2, element 1: expected an index from 0 to 4/,
    );
    await assert.rejects(
      client.ask('EVALUATE_MODEL', await both(words, withOne(wanted, 9, NaN))),
      /y holds NaN in sample 4, element 1: expected finite numbers/,
    );
  }
});

test('a slice of many megabytes is looked at as well', async () => {
  const client = connectLocal();
  await client.ask('INIT_TRAINING', { inputShape: [1000], layers: [{ type: 'dense', units: 1 }] });
  const large = new Float32Array(2_000_000).fill(0.5);
  const few = new Float32Array(2000);
  assert.equal(
    (
      await client.ask('EVALUATE_MODEL', {
        x: await upload(client, large, [1e9]),
        y: few,
        batchSize: 500,
      })
    ).samples,
    2000,
  );
  for (const at of [0, 1_234_567, 1_999_999]) {
    for (const lengths of [[1e9], [7_000_001, 10, 10]]) {
      await assert.rejects(
        client.ask('EVALUATE_MODEL', {
          x: await upload(client, withOne(large, at, NaN), lengths),
          y: few,
        }),
        new RegExp(`x holds NaN in sample ${Math.floor(at / 1000)}, element ${at % 1000}:`),
      );
    }
  }
});

test('a run that is resumed knows its data again, however they were cut', async () => {
  const sampleWeight = Float32Array.from({ length: N }, (_, i) => 1 + (i % 3));
  const client = connectLocal();
  await client.ask('INIT_TRAINING', QUADRANTS);
  for (const classWeight of [undefined, { 0: 0.5, 1: 2 }]) {
    await client.ask('START_TRAINING', { x, y, sampleWeight, classWeight });
    let numEpochs = 1;
    for (const lengths of CUTS) {
      const again = async (/** @type {any} */ weights) => ({
        x: await upload(client, x, lengths),
        y: await upload(client, y, lengths),
        classWeight,
        sampleWeight: await upload(client, weights, lengths),
        numEpochs: ++numEpochs,
        resume: true,
      });
      assert.equal(
        (await client.ask('START_TRAINING', await again(sampleWeight))).epochs,
        numEpochs,
      );
      await assert.rejects(
        client.ask('START_TRAINING', await again(withOne(sampleWeight, N - 1, 1.25))),
        /not those that the run began with/,
      );
      numEpochs--;
    }
  }
});
