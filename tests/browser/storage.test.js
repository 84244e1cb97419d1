/* storage.test.js: what is kept in Chromium's own storages, by a worker and by the page, under the
 * strict policy: it is there after a reload, torn files are passed over, a full disk is told of,
 * and one tab at a time owns a name. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GUARD, STRICT, complaints, openBrowser, withPage } from './setting.js';

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser?.close());

/** Has the page make a worker, or act itself. */
const prepare = (page, place) =>
  page.evaluate(async (where) => {
    const { perform } = await import('/tests/browser/keeping.js');
    globalThis.start = () => {
      globalThis.told = [];
      const worker = new Worker('/tests/browser/keeping.js', { type: 'module' });
      const waiting = new Map();
      worker.onmessage = ({ data }) =>
        data.id === undefined ? globalThis.told.push(data) : waiting.get(data.id)(data);
      globalThis.end = () => worker.terminate();
      globalThis.perform = (act, given) =>
        new Promise((resolve) => {
          waiting.set(waiting.size + 1, resolve);
          worker.postMessage({ id: waiting.size, act, given });
        });
    };
    if (where === 'worker') globalThis.start();
    else globalThis.perform = perform;
    globalThis.performHere = perform;
  }, place);

const act = async (page, what, given) => {
  const { result, error } = await page.evaluate(
    ([name, value]) => globalThis.perform(name, value),
    [what, given],
  );
  if (error !== undefined) throw new Error(error);
  return result;
};
const actHere = (page, what, given) =>
  page.evaluate(([name, value]) => globalThis.performHere(name, value), [what, given]);

const WITHOUT_OPFS = [['StorageManager', 'getDirectory']];
const WAYS = [
  { place: 'worker', storage: 'opfs', without: [] },
  {
    place: 'worker',
    storage: 'opfs',
    without: [['FileSystemFileHandle', 'createSyncAccessHandle']],
    by: ' by streams',
  },
  { place: 'page', storage: 'opfs', without: [] },
  { place: 'worker', storage: 'indexedDB', without: WITHOUT_OPFS },
  { place: 'page', storage: 'indexedDB', without: WITHOUT_OPFS },
];

/** Every script that is loaded, by the page or a worker. */
const loads = (scripts) => ({
  watch: (page) =>
    page.context().on('request', (request) => scripts.push(new URL(request.url()).pathname)),
});

for (const { place, storage, without, by = '' } of WAYS) {
  test(
    `${storage} from a ${place}${by}: checkpoints and data are there after a reload`,
    GUARD,
    async () => {
      const scripts = [];
      await withPage(
        browser,
        { policy: STRICT, ...loads(scripts) },
        async ({ page, said, url }) => {
          const length = 3_000_000; // several pieces of a megabyte
          await prepare(page, place);
          assert.deepEqual(await act(page, 'open', { without }), {
            storage,
            reason: null,
            count: 0,
            data: false,
          });
          for (const step of [1, 2, 3])
            assert.equal(await act(page, 'write', { step, length }), true);
          assert.equal(await act(page, 'writeData', { length }), true);
          await page.goto(`${url}/blank`);
          await prepare(page, place);
          assert.deepEqual(await act(page, 'open', { without, wait: 60_000 }), {
            storage,
            reason: null,
            count: 2,
            data: true,
          });
          assert.equal(await act(page, 'latest', { steps: [1, 2, 3], length }), 3);
          assert.deepEqual(await act(page, 'readData'), { at: length, about: { length } });
          const {
            result: [{ savedAt, ...listed }, ...others],
          } = await actHere(page, 'list');
          assert.deepEqual(
            [listed, others],
            [{ name: 'model', step: 3, epoch: 1, bytes: 3 * length + 8, data: true, storage }, []],
          );
          assert.ok(Math.abs(savedAt - Date.now()) < 1e8);
          assert.deepEqual(await actHere(page, 'remove', { name: 'model' }), { error: 'BUSY' });
          await act(page, 'close');
          await actHere(page, 'remove', { name: 'model' });
          assert.deepEqual(await actHere(page, 'list'), { result: [] });
          assert.deepEqual(await act(page, 'warned'), []);
          assert.deepEqual(complaints(said), []);
        },
      );
    },
  );
}

test(
  'opfs: a worker that is ended while it writes leaves its last complete checkpoint',
  GUARD,
  () =>
    withPage(browser, { policy: STRICT }, async ({ page, said }) => {
      const length = 4_000_000;
      for (let kills = 1; kills <= 4; kills++) {
        await prepare(page, 'worker');
        await act(page, 'open', { wait: 60_000 });
        page.evaluate((given) => void globalThis.perform('writeOn', given), { length });
        await page.waitForFunction((count) => globalThis.told.length >= count, kills);
        const told = await page.evaluate(() => {
          globalThis.end();
          return globalThis.told.at(-1).step;
        });
        await page.evaluate(() => globalThis.start());
        await act(page, 'open', { wait: 60_000 });
        const steps = Array.from({ length: 100 }, (_, i) => told + i);
        assert.ok(
          steps.includes(await act(page, 'latest', { steps, length })),
          `step ${told} or later`,
        );
        const codes = (await act(page, 'warned')).map(({ code }) => code);
        assert.ok(
          codes.every((code) => code === 'TORN_CHECKPOINT') && codes.length <= 1,
          `${codes}`,
        );
        await act(page, 'close');
        await actHere(page, 'remove', { name: 'model' });
      }
      assert.deepEqual(complaints(said), []);
    }),
);

test('opfs: a file that is torn is passed over', GUARD, () =>
  withPage(browser, {}, async ({ page }) => {
    await prepare(page, 'worker');
    await act(page, 'open');
    for (const step of [1, 2]) await act(page, 'write', { step, length: 1000 });
    await page.evaluate(async () => {
      const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('offstage');
      const folder = await root.getDirectoryHandle('model');
      for await (const [name, handle] of folder.entries()) {
        if (!/-2-1-1000/.test(name)) continue;
        const stream = await handle.createWritable({ keepExistingData: true });
        await stream.truncate(600);
        await stream.close();
      }
    });
    assert.equal(await act(page, 'latest', { steps: [1, 2], length: 1000 }), 1);
    assert.deepEqual(
      (await act(page, 'warned')).map(({ code }) => code),
      ['TORN_CHECKPOINT'],
    );
  }),
);

/* Of a write that fits in part, and of one that does not at all. IndexedDB counts what it holds
 * late, so that only what is larger than the quota itself is sure to exceed it. */
for (const [storage, without, more] of [
  ['opfs', [], 2_000_000],
  ['opfs', [], 20_000_000],
  ['indexedDB', WITHOUT_OPFS, 20_000_000],
]) {
  test(
    `${storage}: a quota is exceeded by ${more} bytes: the last checkpoint stays, and it is told as that`,
    GUARD,
    () =>
      withPage(browser, {}, async ({ page, url }) => {
        const length = 2_000_000;
        const devtools = await page.context().newCDPSession(page);
        await devtools.send('Storage.overrideQuotaForOrigin', {
          origin: url,
          quotaSize: 3_000_000,
        });
        await prepare(page, 'worker');
        assert.equal((await act(page, 'open', { without })).storage, storage);
        assert.equal(await act(page, 'write', { step: 1, length }), true);
        assert.equal(await act(page, 'write', { step: 2, length: more }), false);
        assert.deepEqual(
          (await act(page, 'warned')).map(({ code }) => code),
          ['QUOTA_EXCEEDED'],
        );
        assert.equal(await act(page, 'latest', { steps: [1, 2], length }), 1);
        await devtools.send('Storage.overrideQuotaForOrigin', { origin: url });
        assert.equal(await act(page, 'write', { step: 3, length: more }), true);
        assert.equal(await act(page, 'latest', { steps: [3], length: more }), 3);
      }),
  );
}

test(
  'two tabs: one owns the name, the other is told, and has it when the first is closed',
  GUARD,
  () =>
    withPage(browser, {}, async ({ page, url }) => {
      await prepare(page, 'worker');
      await act(page, 'open');
      await act(page, 'write', { step: 1, length: 100 });
      const other = await page.context().newPage();
      await other.goto(`${url}/blank`);
      await prepare(other, 'worker');
      await assert.rejects(act(other, 'open'), /BUSY/);
      await act(other, 'open', { name: 'another' });
      await act(other, 'close');
      const waiting = act(other, 'open', { wait: 100_000 });
      await page.close();
      assert.equal((await waiting).count, 1);
    }),
);
