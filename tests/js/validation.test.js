/* validation.test.js: which samples validate: the end of the data, some chosen by splitBy, or data
 * of their own; and that nothing else of a run depends on how they were given. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createTrainer, resumeTrainer } from '../../web/index.js';
import { STORED } from '../../web/trainer/handover.js';
import { quotasOf } from '../../worker/trainer/run/split.js';
import {
  BOTH,
  IN_WORKER,
  barSpec,
  bars,
  bitsOf,
  cloudSpec,
  clouds,
  everywhere,
  numbers,
  refused,
  until,
} from './api-setting.js';
import { assertSame, eventsOf, followed, withStrikes } from './recovery-setting.js';

/** Philox4x32-10 (Salmon et al. 2011), as it is published. */
function philox(counter, [k0, k1]) {
  let [a, b, c, d] = counter;
  const product = (x, y) => BigInt(x >>> 0) * BigInt(y);
  for (let round = 0; round < 10; round++) {
    const [p, q] = [product(a, 0xd2511f53), product(c, 0xcd9e8d57)];
    const [high, low] = [(n) => Number(n >> 32n), (n) => Number(n & 0xffffffffn)];
    [a, b, c, d] = [high(q) ^ b ^ k0, low(q), high(p) ^ d ^ k1, low(p)].map((n) => n >>> 0);
    [k0, k1] = [(k0 + 0x9e3779b9) >>> 0, (k1 + 0xbb67ae85) >>> 0];
  }
  return a;
}

/** The permutation of [0, n), n below 2^24, that chooses who validates: src/base/random.h. */
function permutation(n, seed) {
  const bits = Math.max(6, Math.ceil(Math.log2(n)));
  const low = Math.floor(bits / 2);
  const [lowMask, highMask] = [2 ** low - 1, 2 ** (bits - low) - 1];
  const epoch = BigInt(Number.MAX_SAFE_INTEGER);
  const [e0, e1] = [Number(epoch & 0xffffffffn), Number(epoch >> 32n)];
  const mix = (half, round) =>
    philox([(half | (round << 24)) >>> 0, e0, 0xffffffff, e1], [seed, 0]);
  return Array.from({ length: n }, (_, p) => {
    do {
      let [l, h] = [p & lowMask, p >> low];
      for (let round = 0; round < 6; round += 2) {
        h = (h ^ mix(l, round)) & highMask;
        l = (l ^ mix(h, round + 1)) & lowMask;
      }
      p = (h << low) | l;
    } while (p >= n);
    return p;
  });
}

/** Who validates by 'random', or by 'stratified' where classes are given, in order. */
function heldOut(n, split, seed, classes) {
  const count = n - Math.floor(n * (1 - split));
  const left = classes && quotasOf(Uint32Array.from(classes), 1 + Math.max(...classes), count);
  const held = permutation(n, seed).filter((sample) => !left || left[classes[sample]]-- > 0);
  return held.slice(0, count).sort((a, b) => a - b);
}

/** Rows of x and y, the samples named. */
const rows = ({ x, y }, samples, width = 6) => ({
  x: Float32Array.from(samples.flatMap((i) => [...x.subarray(i * width, (i + 1) * width)])),
  y: y.constructor.from(samples.map((i) => y[i])),
});

const others = (n, held) => Array.from({ length: n }, (_, i) => i).filter((i) => !held.includes(i));

/** A history's numbers, and the bits of the weights. */
async function trained(trainer, x, y, options) {
  const { history, reason } = await trainer.fit(x, y, options);
  return { history, reason, bits: bitsOf(await trainer.getWeights()) };
}

/** Unequal classes, of which one has a single sample. */
function uneven(n) {
  const next = numbers(5);
  const data = clouds(n);
  data.y = data.y.map((_, i) => (i === 17 ? 2 : next() < 0.8 ? 0 : 1));
  return data;
}

everywhere('splitBy: the run is one whose samples were parted by hand', BOTH, async (make) => {
  const n = 203;
  const data = uneven(n);
  for (const splitBy of ['random', 'stratified']) {
    for (const shuffle of [true, false]) {
      const options = { epochs: 3, batchSize: 16, shuffle };
      const held = heldOut(n, 0.25, 7, splitBy === 'stratified' ? data.y : undefined);
      const [training, validating] = [rows(data, others(n, held)), rows(data, held)];
      const byHand = await trained(await make(cloudSpec()), training.x, training.y, {
        ...options,
        validationData: [validating.x, validating.y],
      });
      assert.equal(byHand.history.length, 3);
      assert.ok(byHand.history.every(({ valLoss }) => valLoss > 0));
      const split = { ...options, validationSplit: 0.25, splitBy };
      const got = await trained(await make(cloudSpec()), data.x, data.y, split);
      assert.deepEqual(got, byHand, `${splitBy}, ${shuffle}`);
    }
  }
});

test("splitBy 'end' is what it was: the last samples, as given by hand", async () => {
  const n = 90;
  const data = clouds(n);
  const options = { epochs: 2, batchSize: 16 };
  const trainer = () => createTrainer(cloudSpec(), { mode: 'main' });
  const [first, last] = [others(n, []).slice(0, 72), others(n, []).slice(72)];
  const [training, validating] = [rows(data, first), rows(data, last)];
  const want = await trained(await trainer(), training.x, training.y, {
    ...options,
    validationData: validating,
  });
  const split = { ...options, validationSplit: 0.2, splitBy: 'end' };
  assert.deepEqual(await trained(await trainer(), data.x, data.y, split), want);
});

test('quotas: by largest remainder, one at least on both sides, none of a single sample', () => {
  const quotas = (sizes, heldOut) =>
    quotasOf(
      Uint32Array.from(sizes.flatMap((size, k) => Array(size).fill(k))),
      sizes.length,
      heldOut,
    );
  assert.deepEqual(quotas([50, 30, 20], 10), [5, 3, 2]);
  assert.deepEqual(quotas([55, 31, 14], 10), [6, 3, 1]); // 5.5, 3.1, 1.4
  assert.deepEqual(quotas([90, 8, 2], 10), [8, 1, 1]); // 9, 0.8, 0.2: two get one, from the largest
  assert.deepEqual(quotas([100, 1, 1, 0], 10), [10, 0, 0, 0]);
  assert.deepEqual(quotas([2, 2, 2], 3), [1, 1, 1]);
  const next = numbers(3);
  for (let k = 0; k < 500; k++) {
    const sizes = Array.from({ length: 1 + Math.floor(9 * next()) }, () =>
      Math.floor(next() < 0.3 ? 4 * next() : 200 * next()),
    );
    const shared = sizes.filter((size) => size >= 2);
    const all = shared.reduce((sum, size) => sum + size, 0);
    const heldOut = shared.length + Math.floor((all - 2 * shared.length + 1) * next());
    if (shared.length === 0) continue;
    const got = quotas(sizes, heldOut);
    assert.equal(
      got.reduce((sum, quota) => sum + quota, 0),
      heldOut,
    );
    for (const [i, size] of sizes.entries()) {
      if (size < 2) assert.equal(got[i], 0);
      else assert.ok(got[i] >= 1 && got[i] < size, `${got} of ${sizes}`);
      const ideal = (heldOut * size) / all;
      const free = shared.every((each) => (heldOut * each) / all >= 1 && heldOut <= all / 2);
      if (size >= 2 && free) assert.ok(Math.abs(got[i] - ideal) < 1, `${got} of ${sizes}`);
    }
  }
});

test('classWeight is for the samples that are trained on, wherever they stand', async () => {
  const n = 120;
  const data = uneven(n);
  const next = numbers(9);
  const weights = Float32Array.from({ length: n }, () => 0.25 + next());
  const held = heldOut(n, 0.25, 7);
  const [training, validating] = [rows(data, others(n, held)), rows(data, held)];
  const of = (samples) => Float32Array.from(samples.map((i) => weights[i]));
  const options = { epochs: 2, classWeight: { red: 0.5, green: 3 } };
  const trainer = () => createTrainer(cloudSpec(), { mode: 'main' });
  const want = await trained(await trainer(), training.x, training.y, {
    ...options,
    sampleWeight: of(others(n, held)),
    validationData: { ...validating, sampleWeight: of(held) },
  });
  const split = { ...options, sampleWeight: weights, validationSplit: 0.25, splitBy: 'random' };
  assert.deepEqual(await trained(await trainer(), data.x, data.y, split), want);
});

const sorted = () => {
  const { x, y } = clouds(120);
  const order = others(120, []).sort((a, b) => y[a] - y[b]);
  return rows({ x, y }, order);
};

test('labels that are sorted: a warning for the end of the data only, which says how', async () => {
  const { x, y } = sorted();
  for (const [splitBy, told] of [
    ['end', 1],
    ['random', 0],
    ['stratified', 0],
  ]) {
    const trainer = await createTrainer(cloudSpec(), { mode: 'main' });
    const events = eventsOf(trainer, 'warning');
    await trainer.fit(x, y, { validationSplit: 0.2, splitBy });
    const doubts = events.filter(({ code }) => code === 'SORTED_LABELS');
    assert.equal(doubts.length, told, splitBy);
    if (told) assert.match(doubts[0].message, /splitBy: 'stratified'/);
  }
});

const TWO = {
  inputShape: { left: [3], right: [2] },
  layers: [
    { type: 'dense', units: 4, name: 'a', input: 'left' },
    { type: 'dense', units: 4, name: 'b', input: 'right' },
    { type: 'add', name: 'sum', input: ['a', 'b'] },
    { type: 'dense', units: 3, activation: 'softmax', name: 'kind', input: 'sum' },
    { type: 'dense', units: 1, name: 'size', input: 'sum' },
  ],
  outputs: ['kind', 'size'],
  seed: 3,
};

/** Samples for TWO. */
function two(n, seed) {
  const next = numbers(seed);
  const floats = (length) => Float32Array.from({ length }, () => next() - 0.5);
  return {
    x: { inputs: { left: floats(3 * n), right: floats(2 * n) } },
    y: { outputs: { kind: Int32Array.from({ length: n }, () => 3 * next()), size: floats(n) } },
  };
}

everywhere('validationData of several inputs and outputs', BOTH, async (make) => {
  const [training, validating] = [two(40, 1), two(25, 2)];
  const trainer = await make(TWO);
  const sampleWeight = Float32Array.from({ length: 25 }, (_, i) => i / 20);
  const { history } = await trainer.fit(training.x, training.y, {
    batchSize: 8,
    validationData: [validating.x, validating.y, sampleWeight],
  });
  const { loss, outputs } = await trainer.evaluate(validating.x, validating.y, {
    batchSize: 8,
    sampleWeight,
  });
  assert.equal(history[0].valLoss, loss);
  for (const name of ['kind', 'size']) {
    assert.equal(history[0].outputs[name].valLoss, outputs[name].loss);
  }
  assert.equal(history[0].outputs.kind.valAccuracy, outputs.kind.accuracy);
});

everywhere('what is wrong with data to validate on is told with their name', BOTH, async (make) => {
  const { x, y } = clouds(30);
  const trainer = await make(cloudSpec());
  const fit = (options) => trainer.fit(x, y, options);
  const option = (options, message) => refused(fit(options), 'INVALID_OPTION', message);
  const data = (validationData, message) =>
    refused(fit({ validationData }), 'INVALID_DATA', message);
  await option({ splitBy: 'random' }, /splitBy is 'random', expected validationSplit above 0/);
  await option({ splitBy: 'half', validationSplit: 0.2 }, /'end', 'random', 'stratified'/);
  await option(
    { splitBy: 'stratified', validationSplit: 0.05 },
    /leaves 2 samples to validate, expected 3 to 27/,
  );
  await option({ validationData: [x, y], validationSplit: 0.2 }, /expected one of them/);
  await option({ validationData: [x] }, /expected \[x, y\], \[x, y, sampleWeight\]/);
  await option({ validationData: { x, y, z: 1 } }, /validationData is \{ x, y, z \}/);
  await option({ validationData: new Map() }, /validationData is a Map/);
  await data([x.subarray(0, 11), y], /^validationData: x/);
  await data([x, y.subarray(1)], /^validationData: y/);
  await data({ x, y: y.map(() => 9) }, /^validationData: y/);
  await data([Float32Array.from(x, () => NaN), y], /^validationData: x/);
  await data([x, y, new Float32Array(30).fill(-1)], /^validationData: sampleWeight/);
  const regression = await make({
    inputShape: [6],
    layers: [{ type: 'dense', units: 2 }],
  });
  await refused(
    regression.fit(x, new Float32Array(60), { validationSplit: 0.2, splitBy: 'stratified' }),
    'INVALID_OPTION',
    /a sample has no one class/,
  );
  const { reason } = await trainer.fit(x, y, { validationData: [x, y] });
  assert.equal(reason, 'finished');
});

const { x, y } = clouds(300);
const validating = clouds(120, { seed: 8 });
const WAYS = {
  "splitBy 'random'": { validationSplit: 0.2, splitBy: 'random' },
  "splitBy 'stratified'": { validationSplit: 0.2, splitBy: 'stratified', classWeight: { red: 2 } },
  validationData: { validationData: [validating.x, validating.y] },
};
const RUN = { epochs: 6, batchSize: 16, progressHz: 1000 };

for (const [way, options] of Object.entries(WAYS)) {
  test(`${way}: a killed worker leaves no trace`, async () => {
    const spec = cloudSpec();
    const calm = await createTrainer(spec, { mode: 'worker' });
    const told = await followed(calm.fit(x, y, { ...RUN, ...options }));
    const expected = { ...told, bits: bitsOf(await calm.getWeights()) };
    await calm.dispose();
    for (const strike of [{ at: 'TRAINING_PROGRESS' }, { at: 'TRAINING_SNAPSHOT', nth: 2 }]) {
      await withStrikes([strike], async (workers) => {
        const trainer = await createTrainer(spec, { mode: 'worker', restart: { delay: 0 } });
        const got = await followed(trainer.fit(x, y, { ...RUN, ...options }));
        assertSame({ ...got, bits: bitsOf(await trainer.getWeights()) }, expected);
        assert.equal(workers.length, 2);
        await trainer.dispose();
      });
    }
  });

  test(`${way}: stopped, saved and resumed elsewhere, the bits are the same`, async () => {
    const fit = { epochs: 6, batchSize: 16, ...options };
    const one = await createTrainer(cloudSpec(), { mode: 'main' });
    const want = await trained(one, x, y, fit);
    const first = await createTrainer(cloudSpec(), { mode: 'main' });
    const run = first.fit(x, y, { ...fit, progressHz: 1000 });
    for await (const { epoch } of run) if (epoch === 3) await run.stop();
    const bytes = await first.save();
    const second = await createTrainer(cloudSpec(), { mode: 'worker' });
    await second.load(bytes);
    const got = await trained(second, x, y, { ...options, resume: true });
    assert.deepEqual(got, want);
    await Promise.all([one, first, second].map((trainer) => trainer.dispose()));
  });
}

test('a run that validates on other data, or on none, is not resumed', async () => {
  const trainer = await createTrainer(cloudSpec(), { mode: 'main' });
  await trainer.fit(x, y, { ...RUN, ...WAYS.validationData });
  const again = (options) => trainer.fit(x, y, { epochs: 9, resume: true, ...options });
  const other = clouds(120, { seed: 9 });
  await refused(again({ validationData: [other.x, other.y] }), 'INVALID_DATA', /are not those/);
  await refused(again({}), 'INVALID_DATA', /are not those/);
  await refused(again({ otherData: true }), 'INVALID_OPTION', /validationData is missing/);
  assert.equal((await again(WAYS.validationData)).epochs, 9);
});

everywhere('validationData go to storage with the others', IN_WORKER, async (make) => {
  const folder = mkdtempSync(join(tmpdir(), 'offstage-validation-'));
  try {
    const fit = { ...RUN, validationData: [validating.x, validating.y] };
    const want = await trained(await make(cloudSpec()), x, y, fit);
    const first = await make(cloudSpec());
    const kept = { persist: { name: 'v', folder }, persistData: true };
    const run = first.fit(x, y, { ...fit, ...kept });
    for await (const { epoch } of run) if (epoch === 3) await run.stop();
    await first.dispose();
    const second = await resumeTrainer('v', { folder, mode: 'worker' });
    assert.deepEqual(await trained(second, STORED, STORED, { resume: true }), want);
    await second.dispose();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('large data to validate on go in slices, are kept, and are handed over', async () => {
  const n = 20_000;
  const large = clouds(n, { seed: 4 });
  const trainer = await createTrainer(cloudSpec(), { mode: 'worker' });
  const run = trainer.fit(x, y, { validationData: [large.x, large.y] });
  await until(() => trainer.info.keptBytes > 0);
  assert.ok(trainer.info.keptBytes >= large.x.byteLength, `${trainer.info.keptBytes}`);
  await run;
  const { loss } = await trainer.evaluate(large.x, large.y);
  assert.ok(Math.abs(trainer.history[0].valLoss - loss) < 1e-12);
  const copy = { x: large.x.slice(), y: large.y.slice() };
  await trainer.fit(x.slice(), y.slice(), { validationData: copy, transfer: true });
  assert.equal(copy.x.length, 0);
  await trainer.dispose();
});

test('keep: false: a worker in place of a lost one reads the arrays again', async () => {
  const large = clouds(20_000, { seed: 4 });
  const options = { ...RUN, validationData: [large.x, large.y], keep: false };
  const fit = (trainer) => followed(trainer.fit(x, y, options));
  const calm = await createTrainer(cloudSpec(), { mode: 'worker' });
  const told = await fit(calm);
  const expected = { ...told, bits: bitsOf(await calm.getWeights()) };
  await calm.dispose();
  const strike = [{ at: 'TRAINING_PROGRESS', nth: 3 }];
  await withStrikes(strike, async (workers) => {
    const trainer = await createTrainer(cloudSpec(), { mode: 'worker', restart: { delay: 0 } });
    const got = await fit(trainer);
    assertSame({ ...got, bits: bitsOf(await trainer.getWeights()) }, expected);
    assert.equal(workers.length, 2);
    await trainer.dispose();
  });
  await withStrikes(strike, async () => {
    const trainer = await createTrainer(cloudSpec(), { mode: 'worker', restart: { delay: 0 } });
    const run = trainer.fit(x, y, options);
    run.addEventListener('progress', () => large.x[9]++, { once: true });
    await refused(run, 'DATA_LOST', /validationData: x has changed since/);
    await trainer.dispose();
  });
});

test('threads and slices: the same bits, with an order and with data of their own', async () => {
  const pictures = bars(400);
  const held = bars(90, 7);
  for (const options of [
    { validationSplit: 0.25, splitBy: 'stratified' },
    { validationData: [held.x, held.y] },
  ]) {
    const runs = [];
    for (const place of [
      { mode: 'main', variant: 'base' },
      { mode: 'worker', threads: 1 },
      { mode: 'worker', threads: 3 },
    ]) {
      const trainer = await createTrainer(barSpec(), place);
      const fit = { epochs: 2, batchSize: 64, ...options };
      runs.push(await trained(trainer, pictures.x, pictures.y, fit));
      await trainer.dispose();
    }
    assert.deepEqual(runs[1], runs[0]);
    assert.deepEqual(runs[2], runs[0]);
  }
});
