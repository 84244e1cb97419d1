/* older.test.js: the built files for engines without module workers are written in the language
 * that those understand, and call no function that those lack. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { parse } from 'acorn';
import { transform } from 'esbuild';
import { CLASSIC_TARGET } from '../../wasm-build/bundles.mjs';
import { ROOT } from '../../wasm-build/lists.mjs';
import { OFFSTAGE_CLONE, OFFSTAGE_ERROR, OFFSTAGE_HAS_OWN, copy } from '../../worker/host/older.js';

/** ECMAScript 2020, which Chrome 80, Firefox 88 and Safari 14.1 understand. */
const LANGUAGE = 2020;
const FILES = {
  'classic.js': 'module',
  'index.classic.js': 'module',
  'worker.classic.js': 'script',
};
/* Younger than one of those: what of it is used has to be guarded, or done otherwise. */
const FUNCTIONS =
  'at|hasOwn|replaceAll|findLast|findLastIndex|toSorted|toReversed|groupBy|withResolvers|' +
  'setBigUint64|getBigUint64|setBigInt64|getBigInt64|throwIfAborted|waitAsync';
const YOUNGER = new RegExp(
  `\\.(${FUNCTIONS})\\(|Promise\\.any|AbortSignal\\.|new WeakRef|\\bstructuredClone\\(|Big(Ui|I)nt64Array|\\(\\?<[=!]`,
  'g',
);

for (const [name, sourceType] of Object.entries(FILES)) {
  test(`${name} is ES${LANGUAGE}, and calls nothing that is younger`, async () => {
    const text = readFileSync(`${ROOT}wasm-build/dist/${name}`, 'utf8');
    const tree = parse(text, {
      ecmaVersion: LANGUAGE,
      sourceType: /** @type {any} */ (sourceType),
    });
    assert.deepEqual(text.match(YOUNGER), null);
    if (sourceType === 'script') {
      assert.doesNotMatch(JSON.stringify(tree), /"(ImportExpression|MetaProperty)"/);
    }
    const { warnings } = await transform(text, { target: CLASSIC_TARGET });
    assert.deepEqual(warnings, []);
  });
}

test('what stands in for younger functions', () => {
  const record = { a: [1, NaN, null, { b: 'c' }], d: undefined };
  assert.equal(OFFSTAGE_CLONE, structuredClone);
  assert.equal(OFFSTAGE_ERROR, Error);
  assert.equal(OFFSTAGE_HAS_OWN({ a: 1 }, 'a'), true);
  assert.equal(OFFSTAGE_HAS_OWN({ a: 1 }, 'toString'), false);
  assert.deepEqual(copy(record), record);
  assert.notEqual(copy(record).a[3], record.a[3]);
  assert.throws(() => copy(new WebAssembly.Memory({ initial: 1 })), TypeError);
});
