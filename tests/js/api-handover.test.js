/* api-handover.test.js: large data on their way to a worker. What the page does between two turns
 * of its event loop is bounded, whatever the form of the data: counted in bytes copied and elements
 * read, not in milliseconds. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { createTrainer } from '../../web/index.js';
import { withThreads } from './api-setting.js';

const MEGABYTE = 2 ** 20;
const WIDTH = 100;
/**
 * Elements of lists that are read for the three slices that a session gets at once, those that are
 * looked at to tell the form of each row, and a row of each slice, by which a change is seen.
 */
const MOST_READ = 3 * 32 * 1024 + 1024 + 10 * WIDTH;

const spec = {
  inputShape: [WIDTH],
  layers: [{ type: 'dense', units: 3, activation: 'softmax' }],
  labels: ['a', 'b', 'c'],
  inputScale: 1 / 255,
};

/** A list that counts how often its elements are read. */
function counted(list, meter) {
  const isIndex = /^\d+$/;
  return new Proxy(list, {
    get(target, name) {
      if (typeof name === 'string' && isIndex.test(name)) meter.reads++;
      return target[name];
    },
  });
}

/**
 * Runs the body on a trainer whose messages are seen: slices under way, the largest, elements read
 * between two turns of the event loop, or two posts.
 */
async function watched(body, of = spec) {
  const meter = { reads: 0, mostReads: 0, mostUnderWay: 0, slices: [], posted: [] };
  const underWay = new Map();
  await withThreads(async (threads) => {
    const trainer = await createTrainer(of, { mode: 'worker' });
    const [thread] = threads;
    const post = thread.postMessage;
    thread.postMessage = (message, transfer) => {
      meter.mostReads = Math.max(meter.mostReads, meter.reads);
      meter.reads = 0;
      meter.posted.push(message.type);
      if (message.type === 'UPLOAD_DATA') {
        const { upload, dtype, total, offset, bytes } = message.payload;
        assert.ok(transfer.includes(bytes), 'slices are transferred');
        meter.slices.push({ dtype, total, offset, length: bytes.byteLength });
        underWay.set(upload, (underWay.get(upload) ?? 0) + 1);
        meter.mostUnderWay = Math.max(meter.mostUnderWay, underWay.get(upload));
      }
      post.call(thread, message, transfer);
    };
    thread.prependListener('message', ({ type, payload }) => {
      if (type === 'DATA_STORED') underWay.set(payload.upload, underWay.get(payload.upload) - 1);
    });
    await everyTurn(meter, () => body(trainer, meter));
    await trainer.dispose();
  });
  assert.ok(meter.mostUnderWay <= 3, `${meter.mostUnderWay} slices under way`);
  for (const { length } of meter.slices)
    assert.ok(length <= MEGABYTE, `a slice of ${length} bytes`);
  assert.ok(meter.mostReads <= MOST_READ, `${meter.mostReads} elements read in one go`);
  return meter;
}

const pixel = (_, i) => (i * 37) % 256;
const classOf = (_, i) => i % 3;

/** Runs the body with the meter read in every turn of the event loop. */
async function everyTurn(meter, body) {
  let over = false;
  const turn = () => {
    meter.mostReads = Math.max(meter.mostReads, meter.reads);
    meter.reads = 0;
    if (!over) setImmediate(turn);
  };
  turn();
  await body();
  over = true;
}

test('bytes stay bytes, in slices of a megabyte', async () => {
  const samples = 50_000;
  const x = Uint8Array.from({ length: samples * WIDTH }, pixel);
  const y = Uint8Array.from({ length: samples }, classOf);
  const { slices } = await watched(async (trainer) => {
    assert.equal((await trainer.fit(x, y, { batchSize: 1000 })).reason, 'finished');
    assert.equal(x.length, samples * WIDTH);
  });
  assert.deepEqual(new Set(slices.map(({ dtype }) => dtype)), new Set(['uint8']));
  assert.equal(slices.length, Math.ceil((samples * WIDTH) / MEGABYTE));
  assert.equal(
    slices.reduce((sum, { length }) => sum + length, 0),
    x.length,
  );
});

test('floats are copied a megabyte at a time, also where they are converted', async () => {
  const samples = 10_000;
  for (const Type of [Float32Array, Float64Array, Int16Array]) {
    const { slices } = await watched(async (trainer) => {
      await trainer.evaluate(
        Type.from({ length: samples * WIDTH }, pixel),
        Int32Array.from({ length: samples }, classOf),
        { batchSize: 1000 },
      );
    });
    assert.deepEqual(
      slices.map(({ length }) => length),
      [MEGABYTE, MEGABYTE, MEGABYTE, 4 * samples * WIDTH - 3 * MEGABYTE],
    );
  }
});

test('flat lists, nested lists and class names are read slice by slice', async () => {
  const samples = 3000;
  const x = Float32Array.from({ length: samples * WIDTH }, pixel);
  const rows = Array.from({ length: samples }, (_, i) => [
    ...x.subarray(i * WIDTH, (i + 1) * WIDTH),
  ]);
  let expected;
  await watched(async (trainer) => {
    expected = await trainer.evaluate(x, Int32Array.from({ length: samples }, classOf));
  });
  for (const form of ['flat', 'shaped', 'nested']) {
    await watched(async (trainer, meter) => {
      const flat = counted([...x], meter);
      const given = {
        flat,
        shaped: { data: flat, shape: [samples, WIDTH] },
        nested: rows.map((row) => counted(row, meter)),
      }[form];
      assert.deepEqual(
        await trainer.evaluate(given, Array.from({ length: samples }, classOf)),
        expected,
      );
    });
  }
  await watched(async (trainer, meter) => {
    const many = 80_000;
    const names = counted(
      Array.from({ length: many }, (_, i) => 'abc'[i % 3]),
      meter,
    );
    const { samples: seen } = await trainer.evaluate(new Uint8Array(many * WIDTH), names, {
      batchSize: 1000,
    });
    assert.equal(seen, many);
  });
});

test('rows that are larger than a slice are read a few at a time', async () => {
  const meter = { reads: 0, mostReads: 0 };
  const width = 40_000;
  const rows = counted(new Array(100).fill(new Array(width).fill(0.5)), meter);
  const layers = [{ type: 'dense', units: 1 }];
  const trainer = await createTrainer({ inputShape: [width], layers }, { mode: 'worker' });
  await everyTurn(meter, () => trainer.evaluate(rows, new Float32Array(100)));
  /* Three slices at once, one that is looked at, and the first, which tells the form. */
  assert.ok(meter.mostReads <= 8, `${meter.mostReads} rows read in one go`);
  await trainer.dispose();
});

test('what is wrong far behind is told with its place, and ends the hand-over', async () => {
  const samples = 3000;
  const flat = Array.from({ length: samples * WIDTH }, pixel);
  const names = Array.from({ length: 80_000 }, () => 'a');
  const { posted } = await watched(async (trainer) => {
    flat[250_000] = '7';
    await assert.rejects(trainer.predict(flat), {
      code: 'INVALID_DATA',
      message: /x\[250000\] is '7'/,
    });
    const rows = Array.from({ length: samples }, () => new Array(WIDTH).fill(0));
    rows[2999] = [1];
    await assert.rejects(trainer.predict(rows), {
      code: 'INVALID_DATA',
      message: /x\[2999\] has length 1, expected 100/,
    });
    names[70_000] = 'd';
    await assert.rejects(Promise.resolve(trainer.fit(new Uint8Array(80_000 * WIDTH), names)), {
      code: 'INVALID_DATA',
      message: /y\[70000\] is 'd'/,
    });
    const indices = Array.from({ length: 80_000 }, classOf);
    indices[65_000] = 1.5;
    await assert.rejects(trainer.evaluate(new Uint8Array(80_000 * WIDTH), indices), {
      code: 'INVALID_DATA',
      message: /sample 65000 is 1.5/,
    });
    assert.equal(
      (await trainer.predict(new Float32Array(WIDTH))).output.length,
      3,
      'and leaves the trainer usable',
    );
  });
  assert.ok(posted.includes('DISCARD_DATA'));
});

test('large weights are copied slice by slice, and come back', async () => {
  const inputs = 2000;
  const of = { inputShape: [inputs], layers: [{ type: 'dense', units: 100 }], optimizer: 'sgd' };
  const data = Float32Array.from({ length: inputs * 100 }, (_, i) => ((i * 7) % 1000) / 1000);
  await watched(async (trainer, meter) => {
    for (const form of [data, Float64Array.from(data), counted([...data], meter)]) {
      await everyTurn(meter, () =>
        trainer.setWeights([
          { shape: [inputs, 100], data: form },
          { shape: [100], data: new Float32Array(100) },
        ]),
      );
      assert.equal(form.length, data.length, 'nothing is detached');
      assert.deepEqual((await trainer.getWeights())[0].data, data);
    }
    const bad = [...data];
    bad[150_000] = 'x';
    const refused = (given) =>
      trainer.setWeights([
        { shape: [inputs, 100], data: given },
        { shape: [100], data: new Float32Array(100) },
      ]);
    await assert.rejects(refused(bad), {
      code: 'INVALID_DATA',
      message: /weights\[0\].data\[150000\] is 'x'/,
    });
    bad[150_000] = NaN;
    await assert.rejects(refused(bad), { code: 'INVALID_DATA', message: /NaN at 150000/ });
    assert.deepEqual(
      (await trainer.getWeights())[0].data,
      data,
      'none is written where one is refused',
    );
  }, of);
});
