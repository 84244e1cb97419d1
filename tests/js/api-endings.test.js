/* api-endings.test.js: every promise settles, however things end: aborted, disposed of, lost,
 * silent, unheard. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { createTrainer } from '../../web/index.js';
import {
  BOTH,
  cloudSpec,
  clouds,
  everywhere,
  inOwnProcess,
  refused,
  silentThread,
  standingClock,
  until,
  withThreads,
} from './api-setting.js';

const { x, y } = clouds(300);
const FOREVER = { epochs: 1e9 };
/** A worker whose loss is the trainer's end. */
const MORTAL = { mode: 'worker', restart: { retries: 0 } };
/** Enough to go in slices. */
const many = () => clouds(60_000);

/** Rejects ABORTED with that reason as its cause. */
async function aborted(promise, reason) {
  await refused(promise, 'ABORTED');
  assert.equal(await promise.catch((error) => error.cause), reason);
}

everywhere('an aborted start', BOTH, async (make) => {
  const reason = new Error('enough');
  await aborted(make(cloudSpec(), { signal: AbortSignal.abort(reason) }), reason);
  for (const turns of [0, 1, 3]) {
    await withThreads(async (threads) => {
      const controller = new AbortController();
      const starting = make(cloudSpec(), { signal: controller.signal });
      for (let i = 0; i < turns; i++) await null;
      controller.abort(reason);
      await aborted(starting, reason);
      for (const thread of threads) if (thread.threadId !== -1) await once(thread, 'exit');
    });
  }
  const controller = new AbortController();
  const trainer = await make(cloudSpec(), { signal: controller.signal });
  controller.abort(); // once it is ready the signal means nothing
  assert.equal((await trainer.fit(x, y)).reason, 'finished');
});

everywhere('aborted requests', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const reason = { why: 'no longer wanted' };
  const before = AbortSignal.abort(reason);
  await aborted(trainer.fit(x, y, { signal: before }), reason);
  await aborted(trainer.predict(x, { signal: before }), reason);
  await aborted(trainer.evaluate(x, y, { signal: before }), reason);

  const during = new AbortController();
  const run = trainer.fit(x, y, { ...FOREVER, signal: during.signal });
  const pending = [run];
  for await (const record of run) {
    assert.ok(record.loss > 0);
    pending.push(
      trainer.predict(x, { signal: during.signal }),
      trainer.evaluate(x, y, { signal: during.signal }),
    );
    during.abort(reason);
    break;
  }
  await Promise.all(pending.map((promise) => aborted(promise, reason)));
  assert.equal(trainer.status().state, 'ready', 'the run has ended where its promise has');

  const large = many();
  for (const start of ['fit', 'evaluate', 'predict']) {
    const early = new AbortController();
    const options = { signal: early.signal, ...(start === 'fit' ? FOREVER : {}) };
    const promise =
      start === 'predict'
        ? trainer.predict(large.x, options)
        : trainer[start](large.x, large.y, options);
    early.abort(reason);
    await aborted(promise, reason);
  }
  const late = new AbortController();
  const done = await trainer.fit(x, y, { signal: late.signal });
  late.abort();
  assert.equal(done.reason, 'finished');
  assert.equal((await trainer.predict(x)).label.length, 300);
});

everywhere('dispose ends a run as stopped and all else as DISPOSED', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const run = trainer.fit(x, y, FOREVER);
  for await (const record of run) if (record.epoch) break;
  const pending = [trainer.predict(x), trainer.evaluate(x, y), trainer.getWeights()];
  const [first, second] = [trainer.dispose(), trainer.dispose()];
  assert.equal(trainer.status().state, 'disposed');
  const all = [
    ...pending,
    trainer.predict(x),
    trainer.evaluate(x, y),
    trainer.getWeights(),
    trainer.setWeights([]),
    trainer.save(),
    trainer.load(new Uint8Array(1)),
    trainer.fit(x, y),
  ];
  await Promise.all(all.map((promise) => refused(promise, 'DISPOSED')));
  const { reason, history, epochs } = await run;
  assert.equal(reason, 'stopped');
  assert.equal(history.length, epochs);
  assert.ok(epochs >= 0);
  await Promise.all([first, second, trainer.dispose(), run.pause(), run.resume(), run.stop()]);
  await refused(trainer.fit(x, y), 'DISPOSED');
});

everywhere('dispose while data are on their way, paused, or stopping', BOTH, async (make) => {
  const large = many();
  const uploading = await make(cloudSpec());
  const run = uploading.fit(large.x, large.y, FOREVER);
  const paused = refused(run.pause(), 'DISPOSED').catch(() => {}); // settles one way or the other
  await uploading.dispose();
  assert.deepEqual((await run).history, []);
  assert.equal((await run).reason, 'stopped');
  await paused;

  const standing = await make(cloudSpec());
  const second = standing.fit(x, y, FOREVER);
  await second.pause();
  await standing.dispose();
  assert.equal((await second).reason, 'stopped');

  const stopping = await make(cloudSpec());
  const third = stopping.fit(x, y, FOREVER);
  const settled = Promise.all([third.stop(), stopping.dispose()]);
  assert.equal((await third).reason, 'stopped');
  await settled;
});

everywhere('a stop is no error where the trainer ends before its answer', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const run = trainer.fit(x, y, FOREVER);
  const stopping = run.stop();
  await Promise.resolve(); // the request is posted
  await Promise.all([trainer.dispose(), stopping]);
  assert.equal((await run).reason, 'stopped');
});

test('a worker that is gone rejects everything with WORKER_LOST', async () => {
  await withThreads(async (threads) => {
    const trainer = await createTrainer(cloudSpec(), MORTAL);
    const run = trainer.fit(x, y, FOREVER);
    for await (const record of run) if (record.epoch) break;
    const pending = [
      run,
      trainer.predict(x),
      trainer.evaluate(x, y),
      trainer.getWeights(),
      run.pause(),
    ];
    threads[0].terminate();
    await Promise.all(pending.map((promise) => refused(promise, 'WORKER_LOST', /ended/)));
    assert.equal(trainer.status().state, 'lost');
    const later = [
      trainer.fit(x, y),
      trainer.predict(x),
      trainer.evaluate(x, y),
      trainer.getWeights(),
      trainer.setWeights([]),
    ];
    await Promise.all(later.map((promise) => refused(promise, 'WORKER_LOST', /ended/)));
    await Promise.all([run.pause(), run.resume(), run.stop()]);
    await trainer.dispose();
    await refused(trainer.predict(x), 'DISPOSED');
  });
});

/** A worker that fails at the first prediction, with an error of its own. */
const failingThread = (address) => [
  `
  const { parentPort } = require('node:worker_threads');
  import(${JSON.stringify(String(address))}).then(() => parentPort.on('message', ({ type }) => {
    if (type === 'PREDICT') throw new Error('struck by a test');
  }));`,
  { eval: true },
];

test('a worker that fails says why', async () => {
  await withThreads(async () => {
    const trainer = await createTrainer(cloudSpec(), MORTAL);
    const run = trainer.fit(x, y, FOREVER);
    const iterating = (async () => {
      for await (const record of run) assert.ok(record);
    })();
    // The first one may still be answered
    const predicting = trainer.predict(x).then(() => trainer.predict(x));
    await Promise.all(
      [run, iterating, predicting].map((promise) =>
        refused(promise, 'WORKER_LOST', /struck by a test/),
      ),
    );
    const cause = await run.catch((error) => error.cause);
    assert.equal(cause.message, 'struck by a test');
    await trainer.dispose();
  }, failingThread);
});

test('a request that the worker cannot read is no request that waits forever', async () => {
  await withThreads(async (threads) => {
    const trainer = await createTrainer(cloudSpec(), MORTAL);
    const run = trainer.fit(x, y, FOREVER);
    threads[0].emit('message', {
      v: 1,
      id: null,
      type: 'ERROR',
      payload: { error: 'a message could not be read', code: 'BAD_MESSAGE' },
    });
    await refused(run, 'BAD_MESSAGE', /could not be read/);
    await refused(trainer.predict(x), 'BAD_MESSAGE');
    await trainer.dispose();
  });
});

test('dispose after or during a loss', async () => {
  await withThreads(async (threads) => {
    const trainer = await createTrainer(cloudSpec(), { mode: 'worker' });
    const run = trainer.fit(x, y, FOREVER);
    for await (const record of run) if (record.epoch) break;
    threads[0].terminate();
    await trainer.dispose();
    assert.equal((await run).reason, 'stopped');
  });
});

/** Lets what can happen happen. */
async function turns(count = 5) {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

test('silence is counted only while the page ran', async () => {
  await withThreads(async (threads) => {
    const clock = standingClock();
    try {
      const starting = createTrainer(cloudSpec(), { mode: 'worker', timeout: 8000 });
      let ended = false;
      starting.catch(() => {
        ended = true;
      });
      // The machine slept for an hour: two ticks of the page's own time at most
      clock.pass(3_600_000);
      for (let second = 0; second < 5; second++) {
        clock.pass(1000);
        await turns();
        assert.equal(ended, false, `after ${second + 1} s`);
      }
      clock.pass(1000);
      await refused(starting, 'TIMEOUT', /8000 ms/);
      assert.equal(clock.running, false);
      await until(() => threads[0].threadId === -1);
    } finally {
      clock.restore();
    }
  }, silentThread);
});

test('a worker that computes, or stands paused, is never too silent', async () => {
  await withThreads(async (threads) => {
    const clock = standingClock();
    try {
      const trainer = await createTrainer(cloudSpec(), { mode: 'worker', timeout: 8000 });
      const [thread] = threads;
      const post = thread.postMessage;
      let pings = 0;
      thread.postMessage = function (message, transfer) {
        if (message.type === 'PING') pings++;
        return post.call(this, message, transfer);
      };
      const run = trainer.fit(x, y, FOREVER);
      await run.pause();
      for (let second = 0; second < 60; second++) {
        const before = pings;
        clock.pass(1000);
        if (pings > before) await once(thread, 'message');
      }
      assert.ok(pings >= 10, `asked ${pings} times in a minute`);
      await run.stop();
      assert.equal((await run).reason, 'stopped');
      clock.pass(1000);
      assert.equal(clock.running, false, 'nobody waits: no timer');
      clock.pass(100_000);
      assert.equal((await trainer.predict(x)).label.length, 300);
      await trainer.dispose();
    } finally {
      clock.restore();
    }
  });
});

test('an idle trainer does not keep a process alive, a run does', () => {
  const data = `const x = Float32Array.from({ length: 64 }, (_, i) => i % 7), y = x.slice(0, 16).fill(0);
    const spec = { inputShape: [4], layers: [{ type: 'dense', units: 1 }] };`;
  for (const mode of ['worker', 'main']) {
    const idle = inOwnProcess(`${data}
      const trainer = await offstage.createTrainer(spec, { mode: '${mode}' });
      await trainer.fit(x, y, { epochs: 3 });
      await trainer.predict(x);
      console.log('idle', trainer.info.mode);`);
    assert.deepEqual(idle, { status: 0, signal: null, stdout: `idle ${mode}\n`, stderr: '' });
    const busy = inOwnProcess(`${data}
      offstage.createTrainer(spec, { mode: '${mode}' }).then((trainer) => {
        trainer.fit(x, y, { epochs: 300 }).then(({ epochs }) => console.log(epochs));
      });`);
    assert.deepEqual(busy, { status: 0, signal: null, stdout: '300\n', stderr: '' });
  }
});

test('a failure that somebody follows is handled, one that nobody follows is not', () => {
  const start = `const trainer = await offstage.createTrainer({ inputShape: [4], layers: [{ type: 'dense', units: 1 }] }, { mode: 'main' });
    const run = trainer.fit(new Float32Array(8), [0, NaN]);`;
  const follow = {
    await: 'try { await run; } catch (error) { console.log(error.code); }',
    result: 'try { await run.result; } catch (error) { console.log(error.code); }',
    catch: 'await run.catch((error) => console.log(error.code));',
    iteration:
      'try { for await (const record of run); } catch (error) { console.log(error.code); }',
  };
  for (const [way, text] of Object.entries(follow)) {
    const { status, stdout, stderr } = inOwnProcess(start + text);
    assert.deepEqual([status, stdout], [0, 'INVALID_DATA\n'], `${way}: ${stderr}`);
  }
  const heard = inOwnProcess(
    `${start} run.addEventListener('progress', () => {}); setTimeout(() => console.log('alive'), 100);`,
  );
  assert.deepEqual([heard.status, heard.stdout], [0, 'alive\n'], heard.stderr);
  const refusedHere = start.replace('[0, NaN]', '[0]');
  for (const text of [
    start,
    refusedHere,
    `${refusedHere} await run.stop(); await trainer.dispose();`,
  ]) {
    // It lives until the failure ends it
    const unheard = inOwnProcess(`${text} setInterval(() => {}, 1e9);`);
    assert.equal(unheard.status, 1, unheard.stdout);
    assert.match(unheard.stderr, /INVALID_DATA/);
  }
});
