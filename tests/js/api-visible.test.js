/* api-visible.test.js: what a trainer shows of itself through the public API, wherever it runs:
 * status, events, log, runs, locks, suspensions, stacks. How long anything takes is never asked. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import test from 'node:test';

import { createTrainer, loadTrainer } from '../../web/index.js';
import {
  BOTH,
  IN_WORKER,
  bitsOf,
  cloudSpec,
  clouds,
  everywhere,
  inOwnProcess,
  refused,
  until,
  withThreads,
} from './api-setting.js';

const ENDLESS = { epochs: 1e6, batchSize: 8 };

/** Events of the types as they come. */
function record(trainer, ...types) {
  const heard = [];
  for (const type of types)
    trainer.addEventListener(type, ({ detail }) => heard.push([type, detail]));
  return heard;
}

const progressOf = (run) =>
  new Promise((resolve) => run.addEventListener('progress', resolve, { once: true }));

everywhere(
  'status tells at once what a person needs to believe that it runs',
  BOTH,
  async (make, t, { mode }) => {
    const asked = Date.now();
    const began = performance.now();
    const trainer = await make(cloudSpec());
    const ready = trainer.status();
    assert.deepEqual(structuredClone(ready), ready, 'a plain object');
    const { state, stage, epoch, batch, step, alive, restarts, processId, threadName, persist } =
      ready;
    assert.deepEqual(
      { state, stage, epoch, batch, step, alive, restarts, persist },
      {
        state: 'ready',
        stage: 'done',
        epoch: 0,
        batch: 0,
        step: 0,
        alive: true,
        restarts: 0,
        persist: null,
      },
    );
    assert.equal(processId, process.pid);
    assert.deepEqual(
      [threadName, ready.thread > 0],
      mode === 'worker' ? ['offstage', true] : ['main', false],
    );
    assert.ok(
      asked <= ready.since && ready.since <= ready.lastBeat && ready.lastBeat <= Date.now(),
    );
    assert.deepEqual([ready.memory, ready.bytesIn], [trainer.info.memoryBytes, 0]);
    assert.ok(ready.stageSeconds.loading > 0);

    const { x, y } = clouds(40);
    const run = trainer.fit(x, y, ENDLESS);
    assert.deepEqual([trainer.status().state, trainer.status().stage], ['training', 'training']);
    assert.equal(trainer.status().bytesIn, x.byteLength + y.byteLength);
    await progressOf(run);
    const training = trainer.status();
    assert.ok(
      training.epoch >= 1 &&
        training.step >= 1 &&
        ['training', 'validating', 'saving'].includes(training.stage),
    );
    assert.equal(training.thread, ready.thread);
    await run.pause();
    const paused = trainer.status();
    assert.equal(paused.state, 'paused');
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(
      trainer.status().stageSeconds,
      paused.stageSeconds,
      "a pause is nobody's time",
    );
    await run.resume();
    await run.stop();
    const result = await run;
    const done = trainer.status();
    assert.deepEqual([done.state, done.stage, done.step], ['ready', 'done', result.step]);
    assert.ok(done.stageSeconds.training > 0);
    const seconds = Object.values(done.stageSeconds).reduce((all, each) => all + each);
    assert.ok(seconds <= (performance.now() - began) / 1000, 'no time is counted twice');
    const before = trainer.status().bytesOut;
    const weights = await trainer.getWeights();
    assert.equal(
      trainer.status().bytesOut - before,
      weights.reduce((bytes, { data }) => bytes + data.byteLength, 0),
    );
    await trainer.dispose();
    const gone = trainer.status();
    assert.deepEqual(
      [gone.state, gone.alive, gone.since, gone.step],
      ['disposed', false, null, result.step],
    );
  },
);

everywhere(
  'bytes of data that are uploaded in slices are all counted, going and, empty handed, coming',
  IN_WORKER,
  async (make) => {
    const trainer = await make(cloudSpec());
    const { x, y } = clouds(60_000);
    const run = trainer.fit(x, y, { batchSize: 10_000 });
    await until(() => trainer.status().bytesIn > 0);
    assert.equal(trainer.status().stage, 'loading');
    await run;
    assert.equal(trainer.status().bytesIn, x.byteLength + y.byteLength);
  },
);

everywhere(
  'events tell of sessions that begin and end, also to who listens later',
  BOTH,
  async (make, t, { mode }) => {
    const trainer = await make(cloudSpec());
    await new Promise((resolve) => setTimeout(resolve, 5));
    const heard = record(trainer, 'workerstart', 'workerstop');
    const { thread } = trainer.status();
    await until(() => heard.length > 0);
    assert.deepEqual(heard, [
      ['workerstart', { threadId: thread, mode, reason: trainer.info.reason }],
    ]);
    await trainer.dispose();
    assert.deepEqual(heard.slice(1), [
      ['workerstop', { threadId: thread, mode, reason: 'the trainer is disposed of' }],
    ]);
  },
);

everywhere(
  'the log has its entries from the beginning, debug ones where asked',
  BOTH,
  async (make) => {
    for (const debug of [false, true]) {
      const trainer = await make(cloudSpec(), { debug });
      const heard = record(trainer, 'log');
      await until(() => heard.length > 0);
      const { x, y } = clouds(20);
      await trainer.fit(x, y);
      await trainer.dispose();
      const entries = heard.map(([, entry]) => entry);
      assert.ok(
        entries.every(
          ({ level, message, time }) =>
            /^(debug|info)$/.test(level) && message.length > 5 && time > 1.7e12,
        ),
      );
      assert.ok(
        entries.some(
          ({ level, message }) => level === 'info' && /a model of \d+ parameters/.test(message),
        ),
        "the session's own",
      );
      const sent = entries.filter(({ message }) =>
        /^START_TRAINING is sent, 560 bytes$/.test(message),
      );
      assert.deepEqual(
        sent.map(({ level }) => level),
        debug ? ['debug'] : [],
      );
    }
  },
);

test('the console is quiet, whatever goes on', () => {
  const { status, stdout, stderr } = inOwnProcess(`
    for (const mode of ['worker', 'main']) {
      const trainer = await offstage.createTrainer({ inputShape: [2], layers: [{ type: 'dense', units: 1 }] }, { mode, debug: true, keepAwake: true });
      await trainer.fit([[1, 2], [3, 4]], [1, 2], { epochs: 3 });
      await trainer.fit([[1, 2], [3, 4]], [1e38, -1e38], { epochs: 50 }).catch(() => {});
      await trainer.predict([1]).catch(() => {});
      await trainer.dispose();
    }`);
  assert.deepEqual([status, stdout, stderr], [0, '', '']);
});

everywhere(
  'runs: every run with start, end, reason, options and metrics, and checkpoints keep them',
  BOTH,
  async (make, t, place) => {
    const trainer = await make(cloudSpec());
    assert.deepEqual(trainer.runs, []);
    const { x, y } = clouds(40);
    const asked = Date.now();
    const { history } = await trainer.fit(x, y, {
      epochs: 3,
      batchSize: 8,
      validationSplit: 0.2,
      shuffle: false,
    });
    const [first] = trainer.runs;
    assert.deepEqual(
      { ...first, startedAt: 0, endedAt: 0 },
      {
        id: 1,
        startedAt: 0,
        endedAt: 0,
        reason: 'finished',
        metrics: history[2],
        steps: 12,
        options: { epochs: 3, batchSize: 8, shuffle: false, validationSplit: 0.2 },
      },
    );
    assert.ok(
      asked <= first.startedAt && first.startedAt <= first.endedAt && first.endedAt <= Date.now(),
    );

    const run = trainer.fit(x, y, { ...ENDLESS, validationSplit: 0.2 });
    await progressOf(run);
    const [, second] = trainer.runs; // as the page sees it
    assert.deepEqual(
      [second.id, second.endedAt, second.reason, second.options.epochs],
      [2, null, null, 1e6],
    );
    const bytes = await trainer.save();
    await run.stop();
    const { steps } = await run;
    assert.deepEqual(
      trainer.runs.map(({ id, reason, steps: made }) => [id, reason, made]),
      [
        [1, 'finished', 12],
        [2, 'stopped', steps],
      ],
    );
    await refused(trainer.fit(x, y, { resume: true, batchSize: 9 }), 'INVALID_OPTION');
    assert.equal(trainer.runs.length, 2, 'what is refused is no run');
    const { startedAt } = trainer.runs[1];

    const again = await loadTrainer(bytes, place);
    try {
      assert.deepEqual(again.runs[0], first);
      assert.deepEqual(
        again.runs.map(({ id, startedAt, endedAt }) => [id, startedAt, endedAt]),
        [
          [1, first.startedAt, first.endedAt],
          [2, startedAt, null],
        ],
      );
      const resumed = again.fit(x, y, { resume: true });
      await progressOf(resumed);
      assert.deepEqual(
        again.runs.map(({ id, startedAt }) => [id, startedAt]),
        [
          [1, first.startedAt],
          [2, startedAt],
        ],
        'it is the same run',
      );
      assert.equal(again.runs[1].options.epochs, 1e6, 'with its own options');
      await resumed.stop();
      await again.fit(x, y);
      assert.deepEqual(
        again.runs.map(({ id, reason }) => [id, reason]),
        [
          [1, 'finished'],
          [2, 'stopped'],
          [3, 'finished'],
        ],
      );
    } finally {
      await again.dispose();
    }
    await trainer.load(bytes);
    assert.deepEqual(
      trainer.runs.map(({ id, reason }) => [id, reason]),
      [
        [1, 'finished'],
        [2, null],
      ],
    );
  },
);

everywhere('checkpoints that are stored are told, and where', BOTH, async (make) => {
  const folder = mkdtempSync(`${tmpdir()}/offstage-visible-`);
  try {
    const trainer = await make(cloudSpec());
    const heard = record(trainer, 'persisted');
    const { x, y } = clouds(20);
    assert.equal(trainer.info.persist, null);
    const run = trainer.fit(x, y, { ...ENDLESS, persist: { name: 'kept', folder } });
    await until(() => heard.length > 0);
    const kept = { name: 'kept', storage: 'folder', reason: null };
    assert.deepEqual([trainer.info.persist, trainer.status().persist], [kept, kept]);
    await run.stop();
    assert.equal((await run).persisted, 'folder');
    await until(() => heard.at(-1)[1].step === trainer.status().step);
    for (const [, { bytes, ms, storage, reason }] of heard)
      assert.deepEqual([bytes > 0, ms >= 0, storage, reason], [true, true, 'folder', null]);
    await trainer.dispose();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a session that is replaced is seen: not alive meanwhile, a restart more, other thread, nothing forgotten', async () => {
  await withThreads(async (threads) => {
    const trainer = await createTrainer(cloudSpec(), { mode: 'worker', threads: 1 });
    try {
      const heard = record(trainer, 'workerstart', 'workerstop', 'restart');
      const { x, y } = clouds(40);
      const run = trainer.fit(x, y, ENDLESS);
      await progressOf(run);
      const before = trainer.status();
      const meanwhile = [];
      trainer.addEventListener('restart', () => meanwhile.push(trainer.status()));
      threads[0].terminate();
      await until(() => trainer.status().restarts === 1);
      await progressOf(run);
      const after = trainer.status();
      assert.deepEqual(
        meanwhile.map(({ alive, state, since }) => [alive, state, since]),
        [[false, 'training', null]],
      );
      assert.deepEqual([after.alive, after.state, after.restarts], [true, 'training', 1]);
      assert.ok(
        after.since >= before.lastBeat &&
          after.bytesOut >= before.bytesOut &&
          after.bytesIn > before.bytesIn,
      );
      assert.notEqual(after.thread, before.thread);
      for (const [stage, seconds] of Object.entries(after.stageSeconds))
        assert.ok(seconds >= before.stageSeconds[stage], stage);
      await run.stop();
      assert.deepEqual(
        trainer.runs.map(({ id, reason }) => [id, reason]),
        [[1, 'stopped']],
      );
      assert.deepEqual(
        heard.map(([type]) => type),
        ['workerstart', 'workerstop', 'restart', 'workerstart'],
      );
      assert.equal(heard[0][1].threadId, before.thread);
      assert.equal(heard[3][1].threadId, after.thread);
    } finally {
      await trainer.dispose();
    }
  });
});

test('the stack of a worker comes along with its errors, whether it refuses or fails', async () => {
  await withThreads(async (threads) => {
    const trainer = await createTrainer(cloudSpec(), {
      mode: 'worker',
      threads: 1,
      restart: { retries: 0 },
    });
    const refusal = await trainer
      .fit(clouds(4).x, [0, 1, 2, 0], { resume: true })
      .catch((error) => error);
    assert.equal(refusal.code, 'INVALID_OPTION');
    assert.match(refusal.cause.stack, /worker\/trainer\/run\/settings\.js:\d+/);
    const lost = trainer.fit(clouds(40).x, clouds(40).y, ENDLESS);
    await progressOf(lost);
    threads[0].emit(
      'error',
      Object.assign(new Error('out of memory'), {
        stack: 'Error: out of memory\n    at worker/somewhere.js:1',
      }),
    );
    const error = await lost.catch((reason) => reason);
    assert.equal(error.code, 'WORKER_LOST');
    assert.match(error.cause.stack, /worker\/somewhere\.js/);
    assert.deepEqual(
      trainer.runs.map(({ reason }) => reason),
      ['failed'],
    );
    await trainer.dispose();
  });
});

/** A platform with locks, kept account of, while the body runs. */
async function withLocks(body) {
  const original = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  const state = { held: 0, most: 0 };
  const request = async (name, options, callback) => {
    state.most = Math.max(state.most, ++state.held);
    try {
      return await callback({ name });
    } finally {
      state.held--;
    }
  };
  Object.defineProperty(globalThis, 'navigator', {
    configurable: true,
    value: { locks: { request } },
  });
  try {
    await body(state);
  } finally {
    if (original) Object.defineProperty(globalThis, 'navigator', original);
    else delete globalThis.navigator;
  }
}

const ENDINGS = {
  finished: (run) => run,
  stopped: (run) => run.stop(),
  aborted: (run, trainer, abort) => (abort.abort(), run.catch(() => {})),
  refused: (run, trainer) =>
    trainer
      .fit([1], [1])
      .catch(() => {})
      .then(() => run.stop()),
  disposed: (run, trainer) => trainer.dispose(),
  lost: (run, trainer, abort, threads) => (
    threads[0].emit('error', new Error('lost')),
    run.catch(() => {})
  ),
  'stopped before it began': (run) => run.stop(),
};

for (const [name, end] of Object.entries(ENDINGS)) {
  test(`a Web Lock is held while a run is on, and given back: ${name}`, () =>
    withLocks((state) =>
      withThreads(async (threads) => {
        const trainer = await createTrainer(cloudSpec(), {
          mode: 'worker',
          threads: 1,
          restart: { retries: 0 },
        });
        try {
          const { x, y } = clouds(40);
          const abort = new AbortController();
          assert.equal(state.held, 0);
          const run = trainer.fit(x, y, {
            ...(name === 'finished' ? { epochs: 2 } : ENDLESS),
            signal: abort.signal,
          });
          assert.equal(state.held, 1);
          run.catch(() => {});
          if (!/before/.test(name)) await progressOf(run);
          await end(run, trainer, abort, threads);
          await until(() => state.held === 0);
          assert.equal(state.most, 1);
        } finally {
          await trainer.dispose();
        }
      }),
    ));
}

everywhere(
  'keepAwake: what the platform lacks is a warning, and training goes on',
  BOTH,
  async (make) => {
    const trainer = await make(cloudSpec(), { keepAwake: true });
    const heard = record(trainer, 'warning');
    const { x, y } = clouds(20);
    assert.equal((await trainer.fit(x, y)).reason, 'finished');
    await until(() => heard.length > 0);
    assert.deepEqual(
      heard.map(([, { code }]) => code),
      ['KEEP_AWAKE_FAILED'],
    );
    assert.match(heard[0][1].message, /wakeLock/);
  },
);

/** A worker whose clocks jump by a minute each time that it is told to. */
const leaping = (address, options) => [
  `
  const { parentPort } = require('node:worker_threads');
  let leapt = 0;
  for (const clock of [performance, Date]) {
    const now = clock.now.bind(clock);
    clock.now = () => now() + leapt;
  }
  import(${JSON.stringify(String(address))}).then(() => parentPort.on('message', ({ leap }) => { if (leap) leapt += 60_000; }));`,
  { ...options, eval: true },
];

test('a worker that was suspended tells so, once for each time, and its figures leave it out', async () => {
  await withThreads(async (threads) => {
    const trainer = await createTrainer(cloudSpec(), {
      mode: 'worker',
      threads: 1,
      restart: { retries: 0 },
    });
    try {
      const heard = record(trainer, 'suspended', 'resumed');
      const { x, y } = clouds(40);
      const run = trainer.fit(x, y, ENDLESS);
      const records = [];
      run.addEventListener('progress', ({ detail }) => records.push(detail));
      await until(() => records.length > 0);
      for (let times = 1; times <= 2; times++) {
        threads[0].postMessage({ v: 1, id: `leap ${times}`, type: 'PING', leap: true });
        await until(() => heard.length === 2 * times);
        /* What is less than a second apart counts as one. */
        await new Promise((resolve) => setTimeout(resolve, 1100));
      }
      const count = records.length;
      await until(() => records.length > count);
      assert.deepEqual(
        heard.map(([type]) => type),
        ['suspended', 'resumed', 'suspended', 'resumed'],
      );
      const [[, { at, cause }], [, { at: end, ms }]] = heard;
      assert.equal(cause, 'gap');
      assert.equal(end - at, ms);
      assert.ok(ms >= 60_000 && ms < 120_000, `${ms}`);
      assert.ok(records.at(-1).elapsedSeconds < 60, `${records.at(-1).elapsedSeconds}`);
      assert.ok(trainer.status().stageSeconds.training < 60);
      await run.stop();
      assert.ok((await run).durationSeconds < 60);
    } finally {
      await trainer.dispose();
    }
  }, leaping);
});

test('duty: the same bits wherever it runs, and only what may be one', async () => {
  const { x, y } = clouds(40);
  const bits = [];
  for (const options of [
    { mode: 'main' },
    { mode: 'main', duty: 0.5 },
    { mode: 'worker', duty: 0.3 },
  ]) {
    const trainer = await createTrainer(cloudSpec(), options);
    await trainer.fit(x, y, { epochs: 20, batchSize: 8 });
    bits.push(bitsOf(await trainer.getWeights()));
    await trainer.dispose();
  }
  assert.deepEqual(bits[1], bits[0]);
  assert.deepEqual(bits[2], bits[0]);
  for (const duty of [0, -1, 1.1, NaN, '1'])
    await refused(createTrainer(cloudSpec(), { duty }), 'INVALID_OPTION', /duty/);
  for (const name of ['debug', 'keepAwake'])
    await refused(createTrainer(cloudSpec(), { [name]: 1 }), 'INVALID_OPTION', new RegExp(name));
});
