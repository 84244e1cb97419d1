/* hostile-many.test.js: many messages that nobody should send in such numbers or in such an order.
 *
 * However many requests wait, each is answered once; uploads that are never finished, models made a
 * thousand times and requests that DISPOSE cuts off leave no memory behind; and messages changed at
 * random, from the fuzzer's corpus of ideas, end no session. The seed of these is fixed. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import v8 from 'node:v8';
import vm from 'node:vm';

import { isBare } from '../../worker/trainer/foreign.js';
import { ERROR_CODES } from '../../worker/host/errors.js';
import { REPLIES } from '../../worker/protocol.js';
import { createRandom, mutate } from '../fuzz/js/values.mjs';
import { QUADRANTS, connectLocal, connectWorker, quadrants } from './session-client.js';

/** @type {{ close: () => Promise<void> }[]} */
const open = [];
after(() => Promise.all(open.map((client) => client.close())));

const PLACES = { main: connectLocal, worker: connectWorker };
const ENDS = [...Object.values(REPLIES), 'ERROR', 'TRAINING_ERROR'];
const SPEC = { ...QUADRANTS, runtime: { variant: 'base' } };
const MB = 2 ** 20;

function collect() {
  v8.setFlagsFromString('--expose-gc');
  vm.runInNewContext('gc')();
}

for (const [place, connect] of Object.entries(PLACES)) {
  const start = () => {
    const client = connect();
    open.push(client);
    return client;
  };

  test(`150,000 requests that wait for a model are answered, and so is the INIT among them, ${place}`, async () => {
    const { send, ask, messages } = start();
    const first = ask('INIT_TRAINING', SPEC);
    for (let i = 0; i < 150_000; i++) {
      send({ v: 1, id: `${i}`, type: 'DISCARD_DATA', payload: { upload: i } });
      if (i === 1000) send({ v: 1, id: 'again', type: 'INIT_TRAINING', payload: SPEC });
    }
    await first;
    await ask('GET_WEIGHTS');
    assert.equal(messages.filter(({ type }) => type === 'DATA_DISCARDED').length, 150_000);
    assert.equal(messages.filter(({ type }) => type === 'MODEL_READY').length, 2);
    assert.equal(messages.length, 150_003);
  });

  test(`thousands of requests wait while a run is paused or under way, and an id that waits is refused, ${place}`, async () => {
    const { send, ask, messages } = start();
    await ask('INIT_TRAINING', SPEC);
    const at = messages.length;
    send({
      v: 1,
      id: 'run',
      type: 'START_TRAINING',
      payload: { ...quadrants(200), numEpochs: 2 ** 53 - 1, batchSize: 2 ** 53 - 1 },
    });
    for (let i = 0; i < 3000; i++) {
      send({ v: 1, id: `p${i}`, type: 'PREDICT', payload: { x: [0.1, 0.2] } });
      send({ v: 1, id: `w${i}`, type: 'GET_WEIGHTS' });
      send({ v: 1, id: `e${i}`, type: 'EVALUATE_MODEL', payload: { x: [[1, 2]], y: [0] } });
      if (i % 100 === 0)
        send({ v: 1, id: 'c', type: i % 200 ? 'RESUME_TRAINING' : 'PAUSE_TRAINING' });
    }
    send({ v: 1, id: 'run', type: 'PING' });
    await ask('RESUME_TRAINING');
    await ask('STOP_TRAINING');
    await ask('GET_WEIGHTS');
    const ends = messages.slice(at).filter(({ type }) => ENDS.includes(type));
    const count = (/** @type {string} */ type) => ends.filter((each) => each.type === type).length;
    assert.deepEqual(
      [count('PREDICTION_RESULT'), count('WEIGHTS'), count('EVALUATION_RESULT')],
      [3000, 3001, 3000],
    );
    const refused = ends.filter(({ type }) => type === 'ERROR');
    assert.ok(
      refused.some(({ id }) => id === 'run'),
      'the id of the run was taken',
    );
    assert.equal(ends.find(({ type }) => type === 'TRAINING_COMPLETE').payload.reason, 'stopped');
    for (const { payload } of refused) assert.equal(payload.code, 'BAD_MESSAGE');
  });

  test(`uploads that are never finished have a limit, and leave nothing behind, ${place}`, async () => {
    const { ask } = start();
    await ask('INIT_TRAINING', SPEC);
    const { usedBytes } = await ask('GET_STATUS');
    const slice = (/** @type {number} */ upload, total = 64) =>
      ask('UPLOAD_DATA', { upload, dtype: 'uint8', total, offset: 0, bytes: new ArrayBuffer(1) });
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 1024; i++) await slice(i);
      await assert.rejects(slice(1024), { code: 'INVALID_DATA', message: /1024 uploads/ });
      for (let i = 0; i < 1024; i++) await ask('DISCARD_DATA', { upload: i });
      assert.equal((await ask('GET_STATUS')).usedBytes, usedBytes);
    }
    for (let i = 0; i < 1024; i++)
      await slice(0).catch((error) => assert.equal(error.code, 'INVALID_DATA')); // the same again
    await assert.rejects(slice(1, 2 ** 40), { code: 'OUT_OF_MEMORY' });
    await ask('DISCARD_DATA', { upload: 0 });
    await assert.rejects(ask('START_TRAINING', { x: { upload: 7 }, y: { upload: 8 } }), {
      code: 'INVALID_DATA',
    });
    assert.equal((await ask('GET_STATUS')).usedBytes, usedBytes);
    await slice(0, 2 ** 28); // memory of a model that is dropped
    await ask('INIT_TRAINING', SPEC);
    assert.ok((await ask('GET_STATUS')).memoryBytes < 2 ** 24);
  });

  test(`a thousand INITs leave the memory as it was, ${place}`, async () => {
    const { ask, messages } = start();
    /** @type {number[]} */
    const resident = [];
    /** @type {Set<number>} */
    const wasm = new Set();
    for (let i = 0; i < 1000; i++) {
      const { memoryBytes } = await ask(
        'INIT_TRAINING',
        i % 3 ? SPEC : { ...SPEC, runtime: { variant: 'simd-mt', threads: 2 } },
      );
      if (i % 3) wasm.add(memoryBytes);
      if (i % 7 === 0)
        await assert.rejects(ask('INIT_TRAINING', { ...SPEC, layers: [] }), {
          code: 'INVALID_SPEC',
        });
      if (i % 200 !== 199) continue;
      messages.length = 0;
      collect();
      resident.push(process.memoryUsage().rss);
    }
    assert.equal(wasm.size, 1);
    // Of 800 models that stayed, each with 128 KiB and more of wasm memory, it would be above 100
    // MB.
    assert.ok(
      resident[4] - resident[0] < 64 * MB,
      `${resident.map((bytes) => Math.round(bytes / MB)).join(', ')} MB`,
    );
  });

  test(`INIT and DISPOSE over each other, all at once: each is answered, ${place}`, async () => {
    const client = start();
    const { ask, messages } = client;
    /** @type {Promise<any>[]} */
    const all = [];
    for (let i = 0; i < 300; i++) {
      all.push(
        ask('INIT_TRAINING', SPEC),
        ask('START_TRAINING', { ...quadrants(20), numEpochs: 1e9 }),
        ask('PREDICT', { x: [1, 2] }),
      );
      if (i % 3) all.push(ask('DISPOSE'));
      if (i % 5 === 0) all.push(ask('STOP_TRAINING'), ask('SAVE_CHECKPOINT'));
    }
    all.push(ask('DISPOSE'));
    for (const each of await Promise.allSettled(all)) {
      if (each.status === 'rejected')
        assert.ok(
          ['DISPOSED', 'BUSY', 'BAD_MESSAGE'].includes(each.reason.code),
          each.reason.message,
        );
    }
    assert.equal(messages.filter(({ type }) => ENDS.includes(type)).length, all.length);
    const { state, memoryBytes } = await ask('GET_STATUS');
    assert.deepEqual([state, memoryBytes], ['empty', 0]);
    assert.equal((await ask('INIT_TRAINING', SPEC)).parameters, 82);
  });

  test(`messages changed at random end no session, ${place}`, async () => {
    const { x, y } = quadrants(8);
    const seeds = [
      SPEC,
      { x: [0.5, 1] },
      {
        x: [
          [1, 2],
          [3, 4],
        ],
        y: [0, 1],
      },
      { x, y, numEpochs: 2, batchSize: 3 },
      {},
      { upload: 1 },
      { upload: 1, dtype: 'float32', total: 16, offset: 0, bytes: new ArrayBuffer(8) },
      { weights: [{ name: 'dense/kernel', shape: [2, 16], data: new Float32Array(32) }] },
      { x: { upload: 1 }, y: { upload: 2 } },
      { trainingData: [{ grid: [[1, 2]], label: 0 }] },
      {
        layers: [
          { type: 'conv', filterSize: 3, numFilters: 2 },
          { type: 'pool', poolSize: 2 },
        ],
      },
      { bytes: new Uint8Array(64) },
    ];
    const types = Object.keys(REPLIES);
    const words = [
      ...types,
      'v',
      'id',
      'type',
      'payload',
      'x',
      'y',
      'upload',
      'data',
      'shape',
      'layers',
      'units',
      'inputShape',
      'numEpochs',
      'batchSize',
      'dtype',
      'total',
      'offset',
      'weights',
      'float32',
      'dense',
      'validationSplit',
      'runtime',
      'threads',
      'variant',
      'sliceWork',
      'loss',
      'optimizer',
    ];
    const dictionary = { words, tokens: [new Uint8Array([0, 255])] };
    const random = createRandom(4);
    /**
     * Numbers that would make a model of gigabytes, or wait for it, made small.
     * @param {any} value @param {Set<any>} [seen]
     */
    const tame = (value, seen = new Set()) => {
      if (
        value === null ||
        typeof value !== 'object' ||
        ArrayBuffer.isView(value) ||
        seen.has(value)
      )
        return value;
      seen.add(value);
      for (const [key, each] of Object.entries(value)) {
        if (typeof each === 'number' && Math.abs(each) > 20 && Math.abs(each) < 2 ** 40)
          value[key] = 20;
        else tame(each, seen);
      }
      return value;
    };
    const { send, ask, messages } = start();
    await ask('INIT_TRAINING', SPEC);
    messages.length = 0;
    let due = 0; // answers to enveloped messages
    const told = () => messages.filter((each) => each.v === 1 && ENDS.includes(each.type)).length;
    /** @type {Record<string, number>} */
    const codes = {};
    for (let batch = 0; batch < 400; batch++) {
      for (let i = 0; i < 20; i++) {
        const seed = structuredClone({
          v: 1,
          id: `${batch}.${i}`,
          type: types[random(types.length)],
          payload: seeds[random(seeds.length)],
        });
        const message = tame(
          random(4)
            ? mutate(seed, random, dictionary, structuredClone(seeds[random(seeds.length)]))
            : seed,
        );
        try {
          send(message);
        } catch {
          continue; // what cannot be cloned was not sent
        }
        if (!isBare(message)) due++;
      }
      for (let turns = 0; turns === 0 || told() < due; turns++, due++) {
        assert.ok(turns < 5000, `${told()} answers to ${due} messages`);
        send({ v: 1, id: `stop ${batch} ${turns}`, type: 'STOP_TRAINING' });
        await new Promise((resolve) => void setTimeout(resolve, turns < 10 ? 0 : 5));
      }
      assert.equal(told(), due);
      for (const { payload } of messages.filter(
        ({ type }) => type === 'ERROR' || type === 'TRAINING_ERROR',
      )) {
        assert.ok(ERROR_CODES.includes(payload.code), payload.error);
        assert.notEqual(payload.code, 'WORKER_LOST', payload.error);
        codes[payload.code] = (codes[payload.code] ?? 0) + 1;
      }
      messages.length = due = 0;
      if (batch % 10 === 9)
        send({ v: 1, id: `init ${batch}`, type: 'INIT_TRAINING', payload: SPEC });
      if (batch % 10 === 9) due++;
    }
    assert.ok(
      codes.BAD_MESSAGE > 50 && codes.INVALID_DATA > 20 && codes.INVALID_SPEC > 5,
      JSON.stringify(codes),
    );
    assert.equal((await ask('INIT_TRAINING', SPEC)).parameters, 82);
  });
}
