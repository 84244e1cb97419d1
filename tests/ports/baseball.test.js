/* baseball.test.js: TensorFlow.js's baseball-node: the kind of a pitch by eight numbers, some kinds
 * being rare, and how many of each are known. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { columns, normals, report } from './setting.js';

const KINDS = ['fastball', 'sinker', 'cutter', 'slider', 'changeup', 'curve', 'knuckle'];
const COUNTS = [400, 200, 100, 100, 80, 60, 20];
const normal = normals(23);
const centres = KINDS.map(() => Array.from({ length: 8 }, () => 1.2 * normal()));
const pitches = KINDS.flatMap((y, kind) =>
  Array.from({ length: COUNTS[kind] }, () => ({
    x: centres[kind].map((value) => value + 0.8 * normal()),
    y,
  })),
);
const { x, y } = columns(pitches);

test('baseball', async (t) => {
  // A user writes:
  const weights = KINDS.map((kind, i) => [kind, pitches.length / (KINDS.length * COUNTS[i])]);
  const trainer = await createTrainer({
    inputShape: [8],
    layers: [
      { type: 'dense', units: 64, activation: 'relu' },
      { type: 'dense', units: 32, activation: 'relu' },
      { type: 'dense', units: 7, activation: 'softmax' },
    ],
    labels: KINDS,
    metrics: ['accuracy', 'perClassAccuracy', 'f1'],
  });
  const result = await trainer.fit(x, y, {
    epochs: 60,
    validationSplit: 0.2,
    splitBy: 'stratified',
    classWeight: Object.fromEntries(weights),
    earlyStopping: { monitor: 'valF1', patience: 10, restoreBest: true },
  });
  // To here.
  const { valF1, valPerClassAccuracy } = result.history[result.bestEpoch - 1];
  const worst = Math.min(...valPerClassAccuracy);
  report(t, import.meta.url, { valF1, worst });
  assert.equal(valPerClassAccuracy.length, 7);
  assert.ok(valF1 > 0.85 && worst > 0.5, `${valF1}, ${valPerClassAccuracy}`);
  await trainer.dispose();
});
