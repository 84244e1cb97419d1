/* memory-held.test.js: what a session holds of memory, in wasm and in JavaScript: while it trains,
 * over many requests, and when it stands ready. What it may hold is computed here from shapes
 * alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';

import { WORKLOADS } from '../bench/workloads.mjs';
import { connectLocal, createManualHost } from './session-client.js';

const product = (/** @type {number[]} */ numbers) => numbers.reduce((all, n) => all * n, 1);

/** A session with a model, whose turns are the test's. @param {any} spec @param {any} [runtime] */
async function ready(spec, runtime) {
  const time = createManualHost();
  const client = connectLocal(time.host);
  client.ask('INIT_TRAINING', { ...spec, runtime });
  while (client.of('MODEL_READY').length === 0) {
    assert.deepEqual(client.of('ERROR'), []);
    await new Promise((resolve) => setImmediate(resolve));
    time.turn();
  }
  const status = () => {
    client.ask('GET_STATUS');
    return client.of('STATUS').at(-1);
  };
  const settle = () => {
    while (time.waiting > 0) time.turn();
  };
  return { time, client, status, settle };
}

/** @param {number} samples @param {{ inputs: number, classes: number }} of */
const data = (samples, { inputs, classes }) => ({
  x: Float32Array.from({ length: samples * inputs }, (_, i) => ((i * 37) % 101) / 101),
  y: Int32Array.from({ length: samples }, (_, i) => i % classes),
});

const NET = {
  inputShape: [12, 12, 2],
  layers: [
    { type: 'conv2d', filters: 8, kernelSize: 3, padding: 'same', activation: 'relu' },
    { type: 'maxPooling2d' },
    { type: 'dropout', rate: 0.3 },
    { type: 'flatten' },
    { type: 'dense', units: 4, activation: 'softmax' },
  ],
};
const OF_NET = { inputs: 288, classes: 4 };

test('a run takes what it needs when it begins, and gives it back; its steps take nothing', async () => {
  const { time, client, status, settle } = await ready(NET, { sliceWork: 1 });
  const before = status().usedBytes;
  const { x, y } = data(70, OF_NET);
  client.ask('START_TRAINING', { x, y, numEpochs: 3, validationSplit: 0.3, batchSize: 16 });
  const { usedBytes, memoryBytes } = status();
  assert.ok(usedBytes > before + x.byteLength + y.byteLength);
  for (let turn = 0; time.waiting > 0; turn++) {
    time.turn();
    const now = status();
    if (now.state === 'training')
      assert.deepEqual(
        [now.usedBytes, now.memoryBytes],
        [usedBytes, memoryBytes],
        `in turn ${turn}`,
      );
  }
  settle();
  assert.equal(client.of('TRAINING_COMPLETE')[0].steps, 12);
  assert.equal(status().usedBytes, before);
});

test('controls and best weights take what they need, and give it back', async () => {
  const { client, status, settle, time } = await ready(NET, { sliceWork: 1 });
  const before = status().usedBytes;
  const { x, y } = data(70, OF_NET);
  /** @param {any} options */
  const run = (options) => {
    client.ask('START_TRAINING', { x, y, numEpochs: 2, batchSize: 16, ...options });
    const { usedBytes } = status();
    settle();
    assert.equal(time.waiting, 0);
    return [usedBytes - before, status().usedBytes - before];
  };
  const [plain, left] = run({});
  assert.equal(left, 0);
  const stops = { monitor: 'loss', patience: 9 };
  const [controlled, leftThen] = run({
    earlyStopping: stops,
    learningRate: { type: 'constant' },
    until: { loss: 0 },
    maxSteps: 5,
  });
  assert.ok(controlled > plain && controlled - plain < 16384, `${controlled - plain}`);
  assert.equal(leftThen, 0);
  const [, kept] = run({ earlyStopping: { ...stops, restoreBest: true } });
  const weights = 4 * (3 * 3 * 2 * 8 + 8 + 6 * 6 * 8 * 4 + 4);
  assert.ok(kept >= weights && kept < weights + 1024, `${kept} of ${weights}`);
  const [, again] = run({ earlyStopping: { ...stops, restoreBest: true }, resume: true });
  assert.equal(again, kept);
  const [, another] = run({ earlyStopping: { ...stops, restoreBest: true } });
  assert.equal(another, kept);
  const refusals = client.of('ERROR').length;
  const [, refused] = run({ earlyStopping: { ...stops, monitor: 'nothing', restoreBest: true } });
  assert.equal(client.of('ERROR').length, refusals + 1);
  assert.equal(refused, kept);
  assert.deepEqual(run({}), [plain + kept, 0]);
});

test('memory is no larger than what was in use at once, however often data came and went', async () => {
  const { client, status, settle } = await ready(NET);
  /** @param {any} array @param {string} dtype @param {number} upload */
  const upload = (array, dtype, upload) => {
    const bytes = new Uint8Array(array.buffer);
    for (let at = 0; at < bytes.length; at += 2 ** 20) {
      client.ask('UPLOAD_DATA', {
        upload,
        dtype,
        total: bytes.length,
        offset: at,
        bytes: bytes.slice(at, at + 2 ** 20).buffer,
      });
    }
    return { upload };
  };
  const { x, y } = data(10_000, OF_NET); // 11.5 MB
  let most = 0;
  for (let round = 0; round < 4; round++) {
    client.ask('START_TRAINING', {
      x: upload(x, 'float32', 1),
      y: upload(y, 'int32', 2),
      numEpochs: 1,
      batchSize: 100,
      validationSplit: 0.2,
    });
    most = Math.max(most, status().usedBytes);
    settle();
    client.ask('EVALUATE_MODEL', { x: upload(x, 'float32', 3), y: upload(y, 'int32', 4) });
    client.ask('PREDICT', { x: upload(x.slice(0, 288 * 9000), 'float32', 5) });
    most = Math.max(most, status().usedBytes);
    settle();
    assert.deepEqual(client.of('ERROR'), []);
  }
  const { memoryBytes } = status();
  assert.ok(most > x.byteLength + y.byteLength);
  /* The stack and constants of the core lie below the blocks, and memory comes in pages; beside the
   * evaluation's two blocks lay those of a prediction that waited. */
  const core = 512 * 1024;
  assert.ok(
    memoryBytes <= most + core,
    `${memoryBytes} bytes of memory for ${most} in use at most`,
  );
});

test('a large answer is predicted in a plan of bounded size', async () => {
  const wide = {
    inputShape: [64, 64, 1],
    layers: [
      { type: 'conv2d', filters: 32, kernelSize: 3, padding: 'same' },
      { type: 'flatten' },
      { type: 'dense', units: 2 },
    ],
  };
  const { client, status, settle } = await ready(wide);
  const before = status().memoryBytes;
  const samples = 200; // of half a megabyte each after the convolution
  client.ask('PREDICT', { x: new Uint8Array(samples * 4096) });
  settle();
  assert.equal(client.of('PREDICTION_RESULT')[0].output.length, samples * 2);
  const grown = status().memoryBytes - before;
  assert.ok(grown < samples * 4096 + 34 * 2 ** 20, `memory grew by ${grown} bytes`);
});

/**
 * What a step of W4 cannot do without, from its shapes: weights, gradients, Adam's two moments, and
 * the activations that are alive at the worst moment: forward keeps every output; backward holds an
 * output's gradient and makes that of its input.
 */
function leastOfW4(batch) {
  const [rows, channels] = [32, [3, 32, 32, 64, 64]];
  const cells = [rows * rows, rows * rows, (rows / 2) ** 2, (rows / 2) ** 2];
  const convs = cells.map((n, i) => n * channels[i + 1]);
  const [pool1, pool2] = [(rows / 2) ** 2 * 32, (rows / 4) ** 2 * 64];
  const sizes = [rows * rows * 3, convs[0], convs[1], pool1, convs[2], convs[3], pool2, 256, 10];
  const kernels = [9 * 3 * 32, 9 * 32 * 32, 9 * 32 * 64, 9 * 64 * 64, pool2 * 256, 256 * 10];
  const parameters = kernels.reduce((a, b) => a + b) + 32 + 32 + 64 + 64 + 256 + 10;
  const worst = Math.max(
    ...sizes.map((size, i) =>
      i === 0
        ? 0
        : sizes.slice(0, i + 1).reduce((a, b) => a + b) + size + (i > 1 ? sizes[i - 1] : 0),
    ),
  );
  return { parameters, bytes: 4 * (4 * parameters + batch * worst) };
}

test('W4 at a batch of 32 takes at most 1.3 times what it cannot do without', async () => {
  const { spec, batch } = WORKLOADS[3];
  const least = leastOfW4(batch);
  const { client, status } = await ready(spec, { sliceWork: 1 });
  assert.equal(client.of('MODEL_READY')[0].parameters, least.parameters);
  const { x, y } = data(batch, { inputs: product(spec.inputShape), classes: 10 });
  client.ask('START_TRAINING', { x, y, batchSize: batch });
  const held = status().usedBytes - x.byteLength - y.byteLength;
  client.ask('DISPOSE');
  assert.ok(
    held <= 1.3 * least.bytes,
    `${held} bytes are held, ${least.bytes} are the least: ${(held / least.bytes).toFixed(3)}`,
  );
});

setFlagsFromString('--expose-gc');
const collect = /** @type {() => void} */ (runInNewContext('gc'));

test('steps leave nothing behind on the JavaScript heap', async () => {
  const { time, client, settle } = await ready(
    { inputShape: [6], layers: [{ type: 'dense', units: 3, activation: 'softmax' }] },
    { sliceWork: 30_000 },
  );
  const { x, y } = data(64_000, { inputs: 6, classes: 3 });
  client.ask('START_TRAINING', { x, y, batchSize: 32, progressHz: 0.001 });
  settle(); // what comes at a run's end has been compiled too
  client.ask('START_TRAINING', { x, y, numEpochs: 24, batchSize: 32, progressHz: 0.001 });
  const heap = () => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  time.turn(3000); // some 6,000 steps, after which the engine has compiled what it will
  /* The engine may compile amid any of them; what steps leave behind they leave in each. */
  const grown = [1, 2, 3].map(() => {
    const before = heap();
    time.turn(5000);
    return heap() - before;
  });
  assert.equal(client.of('TRAINING_COMPLETE').length, 1, 'the run was on all the time');
  settle();
  assert.equal(client.of('TRAINING_COMPLETE').at(-1).steps, 48_000);
  // The smallest object takes 12 or more
  assert.ok(Math.min(...grown) < 8 * 8000, `${grown} bytes after some 10,000 steps each`);
});

/**
 * Heap of a worker after a collection, in which `script` has been imported.
 * @param {string} text of a module
 */
async function heapOf(text, requests = /** @type {any[]} */ ([])) {
  const source = `
    import { parentPort } from 'node:worker_threads';
    import { getHeapStatistics, setFlagsFromString } from 'node:v8';
    import { runInNewContext } from 'node:vm';
    ${text}
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc');
    parentPort.on('message', (message) => {
      if (message !== 'heap') return;
      collect();
      parentPort.postMessage({ heap: getHeapStatistics().used_heap_size });
    });`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
  const answer = (name = 'type') =>
    new Promise((resolve, reject) => {
      worker.on('message', (message) => name in message && resolve(message));
      worker.once('error', reject);
    });
  const replies = [];
  for (const request of requests) {
    worker.postMessage(request);
    replies.push(await answer());
  }
  worker.postMessage('heap');
  // A session has its say on such a message too
  const { heap } = /** @type {any} */ (await answer('heap'));
  await worker.terminate();
  return { heap, replies };
}

test('a worker with W3 ready takes at most 3 MB beyond an empty one', async () => {
  const session = new URL('../../worker/worker.js', import.meta.url).href;
  const empty = await heapOf('');
  const {
    heap,
    replies: [made],
  } = await heapOf(`import '${session}';`, [
    { v: 1, id: 1, type: 'INIT_TRAINING', payload: WORKLOADS[2].spec },
  ]);
  assert.equal(made.type, 'MODEL_READY', JSON.stringify(made.payload));
  const taken = heap - empty.heap + made.payload.memoryBytes;
  assert.ok(
    taken <= 3e6,
    `${heap - empty.heap} bytes of heap, ${made.payload.memoryBytes} of wasm memory`,
  );
});
