/* docs.test.js: the page of layers, losses, optimizers and options tells what the core's schema says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { pageOf } from '../../wasm-build/docs.mjs';
import { schemaOf } from '../../wasm-build/spec-types.mjs';

test('docs/layers.md is what npm run docs writes: every name of the schema has its text there, and no other', async () => {
  const page = readFileSync(new URL('../../docs/layers.md', import.meta.url), 'utf8');
  assert.equal(page, pageOf(await schemaOf()), 'docs/layers.md is not what the schema says: npm run docs');
});
