/* waits.test.js: a run on the wire that waits for its client at the end of each epoch, and what
 * changes it while it is on. Time is the test's: what stands still stands still for good. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QUADRANTS, bitsOf, connectLocal, createManualHost, quadrants } from './session-client.js';

const { x, y } = quadrants(40);
const RUN = { x, y, numEpochs: 3, batchSize: 10, validationSplit: 0.25 };

/** A run in slices of one unit of work. */
async function waiting(fields = {}) {
  const time = createManualHost();
  const client = connectLocal(time.host);
  /** Goes on until nothing is left to do. */
  const settle = async () => {
    for (let idle = 0; idle < 3;) {
      await new Promise((resolve) => setImmediate(resolve));
      idle = time.waiting > 0 ? 0 : idle + 1;
      for (let turns = 0; time.waiting > 0 && turns < 1000; turns++) {
        time.turn();
        time.ms += 1;
      }
    }
  };
  const ask = async (type, payload) => {
    const answer = client.ask(type, payload);
    let answered = false;
    answer.catch(() => {}).then(() => (answered = true));
    while (!answered) await settle();
    await settle();
    return answer;
  };
  client.ask('INIT_TRAINING', { ...QUADRANTS, runtime: { sliceWork: 1 } });
  while (client.messages.length === 0) await settle();
  const run = client.ask('START_TRAINING', { ...RUN, waits: true, ...fields });
  while (client.of('TRAINING_PROGRESS').length === 0) await settle();
  return { time, client, run, ask, settle };
}

test('the run stands at the end of each epoch, and everybody else is answered', async () => {
  const { time, client, run, ask } = await waiting();
  const types = client.messages.map(({ type }) => type);
  assert.equal(types.at(-1), 'EPOCH_ENDED');
  assert.equal(types.at(-2), 'TRAINING_PROGRESS');
  const [{ epoch, step, record }] = client.of('EPOCH_ENDED');
  assert.deepEqual([epoch, step, record.step, record.kind], [1, 3, 3, 'epoch']);
  const { records } = client.of('TRAINING_PROGRESS').at(-1);
  assert.deepEqual({ ...record, elapsedSeconds: 0 }, { ...records.at(-1), elapsedSeconds: 0 });
  const weights = bitsOf(await ask('GET_WEIGHTS'));
  time.ms += 60_000;
  assert.equal((await ask('PREDICT', { x: [0, 1] })).step, 3);
  assert.equal((await ask('EVALUATE_MODEL', { x, y })).step, 3);
  assert.equal((await ask('SAVE_CHECKPOINT')).step, 3);
  assert.equal(bitsOf(await ask('GET_WEIGHTS')), weights);
  const { state, stageSeconds } = await ask('GET_STATUS');
  assert.equal(state, 'training');
  assert.ok(stageSeconds.training >= 0);
  const stands = { state: 'training', epoch: 1, batch: 3, step: 3 };
  assert.deepEqual(await ask('CONTINUE_TRAINING', { epoch: 2 }), stands);
  assert.equal((await ask('PAUSE_TRAINING')).state, 'paused');
  assert.equal((await ask('RESUME_TRAINING')).state, 'training');
  await assert.rejects(ask('CONTINUE_TRAINING', { epoch: 1, learningRate: 2e6 }), {
    code: 'INVALID_OPTION',
  });
  assert.equal(client.of('EPOCH_ENDED').length, 1);
  await ask('CONTINUE_TRAINING', { epoch: 1 });
  await ask('CONTINUE_TRAINING', { epoch: 1 });
  assert.equal(client.of('EPOCH_ENDED').length, 2);
  await ask('CONTINUE_TRAINING', { epoch: 2 });
  assert.equal(client.of('EPOCH_ENDED').length, 3);
  assert.equal(client.of('TRAINING_COMPLETE').length, 0);
  await ask('CONTINUE_TRAINING', { epoch: 3 });
  const { reason, durationSeconds, history } = await run;
  assert.equal(reason, 'finished');
  assert.ok(durationSeconds < 60, `${durationSeconds}`);
  const plain = await waiting({ waits: false });
  assert.deepEqual((await plain.run).history, history);
});

test('paused while it waits, it stays paused when the answer has come', async () => {
  const { client, ask } = await waiting();
  await ask('PAUSE_TRAINING');
  assert.equal((await ask('CONTINUE_TRAINING', { epoch: 1 })).state, 'paused');
  assert.equal(client.of('EPOCH_ENDED').length, 1);
  await ask('RESUME_TRAINING');
  assert.equal(client.of('EPOCH_ENDED').length, 2);
});

test('an answer may end the run; a stop needs none', async () => {
  for (const [type, payload, reason] of [
    ['CONTINUE_TRAINING', { epoch: 1, stop: true }, 'onEpoch'],
    ['STOP_TRAINING', undefined, 'stopped'],
    ['DISPOSE', undefined, 'stopped'],
  ]) {
    const { run, ask, client } = await waiting();
    await ask(type, payload);
    const result = await run;
    assert.deepEqual([result.reason, result.epochs, result.step], [reason, 1, 3], type);
    assert.equal(client.of('EPOCH_ENDED').length, 1);
  }
});

test('STOP after the epoch waits for its end, and is answered after the run', async () => {
  const { run, client, ask, settle } = await waiting({ waits: false, numEpochs: 1 });
  await run;
  const next = client.ask('START_TRAINING', { ...RUN, numEpochs: 9 });
  const stopped = ask('STOP_TRAINING', { after: 'epoch' });
  const { reason, epochs, batch } = await next;
  assert.deepEqual([reason, epochs, batch], ['stopped', 1, 3]);
  assert.equal((await stopped).state, 'ready');
  const types = client.messages.map(({ type }) => type);
  assert.ok(types.lastIndexOf('TRAINING_COMPLETE') < types.indexOf('TRAINING_STOPPED'));
  const idle = { state: 'ready', epoch: 0, batch: 0, step: 6 };
  assert.deepEqual(await ask('STOP_TRAINING', { after: 'epoch' }), idle);
  assert.deepEqual(await ask('CONTINUE_TRAINING', { epoch: 1 }), idle);
  assert.deepEqual(await ask('SET_RUN', { learningRate: 0 }), idle);
});

test('a rate that is set holds from the next step on, and for this run alone', async () => {
  const { run, client, ask } = await waiting();
  const before = bitsOf(await ask('GET_WEIGHTS'));
  assert.equal((await ask('SET_RUN', { learningRate: 0 })).step, 3);
  await ask('CONTINUE_TRAINING', { epoch: 1 });
  assert.equal(bitsOf(await ask('GET_WEIGHTS')), before);
  await ask('CONTINUE_TRAINING', { epoch: 2, learningRate: 0.01 });
  assert.notEqual(bitsOf(await ask('GET_WEIGHTS')), before);
  await ask('CONTINUE_TRAINING', { epoch: 3 });
  const { history } = await run;
  assert.deepEqual(
    history.map(({ learningRate }) => learningRate),
    [0.02, 0, 0.01],
  );
  const next = ask('START_TRAINING', { ...RUN, numEpochs: 1 });
  assert.equal((await next).history[0].learningRate, 0.02);
  assert.equal(client.of('EPOCH_ENDED').length, 3);
});
