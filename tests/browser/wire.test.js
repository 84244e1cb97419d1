/* wire.test.js: the wire protocol in Chromium without the bridge: a page that knows only the bare
 * dialect and nested arrays, and a session on the page's own thread that lets the page have its
 * turns. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GUARD, STRICT, complaints, openBrowser, withPage } from './setting.js';

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser?.close());

test('a page that speaks only the bare dialect, with nested arrays and short layers', GUARD, () =>
  withPage(browser, { policy: STRICT }, async ({ page, said }) => {
    const seen = await page.evaluate(async () => {
      const worker = new Worker('/worker/worker.js', { type: 'module' });
      const heard = [];
      const waiting = new Map();
      worker.onmessage = ({ data }) => {
        heard.push(data);
        waiting.get(data.type)?.(data.payload);
        waiting.delete(data.type);
      };
      const until = (type) => new Promise((resolve) => waiting.set(type, resolve));
      const say = (type, payload) =>
        worker.postMessage(payload === undefined ? { type } : { type, payload });

      // Bright pictures are 1, dark ones 0.
      const picture = (i) =>
        Array.from({ length: 28 }, (_, row) =>
          Array.from({ length: 28 }, (_, column) =>
            [0, 1, 2].map(
              (c) => 0.5 * (i % 2) + ((row * 7 + column * 13 + c * 5 + i * 11) % 17) / 40,
            ),
          ),
        );
      const trainingData = Array.from({ length: 24 }, (_, i) => ({
        id: `p${i}`,
        grid: picture(i),
        label: i % 2,
      }));

      say('INIT_TRAINING', {
        layers: [
          { id: 'a', type: 'conv', filterSize: 3, numFilters: 4, activation: 'relu' },
          { id: 'b', type: 'pool', poolSize: 2, poolingType: 'max' },
          { id: 'c', type: 'conv', filterSize: 3, numFilters: 3, activation: 'linear' },
          { id: 'd', type: 'activation', func: 'tanh' },
          { id: 'e', type: 'pool', poolSize: 2, poolingType: 'average' },
          { id: 'f', type: 'dropout', rate: 0.1 },
          { id: 'g', type: 'dense', units: 6, activation: 'relu' },
        ],
        learningRate: 0.01,
      });
      say('START_TRAINING', { trainingData, numEpochs: 8, batchSize: 8 }); // before it is ready
      const ready = await until('MODEL_READY');
      const complete = await until('TRAINING_COMPLETE');
      const progress = heard
        .filter(({ type }) => type === 'TRAINING_PROGRESS')
        .map(({ payload }) => payload);

      const predictions = [];
      for (const i of [100, 101]) {
        say('PREDICT', { inputGrid: picture(i) });
        predictions.push(await until('PREDICTION_RESULT'));
      }

      say('START_TRAINING', { trainingData, numEpochs: 1_000_000, batchSize: 8 });
      await until('TRAINING_PROGRESS');
      say('PREDICT', { inputGrid: picture(3) });
      predictions.push(await until('PREDICTION_RESULT'));
      say('STOP_TRAINING');
      const stopped = await until('TRAINING_COMPLETE');

      say('INIT_TRAINING', {
        layers: [{ type: 'conv', filterSize: 0, numFilters: 4, activation: 'relu' }],
      });
      const refusals = [await until('TRAINING_ERROR')];
      say('START_TRAINING', { trainingData: [{ grid: [[1]], label: 0 }] });
      refusals.push(await until('TRAINING_ERROR'));
      say('PREDICT', { inputGrid: picture(101) }); // the old model is still in place
      predictions.push(await until('PREDICTION_RESULT'));
      say('DISPOSE');
      await until('DISPOSED');
      worker.terminate();
      return {
        ready,
        progress,
        predictions,
        refusals,
        stopped: stopped.reason,
        complete: {
          ...complete,
          modelWeights: complete.modelWeights.map(({ name, shape, data }) => [
            name,
            shape,
            data.length,
          ]),
        },
        enveloped: heard.filter((message) => 'v' in message || 'id' in message).length,
      };
    });

    const { ready, progress, predictions, refusals, complete } = seen;
    assert.deepEqual(ready.inputShape, [28, 28, 3]);
    assert.deepEqual(
      ready.layers.map(({ type }) => type),
      [
        'conv2d',
        'maxPooling2d',
        'conv2d',
        'activation',
        'averagePooling2d',
        'dropout',
        'flatten',
        'dense',
        'dense',
      ],
    );
    assert.deepEqual(
      [ready.layers[8].units, ready.layers[8].activation, ready.loss],
      [1, 'sigmoid', 'binaryCrossentropy'],
    );
    assert.deepEqual(
      progress.filter(({ totalEpochs }) => totalEpochs === 8).map(({ epoch }) => epoch),
      [1, 2, 3, 4, 5, 6, 7, 8],
    );
    for (const { loss, accuracy } of progress)
      assert.ok(Number.isFinite(loss) && accuracy >= 0 && accuracy <= 1);
    assert.equal(complete.reason, 'finished');
    assert.deepEqual(
      complete.modelWeights.map(([name, shape]) => [name, shape.join('x')]),
      [
        ['conv2d/kernel', '3x3x3x4'],
        ['conv2d/bias', '4'],
        ['conv2d_1/kernel', '3x3x4x3'],
        ['conv2d_1/bias', '3'],
        ['dense/kernel', '75x6'],
        ['dense/bias', '6'],
        ['dense_1/kernel', '6x1'],
        ['dense_1/bias', '1'],
      ],
    );
    for (const [, shape, length] of complete.modelWeights)
      assert.equal(
        shape.reduce((a, b) => a * b, 1),
        length,
      );
    assert.deepEqual(
      predictions.map(({ index }) => index),
      [0, 1, 1, 1],
      JSON.stringify(predictions),
    );
    for (const { confidence, label, index } of predictions)
      assert.ok(confidence > 0.5 && label === String(index));
    assert.equal(seen.stopped, 'stopped');
    assert.deepEqual(
      refusals.map(({ code }) => code),
      ['INVALID_SPEC', 'INVALID_DATA'],
    );
    assert.equal(seen.enveloped, 0, 'replies to bare messages are bare');
    assert.deepEqual(complaints(said), []);
  }),
);

test(
  'on the main thread the page has a turn after every slice, and is answered in between',
  GUARD,
  () =>
    withPage(browser, {}, async ({ page, said }) => {
      const seen = await page.evaluate(async () => {
        const { connectMain } = await import('/tests/bits/train.js');
        const { PROBLEMS, dataOf } = await import('/tests/bits/problems.js');
        const waiting = new Map();
        let lastId = 0;
        const { post } = await connectMain(({ id, type, payload }) => {
          if (type !== 'TRAINING_PROGRESS') waiting.get(id)(payload);
        });
        const ask = (type, payload = {}) =>
          new Promise((resolve) => {
            waiting.set(++lastId, resolve);
            post({ v: 1, id: lastId, type, payload });
          });
        const problem = PROBLEMS.numbers;
        const data = dataOf(problem);
        await ask('INIT_TRAINING', { ...problem.spec, runtime: { place: 'main', sliceWork: 1 } });
        const { slices: before } = await ask('GET_STATUS');

        // The page's own work: tasks that follow each other for as long as the run is on.
        let [turns, timers, over] = [0, 0, false];
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => {
          turns++;
          if (!over) port2.postMessage(null);
        };
        port2.postMessage(null);
        const tick = () => {
          timers++;
          if (!over) setTimeout(tick);
        };
        setTimeout(tick);

        const run = ask('START_TRAINING', { ...data, ...problem.settings, numEpochs: 10 });
        const states = [];
        for (let i = 0; i < 20; i++) {
          await ask('PREDICT', { x: data.x.slice(0, 23) });
          const { state, step } = await ask('GET_STATUS');
          states.push({ state, step });
        }
        const { steps } = await run;
        over = true;
        const { slices } = await ask('GET_STATUS');
        return { slices: slices - before, turns, timers, steps, states };
      });
      assert.equal(seen.steps, 30);
      assert.ok(seen.slices > 10 * seen.steps, `${seen.slices} slices`);
      // Chromium's task queue is first in, first out: between two slices there is a turn of the
      // page. Half is demanded.
      assert.ok(
        seen.turns > seen.slices / 2,
        `${seen.turns} turns of the page in ${seen.slices} slices`,
      );
      assert.ok(seen.timers > 0, 'timers had their turn');
      assert.equal(seen.states[0].state, 'training');
      assert.ok(
        seen.states[0].step < 2,
        `the first prediction was answered at step ${seen.states[0].step}`,
      );
      assert.deepEqual(complaints(said), []);
    }),
);
