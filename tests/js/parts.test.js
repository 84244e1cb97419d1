/* parts.test.js: what a session loads where it is used: the sentences of refusals, what keeps
 * trainers, what reads bare messages and nested arrays. A part that is missing, or of another
 * build, is an error that says so and names its file. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { createSession, ownHost } from '../../wasm-build/dist/session.js';
import { createHost } from '../../worker/host/clock.js';
import { errorFromWire } from '../../worker/host/errors.js';
import { createSession as createInCheckout } from '../../worker/trainer/service.js';
import { connectLocal } from './session-client.js';

const DIST = new URL('../../wasm-build/dist/', import.meta.url);
const FLAWED = { inputShape: [4, 2], layers: [{ type: 'lstm', units: 0 }] };
const SENTENCE = /^layer 0 \(lstm\): units is 0, expected an integer from 1 to \d+$/;
const LOAD = { stored: { name: 'nobody' } };

/** A session of the built files. */
function connectBuilt() {
  /** @type {any} */
  const endpoint = { onmessage: null, postMessage: () => {} };
  createSession(endpoint, ownHost());
  return {
    /** @param {string} type @param {any} payload @returns {Promise<any>} */
    ask: (type, payload) =>
      new Promise((resolve, reject) => {
        endpoint.postMessage = (/** @type {any} */ { type: answer, payload: told }) =>
          answer === 'ERROR' ? reject(errorFromWire(told)) : resolve(told);
        endpoint.onmessage({ data: { v: 1, id: type, type, payload: structuredClone(payload) } });
      }),
  };
}

/**
 * A folder as `assets` names it, with the built files but for what `change` does to it.
 * @param {import('node:test').TestContext} t @param {(folder: string) => void} change
 */
function changed(t, change) {
  const folder = mkdtempSync(`${tmpdir()}/offstage-`);
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(DIST, `${folder}/wasm-build/dist`, {
    recursive: true,
    filter: (path) => !/\.(stamp|map)$/.test(path),
  });
  writeFileSync(`${folder}/package.json`, '{ "type": "module" }');
  change(`${folder}/wasm-build/dist`);
  return { assets: pathToFileURL(folder).href, threads: 1 };
}

/** Another build of a part. @param {string} file */
function rebuild(file) {
  const text = readFileSync(file, 'utf8');
  const [build] = /** @type {RegExpExecArray} */ (/"[0-9a-f]{12}"/.exec(text));
  writeFileSync(file, text.replace(build, '"000000000000"'));
}

/**
 * An own instance of a built session, with nothing loaded, whose answers are kept in order.
 * @param {string} instance
 */
async function openBuilt(instance) {
  const { createSession: create, ownHost: host } = await import(
    `${DIST.href}session.js?${instance}`
  );
  return openRaw(create, host());
}

/**
 * A session whose messages are sent as they are.
 * @param {(endpoint: any, host: any) => any} create @param {any} host
 */
function openRaw(create, host) {
  /** @type {any[]} */
  const told = [];
  /** @type {(() => void)[]} */
  let waiting = [];
  /** @type {any} */
  const endpoint = {
    onmessage: null,
    postMessage(/** @type {any} */ message) {
      told.push(message);
      for (const look of waiting) look();
    },
  };
  create(endpoint, host);
  return {
    told,
    send: (/** @type {any[]} */ ...messages) =>
      messages.forEach((message) => endpoint.onmessage({ data: structuredClone(message) })),
    /** @param {number} count  of answers that there are to be @returns {Promise<void>} */
    async has(count) {
      await /** @type {Promise<void>} */ (
        new Promise((resolve) => {
          const look = () => {
            if (told.length >= count) resolve();
          };
          waiting.push(look);
          look();
        })
      );
      waiting = [];
      await new Promise((resolve) => setTimeout(resolve, 20)); // nothing is answered twice
      assert.equal(told.length, count);
    },
  };
}

const DENSE = { inputShape: [2], layers: [{ type: 'dense', units: 1 }], loss: 'meanSquaredError' };
const NESTED = [
  [1, 2],
  [3, 4],
];
/** @param {string | number} id @param {string} type @param {any} [payload] */
const asked = (id, type, payload = {}) => ({ v: 1, id, type, payload });
const bare = (/** @type {string} */ type, payload = {}) => ({ type, payload });
const short = (/** @type {any} */ { id, type, payload }) =>
  `${id ?? 'bare'} ${type}${payload.code ? ` ${payload.code}` : ''}`;
const NO_WIRE =
  /^what reads bare messages, nested arrays and weights could not be loaded from .*dist\/wire\.js: /;
const OLD_WIRE =
  /^what reads bare messages, nested arrays and weights in .*dist\/wire\.js is of another version of Offstage/;

const OPENED = {
  // First of all: whoever needs the part has it loaded for all
  'the checkout': () => openRaw(createInCheckout, createHost(0)),
  'the built files': () => openBuilt('missing'),
};
for (const [name, open] of Object.entries(OPENED)) {
  test(`${name}: without what reads them bare messages and nested arrays are refused, and the session lives`, async (t) => {
    const session = await open();
    const runtime = changed(t, (dist) => rmSync(`${dist}/wire.js`));
    session.send(
      asked(1, 'INIT_TRAINING', { ...DENSE, runtime }),
      asked(2, 'PREDICT', { x: Float32Array.of(1, 2) }),
    );
    session.send(
      asked(3, 'PREDICT', { x: NESTED }),
      asked(4, 'PREDICT', { x: Float32Array.of(1, 2) }),
    );
    session.send(asked(5, 'START_TRAINING', { x: Float32Array.of(1, 2), y: [1], numEpochs: 1 }));
    session.send(
      asked(6, 'EVALUATE_MODEL', {
        x: Float32Array.of(1, 2),
        y: Float32Array.of(1),
        sampleWeight: [1],
      }),
    );
    await session.has(6);
    session.send(
      bare('PREDICT', { inputGrid: NESTED }),
      asked(7, 'PREDICT', { inputGrid: NESTED }),
      asked(8, 'SET_WEIGHTS', { weights: [] }),
    );
    session.send(asked(9, 'PREDICT', { x: Float32Array.of(1, 2) }));
    await session.has(10);
    assert.deepEqual(session.told.map(short), [
      '1 MODEL_READY',
      '2 PREDICTION_RESULT',
      '3 ERROR UNSUPPORTED',
      '4 PREDICTION_RESULT',
      '5 ERROR UNSUPPORTED',
      '6 ERROR UNSUPPORTED',
      'bare TRAINING_ERROR UNSUPPORTED',
      '7 ERROR UNSUPPORTED',
      '8 ERROR UNSUPPORTED',
      '9 PREDICTION_RESULT',
    ]);
    for (const { payload } of session.told.filter((message) => message.payload.error))
      assert.match(payload.error, NO_WIRE);
  });
}

test('what reads bare messages, of another build, is refused, and its file is named', async (t) => {
  const session = await openBuilt('another');
  const runtime = changed(t, (dist) => rebuild(`${dist}/wire.js`));
  session.send(
    bare('INIT_TRAINING', { layers: [], runtime }),
    asked(1, 'INIT_TRAINING', { ...DENSE, runtime }),
    asked(2, 'PREDICT', { x: NESTED }),
  );
  await session.has(3);
  assert.deepEqual(session.told.map(short), [
    'bare TRAINING_ERROR UNSUPPORTED',
    '1 MODEL_READY',
    '2 ERROR UNSUPPORTED',
  ]);
  assert.match(session.told[0].payload.error, OLD_WIRE);
  assert.match(session.told[2].payload.error, OLD_WIRE);
});

test('requests wait in order while what reads them loads, once, and those that never wait do not', async () => {
  const session = await openBuilt('order');
  session.send(
    bare('INIT_TRAINING', DENSE),
    asked(1, 'PREDICT', { x: Float32Array.of(1, 2) }),
    asked(2, 'PING'),
    asked(1, 'PREDICT', { x: NESTED }),
    bare('PREDICT', { inputGrid: [1, 2] }),
    asked(3, 'NO_TYPE'),
    asked(4, 'PREDICT', { x: NESTED }),
    7,
  );
  assert.deepEqual(session.told.map(short), ['2 PONG']);
  await session.has(8);
  assert.deepEqual(session.told.map(short), [
    '2 PONG',
    '1 ERROR BAD_MESSAGE',
    '3 ERROR BAD_MESSAGE',
    'bare ERROR BAD_MESSAGE',
    'bare MODEL_READY',
    '1 PREDICTION_RESULT',
    'bare PREDICTION_RESULT',
    '4 PREDICTION_RESULT',
  ]);
  session.send(bare('PREDICT', { inputGrid: 7 }));
  assert.deepEqual(
    short(session.told[8]),
    'bare TRAINING_ERROR INVALID_DATA',
    'in the same turn from then on',
  );
  await session.has(9);
});

test('an array in another form than the page sends makes those behind it wait', async () => {
  const session = await openBuilt('forms');
  session.send(asked(1, 'INIT_TRAINING', DENSE));
  await session.has(1);
  session.send(
    asked(2, 'PREDICT', { x: NESTED }),
    asked(3, 'PREDICT', { x: Float32Array.of(1, 2) }),
    asked(4, 'GET_STATUS'),
    asked(5, 'START_TRAINING', { x: NESTED, y: [1, 2], numEpochs: 1 }),
    asked(6, 'PREDICT', { x: Float32Array.of(1) }),
  );
  assert.deepEqual(session.told.slice(1).map(short), ['4 STATUS']);
  const ends = () => session.told.filter(({ type }) => type !== 'TRAINING_PROGRESS').map(short);
  for (let turns = 0; turns < 500 && ends().length < 6; turns++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(ends().slice(2, 4), ['2 PREDICTION_RESULT', '3 PREDICTION_RESULT']);
  assert.deepEqual(ends().slice(4).sort(), ['5 TRAINING_COMPLETE', '6 ERROR INVALID_DATA']);
});

test('a flood of bare messages while what reads them loads: each is answered once, and DISPOSE ends all at once', async () => {
  const flood = Array.from({ length: 20000 }, (_, i) =>
    bare(i % 2 ? 'PREDICT' : 'NO_TYPE', { inputGrid: NESTED }),
  );
  const session = await openBuilt('flood');
  session.send(...flood);
  assert.equal(session.told.length, 0);
  await session.has(flood.length);
  assert.deepEqual(new Set(session.told.map(short)), new Set(['bare TRAINING_ERROR BAD_MESSAGE']));

  const other = await openBuilt('disposed');
  other.send(...flood, asked(1, 'PREDICT', { x: NESTED }), asked(2, 'DISPOSE'));
  assert.equal(other.told.length, flood.length + 2);
  assert.deepEqual(
    new Set(other.told.slice(0, -2).map(short)),
    new Set(['bare TRAINING_ERROR DISPOSED']),
  );
  assert.deepEqual(other.told.slice(-2).map(short), ['1 ERROR DISPOSED', '2 DISPOSED']);
  other.send(bare('PREDICT', { inputGrid: NESTED }), asked(3, 'PING'));
  await other.has(flood.length + 4);
  assert.deepEqual(other.told.slice(-2).map(short), ['3 PONG', 'bare TRAINING_ERROR DISPOSED']);
});

const SESSIONS = { 'the checkout': () => connectLocal(), 'the built files': connectBuilt };
for (const [name, connect] of Object.entries(SESSIONS)) {
  test(`${name}: a refusal has its sentence`, async (t) => {
    for (const runtime of [undefined, changed(t, () => {})]) {
      await assert.rejects(connect().ask('INIT_TRAINING', { ...FLAWED, runtime }), {
        code: 'INVALID_SPEC',
        message: SENTENCE,
      });
    }
  });

  test(`${name}: without its sentence a refusal says what it knows, and which file is missing`, async (t) => {
    const runtime = changed(t, (dist) => rmSync(`${dist}/refusal.js`));
    await assert.rejects(connect().ask('INIT_TRAINING', { ...FLAWED, runtime }), {
      code: 'INVALID_SPEC',
      message:
        /^layer 0 \(lstm\): refused \(range, field \d+\): got 0, allowed 1 to \d+; the sentence of a refusal could not be loaded from .*dist\/refusal\.js: /,
    });
  });

  test(`${name}: storage that cannot be loaded is unsupported, and its file is named`, async (t) => {
    const runtime = changed(t, (dist) => rmSync(`${dist}/kept.js`));
    await assert.rejects(connect().ask('LOAD_CHECKPOINT', { ...LOAD, runtime }), {
      code: 'UNSUPPORTED',
      message: /^what keeps trainers could not be loaded from .*dist\/kept\.js: /,
    });
  });
}

test('a part whose exports a bundler has lost is found where it has left them', async (t) => {
  const runtime = changed(t, (dist) => {
    const text = readFileSync(`${dist}/refusal.js`, 'utf8');
    assert.match(text, /\bexport\{[^}]+\};?/);
    writeFileSync(`${dist}/refusal.js`, text.replace(/\bexport\{[^}]+\};?/, ''));
  });
  await assert.rejects(connectBuilt().ask('INIT_TRAINING', { ...FLAWED, runtime }), {
    code: 'INVALID_SPEC',
    message: SENTENCE,
  });
});

test('a part of another build is refused, and its file is named', async (t) => {
  const runtime = changed(t, (dist) =>
    ['kept.js', 'refusal.js'].forEach((file) => rebuild(`${dist}/${file}`)),
  );
  await assert.rejects(connectBuilt().ask('LOAD_CHECKPOINT', { ...LOAD, runtime }), {
    code: 'UNSUPPORTED',
    message: /^what keeps trainers in .*dist\/kept\.js is of another version of Offstage/,
  });
  await assert.rejects(connectBuilt().ask('INIT_TRAINING', { ...FLAWED, runtime }), {
    code: 'INVALID_SPEC',
    message:
      /allowed 1 to \d+; the sentence of a refusal in .*dist\/refusal\.js is of another version of Offstage/,
  });
});
