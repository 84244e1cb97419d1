/* bench.test.js: the bench has not rotted: its counts are right, a question can be asked, a page
 * can be made.
 *
 * Nothing here depends on how fast anything is, and no peer is needed. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONTENDERS } from './peers/contenders.js';
import { measurePairs } from './probes/pairs.js';
import { isMet, ratioOf, table } from './table.mjs';
import { WORKLOADS, initialWeights, stepFlop } from './workloads.mjs';

test('a step of each workload has the FLOP that were counted by hand', () => {
  const counted = {
    W1: 0.31,
    W2: 13.1,
    W3: 33.8,
    W4: 4845,
    W5: 8.2,
    W6: 184,
    W7: 1350,
    W8: 853.5,
    W9: 5112,
    W10: 189.6,
  }; // MFLOP, as rounded there
  for (const workload of WORKLOADS) {
    const expected = counted[/** @type {keyof typeof counted} */ (workload.id)];
    const got = stepFlop(workload) / 1e6;
    assert.ok(Math.abs(got / expected - 1) < 0.01, `${workload.id}: ${got}, counted ${expected}`);
  }
});

test('contenders start from the weights that the core has', () => {
  const [kernel, bias] = initialWeights(WORKLOADS[2].spec);
  assert.deepEqual([kernel.shape, bias.shape, kernel.data.length], [[3, 3, 1, 8], [8], 72]);
  assert.deepEqual(initialWeights(WORKLOADS[2].spec)[0].data, kernel.data);
});

test('contenders are measured side by side, and what cannot train says why', async () => {
  const own = CONTENDERS[0];
  const runners = [
    own,
    { ...own, id: 'base', name: 'base', options: { variant: 'base' } },
    { ...own, id: 'none', name: 'none', file: 'nobody.js' },
  ];
  const [first, second, third] = await measurePairs({
    workload: WORKLOADS[0],
    contenders: runners,
    rounds: 2,
    roundMs: 1,
    warmMs: 1,
  });
  assert.equal(first.cannot, undefined);
  assert.equal(first.times.length, 2);
  assert.equal(second.loss, first.loss);
  assert.match(third.cannot ?? '', /nobody\.js/);
  const rows = table('title', [
    {
      what: 'step',
      unit: 'ms',
      value: first.times[0],
      peer: { what: 'base', value: second.times[0] },
      goal: { most: 1e9 },
    },
    { what: 'none', unit: 'ms', value: NaN, cannot: third.cannot },
  ]);
  assert.match(rows, /step .* base .* x .* met/);
  assert.match(rows, /none cannot be told: .*nobody\.js/);
});

test('goals and ratios are of the figures', () => {
  const figure = { what: '', unit: 'ms', value: 2, peer: { what: '', value: 4 } };
  assert.equal(ratioOf(figure), 0.5);
  assert.equal(isMet({ ...figure, goal: { most: 1 } }), false);
  assert.equal(isMet({ ...figure, goal: { least: 1 } }), true);
  assert.equal(isMet({ ...figure, value: NaN, cannot: 'why', goal: { most: 1 } }), undefined);
});
