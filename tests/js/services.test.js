/* services.test.js: one host for many services: what a table of requests gets from it, sessions
 * over ports, whose turn it is, and that no session notices what another one suffers. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { createManualHost } from './manual-host.js';
import { openHere, openPort, openThread } from './services-setting.js';
import { QUADRANTS, bitsOf, quadrants } from './session-client.js';

/** @type {{ close: () => unknown }[]} */
const open = [];
/* No session keeps the process alive, nor do its timers: a client does, which waits. */
const awake = setInterval(() => {}, 1000);
after(() => clearInterval(awake));
after(() => Promise.all(open.map((client) => client.close())));
/** @template {{ close: () => unknown }} T @param {T} client @returns {T} */
const kept = (client) => {
  open.push(client);
  return client;
};
const port = async (
  /** @type {any} */ root,
  service = 'echo',
  /** @type {object} */ options = {},
) => kept(await openPort(root, service, options));

/** @type {Record<string, () => Promise<import('./services-setting.js').Client>>} */
const PLACES = {
  'the first session here': async () => kept(openHere(undefined, 'echoNow')),
  'a port here': async () => port(kept(openHere())),
  'a port of a worker': async () => port(kept(openThread())),
};

for (const [place, connect] of Object.entries(PLACES)) {
  test(`a handler gives a value, a promise, a generator, or throws: one answer each; ${place}`, async () => {
    const { ask, messages } = await connect();
    assert.deepEqual(await ask('ECHO', { a: [1, 2] }), { a: [1, 2] });
    assert.deepEqual(await ask('WORK', { units: 1000, pieces: 20 }), { pieces: 20 });
    await assert.rejects(ask('REFUSE'), { code: 'INVALID_OPTION', message: 'as asked' });
    await assert.rejects(ask('REFUSE_AT_GATE'), { code: 'INVALID_OPTION', message: 'at the gate' });
    await assert.rejects(ask('INIT_TRAINING'), {
      code: 'BAD_MESSAGE',
      message: /type is 'INIT_TRAINING', expected one of 'ECHO'.*'DISPOSE'/,
    });
    assert.deepEqual(Object.keys(await ask('PING')), ['received']);
    // What waits behind a gate keeps its order, and what must not wait does not.
    const order = /** @type {string[]} */ ([]);
    const named = (/** @type {string} */ name, /** @type {Promise<any>} */ reply) =>
      reply.then(() => order.push(name));
    await Promise.all([
      named('gated', ask('GATED')),
      named('add', ask('ADD', { n: 2 })),
      named('echo', ask('ECHO', {})),
      named('ping', ask('PING')),
    ]);
    assert.deepEqual(order, ['ping', 'gated', 'add', 'echo']);
    const waited = ask('WAIT');
    assert.deepEqual(await ask('RELEASE'), { released: 1 });
    assert.deepEqual(await waited, { waited: true });
    const pending = ask('WAIT');
    assert.deepEqual(await ask('DISPOSE'), {});
    await assert.rejects(pending, { code: 'DISPOSED' });
    assert.equal((await ask('GET_STATUS')).sum, 0);
    const ids = messages.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, 'one answer each');
  });

  for (const crash of ['CRASH', 'CRASH_AT_WORK', 'CRASH_IN_TICK']) {
    test(`${crash}: all that is pending fails, the session begins anew after DISPOSE; ${place}`, async () => {
      const { ask } = await connect();
      const pending = ask('WAIT');
      await assert.rejects(ask(crash), { code: 'WORKER_LOST', message: /as asked|in a tick/ });
      await assert.rejects(pending, { code: 'WORKER_LOST' });
      await assert.rejects(ask('ECHO'), { code: 'WORKER_LOST' });
      await ask('DISPOSE');
      assert.deepEqual(await ask('ECHO', { x: 1 }), { x: 1 });
    });
  }
}

test('an answer that cannot be sent is a trap, and its request is answered', async () => {
  for (const root of [kept(openHere()), kept(openThread())]) {
    const [echo, neighbour] = [await port(root), await port(root)];
    for (const as of ['value', 'promise', 'work', 'promise of work']) {
      const unsendable = { code: 'WORKER_LOST', message: /could not be cloned/ };
      await assert.rejects(echo.ask('UNSENDABLE', { as }), unsendable);
      await echo.ask('DISPOSE');
      assert.deepEqual(await neighbour.ask('ECHO', { as }), { as });
    }
  }
});

test('a service that fails to lose what it holds loses it, and disturbs no other', async () => {
  for (const root of [kept(openHere()), kept(openThread())]) {
    const [echo, neighbour] = [await port(root), await port(root)];
    await echo.ask('CLUMSY');
    const pending = echo.ask('WAIT');
    await assert.rejects(echo.ask('CRASH_AT_WORK'), { code: 'WORKER_LOST', message: /as asked/ });
    await assert.rejects(pending, { code: 'WORKER_LOST' });
    assert.deepEqual(await neighbour.ask('WORK', { units: 1, pieces: 3 }), { pieces: 3 });
    assert.match(echo.of('ERROR')[0].error, /cannot even lose/);
    assert.deepEqual(await echo.ask('DISPOSE', { close: true }), {});
  }
});

test('DISPOSE while those that waited have their turns: none is done after it', async () => {
  const { ask, messages, send } = openHere();
  const model = { ...QUADRANTS, runtime: { variant: 'simd' } };
  const first = ask('INIT_TRAINING', model);
  ask('GET_WEIGHTS');
  const second = ask('INIT_TRAINING', model);
  const { push } = messages;
  messages.push = (message) => {
    // in the turn in which the answer goes out
    if (message.type === 'WEIGHTS') send({ v: 1, id: 'dispose', type: 'DISPOSE' }, []);
    return push.call(messages, message);
  };
  await first;
  await assert.rejects(second, { code: 'DISPOSED' });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal((await ask('GET_STATUS')).state, 'empty');
});

test('an id that is used again after its answer is that of the new request', async () => {
  const { send, messages } = kept(openHere());
  const payload = { ...QUADRANTS, runtime: { variant: 'simd' } };
  const init = { v: 1, id: 'same', type: 'INIT_TRAINING', payload };
  const dispose = { v: 1, id: 'dispose', type: 'DISPOSE' };
  for (const message of [init, dispose, init]) send(message, []);
  while (messages.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
  const types = messages.map(({ type, payload }) => payload.code ?? type);
  assert.deepEqual(types, ['DISPOSED', 'DISPOSED', 'MODEL_READY']);
});

test('OPEN_SESSION is refused with what was got, and only the first session opens others', async () => {
  for (const root of [kept(openHere()), kept(openThread())]) {
    const { port1, port2 } = new MessageChannel();
    const refused = async (/** @type {any} */ payload, /** @type {RegExp} */ message) =>
      assert.rejects(root.ask('OPEN_SESSION', payload), { code: 'INVALID_OPTION', message });
    await refused({ service: 'nobody' }, /service is 'nobody', expected one of 'trainer'/);
    await refused({ service: 'toString' }, /service is 'toString'/);
    await refused({ service: { toString: 1, valueOf: 1 } }, /service is \{ toString, valueOf \}/);
    await refused({ service: ['echo'] }, /service is \['echo'\]/);
    await refused({}, /service is undefined/);
    await refused({ service: 'echo' }, /port is undefined, expected a MessagePort/);
    await refused({ service: 'echo', port: { postMessage: 1 } }, /port is /);
    await refused({ service: 'echo', more: 1 }, /more/);
    await assert.rejects(
      root.ask('OPEN_SESSION', { service: 'echo', port: port2, priority: 0.5 }, [port2]),
      { code: 'INVALID_OPTION', message: /priority is 0.5/ },
    );
    port1.close();
    for (const weight of [0, -1, NaN, Infinity, '1', 1e-300, 1e9]) {
      const channel = new MessageChannel();
      await assert.rejects(
        root.ask('OPEN_SESSION', { service: 'echo', port: channel.port2, weight }, [channel.port2]),
        { code: 'INVALID_OPTION', message: /weight is / },
      );
      channel.port1.close();
    }
    const echo = await port(root);
    await assert.rejects(echo.ask('OPEN_SESSION', { service: 'echo' }), {
      code: 'BAD_MESSAGE',
      message: /OPEN_SESSION/,
    });
  }
});

/**
 * A run from the first weights to the last bits.
 * @param {import('./services-setting.js').Client} client
 * @param {number} [seed]
 */
async function train({ ask, of }, seed = 42) {
  await ask('INIT_TRAINING', { ...QUADRANTS, seed, runtime: { variant: 'simd' } });
  const { reason, history } = await ask('START_TRAINING', { ...quadrants(300), numEpochs: 20 });
  const epochs = of('TRAINING_PROGRESS')
    .flatMap(({ records }) => records)
    .filter(({ kind }) => kind === 'epoch');
  return { reason, history, epochs: epochs.length, bits: bitsOf(await ask('GET_WEIGHTS')) };
}

test('trainers over ports have the bits of one that is alone, however many compute side by side', async () => {
  const alone = await train(kept(openHere()));
  assert.equal(alone.epochs, 20);
  for (const root of [kept(openHere()), kept(openThread())]) {
    const ports = await Promise.all(Array.from({ length: 5 }, () => port(root, 'trainer')));
    const echo = await port(root);
    const [own, ...others] = await Promise.all([root, ...ports].map((client) => train(client)));
    for (const each of [own, ...others]) assert.deepEqual(each, alone);
    assert.deepEqual(await echo.ask('ECHO', { still: 'there' }), { still: 'there' });
  }
});

test('a trap in one session ends that one only, also in the middle of the runs of others', async () => {
  const alone = await train(kept(openHere()));
  for (const root of [kept(openHere()), kept(openThread())]) {
    const [trainer, echo, neighbour] = [
      await port(root, 'trainer'),
      await port(root),
      await port(root),
    ];
    await neighbour.ask('ADD', { n: 7 });
    const runs = [train(trainer), train(root)];
    for (let i = 0; i < 20; i++) {
      await assert.rejects(echo.ask(['CRASH', 'CRASH_AT_WORK', 'CRASH_IN_TICK'][i % 3]), {
        code: 'WORKER_LOST',
      });
      await echo.ask('DISPOSE');
    }
    for (const run of await Promise.all(runs)) assert.deepEqual(run, alone);
    assert.deepEqual(await neighbour.ask('ADD', { n: 1 }), { sum: 8 });
  }
});

/* ---- whose turn it is, by a clock of the test's ---- */

/** Echo sessions on one thread whose time passes as they work: a piece of it takes 0.1 ms. */
async function timed(/** @type {object[]} */ ...settings) {
  const clock = createManualHost();
  Object.assign(clock.host, { spent: () => void (clock.ms += 0.1) });
  const root = openHere(clock.host);
  const sessions = await Promise.all(settings.map((options) => port(root, 'echo', options)));
  const pieces = async () => {
    // Ports are of the real event loop, the sessions' turns of the test's.
    const states = await Promise.all(sessions.map(({ ask }) => ask('GET_STATUS')));
    return states.map((state) => state.pieces);
  };
  return { clock, root, sessions, pieces };
}

test('background work has shares of the time by weight', async () => {
  const { clock, sessions, pieces } = await timed({}, { weight: 3 }, { weight: 0.5 });
  for (const { send } of sessions) send({ v: 1, id: 'run', type: 'RUN' }, []);
  await pieces();
  clock.turn(3000);
  const done = await pieces();
  const all = done.reduce((sum, each) => sum + each);
  [1, 3, 0.5].forEach((weight, i) =>
    assert.ok(Math.abs(done[i] / all - weight / 4.5) < 0.01, `${done} of ${all}`),
  );
});

test('background work of a higher priority goes first; what was missed is not made up for beyond a second', async () => {
  const { clock, sessions, pieces } = await timed({}, { priority: 1 });
  for (const { send } of sessions) send({ v: 1, id: 'run', type: 'RUN' }, []);
  await pieces();
  clock.turn(2000);
  const [none, all] = await pieces();
  assert.deepEqual([none, all > 20_000], [0, true]);
  await sessions[1].ask('STOP');
  clock.turn(500);
  const [now, still] = await pieces();
  assert.equal(still, all);
  assert.ok(now > 4000);
});

test('a session that floods the thread with jobs takes no more than its share from another one', async () => {
  const {
    clock,
    sessions: [quiet, loud],
    pieces,
  } = await timed({}, {});
  quiet.send({ v: 1, id: 'run', type: 'RUN' }, []);
  for (let i = 0; i < 3000; i++)
    loud.send({ v: 1, id: i, type: 'WORK', payload: { units: 1e7, pieces: 20 } }, []);
  await pieces();
  const [before] = await pieces();
  clock.turn(2000);
  const [after, flooded] = await pieces();
  const share = (after - before) / (after - before + flooded);
  assert.ok(share > 0.45, `the quiet one had ${share} of the time`);
  const at = clock.ms;
  const asked = quiet.ask('WORK', { units: 1, pieces: 1 });
  for (let i = 0; i < 20; i++) {
    await pieces();
    clock.turn(1);
  }
  await asked;
  assert.ok(clock.ms - at < 100, 'and a job of its own goes first');
});

test('a job goes first, though a third session has no time for want of priority', async () => {
  const { clock, sessions, pieces } = await timed({ priority: 1, weight: 10 }, {}, {});
  const [first, starved, quiet] = sessions;
  for (const { send } of [first, starved]) send({ v: 1, id: 'run', type: 'RUN' }, []);
  await pieces();
  for (let i = 0; i < 40; i++) {
    clock.turn(50);
    const at = clock.ms;
    let done = false;
    quiet.ask('WORK', { units: 1, pieces: 20 }).then(() => (done = true));
    for (let turns = 0; !done && turns < 100; turns++) {
      await pieces();
      clock.turn(1);
    }
    assert.ok(done && clock.ms - at < 100, `job ${i} of 2 ms took ${clock.ms - at} ms`);
  }
});

test('ticks come without drift, ahead of jobs and of training, and those left out are told', async () => {
  const {
    clock,
    sessions: [echo, worker],
  } = await timed({}, {});
  worker.send({ v: 1, id: 'run', type: 'RUN' }, []);
  await worker.ask('PING');
  const start = clock.ms;
  const end = echo.ask('TICK', { hz: 60, count: 30 });
  await echo.ask('PING');
  for (let i = 0; i < 4000 && echo.messages.length < 1e9; i++) {
    if (i === 100) clock.ms += 200; // a long task
    clock.turn(1);
    if (i % 50 === 0) await echo.ask('PING');
  }
  await end;
  const ticks = echo.of('TICK');
  for (const { count, due, late } of ticks) {
    assert.ok(
      Math.abs(due - start - count * (1000 / 60)) < 1e-6,
      'tick n is due n periods after the first',
    );
    assert.ok(late >= -1e-6 && late < 1000 / 60, `${late} ms late`);
  }
  const missed = ticks.reduce((sum, tick) => sum + tick.missed, 0);
  assert.ok(missed >= 11 && missed <= 12, `${missed} of 200 ms at 60 Hz`);
  assert.equal(ticks.length + missed, ticks.at(-1).count);
  const usual = ticks.filter((tick) => tick.missed === 0);
  assert.ok(
    usual.every(({ late }) => late < 3),
    'a slice late at most, though another session trains all the time',
  );
});

test('ticks end with what the session holds, by a crash and by DISPOSE', async () => {
  const {
    clock,
    sessions: [echo],
  } = await timed({});
  const pass = () => {
    for (let i = 0; i < 10; i++) {
      clock.ms += 10;
      clock.fire();
    }
  };
  echo.send({ v: 1, id: 'endless', type: 'TICK', payload: { hz: 100, count: Infinity } }, []);
  await echo.ask('PING');
  pass();
  await echo.ask('DISPOSE');
  assert.equal(echo.of('TICK').length, 10);
  pass();
  const crashed = echo.ask('CRASH_IN_TICKS');
  await echo.ask('PING');
  pass();
  await assert.rejects(crashed, { code: 'WORKER_LOST', message: /in one of two ticks/ });
  assert.equal((await echo.ask('GET_STATUS')).pieces, 1, 'one threw, and the other did not come');
  await echo.ask('DISPOSE');
  pass();
  assert.deepEqual(await echo.ask('ECHO', { x: 1 }), { x: 1 });
  assert.equal(echo.of('TICK').length, 10);
});

/* ---- ports ---- */

test('a port that is closed ends its session; others and the thread go on', async () => {
  const alone = await train(kept(openHere()));
  for (const root of [kept(openHere()), kept(openThread())]) {
    const trainer = await port(root, 'trainer');
    const run = train(trainer);
    for (let i = 0; i < 10; i++) {
      const closing = await openPort(root, i % 2 ? 'trainer' : 'echo');
      if (i % 2) {
        await closing.ask('INIT_TRAINING', { ...QUADRANTS, runtime: { variant: 'simd' } });
        closing.send(
          {
            v: 1,
            id: 'endless',
            type: 'START_TRAINING',
            payload: { ...quadrants(200), numEpochs: 1e9 },
          },
          [],
        );
      } else closing.send({ v: 1, id: 'endless', type: 'RUN' }, []);
      closing.port.close();
    }
    assert.deepEqual(await run, alone);
    // Nothing is left of them: the thread is idle.
    const { slices } = await root.ask('GET_STATUS');
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.ok((await root.ask('GET_STATUS')).slices - slices < 5);
  }
});

test('ports that are closed while a service loads leave no sessions; 1024 at most', async () => {
  for (const root of [kept(openHere()), kept(openThread())]) {
    const openClosed = () => {
      const { port1, port2 } = new MessageChannel();
      const opening = root.ask('OPEN_SESSION', { service: 'echo', port: port2 }, [port2]);
      port1.close();
      return opening.then(
        () => 'open',
        ({ code }) => code,
      );
    };
    await Promise.all(Array.from({ length: 1100 }, openClosed));
    while ((await openClosed()) === 'BUSY') await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const root = kept(openHere());
  const openings = await Promise.allSettled(
    Array.from({ length: 1100 }, async () => {
      const { port1, port2 } = new MessageChannel();
      kept(port1);
      return root.ask('OPEN_SESSION', { service: 'echo', port: port2 }, [port2]);
    }),
  );
  const refused = openings.filter(({ status }) => status === 'rejected');
  assert.equal(refused.length, 1100 - 1024);
  for (const each of refused) assert.equal(/** @type {any} */ (each).reason.code, 'BUSY');
});

test('DISPOSE { close: true } ends a session over a port and closes it; the first session stays', async () => {
  for (const root of [kept(openHere()), kept(openThread())]) {
    const echo = await openPort(root, 'echo');
    const closed = once(echo.port, 'close');
    assert.deepEqual(await echo.ask('DISPOSE', { close: true }), {});
    await closed;
    await root.ask('DISPOSE', { close: true });
    assert.deepEqual(await root.ask('PING'), { received: 3 });
  }
});

test('a port may be handed on by its client: whoever has it goes on with the session', async () => {
  const root = kept(openThread());
  const echo = await openPort(root, 'echo');
  await echo.ask('ADD', { n: 3 });
  const { port1, port2 } = new MessageChannel();
  const arrived = once(port2, 'message');
  port1.postMessage(echo.port, [echo.port]);
  const [moved] = await arrived;
  assert.throws(() => port1.postMessage(echo.port, [echo.port]), { name: 'DataCloneError' });
  const answer = once(moved, 'message');
  moved.postMessage({ v: 1, id: 1, type: 'ADD', payload: { n: 4 } });
  assert.equal((await answer)[0].payload.sum, 7);
  for (const each of [moved, port1]) each.close();
});

test('both ends of one channel handed over: the two sessions do not go on answering each other for ever', async (t) => {
  const root = kept(openHere());
  const post = t.mock.method(MessagePort.prototype, 'postMessage');
  for (const service of ['echo', 'trainer']) {
    const { port1, port2 } = new MessageChannel();
    await root.ask('OPEN_SESSION', { service, port: port1 }, [port1]);
    port2.postMessage({ v: 1, id: 'stray', type: 'PING' });
    port2.postMessage({ type: 'PREDICT', payload: {} });
    await root.ask('OPEN_SESSION', { service, port: port2 }, [port2]);
    for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(post.mock.callCount() < 10, `${post.mock.callCount()} messages`);
    post.mock.resetCalls();
    assert.deepEqual(Object.keys(await root.ask('PING')), ['received']);
  }
});

test('a port that is flooded with messages that mean nothing disturbs no run', async () => {
  const alone = await train(kept(openHere()));
  for (const root of [kept(openHere()), kept(openThread())]) {
    const [trainer, loud] = [await port(root, 'trainer'), await port(root)];
    const run = train(trainer);
    for (let i = 0; i < 20_000; i++)
      loud.send(
        [null, i, { v: 1 }, { v: 1, id: i, type: 'x' }, { v: 1, id: 'same', type: 'WAIT' }][i % 5],
        [],
      );
    assert.deepEqual(await run, alone);
    const errors = loud.of('ERROR');
    assert.ok(errors.every(({ code }) => code === 'BAD_MESSAGE'));
    await loud.ask('PING');
    assert.equal(loud.of('ERROR').length, 19_999, 'each is answered, but the one that waits');
  }
});

test('a worker that is killed closes all its ports', async () => {
  const root = openThread();
  const clients = await Promise.all([openPort(root, 'echo'), openPort(root, 'trainer')]);
  const closed = clients.map((client) => once(client.port, 'close'));
  clients[0].send({ v: 1, id: 'hang', type: 'HANG' }, []);
  await root.close();
  await Promise.all(closed);
});

test('idle sessions over ports keep no process alive', () => {
  const code = `
    const { openHere } = await import(${JSON.stringify(new URL('services-setting.js', import.meta.url).href)});
    const root = openHere();
    for (const service of ['echo', 'trainer']) {
      const { port1, port2 } = new MessageChannel();
      await root.ask('OPEN_SESSION', { service, port: port2 }, [port2]);
      port1.unref();
      globalThis.kept = [globalThis.kept, port1];
    }
    console.log('idle');`;
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.deepEqual([status, stdout], [0, 'idle\n']);
});
