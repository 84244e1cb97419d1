/* demo.test.js: the digits page as `npm start` serves it, used as a person would: by the names and
 * roles that the page gives its parts. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { buildDigits } from '../../examples/digits-data/build.js';
import { DEMO, serve } from '../../examples/serve/server.js';
import { GUARD, complaints, openBrowser, withPage } from './setting.js';

let browser;
before(async () => {
  buildDigits();
  browser = await openBrowser();
});
after(() => browser?.close());

/** @param {import('playwright-core').Page} page */
const parts = (page) => ({
  go: (name) => page.getByRole('button', { name, exact: true }),
  stop: page.getByRole('button', { name: 'Stop', exact: true }),
  state: page.locator('#state'),
  badge: page.locator('#badge'),
  pad: page.locator('#pad'),
  verdict: page.locator('#verdict-text'),
});

/** Waits until the element's text matches. */
const says = (locator, pattern) => locator.filter({ hasText: pattern }).waitFor();

/** Waits for progress of the bar beyond where it is: a message of the run came. */
const moves = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve) => {
        const bar = document.querySelector('progress');
        const from = bar.value;
        new MutationObserver(() => bar.value > from && resolve(bar.value)).observe(bar, {
          attributes: true,
        });
      }),
  );

/** A stroke down the middle of the pad. */
async function draw(page, pad) {
  const { x, y, width, height } = await pad.boundingBox();
  await page.mouse.move(x + width / 2, y + height / 5);
  await page.mouse.down();
  for (let i = 1; i <= 12; i++) await page.mouse.move(x + width / 2, y + height * (0.2 + 0.05 * i));
  await page.mouse.up();
}

for (const isolated of [true, false]) {
  test(
    `train, draw, pause, go on, stop; ${isolated ? 'isolated' : 'not isolated'}`,
    GUARD,
    async () =>
      withPage(
        browser,
        { server: await serve({ isolated }), path: DEMO },
        async ({ page, said }) => {
          const { go, stop, state, badge, pad, verdict } = parts(page);
          await says(state, 'Ready when you are');
          assert.equal(await page.evaluate(() => crossOriginIsolated), isolated);
          await page.getByLabel('Epochs').selectOption('100');
          await go('Train').click();
          await says(badge, 'in a Web Worker');
          await moves(page);
          await draw(page, pad);
          await says(verdict, /Reads as \d/);
          await go('Pause').click();
          await says(state, 'Paused');
          await page.getByRole('button', { name: 'Show me a test digit' }).click();
          await says(verdict, /It is a held-out \d|it is a held-out \d/);
          await go('Resume').click();
          await moves(page);
          await stop.click();
          await says(state, 'Stopped');
          await go('Train again').waitFor();
          assert.deepEqual(complaints(said), []);
        },
      ),
  );
}

/** A checkpoint is stored, and the page is told that it trains beyond it. */
const stored = (page) =>
  page.waitForFunction(
    async () => (await (await import('/web/index.js')).listTrainers()).length > 0,
  );

test(
  'reloaded in the middle of a run the page goes on; after a stop it comes back with what it has learned',
  GUARD,
  async () =>
    withPage(browser, { server: await serve(), path: DEMO }, async ({ page, said }) => {
      const { go, stop, state, badge, pad, verdict } = parts(page);
      const rows = page.locator('#epoch-rows tr');
      await says(state, 'Ready when you are');
      await page.getByLabel('Epochs').selectOption('100');
      await go('Train').click();
      await rows.nth(1).waitFor({ state: 'attached' });
      await stored(page);
      await page.reload();
      await says(page.locator('#note'), 'Went on where it was');
      await says(badge, 'in a Web Worker');
      await moves(page);
      await says(state, /^Epoch \d+ of 100/);
      assert.equal(await page.getByLabel('Epochs').inputValue(), '100');
      await rows.nth(1).waitFor({ state: 'attached' });
      const epochs = await rows.locator('th').allTextContents();
      assert.deepEqual(
        epochs.map(Number).reverse(),
        epochs.map((_, i) => i + 1),
        'the epochs before the reload are there',
      );
      await stop.click();
      await says(state, 'Stopped');
      await page.reload();
      await says(state, /^From your last visit, stopped: \d+\.\d+ % of 2,000/);
      await go('Train again').waitFor();
      await draw(page, pad);
      await says(verdict, /Reads as \d/);
      assert.deepEqual(complaints(said), []);
    }),
);

test(
  'a second tab of the page trains beside the first, and says that it does not store',
  GUARD,
  async () =>
    withPage(browser, { server: await serve(), path: DEMO }, async ({ page, url }) => {
      await says(parts(page).state, 'Ready when you are');
      await page.getByLabel('Epochs').selectOption('100');
      await parts(page).go('Train').click();
      await moves(page);
      await stored(page);
      const second = await page.context().newPage();
      await second.goto(url + DEMO);
      await says(second.locator('#note'), 'Another tab has the stored run');
      await says(parts(second).state, 'Ready when you are');
      await parts(second).go('Train').click();
      await moves(second);
      await moves(page);
    }),
);

test('a worker that dies is replaced, and the page says so in a line', GUARD, async () =>
  withPage(browser, { server: await serve(), path: DEMO }, async ({ page, said }) => {
    const { go, stop, state, badge } = parts(page);
    await says(state, 'Ready when you are');
    await page.getByLabel('Epochs').selectOption('100');
    await go('Train').click();
    await moves(page);
    await page
      .workers()
      .find((worker) => worker.url().endsWith('/worker.js'))
      .evaluate(() => {
        setTimeout(() => {
          throw new Error('struck by lightning');
        });
      });
    await says(
      page.locator('#note'),
      /The worker was lost and replaced; training went on from step [\d,]+\./,
    );
    await moves(page);
    await says(badge, 'in a Web Worker');
    await stop.click();
    await says(state, 'Stopped');
    assert.deepEqual(complaints(said), []);
  }),
);

test('a run to its end on the main thread, switched on by keyboard', GUARD, async () =>
  withPage(browser, { server: await serve(), path: DEMO }, async ({ page, said }) => {
    const { go, state, badge } = parts(page);
    await says(state, 'Ready when you are');
    await page.getByLabel('Epochs').selectOption('3');
    await page.getByRole('switch', { name: 'Run on the main thread' }).press('Space');
    await go('Train').press('Enter');
    await says(badge, 'on the main thread');
    await says(state, /Finished.* 9[4-9]\.\d+ % of 2,000 held-out digits read right/);
    assert.equal(await page.locator('#epoch-rows tr').count(), 3);
    assert.deepEqual(complaints(said), []);
  }),
);

test('without workers the page trains all the same and says why', GUARD, async () => {
  const prepare = () => void delete window.Worker;
  await withPage(
    browser,
    { server: await serve(), path: DEMO, prepare },
    async ({ page, said }) => {
      const { go, stop, state, badge } = parts(page);
      await says(state, 'Ready when you are');
      await go('Train').click();
      await says(badge, 'on the main thread');
      await says(page.locator('#where-why'), 'no Worker');
      await moves(page);
      await stop.click();
      await says(state, 'Stopped');
      assert.equal(complaints(said).length, 1, JSON.stringify(said));
    },
  );
});
