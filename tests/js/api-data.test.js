/* api-data.test.js: every form of x and y that the contract allows means the same data, large data
 * reach the session in slices, and arrays are detached only where that was asked for. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { createTrainer } from '../../web/index.js';
import {
  BOTH,
  barSpec,
  bars,
  bitsOf,
  cloudSpec,
  clouds,
  everywhere,
  numbers,
  refused,
} from './api-setting.js';

const SAMPLES = 24;

/** Trains afresh on data and gives the weights' bits. */
async function trained(make, spec, x, y, options) {
  const trainer = await make(spec);
  await trainer.fit(x, y, { epochs: 2, batchSize: 8, ...options });
  const bits = bitsOf(await trainer.getWeights());
  await trainer.dispose();
  return bits;
}

everywhere('forms of x', BOTH, async (make) => {
  const { x, y } = clouds(SAMPLES);
  const expected = await trained(make, cloudSpec(), x, y);
  const rows = Array.from({ length: SAMPLES }, (_, i) => [...x.subarray(6 * i, 6 * i + 6)]);
  const wide = new Float32Array(x.length + 10);
  wide.set(x, 5);
  const shared = new Float32Array(new SharedArrayBuffer(x.byteLength));
  shared.set(x);
  const forms = {
    doubles: Float64Array.from(x),
    'nested arrays': rows,
    'an array of typed arrays': rows.map((row) => Float32Array.from(row)),
    'data with a shape': { data: x, shape: [SAMPLES, 6] },
    'plain data with a shape': { data: [...x], shape: [SAMPLES, 6] },
    'a part of a larger buffer': wide.subarray(5, 5 + x.length),
    'shared memory': shared,
  };
  for (const [form, given] of Object.entries(forms))
    assert.deepEqual(await trained(make, cloudSpec(), given, y), expected, form);
});

everywhere('forms of x that are bytes', BOTH, async (make) => {
  const { x, y } = bars(SAMPLES);
  const expected = await trained(make, barSpec(), x, y);
  assert.deepEqual(await trained(make, barSpec(), Uint8ClampedArray.from(x), y), expected);
  assert.deepEqual(
    await trained(make, barSpec(), { data: Buffer.from(x), shape: [SAMPLES, 8, 8, 1] }, y),
    expected,
  );
  assert.deepEqual(
    await trained(
      make,
      barSpec(),
      Array.from({ length: SAMPLES }, (_, i) => x.slice(64 * i, 64 * i + 64)),
      y,
    ),
    expected,
  );
  const scaled = Float32Array.from(x, (v) => Math.fround(v * Math.fround(1 / 255)));
  const floats = await trained(make, barSpec(), scaled, y);
  assert.equal(floats.length, expected.length, 'floats are not scaled, and train as well');
});

everywhere('forms of y', BOTH, async (make) => {
  const { x, y } = clouds(SAMPLES);
  const expected = await trained(make, cloudSpec(), x, y);
  const names = ['red', 'green', 'blue'];
  for (const form of [
    Uint8Array.from(y),
    Int8Array.from(y),
    Uint32Array.from(y),
    [...y],
    Array.from(y, (k) => names[k]),
  ]) {
    assert.deepEqual(await trained(make, cloudSpec(), x, form), expected);
  }
  const onehot = Array.from(y, (k) => [0, 1, 2].map((j) => (j === k ? 1 : 0)));
  const nested = await trained(make, cloudSpec(), x, onehot);
  assert.deepEqual(await trained(make, cloudSpec(), x, Float32Array.from(onehot.flat())), nested);
  assert.deepEqual(nested, expected, 'an index is its one-hot row');
});

everywhere('one sample and many', BOTH, async (make) => {
  const { x } = bars(3);
  const trainer = await make(barSpec());
  const all = await trainer.predict(x);
  assert.equal(all.output.length, 9);
  assert.equal(all.label.length, 3);
  const first = x.slice(0, 64);
  const picture = Array.from({ length: 8 }, (_, row) =>
    Array.from(first.subarray(8 * row, 8 * row + 8), (v) => [v]),
  );
  const single = [first, { data: first, shape: [8, 8, 1] }];
  for (const form of single) {
    const { output, index, label, confidence } = await trainer.predict(form);
    assert.deepEqual([...output], [...all.output.subarray(0, 3)]);
    assert.deepEqual(
      [typeof index, typeof label, typeof confidence],
      ['number', 'string', 'number'],
    );
    assert.equal(label, String(index));
  }
  const many = [{ data: first, shape: [1, 8, 8, 1] }, [first]];
  for (const form of many) {
    const { output, index, label, confidence } = await trainer.predict(form);
    assert.deepEqual([...output], [...all.output.subarray(0, 3)]);
    assert.ok(
      index instanceof Int32Array && confidence instanceof Float32Array && Array.isArray(label),
    );
    assert.deepEqual([index.length, label.length, confidence.length], [1, 1, 1]);
  }
  // Nested numbers are float32, which no scale applies to
  const asFloats = await trainer.predict(picture);
  assert.deepEqual(asFloats, await trainer.predict(Float32Array.from(first)));
  assert.equal((await trainer.predict([picture])).index.length, 1);
});

/** 4,000 samples of 200 numbers: more than three slices as float32, one as bytes. */
function large() {
  const next = numbers(9);
  const bytes = Uint8Array.from({ length: 4000 * 200 }, () => Math.floor(256 * next()));
  const y = Uint8Array.from({ length: 4000 }, (_, i) => (bytes[200 * i] > 127 ? 1 : 0));
  return { bytes, floats: Float32Array.from(bytes, (v) => v / 255), y };
}
const largeSpec = () => ({
  inputShape: [200],
  layers: [{ type: 'dense', units: 2, activation: 'softmax' }],
  inputScale: 1 / 255,
});

everywhere('large data in every form', BOTH, async (make) => {
  const { bytes, floats, y } = large();
  const options = { epochs: 1, batchSize: 100 };
  const expected = await trained(make, largeSpec(), floats, y, options);
  const nested = Array.from({ length: 4000 }, (_, i) => [
    ...floats.subarray(200 * i, 200 * i + 200),
  ]);
  assert.deepEqual(await trained(make, largeSpec(), nested, y, options), expected);
  assert.deepEqual(
    await trained(make, largeSpec(), Float64Array.from(floats), y, options),
    expected,
  );
  assert.deepEqual(
    await trained(make, largeSpec(), floats.slice(), y.slice(), { ...options, transfer: true }),
    expected,
  );
  const asBytes = await trained(make, largeSpec(), bytes, y, options);
  const rows = Array.from({ length: 4000 }, (_, i) => bytes.slice(200 * i, 200 * i + 200));
  assert.deepEqual(await trained(make, largeSpec(), rows, y, options), asBytes);

  const trainer = await make(largeSpec());
  const whole = await trainer.predict(floats);
  assert.equal(whole.output.length, 8000);
  const part = await trainer.predict(floats.subarray(200 * 3990));
  assert.deepEqual([...part.output], [...whole.output.subarray(2 * 3990)]);
  assert.deepEqual(await trainer.predict(nested), whole);
  const { accuracy } = await trainer.evaluate(nested, y);
  assert.equal(accuracy, [...whole.index].filter((k, i) => k === y[i]).length / 4000);

  for (const [at, bad, message] of [
    [0, [1, 2], /x\[0\]|shape/],
    [3999, [1, 2], /x\[/],
    [2000, 'x', /x\[/],
    [3000, rows[0], /x|form/],
  ]) {
    const broken = [...nested];
    broken[at] = bad;
    await refused(trainer.predict(broken), 'INVALID_DATA', message);
    await refused(trainer.fit(broken, y), 'INVALID_DATA', message);
  }
  const withNaN = floats.slice();
  withNaN[200 * 1234] = NaN;
  await refused(trainer.fit(withNaN, y), 'INVALID_DATA', /NaN.*1234/);
  assert.equal((await trainer.fit(floats, y)).reason, 'finished');
});

everywhere('a run can be steered while its data are on their way', BOTH, async (make) => {
  const { floats, y } = large();
  const trainer = await make(largeSpec());
  const cancelled = trainer.fit(floats, y, { epochs: 1e6 });
  assert.equal(trainer.status().state, 'training');
  await cancelled.stop();
  const { reason, epochs, history, steps } = await cancelled;
  assert.deepEqual([reason, epochs, history, steps], ['stopped', 0, [], 0]);
  const paused = trainer.fit(floats, y, { epochs: 1e6 });
  await paused.pause();
  assert.equal(trainer.status().state, 'paused');
  await paused.stop();
  assert.equal((await paused).reason, 'stopped');
  assert.equal((await trainer.fit(floats, y)).reason, 'finished');
});

everywhere('arrays are detached with transfer only', BOTH, async (make) => {
  const trainer = await make(largeSpec());
  const small = () => ({ floats: large().floats.slice(0, 2000), y: large().y.slice(0, 10) });
  for (const data of [large, small]) {
    for (const transfer of [false, true]) {
      const { floats, y } = data();
      const [lengthX, lengthY] = [floats.length, y.length];
      await trainer.fit(floats, y, { transfer });
      assert.equal(floats.length, transfer ? 0 : lengthX);
      assert.equal(y.length, transfer ? 0 : lengthY);
    }
  }
  const { floats } = small();
  const rows = new Float32Array(floats.buffer, 0, 20);
  await trainer.evaluate(floats, rows, { transfer: true }); // both in one buffer
  assert.equal(floats.length, 0);
  await refused(trainer.fit(floats, rows, { transfer: true }), 'INVALID_DATA');
  const shared = new Float32Array(new SharedArrayBuffer(8000));
  await refused(
    trainer.fit(shared, new Uint8Array(10), { transfer: true }),
    'INVALID_DATA',
    /shared/,
  );
  const ofWasm = new Float32Array(new WebAssembly.Memory({ initial: 1 }).buffer, 0, 2000);
  await refused(
    trainer.fit(ofWasm, new Uint8Array(10), { transfer: true }),
    'INVALID_DATA',
    /handed over/,
  );
  const both = large().floats;
  const same = await make({ inputShape: [200], layers: [{ type: 'dense', units: 200 }] });
  await same.fit(both, both, { transfer: true });
  assert.equal(both.length, 0);
});

test('a spec may be a proxy, as frameworks make them, and so may weights', async () => {
  const reactive = (value) =>
    typeof value !== 'object' || value === null || ArrayBuffer.isView(value)
      ? value
      : new Proxy(value, { get: (target, name) => reactive(target[name]) });
  const trainer = await createTrainer(reactive(cloudSpec()), { mode: 'worker' });
  assert.deepEqual(trainer.info.labels, ['red', 'green', 'blue']);
  const weights = await trainer.getWeights();
  const lists = weights.map(({ name, shape, data }) => ({
    name,
    shape,
    data: Array.from(data, (value) => value / 2),
  }));
  for (const given of [lists, weights]) {
    await trainer.setWeights(reactive(given));
    assert.deepEqual(
      await trainer.getWeights(),
      given.map(({ name, shape, data }) => ({
        name,
        shape,
        trainable: true,
        data: Float32Array.from(data),
      })),
    );
  }
  await trainer.dispose();
});
