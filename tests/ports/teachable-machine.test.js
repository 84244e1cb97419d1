/* teachable-machine.test.js: a page on which a camera's pictures are recorded by class, learned,
 * shown while they are learned, and kept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer, loadTrainer } from '../../web/index.js';
import { numbers } from '../numbers.js';
import { report } from './setting.js';

const NAMES = ['left hand', 'right hand'];
const random = numbers(41);
/** A picture of 24 by 24 whose left or right half is lit. @param {number} side */
const picture = (side) =>
  Uint8Array.from({ length: 24 * 24 * 3 }, (_, i) => {
    const lit = Number(Math.floor(i / 3) % 24 >= 12) === side;
    return 90 * Number(lit) + 150 * random();
  });

test('a Teachable-Machine-like page', async (t) => {
  const drawn = [];
  const pictures = Array.from({ length: 60 }, (_, i) => picture(i % 2));
  const labels = pictures.map((_, i) => NAMES[i % 2]);
  // A user writes:
  const trainer = await createTrainer({
    inputShape: [24, 24, 3],
    layers: [
      { type: 'conv2d', filters: 8, kernelSize: 3, strides: 2, activation: 'relu' },
      { type: 'conv2d', filters: 8, kernelSize: 3, strides: 2, activation: 'relu' },
      { type: 'flatten' },
      { type: 'dense', units: 2, activation: 'softmax' },
    ],
    inputScale: 1 / 255,
    labels: NAMES,
  });
  const unsubscribe = trainer.subscribe((snapshot) => drawn.push(snapshot));
  const result = await trainer.fit(pictures, labels, {
    epochs: 40,
    validationSplit: 0.2,
    splitBy: 'stratified',
    earlyStopping: { patience: 5, restoreBest: true },
    until: { valLoss: 0.02 },
  });
  unsubscribe();
  const kept = await trainer.save();
  const copy = await loadTrainer(kept);
  const { label, confidence } = await copy.predict(picture(1));
  // To here.
  const { valAccuracy } = result.history.at(-1);
  report(t, import.meta.url, { valAccuracy, confidence });
  assert.equal(label, NAMES[1]);
  assert.equal(valAccuracy, 1);
  assert.equal(drawn.at(-1).history.length, result.epochs);
  assert.ok(new Set(drawn).size === drawn.length, 'each is another object');
  await trainer.dispose();
  await copy.dispose();
});
