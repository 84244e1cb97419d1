/* doubts.test.js: data that are probably not what was meant train with a warning, once a run; data
 * that cannot be meant are refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOTH, everywhere, numbers, refused } from './api-setting.js';
import { withStrikes } from './recovery-setting.js';

/** A net that tells classes, of samples with so many numbers. */
const net = (width, classes, fields = {}) => ({
  inputShape: [width],
  layers: [{ type: 'dense', units: classes, activation: 'softmax' }],
  ...fields,
});
const pictures = (channels, fields = {}) => ({
  inputShape: [8, 8, channels],
  layers: [{ type: 'flatten' }, { type: 'dense', units: 2, activation: 'softmax' }],
  inputScale: 1 / 255,
  ...fields,
});

/** Numbers around 0, which nothing is to be said about. */
function noise(samples, width, seed = 1) {
  const next = numbers(seed);
  return Float32Array.from({ length: samples * width }, () => next() - 0.5);
}
const turns = (samples, classes) => Int32Array.from({ length: samples }, (_, i) => i % classes);

/** What a fit warns of: by code, the message. */
async function warned(trainer, x, y, options) {
  const told = [];
  const listen = ({ detail }) => told.push(detail);
  trainer.addEventListener('warning', listen);
  await trainer.fit(x, y, options);
  trainer.removeEventListener('warning', listen);
  const codes = told.map(({ code }) => code);
  assert.equal(new Set(codes).size, codes.length, `each once: ${codes}`);
  return Object.fromEntries(told.map(({ code, message }) => [code, message]));
}

everywhere('what is as it should be has no warning', BOTH, async (make) => {
  const trainer = await make(net(4, 3));
  const x = noise(60, 4);
  assert.deepEqual(await warned(trainer, x, turns(60, 3), { validationSplit: 0.2 }), {});
  const rows = Array.from({ length: 60 }, (_, i) => [0, 1, 2].map((k) => Number(k === i % 3)));
  assert.deepEqual(await warned(trainer, x, rows, { validationSplit: 0.2 }), {});
  assert.deepEqual(await warned(trainer, x.subarray(0, 8), turns(2, 3)), {}, 'few samples');
  const many = await make(net(4, 10));
  assert.deepEqual(await warned(many, noise(200, 4), turns(200, 10)), {}, 'ten of a tenth each');
});

everywhere('a class that has few samples', BOTH, async (make) => {
  const trainer = await make(net(4, 2, { labels: ['no', 'yes'] }));
  const x = noise(60, 4);
  const y = Int32Array.from({ length: 60 }, (_, i) => Number(i % 15 === 3));
  const rows = Array.from(y, (k) => [1 - k, k]);
  for (const given of [y, rows]) {
    const { IMBALANCED, ...others } = await warned(trainer, x, given, { epochs: 3 });
    assert.match(IMBALANCED, /class 'yes' has 4 of 60 samples.*classWeight/);
    assert.deepEqual(others, {});
  }
  assert.deepEqual(await warned(trainer, x, y, { classWeight: { yes: 10 } }), {});
  const unit = await make({
    inputShape: [4],
    layers: [{ type: 'dense', units: 1, activation: 'sigmoid' }],
  });
  const told = await warned(
    unit,
    x,
    Array.from(y, (k) => [1 - k]),
  );
  assert.match(told.IMBALANCED, /class 0 has 4 of 60/);
});

everywhere('validationSplit of sorted labels', BOTH, async (make) => {
  const trainer = await make(net(4, 3, { labels: ['left', 'right', 'up'] }));
  const x = noise(60, 4);
  const sorted = Int32Array.from({ length: 60 }, (_, i) => Math.floor(i / 20));
  const third = await warned(trainer, x, sorted, { validationSplit: 1 / 3 });
  assert.match(third.SORTED_LABELS, /class 'up' stands in no sample that is trained on/);
  const tenth = await warned(trainer, x, sorted, { validationSplit: 0.1 });
  assert.match(tenth.SORTED_LABELS, /sorted by class.*last 6 samples/);
  assert.deepEqual(await warned(trainer, x, sorted), {}, 'they are shuffled without it');
});

everywhere('numbers that nothing scales, and a scale that nothing uses', BOTH, async (make) => {
  const next = numbers(7);
  const bytes = Uint8Array.from({ length: 40 * 4 }, () => next() * 256);
  const y = turns(40, 2);
  const plain = await make(net(4, 2));
  assert.match(
    (await warned(plain, bytes, y)).UNSCALED,
    /numbers up to 25\d.*inputScale: 1 \/ 255/,
  );
  assert.match((await warned(plain, Float32Array.from(bytes), y)).UNSCALED, /normalization/);
  const normed = await make({
    ...net(4, 2),
    layers: [{ type: 'batchNormalization' }, ...net(4, 2).layers],
  });
  assert.deepEqual(await warned(normed, bytes, y), {});
  const scaled = await make(net(4, 2, { inputScale: 1 / 255 }));
  assert.deepEqual(await warned(scaled, bytes, y), {});
  const lists = Array.from({ length: 40 }, (_, i) => [...bytes.subarray(4 * i, 4 * i + 4)]);
  for (const x of [lists, Float32Array.from(bytes)]) {
    const { SCALE_UNUSED, ...others } = await warned(scaled, x, y);
    assert.match(SCALE_UNUSED, /inputScale is 0\.0039.*uint8 data only.*predict/);
    assert.deepEqual(others, {});
  }
  const indices = await make({
    inputShape: [4],
    inputScale: 1 / 255,
    layers: [
      { type: 'embedding', inputDim: 300, outputDim: 2 },
      { type: 'flatten' },
      { type: 'dense', units: 2, activation: 'softmax' },
    ],
  });
  assert.deepEqual(await warned(indices, Float32Array.from(bytes), y), {}, 'indices');
});

everywhere('a feature that never changes', BOTH, async (make) => {
  const trainer = await make(net(5, 2));
  for (const samples of [40, 50_000]) {
    const x = noise(samples, 5);
    for (let i = 0; i < samples; i++) x[5 * i + 3] = 1.5;
    const told = await warned(trainer, x, turns(samples, 2), { batchSize: 500 });
    assert.match(told.CONSTANT_FEATURE, /same number in every sample at element 3:/);
    x[5 * (samples - 2) + 3] = 1; // which the rows that are read first need not have
    assert.deepEqual(await warned(trainer, x, turns(samples, 2), { batchSize: 500 }), {});
  }
});

everywhere('features that are never anything but the background', BOTH, async (make) => {
  const trainer = await make(net(40, 2));
  const next = numbers(9);
  /* A word, or a bright point, stands in one of the first 30 places. */
  const x = new Float32Array(200 * 40);
  for (let i = 0; i < 200; i++) x[i * 40 + Math.floor(next() * 30)] = 1;
  assert.deepEqual(await warned(trainer, x, turns(200, 2)), {});
  const scaled = x.map((v) => (v - 0.13) / 0.31);
  assert.deepEqual(await warned(trainer, scaled, turns(200, 2)), {});
  for (let i = 0; i < 200; i++) x[i * 40 + 35] = 0.5;
  const { CONSTANT_FEATURE } = await warned(trainer, x, turns(200, 2));
  assert.match(CONSTANT_FEATURE, /at element 35:/);
});

everywhere('one unit whose targets are shares tells no classes', BOTH, async (make) => {
  const layers = [{ type: 'dense', units: 1, activation: 'sigmoid' }];
  const x = noise(60, 4);
  const y = Array.from({ length: 60 }, (_, i) => [i / 200]);
  for (const loss of ['meanSquaredError', 'binaryCrossentropy']) {
    const trainer = await make({ inputShape: [4], layers, loss });
    assert.deepEqual(await warned(trainer, x, y, { validationSplit: 0.1 }), {});
  }
});

/** Pixels of a canvas of 8 x 8: a red stroke on nothing; of `pale` pixels alpha is between. */
function canvas(pale = 0) {
  const pixels = new Uint8ClampedArray(8 * 8 * 4);
  for (let i = 0; i < 30; i++) pixels.set([200, 40, 10, i < pale ? 128 : 255], 4 * (i + 9));
  return pixels;
}

everywhere('pixels of a canvas are not four pictures', BOTH, async (make) => {
  const grey = await make(pictures(1));
  const rgb = await make(pictures(3));
  const rgba = await make(pictures(4));
  const flat = await make({ ...pictures(1), inputShape: [8, 8] });
  const words = /x is pixels of a canvas, in red, green, blue and alpha, expected 1 of these/;
  for (const x of [canvas(), new Uint8Array(canvas()), [...canvas()]]) {
    await refused(grey.predict(x), 'INVALID_DATA', words);
    await refused(flat.predict(x), 'INVALID_DATA', words);
    await refused(grey.fit(x, [0]), 'INVALID_DATA', words);
    await refused(grey.evaluate(x, [0]), 'INVALID_DATA', words);
  }
  const three = new Uint8Array(3 * canvas().length);
  for (let i = 0; i < 3; i++) three.set(canvas(), i * canvas().length);
  await refused(rgb.predict(three), 'INVALID_DATA', /expected 3 of these 4 numbers a pixel/);
  await rgba.predict(canvas());
  const { LIKELY_RGBA } = await warned(grey, canvas(2), [0, 1, 0, 1]);
  assert.match(LIKELY_RGBA, /looks like pixels of a canvas.*4 samples/);
  const next = numbers(3);
  const four = Uint8Array.from({ length: 4 * 64 }, () => (next() < 0.5 ? 0 : 255));
  assert.deepEqual(await warned(grey, four, [0, 1, 0, 1]), {}, 'black and white');
  assert.deepEqual(await warned(grey, new Uint8Array(256).fill(255), [0, 1, 0, 1]), {}, 'white');
  const wide = await make({ ...pictures(1), inputShape: [64, 64, 1] });
  const shapes = new Uint8Array(4 * 64 * 64);
  for (let row = 0; row < 4 * 64; row++) {
    shapes.fill(255, 64 * row + 3 + (row % 2), 64 * row + 55 + (row % 5));
  }
  assert.deepEqual(await warned(wide, shapes, [0, 1, 0, 1]), {}, 'shapes in black and white');
});

everywhere('targets that a binary cross-entropy cannot have', BOTH, async (make) => {
  const words = /y holds 4 in sample 1, element 0: expected numbers from 0 to 1.*meanSquaredError/;
  const x = [[1], [2], [3]];
  for (const loss of ['binaryCrossentropy', 'binaryFocalCrossentropy', undefined]) {
    const layers = [{ type: 'dense', units: 1, activation: 'sigmoid' }];
    const trainer = await make({ inputShape: [1], layers, loss });
    await refused(trainer.fit(x, [[1], [4], [6]]), 'INVALID_DATA', words);
    await refused(trainer.evaluate(x, [[1], [4], [6]]), 'INVALID_DATA', words);
    await refused(trainer.fit(x, [[1], [0.5], [-1e-3]]), 'INVALID_DATA', /sample 2/);
    await trainer.fit(x, [[1], [0.5], [0]]);
    const large = new Float32Array(200_000);
    large[199_999] = 1.01;
    await refused(trainer.fit(large.slice(), large), 'INVALID_DATA', /1\.0\d* in sample 199999/);
  }
  const two = await make({
    inputShape: [1],
    layers: [
      { type: 'dense', units: 1, name: 'size', input: 'input' },
      { type: 'dense', units: 2, name: 'kind', input: 'input', activation: 'sigmoid' },
    ],
    outputs: ['size', 'kind'],
  });
  const y = (a, b) => ({
    outputs: {
      size: [[a], [a]],
      kind: [
        [0, b],
        [0, 0],
      ],
    },
  });
  await two.fit([[1], [2]], y(7, 1));
  await refused(
    two.fit([[1], [2]], y(7, 2)),
    'INVALID_DATA',
    /y\.outputs\.kind holds 2 in sample 0/,
  );
});

test('a run whose worker is lost at once says nothing twice', async () => {
  const { createTrainer } = await import('../../web/index.js');
  await withStrikes([{ at: 'TRAINING_PROGRESS', how: 'exit' }], async (workers) => {
    const trainer = await createTrainer(net(4, 2), { mode: 'worker', restart: { delay: 0 } });
    const x = noise(400, 4).map((v) => v * 1000);
    const options = { epochs: 5, progressHz: 1000 };
    assert.ok((await warned(trainer, x, turns(400, 2), options)).UNSCALED);
    assert.equal(workers.length, 2, 'another took its place');
    const starts = workers.map(({ posted }) =>
      posted.find(({ type }) => type === 'START_TRAINING'),
    );
    assert.ok(
      starts.every(({ payload }) => !payload.resume),
      'both looked at the data',
    );
    assert.ok((await warned(trainer, x, turns(400, 2))).UNSCALED, 'a new run tells again');
    await trainer.dispose();
  });
});

test('a run that is resumed says nothing twice', async () => {
  const { createTrainer } = await import('../../web/index.js');
  const trainer = await createTrainer(net(4, 2), { mode: 'main' });
  const x = noise(40, 4).map((v) => v * 1000);
  assert.ok((await warned(trainer, x, turns(40, 2))).UNSCALED);
  assert.deepEqual(await warned(trainer, x, turns(40, 2), { resume: true, epochs: 3 }), {});
  await trainer.dispose();
});

everywhere('data that are no numbers are called what they are', BOTH, async (make) => {
  const trainer = await make(net(3, 2, { labels: ['a', 'b'] }));
  const said = (x, words) => refused(trainer.predict(x), 'INVALID_DATA', words);
  const rows = [1, 2, 3, 4, 5, 6].map((r) => ({ r, g: 0, b: 0 }));
  await said(rows, /^x\[0\] is \{ r, g, b \}, expected a number/);
  await refused(trainer.fit(rows, Array(6).fill('a')), 'INVALID_DATA', /^x\[0\] is \{ r, g, b \}/);
  await said([rows], /^x\[0\]\[0\] is \{ r, g, b \}/);
  await said([new Map()], /^x\[0\] is a Map/);
  class Tensor {
    kept = false;
    shape = [1, 3];
    dataSync() {}
  }
  await said(new Tensor(), /^x is a tensor, expected its numbers: x\.dataSync\(\)/);
  class ImageData {
    get data() {
      return new Uint8ClampedArray(4);
    }
    get [Symbol.toStringTag]() {
      return 'ImageData';
    }
  }
  await said(new ImageData(), /^x is an ImageData, expected its numbers: x\.data/);
  await said([new ImageData()], /^x\[0\] is an ImageData/);
});
