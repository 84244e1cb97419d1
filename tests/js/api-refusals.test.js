/* api-refusals.test.js: bad input of every kind is refused at once with the right code and words
 * that say what was got, and leaves the trainer as it was. */
import assert from 'node:assert/strict';
import test from 'node:test';
import * as offstage from '../../web/index.js';
import { createTrainer, loadTrainer } from '../../web/index.js';
import { BOTH, barSpec, bitsOf, cloudSpec, clouds, everywhere, refused } from './api-setting.js';

const dense = (fields) => ({
  inputShape: [4],
  layers: [{ type: 'dense', units: 2, activation: 'softmax', ...fields }],
});
const conv = (fields, inputShape = [8, 8, 1]) => ({
  inputShape,
  layers: [
    { type: 'conv2d', filters: 2, kernelSize: 3, ...fields },
    { type: 'flatten' },
    { type: 'dense', units: 2 },
  ],
});
const layers = (...list) => ({ inputShape: [4], layers: list });

/** Specs with what the message has to name. */
const BAD_SPECS = {
  'no object': [undefined, /undefined/],
  'an array': [[], /spec/],
  'no layers': [{ inputShape: [4] }, /layers/],
  'layers that are no array': [{ inputShape: [4], layers: {} }, /layers/],
  'an empty network': [layers(), /layers/],
  'an unknown layer': [layers({ type: 'dens', units: 2 }), /dens/],
  'a layer without a type': [layers({ units: 2 }), /type/],
  'a layer that is null': [layers(null), /null/],
  'an unknown field of a layer': [dense({ unit: 3 }), /unit/],
  'no units': [layers({ type: 'dense' }), /units/],
  'units of 0': [dense({ units: 0 }), /units.*0/],
  'negative units': [dense({ units: -3 }), /-3/],
  'half a unit': [dense({ units: 2.5 }), /2\.5/],
  'units as text': [dense({ units: '2' }), /'2'/],
  'units of NaN': [dense({ units: NaN }), /NaN/],
  'a function for units': [dense({ units: () => 2 }), /./],
  'an unknown activation': [dense({ activation: 'rellu' }), /rellu/],
  'useBias that is no boolean': [dense({ useBias: 1 }), /useBias/],
  'a kernel larger than the picture': [conv({ kernelSize: 9 }), /9/],
  'a kernel of three sizes': [conv({ kernelSize: [3, 3, 3] }), /kernelSize/],
  'strides of 0': [conv({ strides: 0 }), /strides/],
  'an unknown padding': [conv({ padding: 'full' }), /full/],
  'a convolution over a vector': [conv({}, [8]), /dimension|rank/i],
  'a pool larger than its input': [
    {
      inputShape: [2, 2, 1],
      layers: [
        { type: 'maxPooling2d', poolSize: 3 },
        { type: 'flatten' },
        { type: 'dense', units: 1 },
      ],
    },
    /3/,
  ],
  'a reshape to another size': [
    layers({ type: 'reshape', targetShape: [3] }, { type: 'dense', units: 2 }),
    /3/,
  ],
  'a dropout rate of 1': [
    layers({ type: 'dropout', rate: 1 }, { type: 'dense', units: 2 }),
    /rate/,
  ],
  'no inputShape': [{ layers: [{ type: 'dense', units: 2 }] }, /inputShape/],
  'an empty inputShape': [{ ...dense(), inputShape: [] }, /inputShape/],
  'an inputShape with a 0': [{ ...dense(), inputShape: [0] }, /inputShape/],
  'a number for inputShape': [{ ...dense(), inputShape: 4 }, /inputShape/],
  'an inputShape of too many axes': [
    { ...dense(), inputShape: [1, 1, 1, 1, 1, 1, 1, 4] },
    /inputShape|8/,
  ],
  'shapes whose product overflows': [{ ...dense(), inputShape: [65536, 65536, 65536, 65536] }, /./],
  'an unknown loss': [{ ...dense(), loss: 'crossEntropy' }, /crossEntropy/],
  'a loss that does not go with the output': [
    { ...dense({ activation: 'relu' }), loss: 'sparseCategoricalCrossentropy' },
    /./,
  ],
  'an unknown optimizer': [{ ...dense(), optimizer: 'adm' }, /adm/],
  'an unknown option of the optimizer': [
    { ...dense(), optimizer: { type: 'adam', beta: 0.9 } },
    /beta/,
  ],
  'a beta of 1': [{ ...dense(), optimizer: { type: 'adam', beta1: 1 } }, /beta1/],
  'a negative learning rate': [{ ...dense(), learningRate: -0.1 }, /-0\.1/],
  'a learning rate of NaN': [{ ...dense(), learningRate: NaN }, /learningRate/],
  'an infinite learning rate': [{ ...dense(), learningRate: Infinity }, /learningRate/],
  'a learning rate as text': [{ ...dense(), learningRate: '0.1' }, /learningRate/],
  'two learning rates': [
    { ...dense(), learningRate: 0.1, optimizer: { type: 'sgd', learningRate: 0.1 } },
    /learningRate/,
  ],
  'an unknown metric': [
    { ...dense(), metrics: ['precise'] },
    /'precise', .*did you mean 'precision'/,
  ],
  'a metric that is no list': [{ ...dense(), metrics: 'accuracy' }, /metrics/],
  'too few labels': [{ ...dense(), labels: ['a'] }, /label/],
  'too many labels': [{ ...dense(), labels: ['a', 'b', 'c'] }, /label/],
  'labels that are numbers': [{ ...dense(), labels: [0, 1] }, /label/],
  'a label twice': [{ ...dense(), labels: ['a', 'a'] }, /'a'/],
  'labels for a regression': [
    { inputShape: [4], layers: [{ type: 'dense', units: 2 }], labels: ['a', 'b'] },
    /label/,
  ],
  'a negative seed': [{ ...dense(), seed: -1 }, /seed/],
  'half a seed': [{ ...dense(), seed: 0.5 }, /seed/],
  'an infinite scale': [{ ...dense(), inputScale: Infinity }, /inputScale/],
  'an unknown field': [{ ...dense(), learnRate: 0.1 }, /learnRate/],
  'a field of the wire': [{ ...dense(), runtime: { sliceWork: 1 } }, /runtime/],
  'something that cannot be sent': [{ ...dense(), seed: Symbol('s') }, /./],
};

for (const [what, [spec, message]] of Object.entries(BAD_SPECS)) {
  test(`a spec with ${what} is refused`, async () => {
    await refused(createTrainer(spec, { mode: 'main' }), 'INVALID_SPEC', message);
  });
}

test('a refused spec is no reason to fall back, and says the same from a worker', async () => {
  for (const [spec, message] of [
    BAD_SPECS['units of 0'],
    BAD_SPECS['an unknown field'],
    BAD_SPECS['a function for units'],
  ]) {
    await refused(createTrainer(spec, { mode: 'auto' }), 'INVALID_SPEC', message);
    await refused(createTrainer(spec, { mode: 'worker' }), 'INVALID_SPEC', message);
  }
});

test('a spec that does not fit in memory is refused with the size', async () => {
  for (const mode of ['worker', 'main']) {
    const spec = { inputShape: [60_000], layers: [{ type: 'dense', units: 60_000 }] };
    await refused(createTrainer(spec, { mode }), 'OUT_OF_MEMORY', /\d/);
  }
});

const BAD_OPTIONS = [
  [7, /7/],
  [null, /null/],
  [[], /\[\]/],
  ['main', /main/],
  [{ mod: 'main' }, /mod/],
  [{ mode: 'Main' }, /Main/],
  [{ mode: null }, /mode/],
  [{ threads: -1 }, /threads/],
  [{ threads: 1.5 }, /threads/],
  [{ threads: 'many' }, /many/],
  [{ threads: 65 }, /65/],
  [{ deterministic: 'no' }, /deterministic/],
  [{ variant: 'mmx' }, /mmx/],
  [{ variant: 'relaxed' }, /deterministic: false/],
  [{ assets: 5 }, /assets/],
  [{ timeout: 0 }, /timeout/],
  [{ timeout: -1 }, /timeout/],
  [{ timeout: NaN }, /timeout/],
  [{ timeout: '1s' }, /timeout/],
  [{ restart: 3 }, /restart/],
  [{ restart: { tries: 3 } }, /tries/],
  [{ restart: { retries: -1 } }, /retries/],
  [{ restart: { delay: -1 } }, /delay/],
  [{ restart: { factor: 0.5 } }, /factor/],
  [{ restart: { maxDelay: NaN } }, /maxDelay/],
  [{ heartbeat: 0 }, /heartbeat/],
  [{ duty: 0 }, /duty/],
  [{ duty: 1.5 }, /duty/],
  [{ keepAwake: 1 }, /keepAwake/],
  [{ debug: 'yes' }, /debug/],
  [{ persistData: 1 }, /persistData/],
  [{ signal: {} }, /signal/],
];

for (const [options, message] of BAD_OPTIONS) {
  test(`createTrainer options ${JSON.stringify(options) ?? options} are refused`, async () => {
    await refused(createTrainer(cloudSpec(), options), 'INVALID_OPTION', message);
  });
}

const { x, y } = clouds(30);
const rows = Array.from({ length: 30 }, (_, i) => [...x.subarray(6 * i, 6 * i + 6)]);
const onehot = Array.from(y, (k) => [0, 1, 2].map((j) => (j === k ? 1 : 0)));
const changed = (list, at, value) => list.map((item, i) => (i === at ? value : item));
const withValue = (value, at = 7) => Float32Array.from(x, (v, i) => (i === at ? value : v));
const withIndex = (value) => Int32Array.from(y, (v, i) => (i === 4 ? value : v));

/** fit(x, y) that must be refused with INVALID_DATA. */
const BAD_DATA = {
  'no x': [undefined, y, /x/],
  'x that is null': [null, y, /null/],
  'x that is text': ['picture', y, /picture/],
  'x that is a number': [5, y, /5/],
  'x without a sample': [new Float32Array(0), new Int32Array(0), /0/],
  'x that is an empty array': [[], [], /empty|0/],
  'x whose length does not divide': [x.subarray(0, 179), y, /179.*6/],
  'a ragged x': [changed(rows, 3, [1, 2]), y, /x\[3\]/],
  'x with a hole': [changed(rows, 3, undefined), y, /x\[3\]/],
  'x with text inside': [changed(rows, 3, ['1', 2, 3, 4, 5, 6]), y, /x\[3\]\[0\]/],
  'x nested too deep': [rows.map((row) => row.map((v) => [v])), y, /shape/],
  'x of another width': [rows.map((row) => row.slice(1)), y, /\[30, 5\]/],
  'x with a NaN': [withValue(NaN), y, /NaN.*sample 1/],
  'x with an infinity': [withValue(-Infinity), y, /-Infinity.*sample 1/],
  'nested x with a NaN': [changed(rows, 2, [1, 2, 3, NaN, 5, 6]), y, /NaN.*sample 2/],
  'x with a double that no float holds': [
    Float64Array.from(x, (v, i) => (i === 0 ? 1e300 : v)),
    y,
    /Infinity.*sample 0/,
  ],
  'data of another length than the shape': [{ data: x, shape: [31, 6] }, y, /186/],
  'a shape of another width': [{ data: x, shape: [6, 30] }, y, /shape/],
  'a shape without data': [{ shape: [30, 6] }, y, /data/],
  'a shape with a fraction': [{ data: x, shape: [30.5, 6] }, y, /30\.5/],
  'no y': [x, undefined, /y/],
  'y of another length': [x, y.subarray(1), /29/],
  'y with an index too large': [x, withIndex(3), /3.*0 to 2/],
  'y with a negative index': [x, withIndex(-1), /-1/],
  'y with a fraction': [x, changed([...y], 4, 0.5), /0\.5/],
  'y with an unknown class name': [
    x,
    changed(
      Array.from(y, (k) => ['red', 'green', 'blue'][k]),
      4,
      'pink',
    ),
    /pink/,
  ],
  'y with a name among indices': [x, changed([...y], 4, 'red'), /red/],
  'a ragged one-hot y': [x, changed(onehot, 4, [0, 1]), /y\[4\]/],
  'one-hot rows of another width': [x, onehot.map((row) => [...row, 0]), /\[30, 4\]/],
  'y rows with a NaN': [x, changed(onehot, 4, [0, NaN, 0]), /NaN/],
};

everywhere('bad data are refused and leave the trainer usable', BOTH, async (make, t) => {
  const trainer = await make(cloudSpec());
  const weights = bitsOf(await trainer.getWeights());
  for (const [what, [badX, badY, message]] of Object.entries(BAD_DATA)) {
    await t.test(what, async () => {
      await refused(trainer.fit(badX, badY), 'INVALID_DATA', message);
      await refused(trainer.evaluate(badX, badY), 'INVALID_DATA', message);
      assert.equal(trainer.status().state, 'ready');
    });
  }
  for (const bad of [
    undefined,
    null,
    'x',
    [],
    [1, 2, 3],
    new Float32Array(5),
    withValue(NaN),
    withValue(NaN, 3).subarray(0, 6),
    [[1, 2], [3]],
  ]) {
    await refused(trainer.predict(bad), 'INVALID_DATA');
  }
  await refused(
    trainer.fit({ inputs: { a: x } }, y),
    'INVALID_DATA',
    /x.inputs: unknown field 'a', expected one of 'input'/,
  );
  assert.deepEqual(bitsOf(await trainer.getWeights()), weights);
  assert.equal((await trainer.fit(x, y)).reason, 'finished');
});

const BAD_FIT = [
  [{ epoch: 3 }, /epoch/],
  [{ epochs: 0 }, /epochs.*0/],
  [{ epochs: -1 }, /-1/],
  [{ epochs: 1.5 }, /1\.5/],
  [{ epochs: '3' }, /'3'/],
  [{ epochs: Infinity }, /Infinity/],
  [{ batchSize: 0 }, /batchSize/],
  [{ batchSize: 2.5 }, /batchSize/],
  [{ batchSize: NaN }, /NaN/],
  [{ shuffle: 'yes' }, /shuffle/],
  [{ validationSplit: 1 }, /validationSplit/],
  [{ validationSplit: -0.1 }, /validationSplit/],
  [{ validationSplit: NaN }, /NaN/],
  [{ validationSplit: '0.1' }, /validationSplit/],
  [{ validationSplit: 0.999999 }, /validationSplit|sample/],
  [{ progressHz: 0 }, /progressHz/],
  [{ transfer: 1 }, /transfer/],
  [{ signal: 'now' }, /signal/],
  [5, /5/],
  [null, /null/],
];

everywhere('bad options of fit, predict and evaluate are refused', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  for (const [options, message] of BAD_FIT)
    await refused(trainer.fit(x, y, options), 'INVALID_OPTION', message);
  await refused(trainer.predict(x, { batch: 3 }), 'INVALID_OPTION', /batch/);
  await refused(trainer.predict(x, { signal: 3 }), 'INVALID_OPTION', /signal/);
  await refused(trainer.evaluate(x, y, { batchSize: 0 }), 'INVALID_OPTION', /batchSize/);
  await refused(trainer.evaluate(x, y, { epochs: 1 }), 'INVALID_OPTION', /epochs/);
  assert.equal((await trainer.fit(x, y)).reason, 'finished');
});

everywhere('weights of another form are refused, and none is written', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const weights = await trainer.getWeights();
  const before = bitsOf(weights);
  const withFirst = (change) => changed(weights, 0, { ...weights[0], ...change });
  const last = weights.length - 1;
  for (const [bad, message] of [
    [undefined, /undefined/],
    ['weights', /weights/],
    [weights.slice(1), /3|4/],
    [[...weights, weights[0]], /5/],
    [withFirst({ shape: [16, 6] }), /16, 6/],
    [withFirst({ shape: [96] }), /96/],
    [withFirst({ data: new Float32Array(95) }), /95/],
    [withFirst({ data: 'x' }), /data/],
    [withFirst({ shape: undefined }), /shape/],
    [changed(weights, 1, null), /null/],
    [changed(weights, last, { ...weights[last], data: new Float32Array([0, NaN, 0]) }), /NaN/],
  ]) {
    await refused(trainer.setWeights(bad), 'INVALID_DATA', message);
    assert.deepEqual(bitsOf(await trainer.getWeights()), before);
  }
});

everywhere('a batch that does not fit in memory is refused with the size', BOTH, async (make) => {
  const trainer = await make({
    inputShape: [64, 64, 4],
    layers: [
      { type: 'conv2d', filters: 256, kernelSize: 1 },
      { type: 'flatten' },
      { type: 'dense', units: 1 },
    ],
  });
  const samples = 1500; // 1500 x 64 x 64 x 256 activations are 6 GB
  const pictures = new Uint8Array(samples * 64 * 64 * 4);
  await refused(
    trainer.fit(pictures, new Float32Array(samples), { batchSize: samples }),
    'OUT_OF_MEMORY',
    /\d/,
  );
  const few = pictures.subarray(0, 2 * 64 * 64 * 4);
  assert.equal((await trainer.fit(few, new Float32Array(2), { batchSize: 2 })).reason, 'finished');
});

everywhere('while a run is on, what would disturb it is refused', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const weights = await trainer.getWeights();
  const run = trainer.fit(x, y, { epochs: 1e6 });
  await refused(trainer.fit(x, y), 'BUSY');
  await refused(trainer.setWeights(weights), 'BUSY');
  await refused(trainer.load(new Uint8Array(8)), 'BUSY');
  assert.equal(trainer.status().state, 'training');
  await run.pause();
  await refused(trainer.fit(x, y), 'BUSY');
  await run.stop();
  assert.equal((await trainer.fit(x, y)).reason, 'finished');
});

test('checkpoints that are none, and options of runs that do not fit together', async () => {
  for (const bytes of [undefined, null, 'bytes', [1, 2], new Float32Array(8), {}]) {
    await refused(loadTrainer(bytes), 'BAD_CHECKPOINT', /bytes is/);
  }
  const gone = new Uint8Array(8);
  structuredClone(gone, { transfer: [gone.buffer] });
  for (const bytes of [gone, gone.buffer, new Proxy(new Uint8Array(8), {})]) {
    await refused(loadTrainer(bytes), 'BAD_CHECKPOINT', /bytes cannot be read/);
  }
  for (const mode of ['worker', 'main']) {
    await refused(loadTrainer(new Uint8Array(8), { mode }), 'BAD_CHECKPOINT');
    const trainer = await createTrainer(cloudSpec(), { mode });
    await refused(trainer.load(gone), 'BAD_CHECKPOINT', /bytes cannot be read/);
    const before = bitsOf(await trainer.getWeights());
    await refused(trainer.load(new Uint8Array(8)), 'BAD_CHECKPOINT');
    await refused(trainer.load('bytes'), 'BAD_CHECKPOINT', /'bytes'/);
    assert.deepEqual(bitsOf(await trainer.getWeights()), before, 'the model stays');
    await refused(trainer.fit(x, y, { resume: true }), 'INVALID_OPTION', /no run to go on with/);
    await refused(
      trainer.fit(x, y, { persistData: true }),
      'INVALID_OPTION',
      /persistData without persist/,
    );
    for (const [persist, message] of [
      ['', /name/],
      [{}, /name/],
      [{ name: 'a'.repeat(101) }, /name/],
      [7, /persist is 7/],
      [{ name: 'a', keep: 0 }, /keep/],
      [{ name: 'a', seconds: -1 }, /seconds/],
      [{ name: 'a', epochs: 0 }, /epochs/],
      [{ name: 'a', every: 5 }, /every/],
      [{ name: 'a', folder: 7 }, /folder/],
    ]) {
      await refused(trainer.fit(x, y, { persist }), 'INVALID_OPTION', message);
      await refused(createTrainer(cloudSpec(), { mode, persist }), 'INVALID_OPTION', message);
    }
    assert.equal((await trainer.fit(x, y)).reason, 'finished');
    await trainer.dispose();
  }
});

test('nothing but the contract is exported', () => {
  assert.deepEqual(Object.keys(offstage).sort(), [
    'OffstageError',
    'createTrainer',
    'defineSpec',
    'listTrainers',
    'loadTrainer',
    'removeTrainer',
    'resumeTrainer',
  ]);
});

test('what users of Keras and TensorFlow.js look for in fit: where it is', async () => {
  const trainer = await createTrainer(cloudSpec(), { mode: 'main' });
  const { x, y } = clouds(30);
  for (const [name, where] of Object.entries({
    callbacks: /callbacks: use earlyStopping, reduceOnPlateau, onEpoch/,
    patience: /patience: earlyStopping and reduceOnPlateau have it/,
    monitor: /monitor: earlyStopping and reduceOnPlateau have it/,
    verbose: /verbose: the records of the run tell/,
    initial_epoch: /initial_epoch: resume: true goes on/,
    steps_per_epoch: /steps_per_epoch: an epoch goes through all samples/,
    validation_data: /did you mean 'validationData'\?$/,
    validation_split: /did you mean 'validationSplit'\?$/,
    class_weight: /did you mean 'classWeight'\?$/,
    sample_weight: /did you mean 'sampleWeight'\?$/,
    lr: /lr: learningRate is that of this run/,
    metrics: /metrics: it belongs to the trainer/,
    constructor: /unknown field 'constructor', expected one of/,
  })) {
    await refused(trainer.fit(x, y, { [name]: 1 }), 'INVALID_OPTION', where);
  }
});
