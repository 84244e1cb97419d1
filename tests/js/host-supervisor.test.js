/* host-supervisor.test.js: any service's session, supervised: where it begins, how it is replaced,
 * when it is given up, and who is told. The workers are carriers of the test's own, which it ends
 * as it likes; no trainer takes part. */
import assert from 'node:assert/strict';
import test from 'node:test';

import { beside } from '../../web/host/beside.js';
import { Client } from '../../web/host/client.js';
import { openSession } from '../../web/host/connect.js';
import { openPort } from '../../web/host/endpoint.js';
import { Supervisor } from '../../web/host/supervisor.js';
import { OffstageError } from '../../worker/host/errors.js';
import { refused } from './api-setting.js';
import { withoutTimers } from './recovery-setting.js';
import { serveStub } from './stub-service.js';

const LIMITS = { timeout: Infinity, heartbeat: Infinity };
const RESTART = { retries: 3, delay: 100, factor: 2, maxDelay: 150 };
const lost = (message = 'it is gone') => new OffstageError('WORKER_LOST', message);
const disposed = () => new OffstageError('DISPOSED', 'the owner is disposed of');
const settled = async (turns = 20) => {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** A thread of the test's own. */
function openCarrier(serve) {
  const { port1, port2 } = new MessageChannel();
  const carrier = new Client(LIMITS);
  const thread = { mode: 'worker', threadId: 3, carried: new Set() };
  carrier.attach(openPort(port1, carrier.listener, thread));
  serve(port2);
  port2.unref();
  return carrier;
}

/**
 * An owner whose sessions in workers are on threads of the test's own.
 * @param {object} options fails: whether a worker cannot be had, by the number of those before it
 */
function supervise(options = {}) {
  const { mode = 'worker', restart = {} } = options;
  const { begin = () => ({ step: 0 }), fails = () => false } = options;
  const workers = [];
  const events = [];
  const stood = [];
  const owner = { busy: false, place: [] };
  const serve = (port) => serveStub(port, { begin });
  const setting = { ...LIMITS, assets: undefined, load: async () => serve };
  const emit = (type, detail) => events.push({ type, ...detail });
  const supervisor = new Supervisor(
    { mode, restart: { ...RESTART, ...restart }, emit },
    {
      open(place, signal) {
        owner.place.push(place);
        const ask = (client) => client.request('BEGIN', {}, { signal });
        if (place === 'main') return openSession('main', setting, ask);
        const carrier = openCarrier(fails(workers.length) ? (port) => port.close() : serve);
        workers.push(carrier);
        return openSession(beside(carrier, 'stub'), setting, ask);
      },
      stands: (client, ready) => {
        stood.push(ready);
        return supervisor.reasons.join('; ') || null;
      },
      lost: () => stood.push('lost'),
      goesOnFrom: () => ({ step: 42 }),
      isBusy: () => owner.busy,
    },
  );
  const types = () => events.map(({ type }) => type);
  return { supervisor, owner, workers, events, types, stood };
}

const echo = (supervisor, value) => supervisor.call((client) => client.request('ECHO', { value }));

test('a service stands, answers, and is disposed of', async () => {
  const { supervisor, types, stood, owner } = supervise();
  await supervisor.begin();
  assert.deepEqual([stood, types(), owner.place], [[{ step: 0 }], ['workerstart'], ['worker']]);
  assert.deepEqual(await echo(supervisor, 1), { value: 1 });
  const hanging = supervisor.client.request('HANG');
  const gone = disposed();
  const done = supervisor.dispose(gone, undefined);
  await assert.rejects(hanging, (error) => error === gone);
  await done;
  assert.ok(supervisor.ended);
  await refused(echo(supervisor, 2), 'DISPOSED');
  assert.throws(() => supervisor.throwIfEnded(), { code: 'DISPOSED' });
  assert.equal(supervisor.restarts, 0);
});

test('a lost session is replaced in that very turn, what was asked is asked again', async () => {
  const { supervisor, workers, events, stood } = supervise();
  await supervisor.begin();
  const asked = [];
  const answer = supervisor.call((client, loss) => {
    asked.push(loss?.message);
    return client.request(asked.length > 1 ? 'ECHO' : 'HANG', { value: 3 });
  });
  await settled();
  workers[0].close(lost());
  assert.equal(supervisor.client, undefined);
  assert.equal(workers.length, 2, 'the first attempt is made at once');
  const next = supervisor.next();
  assert.deepEqual(await answer, { value: 3 });
  assert.deepEqual(asked, [undefined, 'it is gone']);
  assert.equal(await next, supervisor.client);
  assert.deepEqual(stood, [{ step: 0 }, 'lost', { step: 0 }]);
  assert.equal(supervisor.restarts, 1);
  const told = events.map(({ type, attempt, step, reason }) => [type, attempt ?? reason, step]);
  assert.deepEqual(told, [
    ['workerstart', null, undefined],
    ['workerstop', 'it is gone', undefined],
    ['restart', 1, 42],
    ['workerstart', null, undefined],
  ]);
  await supervisor.dispose(disposed(), undefined);
});

test('what is asked once only is told of the loss', async () => {
  const { supervisor, workers } = supervise();
  await supervisor.begin();
  const once = supervisor.call((client) => client.request('HANG'), { again: 0 });
  await settled();
  const loss = lost();
  workers[0].close(loss);
  await assert.rejects(once, (error) => error === loss);
  assert.deepEqual(await echo(supervisor, 1), { value: 1 });
  await supervisor.dispose(disposed(), undefined);
});

test('attempts wait longer and longer; an answer to an idle owner counts them anew', async () => {
  const { supervisor, workers, owner, events } = supervise({ restart: { retries: 4 } });
  await supervisor.begin();
  await withoutTimers(async (timers) => {
    for (const attempt of [1, 2, 3, 4]) {
      workers.at(-1).close(lost());
      if (attempt > 1) timers.at(-1).callback();
      await settled();
      owner.busy = true;
      await echo(supervisor, attempt);
    }
    const waits = timers.map(({ ms }) => ms);
    assert.deepEqual(waits, [100, 150, 150], 'the first at once, none later than maxDelay');
    owner.busy = false;
    await echo(supervisor, 5);
    workers.at(-1).close(lost());
    await settled();
    assert.deepEqual(await echo(supervisor, 6), { value: 6 });
    owner.busy = true;
    workers.at(-1).close(lost());
    await settled();
    supervisor.proved();
    workers.at(-1).close(lost());
    await settled();
    assert.equal(timers.length, 3);
  });
  const attempts = events.filter(({ type }) => type === 'restart').map(({ attempt }) => attempt);
  assert.deepEqual(attempts, [1, 2, 3, 4, 1, 1, 1]);
  await supervisor.dispose(disposed(), undefined);
});

test('a worker that is lost for good: mode auto goes on on this thread and says why', async (t) => {
  const warn = t.mock.method(console, 'warn', () => {});
  const { supervisor, workers, types, owner } = supervise({
    mode: 'auto',
    restart: { retries: 1 },
    fails: (made) => made > 0,
  });
  await supervisor.begin();
  workers[0].close(lost());
  assert.deepEqual(await echo(supervisor, 1), { value: 1 });
  assert.deepEqual(owner.place, ['worker', 'worker', 'main']);
  assert.deepEqual(types(), ['workerstart', 'workerstop', 'restart', 'fallback', 'workerstart']);
  assert.equal(supervisor.client.mode, 'main');
  assert.match(supervisor.reasons[0], /^the worker was lost, as were 1 in its place: /);
  assert.equal(warn.mock.callCount(), 1);
  await supervisor.dispose(disposed(), undefined);
});

test('a worker that is lost for good: mode worker ends, and so do all who wait', async () => {
  const { supervisor, workers } = supervise({ restart: { retries: 1 }, fails: (made) => made > 0 });
  await supervisor.begin();
  const pending = supervisor.call((client) => client.request('HANG'));
  await settled();
  workers[0].close(lost());
  const waiting = [supervisor.next(), echo(supervisor, 1)];
  const message = /after 1 attempts to replace it there is none/;
  for (const each of [pending, ...waiting]) await refused(each, 'WORKER_LOST', message);
  assert.ok(supervisor.ended);
  await refused(echo(supervisor, 2), 'WORKER_LOST');
});

test('who waits for the next session is told by his own signal', async () => {
  const { supervisor, workers } = supervise({
    restart: { retries: 2 },
    fails: (made) => made === 1,
  });
  await supervisor.begin();
  await withoutTimers(async (timers) => {
    workers[0].close(lost());
    await settled();
    const control = new AbortController();
    const waiting = supervisor.next(control.signal);
    control.abort();
    await refused(waiting, 'ABORTED');
    await refused(supervisor.next(control.signal), 'ABORTED');
    const patient = supervisor.next();
    timers[0].callback();
    assert.equal(await patient, supervisor.client);
  });
  await supervisor.dispose(disposed(), undefined);
});

test('the first session falls back in mode auto where the place fails', async (t) => {
  const warn = t.mock.method(console, 'warn', () => {});
  const auto = supervise({ mode: 'auto', fails: () => true });
  await auto.supervisor.begin();
  assert.deepEqual([auto.owner.place, auto.supervisor.client.mode], [['worker', 'main'], 'main']);
  assert.match(auto.supervisor.reasons[0], /port to the session was closed/);
  assert.deepEqual(auto.types(), ['workerstart']);
  assert.equal(warn.mock.callCount(), 1);
  await auto.supervisor.dispose(disposed(), undefined);
  const strict = supervise({ fails: () => true });
  await refused(strict.supervisor.begin(), 'WORKER_LOST', /port to the session was closed/);
  assert.deepEqual(strict.owner.place, ['worker']);
  for (const mode of ['auto', 'worker', 'main']) {
    const no = supervise({ mode, begin: () => new Error('no such thing') });
    await refused(no.supervisor.begin(), 'INVALID_SPEC', /no such thing/);
    assert.equal(no.owner.place.length, 1, mode);
    assert.deepEqual(no.types(), []);
  }
});

test('dispose while a session is on its way: nothing stands afterwards', async () => {
  const { supervisor, workers, types } = supervise();
  await supervisor.begin();
  workers[0].close(lost());
  const waiting = supervisor.next();
  const gone = disposed();
  const done = supervisor.dispose(gone, undefined);
  await assert.rejects(waiting, (error) => error === gone);
  await done;
  await settled();
  assert.equal(supervisor.client, undefined);
  assert.deepEqual(types(), ['workerstart', 'workerstop', 'restart']);
  assert.equal(workers[1].carried.size, 0);
});
