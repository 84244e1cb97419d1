/* threads.test.js: the threads that compute beside a session's own: when they come, how they end,
 * and what is said where one is lost or memory that they share is short. That they change no bit is
 * told by tests/bits. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import test from 'node:test';
import { Worker } from 'node:worker_threads';
import { PROBLEMS, dataOf } from '../bits/problems.js';
import { ThreadCount } from '../../worker/host/thread-count.js';
import { Core } from '../../worker/trainer/core.js';
import { inOwnProcess, until, withThreads } from './api-setting.js';
import { openHere, openPort } from './services-setting.js';
import { QUADRANTS, bitsOf, connectLocal, connectWorker, quadrants } from './session-client.js';

const { spec } = PROBLEMS.shared;
const data = dataOf(PROBLEMS.shared);
const EVALUATION = { ...data, batchSize: 16 };
const LONG = { ...data, numEpochs: 1e6, batchSize: 16 };
/** @param {number} threads */
const init = (threads, net = spec) => ({ ...net, runtime: { variant: 'simd-mt', threads } });

/** @param {any} client @param {number} helpers */
async function gather(client, helpers) {
  await client.ask('EVALUATE_MODEL', EVALUATION);
  while ((await client.ask('GET_STATUS')).helpers < helpers) await new Promise(setImmediate);
}

/** Resolves when a thread has ended. @param {import('node:worker_threads').Worker} thread */
const exit = (thread) => until(() => thread.threadId === -1);

async function weightsOfOne() {
  const client = connectLocal();
  await client.ask('INIT_TRAINING', init(1));
  await client.ask('START_TRAINING', { ...data, batchSize: 16 });
  return bitsOf(await client.ask('GET_WEIGHTS'));
}

test('helpers come with the first work to share, not before, and end with the model', () =>
  withThreads(async (made) => {
    const client = connectLocal();
    assert.equal((await client.ask('INIT_TRAINING', init(3))).threads, 3);
    await client.ask('PREDICT', { x: data.x.slice(0, 21 * 22 * 3) });
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(made.length, 0);
    await gather(client, 2);
    assert.equal(made.length, 2);
    await client.ask('START_TRAINING', { ...data, batchSize: 16 });
    assert.equal(made.length, 2, 'the same ones go on');
    const ended = Promise.all(made.map(exit));
    await client.ask('INIT_TRAINING', init(2));
    await ended;
    assert.equal((await client.ask('GET_STATUS')).helpers, 0);
    await gather(client, 1);
    const last = exit(made[2]);
    await client.ask('DISPOSE');
    await last;
  }));

test('a refused INIT leaves the helpers with their model', () =>
  withThreads(async (made) => {
    const client = connectLocal();
    await client.ask('INIT_TRAINING', init(2));
    await gather(client, 1);
    await assert.rejects(client.ask('INIT_TRAINING', init(2, { ...spec, layers: [] })), {
      code: 'INVALID_SPEC',
    });
    assert.equal((await client.ask('GET_STATUS')).helpers, 1);
    assert.equal(made.length, 1);
    await client.ask('DISPOSE');
  }));

test('a net without work to share never has helpers', () =>
  withThreads(async (made) => {
    const client = connectLocal();
    await client.ask('INIT_TRAINING', init(4, QUADRANTS));
    const run = client.ask('START_TRAINING', { ...quadrants(200), numEpochs: 1e6 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(made.length, 0);
    assert.equal((await client.ask('GET_STATUS')).threads, 1, 'one computes, whatever may');
    await client.ask('STOP_TRAINING');
    await run;
    assert.equal((await client.ask('GET_STATUS')).threads, 4);
    await client.ask('DISPOSE');
  }));

test('helpers that do not come are done without', async () => {
  const missing = () => [new URL('nowhere.js', import.meta.url), {}];
  const throwing = () => ['throw new Error("no such luck")', { eval: true }];
  const silent = () => ['setInterval(() => {}, 1e9)', { eval: true }];
  const refusing = () => {
    throw new Error('no more threads');
  };
  const want = await weightsOfOne();
  for (const instead of [missing, throwing, silent, refusing]) {
    await withThreads(async (made) => {
      const client = connectLocal();
      await client.ask('INIT_TRAINING', init(3));
      const result = await client.ask('START_TRAINING', { ...data, batchSize: 16 });
      assert.equal(result.reason, 'finished');
      if (instead !== silent) await Promise.all(made.map(exit));
      assert.equal(bitsOf(await client.ask('GET_WEIGHTS')), want);
      assert.equal((await client.ask('GET_STATUS')).helpers, 0);
      await client.ask('DISPOSE');
    }, instead);
  }
});

test('a helper that ends unasked takes the session down, which can begin anew', () =>
  withThreads(async (made) => {
    const client = connectLocal();
    await client.ask('INIT_TRAINING', init(3));
    await gather(client, 2);
    const run = client.ask('START_TRAINING', LONG);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const other = exit(made[1]);
    await made[0].terminate();
    await assert.rejects(
      run,
      (/** @type {any} */ error) =>
        error.code === 'WORKER_LOST' &&
        error.reply.type === 'TRAINING_ERROR' &&
        /a computing thread was lost: it ended without being asked/.test(error.message),
    );
    await other;
    assert.equal((await client.ask('GET_STATUS')).state, 'empty');
    await assert.rejects(client.ask('GET_WEIGHTS'), { code: 'WORKER_LOST' });
    await client.ask('INIT_TRAINING', init(2));
    await gather(client, 1);
    await client.ask('DISPOSE');
  }));

test('a helper that traps with a part in its hands is told at once', async (t) => {
  const { postMessage } = Worker.prototype;
  t.mock.method(Worker.prototype, 'postMessage', function (task) {
    // with a stack that is too small for a part
    return postMessage.call(this, task.core ? { core: { ...task.core, stack: 2048 } } : task);
  });
  const client = connectLocal();
  await client.ask('INIT_TRAINING', init(2));
  await assert.rejects(client.ask('START_TRAINING', LONG), {
    code: 'WORKER_LOST',
    message: /a computing thread was lost/,
  });
  await client.ask('DISPOSE');
});

/**
 * Trainers over ports of this thread, with models that have work for two helpers.
 * @param {number} count
 */
async function neighbours(count) {
  const root = openHere();
  const clients = await Promise.all(Array.from({ length: count }, () => openPort(root, 'trainer')));
  for (const { ask } of clients) await ask('INIT_TRAINING', init(3));
  return clients;
}

test('sessions of one thread share its helpers, lent to one core at a time: same bits, no more threads', () =>
  withThreads(async (made) => {
    const alone = await weightsOfOne();
    const clients = await neighbours(4);
    await Promise.all(clients.map(({ ask }) => ask('START_TRAINING', { ...data, batchSize: 16 })));
    for (const { ask } of clients) assert.equal(bitsOf(await ask('GET_WEIGHTS')), alone);
    assert.equal(made.length, 2, 'two helpers for four sessions');
    const [last, ...others] = clients;
    for (const { ask } of others) await ask('DISPOSE', { close: true });
    await gather(last, 2);
    assert.ok(
      made.every(({ threadId }) => threadId > 0),
      'they are there as long as one session has a use for them',
    );
    await last.ask('DISPOSE', { close: true });
    for (const thread of made) await exit(thread);
  }));

test('a helper that is lost takes down the session that has it, and no other', () =>
  withThreads(async (made) => {
    const alone = await weightsOfOne();
    const [has, other] = await neighbours(2);
    await gather(other, 2);
    await gather(has, 2);
    assert.equal((await other.ask('GET_STATUS')).helpers, 0, 'they have left its team');
    await made[0].terminate();
    while ((await has.ask('GET_STATUS')).state !== 'empty') await new Promise(setImmediate);
    await assert.rejects(has.ask('GET_WEIGHTS'), {
      code: 'WORKER_LOST',
      message: /a computing thread was lost/,
    });
    await other.ask('START_TRAINING', { ...data, batchSize: 16 });
    assert.equal(bitsOf(await other.ask('GET_WEIGHTS')), alone);
    await has.ask('INIT_TRAINING', init(3));
    await gather(has, 2);
    assert.equal(made.length, 3, 'another one takes its place');
    for (const { ask } of [has, other]) await ask('DISPOSE', { close: true });
    for (const thread of made) await exit(thread);
  }));

test('a helper that traps takes down the session whose part it had, and no other', async (t) => {
  const { postMessage } = Worker.prototype;
  t.mock.method(Worker.prototype, 'postMessage', function (task) {
    const { core } = task; // of the second one, a stack that is too small for a part
    return postMessage.call(this, core?.id === 2 ? { core: { ...core, stack: 2048 } } : task);
  });
  for (let i = 0; i < 5; i++) {
    const clients = await neighbours(2);
    t.after(() => clients.forEach(({ close }) => close()));
    const runs = clients.map(({ ask }) => ask('START_TRAINING', LONG));
    const lost = await Promise.race(runs.map((run, k) => run.catch(() => k)));
    await new Promise((resolve) => setTimeout(resolve, 50)); // until the helper's end is heard
    await clients[1 - lost].ask('STOP_TRAINING');
    assert.equal((await runs[1 - lost]).reason, 'stopped');
    const lostThread = { code: 'WORKER_LOST', message: /a computing thread was lost/ };
    await assert.rejects(runs[lost], lostThread);
    for (const { ask } of clients) await ask('DISPOSE', { close: true });
  }
});

/**
 * Another number of threads after every step.
 * @param {any} t @param {number} most @param {(step: number) => void} [then]
 */
function changing(t, most, then = () => {}) {
  let steps = 0;
  const mock = t.mock.method(ThreadCount.prototype, 'stepTook', function () {
    this.count = 1 + ((steps * 7) % most);
    then(steps++);
    return true;
  });
  return { end: () => mock.mock.restore(), steps: () => steps };
}

test('the number of threads changes after every step, and no bit does', async (t) => {
  const alone = await weightsOfOne();
  for (const disturbed of [false, true]) {
    const client = connectLocal();
    await client.ask('INIT_TRAINING', init(4));
    await gather(client, 3);
    /** @type {Set<number>} */
    const seen = new Set();
    const changes = changing(t, 4);
    const run = client.ask('START_TRAINING', { ...data, batchSize: 16 });
    for (let i = 0; disturbed && i < 50; i++) {
      const { state } = await client.ask('PAUSE_TRAINING');
      await client.ask('PREDICT', { x: data.x });
      seen.add((await client.ask('GET_STATUS')).threads);
      await client.ask('RESUME_TRAINING');
      if (state === 'ready') break;
    }
    await run;
    assert.equal(bitsOf(await client.ask('GET_WEIGHTS')), alone);
    assert.ok(changes.steps() > 2);
    const { threads, helpers } = await client.ask('GET_STATUS');
    const last = 1 + (((changes.steps() - 1) * 7) % 4);
    assert.equal(client.of('TRAINING_PROGRESS').at(-1).threads, last, 'it is told');
    assert.equal(threads, 4, 'of no run: all that may');
    assert.equal(helpers, 3, 'who takes no part is there all the same');
    for (const each of seen) assert.ok(each >= 1 && each <= 4);
    changes.end();
    await client.ask('DISPOSE');
  }
});

test('evaluating and predicting are measured too, and have a number of their own', async (t) => {
  const client = connectLocal();
  await client.ask('INIT_TRAINING', init(4));
  await gather(client, 3);
  const { stepTook } = ThreadCount.prototype;
  const training = t.mock.method(ThreadCount.prototype, 'stepTook', function (samples) {
    stepTook.call(this, samples, 1000); // all that may are known
    this.count = 1;
    return true;
  });
  await client.ask('START_TRAINING', { ...data, batchSize: 16 });
  assert.equal(client.of('TRAINING_PROGRESS').at(-1).threads, 1);
  training.mock.restore();
  /** @type {[number, number, number][]} */ const steps = [];
  t.mock.method(ThreadCount.prototype, 'stepTook', function (samples, ms) {
    steps.push([samples, ms, this.count]);
    return false;
  });
  const n = (await client.ask('EVALUATE_MODEL', EVALUATION)).samples;
  await client.ask('PREDICT', { x: data.x });
  assert.equal(
    steps.reduce((sum, [samples]) => sum + samples, 0),
    2 * n,
  );
  assert.ok(steps.some(([, ms]) => ms > 0));
  for (const [, , count] of steps) assert.ok(count > 1, `${count}`);
  await client.ask('DISPOSE');
});

test('a helper that ends while the number changes takes the session down, which can begin anew', (t) =>
  withThreads(async (made) => {
    for (const at of [1, 2, 3, 4]) {
      const client = connectLocal();
      await client.ask('INIT_TRAINING', init(3));
      await gather(client, 2);
      const changes = changing(t, 3, (step) => {
        if (step === at) made.at(-1)?.terminate();
      });
      await assert.rejects(client.ask('START_TRAINING', LONG), {
        code: 'WORKER_LOST',
        message: /a computing thread was lost/,
      });
      changes.end();
      await client.ask('INIT_TRAINING', init(2));
      await gather(client, 1);
      await client.ask('DISPOSE');
    }
  }));

test('no helper spins where nothing is to be done: paused, resting, ended, one too many', async (t) => {
  /** @type {Set<Core>} */
  const cores = new Set();
  const { stepRun } = Core.prototype;
  t.mock.method(Core.prototype, 'stepRun', function (plan, work) {
    cores.add(this);
    return stepRun.call(this, plan, work);
  });
  const client = connectLocal();
  const asleep = () => until(() => [...cores].every((core) => core.asleep === 2));
  /** Many turns of the queue, in which nobody wakes. */
  const stays = async () => {
    for (let i = 0; i < 200; i++) {
      await new Promise(setImmediate);
      for (const core of cores) assert.equal(core.asleep, 2);
    }
  };
  await client.ask('INIT_TRAINING', init(3));
  await gather(client, 2);
  await asleep();
  await stays();
  let run = client.ask('START_TRAINING', LONG);
  for (let i = 0; i < 3; i++) {
    await client.ask('PAUSE_TRAINING');
    await asleep();
    await stays();
    await client.ask('RESUME_TRAINING');
  }
  await client.ask('STOP_TRAINING');
  await run;
  await asleep();
  await stays();
  /* One thread is enough: whatever is trained, the others sleep. */
  t.mock.method(ThreadCount.prototype, 'stepTook', function () {
    this.count = 1;
    return true;
  });
  run = client.ask('START_TRAINING', LONG);
  while ((await client.ask('GET_STATUS')).threads > 1) continue;
  await asleep();
  await stays();
  assert.equal((await client.ask('GET_STATUS')).state, 'training');
  await client.ask('STOP_TRAINING');
  await run;
  await client.ask('DISPOSE');
});

test('a trainer that computes a hundredth of the time lets its helpers sleep for the rest', async (t) => {
  /** @type {Core | undefined} */
  let core;
  const { stepRun } = Core.prototype;
  t.mock.method(Core.prototype, 'stepRun', function (plan, work) {
    core = this;
    return stepRun.call(this, plan, work);
  });
  const client = connectLocal();
  const runtime = { variant: 'simd-mt', threads: 3, duty: 0.01 };
  await client.ask('INIT_TRAINING', { ...spec, runtime });
  await gather(client, 2);
  const run = client.ask('START_TRAINING', LONG);
  for (let rests = 0; rests < 5; rests++) {
    const { step } = await client.ask('GET_STATUS');
    while ((await client.ask('GET_STATUS')).step === step)
      await new Promise((resolve) => setTimeout(resolve, 1));
    await until(() => core?.asleep === 2);
  }
  await client.ask('STOP_TRAINING');
  await run;
  await client.ask('DISPOSE');
});

test('trainings beside others of the page have their share of its cores', async (t) => {
  const share = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const words = new Int32Array(share.buffer);
  const wall = Date.now();
  t.mock.method(Date, 'now', () => wall);
  words.fill(wall | 0 || 1, 10, 12); // of two others
  const client = connectLocal();
  const runtime = { variant: 'simd-mt', threads: 4, share };
  await client.ask('INIT_TRAINING', { ...spec, runtime });
  assert.equal((await client.ask('GET_STATUS')).threads, 4);
  await gather(client, 3);
  const run = client.ask('START_TRAINING', LONG);
  while ((await client.ask('GET_STATUS')).threads > 1) await new Promise(setImmediate);
  await client.ask('STOP_TRAINING');
  await run;
  await client.ask('DISPOSE');
});

test('no reply is a view of shared memory', async () => {
  const client = connectLocal();
  await client.ask('INIT_TRAINING', init(2));
  const replies = [
    await client.ask('PREDICT', { x: data.x }),
    await client.ask('PREDICT', { x: data.x.slice(0, 21 * 22 * 3) }),
    await client.ask('START_TRAINING', { ...data, batchSize: 16, returnWeights: true }),
    await client.ask('GET_WEIGHTS'),
  ];
  const arrays = replies.flatMap(({ output, index, confidence, weights = [] }) =>
    [output, index, confidence, ...weights.map((/** @type {any} */ weight) => weight.data)].filter(
      ArrayBuffer.isView,
    ),
  );
  assert.ok(arrays.length > 6);
  for (const { buffer, byteLength } of arrays)
    assert.ok(buffer instanceof ArrayBuffer && buffer.byteLength === byteLength);
  await client.ask('DISPOSE');
});

/** An engine whose memories, where shared, may not have so many pages. */
function withMaximum(t, pages) {
  const { Memory } = WebAssembly;
  t.after(() => Object.assign(WebAssembly, { Memory }));
  WebAssembly.Memory = class extends Memory {
    constructor(/** @type {any} */ type) {
      if (type.shared && type.maximum > pages) throw new RangeError('could not allocate memory');
      super(type);
    }
  };
}

test('a shared memory is as big as can be had, and says so where data exceed it', async (t) => {
  withMaximum(t, 5000);
  const client = connectLocal();
  await client.ask('INIT_TRAINING', init(2));
  await client.ask('START_TRAINING', { ...data, batchSize: 16 });
  const slice = {
    upload: 1,
    dtype: 'uint8',
    total: 2 ** 28,
    offset: 0,
    bytes: new ArrayBuffer(1024),
  };
  await assert.rejects(client.ask('UPLOAD_DATA', slice), {
    code: 'OUT_OF_MEMORY',
    message: /memory that threads share ends at 256\.0 MiB .* with threads: 1 there may be more/,
  });
  await client.ask('UPLOAD_DATA', { ...slice, total: 2 ** 27 });
  await client.ask('DISPOSE');
});

test('a trainer with helpers keeps no process alive, disposed or not', () => {
  const text = (end) => `
    import { PROBLEMS, dataOf } from ${JSON.stringify(new URL('../bits/problems.js', import.meta.url).href)};
    const { x, y } = dataOf(PROBLEMS.shared);
    const trainer = await offstage.createTrainer(PROBLEMS.shared.spec, { threads: 3, mode: 'worker' });
    const { threads } = trainer.info;
    if (trainer.status().threads !== threads) throw new Error('its status says otherwise');
    for (let i = 0; i < 3; i++) await trainer.fit(x, y, { epochs: 5 });
    console.log(trainer.info.variant, threads);
    ${end}`;
  for (const end of [
    '',
    'await trainer.dispose();',
    'trainer.fit(x, y, { epochs: 1e9 }); process.exit(0);',
  ]) {
    const { status, stdout, stderr } = inOwnProcess(text(end));
    assert.deepEqual([status, stdout.trim(), stderr], [0, 'simd-mt 3', '']);
  }
});

const TASKS = '/proc/self/task';
const skip = existsSync(TASKS)
  ? false
  : `this system does not tell a process's threads in ${TASKS}`;
const tasks = () => readdirSync(TASKS).length;

test(
  'threads do not pile up: neither of disposed sessions nor of terminated workers',
  { skip },
  async () => {
    const cycle = async (/** @type {any} */ connect) => {
      const client = connect();
      await client.ask('INIT_TRAINING', init(4));
      await gather(client, 3);
      if (connect === connectLocal) await client.ask('DISPOSE');
      else client.ask('START_TRAINING', LONG); // terminated with a run on
      await client.close();
    };
    for (const connect of [connectLocal, connectWorker]) {
      await cycle(connect);
      const before = tasks();
      for (let i = 0; i < 12; i++) await cycle(connect);
      await until(() => tasks() <= before);
    }
  },
);
