/* frozen.test.js: a tab that Chromium freezes, as it does with hidden ones to save energy, and
 * thaws. Nothing runs meanwhile, not even the worker; afterwards training goes on to the bits of an
 * undisturbed run, the gap is told, and no figure counts it. The time that the tab is kept frozen
 * is measured here, outside of it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { GUARD, openTabs, serve } from './setting.js';
import { undisturbed } from './lives.js';

const FROZEN_MS = 2500;
/** Between a clock here and one there, and of records that say when they were made. */
const SLACK_MS = 250;

const wanted = {};
before(async () => {
  for (const name of ['pictures', 'shared'])
    wanted[name] = await undisturbed({ mode: 'main' }, name);
});

const inTab = (tab, call, ...args) =>
  tab.evaluate(
    `import('/tests/browser/lives.js').then((lives) => lives.${call}(...${JSON.stringify(args)}))`,
  );

/* A page that was thawed is hidden still, and the timers of its own thread fire once a second:
 * there a rest that a duty asks for may last as much longer, and be part of the gap. */
const WAYS = [
  { name: 'worker, hidden', problem: 'pictures', hidden: true },
  {
    name: 'two threads, hidden',
    problem: 'shared',
    hidden: true,
    isolated: true,
    options: { threads: 2 },
  },
  { name: 'main thread, in front', problem: 'pictures', options: { mode: 'main' }, slack: 1000 },
];

for (const { name, problem, hidden, isolated, options, slack = 0 } of WAYS) {
  test(`frozen and thawed, ${name}`, GUARD, async () => {
    const server = await serve({ isolated });
    const tabs = await openTabs(`${server.url}/blank`);
    try {
      await inTab(tabs, 'begin', { problem, trainer: { ...options, duty: 0.3 } });
      if (hidden) await tabs.hide();
      const [first, began] = [performance.now(), Date.now()];
      await tabs.send('Page.setWebLifecycleState', { state: 'frozen' });
      const frozenAt = performance.now();
      const {
        status: { step },
      } = await tabs.evaluate('life.state()');
      await sleep(FROZEN_MS);
      const still = await tabs.evaluate('life.state()');
      assert.equal(still.status.step, step, 'a frozen page hears nothing');
      const least = performance.now() - frozenAt;
      await tabs.send('Page.setWebLifecycleState', { state: 'active' });
      const result = await inTab(tabs, 'end');
      const most = performance.now() - first;
      assert.equal(result.reason, 'finished');
      assert.deepEqual(result.history, wanted[problem].history);
      assert.equal(result.hash, wanted[problem].hash, 'the bits of an undisturbed run');

      const [suspended, resumed, ...rest] = result.events;
      assert.deepEqual([suspended.type, resumed.type, ...rest], ['suspended', 'resumed']);
      assert.ok(
        Math.abs(suspended.at - began) < least + SLACK_MS,
        `suspended at ${suspended.at}, frozen at ${began}`,
      );
      assert.ok(
        resumed.ms > least - SLACK_MS && resumed.ms < most,
        `a gap of ${resumed.ms} ms, frozen for ${least} at least, ${most} at most`,
      );

      // From one record to another the clock of the run leaves out the gap, and only that.
      const at = result.records.findIndex(({ timestamp }) => timestamp > suspended.at + least / 2);
      const [before, after] = [result.records[at - 1], result.records[at]];
      const left =
        after.timestamp - before.timestamp - 1000 * (after.elapsedSeconds - before.elapsedSeconds);
      assert.ok(
        Math.abs(left - resumed.ms) < SLACK_MS + slack,
        `${left} ms were left out of the figures, the gap was ${resumed.ms}`,
      );
      for (const { elapsedSeconds, etaSeconds, percent } of result.records) {
        assert.ok(
          Math.abs(etaSeconds - elapsedSeconds * (100 / percent - 1)) < 1e-6,
          'what is left is told by what was counted',
        );
      }
    } finally {
      await tabs.close();
      await server.close();
    }
  });
}
