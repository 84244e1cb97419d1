/* reload.test.js: a page that goes away in the middle of a run and comes back to it: reloaded,
 * crashed, with its data stored or given again; who owns a name, and that nobody else gets it. All
 * end with the bits of a run that nothing disturbed, which Node's main thread computes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GUARD, complaints, inPage, openBrowser, openTabs, serve, withPage } from './setting.js';
import { SLOW, undisturbed } from './lives.js';

let browser;
let wanted;
before(async () => {
  browser = await openBrowser();
  wanted = await undisturbed({ mode: 'main' });
});
after(() => browser?.close());

const NAME = 'digits of mine / 1';
/** A stored checkpoint at least every tenth of a second of the clock. */
const PERSIST = { name: NAME, seconds: 0.1 };
const inTab = (tab, call, ...args) =>
  tab.evaluate(
    `import('/tests/browser/lives.js').then((lives) => lives.${call}(...${JSON.stringify(args)}))`,
  );

function assertUndisturbed({ reason, history, hash }) {
  assert.equal(reason, 'finished');
  assert.deepEqual(history, wanted.history);
  assert.equal(hash, wanted.hash, 'the weights have the bits of an undisturbed run');
}

for (const [isolated, options] of [
  [false, {}],
  [true, { threads: 2 }],
  [false, { mode: 'main' }],
]) {
  test(
    `reload with persistData goes on by itself; ${isolated ? '' : 'not '}isolated, ${options.mode ?? 'worker'}`,
    GUARD,
    () =>
      withPage(browser, { isolated }, async ({ page, said }) => {
        const before = await inPage(page, 'begin', {
          trainer: { ...options, ...SLOW },
          fit: { persist: PERSIST, persistData: true },
          until: 'persisted',
        });
        assert.equal(before.status.state, 'training');
        assert.deepEqual(before.info.persist, { name: NAME, storage: 'opfs', reason: null });
        await page.reload();
        const after = await inPage(page, 'comeBack', { name: NAME, options });
        assert.ok(after.byItself, 'the run was on when the trainer was there');
        assertUndisturbed(after);
        // A reload may strike while a checkpoint is being written: then the one before is taken,
        // which is told.
        assert.deepEqual(
          after.events.filter(({ code }) => code !== 'TORN_CHECKPOINT'),
          [],
        );
        assert.deepEqual(complaints(said), []);
      }),
  );
}

test('reload with persist alone: the app gives the data again', GUARD, () =>
  withPage(browser, {}, async ({ page, said }) => {
    await inPage(page, 'begin', { trainer: SLOW, fit: { persist: PERSIST }, until: 'persisted' });
    await page.reload();
    const after = await inPage(page, 'comeBack', { name: NAME, again: true });
    assert.equal(after.byItself, false);
    assertUndisturbed(after);
    assert.deepEqual(complaints(said), []);
  }),
);

test('other data than the run began with are refused, unless that is meant', GUARD, () =>
  withPage(browser, {}, async ({ page }) => {
    await inPage(page, 'begin', { trainer: SLOW, fit: { persist: PERSIST }, until: 'persisted' });
    await page.reload();
    assert.deepEqual(await inPage(page, 'otherData', NAME), {
      code: 'INVALID_DATA',
      reason: 'finished',
    });
  }),
);

test('a tab that crashes comes back to its run', GUARD, async () => {
  const server = await serve();
  const tabs = await openTabs(`${server.url}/blank`);
  try {
    await inTab(tabs, 'begin', {
      trainer: SLOW,
      fit: { persist: PERSIST, persistData: true },
      until: 'persisted',
    });
    await tabs.crash();
    await tabs.reload();
    const after = await inTab(tabs, 'comeBack', { name: NAME });
    assert.ok(after.byItself);
    assertUndisturbed(after);
  } finally {
    await tabs.close();
    await server.close();
  }
});

test(
  'of two tabs with one name the first owns it, the second is told; when the first is gone it is free',
  GUARD,
  () =>
    withPage(browser, {}, async ({ page, url }) => {
      await inPage(page, 'begin', {
        trainer: SLOW,
        fit: { persist: PERSIST, persistData: true },
        until: 'persisted',
      });
      const second = await page.context().newPage();
      await second.goto(`${url}/blank`);
      assert.deepEqual(await inPage(second, 'refusals', NAME), ['BUSY', 'BUSY']);
      await page.close();
      assertUndisturbed(await inPage(second, 'comeBack', { name: NAME }));
    }),
);

test('what is stored is listed and removed', GUARD, () =>
  withPage(browser, {}, async ({ page }) => {
    const { status } = await inPage(page, 'begin', {
      trainer: SLOW,
      fit: { persist: PERSIST, persistData: true },
      until: 'persisted',
    });
    await page.reload();
    const [before, after] = await page.evaluate(async (name) => {
      const { listTrainers, removeTrainer } = await import('/web/index.js');
      const listed = await listTrainers();
      await removeTrainer(name);
      return [listed, await listTrainers()];
    }, NAME);
    assert.equal(before.length, 1);
    const [{ name, step, epoch, savedAt, bytes, data, storage }] = before;
    assert.deepEqual({ name, data, storage }, { name: NAME, data: true, storage: 'opfs' });
    assert.ok(
      step > 0 && step <= status.step && epoch <= status.epoch + 1,
      `step ${step} of epoch ${epoch}, the page was at ${status.step}`,
    );
    assert.ok(bytes > 0 && savedAt <= Date.now());
    assert.deepEqual(after, []);
  }),
);
