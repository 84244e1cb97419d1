/* capture.test.js: what was handed over is what is used, whatever the app does with its arrays
 * afterwards, and whatever becomes of the worker. What is compared with are trainers whose data
 * nobody touches. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createTrainer, loadTrainer } from '../../web/index.js';
import { ARRAYS } from '../../worker/data/columns.js';
import { bitsOf } from './api-setting.js';
import { withStrikes } from './recovery-setting.js';

const WIDTH = 20;
const SPEC = {
  inputShape: [WIDTH],
  layers: [
    { type: 'dense', units: 8, activation: 'tanh' },
    { type: 'dense', units: 1 },
  ],
  loss: 'meanSquaredError',
  seed: 3,
};
/** Samples whose x goes along in the request, in slices, and beyond what is copied in one go. */
const SIZES = { small: 100, sliced: 20_000, large: 300_000 };

const wave = (step) => (_, i) => Math.sin(i * step);
const dataOf = (samples, Type = Float32Array) => ({
  x: Type.from({ length: samples * WIDTH }, wave(7.3)),
  y: Type.from({ length: samples }, wave(2.1)),
  sampleWeight: Type.from({ length: samples }, (_, i) => 1 + (i % 3)),
});

/** @param {(trainer: any) => any} body @param {object} [options] */
async function withTrainer(body, options) {
  const trainer = await createTrainer(SPEC, { mode: 'worker', threads: 1, ...options });
  try {
    return await body(trainer);
  } finally {
    await trainer.dispose();
  }
}

const FIT = { epochs: 2, batchSize: 500 };

/** The end of a fit whose data are changed by `change` once it has returned. */
const fitted = (data, change = () => {}, options = {}) =>
  withTrainer(async (trainer) => {
    const { x, y, sampleWeight } = data;
    const run = trainer.fit(x, y, { ...FIT, ...options, sampleWeight });
    change(data);
    const { history } = await run;
    return { history, bits: bitsOf(await trainer.getWeights()) };
  });

/** Makes zeros of all that an app has handed over. */
const refill = (data) => Object.values(data).forEach((array) => array.fill(0));
const detach = (data) =>
  structuredClone(null, { transfer: Object.values(data).map(({ buffer }) => buffer) });

/* A list of bytes is more than is copied in one go, and, once copied, as small as what goes
 * along in the request: from some 98,000 to 262,144 elements. */
test('of a list of Uint8Arrays every sample arrives, at any size', async () => {
  const width = 1000;
  const layers = [{ type: 'dense', units: 1 }];
  for (const samples of [98, 99, 180, 262, 263]) {
    const rows = Array.from({ length: samples }, (_, i) =>
      Uint8Array.from({ length: width }, (_, j) => (7 * i + 13 * j) % 251),
    );
    const flat = Uint8Array.from(
      { length: samples * width },
      (_, i) => rows[Math.floor(i / width)][i % width],
    );
    const y = Float32Array.from({ length: samples }, wave(2.1));
    for (const inputs of [['input'], ['left', 'right']]) {
      const several = inputs.length > 1;
      const named = Object.fromEntries(inputs.map((name) => [name, [width]]));
      const spec = {
        inputShape: several ? named : [width],
        layers: several ? [{ type: 'add', input: inputs }, ...layers] : layers,
        inputScale: 1 / 255,
      };
      const given = (x) => (several ? { inputs: { left: x, right: x } } : x);
      const answers = [];
      for (const x of [rows, flat]) {
        const trainer = await createTrainer(spec, { mode: 'main' });
        const { output } = await trainer.predict(given(x));
        const { loss } = await trainer.evaluate(given(x), y);
        const { history } = await trainer.fit(given(x), y, { validationSplit: 0.2 });
        answers.push({ output, loss, history, bits: bitsOf(await trainer.getWeights()) });
        await trainer.dispose();
      }
      assert.deepEqual(answers[0], answers[1], `${samples} samples of ${inputs}`);
    }
  }
});

for (const size of ['small', 'sliced']) {
  for (const Type of [Float32Array, Float64Array]) {
    test(`fit: ${size} data of ${Type.name} that are refilled or detached at once`, async () => {
      const expected = await fitted(dataOf(SIZES[size], Type));
      assert.deepEqual(await fitted(dataOf(SIZES[size], Type), refill), expected);
      assert.deepEqual(await fitted(dataOf(SIZES[size], Type), detach), expected);
    });
  }
}

test('fit: lists are read before it returns, as far as they go along in the request', async () => {
  const { x, y } = dataOf(SIZES.small);
  const rows = Array.from(y, (_, i) => [...x.subarray(i * WIDTH, (i + 1) * WIDTH)]);
  const expected = await fitted({ x, y });
  const change = (data) => {
    data.x.forEach((row) => row.fill(0));
    data.y.length = 0;
  };
  assert.deepEqual(await fitted({ x: rows, y: [...y] }, change), expected);
});

for (const [how, change] of Object.entries({ refilled: refill, detached: detach })) {
  test(`fit: data that are ${how} before all of them are read are refused, never used`, async () => {
    for (const keep of [true, false]) {
      await assert.rejects(fitted(dataOf(SIZES.large), change, { keep }), {
        code: 'INVALID_DATA',
        message: /^x changed after it was handed over, before all of its 6000000 elements/,
      });
    }
  });
}

test('fit: a change is seen although most numbers are as they were', async () => {
  /* One number of a row is 1: of a few that are looked at none need be another. */
  const mark = (x, value, at) => {
    for (let i = at; i < x.length; i += WIDTH) x[i] = value;
  };
  for (const keep of [true, false]) {
    const data = dataOf(SIZES.large);
    data.x.fill(0);
    mark(data.x, 1, 3);
    const change = ({ x }) => {
      mark(x, 0, 3);
      mark(x, 1, 17);
    };
    await assert.rejects(fitted(data, change, { keep }), {
      code: 'INVALID_DATA',
      message: /^x changed after it was handed over/,
    });
  }
});

for (const mode of ['worker', 'main']) {
  for (const Type of [Float32Array, Float64Array]) {
    test(`transfer: true, what is changed before it is detached is refused: ${mode}, ${Type.name}`, async () => {
      await withTrainer(
        async (trainer) => {
          for (const call of ['fit', 'evaluate']) {
            const { x, y } = dataOf(SIZES.sliced * 4, Type); // both in slices
            const asked = Promise.resolve(trainer[call](x, y, { transfer: true }));
            y.fill(0);
            await assert.rejects(asked, {
              code: 'INVALID_DATA',
              message: /^y changed after it was handed over/,
            });
          }
        },
        { mode, threads: undefined },
      );
    });
  }
}

test('loadTrainer and load use the bytes that they were given', async () => {
  const wide = {
    ...SPEC,
    layers: [{ type: 'dense', units: 4000, activation: 'tanh' }, ...SPEC.layers],
  };
  const first = await createTrainer(wide, { mode: 'main' });
  const { x, y } = dataOf(SIZES.small);
  await first.fit(x, y);
  const bits = bitsOf(await first.getWeights());
  const saved = await first.save();
  assert.ok(saved.length > 2 ** 20, 'more than a slice');
  for (const mode of ['worker', 'main']) {
    const bytes = saved.slice();
    const loading = loadTrainer(bytes, { mode });
    bytes.fill(0);
    const trainer = await loading;
    assert.deepEqual(bitsOf(await trainer.getWeights()), bits);
    await trainer.fit(x, y);
    bytes.set(saved);
    const again = trainer.load(bytes);
    bytes.fill(0);
    await again;
    assert.deepEqual(bitsOf(await trainer.getWeights()), bits);
    await trainer.dispose();
  }
  await first.dispose();
});

test('fit: large data that nobody touches are copied slice by slice, to the same bits', async () => {
  const expected = await fitted(dataOf(SIZES.large), undefined, { keep: false });
  assert.deepEqual(await fitted(dataOf(SIZES.large)), expected);
});

test('evaluate, predict and setWeights use what they were given', async () => {
  for (const samples of [SIZES.small, SIZES.sliced]) {
    await withTrainer(async (trainer) => {
      const expected = dataOf(samples);
      const [loss, output] = [
        await trainer.evaluate(expected.x, expected.y),
        await trainer.predict(expected.x),
      ];
      const given = dataOf(samples);
      const evaluating = trainer.evaluate(given.x, given.y);
      const predicting = trainer.predict(given.x);
      refill(given);
      assert.deepEqual([await evaluating, await predicting], [loss, output]);
    });
  }
  const wide = {
    ...SPEC,
    layers: [{ type: 'dense', units: 4000, activation: 'tanh' }, ...SPEC.layers],
  };
  for (const spec of [SPEC, wide]) {
    const trainer = await createTrainer(spec, { mode: 'worker', threads: 1 });
    const weights = await trainer.getWeights();
    const before = bitsOf(weights);
    const setting = trainer.setWeights(weights);
    weights.forEach(({ data }) => data.fill(1));
    await setting;
    assert.deepEqual(bitsOf(await trainer.getWeights()), before);
    await trainer.dispose();
  }
});

for (const size of ['small', 'sliced']) {
  /* At the first message, before there is a snapshot, and after the second snapshot. */
  for (const strike of [
    { at: 'TRAINING_PROGRESS', nth: 1, before: true },
    { at: 'TRAINING_SNAPSHOT', nth: 2 },
  ]) {
    test(`a worker that is lost (${strike.at}): ${size} data are what they were`, async () => {
      const options = { epochs: 6 };
      const expected = await fitted(dataOf(SIZES[size]), undefined, options);
      await withStrikes([strike], async (workers) => {
        assert.deepEqual(await fitted(dataOf(SIZES[size]), refill, options), expected);
        assert.equal(workers.length, 2);
      });
    });
  }
}

for (const strike of [
  { at: 'TRAINING_PROGRESS', nth: 1, before: true },
  { at: 'TRAINING_SNAPSHOT', nth: 2 },
]) {
  const lost = (data, change) => {
    /* The app changes its arrays when the worker is lost. */
    return withStrikes([strike], () =>
      withTrainer(async (trainer) => {
        trainer.addEventListener('restart', () => change(data));
        const run = trainer.fit(data.x, data.y, { ...FIT, epochs: 6, keep: false });
        const { history } = await run;
        return { history, bits: bitsOf(await trainer.getWeights()) };
      }),
    );
  };

  test(`keep: false, a worker that is lost (${strike.at}): the app's own arrays, if they are the same`, async () => {
    const { x, y } = dataOf(SIZES.sliced);
    const expected = await fitted({ x, y }, undefined, { epochs: 6 });
    assert.deepEqual(await lost(dataOf(SIZES.sliced), () => {}), expected);
    await assert.rejects(lost(dataOf(SIZES.sliced), refill), {
      code: 'DATA_LOST',
      message: /^the data are not kept by the page \(keep: false\) and x has changed since, and/,
    });
    await assert.rejects(lost(dataOf(SIZES.sliced), detach), {
      code: 'DATA_LOST',
      message: /^the data are not kept by the page \(keep: false\), whose arrays are detached, and/,
    });
  });
}

test('a copy that the page has no memory for is refused, with what takes none', async () => {
  const { x, y } = dataOf(SIZES.large);
  const { float32 } = ARRAYS;
  await withTrainer(async (trainer) => {
    ARRAYS.float32 = /** @type {any} */ (
      class extends float32 {
        constructor(...given) {
          if (given[0] > 2 ** 21) throw new RangeError('Array buffer allocation failed');
          super(.../** @type {[any]} */ (given));
        }
      }
    );
    try {
      for (const call of ['fit', 'evaluate']) {
        await assert.rejects(Promise.resolve(trainer[call](x, y)), {
          code: 'OUT_OF_MEMORY',
          message:
            /^x: the page gets no 24000000 bytes for a copy of it: transfer: true, or in fit/,
        });
      }
      assert.equal((await trainer.fit(x, y, { ...FIT, keep: false })).reason, 'finished');
    } finally {
      ARRAYS.float32 = float32;
    }
  });
});

/** Rows of the data, as lists. */
const listsOf = ({ x, y }) => ({
  x: Array.from(y, (_, i) => [...x.subarray(i * WIDTH, (i + 1) * WIDTH)]),
  y: [...y],
});

for (const size of ['small', 'sliced']) {
  test(`transfer: true of lists, which nobody can hand over: ${size} ones are kept`, async () => {
    const options = { ...FIT, epochs: 6, transfer: true };
    const expected = await fitted(listsOf(dataOf(SIZES[size])), undefined, options);
    await withStrikes([{ at: 'TRAINING_SNAPSHOT', nth: 2 }], (workers) =>
      withTrainer(async (trainer) => {
        const { x, y } = listsOf(dataOf(SIZES[size]));
        trainer.addEventListener('restart', () => x.forEach((row) => row.fill(0)));
        const { history } = await trainer.fit(x, y, options);
        assert.deepEqual({ history, bits: bitsOf(await trainer.getWeights()) }, expected);
        assert.equal(workers.length, 2);
      }),
    );
  });
}

test('keep: false, a worker that is lost: lists that have lost their form', async () => {
  for (const change of [(x) => (x.length = 0), (x) => (x[5] = [1]), (x) => x[7].fill('a')]) {
    await withStrikes([{ at: 'TRAINING_SNAPSHOT', nth: 2 }], () =>
      withTrainer(async (trainer) => {
        const { x, y } = listsOf(dataOf(SIZES.sliced));
        trainer.addEventListener('restart', () => change(x));
        const run = trainer.fit(x, y, { ...FIT, epochs: 6, keep: false });
        await assert.rejects(Promise.resolve(run), {
          code: 'DATA_LOST',
          message: /^the data are not kept by the page \(keep: false\) and have changed since \(x/,
        });
      }),
    );
  }
});

test('a run that is stopped copies no more', async () => {
  let reads = 0;
  const rows = new Proxy(new Array(200_000).fill(new Array(WIDTH).fill(0.5)), {
    get(target, name) {
      reads++;
      return target[name];
    },
  });
  await withTrainer(async (trainer) => {
    const run = trainer.fit(rows, new Float32Array(rows.length));
    await run.stop();
    const before = reads;
    for (let i = 0; i < 20; i++) await new Promise(setImmediate);
    assert.equal(reads, before);
  });
});

setFlagsFromString('--expose-gc');
const collect = /** @type {() => void} */ (runInNewContext('gc'));

/** What of the app's arrays is still held, once garbage is collected. @param {WeakRef[]} refs */
async function held(refs) {
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    collect();
  }
  return refs.filter((ref) => ref.deref() !== undefined).length;
}

test("the app's arrays are held no longer than they are read", async () => {
  for (const samples of Object.values(SIZES)) {
    for (const keep of [true, false]) {
      await withTrainer(async (trainer) => {
        /** @type {WeakRef[]} */
        let refs = [];
        const begin = () => {
          const { x, y } = dataOf(samples);
          refs = [x, y].map((array) => new WeakRef(array));
          return trainer.fit(x, y, { ...FIT, keep, epochs: 1e6 });
        };
        const run = begin();
        await new Promise((resolve) => run.addEventListener('progress', resolve, { once: true }));
        if (keep) assert.equal(await held(refs), 0, `${samples} samples, while the run is on`);
        await run.stop();
        assert.equal(await held(refs), 0, `${samples} samples, after the run`);
      });
    }
  }
});

test('once the main thread goes on, and nothing would be restarted, nothing is kept', async () => {
  const { x, y } = dataOf(SIZES.sliced);
  await withStrikes([{ at: 'TRAINING_SNAPSHOT' }], () =>
    withTrainer(
      async (trainer) => {
        const run = trainer.fit(x, y, { ...FIT, epochs: 1e6 });
        await new Promise((resolve) => trainer.addEventListener('fallback', resolve));
        assert.equal(trainer.info.keptBytes, 4 * (x.length + y.length), 'for the main thread');
        await trainer.save(); // once the run is on there
        assert.deepEqual([trainer.info.mode, trainer.info.keptBytes], ['main', 0]);
        await run.stop();
      },
      { mode: 'auto', restart: { retries: 0 } },
    ),
  );
});

test('info.keptBytes tells what the copy takes', async () => {
  const { x, y } = dataOf(SIZES.sliced, Float64Array);
  const bytes = 4 * (x.length + y.length);
  for (const [options, fit, expected] of [
    [{}, {}, bytes],
    [{}, { keep: false }, 4 * y.length], // small data are kept all the same
    [{}, { transfer: true }, 0],
    [{ restart: { retries: 0 } }, {}, 0],
  ]) {
    await withTrainer(async (trainer) => {
      assert.equal(trainer.info.keptBytes, 0);
      const given = fit.transfer ? [x.slice(), y.slice()] : [x, y];
      const run = trainer.fit(...given, { ...FIT, ...fit, epochs: 1000 });
      const kept = new Promise((resolve) =>
        run.addEventListener('progress', () => resolve(trainer.info.keptBytes), { once: true }),
      );
      assert.equal(await kept, expected);
      await run.stop();
      assert.equal(trainer.info.keptBytes, 0);
    }, options);
  }
});
