/* api-visible-parts.test.js: what makes a trainer visible, each part by itself with a clock and a
 * platform of the test's own: events, the log, suspensions, locks, stages, traffic, runs, errors.
 */
import assert from 'node:assert/strict';
import test from 'node:test';

import { OffstageError, errorFromWire, errorToWire, trapError } from '../../worker/host/errors.js';
import { Events, EventsTarget } from '../../web/host/events.js';
import { Lifecycle } from '../../web/host/page.js';
import { binaryBytes } from '../../web/host/traffic.js';
import { StageClock } from '../../web/trainer/stage-clock.js';
import { Monitor, Runs } from '../../web/trainer/trainer-status.js';
import { TRAINER_EVENTS } from '../../web/trainer/trainer-events.js';

const settled = () => new Promise((resolve) => setImmediate(resolve));

const trainerEvents = (debug) => new Events(TRAINER_EVENTS, debug);

/** Events with a target, and what each listener heard. */
function listening(types, { debug = false } = {}) {
  const events = trainerEvents(debug);
  const target = new EventsTarget(events);
  const heard = [];
  for (const type of types)
    target.addEventListener(type, ({ detail }) => heard.push([type, detail]));
  return { events, target, heard };
}

test('what happened before anyone listened is told to the first listener, in order, and the latest of it', async () => {
  const events = trainerEvents(false);
  for (let i = 0; i < 250; i++) events.log('info', `entry ${i}`, i);
  events.emit('warning', { code: 'QUOTA_EXCEEDED', message: 'full' });
  events.emit('suspended', { at: 1, cause: 'gap' });
  const target = new EventsTarget(events);
  await settled();
  const heard = [];
  const tell = ({ type, detail }) => void heard.push(detail.message ?? type);
  target.addEventListener('log', tell);
  events.log('info', 'in between');
  assert.deepEqual(heard, [], 'not while the listener is still being added');
  await settled();
  assert.equal(heard.length, 200);
  assert.deepEqual(heard.slice(-4), [
    'entry 249',
    'QUOTA_EXCEEDED: full',
    'training is suspended (gap)',
    'in between',
  ]);
  assert.equal(heard[0], 'entry 53');
  target.addEventListener('warning', tell);
  target.addEventListener('suspended', tell);
  await settled();
  assert.deepEqual(heard.slice(200), ['full'], 'a suspension of long ago is no news');
  events.emit('suspended', { at: 1, cause: 'gap' });
  assert.deepEqual(heard.slice(201), ['training is suspended (gap)', 'suspended']);
  const later = [];
  target.addEventListener('log', ({ detail }) => later.push(detail));
  await settled();
  assert.deepEqual(later, [], 'the second listener hears what happens from then on');
});

test('the log tells every event, debug entries only where asked', async () => {
  const { events, heard } = listening(['log']);
  await settled();
  const error = new OffstageError('WORKER_LOST', 'it crashed');
  events.emit('workerstart', { threadId: 3, mode: 'worker', reason: null });
  events.emit('restart', { attempt: 1, error, step: 12 });
  events.emit('fallback', { reason: 'no more tries', error });
  events.emit('resumed', { at: 5, ms: 2500 });
  events.emit('persisted', { step: 12, bytes: 100, ms: 3, storage: 'opfs', reason: null });
  events.log('debug', 'a detail');
  assert.deepEqual(
    heard.map(([, { level, message }]) => `${level}: ${message}`),
    [
      'info: started: worker, thread 3',
      'warn: the worker is replaced at step 12 (attempt 1): it crashed',
      'warn: the main thread goes on: no more tries',
      'info: training goes on after 2.500 s',
    ],
  );
  assert.ok(heard.every(([, { time }]) => Math.abs(time - Date.now()) < 60_000));
  heard.length = 0;
  events.noticed({ kind: 'log', level: 'info', message: 'a model is ready', time: 9 });
  events.noticed({ kind: 'warning', code: 'QUOTA_EXCEEDED', message: 'full' });
  assert.deepEqual(
    heard.map(([, { message }]) => message),
    ['a model is ready', 'QUOTA_EXCEEDED: full'],
    "the session's too",
  );
  const all = listening(['log', 'persisted', 'warning'], { debug: true });
  await settled();
  all.events.log('debug', 'a detail', 7);
  all.events.noticed({
    kind: 'persisted',
    step: 12,
    bytes: 100,
    ms: 3,
    storage: 'opfs',
    reason: null,
  });
  assert.deepEqual(
    all.heard.map(([type, detail]) => [type, detail.level]),
    [
      ['log', 'debug'],
      ['log', 'debug'],
      ['persisted', undefined],
    ],
  );
  assert.deepEqual(all.heard[2][1], { step: 12, bytes: 100, ms: 3, storage: 'opfs', reason: null });
  assert.deepEqual(all.heard[0][1], { level: 'debug', message: 'a detail', time: 7 });
});

/** A page, and a platform that keeps account of what is held. */
function page({ locks = true, wakeLock = true } = {}) {
  const document = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  const state = { ms: 1e12, held: 0, awake: [], refuse: false, asked: [] };
  const navigator = {
    locks: locks
      ? {
          async request(name, options, callback) {
            state.asked.push([name, options.mode]);
            state.held++;
            try {
              return await callback({ name });
            } finally {
              state.held--;
            }
          },
        }
      : undefined,
    wakeLock: wakeLock
      ? {
          async request(kind) {
            assert.equal(kind, 'screen');
            if (state.refuse) throw new Error('low battery');
            const sentinel = {
              released: false,
              release: async () => void (sentinel.released = true),
            };
            state.awake.push(sentinel);
            return sentinel;
          },
        }
      : undefined,
  };
  const show = (visibilityState) => {
    document.visibilityState = visibilityState;
    if (visibilityState === 'hidden') for (const sentinel of state.awake) sentinel.released = true;
    document.dispatchEvent(new Event('visibilitychange'));
  };
  const say = (type) => document.dispatchEvent(new Event(type));
  return { place: { document, navigator }, state, show, say, wall: () => state.ms };
}

/** A lifecycle on such a page, and what it told. */
function living({ keepAwake = false, ...offered } = {}) {
  const there = page(offered);
  const { events, heard } = listening(['suspended', 'resumed', 'warning']);
  const life = new Lifecycle(events, keepAwake, there.place, there.wall);
  return { ...there, heard, life, gap: (detail) => events.noticed({ kind: 'gap', ...detail }) };
}

const told = (heard) => heard.map(([type, { at, ms, cause }]) => [type, at - 1e12, cause ?? ms]);

test('a page that is frozen while it trains tells when, and for how long', () => {
  const { life, state, say, heard } = living();
  say('freeze');
  say('resume');
  life.set(true);
  state.ms += 1000;
  say('freeze');
  assert.deepEqual(told(heard), [['suspended', 1000, 'frozen']]);
  say('freeze');
  state.ms += 30_000;
  say('resume');
  say('resume');
  assert.deepEqual(told(heard).slice(1), [['resumed', 31_000, 30_000]]);
  life.set(false);
  say('freeze');
  say('resume');
  assert.equal(heard.length, 2, 'without a run nothing is suspended');
});

test("a gap of the session's clock is a suspension where the page has no word of it", () => {
  const { life, heard, gap } = living();
  life.set(true);
  gap({ at: 1e12 + 5000, ms: 60_000 });
  gap({ at: 1e12 + 90_000, ms: 4000 });
  assert.deepEqual(told(heard), [
    ['suspended', 5000, 'gap'],
    ['resumed', 65_000, 60_000],
    ['suspended', 90_000, 'gap'],
    ['resumed', 94_000, 4000],
  ]);
});

test('one suspension is told once, in whatever order the page and the session tell it', () => {
  for (const first of ['session', 'page']) {
    const { life, state, say, heard, gap } = living();
    life.set(true);
    say('freeze');
    state.ms += 20_000;
    if (first === 'page') say('resume');
    gap({ at: 1e12 + 300, ms: 19_500 });
    if (first === 'session') say('resume');
    assert.deepEqual(
      told(heard),
      [
        ['suspended', 0, 'frozen'],
        ['resumed', 20_000, 20_000],
      ],
      first,
    );
    // The session may see a little more than the page, before and behind.
    gap({ at: 1e12 + 20_200, ms: 2100 });
    assert.equal(heard.length, 2);
    gap({ at: 1e12 + 40_000, ms: 2100 });
    assert.equal(heard.length, 4, 'another one is another one');
  }
});

test('a run that ends before the page says that it goes on: the suspension ends with it', () => {
  const { life, state, say, heard } = living();
  life.set(true);
  say('freeze');
  state.ms += 3000;
  life.set(false);
  assert.deepEqual(told(heard), [
    ['suspended', 0, 'frozen'],
    ['resumed', 3000, 3000],
  ]);
});

test('a lock is held while training is on, shared with other trainers, and only then', async () => {
  const { life, state } = living();
  for (let run = 0; run < 3; run++) {
    life.set(true);
    life.set(true);
    await settled();
    assert.equal(state.held, 1);
    life.set(false);
    life.set(false);
    await settled();
    assert.equal(state.held, 0);
  }
  life.set(true);
  life.set(false); // before it was even given
  await settled();
  assert.equal(state.held, 0);
  assert.deepEqual(state.asked[0], ['offstage training', 'shared']);
});

test('where there are no locks, or none is given, training goes on without', async () => {
  const without = living({ locks: false });
  without.life.set(true);
  without.life.set(false);
  const refused = living();
  refused.place.navigator.locks.request = async () => {
    throw new Error('not in this frame');
  };
  refused.life.set(true);
  await settled();
  refused.life.set(false);
  assert.deepEqual(refused.heard, []);
  const life = new Lifecycle(trainerEvents(false), true, {});
  life.set(true);
  life.set(false);
});

test('keepAwake: the screen stays on while training is on, again when the page is visible again', async () => {
  const { life, state, show, heard } = living({ keepAwake: true });
  const awake = () => state.awake.filter(({ released }) => !released).length;
  life.set(true);
  await settled();
  assert.equal(awake(), 1);
  show('visible');
  await settled();
  assert.equal(state.awake.length, 1, 'once is enough');
  show('hidden');
  await settled();
  assert.equal(awake(), 0);
  show('visible');
  await settled();
  assert.equal(awake(), 1);
  life.set(false);
  await settled();
  assert.equal(awake(), 0);
  show('hidden');
  show('visible');
  await settled();
  assert.equal(awake(), 0);
  life.set(true);
  life.set(false); // while it is asked for
  await settled();
  assert.equal(awake(), 0);
  assert.deepEqual(heard, []);
});

test('keepAwake: what fails is a warning, and nothing is asked for otherwise', async () => {
  const { life, state, heard, show } = living({ keepAwake: true });
  state.refuse = true;
  life.set(true);
  await settled();
  assert.equal(heard.length, 1);
  assert.deepEqual(heard[0][1].code, 'KEEP_AWAKE_FAILED');
  assert.match(heard[0][1].message, /low battery/);
  state.refuse = false;
  show('visible');
  await settled();
  assert.equal(state.awake.length, 1);
  const lacking = living({ keepAwake: true, wakeLock: false });
  lacking.life.set(true);
  await settled();
  assert.match(lacking.heard[0][1].message, /no navigator.wakeLock/);
  const other = living();
  other.life.set(true);
  await settled();
  assert.equal(other.state.awake.length, 0);
});

const NONE = { loading: 0, compiling: 0, training: 0, validating: 0, saving: 0 };

test('stages: what the session tells, what the page loads, and what a lost session had told', () => {
  let ms = 0;
  const clock = new StageClock(() => ms);
  const reads = (stage, seconds) =>
    assert.deepEqual(clock.read(), { stage, stageSeconds: { ...NONE, ...seconds } });
  reads('done', {});
  ms += 5000;
  clock.load();
  ms += 500;
  reads('loading', { loading: 0.5 });
  clock.load();
  ms += 500;
  clock.report('done', { ...NONE, loading: 0.25, compiling: 0.25 });
  reads('done', { loading: 0.75, compiling: 0.25 });
  ms += 60_000;
  reads('done', { loading: 0.75, compiling: 0.25 });
  clock.enter('training');
  ms += 3000;
  reads('training', { loading: 0.75, compiling: 0.25, training: 3 });
  // It began a little later
  clock.report('training', { ...NONE, loading: 0.25, compiling: 0.25, training: 2.5 });
  ms += 250;
  reads('training', { loading: 0.75, compiling: 0.25, training: 2.75 });
  clock.pause(true);
  ms += 60_000;
  reads('training', { loading: 0.75, compiling: 0.25, training: 2.75 });
  clock.pause(false);
  ms += 250;
  clock.replaced();
  ms += 60_000;
  reads('done', { loading: 0.75, compiling: 0.25, training: 3 });
  clock.load();
  ms += 1000;
  clock.report('done', { ...NONE, loading: 0.25, compiling: 0.25 });
  reads('done', { loading: 1.5, compiling: 0.5, training: 3 });
  clock.load();
  ms += 1000;
  clock.loaded(); // what was loaded is refused
  reads('done', { loading: 2.5, compiling: 0.5, training: 3 });
});

test('bytes: arrays and buffers in a message count, lists of numbers are not walked', () => {
  const list = new Array(1e6);
  Object.defineProperty(list, 1, { get: () => assert.fail('walked') });
  list[0] = 1;
  assert.equal(binaryBytes({ x: list, y: [[1, 2], [3]] }), 0);
  assert.equal(
    binaryBytes({
      x: new Float32Array(10),
      y: new ArrayBuffer(3),
      more: { data: new Uint8Array(5) },
    }),
    48,
  );
  assert.equal(
    binaryBytes({
      weights: [
        { shape: [2], data: new Float32Array(2) },
        { shape: [3], data: new Float32Array(3) },
      ],
    }),
    20,
  );
  assert.equal(
    binaryBytes(undefined) +
      binaryBytes(null) +
      binaryBytes('text') +
      binaryBytes({ layers: ['a'] }),
    0,
  );
  assert.equal(binaryBytes(new Uint8Array(new ArrayBuffer(100), 10, 20)), 20);
  const endless = {};
  endless.self = endless;
  assert.equal(binaryBytes(endless), 0);
});

const OPTIONS = { epochs: 2, batchSize: 8, shuffle: true, validationSplit: 0 };
const record = (id, more) => ({
  id,
  startedAt: 5,
  endedAt: 9,
  reason: 'finished',
  options: OPTIONS,
  metrics: { epoch: 2, loss: 0.1 },
  steps: 8,
  ...more,
});

const step = (epoch, batch, loss, kind = 'batch') => ({
  kind,
  epoch,
  batch,
  totalBatches: 4,
  loss,
  valLoss: 1,
  percent: 3,
});

test("runs: the session's records, with the one that is on as the page sees it", () => {
  const runs = new Runs();
  assert.deepEqual(runs.list(), []);
  runs.begin({ numEpochs: 2, batchSize: 8, x: [1], progressHz: 10 }, 5);
  assert.deepEqual(runs.list(), [
    { id: 1, startedAt: 5, endedAt: null, reason: null, options: OPTIONS, metrics: null, steps: 0 },
  ]);
  runs.progress([step(1, 4, 0.5, 'epoch'), step(2, 1, 0.4)]);
  assert.deepEqual(
    [runs.list()[0].metrics, runs.list()[0].steps],
    [{ epoch: 1, loss: 0.5, valLoss: 1 }, 5],
  );
  runs.end(record(1, { startedAt: 6 }));
  assert.deepEqual(runs.list(), [record(1, { startedAt: 6 })]);
  runs.list()[0].options.epochs = 99;
  assert.equal(runs.list()[0].options.epochs, 2, 'an app has copies');
  runs.begin({}, 20);
  assert.deepEqual(runs.list()[1].options, {
    epochs: 1,
    batchSize: 32,
    shuffle: true,
    validationSplit: 0,
  });
  runs.fail('failed', 30);
  runs.fail('stopped', 40); // it has ended
  assert.deepEqual(
    runs.list().map(({ id, endedAt, reason }) => [id, endedAt, reason]),
    [
      [1, 9, 'finished'],
      [2, 30, 'failed'],
    ],
  );
  runs.begin({}, 40);
  runs.end(null); // stopped before it began
  assert.equal(runs.list().length, 2);
});

test('runs: one that is resumed is the same run, and its options are its own', () => {
  const runs = new Runs();
  runs.reset([
    record(1),
    record(2, { endedAt: null, reason: null, steps: 3, options: { ...OPTIONS, shuffle: false } }),
  ]);
  runs.begin({ resume: true, numEpochs: 5 }, 50);
  assert.deepEqual(
    runs.list().map(({ id, startedAt, steps, reason }) => [id, startedAt, steps, reason]),
    [
      [1, 5, 8, 'finished'],
      [2, 5, 3, null],
    ],
  );
  assert.deepEqual(runs.list()[1].options, { ...OPTIONS, epochs: 5, shuffle: false });
  runs.end(record(2));
  runs.begin({}, 60);
  assert.deepEqual(
    runs.list().map(({ id }) => id),
    [1, 2, 3],
  );
  runs.reset(undefined);
  assert.deepEqual(runs.list(), []);
});

test('runs: one that ended while its session was being replaced has ended, unless it goes on', () => {
  const runs = new Runs();
  const cut = (id) => record(id, { endedAt: null, reason: null, steps: 3 });
  const reasons = () =>
    runs.list().map(({ id, reason, endedAt, steps }) => [id, reason, endedAt, steps]);
  runs.begin({}, 5);
  runs.progress([step(2, 1, 0.4)]);
  runs.fail('stopped', 30);
  runs.reset([cut(1)], true);
  assert.deepEqual(reasons(), [[1, 'stopped', 30, 3]]);
  runs.begin({}, 40);
  runs.reset([cut(1), cut(2)], true);
  assert.deepEqual(reasons(), [
    [1, 'stopped', 30, 3],
    [2, null, null, 3],
  ]);
  runs.begin({ resume: true }, 50);
  assert.deepEqual(reasons()[1], [2, null, null, 3]);
  runs.reset([cut(1)]);
  assert.deepEqual(reasons(), [[1, null, null, 3]], 'of another model');
});

test('a monitor reads the messages off, through one session after another', async () => {
  const { events, heard } = listening(['log'], { debug: true });
  await settled();
  const monitor = new Monitor(events);
  const stage = () => monitor.stages.read().stage;
  const send = (type, payload) => monitor.sent(type, payload, binaryBytes(payload));
  const receive = (type, payload) => monitor.received(type, payload, binaryBytes(payload));
  send('INIT_TRAINING', { layers: [{ type: 'dense' }] });
  assert.equal(stage(), 'loading');
  receive('MODEL_READY', { memoryBytes: 100, runs: [], stage: 'done', stageSeconds: NONE });
  assert.deepEqual([stage(), monitor.memory], ['done', 100]);
  send('UPLOAD_DATA', { bytes: new ArrayBuffer(64) });
  receive('DATA_STORED', { bytes: new ArrayBuffer(64) });
  assert.deepEqual([stage(), monitor.bytesIn, monitor.bytesOut], ['loading', 64, 64]);
  send('START_TRAINING', { x: { upload: 1 }, y: new Int32Array(4), numEpochs: 2, batchSize: 8 });
  assert.equal(stage(), 'training');
  send('UPLOAD_DATA', { bytes: new ArrayBuffer(8) }); // for a prediction meanwhile
  assert.equal(stage(), 'training');
  const progress = {
    records: [step(1, 4, 0.5, 'epoch')],
    memoryBytes: 200,
    stage: 'validating',
    stageSeconds: NONE,
  };
  receive('TRAINING_PROGRESS', progress);
  assert.deepEqual([stage(), monitor.memory, monitor.runs.list()[0].steps], ['validating', 200, 4]);
  monitor.lost();
  assert.equal(stage(), 'done');
  assert.equal(monitor.runs.list()[0].endedAt, null, 'the run goes on in another session');
  send('LOAD_CHECKPOINT', { bytes: new Uint8Array(1000) });
  receive('CHECKPOINT_LOADED', {
    runs: [record(1, { endedAt: null, reason: null, steps: 3 })],
    stage: 'done',
    stageSeconds: NONE,
  });
  send('START_TRAINING', { resume: true });
  assert.deepEqual(
    monitor.runs.list().map(({ id, steps }) => [id, steps]),
    [[1, 3]],
  );
  receive('TRAINING_COMPLETE', { run: record(1), stage: 'done', stageSeconds: NONE });
  monitor.ended('stopped');
  assert.deepEqual(monitor.runs.list(), [record(1)]);
  assert.equal(monitor.bytesIn, 64 + 16 + 8 + 1000);
  assert.deepEqual(
    heard.slice(-3).map(([, { message }]) => message),
    [
      'CHECKPOINT_LOADED is here, 0 bytes',
      'START_TRAINING is sent, 0 bytes',
      'TRAINING_COMPLETE is here, 0 bytes',
    ],
  );
  send('UPLOAD_DATA', {});
  receive('ERROR', { error: 'no memory' });
  assert.equal(stage(), 'done', 'nothing is loaded any more');
  send('START_TRAINING', {});
  receive('TRAINING_ERROR', { error: 'NaN' });
  monitor.ended('failed');
  assert.deepEqual([stage(), monitor.runs.list()[1].reason], ['done', 'failed']);
  send('START_TRAINING', {});
  receive('ERROR', { error: 'no', request: 'START_TRAINING' });
  monitor.ended('failed');
  assert.equal(monitor.runs.list().length, 2, 'what is refused is no run');
});

test('errors bring the stack of the thread where they were made, and of what caused them', () => {
  const trap = new WebAssembly.RuntimeError('unreachable');
  trap.stack = 'RuntimeError: unreachable\n    at wasm-function[7]';
  const wire = structuredClone(errorToWire(trapError(trap)));
  const error = errorFromWire(wire);
  assert.equal(error.code, 'WORKER_LOST');
  assert.ok(error.cause instanceof Error);
  assert.equal(error.cause.message, error.message);
  assert.match(
    error.cause.stack,
    /trapError[^]*Caused by: RuntimeError: unreachable\n {4}at wasm-function\[7\]/,
  );
  assert.equal(
    errorToWire(new OffstageError('BUSY', 'a run is on', { cause: 'text' })).stack.includes(
      'Caused by',
    ),
    false,
  );
  for (const stack of [undefined, 5, {}])
    assert.equal(errorFromWire({ error: 'no', code: 'BUSY', stack }).cause, undefined);
});
