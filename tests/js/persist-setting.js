/* persist-setting.js: what the tests of storage share: folders that go with the test, storages that
 * fail on demand, and other threads and processes that own a name. Invariant: nothing here waits
 * for a time; what takes time is ended by an event or by the test. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';
import { openStore } from '../../worker/storage/checkpoint-store.js';

export { sealed, unsealed } from './sealed.js';

/** A folder that goes with the test. */
export function temporaryFolder(t) {
  const folder = mkdtempSync(`${tmpdir()}/offstage-persist-`);
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A keeper and what it warned of, closed with the test. */
export async function keeperOf(t, options) {
  const warnings = [];
  const keeper = await openStore({
    name: 'model',
    wait: 0,
    ...options,
    warn: (code, message) => warnings.push({ code, message }),
  });
  t.after(() => keeper.close());
  return { keeper, warnings, codes: () => warnings.map(({ code }) => code) };
}

/** A column as a session has it: a view of a memory that is not the keeper's. */
export const columnOf = (dtype, bytes) => ({
  dtype,
  bytes: bytes.length,
  read: (at, count) => bytes.subarray(at, at + count),
});

/** All bytes of a column that is kept. */
export async function bytesOf(column) {
  const parts = [];
  for await (const piece of column.pieces()) parts.push(piece);
  return new Uint8Array(Buffer.concat(parts));
}

/**
 * A storage in memory of the test's own, whose calls may be made to do something else first.
 * @returns {{ opener: any, files: Map<string, Uint8Array>, calls: string[], on: Record<string,
 *   (file: string) => any> }}
 */
export function scriptedStorage(kind = 'opfs') {
  const files = new Map();
  const calls = [];
  /** @type {Record<string, (file: string) => any>} what a call waits for, or throws */
  const on = {};
  let underWay = 0;
  const call = async (what, file) => {
    calls.push(`${what} ${file ?? ''}`.trim());
    assert.equal(underWay++, 0, `${what} while another call is under way`);
    try {
      await on[what]?.(file);
    } finally {
      underWay--;
    }
  };
  const storage = {
    kind,
    readOnly: null,
    names: async () => (await call('names'), files.size > 0 ? ['model'] : []),
    files: async () => (await call('files'), [...files.keys()]),
    async read(_, file) {
      await call('read', file);
      if (!files.has(file)) throw new Error(`no ${file}`);
      return files.get(file).slice();
    },
    async write(_, file, bytes) {
      files.set(file, bytes.slice(0, bytes.length >> 1)); // what is cut off here is torn
      await call('write', file);
      files.set(file, bytes.slice());
    },
    async remove(_, file) {
      await call('remove', file);
      if (file === undefined) files.clear();
      else files.delete(file);
    },
  };
  const opener = async () => (await call('open'), storage);
  return { opener, files, calls, on };
}

export const quota = () => Object.assign(new Error('no room'), { name: 'QuotaExceededError' });
export const never = () => new Promise(() => {});

const KEEPER = new URL('../../worker/storage/checkpoint-store.js', import.meta.url).href;

/**
 * The text of a module that opens a keeper, says 'owned' or the error's code, and does the rest.
 */
const ownerText = (options, rest) => `
  import { openStore } from ${JSON.stringify(KEEPER)};
  try {
    const keeper = await openStore({ warn() {}, ...${JSON.stringify(options)} });
    say('owned');
    ${rest}
  } catch (error) {
    say(error.code ?? error.stack);
  }`;

/** A thread of this process that opens a keeper, and then runs the text. */
export async function ownerThread(t, options, rest = 'setInterval(() => {}, 1e9);') {
  const text = `import { parentPort } from 'node:worker_threads';\nconst say = (word) => parentPort.postMessage(word);${ownerText(options, rest)}`;
  const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(text)}`));
  t.after(() => thread.terminate());
  const [said] = await once(thread, 'message');
  return { thread, said };
}

/** A process that opens a keeper, and then runs the text; it can be killed. */
export async function ownerProcess(t, options, rest = 'setInterval(() => {}, 1e9);') {
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `const say = (word) => console.log(word);${ownerText(options, rest)}`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  t.after(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => (await lines.next()).value;
  const ended = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  return { child, said: await next(), next, kill };
}

/** Rejects with an OffstageError of that code. */
export const refused = (promise, code, message = /./) =>
  assert.rejects(promise, (error) => {
    assert.equal(error.name, 'OffstageError', error.stack);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
