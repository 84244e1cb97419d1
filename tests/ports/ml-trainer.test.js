/* ml-trainer.test.js: micro:bit's ml-trainer: gestures by numbers of an accelerometer, learned in a
 * worker of which a page sees progress, and which it may leave. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { columns, normals, report } from './setting.js';

const ACTIONS = ['shake', 'still', 'circle'];
const normal = normals(43);
const centres = ACTIONS.map(() => Array.from({ length: 24 }, () => 0.4 * normal()));
const gestures = Array.from({ length: 45 }, (_, i) => ({
  x: centres[i % 3].map((value) => value + 0.2 * normal()),
  y: ACTIONS[i % 3],
}));
const { x, y } = columns(gestures);

test('ml-trainer', async (t) => {
  const shown = [];
  // A user writes:
  const leave = new AbortController();
  const trainer = await createTrainer({
    inputShape: [24],
    layers: [
      { type: 'dense', units: 16, activation: 'relu' },
      { type: 'dense', units: 3, activation: 'softmax' },
    ],
    learningRate: 0.1,
    optimizer: 'sgd',
    labels: ACTIONS,
  });
  const run = trainer.fit(x, y, { epochs: 160, batchSize: 16, signal: leave.signal });
  run.addEventListener('epoch', ({ detail }) => shown.push(detail.percent));
  const result = await run;
  const { label } = await trainer.predict(x[0]);
  // To here.
  const { accuracy } = result.history.at(-1);
  report(t, import.meta.url, { accuracy });
  assert.equal(shown.length, 160);
  assert.equal(shown.at(-1), 100);
  assert.equal(label, 'shake');
  assert.equal(accuracy, 1);
  const left = trainer.fit(x, y, { epochs: 1e6, signal: leave.signal });
  leave.abort();
  await assert.rejects(left, { code: 'ABORTED' });
  await trainer.dispose();
});
