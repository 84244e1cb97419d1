/* persist-storage.test.js: every storage does the same with the same calls: in memory, in a folder,
 * in IndexedDB (here that of the package fake-indexeddb; a browser's own has
 * tests/browser/storage.test.js). */
import assert from 'node:assert/strict';
import test from 'node:test';
import 'fake-indexeddb/auto';
import { IDBFactory, IDBObjectStore } from 'fake-indexeddb';
import { openFolder } from '../../worker/storage/folder.js';
import { openIndexedDb } from '../../worker/storage/indexeddb.js';
import { openMemory } from '../../worker/storage/volatile.js';
import { listStored } from '../../worker/storage/list.js';
import {
  bytesOf,
  columnOf,
  keeperOf,
  sealed,
  temporaryFolder,
  unsealed,
} from './persist-setting.js';

/** Databases of the test's own. */
const freshDatabase = () => {
  globalThis.indexedDB = new IDBFactory();
};

const KINDS = {
  memory: async () => openMemory(),
  folder: async (t) => openFolder(true, { folder: temporaryFolder(t), limit: 1000 }),
  indexedDB: async () => {
    freshDatabase();
    return openIndexedDb(true, { limit: 1000 });
  },
};

for (const [kind, open] of Object.entries(KINDS)) {
  test(`${kind}: files are written, listed, read and removed by trainer and name`, async (t) => {
    const storage = await open(t);
    assert.deepEqual([storage.kind, storage.readOnly], [kind, null]);
    assert.deepEqual([await storage.names(), await storage.files('a')], [[], []]);
    const whole = new Uint8Array(100).map((_, i) => i);
    await storage.write('a', 'one', whole.subarray(10, 20));
    await storage.write('a', 'two', whole);
    await storage.write('a b/c', 'one', new Uint8Array(0));
    whole.fill(0);
    assert.deepEqual((await storage.names()).sort(), ['a', 'a b/c']);
    assert.deepEqual((await storage.files('a')).sort(), ['one', 'two']);
    assert.deepEqual(
      [...(await storage.read('a', 'one'))],
      [10, 11, 12, 13, 14, 15, 16, 17, 18, 19],
    );
    assert.equal(
      (await storage.read('a', 'one')).buffer.byteLength,
      10,
      'nothing else comes along',
    );
    assert.equal((await storage.read('a b/c', 'one')).length, 0);
    await storage.write('a', 'one', whole.subarray(0, 3));
    assert.deepEqual(
      [...(await storage.read('a', 'one'))],
      [0, 0, 0],
      'what is written again is replaced',
    );
    await assert.rejects(storage.read('a', 'three'));
    await assert.rejects(storage.read('none', 'one'));
    await storage.remove('a', 'one');
    await storage.remove('a', 'one');
    assert.deepEqual(await storage.files('a'), ['two']);
    await storage.remove('a');
    await storage.remove('a');
    assert.deepEqual([await storage.names(), await storage.files('a')], [['a b/c'], []]);
    await storage.remove('a b/c');
  });
}

test('IndexedDB: a keeper finds what another one kept, and a list shows it', async (t) => {
  freshDatabase();
  assert.equal(await openIndexedDb(false, { limit: 1000 }), null, 'looking makes no database');
  const options = { name: 'in a database', openers: [openIndexedDb] };
  const { keeper, warnings } = await keeperOf(t, options);
  for (let step = 1; step <= 3; step++)
    assert.equal(await keeper.write(sealed(step), { step, epoch: 1 }), true);
  const x = new Uint8Array(1.5 * 1024 * 1024).map((_, i) => i >> 3);
  await keeper.writeData({ x: columnOf('uint8', x), y: columnOf('int32', new Uint8Array(4)) });
  await keeper.close();
  const again = (await keeperOf(t, options)).keeper;
  assert.deepEqual([again.storage, again.count, again.hasData()], ['indexedDB', 2, true]);
  assert.deepEqual((await again.latest(unsealed)).value, sealed(3));
  assert.equal(Buffer.compare(await bytesOf((await again.readData()).x), x), 0);
  const [{ name, step, storage, data }] = await listStored({ openers: [openIndexedDb] });
  assert.deepEqual([name, step, storage, data], ['in a database', 3, 'indexedDB', true]);
  assert.deepEqual(warnings, []);
});

test('IndexedDB: a quota that is exceeded is told as that, and nothing of the file is there', async (t) => {
  freshDatabase();
  const { keeper, codes } = await keeperOf(t, { name: 'full', openers: [openIndexedDb] });
  await keeper.write(sealed(1), { step: 1, epoch: 1 });
  const put = IDBObjectStore.prototype.put;
  t.after(() => (IDBObjectStore.prototype.put = put));
  IDBObjectStore.prototype.put = () => {
    throw new DOMException('no room', 'QuotaExceededError');
  };
  assert.equal(await keeper.write(sealed(2), { step: 2, epoch: 1 }), false);
  assert.deepEqual([codes(), keeper.count], [['QUOTA_EXCEEDED'], 1]);
  IDBObjectStore.prototype.put = put;
  assert.equal(await keeper.write(sealed(3), { step: 3, epoch: 1 }), true);
});

test('IndexedDB: somebody removes the database; the next write makes it again', async (t) => {
  freshDatabase();
  const { keeper } = await keeperOf(t, { name: 'removed', openers: [openIndexedDb] });
  await keeper.write(sealed(1), { step: 1, epoch: 1 });
  await new Promise((resolve, reject) => {
    const request = globalThis.indexedDB.deleteDatabase('offstage');
    Object.assign(request, {
      onsuccess: resolve,
      onerror: reject,
      onblocked: () => reject(new Error('blocked')),
    });
  });
  assert.equal(await keeper.write(sealed(2), { step: 2, epoch: 1 }), true);
  assert.deepEqual((await keeper.latest(unsealed)).value, sealed(2));
});
