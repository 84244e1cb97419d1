/* docs.test.js: the page of layers, losses, optimizers and options tells what the core's schema
 * says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { createTrainer } from '../../web/index.js';
import { FIT } from '../../web/trainer/trainer.js';
import { controlPageOf, metricsPageOf, pageOf } from '../../wasm-build/docs.mjs';
import { schemaOf } from '../../wasm-build/spec-types.mjs';

test('docs/layers.md is what npm run docs writes: every name of the schema has its text there, and no other', async () => {
  const page = readFileSync(new URL('../../docs/layers.md', import.meta.url), 'utf8');
  assert.equal(
    page,
    pageOf(await schemaOf()),
    'docs/layers.md is not what the schema says: npm run docs',
  );
});

test('docs/metrics.md is what npm run docs writes', async () => {
  const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  assert.equal(page, metricsPageOf(await schemaOf()), 'npm run docs');
});

test('docs/control.md is what npm run docs writes', async () => {
  const page = readFileSync(new URL('../../docs/control.md', import.meta.url), 'utf8');
  assert.equal(page, controlPageOf(await schemaOf()), 'npm run docs');
});

test('README tells every option of fit with its default', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [, table] =
    /\| `fit\(x, y, \{ \.\.\. \}\)` \| default \| \|\n\|---\|---\|---\|\n((?:\|.*\n)+)/.exec(
      readme,
    ) ?? [];
  const rows = table
    .trim()
    .split('\n')
    .map((row) =>
      row
        .split('|')
        .slice(1, 3)
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
  const shown = (/** @type {unknown} */ value) =>
    typeof value === 'string' ? `'${value}'` : `${value ?? 'none'}`;
  // As the trainer's, which is false
  const defaults = { ...FIT, persistData: { otherwise: false } };
  assert.deepEqual(
    Object.fromEntries(rows),
    Object.fromEntries(
      Object.entries(defaults).map(([name, { otherwise }]) => [name, shown(otherwise)]),
    ),
  );
});

test("what docs/layers.md says of Keras 2's hardSigmoid: 1.2 times the weights give its numbers", async () => {
  const trainer = await createTrainer(
    { inputShape: [1], layers: [{ type: 'dense', units: 1, activation: 'hardSigmoid' }] },
    { mode: 'main' },
  );
  await trainer.setWeights([
    { shape: [1, 1], data: [1.2 * 0.7] },
    { shape: [1], data: [1.2 * -0.3] },
  ]);
  const x = Float32Array.from({ length: 41 }, (_, i) => (i - 20) / 2);
  const { output } = await trainer.predict(x);
  x.forEach((value, i) => {
    const wanted = Math.min(1, Math.max(0, 0.2 * (0.7 * value - 0.3) + 0.5));
    // Five roundings of numbers of at most 10 / 6, half an ulp each.
    assert.ok(Math.abs(output[i] - wanted) <= 5 * 2 ** -24 * 2, `${value}: ${output[i]}`);
  });
  await trainer.dispose();
});
