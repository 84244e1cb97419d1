/* training-page.test.js: each example of docs/training.md runs as it stands, in both places, and
 * prints what it says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as offstage from '../../web/index.js';
import { clouds } from './api-setting.js';

const PAGE = readFileSync(new URL('../../docs/training.md', import.meta.url), 'utf8');
const EXAMPLES = [...PAGE.matchAll(/^## (.*)$|^```js\n([^]*?)^```$/gm)].reduce(
  (list, [, title, code]) => {
    if (title) list.push({ title, codes: [] });
    else list[list.length - 1].codes.push(code);
    return list;
  },
  /** @type {{ title: string, codes: string[] }[]} */ ([]),
);
const { x, y } = clouds(600, { classes: 3, width: 4 });
const AsyncFunction = /** @type {any} */ (Object.getPrototypeOf(async () => {}).constructor);

test('the page has examples', () => {
  assert.ok(EXAMPLES.flatMap(({ codes }) => codes).length >= 5);
});

for (const mode of /** @type {const} */ (['worker', 'main'])) {
  for (const { title, codes } of EXAMPLES) {
    for (const code of codes) {
      test(`${title}, in place ${mode}`, async () => {
        /** @type {any[][]} */
        const printed = [];
        /** @type {any[]} */
        const made = [];
        const createTrainer = async (/** @type {any} */ spec) => {
          const trainer = await offstage.createTrainer(spec, { mode });
          made.push(trainer);
          return trainer;
        };
        const body = code.replace(/^import .* from 'offstage';\n/m, '');
        const run = new AsyncFunction('createTrainer', 'x', 'y', 'console', body);
        try {
          await run(createTrainer, x, y, { log: (...words) => printed.push(words) });
          assert.equal(made.length, 1);
          assert.ok(printed.length > 0, 'nothing was printed');
          check[title]?.(...printed.flat());
        } finally {
          await Promise.all(made.map((trainer) => trainer.dispose()));
        }
      });
    }
  }
}

/** What the examples print. @type {Record<string, (...printed: any[]) => void>} */
const check = {
  'Data to validate on': (loss, accuracy) => {
    assert.ok(loss > 0 && accuracy > 0 && accuracy <= 1);
  },
  'When to stop': (reason, bestEpoch, restored) => {
    assert.ok(['earlyStopping', 'finished', 'limit'].includes(reason));
    assert.ok(bestEpoch >= 1);
    assert.equal(restored, true);
  },
  'Learning rates': (rates) => {
    assert.equal(rates.length, 10);
    assert.ok(Math.max(...rates) > 5 * rates[9]);
  },
  "The app has a word at each epoch's end": (reason, same) => {
    assert.equal(reason, 'onEpoch');
    assert.equal(same, true);
  },
  Metrics: (f1, recalls, measured) => {
    assert.ok(f1 > 0 && f1 <= 1);
    assert.ok(recalls instanceof Float32Array && recalls.length === 3);
    assert.equal(measured.confusionMatrix.size, 3);
    assert.ok(measured.auc > 0.5);
  },
};
