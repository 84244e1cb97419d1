/* persist-owner.test.js: one session at a time owns a trainer's name: of this thread, of other
 * threads, of other processes; what dies without a word owns nothing any more. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { once } from 'node:events';
import test from 'node:test';
import { ownBySocket } from '../../worker/storage/owner.js';
import { removeStored } from '../../worker/storage/list.js';
import {
  keeperOf,
  ownerProcess,
  ownerThread,
  refused,
  sealed,
  temporaryFolder,
} from './persist-setting.js';

/** ms that are more than enough for what has died. */
const LONG = 120_000;

test('a second keeper of a name is refused, until the first one is closed; other names and folders are free', async (t) => {
  const folder = temporaryFolder(t);
  const first = (await keeperOf(t, { folder })).keeper;
  await refused(keeperOf(t, { folder }), 'BUSY', /'model' is in use/);
  await refused(removeStored('model', { folder, wait: 0 }), 'BUSY');
  await keeperOf(t, { folder, name: 'other' });
  await keeperOf(t, { folder: `${folder}/deeper` });
  await first.close();
  const second = (await keeperOf(t, { folder })).keeper;
  await refused(
    keeperOf(t, { folder: `${folder}/../${folder.split('/').at(-1)}` }),
    'BUSY',
    /in use: .*; dispose of the trainer that has it, or close its tab or process$/,
  );
  await second.close();
  await removeStored('model', { folder, wait: 0 });
});

test('who waits gets the name when its owner closes', async (t) => {
  const folder = temporaryFolder(t);
  const first = (await keeperOf(t, { folder })).keeper;
  const waiting = keeperOf(t, { folder, wait: LONG });
  await first.write(sealed(1), { step: 1, epoch: 1 });
  await first.close();
  assert.equal((await waiting).keeper.count, 1);
});

for (const [where, open] of [
  ['thread', ownerThread],
  ['process', ownerProcess],
]) {
  test(`another ${where} owns it, and is told of this one`, async (t) => {
    const folder = temporaryFolder(t);
    const options = { name: 'model', folder, wait: 0 };
    const owner = await open(t, options);
    assert.equal(owner.said, 'owned');
    await refused(keeperOf(t, options), 'BUSY');
    assert.equal((await open(t, options)).said, 'BUSY');
    await (owner.kill?.() ?? owner.thread.terminate());
    const { keeper } = await keeperOf(t, { ...options, wait: LONG });
    assert.equal((await open(t, options)).said, 'BUSY');
    await keeper.close();
    assert.equal((await open(t, options)).said, 'owned');
  });
}

test('an owner that is stopped, or too busy to answer, owns it still', async (t) => {
  const folder = temporaryFolder(t);
  const options = { name: 'model', folder, wait: 0 };
  const busy = await ownerThread(t, { ...options, name: 'busy' }, 'for (;;);');
  assert.equal(busy.said, 'owned');
  await refused(keeperOf(t, { ...options, name: 'busy' }), 'BUSY');
  await busy.thread.terminate();
  if (process.platform === 'win32') return;
  const stopped = await ownerProcess(t, options);
  stopped.child.kill('SIGSTOP');
  await refused(keeperOf(t, options), 'BUSY');
});

test('an owner does not keep its process alive', async (t) => {
  const owner = await ownerProcess(t, { name: 'model', folder: temporaryFolder(t) }, '');
  assert.equal(owner.said, 'owned');
  await once(owner.child, 'exit');
  assert.equal(owner.child.exitCode, 0);
});

/* Where sockets are files (not on Linux, where the product has none), one may be left by the dead.
 */
test(
  'a socket file that a dead owner left is taken over, one that is listened on is not',
  { skip: process.platform === 'win32' && 'sockets are no files' },
  async (t) => {
    const folder = temporaryFolder(t);
    const address = `${folder}/socket`;
    const text = `import('node:net').then(({ createServer }) => createServer().listen(${JSON.stringify(address)}, () => say('listening')));`;
    const dead = await ownerProcess(t, { name: 'helper', folder }, text);
    assert.equal(await dead.next(), 'listening');
    assert.equal(await ownBySocket(address, 0), null);
    await dead.kill();
    assert.ok(existsSync(address), 'the file is left');
    const release = await ownBySocket(address, LONG);
    assert.equal(await ownBySocket(address, 0), null);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('socket.')),
      [],
    );
    release();
    (await ownBySocket(address, LONG))();
  },
);

test('where no socket can be had everybody owns', async (t) => {
  const release = await ownBySocket(`${temporaryFolder(t)}/${'x'.repeat(200)}`, 0);
  assert.equal(typeof release, 'function');
  release();
});
