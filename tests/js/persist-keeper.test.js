/* persist-keeper.test.js: what is kept in a folder is there again: the last checkpoints, whatever
 * ended the process that wrote them or tore their files, and the data in pieces. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { nameOf, foldersOf } from '../../worker/storage/naming.js';
import { listStored, removeStored } from '../../worker/storage/list.js';
import {
  bytesOf,
  columnOf,
  keeperOf,
  ownerProcess,
  refused,
  sealed,
  temporaryFolder,
  unsealed,
} from './persist-setting.js';

const SEALED = new URL('./sealed.js', import.meta.url).href;

const at = (step) => ({ step, epoch: 1 + Math.floor(step / 10) });
const filesIn = (folder, name = 'model') => readdirSync(`${folder}/${name}`).sort();
const checkpointsIn = (folder) => filesIn(folder).filter((file) => file.endsWith('.safetensors'));
/** The newest whole checkpoint's bytes, null where there is none. */
const latest = async (keeper) => (await keeper.latest(unsealed))?.value ?? null;

test('the last two checkpoints are kept unless told otherwise, each a file of its own bytes', async (t) => {
  const folder = temporaryFolder(t);
  const { keeper, warnings } = await keeperOf(t, { folder });
  assert.deepEqual(
    [keeper.storage, keeper.reason, keeper.count, await latest(keeper)],
    ['folder', null, 0, null],
  );
  for (let step = 1; step <= 4; step++)
    assert.equal(await keeper.write(sealed(step), at(step)), true);
  const files = checkpointsIn(folder);
  assert.deepEqual(
    files.map((file) => new Uint8Array(readFileSync(`${folder}/model/${file}`))),
    [sealed(3), sealed(4)],
  );
  assert.deepEqual(await latest(keeper), sealed(4));
  keeper.keepAtMost(3);
  for (let step = 5; step <= 8; step++) await keeper.write(sealed(step), at(step));
  assert.equal(checkpointsIn(folder).length, 3);
  await keeper.close();
  assert.equal(
    await keeper.write(sealed(9), at(9)),
    false,
    'nothing is written once the name is given back',
  );

  const again = (await keeperOf(t, { folder, keep: 1 })).keeper;
  assert.deepEqual([again.count, await latest(again)], [3, sealed(8)]);
  await again.write(sealed(10), at(10));
  assert.equal(checkpointsIn(folder).length, 1);
  assert.deepEqual(warnings, []);
});

test('a checkpoint torn at any byte: the one before loads, a warning tells, and the next write clears it away', async (t) => {
  const folder = temporaryFolder(t);
  const whole = sealed(2, 40);
  for (let length = 0; length < whole.length; length++) {
    const { keeper: writer } = await keeperOf(t, { folder });
    await writer.write(sealed(1), at(1));
    await writer.write(whole, at(2));
    await writer.close();
    const file = `${folder}/model/${checkpointsIn(folder).at(-1)}`;
    truncateSync(file, length);
    const { keeper, warnings } = await keeperOf(t, { folder });
    assert.deepEqual(await latest(keeper), sealed(1), `cut at ${length}`);
    assert.deepEqual(
      warnings.map(({ code }) => code),
      ['TORN_CHECKPOINT'],
    );
    assert.match(warnings[0].message, /step 2/);
    assert.deepEqual(await latest(keeper), sealed(1));
    await keeper.write(sealed(3), at(3));
    assert.ok(!checkpointsIn(folder).includes(file.split('/').at(-1)));
    assert.equal(checkpointsIn(folder).length, 2, 'the good one before and the one just written');
    await keeper.close();
    rmSync(`${folder}/model`, { recursive: true });
  }
});

test('all of them torn: nothing loads, and each is told of; other errors of the check are handed on', async (t) => {
  const folder = temporaryFolder(t);
  const { keeper, codes } = await keeperOf(t, { folder, keep: 3 });
  for (let step = 1; step <= 3; step++) await keeper.write(new Uint8Array(20), at(step));
  const { OffstageError } = await import('../../worker/host/errors.js');
  await refused(
    keeper.latest(() => {
      throw new OffstageError('OUT_OF_MEMORY', 'too large');
    }),
    'OUT_OF_MEMORY',
  );
  assert.deepEqual(codes(), []);
  assert.equal(await latest(keeper), null);
  assert.deepEqual(codes(), Array(3).fill('TORN_CHECKPOINT'));
});

/** What a process does that has its files written by halves: it says so and goes no further. */
const HALVES = `
  const fs = process.getBuiltinModule('node:fs/promises');
  const { open } = fs;
  const writeByHalves = () => {
    fs.open = async (...given) => {
      const handle = await open(...given);
      handle.writeFile = async (bytes) => {
        await handle.write(bytes, 0, bytes.length >> 1);
        say('half');
        await new Promise(() => {});
      };
      return handle;
    };
  };`;

test('a process killed in the middle of a write leaves the checkpoints before, and nothing under a name', async (t) => {
  const folder = temporaryFolder(t);
  const owner = await ownerProcess(
    t,
    { name: 'model', folder },
    `${HALVES}
    const { sealed } = await import(${JSON.stringify(SEALED)});
    for (const step of [1, 2]) await keeper.write(sealed(step), { step, epoch: 1 });
    writeByHalves();
    setInterval(() => {}, 1e9);
    await keeper.write(sealed(3), { step: 3, epoch: 1 });`,
  );
  assert.deepEqual([owner.said, await owner.next()], ['owned', 'half']);
  await owner.kill();
  const { keeper, codes } = await keeperOf(t, { folder, wait: 60_000 });
  assert.deepEqual([keeper.count, await latest(keeper), codes()], [2, sealed(2), []]);
  assert.equal(filesIn(folder).length, 3, 'what was begun has a name of its own');
  await keeper.write(sealed(4), at(4));
  assert.deepEqual(
    [filesIn(folder).length, checkpointsIn(folder).length],
    [2, 2],
    'and is cleared away',
  );
});

test('a process killed at any time leaves its last checkpoint', async (t) => {
  const folder = temporaryFolder(t);
  const large = 300_000;
  for (let kills = 0; kills < 4; kills++) {
    const owner = await ownerProcess(
      t,
      { name: 'model', folder, wait: 2000 },
      `
      const { sealed } = await import(${JSON.stringify(SEALED)});
      for (let step = 1; ; step++) {
        await keeper.write(sealed(step, ${large}), { step, epoch: 1 });
        say(step);
      }`,
    );
    assert.equal(owner.said, 'owned');
    let told = 0;
    for (let i = 0; i <= kills; i++) told = Number(await owner.next());
    await owner.kill();
    const { keeper, codes } = await keeperOf(t, { folder, wait: 60_000 });
    const { value } = await keeper.latest(unsealed);
    const steps = Array.from({ length: 100 }, (_, i) => i + told);
    assert.ok(
      steps.some((step) => Buffer.compare(sealed(step, large), value) === 0),
      `step ${told} or later`,
    );
    assert.deepEqual(codes(), []);
    await keeper.close();
    rmSync(`${folder}/model`, { recursive: true });
  }
});

test('data are kept in pieces of a megabyte and come back in order', async (t) => {
  const folder = temporaryFolder(t);
  const x = new Uint8Array(2.5 * 1024 * 1024).map((_, i) => (i * 7919) >> 8);
  const y = new Uint8Array(12).map((_, i) => i);
  const { keeper } = await keeperOf(t, { folder });
  assert.equal(await keeper.readData(), null);
  assert.equal(
    await keeper.writeData(
      { x: columnOf('float32', x), y: columnOf('int32', y) },
      { print: 'abc' },
    ),
    true,
  );
  assert.ok(filesIn(folder).filter((file) => /^data-\d+-x-\d$/.test(file)).length === 3);
  const before = filesIn(folder);
  await keeper.close();

  const again = (await keeperOf(t, { folder })).keeper;
  assert.equal(again.hasData(), true);
  const kept = await again.readData();
  assert.deepEqual(
    [kept.about, kept.x.dtype, kept.x.bytes, kept.y.dtype, kept.y.bytes],
    [{ print: 'abc' }, 'float32', x.length, 'int32', 12],
  );
  assert.equal(Buffer.compare(await bytesOf(kept.x), x), 0);
  assert.deepEqual(await bytesOf(kept.y), y);

  const longest = [];
  const watched = {
    ...columnOf('uint8', x),
    read: (from, count) => (longest.push(count), x.subarray(from, from + count)),
  };
  assert.equal(await again.writeData({ x: watched, y: columnOf('int32', y) }), true);
  assert.ok(Math.max(...longest) <= 1024 * 1024, 'no more than a megabyte is copied at a time');
  assert.ok(
    filesIn(folder).every((file) => !before.includes(file)),
    'the data before are gone',
  );
  again.forgetData();
  assert.equal(again.hasData(), false);
  await again.write(sealed(1), at(1));
  assert.equal(filesIn(folder).length, 1, 'and so are data that are let go of');
});

test('the bytes of a column are taken when read() gives them, wherever they lie', async (t) => {
  const { keeper } = await keeperOf(t, { folder: temporaryFolder(t) });
  const memory = new WebAssembly.Memory({ initial: 1 });
  new Uint8Array(memory.buffer).fill(7);
  const column = {
    dtype: 'uint8',
    bytes: 100,
    read: (from, count) => new Uint8Array(memory.buffer, from, count),
  };
  const written = keeper.writeData({ x: column, y: column });
  memory.grow(1); // detaches every view that was taken before
  assert.equal(await written, true);
  assert.deepEqual(await bytesOf((await keeper.readData()).x), new Uint8Array(100).fill(7));
});

test('data of which a piece is missing or short are DATA_LOST; data that were cut off do not count', async (t) => {
  const folder = temporaryFolder(t);
  const x = new Uint8Array(1.5 * 1024 * 1024).fill(3);
  const columns = { x: columnOf('uint8', x), y: columnOf('int32', new Uint8Array(4)) };
  const { keeper } = await keeperOf(t, { folder });
  await keeper.writeData(columns);
  const kept = await keeper.readData();
  const [first, second] = filesIn(folder).filter((file) => file.includes('-x-'));
  truncateSync(`${folder}/model/${second}`, 100);
  await refused(bytesOf(kept.x), 'DATA_LOST', /-x-1 has 100 bytes, expected 524288/);
  rmSync(`${folder}/model/${first}`);
  await refused(bytesOf(kept.x), 'DATA_LOST', /-x-0/);
  writeFileSync(`${folder}/model/${filesIn(folder).find((file) => file.endsWith('.json'))}`, '{');
  await refused(keeper.readData(), 'DATA_LOST');
  await keeper.close();

  rmSync(`${folder}/model/${filesIn(folder).find((file) => file.endsWith('.json'))}`);
  const again = (await keeperOf(t, { folder })).keeper;
  assert.equal(again.hasData(), false);
  await again.write(sealed(1), at(1));
  assert.equal(filesIn(folder).length, 1, 'the pieces are cleared away');
});

test('a list tells of every trainer without reading a file; removing one leaves the others', async (t) => {
  const folder = temporaryFolder(t);
  assert.deepEqual(await listStored({ folder }), []);
  assert.deepEqual(await listStored({ folder: `${folder}/none` }), []);
  const names = ['model', 'Größe/../1 %0041', 'con', 'x'.repeat(100), '模'.repeat(100)];
  for (const [i, name] of names.entries()) {
    const { keeper } = await keeperOf(t, { folder, name });
    await keeper.write(sealed(1, 50), at(i));
    await keeper.write(sealed(2, 70), at(10 + i));
    if (i === 0)
      await keeper.writeData({
        x: columnOf('uint8', new Uint8Array(9)),
        y: columnOf('int32', new Uint8Array(4)),
      });
    await keeper.close();
  }
  mkdirSync(`${folder}/empty`);
  const list = await listStored({ folder });
  assert.deepEqual(list.map(({ name }) => name).sort(), [...names].sort());
  const { savedAt, ...rest } = list.find(({ name }) => name === 'model');
  assert.deepEqual(rest, {
    name: 'model',
    step: 10,
    epoch: 2,
    bytes: 133,
    data: true,
    storage: 'folder',
  });
  assert.ok(Math.abs(savedAt - Date.now()) < 1e7);
  assert.ok(
    list.every((entry, i) => i === 0 || list[i - 1].savedAt >= entry.savedAt),
    'newest first',
  );
  for (const name of names) {
    await removeStored(name, { folder });
    assert.ok(!(await listStored({ folder })).some((entry) => entry.name === name));
  }
  await removeStored('model', { folder });
  assert.ok(
    readdirSync(folder, { recursive: true, withFileTypes: true }).every((entry) => !entry.isFile()),
  );
});

test('every name has folders of its own, and only letters that all file systems take', () => {
  const names = [
    'a',
    'A',
    'a~',
    '~',
    '.',
    '..',
    'a/b',
    'a\\b',
    'nul',
    'NUL',
    'com1',
    '%0061',
    '\0',
    '\ud800',
    'é',
    'e\u0301',
    'x'.repeat(100),
    '\uffff'.repeat(100),
  ];
  const paths = names.map((name) => foldersOf(name));
  assert.equal(new Set(paths.map((path) => path.join('/').toLowerCase())).size, names.length);
  assert.deepEqual(paths.map(nameOf), names);
  for (const part of paths.flat())
    assert.match(part, /^(?!(?:con|prn|aux|nul|com\d|lpt\d)$)[a-z0-9_%-]{1,200}~?$/);
});

test('what is asked wrongly is refused', async (t) => {
  const folder = temporaryFolder(t);
  for (const name of ['', 'x'.repeat(101), 7, undefined, null]) {
    await refused(keeperOf(t, { folder, name }), 'INVALID_OPTION', /name of a trainer/);
    await refused(removeStored(name, { folder }), 'INVALID_OPTION');
  }
  for (const keep of [0, 1.5, '2'])
    await refused(keeperOf(t, { folder, keep }), 'INVALID_OPTION', /keep/);
  for (const wrong of ['', 7])
    await refused(listStored({ folder: wrong }), 'INVALID_OPTION', /folder/);
});
