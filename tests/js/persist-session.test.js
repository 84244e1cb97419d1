/* persist-session.test.js: a session keeps its run in a folder, and another one, which knows only
 * the name, goes on with it to the same bits; over the wire. */
import assert from 'node:assert/strict';
import {
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { QUADRANTS, bitsOf, connectLocal, connectWorker, quadrants } from './session-client.js';

const folder = mkdtempSync(join(tmpdir(), 'offstage-'));
/** @type {{ close: () => Promise<void> }[]} */
const open = [];
after(async () => {
  await Promise.all(open.map((client) => client.close()));
  rmSync(folder, { recursive: true });
});

const DATA = quadrants(200);
const SETTINGS = { numEpochs: 300, batchSize: 8, validationSplit: 0.2 };

/** @param {boolean} [worker] */
function connect(worker = false) {
  const client = worker ? connectWorker() : connectLocal();
  open.push(client);
  return client;
}

/** Checkpoints of a name. @param {string} name */
const filesOf = (name) =>
  readdirSync(folder, { recursive: true })
    .map(String)
    .filter((file) => file.includes(name) && file.endsWith('.safetensors'));

/** The bits of the run that nobody disturbs. */
async function undisturbed() {
  const client = connect();
  await client.ask('INIT_TRAINING', QUADRANTS);
  await client.ask('START_TRAINING', { ...DATA, ...SETTINGS });
  return bitsOf(await client.ask('GET_WEIGHTS'));
}

const AHEAD = 50; // epochs

/**
 * Waits until so many checkpoints are on storage. However slow that is, the run is not over before:
 * where it is too far ahead of them it pauses until the next one.
 * @param {any} client @param {number} count
 */
async function keptInTime(client, count) {
  let [kept, paused] = [0, false];
  const pause = async (/** @type {boolean} */ wanted) => {
    if (wanted !== paused) await client.ask(wanted ? 'PAUSE_TRAINING' : 'RESUME_TRAINING');
    paused = wanted;
  };
  while (kept < count) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const notices = client.of('NOTICE').map((/** @type {any} */ { kind }) => kind);
    kept = notices.filter((/** @type {string} */ kind) => kind === 'persisted').length;
    assert.ok(!notices.includes('warning'));
    assert.deepEqual([...client.of('ERROR'), ...client.of('TRAINING_COMPLETE')], []);
    await pause((client.of('TRAINING_PROGRESS').at(-1)?.epoch ?? 0) > AHEAD * (kept + 1));
  }
  await pause(false);
}

/**
 * Dies in the middle of a run that it keeps.
 * @param {any} persist
 */
async function die(persist) {
  const client = connectWorker();
  open.push(client);
  await client.ask('INIT_TRAINING', { ...QUADRANTS, runtime: { notices: true, duty: 0.01 } });
  const start = {
    ...DATA,
    ...SETTINGS,
    progressHz: 1000,
    persist: { seconds: 0, folder, ...persist },
  };
  client.ask('START_TRAINING', start);
  await keptInTime(client, 2);
  await client.close();
}

test('a run whose data are kept goes on without being given anything', async () => {
  await die({ name: 'with data', data: true });
  const client = connect(true);
  const loaded = await client.ask('LOAD_CHECKPOINT', { stored: { name: 'with data', folder } });
  assert.equal(loaded.run.data, 'stored');
  assert.ok(loaded.step >= 1);
  assert.deepEqual(loaded.persisted, { name: 'with data', storage: 'folder', reason: null });
  const stored = { stored: true };
  const result = await client.ask('START_TRAINING', {
    x: stored,
    y: stored,
    resume: true,
    persist: { name: 'with data', folder },
  });
  assert.deepEqual([result.reason, result.epochs, result.persisted], ['finished', 300, 'folder']);
  assert.equal(bitsOf(await client.ask('GET_WEIGHTS')), await undisturbed());
  const again = connect();
  await assert.rejects(again.ask('LOAD_CHECKPOINT', { stored: { name: 'with data', folder } }), {
    code: 'BUSY',
  });
  await client.ask('DISPOSE');
  const end = await again.ask('LOAD_CHECKPOINT', { stored: { name: 'with data', folder } });
  assert.deepEqual(
    [end.run.ended, end.step],
    ['finished', result.step],
    'the last checkpoint is there when the run is told to be complete',
  );
});

test('a run without its data wants them again; the newest checkpoint that is torn is passed over with a warning', async () => {
  await die({ name: 'torn' });
  const files = filesOf('torn').sort();
  assert.ok(files.length >= 2, `${files}`);
  truncateSync(join(folder, files[files.length - 1]), 1000);
  const client = connect();
  const loaded = await client.ask('LOAD_CHECKPOINT', {
    stored: { name: 'torn', folder },
    runtime: { notices: true },
  });
  assert.equal(loaded.run.data, null);
  await assert.rejects(
    client.ask('START_TRAINING', { x: { stored: true }, y: { stored: true }, resume: true }),
    { code: 'DATA_LOST' },
  );
  await client.ask('START_TRAINING', { ...DATA, resume: true });
  assert.equal(bitsOf(await client.ask('GET_WEIGHTS')), await undisturbed());
});

test('what is not there, a bad name and a model that stays', async () => {
  const client = connect();
  await assert.rejects(client.ask('LOAD_CHECKPOINT', { stored: { name: 'nobody', folder } }), {
    code: 'BAD_CHECKPOINT',
    message: /'nobody'/,
  });
  await client.ask('INIT_TRAINING', QUADRANTS);
  for (const stored of [{ name: '' }, { name: 5 }, { name: 'a', folder: 5 }, { nam: 'a' }, null]) {
    await assert.rejects(client.ask('LOAD_CHECKPOINT', { stored }), { code: 'INVALID_OPTION' });
  }
  for (const persist of [
    { name: '' },
    { name: 'a', keep: 0 },
    { name: 'a', seconds: -1 },
    { name: 'a', epochs: 0.5 },
    'a',
  ]) {
    await assert.rejects(client.ask('START_TRAINING', { ...DATA, persist }), {
      code: 'INVALID_OPTION',
    });
  }
  assert.equal((await client.ask('START_TRAINING', { ...DATA, batchSize: 100 })).step, 2);
});

test('every so many epochs, and no more files than are to be kept', async () => {
  const client = connect();
  await client.ask('INIT_TRAINING', { ...QUADRANTS, runtime: { notices: true, duty: 0.05 } });
  const persist = { name: 'epochs', folder, epochs: 2, keep: 2 };
  const run = client.ask('START_TRAINING', { ...DATA, ...SETTINGS, progressHz: 1000, persist });
  await keptInTime(client, 2);
  const { step } = await run;
  const kept = client
    .of('NOTICE')
    .filter(({ kind }) => kind === 'persisted')
    .map((notice) => notice.step);
  assert.deepEqual([kept[0], kept.at(-1)], [0, step]);
  assert.ok(
    kept.length > 2 && kept.length <= 151,
    `${kept}: where writing takes longer than two epochs there are fewer`,
  );
  assert.equal(filesOf('epochs').length, 2);
});

test('data count as stored once they are, whether or not a checkpoint came after them; those of another run do not', async () => {
  const client = connect();
  await client.ask('INIT_TRAINING', QUADRANTS);
  // A checkpoint at the beginning and one at the end
  const persist = { name: 'late', folder, data: true, epochs: 1000 };
  await client.ask('START_TRAINING', { ...DATA, numEpochs: 2, persist });
  await client.ask('DISPOSE');
  // Which leaves the one that was there before the data
  truncateSync(join(folder, filesOf('late').sort()[1]), 10);
  const other = connect();
  const loaded = await other.ask('LOAD_CHECKPOINT', { stored: { name: 'late', folder } });
  assert.deepEqual([loaded.step, loaded.run.data], [0, 'stored']);
  const { bytes } = await other.ask('SAVE_CHECKPOINT');
  assert.equal(
    (await connect().ask('LOAD_CHECKPOINT', { bytes })).run.data,
    null,
    'a checkpoint alone has none',
  );
  await other.ask('START_TRAINING', {
    ...quadrants(90),
    numEpochs: 2,
    persist: { ...persist, data: false },
  });
  await other.ask('DISPOSE');
  assert.equal(
    (await connect().ask('LOAD_CHECKPOINT', { stored: { name: 'late', folder } })).run.data,
    null,
  );
});

test('while a START waits for storage the model is asked all the same, and nothing overtakes what waits', async () => {
  const owner = connect();
  await owner.ask('INIT_TRAINING', QUADRANTS);
  await owner.ask('START_TRAINING', { ...DATA, persist: { name: 'mine', folder } });
  const client = connect();
  await client.ask('INIT_TRAINING', QUADRANTS);
  // Waits two seconds for a dying owner
  const run = client.ask('START_TRAINING', { ...DATA, persist: { name: 'mine', folder } });
  assert.equal((await client.ask('PREDICT', { x: [0.5, 0.5] })).single, true);
  assert.equal((await client.ask('GET_WEIGHTS')).step, 0);
  assert.deepEqual(client.of('ERROR'), [], 'it still waits');
  const { weights } = await owner.ask('GET_WEIGHTS');
  const set = client.ask('SET_WEIGHTS', { weights });
  const asked = client.ask('GET_WEIGHTS');
  await assert.rejects(run, { code: 'BUSY' });
  await set;
  assert.equal(
    bitsOf(await asked),
    bitsOf({ weights }),
    'asked for behind SET_WEIGHTS, which waited',
  );
});

test('a session in the place of a lost one holds its name; where that is taken it goes on without', async () => {
  const owner = connect();
  await owner.ask('INIT_TRAINING', QUADRANTS);
  await owner.ask('START_TRAINING', { ...DATA, persist: { name: 'held', folder } });
  const { bytes } = await owner.ask('SAVE_CHECKPOINT');
  const late = connect();
  const without = await late.ask('LOAD_CHECKPOINT', {
    bytes: bytes.slice(),
    hold: { name: 'held', folder },
    runtime: { notices: true },
  });
  assert.equal(without.persisted, null);
  assert.match(late.of('NOTICE').find(({ kind }) => kind === 'warning').message, /held/);
  await owner.ask('DISPOSE');
  const next = connect();
  const loaded = await next.ask('LOAD_CHECKPOINT', { bytes, hold: { name: 'held', folder } });
  assert.deepEqual(loaded.persisted, { name: 'held', storage: 'folder', reason: null });
  await assert.rejects(late.ask('START_TRAINING', { ...DATA, persist: { name: 'held', folder } }), {
    code: 'BUSY',
  });
});

test('data that were kept and are damaged are DATA_LOST, not data of another kind', async () => {
  const client = connect();
  await client.ask('INIT_TRAINING', QUADRANTS);
  await client.ask('START_TRAINING', {
    ...DATA,
    ...SETTINGS,
    numEpochs: 2,
    persist: { name: 'damaged', folder, data: true },
  });
  await client.ask('DISPOSE');
  const file =
    readdirSync(folder, { recursive: true })
      .map(String)
      .find((name) => name.includes('damaged') && /data-.*-x-0$/.test(name)) ?? '';
  const bytes = readFileSync(join(folder, file));
  bytes[5] ^= 64;
  writeFileSync(join(folder, file), bytes);
  const other = connect();
  await other.ask('LOAD_CHECKPOINT', { stored: { name: 'damaged', folder } });
  const stored = { stored: true };
  await assert.rejects(
    other.ask('START_TRAINING', { x: stored, y: stored, resume: true, numEpochs: 3 }),
    { code: 'DATA_LOST', message: /damaged/ },
  );
  assert.equal(
    (await other.ask('START_TRAINING', { ...DATA, resume: true, numEpochs: 3 })).epochs,
    3,
  );
});

test('a run that cannot tell its end once its checkpoint is stored is lost', async (t) => {
  const client = connect();
  await client.ask('INIT_TRAINING', QUADRANTS);
  const persist = { name: 'untold', folder };
  const options = { ...DATA, ...SETTINGS, numEpochs: 1e9, returnWeights: true, persist };
  const run = client.ask('START_TRAINING', options);
  while (filesOf('untold').length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  t.mock.method(Float32Array.prototype, 'slice', () => {
    // as the weights are copied
    throw new RangeError('Array buffer allocation failed');
  });
  const lost = { code: 'WORKER_LOST', message: /allocation failed/ };
  await assert.rejects(client.ask('STOP_TRAINING'), lost);
  await assert.rejects(run, lost);
  assert.equal((await client.ask('GET_STATUS')).state, 'empty');
});
