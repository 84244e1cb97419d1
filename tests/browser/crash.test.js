/* crash.test.js: workers that are struck from outside, by the DevTools protocol, while they train:
 * an error nobody catches, an end without a word, an event loop that stands still, a helper thread
 * whose program is cut off. The session is replaced, says so, and ends with the bits of an
 * undisturbed run; in a hidden tab too, whose timers are slow. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GUARD, openTabs, serve } from './setting.js';
import { undisturbed } from './lives.js';
import { CONTROL } from '../../worker/host/control.js';

const wanted = {};
before(async () => {
  for (const name of ['pictures', 'shared'])
    wanted[name] = await undisturbed({ mode: 'main' }, name);
});

/** Short, for what can be told by silence alone. */
const HEARTBEAT = 1000;
const inTab = (tab, call, ...args) =>
  tab.evaluate(
    `import('/tests/browser/lives.js').then((lives) => lives.${call}(...${JSON.stringify(args)}))`,
  );
const execute = (expression) => (worker) => worker.send('Runtime.evaluate', { expression });

/**
 * @param {Parameters<typeof serve>[0]} setting
 * @param {(tabs: Awaited<ReturnType<typeof openTabs>>) => Promise<void>} body
 */
async function withTabs(setting, body) {
  const server = await serve(setting);
  const tabs = await openTabs(`${server.url}/blank`);
  try {
    await body(tabs);
  } finally {
    await tabs.close();
    await server.close();
  }
}

/** @param {any} result @param {string} problem @param {RegExp} says */
function assertRestarted({ reason, history, hash, info, events }, problem, says) {
  assert.equal(reason, 'finished');
  assert.deepEqual(history, wanted[problem].history);
  assert.equal(hash, wanted[problem].hash, 'the bits of an undisturbed run');
  assert.equal(info.mode, 'worker');
  const restarts = events.filter(({ type }) => type === 'restart');
  assert.equal(restarts.length, 1, JSON.stringify(events));
  assert.equal(restarts[0].attempt, 1);
  assert.match(restarts[0].message, says);
}

const BLOWS = {
  'an error that nobody catches': {
    strike: execute("setTimeout(() => { throw new Error('struck by lightning'); })"),
    says: /struck by lightning/,
  },
  'an end without a word': { strike: execute('close()'), says: /silen|heard/ },
  'an event loop that stands still': {
    strike: execute('setTimeout(() => { for (;;); })'),
    says: /silen|heard/,
  },
};

for (const [name, { strike, says }] of Object.entries(BLOWS)) {
  for (const [problem, threads, hidden] of [
    ['pictures', 1, false],
    ['shared', 2, true],
  ]) {
    test(`${name}: restarted; ${threads} threads, ${hidden ? 'hidden' : 'in front'}`, GUARD, () =>
      withTabs({ isolated: threads > 1 }, async (tabs) => {
        const before = await inTab(tabs, 'begin', {
          problem,
          trainer: { threads, heartbeat: HEARTBEAT, duty: 0.2 },
        });
        assert.equal(before.info.variant, threads > 1 ? 'simd-mt' : 'simd');
        if (hidden) await tabs.hide();
        const worker = (await tabs.workers()).find(({ url }) => url.endsWith('/worker.js'));
        strike(worker).catch(() => {}); // it may not live to answer
        const result = await inTab(tabs, 'end');
        assertRestarted(result, problem, says);
        assert.equal(
          await tabs.evaluate('document.visibilityState'),
          hidden ? 'hidden' : 'visible',
        );
      }),
    );
  }
}

test('a helper thread that dies takes the session down, which is replaced', GUARD, () => {
  // The first one to be loaded says that it computes, and for which core, and dies.
  let asked = 0;
  const body = `let words;
    onmessage = ({ data: { control, core } }) => {
      if (control) words = new Int32Array(control.buffer);
      if (!core) return;
      Atomics.store(words, ${CONTROL.WITHIN}, core.id);
      postMessage('computing');
      setTimeout(() => { throw new Error('out of breath'); }, 100);
    };`;
  const answers = {
    '/worker/helper.js': () => (asked++ === 0 ? { type: 'text/javascript', body } : undefined),
  };
  return withTabs({ isolated: true, answers }, async (tabs) => {
    await inTab(tabs, 'begin', { problem: 'shared', trainer: { threads: 2, duty: 0.2 } });
    const result = await inTab(tabs, 'end');
    assertRestarted(result, 'shared', /computing thread.*out of breath/);
    assert.ok(asked > 1, 'the session in its place has a helper of its own');
  });
});
