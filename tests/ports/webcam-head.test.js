/* webcam-head.test.js: TensorFlow.js's webcam-transfer-learning: a head on what another network
 * sees in a picture, taught by a few of each direction, and asked while it learns. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { normals, report } from './setting.js';

const DIRECTIONS = ['up', 'down', 'left', 'right'];
const normal = normals(19);
const looks = DIRECTIONS.map(() => Float32Array.from({ length: 12_544 }, normal));
const seen = (direction) => looks[direction].map((value) => 0.3 * value + normal());

test('webcam-transfer-learning', async (t) => {
  const answers = [];
  const examples = [];
  // A user writes:
  const record = (activations, label) => examples.push({ activations, label });
  for (let i = 0; i < 32; i++) record(seen(i % 4), DIRECTIONS[i % 4]);
  const trainer = await createTrainer({
    inputShape: [7, 7, 256],
    layers: [
      { type: 'flatten' },
      { type: 'dense', units: 50, activation: 'relu', kernelInitializer: 'varianceScaling' },
      { type: 'dense', units: 4, activation: 'softmax', useBias: false },
    ],
    learningRate: 0.0001,
    labels: DIRECTIONS,
  });
  const run = trainer.fit(
    examples.map(({ activations }) => activations),
    examples.map(({ label }) => label),
    { epochs: 30, batchSize: 16, until: { loss: 0.01 } },
  );
  for await (const { epoch } of run.epochs()) {
    const { label, step } = await trainer.predict(seen(epoch % 4));
    answers.push({ step, right: label === DIRECTIONS[epoch % 4] });
  }
  const result = await run;
  // To here.
  const { label } = await trainer.predict(Array.from({ length: 40 }, (_, i) => seen(i % 4)));
  const accuracy = label.filter((name, i) => name === DIRECTIONS[i % 4]).length / 40;
  report(t, import.meta.url, { accuracy, epochs: result.epochs });
  assert.equal(answers.length, result.epochs);
  assert.ok(answers.every(({ step }) => step > 0));
  assert.ok(accuracy > 0.95, `${accuracy}`);
  await trainer.dispose();
});
