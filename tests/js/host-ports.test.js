/* host-ports.test.js: a session over a port, as the page reaches it: one client over any service,
 * and what becomes of it when the port is closed, handed away, garbled, or lost with the thread
 * that carries it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';

import { beside } from '../../web/host/beside.js';
import { Client } from '../../web/host/client.js';
import { openSession } from '../../web/host/connect.js';
import { openPort } from '../../web/host/endpoint.js';
import { OffstageError, show } from '../../worker/host/errors.js';
import { refused } from './api-setting.js';
import { say, serveStub } from './stub-service.js';

const LIMITS = { timeout: Infinity, heartbeat: Infinity };
const turns = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

const rejectsWith = (promise, error, message) =>
  assert.rejects(promise, (got) => got === error, message);
/** Serves a port by one answer to everything. */
const answering = (answer) => (port) => {
  port.onmessage = ({ data }) => answer(port, data);
};

/** A client over a port, and the session's end of it. */
function reach({ limits = LIMITS, serve = serveStub, ...options } = {}) {
  const { port1, port2 } = new MessageChannel();
  const losses = [];
  const client = new Client({ ...limits, ...options });
  client.lost = (error) => losses.push(error);
  const carrier = { mode: 'worker', threadId: 7, carried: new Set() };
  client.attach(openPort(port1, client.listener, carrier));
  serve(port2);
  port2.unref();
  return { client, losses, page: port1, session: port2 };
}

/** All that a lost session's client is to do. */
async function assertLost({ client, losses }, pending, message) {
  await refused(pending, 'WORKER_LOST', message);
  assert.equal(losses.length, 1, 'told once');
  assert.equal(client.loss, losses[0]);
  await rejectsWith(client.request('ECHO'), losses[0], 'later callers get the very same error');
  await turns(5);
  assert.equal(losses.length, 1);
}

test('a client works over a port: replies, what comes before them, refusals, buffers', async () => {
  const { client } = reach();
  assert.deepEqual([client.mode, client.threadId], ['worker', 7]);
  const bytes = new ArrayBuffer(8);
  const echoed = client.request('ECHO', { bytes, name: 'first' }, { transfer: [bytes] });
  assert.equal(bytes.byteLength, 0);
  const numbers = [];
  const before = { COUNT_PROGRESS: ({ number }) => numbers.push(number) };
  const counted = client.request('COUNT', { to: 3 }, { before });
  await refused(client.request('REFUSE'), 'BUSY', /not today/);
  assert.equal((await echoed).bytes.byteLength, 8);
  assert.deepEqual(await counted, { to: 3 });
  assert.deepEqual(numbers, [1, 2, 3]);
  assert.equal(client.loss, undefined);
  client.close(new OffstageError('DISPOSED', 'the test ends'));
});

test('requests end by their signal, and what is lasting outlives abandon()', async () => {
  const { client, losses } = reach();
  const control = new AbortController();
  const aborted = client.request('HANG', {}, { signal: control.signal });
  const lasting = client.request('HANG', {}, { lasting: true });
  const abandoned = client.request('HANG');
  control.abort();
  await refused(aborted, 'ABORTED');
  const gone = new OffstageError('DISPOSED', 'the owner is gone');
  client.abandon(gone);
  await assert.rejects(abandoned, (error) => error === gone);
  assert.equal(await Promise.race([lasting, turns(5).then(() => 'pending')]), 'pending');
  client.close(gone);
  await assert.rejects(lasting, (error) => error === gone);
  assert.deepEqual(losses, [gone]);
});

test('what cannot be cloned is a typed refusal, and the session goes on', async () => {
  const { client } = reach();
  await refused(client.request('ECHO', { call() {} }), 'INVALID_DATA', /ECHO could not be sent/);
  const spec = client.request('ECHO', { call() {} }, { unsendable: 'INVALID_SPEC' });
  await refused(spec, 'INVALID_SPEC', /ECHO could not be sent/);
  assert.deepEqual(await client.request('ECHO', { a: 1 }), { a: 1 });
  client.close(new OffstageError('DISPOSED', 'the test ends'));
});

test('a client that ends the session says DISPOSE, closes the port, hears of no loss', async () => {
  const heard = [];
  const { client, losses, session } = reach({ serve: (port) => serveStub(port, { heard }) });
  const closed = new Promise((resolve) => session.on('close', resolve));
  await client.request('ECHO');
  const gone = new OffstageError('DISPOSED', 'the owner is gone');
  client.close(gone);
  session.ref();
  await closed;
  const [{ type, payload }, ...more] = heard.slice(1);
  assert.deepEqual([type, payload, more], ['DISPOSE', { close: true }, []]);
  assert.deepEqual(losses, [gone]);
});

test('a port that the session closes is a loss', async () => {
  const there = reach();
  const hanging = there.client.request('HANG');
  hanging.catch(() => {});
  await assertLost(there, there.client.request('LEAVE'), /the port to the session was closed/);
  await assert.rejects(hanging, (error) => error === there.client.loss);
});

test('a port that is closed before it is used is a loss', async () => {
  const there = reach({ serve: (port) => port.close() });
  await assertLost(there, there.client.request('ECHO'), /the port to the session was closed/);
});

test("the page's end, handed away by somebody, is a loss", async () => {
  const there = reach();
  await there.client.request('ECHO');
  const pending = there.client.request('HANG');
  const elsewhere = new MessageChannel();
  elsewhere.port1.postMessage(null, [there.page]);
  await assertLost(there, pending, /the port to the session was closed/);
  elsewhere.port1.close();
});

test("the session's end, handed away, is silence, which the heartbeat ends", async () => {
  const there = reach({ limits: { timeout: 400, heartbeat: 80 } });
  await there.client.request('ECHO');
  const elsewhere = new MessageChannel();
  elsewhere.port1.postMessage(null, [there.session]);
  const silence = /nothing was heard of the worker for 80 ms/;
  await assertLost(there, there.client.request('ECHO'), silence);
  elsewhere.port1.close();
});

test('a session that never says a word has the timeout', async () => {
  const { client } = reach({ limits: { timeout: 60, heartbeat: 20 }, serve: answering(() => {}) });
  await refused(client.request('ECHO'), 'TIMEOUT', /nothing was heard of the worker for 60 ms/);
});

test('replies to nobody are dropped: unknown ids, ids of other kinds, second replies', async () => {
  const { client, losses } = reach({
    serve: answering((port, { id }) => {
      for (const other of [0, id + 1, -1, NaN, `${id}`, 'close', {}, [id], undefined, true]) {
        say(port, other, 'ECHOED', { wrong: other });
      }
      say(port, id + 1, 'ERROR', { error: 'of nobody', code: 'BUSY' });
      say(port, id, 'ECHOED', { right: id });
      say(port, id, 'ECHOED', { wrong: 'twice' });
      say(port, null, 'SOMETHING', {});
    }),
  });
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(Object.keys(await client.request('ECHO')), ['right']);
  }
  assert.deepEqual(losses, []);
  client.close(new OffstageError('DISPOSED', 'the test ends'));
});

test('a type that is the name of something in every object is a type like any other', async () => {
  const { client } = reach({
    serve: answering((port, { id }) => say(port, id, 'toString', { as: 'a reply' })),
  });
  assert.deepEqual(await client.request('ECHO', {}, { before: {} }), { as: 'a reply' });
  client.close(new OffstageError('DISPOSED', 'the test ends'));
});

const STRANGE = [
  null,
  undefined,
  7,
  'ECHOED',
  [1],
  new Map(),
  new ArrayBuffer(8),
  {},
  { v: 1, type: 7 },
];

for (const message of STRANGE) {
  test(`what is no message is a loss: ${show(message)}`, async () => {
    const there = reach({ serve: answering((port) => port.postMessage(message)) });
    const expected = /the session sent .*, expected a message \{ v: 1, id, type, payload \}/;
    await assertLost(there, there.client.request('ECHO'), expected);
  });
}

test('a message that cannot be read is a loss, and the session is told to end', async () => {
  const heard = [];
  const there = reach({ serve: (port) => serveStub(port, { heard }) });
  const pending = there.client.request('HANG');
  there.page.dispatchEvent(new Event('messageerror'));
  await assertLost(there, pending, /could not be read/);
  await turns(5);
  assert.deepEqual(
    heard.map(({ type }) => type),
    ['HANG', 'DISPOSE'],
  );
});

test('an error of no request is a loss: whoever waits would wait forever', async () => {
  const there = reach();
  await assertLost(there, there.client.request('CRASH'), /it fell over/);
});

test('an observer sees every message with its bytes, and the loss', async () => {
  const seen = [];
  const notices = [];
  const { client, session } = reach({
    noticed: (notice) => notices.push(notice),
    observer: {
      sent: (type, payload, bytes) => seen.push(['sent', type, bytes]),
      received: (type, payload, bytes) => seen.push(['received', type, bytes]),
      lost: () => seen.push(['lost']),
    },
  });
  const bytes = new ArrayBuffer(12);
  await client.request('ECHO', { bytes }, { transfer: [bytes] });
  say(session, null, 'NOTICE', { kind: 'log' });
  await client.request('ECHO');
  client.close(new OffstageError('DISPOSED', 'the test ends'));
  assert.deepEqual(seen, [
    ['sent', 'ECHO', 12],
    ['received', 'ECHOED', 12],
    ['sent', 'ECHO', 0],
    ['received', 'NOTICE', 0],
    ['received', 'ECHOED', 0],
    ['lost'],
  ]);
  assert.deepEqual(notices, [{ kind: 'log' }]);
});

const SETTING = { ...LIMITS, assets: undefined, load: async () => serveStub };
const begin = (client) => client.request('BEGIN');

test('a session on this thread is a session over a port', async () => {
  const { client, ready } = openSession('main', SETTING, begin);
  assert.deepEqual(await ready, { step: 0 });
  assert.deepEqual([client.mode, client.threadId], ['main', 0]);
  assert.deepEqual(await client.request('ECHO', { a: 1 }), { a: 1 });
  client.close(new OffstageError('DISPOSED', 'the test ends'));
  const load = async () => assert.fail('not there');
  const missing = openSession('main', { ...SETTING, load }, begin);
  await refused(missing.ready, 'UNSUPPORTED', /the session could not be loaded: not there/);
});

test('further sessions on one thread: each ends by itself, all end with the thread', async () => {
  const { client: carrier, losses } = reach();
  const opened = [0, 1, 2].map(() => openSession(beside(carrier, 'stub'), SETTING, begin));
  const clients = opened.map(({ client }) => client);
  for (const { ready } of opened) assert.deepEqual(await ready, { step: 0 });
  assert.ok(clients.every(({ mode, threadId }) => mode === 'worker' && threadId === 7));
  assert.equal(carrier.carried.size, 3);
  const waiting = clients.map((client) => client.request('HANG'));
  for (const each of waiting) each.catch(() => {});
  await refused(clients[0].request('CRASH'), 'WORKER_LOST', /it fell over/);
  assert.equal(carrier.carried.size, 2);
  const others = clients.slice(1).map((client, i) => client.request('ECHO', { i }));
  assert.deepEqual(await Promise.all(others), [{ i: 0 }, { i: 1 }]);
  const loss = new OffstageError('WORKER_LOST', 'the worker is gone');
  carrier.close(loss);
  assert.deepEqual(losses, [loss]);
  for (const each of waiting.slice(1)) await assert.rejects(each, (error) => error === loss);
  assert.equal(carrier.carried.size, 0);
});

test('a further session that is refused, or whose thread is lost, leaves nothing', async () => {
  const { client: carrier } = reach();
  const unknown = openSession(beside(carrier, 'other'), SETTING, begin);
  await refused(unknown.ready, 'INVALID_OPTION', /service is 'other'/);
  assert.equal(carrier.carried.size, 0);
  assert.equal(unknown.client.refused, false, 'it has not even begun');
  const late = openSession(beside(carrier, 'stub'), SETTING, begin);
  const loss = new OffstageError('WORKER_LOST', 'the worker is gone');
  carrier.close(loss);
  await assert.rejects(late.ready, (error) => error === loss);
  assert.equal(late.client.loss, loss);
  assert.equal(carrier.carried.size, 0);
  await rejectsWith(openSession(beside(carrier, 'stub'), SETTING, begin).ready, loss);
  assert.equal(carrier.carried.size, 0);
});

test('a port keeps a Node process alive while something is pending, and not otherwise', () => {
  const script = `
    import { Client } from './web/host/client.js';
    import { openPort } from './web/host/endpoint.js';
    const { port1, port2 } = new MessageChannel();
    const client = new Client({ timeout: Infinity, heartbeat: Infinity });
    const carrier = { mode: 'worker', threadId: 1, carried: new Set() };
    client.attach(openPort(port1, client.listener, carrier));
    port2.onmessage = ({ data: { id } }) => {
      setTimeout(() => port2.postMessage({ v: 1, id, type: 'DONE', payload: {} }), 50).unref();
    };
    port2.unref();
    await client.request('WORK');
    console.log('answered');`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', script],
    { cwd: new URL('../../', import.meta.url), encoding: 'utf8', timeout: 20_000 },
  );
  assert.deepEqual([status, stdout, stderr], [0, 'answered\n', '']);
});
