/* persist-trouble.test.js: storage that is full, fails, hangs or is not there: what was kept before
 * stays, a warning tells of it once, nothing rejects, and nothing is waited for without a limit. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import test from 'node:test';
import { listStored, removeStored } from '../../worker/storage/list.js';
import {
  bytesOf,
  columnOf,
  keeperOf,
  never,
  quota,
  refused,
  scriptedStorage,
  sealed,
  temporaryFolder,
  unsealed,
} from './persist-setting.js';

const at = (step) => ({ step, epoch: 1 });
const steps = (files) =>
  [...files.keys()]
    .filter((file) => file.endsWith('.safetensors'))
    .map((file) => Number(file.split('-')[1]));
const columns = (length = 2.5 * 1024 * 1024) => ({
  x: columnOf('uint8', new Uint8Array(length).fill(5)),
  y: columnOf('int32', new Uint8Array(8)),
});
/** A name that no other test has, since tests of one folder would wait for each other. */
let lastName = 0;
const unique = () => `trouble ${process.pid} ${++lastName}`;
const scripted = async (t, options) => {
  const storage = scriptedStorage();
  return {
    ...storage,
    ...(await keeperOf(t, { name: unique(), openers: [storage.opener], limit: 50, ...options })),
  };
};

for (const [what, fail, code] of [
  ['is full', quota, 'QUOTA_EXCEEDED'],
  [
    'is full, as Node says it',
    () => Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }),
    'QUOTA_EXCEEDED',
  ],
  ['fails', () => new Error('broken'), 'STORAGE_FAILED'],
]) {
  test(`storage that ${what}: those before stay, it is told once, and writing goes on when it can`, async (t) => {
    const { keeper, files, on, codes } = await scripted(t);
    await keeper.write(sealed(1), at(1));
    await keeper.write(sealed(2), at(2));
    on.write = () => {
      throw fail();
    };
    for (const step of [3, 4, 5]) assert.equal(await keeper.write(sealed(step), at(step)), false);
    assert.deepEqual(codes(), [code]);
    assert.deepEqual(steps(files), [1, 2], 'nothing half written is left to take room');
    assert.deepEqual((await keeper.latest(unsealed)).value, sealed(2));
    assert.equal(await keeper.writeData(columns()), false);
    assert.deepEqual(codes(), [code, 'DATA_NOT_PERSISTED']);
    assert.deepEqual([files.size, keeper.hasData()], [2, false]);
    delete on.write;
    assert.equal(await keeper.write(sealed(6), at(6)), true);
    assert.deepEqual(steps(files), [2, 6]);
    on.write = () => {
      throw fail();
    };
    await keeper.write(sealed(7), at(7));
    assert.deepEqual(codes(), [code, 'DATA_NOT_PERSISTED', code], 'told again after a success');
  });
}

test('storage that fills up among the pieces of data: they are cleared away, the data before stay', async (t) => {
  const { keeper, files, on, codes } = await scripted(t);
  assert.equal(await keeper.writeData(columns(2000), 'first'), true);
  const before = [...files.keys()];
  on.write = (file) => {
    if (file.endsWith('-x-2')) throw quota();
  };
  assert.equal(await keeper.writeData(columns(), 'second'), false);
  assert.deepEqual([codes(), [...files.keys()]], [['DATA_NOT_PERSISTED'], before]);
  const kept = await keeper.readData();
  assert.equal(kept.about, 'first');
  assert.deepEqual(await bytesOf(kept.x), new Uint8Array(2000).fill(5));
});

test('a write that hangs is given up at the limit; while it hangs nothing else is asked, then all goes on', async (t) => {
  const { keeper, calls, on, codes, files } = await scripted(t);
  await keeper.write(sealed(1), at(1));
  let wake;
  on.write = () => new Promise((resolve) => (wake = resolve));
  assert.equal(await keeper.write(sealed(2), at(2)), false);
  assert.deepEqual(codes(), ['STORAGE_TIMEOUT']);
  const asked = calls.length;
  assert.equal(await keeper.write(sealed(3), at(3)), false);
  assert.equal(await keeper.writeData(columns(8)), false);
  assert.equal(await keeper.latest(unsealed), null, 'nor can it be read');
  assert.deepEqual([calls.length, codes()], [asked, ['STORAGE_TIMEOUT', 'DATA_NOT_PERSISTED']]);
  delete on.write;
  wake();
  await new Promise(setImmediate);
  assert.equal(await keeper.write(sealed(4), at(4)), true);
  assert.deepEqual(steps(files), [1, 4], 'what came too late is cleared away');
  assert.deepEqual((await keeper.latest(unsealed)).value, sealed(4));
});

test('a keeper of a storage that hangs for good is closed in time', async (t) => {
  const { keeper, on } = await scripted(t);
  on.write = never;
  const writing = keeper.write(sealed(1), at(1));
  await keeper.close();
  assert.equal(await writing, false);
});

test('the name is given back when what is being written has ended, not before', async (t) => {
  const name = unique();
  const { keeper, on } = await scripted(t, { name, limit: 1e6 });
  let wake;
  const begun = new Promise((resolve) => {
    on.write = () => new Promise((done) => resolve((wake = done)));
  });
  const writing = keeper.write(sealed(1), at(1));
  await begun;
  const closing = keeper.close();
  await refused(keeperOf(t, { name, openers: [] }), 'BUSY');
  wake();
  await closing;
  assert.equal(await writing, true);
  await keeperOf(t, { name, openers: [] });
});

test('data that are being written are left when the keeper is closed, without a warning', async (t) => {
  const { keeper, on, codes } = await scripted(t);
  let closing;
  on.write = (file) => {
    if (file.endsWith('-x-1')) closing = keeper.close();
  };
  assert.equal(await keeper.writeData(columns()), false);
  await closing;
  assert.deepEqual(codes(), []);
});

test('a checkpoint is written between two pieces of data, one call at a time', async (t) => {
  const { keeper, calls, on } = await scripted(t);
  let saved;
  on.write = (file) => {
    if (file.endsWith('-x-0')) saved = keeper.write(sealed(1), at(1));
    return new Promise(setImmediate); // a call is under way for a while
  };
  assert.equal(await keeper.writeData(columns()), true);
  assert.equal(await saved, true);
  const order = calls
    .filter((call) => call.startsWith('write'))
    .map((call) => (call.includes('safetensors') ? 'checkpoint' : call.slice(6)));
  assert.ok(
    order.indexOf('checkpoint') < order.findIndex((call) => call.endsWith('-y-0')),
    `${order}`,
  );
});

test('files that cannot be removed are told of, kept in mind, and do not make a write fail', async (t) => {
  const { keeper, on, codes, files } = await scripted(t, { keep: 1 });
  await keeper.write(sealed(1), at(1));
  on.remove = () => {
    throw new Error('stuck');
  };
  assert.equal(await keeper.write(sealed(2), at(2)), true);
  assert.deepEqual([codes(), steps(files)], [['STORAGE_FAILED'], [1, 2]]);
  delete on.remove;
  assert.equal(await keeper.write(sealed(3), at(3)), true);
  assert.deepEqual(steps(files), [3]);
});

test('a checkpoint that cannot be read is no torn one: the one before loads, and it is not removed', async (t) => {
  const { keeper, on, codes, files } = await scripted(t, { keep: 3 });
  for (const step of [1, 2]) await keeper.write(sealed(step), at(step));
  on.read = (file) => {
    if (file.includes('-2-1-')) throw new Error('broken');
  };
  assert.deepEqual((await keeper.latest(unsealed)).value, sealed(1));
  assert.deepEqual(codes(), ['STORAGE_FAILED']);
  delete on.read;
  await keeper.write(sealed(3), at(3));
  assert.deepEqual(steps(files), [1, 2, 3]);
});

test('storages that cannot be opened, hang or may only be read are passed over, and the reason tells', async (t) => {
  const [broken, hanging, readOnly, good] = Array.from({ length: 4 }, () => scriptedStorage());
  broken.on.open = () => {
    throw new Error('not allowed here');
  };
  hanging.on.open = never;
  const onlyRead = async (...args) => ({
    ...(await readOnly.opener(...args)),
    readOnly: 'only workers write here',
  });
  const openers = [broken.opener, async () => null, hanging.opener, onlyRead, good.opener];
  readOnly.files.set('7000000000000-9-1-64.safetensors', sealed(9));
  const { keeper, codes } = await keeperOf(t, { name: unique(), openers, limit: 50 });
  assert.equal(
    keeper.reason,
    'not allowed here; the storage did not answer within 50 ms; only workers write here',
  );
  assert.deepEqual(codes(), ['STORAGE_FAILED', 'STORAGE_TIMEOUT']);
  assert.deepEqual(
    (await keeper.latest(unsealed)).value,
    sealed(9),
    'what another storage has is found',
  );
  await keeper.write(sealed(10), at(10));
  assert.deepEqual([steps(good.files), steps(readOnly.files)], [[10], [9]]);
  assert.match([...good.files.keys()][0], /^7000000000001-/, 'and counted on from');
  const list = await listStored({ openers: [onlyRead, good.opener] });
  assert.deepEqual(
    list.filter(({ name }) => name === 'model').map(({ step, bytes }) => [step, bytes]),
    [[10, 128]],
  );
});

/* Told once, what it means before why it is so. */
function assertMemoryTold(warnings, why) {
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['STORAGE_FAILED'],
  );
  assert.match(
    warnings[0].message,
    /^checkpoints are kept in memory only and are lost when the page or process ends: /,
  );
  assert.match(warnings[0].message, why);
}

test('where nothing lasts it is kept in memory, and that is told', async (t) => {
  const name = unique();
  const { keeper, warnings } = await keeperOf(t, { name, openers: [] });
  assert.equal(keeper.storage, 'memory');
  assert.match(keeper.reason, /no storage here that lasts/);
  assertMemoryTold(warnings, /no storage here that lasts/);
  await keeper.write(sealed(1), at(1));
  assert.deepEqual((await keeper.latest(unsealed)).value, sealed(1));
});

test('a folder that cannot be made: memory, and the reason says why', async (t) => {
  const folder = `${temporaryFolder(t)}/file`;
  writeFileSync(folder, '');
  const { keeper, warnings } = await keeperOf(t, { name: unique(), folder });
  assert.equal(keeper.storage, 'memory');
  assert.match(keeper.reason, /EEXIST|ENOTDIR/);
  assertMemoryTold(warnings, /EEXIST|ENOTDIR/);
});

test('a list that fails is told by its error, and so is one that hangs', async () => {
  const place = (on) => {
    const storage = scriptedStorage();
    storage.files.set('1-1-1-64.safetensors', sealed(1));
    Object.assign(storage.on, on);
    return { openers: [storage.opener], limit: 50, wait: 0 };
  };
  const broken = () => {
    throw new Error('broken');
  };
  for (const call of ['names', 'files']) {
    await refused(listStored(place({ [call]: broken })), 'DATA_LOST', /broken/);
    await refused(listStored(place({ [call]: never })), 'TIMEOUT');
  }
  await refused(listStored(place({ open: never })), 'TIMEOUT');
  const kinds = (await listStored(place({ open: broken }))).map(({ storage }) => storage);
  assert.ok(!kinds.includes('opfs'), 'what may not be used has nothing');
  await refused(removeStored(unique(), place({ remove: broken })), 'DATA_LOST', /broken/);
});

test('a storage that could not be listed is written to with later numbers than what it has', async (t) => {
  const storage = scriptedStorage();
  storage.files.set(`${Date.now() - 1000}-1-1-64.safetensors`, sealed(1));
  storage.on.files = () => {
    throw new Error('broken');
  };
  const options = { name: unique(), openers: [storage.opener], limit: 50 };
  const { keeper, codes } = await keeperOf(t, options);
  await keeper.write(sealed(2), at(2));
  assert.deepEqual(codes(), ['STORAGE_FAILED']);
  await keeper.close();
  delete storage.on.files;
  const again = (await keeperOf(t, options)).keeper;
  assert.deepEqual([again.count, (await again.latest(unsealed)).value], [2, sealed(2)]);
});
