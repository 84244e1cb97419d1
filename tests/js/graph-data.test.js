/* graph-data.test.js: data, predictions and runs of networks with several inputs and outputs,
 * through the API: the forms that data come in, what is told of each output, weights of samples and
 * classes, and bits: of places and of runs that were interrupted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createTrainer, loadTrainer } from '../../web/index.js';
import { cut, twoByTwo, twoByTwoData } from './graph-setting.js';
import { bitsOf, connectLocal } from './session-client.js';

const N = 40;
const DATA = twoByTwoData(N);
const {
  x: {
    inputs: { picture, size },
  },
  y: {
    outputs: { kind, price },
  },
} = DATA;
const FIT = { epochs: 3, batchSize: 8, validationSplit: 0.2 };

/** @param {any} [options] @param {any} [spec] */
const trainerOf = (options, spec) => createTrainer(twoByTwo(spec), { mode: 'main', ...options });

/** @param {Promise<any> | any} promise @param {string} code @param {RegExp} message */
const refused = (promise, code, message) =>
  assert.rejects(Promise.resolve(promise), (/** @type {any} */ error) => {
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });

const rows = (/** @type {ArrayLike<number>} */ flat, /** @type {number} */ width) =>
  Array.from({ length: flat.length / width }, (_, i) =>
    Array.from({ length: width }, (__, k) => flat[i * width + k]),
  );

test('every form of the data gives the same', async () => {
  const trainer = await trainerOf();
  const wanted = await trainer.evaluate(DATA.x, DATA.y);
  const names = Array.from(kind, (index) => ['cup', 'hat', 'key'][index]);
  const oneHot = Float32Array.from({ length: 3 * N }, (_, i) =>
    Number(kind[Math.floor(i / 3)] === i % 3),
  );
  const xs = [
    { picture: rows(picture, 16), size: rows(size, 3) },
    {
      picture: { data: picture, shape: [N, 4, 4, 1] },
      size: { data: Array.from(size), shape: [N, 3] },
    },
    {
      size: Float64Array.from(size),
      picture: rows(picture, 16).map((image) =>
        rows(image, 4).map((line) => line.map((value) => [value])),
      ),
    },
  ];
  const ys = [
    { kind: names, price: rows(price, 2) },
    { kind: oneHot, price },
    { kind: rows(oneHot, 3), price: { data: price, shape: [N, 2] } },
    { price, kind: new Uint8Array(kind) },
  ];
  for (const inputs of xs) assert.deepEqual(await trainer.evaluate({ inputs }, DATA.y), wanted);
  for (const outputs of ys) {
    const { loss, outputs: each } = await trainer.evaluate(DATA.x, { outputs });
    assert.ok(Math.abs(loss - wanted.loss) < 1e-6);
    assert.equal(each?.kind.accuracy, wanted.outputs?.kind.accuracy);
  }
  await trainer.dispose();
});

test('a model with one input and output takes them by name too', async () => {
  const trainer = await createTrainer(
    { inputShape: [2], layers: [{ type: 'dense', units: 2, activation: 'softmax' }] },
    { mode: 'main' },
  );
  const [x, y] = [
    [
      [1, 2],
      [3, 4],
    ],
    [0, 1],
  ];
  const wanted = await trainer.evaluate(x, y);
  assert.deepEqual(
    await trainer.evaluate({ inputs: { input: x } }, { outputs: { dense: y } }),
    wanted,
  );
  assert.equal(wanted.outputs, undefined);
  assert.deepEqual(
    await trainer.predict({ inputs: { input: [1, 2] } }),
    await trainer.predict([1, 2]),
  );
  await trainer.dispose();
});

test('bytes stay bytes where all are; beside floats they are scaled as the core scales them', async () => {
  const spec = {
    inputShape: { a: [3], b: [2] },
    inputScale: 1 / 255,
    inputOffset: -0.5,
    outputs: ['concatenate'],
    layers: [{ type: 'concatenate', input: ['a', 'b'] }],
  };
  const trainer = await createTrainer(spec, { mode: 'main' });
  const a = Uint8Array.from({ length: 3 * 86 }, (_, i) => i);
  const b = Uint8Array.from({ length: 2 * 86 }, (_, i) => 3 * i);
  const bytes = await trainer.predict({ inputs: { a, b } });
  const mixed = await trainer.predict({ inputs: { a, b: Float32Array.from(b) } });
  for (let i = 0; i < 86; i++) {
    assert.deepEqual(mixed.output.slice(5 * i, 5 * i + 3), bytes.output.slice(5 * i, 5 * i + 3));
    assert.deepEqual([...mixed.output.slice(5 * i + 3, 5 * i + 5)], [...b.slice(2 * i, 2 * i + 2)]);
  }
  await trainer.dispose();
});

test('predictions: of one sample, of one with an axis of samples, of many', async () => {
  const trainer = await trainerOf();
  const many = await trainer.predict(DATA.x);
  assert.deepEqual(Object.keys(many), ['outputs', 'step']);
  const { kind: kinds, price: prices } = many.outputs;
  assert.deepEqual(
    [kinds.output.length, kinds.index.length, kinds.label.length, prices.output.length],
    [3 * N, N, N, 2 * N],
  );
  assert.equal('index' in prices, false);
  for (const i of [0, 17]) {
    const one = await trainer.predict(cut(DATA, i, i + 1).x);
    assert.deepEqual(one.outputs.kind, {
      output: kinds.output.slice(3 * i, 3 * i + 3),
      index: kinds.index[i],
      label: kinds.label[i],
      confidence: kinds.confidence[i],
    });
    assert.deepEqual(one.outputs.price.output, prices.output.slice(2 * i, 2 * i + 2));
  }
  const { inputs } = cut(DATA, 3, 4).x;
  const few = await trainer.predict({
    inputs: { picture: { data: inputs.picture, shape: [1, 4, 4, 1] }, size: inputs.size },
  });
  assert.deepEqual(
    [...few.outputs.kind.index],
    [kinds.index[3]],
    'an axis of samples in one input is one in all',
  );
  await trainer.dispose();
});

test('each output is measured, in records, results and checkpoints', async () => {
  const trainer = await trainerOf();
  const records = [];
  const run = trainer.fit(DATA.x, DATA.y, FIT);
  for await (const record of run) records.push(record);
  const { history } = await run;
  assert.deepEqual(trainer.history, history);
  for (const [i, { epoch, loss, valLoss, outputs, ...rest }] of history.entries()) {
    assert.deepEqual([epoch, rest], [i + 1, { learningRate: 0.01 }]);
    assert.deepEqual(Object.keys(outputs.kind).sort(), [
      'accuracy',
      'loss',
      'valAccuracy',
      'valLoss',
    ]);
    assert.deepEqual(Object.keys(outputs.price).sort(), ['loss', 'valLoss']);
    assert.ok(
      loss > outputs.kind.loss + 0.25 * outputs.price.loss && valLoss > outputs.kind.valLoss,
      'and the penalty',
    );
    const record = records.find((each) => each.kind === 'epoch' && each.epoch === epoch);
    assert.deepEqual(record?.outputs, outputs);
  }
  const told = await trainer.evaluate(DATA.x, DATA.y);
  assert.deepEqual(Object.keys(told).sort(), ['loss', 'outputs', 'samples', 'step']);
  const other = await loadTrainer(await trainer.save(), { mode: 'main' });
  assert.deepEqual(other.history, history);
  assert.deepEqual(other.runs, trainer.runs);
  assert.deepEqual(await other.evaluate(DATA.x, DATA.y), told);
  const { startupMs, memoryBytes, stepBytes, liveBytes, ...info } = trainer.info;
  assert.ok(
    stepBytes >= liveBytes && stepBytes <= 1.1 * liveBytes,
    `${stepBytes} bytes, ${liveBytes} in use`,
  );
  const { startupMs: _, memoryBytes: __, stepBytes: ___, liveBytes: ____, ...same } = other.info;
  assert.deepEqual(same, info);
  await Promise.all([trainer.dispose(), other.dispose()]);
});

test('a worker, this thread, large data in slices and small ones inline: the same bits', async () => {
  const large = twoByTwoData(6000); // 114,000 numbers of x
  const fit = { epochs: 1, batchSize: 100, validationSplit: 0.1 };
  /** @type {string[]} */
  const bits = [];
  for (const mode of ['worker', 'main']) {
    const trainer = await trainerOf({ mode });
    await trainer.fit(large.x, large.y, fit);
    bits.push(bitsOf({ weights: await trainer.getWeights() }));
    const lists = {
      inputs: { picture: rows(large.x.inputs.picture, 16), size: Array.from(large.x.inputs.size) },
    };
    const { loss } = await trainer.evaluate(lists, large.y);
    assert.equal(loss, (await trainer.evaluate(large.x, large.y)).loss);
    await trainer.dispose();
  }
  assert.equal(bits[0], bits[1]);
});

test('data are handed over, and are gone', async () => {
  const trainer = await trainerOf({ mode: 'worker' });
  const { x, y } = twoByTwoData(6000);
  await trainer.evaluate(x, y, { transfer: true });
  for (const array of [...Object.values(x.inputs), ...Object.values(y.outputs)])
    assert.equal(array.byteLength, 0);
  await trainer.dispose();
});

test('a run that is interrupted goes on to the same bits, from any step', async () => {
  const weighted = {
    ...FIT,
    sampleWeight: Float32Array.from({ length: N }, (_, i) => (i % 4) / 2),
  };
  const calm = await trainerOf();
  const { history } = await calm.fit(DATA.x, DATA.y, weighted);
  const bits = bitsOf({ weights: await calm.getWeights() });
  for (const stop of [1, 4, 6]) {
    const trainer = await trainerOf();
    const run = trainer.fit(DATA.x, DATA.y, { ...weighted, progressHz: 1000 });
    run.addEventListener('progress', ({ detail }) => void (detail.step >= stop && run.stop()));
    await run;
    const other = await loadTrainer(await trainer.save(), { mode: 'main' });
    const resumed = await other.fit(DATA.x, DATA.y, { ...weighted, resume: true });
    assert.deepEqual(resumed.history, history);
    assert.equal(bitsOf({ weights: await other.getWeights() }), bits);
    await refused(
      other.fit(DATA.x, DATA.y, { ...FIT, resume: true, epochs: 4 }),
      'INVALID_DATA',
      /not those that the run began with/,
    );
    await Promise.all([trainer.dispose(), other.dispose()]);
  }
  await calm.dispose();
});

const CLASSES = {
  inputShape: [2],
  layers: [{ type: 'dense', units: 3, activation: 'softmax' }],
  labels: ['a', 'b', 'c'],
  seed: 2,
};
const POINTS = Float32Array.from({ length: 2 * 12 }, (_, i) => Math.sin(3 * i));
const INDICES = Int32Array.from({ length: 12 }, (_, i) => i % 3);

/** @param {any} options @param {any} [y] */
async function fitted(options, y = INDICES) {
  const trainer = await createTrainer(CLASSES, { mode: 'main' });
  const { history } = await trainer.fit(POINTS, y, { epochs: 2, batchSize: 5, ...options });
  const bits = bitsOf({ weights: await trainer.getWeights() });
  await trainer.dispose();
  return { history, bits };
}

test('weights of classes are weights of their samples, times those', async () => {
  const own = Float32Array.from({ length: 12 }, (_, i) => 1 + (i % 2));
  const both = own.map((weight, i) => weight * [1, 0.5, 3][i % 3]);
  const wanted = await fitted({ sampleWeight: both });
  assert.notEqual(wanted.bits, (await fitted({})).bits);
  const oneHot = Float32Array.from({ length: 36 }, (_, i) =>
    Number(i % 3 === INDICES[Math.floor(i / 3)]),
  );
  assert.deepEqual(await fitted({ sampleWeight: own, classWeight: { b: 0.5, c: 3 } }), wanted);
  assert.deepEqual(await fitted({ sampleWeight: [...own], classWeight: { 1: 0.5, 2: 3 } }), wanted);
  const [a, b] = [
    await fitted({ classWeight: { b: 0.5 } }, oneHot),
    await fitted({ classWeight: { b: 0.5 } }),
  ];
  assert.ok(Math.abs(a.history[1].loss - b.history[1].loss) < 1e-6);
});

test('classes weigh nothing in validation, samples do', async () => {
  const options = { validationSplit: 0.5, epochs: 1 };
  const [plain, classes, samples] = await Promise.all(
    [{}, { classWeight: { a: 0, b: 0, c: 0 } }, { sampleWeight: new Float32Array(12).fill(2) }].map(
      (more) => fitted({ ...options, ...more }),
    ),
  );
  assert.equal(classes.history[0].loss, 0);
  assert.ok(classes.history[0].valLoss > 0.1);
  assert.ok(Math.abs(samples.history[0].loss - 2 * plain.history[0].loss) < 1, 'in training too');
});

/**
 * What is wrong, x, y, options of fit, code, message.
 * @type {[string, any, any, any, string, RegExp][]}
 */
const BAD = [
  [
    'no names',
    picture,
    DATA.y,
    {},
    'INVALID_DATA',
    /x is Float32Array.*, expected \{ inputs: \{ picture, size \} \}/,
  ],
  [
    'an input that is missing',
    { inputs: { picture } },
    DATA.y,
    {},
    'INVALID_DATA',
    /x.inputs.size is missing/,
  ],
  [
    'one too many',
    { inputs: { picture, size, weight: size } },
    DATA.y,
    {},
    'INVALID_DATA',
    /x.inputs: unknown field 'weight', expected one of 'picture', 'size'/,
  ],
  ['inputs that are none', { inputs: 5 }, DATA.y, {}, 'INVALID_DATA', /x.inputs is 5/],
  [
    'a field beside',
    { inputs: DATA.x.inputs, more: 1 },
    DATA.y,
    {},
    'INVALID_DATA',
    /x: unknown field 'more'/,
  ],
  [
    'fewer samples',
    { inputs: { picture, size: size.slice(3) } },
    DATA.y,
    {},
    'INVALID_DATA',
    /x.inputs.size has 39 samples, expected 40 as x.inputs.picture has/,
  ],
  [
    'a shape',
    { inputs: { picture, size: size.slice(1) } },
    DATA.y,
    {},
    'INVALID_DATA',
    /x.inputs.size has 119 elements, expected a multiple of 3/,
  ],
  [
    'NaN',
    { inputs: { picture, size: size.map((value, i) => (i === 7 ? NaN : value)) } },
    DATA.y,
    {},
    'INVALID_DATA',
    /x.inputs.size holds NaN in sample 2, element 1/,
  ],
  [
    'targets without names',
    DATA.x,
    kind,
    {},
    'INVALID_DATA',
    /y is Int32Array.*, expected \{ outputs: \{ kind, price \} \}/,
  ],
  [
    'an output that is missing',
    DATA.x,
    { outputs: { kind } },
    {},
    'INVALID_DATA',
    /y.outputs.price is missing/,
  ],
  [
    'a class that is not',
    DATA.x,
    { outputs: { kind: kind.map((k, i) => (i === 5 ? 3 : k)), price } },
    {},
    'INVALID_DATA',
    /y.outputs.kind: the class index of sample 5 is 3, expected an integer from 0 to 2/,
  ],
  [
    'a label that is not',
    DATA.x,
    { outputs: { kind: Array(N).fill('cap'), price } },
    {},
    'INVALID_DATA',
    /y.outputs.kind\[0\] is 'cap', expected one of the labels 'cup', 'hat', 'key'/,
  ],
  [
    'infinity',
    DATA.x,
    { outputs: { kind, price: price.map((p, i) => (i === 9 ? Infinity : p)) } },
    {},
    'INVALID_DATA',
    /y.outputs.price holds Infinity in sample 4, element 1/,
  ],
  [
    'too few weights',
    DATA.x,
    DATA.y,
    { sampleWeight: [1, 2] },
    'INVALID_DATA',
    /sampleWeight has 2 elements, expected a number for each of 40 samples/,
  ],
  [
    'weights below 0',
    DATA.x,
    DATA.y,
    { sampleWeight: new Float32Array(N).fill(-1) },
    'INVALID_DATA',
    /sampleWeight is -1 for sample 0/,
  ],
  [
    'weights that are not finite',
    DATA.x,
    DATA.y,
    { sampleWeight: new Float64Array(N).fill(1e300) },
    'INVALID_DATA',
    /sampleWeight is Infinity for sample 0/,
  ],
  [
    'words for weights',
    DATA.x,
    DATA.y,
    { sampleWeight: Array(N).fill('much') },
    'INVALID_DATA',
    /sampleWeight has strings/,
  ],
  [
    'classes of several outputs',
    DATA.x,
    DATA.y,
    { classWeight: { cup: 2 } },
    'INVALID_OPTION',
    /classWeight is given, but the model has 2 outputs/,
  ],
];

for (const mode of ['main', 'worker']) {
  test(`bad data are refused by name (${mode})`, async () => {
    const trainer = await trainerOf({ mode });
    for (const [what, x, y, options, code, message] of BAD) {
      await refused(trainer.fit(x, y, options), code, message).catch((error) =>
        assert.fail(`${what}: ${error.message}`),
      );
    }
    assert.equal((await trainer.fit(DATA.x, DATA.y)).reason, 'finished');
    await trainer.dispose();
  });
}

test('weights of classes that are not', async () => {
  const trainer = await createTrainer(CLASSES, { mode: 'main' });
  await refused(
    trainer.fit(POINTS, INDICES, { classWeight: { d: 1 } }),
    'INVALID_OPTION',
    /classWeight: unknown field 'd', expected one of 'a', 'b', 'c'/,
  );
  await refused(
    trainer.fit(POINTS, INDICES, { classWeight: { a: -1 } }),
    'INVALID_OPTION',
    /classWeight.a is -1/,
  );
  await refused(
    trainer.fit(POINTS, INDICES, { classWeight: [1] }),
    'INVALID_OPTION',
    /classWeight is \[1\]/,
  );
  await trainer.dispose();
  const line = await createTrainer(
    { inputShape: [2], layers: [{ type: 'dense', units: 1 }] },
    { mode: 'main' },
  );
  await refused(
    line.fit(POINTS, new Float32Array(12), { classWeight: { 0: 1 } }),
    'INVALID_OPTION',
    /a sample has no one class/,
  );
  await line.dispose();
});

test('an index that an embedding has no row for is refused, in bytes and in floats', async () => {
  const trainer = await createTrainer(
    {
      inputShape: { words: [3], more: [1] },
      layers: [
        { type: 'embedding', input: 'words', inputDim: 5, outputDim: 2 },
        { type: 'flatten' },
        { type: 'concatenate', input: ['flatten', 'more'] },
        { type: 'dense', units: 1 },
      ],
    },
    { mode: 'main' },
  );
  const message =
    /x.inputs.words holds 7 in sample 1, element 2: expected an index from 0 to 4, which an embedding reads/;
  for (const words of [Uint8Array, Float32Array, Int32Array].map((Type) =>
    Type.from([0, 1, 2, 3, 4, 7]),
  )) {
    for (const more of [Uint8Array.of(9, 9), Float32Array.of(9, 9)])
      await refused(trainer.predict({ inputs: { words, more } }), 'INVALID_DATA', message);
  }
  const half = { words: [[0, 1, 0.5]], more: [[1]] };
  await refused(
    trainer.predict({ inputs: half }),
    'INVALID_DATA',
    /x.inputs.words holds 0.5 in sample 0, element 2: expected an index/,
  );
  await trainer.dispose();
});

test('over the wire: rows of uploads, with the outputs that are given in class indices', async () => {
  const client = connectLocal();
  await client.ask('INIT_TRAINING', twoByTwo());
  const wanted = await client.ask('EVALUATE_MODEL', DATA);
  const row = (/** @type {number} */ i) => [
    ...picture.slice(16 * i, 16 * i + 16),
    ...size.slice(3 * i, 3 * i + 3),
  ];
  const x = Float32Array.from(Array.from({ length: N }, (_, i) => row(i)).flat());
  const y = Float32Array.from(
    Array.from({ length: N }, (_, i) => [kind[i], price[2 * i], price[2 * i + 1]]).flat(),
  );
  const put = async (/** @type {number} */ upload, /** @type {Float32Array} */ data) => {
    const bytes = data.slice().buffer;
    await client.ask('UPLOAD_DATA', {
      upload,
      dtype: 'float32',
      total: bytes.byteLength,
      offset: 0,
      bytes,
    });
    return { upload };
  };
  assert.deepEqual(
    await client.ask('EVALUATE_MODEL', {
      x: await put(1, x),
      y: { ...(await put(2, y)), indices: 1 },
    }),
    wanted,
  );
  for (const [indices, message] of /** @type {[any, RegExp][]} */ ([
    [2, /y.indices is 2, expected bits of 1/],
    [-1, /y.indices is -1/],
    [0.5, /y.indices is 0.5/],
    ['1', /y.indices is '1'/],
    [2 ** 32 + 1, /y.indices is 4294967297/],
    [0, /y has 120 elements of float32 for 40 samples, expected 200/],
  ])) {
    await refused(
      client.ask('EVALUATE_MODEL', { x: await put(3, x), y: { ...(await put(4, y)), indices } }),
      'INVALID_DATA',
      message,
    );
  }
  await refused(
    client.ask('EVALUATE_MODEL', { ...DATA, sampleWeight: await put(5, y) }),
    'INVALID_DATA',
    /sampleWeight has 120 elements, expected 40/,
  );
  await refused(
    client.ask('START_TRAINING', { x: { stored: true }, y: { stored: true }, sampleWeight: [1] }),
    'INVALID_OPTION',
    /have their weights with them/,
  );
  const used = (await client.ask('GET_STATUS')).usedBytes;
  await client.ask('EVALUATE_MODEL', { ...DATA, sampleWeight: await put(6, new Float32Array(N)) });
  assert.equal((await client.ask('GET_STATUS')).usedBytes, used, 'nothing stays behind');
});
