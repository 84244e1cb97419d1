/* docs.test.js: the page of layers, losses, optimizers and options tells what the core's schema
 * says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { FIT } from '../../web/trainer/trainer.js';
import { pageOf } from '../../wasm-build/docs.mjs';
import { schemaOf } from '../../wasm-build/spec-types.mjs';

test('docs/layers.md is what npm run docs writes: every name of the schema has its text there, and no other', async () => {
  const page = readFileSync(new URL('../../docs/layers.md', import.meta.url), 'utf8');
  assert.equal(
    page,
    pageOf(await schemaOf()),
    'docs/layers.md is not what the schema says: npm run docs',
  );
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
