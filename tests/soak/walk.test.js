/* walk.test.js: random walks over the wire protocol and over the page's API, in this process and in
 * worker threads, with deaths.
 *
 * A walk is a list of operations; the oracle says after each which replies and states are allowed.
 * A list that fails is made shorter until nothing can be left out, and printed with the seed that
 * finds it again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SEED, WHOLE, amount, progress } from './amounts.js';
import { withThreads } from '../js/api-setting.js';
import { arm, createCells, deaths, disarm } from './fragile.js';
import { creation, operationsWith } from './page-operations.js';
import { createPageWalker, tally as pageTally } from './page-walk.js';
import { creation as making, walks } from './wire-operations.js';
import { openLocal, openThread, shareThread } from './wire-places.js';
import { createWalker, tally } from './wire-walk.js';

const WALKS_AT_ONCE = 50;

/**
 * @param {string} name
 * @param {Parameters<typeof createWalker>[0]} open
 * @param {boolean} exact
 * @param {number} least operations
 */
function walkOver(name, open, exact, least) {
  test(`${least} operations over the wire, ${name}`, async (t) => {
    const walker = createWalker(open);
    const before = { ...tally };
    try {
      for (let seed = SEED; tally.operations - before.operations < least; seed++) {
        progress(() => `${tally.operations - before.operations} operations`);
        await fc.assert(
          fc.asyncProperty(making, walks(70), (first, list) =>
            walker.walk([first, ...list], exact),
          ),
          { seed, numRuns: WALKS_AT_ONCE, includeErrorInReport: true },
        );
      }
    } finally {
      await walker.end();
    }
    const done = Object.fromEntries(
      Object.entries(tally).map(([key, count]) => [
        key,
        count - before[/** @type {'told'} */ (key)],
      ]),
    );
    t.diagnostic(
      `${done.operations} operations in ${done.walks} walks; ${done.exact} replies judged by a known state, ${done.loose} by any; ` +
        `${done.stories} stories of a model, ${done.told} told again with the same bits`,
    );
    assert.ok(done.exact > 5 * done.loose);
  });
}

/** @param {number} sessions on one thread @param {number} least operations of all of them */
function walkTogether(sessions, least) {
  test(`${least} operations over the wire, ${sessions} sessions on one thread`, async (t) => {
    const thread = shareThread();
    const before = { ...tally };
    const done = () => tally.operations - before.operations;
    const walkers = Array.from({ length: sessions }, () => createWalker(thread.open));
    try {
      await Promise.all(
        walkers.map(async (walker, i) => {
          for (let seed = SEED + 1000 * i; done() < least; seed++) {
            await fc.assert(
              fc.asyncProperty(making, walks(70), (first, list) =>
                walker.walk([first, ...list], false),
              ),
              { seed, numRuns: 1, includeErrorInReport: true },
            );
          }
        }),
      );
    } finally {
      await Promise.all(walkers.map((walker) => walker.end()));
      await thread.end();
    }
    t.diagnostic(
      `${done()} operations in ${tally.walks - before.walks} walks; ${tally.stories - before.stories} stories of a model, ` +
        `${tally.told - before.told} told again with the same bits`,
    );
  });
}

/**
 * @param {'worker' | 'main'} mode
 * @param {string[]} ways to die
 * @param {number} least operations
 */
function walkThePage(mode, ways, least) {
  test(`${least} operations over the page's API, in mode ${mode}${ways.length > 0 ? ', with deaths' : ''}`, async (t) => {
    const cells = createCells();
    const address = new URL('fragile-worker.js', import.meta.url);
    const before = { ...pageTally };
    const walker = createPageWalker({
      mode,
      die: (how, after) =>
        arm(cells, /** @type {'trap'} */ (how), how === 'trap' ? 'work' : 'message', after),
      deaths: () => deaths(cells),
      spare: () => void disarm(cells),
    });
    await withThreads(
      async () => {
        for (let seed = SEED; pageTally.operations - before.operations < least; seed++) {
          progress(() => `${pageTally.operations - before.operations} operations`);
          await fc.assert(
            fc.asyncProperty(
              creation,
              fc.array(operationsWith(ways), { minLength: 10, maxLength: 60, size: 'max' }),
              (first, list) => walker.walk(first, list),
            ),
            { seed, numRuns: 20, includeErrorInReport: true },
          );
        }
      },
      (/** @type {any} */ _, /** @type {any} */ options) => [
        address,
        { ...options, workerData: { cells } },
      ],
    );
    const done = Object.fromEntries(
      Object.entries(pageTally).map(([key, count]) => [
        key,
        count - before[/** @type {'told'} */ (key)],
      ]),
    );
    t.diagnostic(
      `${done.operations} operations in ${done.walks} walks with ${done.deaths} deaths; ${done.settled} promises settled; ` +
        `${done.stories} stories of a model, ${done.told} told again with the same bits`,
    );
  });
}

walkOver('in this process', openLocal, true, amount(12_000, 600_000));
walkOver('in a worker', openThread, false, amount(4000, 200_000));
walkThePage('main', [], amount(2000, 100_000));
walkThePage('worker', [], amount(1000, 50_000));
walkThePage('worker', ['trap', 'error', 'exit'], amount(1000, 50_000));
for (const sessions of WHOLE ? [1, 2, 3, 4, 8, 16] : [2, 16])
  walkTogether(sessions, amount(3000, 50_000));
