/* hidden.test.js: a tab that is really hidden goes on training. Counted: a fixed number of epochs
 * is trained from beginning to end while another tab is in front, and the page itself says that it
 * was hidden all along. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GUARD, openTabs, serve } from './setting.js';

const EPOCHS = 300;

let server;
before(async () => {
  server = await serve();
});
after(() => server?.close());

/* Runs in the page. What happened is kept there, to be asked for. */
const begin = (options, epochs) => `(async () => {
  const { createTrainer } = await import('/web/index.js');
  const { PROBLEMS, dataOf } = await import('/tests/bits/problems.js');
  const problem = PROBLEMS['yes or no'];
  const data = dataOf(problem);
  const trainer = await createTrainer(problem.spec, ${JSON.stringify(options)});
  const seen = { hidden: 0, visible: 0, mode: trainer.info.mode };
  const run = trainer.fit(data.x, data.y, { epochs: ${epochs}, progressHz: 1000 });
  run.addEventListener('progress', ({ detail }) => {
    if (detail.kind === 'epoch') seen[document.visibilityState]++;
  });
  Object.assign(globalThis, { trainer, run, seen });
})()`;

for (const mode of ['worker', 'main']) {
  test(`begun in a hidden tab, ${mode}`, GUARD, async () => {
    const tabs = await openTabs(`${server.url}/blank`);
    try {
      await tabs.hide();
      assert.equal(await tabs.evaluate('document.visibilityState'), 'hidden');
      await tabs.evaluate(begin({ mode }, EPOCHS));
      const result = await tabs.evaluate('(async () => ({ ...(await run), seen }))()');
      assert.equal(result.reason, 'finished');
      assert.equal(result.epochs, EPOCHS);
      assert.deepEqual(result.seen, { hidden: EPOCHS, visible: 0, mode });
      assert.equal(await tabs.evaluate('document.visibilityState'), 'hidden');
    } finally {
      await tabs.close();
    }
  });

  test(`begun in front and then hidden, ${mode}`, GUARD, async () => {
    const tabs = await openTabs(`${server.url}/blank`);
    try {
      assert.equal(await tabs.evaluate('document.visibilityState'), 'visible');
      await tabs.evaluate(begin({ mode }, 1e9));
      await tabs.hide();
      const more = await tabs.evaluate(`(async () => {
        if (document.visibilityState !== 'hidden') await new Promise((resolve) => addEventListener('visibilitychange', resolve));
        let epochs = 0;
        await new Promise((resolve) => run.addEventListener('progress', ({ detail }) => {
          if (detail.kind === 'epoch' && document.visibilityState === 'hidden' && ++epochs === ${EPOCHS}) resolve();
        }));
        const { output } = await trainer.predict(new Float32Array(81));
        await run.stop();
        return { epochs, outputs: output.length, reason: (await run).reason, state: document.visibilityState };
      })()`);
      assert.ok(more.epochs >= EPOCHS);
      assert.deepEqual(
        { ...more, epochs: 0 },
        { epochs: 0, outputs: 1, reason: 'stopped', state: 'hidden' },
      );
    } finally {
      await tabs.close();
    }
  });
}
