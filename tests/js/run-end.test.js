/* run-end.test.js: how a run ends: every state that it can be in, with everything that can come
 * then. The first reason stays, a run is answered once, and whoever asked is answered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BOTH, everywhere, until } from './api-setting.js';
import { load } from '../../worker/trainer/foreign.js';
import { QUADRANTS, connectLocal, createManualHost, quadrants } from './session-client.js';

await load({}, undefined); // what reads nested arrays, which is here from then on: in the same turn

const DATA = quadrants(40);
const START = { ...DATA, numEpochs: 3, batchSize: 10, progressHz: 1000, snapshotMs: 1e9 };
const NON_FINITE = -7;

/** What a step does instead: it traps, or it is not finite. @type {'trap' | 'fault' | null} */
let instead = null;
const { instantiate } = WebAssembly;

/** @param {import('node:test').TestContext} t */
function mockSteps(t) {
  instead = null;
  t.mock.method(
    WebAssembly,
    'instantiate',
    async (/** @type {any} */ module, /** @type {any} */ imports) => {
      const real = /** @type {any} */ (await instantiate(module, imports));
      const exports = { ...real.exports };
      exports.step_run = (/** @type {any[]} */ ...args) => {
        if (instead === 'trap') throw new WebAssembly.RuntimeError('unreachable');
        return instead === 'fault' ? NON_FINITE : real.exports.step_run(...args);
      };
      return { exports };
    },
  );
}

/** A session with a model, which does one part of the work in a turn. */
async function session() {
  const time = createManualHost();
  const client = connectLocal(time.host);
  client.ask('INIT_TRAINING', {
    ...QUADRANTS,
    runtime: { variant: 'simd', threads: 1, sliceWork: 1 },
  });
  while (client.of('MODEL_READY').length === 0) {
    await new Promise((resolve) => setImmediate(resolve));
    time.turn(100);
  }
  const state = () => {
    client.ask('GET_STATUS');
    return client.of('STATUS').at(-1).state;
  };
  /** @param {() => boolean} reached */
  const turnUntil = (reached) => {
    while (!reached()) {
      assert.ok(time.waiting > 0, 'something goes on');
      time.turn();
      time.ms++;
    }
  };
  return { ...client, time, state, turnUntil };
}

/** @typedef {Awaited<ReturnType<typeof session>>} Session */

/** @param {Session} client */
const percent = (client) => client.of('TRAINING_PROGRESS').at(-1)?.percent ?? 0;

/** How a session comes into each state. @type {Record<string, (client: Session) => void>} */
const STATES = {
  'no run': () => {},
  checking: (client) => void client.ask('START_TRAINING', START),
  held(client) {
    STATES.checking(client);
    client.ask('PAUSE_TRAINING');
  },
  running(client) {
    STATES.checking(client);
    client.turnUntil(() => percent(client) > 20);
  },
  paused(client) {
    STATES.running(client);
    client.ask('PAUSE_TRAINING');
    client.turnUntil(() => client.of('TRAINING_PAUSED').length > 0);
  },
  finishing(client) {
    STATES.checking(client);
    client.turnUntil(() => percent(client) === 100);
  },
  stopping(client) {
    STATES.running(client);
    client.ask('STOP_TRAINING');
  },
  'finished run'(client) {
    STATES.checking(client);
    client.time.turn(Infinity);
  },
};

const WITH_A_RUN = ['checking', 'held', 'running', 'paused', 'finishing', 'stopping'];

/**
 * What comes then, and the reply that it has.
 * @type {Record<string, { act: (client: Session) => void, reply: string, count?: number }>}
 */
const EVENTS = {
  pause: { act: (client) => void client.ask('PAUSE_TRAINING'), reply: 'TRAINING_PAUSED' },
  resume: { act: (client) => void client.ask('RESUME_TRAINING'), reply: 'TRAINING_RESUMED' },
  stop: { act: (client) => void client.ask('STOP_TRAINING'), reply: 'TRAINING_STOPPED' },
  'stop, twice': {
    act(client) {
      client.ask('STOP_TRAINING');
      client.ask('STOP_TRAINING');
    },
    reply: 'TRAINING_STOPPED',
    count: 2,
  },
  dispose: { act: (client) => void client.ask('DISPOSE'), reply: 'DISPOSED' },
  start: { act: (client) => void client.ask('START_TRAINING', START), reply: 'ERROR' },
  save: { act: (client) => void client.ask('SAVE_CHECKPOINT'), reply: 'CHECKPOINT' },
  trap: {
    act(client) {
      instead = 'trap';
      client.ask('PREDICT', { x: [0, 1] });
    },
    reply: 'ERROR',
  },
  fault: { act: () => void (instead = 'fault'), reply: '' },
};

/** @param {string} cells */
const row = (cells) => cells.split(' | ');

/* After each event: the state that GET_STATUS tells once it is answered, and how the run ends when
 * it is left to itself: resumed where it stands still. '-': there is none. */
const EXPECTED = {
  // pause | resume | stop | stop, twice | dispose | start | save | trap | fault
  'no run': row(
    'ready - | ready - | ready - | ready - | empty - | ' +
      'ready finished | ready - | empty - | ready -',
  ),
  checking: row(
    'paused finished | training finished | ready stopped | ready stopped | empty stopped | ' +
      'training finished | training finished | empty WORKER_LOST | training NON_FINITE',
  ),
  held: row(
    'paused finished | training finished | ready stopped | ready stopped | empty stopped | ' +
      'paused finished | paused finished | empty WORKER_LOST | paused NON_FINITE',
  ),
  running: row(
    'paused finished | training finished | ready stopped | ready stopped | empty stopped | ' +
      'training finished | training finished | empty WORKER_LOST | training NON_FINITE',
  ),
  paused: row(
    'paused finished | training finished | ready stopped | ready stopped | empty stopped | ' +
      'paused finished | paused finished | empty WORKER_LOST | paused NON_FINITE',
  ),
  finishing: row(
    'training finished | training finished | ready finished | ready finished | empty finished | ' +
      'training finished | training finished | empty WORKER_LOST | training finished',
  ),
  stopping: row(
    'training stopped | training stopped | ready stopped | ready stopped | empty stopped | ' +
      'training stopped | training stopped | empty WORKER_LOST | training stopped',
  ),
  'finished run': row(
    'ready finished | ready finished | ready finished | ready finished | empty finished | ' +
      'ready finished | ready finished | empty finished | ready finished',
  ),
};

for (const [from, cells] of Object.entries(EXPECTED)) {
  for (const [i, event] of Object.keys(EVENTS).entries()) {
    test(`${from}, then ${event}: ${cells[i]}`, async (t) => {
      mockSteps(t);
      const client = await session();
      STATES[from](client);
      assert.equal(
        client.state() !== 'ready',
        WITH_A_RUN.includes(from),
        'the state is reached, and not left',
      );
      const { act, reply, count = 1 } = EVENTS[event];
      const answer = event === 'start' && !WITH_A_RUN.includes(from) ? 'TRAINING_COMPLETE' : reply;
      const before = client.of(answer).length;
      act(client);
      if (answer) client.turnUntil(() => client.of(answer).length >= before + count);
      const state = client.state();
      client.ask('RESUME_TRAINING').catch(() => {});
      client.time.turn(Infinity);

      const ends = client.messages.filter(({ type }) =>
        ['TRAINING_COMPLETE', 'TRAINING_ERROR'].includes(type),
      );
      const end = ends.at(-1);
      assert.equal(`${state} ${end?.payload.reason ?? end?.payload.code ?? '-'}`, cells[i]);
      if (end?.type === 'TRAINING_COMPLETE' && end.payload.run)
        assert.equal(end.payload.run.reason, end.payload.reason);
      if (event.startsWith('stop') && ends.length > 0) {
        const types = client.messages.map(({ type }) => type);
        assert.ok(
          types.indexOf('TRAINING_STOPPED') > types.indexOf('TRAINING_COMPLETE'),
          'a stop is answered after the run',
        );
      }
      const ids = client.messages
        .filter(({ type }) => !['TRAINING_PROGRESS', 'TRAINING_SNAPSHOT'].includes(type))
        .map(({ id }) => id);
      assert.deepEqual(
        ids.toSorted((a, b) => a - b),
        ids.map((_, k) => k + 1),
        'each request is answered exactly once',
      );
    });
  }
}

/* A model whose checkpoint takes many slices, so that a request may come while the last one is
 * taken. */
everywhere('a stop after the last record is too late: the run is finished', BOTH, async (make) => {
  const trainer = await make({
    inputShape: [2048],
    layers: [
      { type: 'dense', units: 512 },
      { type: 'dense', units: 2, activation: 'softmax' },
    ],
  });
  const x = new Float32Array(2048 * 8).map((_, i) => Math.sin(i));
  const run = trainer.fit(
    x,
    new Int32Array(8).map((_, i) => i % 2),
    { epochs: 2 },
  );
  /** @type {Promise<void> | undefined} */
  let stopped;
  run.addEventListener('progress', (/** @type {any} */ { detail }) => {
    if (detail.percent === 100) stopped = run.stop();
  });
  const { reason, epochs } = await run;
  assert.deepEqual({ reason, epochs }, { reason: 'finished', epochs: 2 });
  await until(() => stopped !== undefined);
  await stopped;
  assert.equal(trainer.runs[0].reason, 'finished');
  assert.equal(trainer.status().state, 'ready');
  assert.equal(
    (await trainer.fit(x, new Int32Array(8), { epochs: 3, resume: false })).reason,
    'finished',
  );
});
