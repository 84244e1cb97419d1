/* text.test.js: networks that read: a recurrent classifier of sentences of any length, where a word
 * may turn the meaning round, and a small GPT that writes after the book that it has read
 * (alice.txt: Lewis Carroll, 1865). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { numbers } from '../numbers.js';
import { withTrainer } from './setting.js';

const WORDS = [
  '',
  'the',
  'film',
  'was',
  'is',
  'not',
  'never',
  'good',
  'great',
  'lovely',
  'bad',
  'dull',
  'awful',
  'and',
  'really',
  'long',
  'story',
  'acting',
];
const GOOD = ['good', 'great', 'lovely'];
const BAD = ['bad', 'dull', 'awful'];
const LONGEST = 10;

/**
 * A sentence, as the indices of its words with zeros behind, and whether it praises.
 * @param {() => number} next
 */
function sentence(next) {
  const pick = (list) => list[Math.floor(next() * list.length)];
  const praise = next() < 0.5;
  const turned = next() < 0.4;
  const words = ['the', pick(['film', 'story', 'acting']), pick(['was', 'is'])];
  if (turned) words.push(pick(['not', 'never']));
  if (next() < 0.5) words.push('really');
  words.push(pick(praise === turned ? BAD : GOOD));
  if (next() < 0.5) words.push('and', 'long');
  return {
    indices: Array.from({ length: LONGEST }, (_, i) => WORDS.indexOf(words[i] ?? '')),
    praise: Number(praise),
  };
}

test('a recurrent classifier of sentences learns what "not" does', async () => {
  const next = numbers(5);
  const all = Array.from({ length: 1200 }, () => sentence(next));
  const data = (list) => [
    Int32Array.from(list.flatMap(({ indices }) => indices)),
    Int32Array.from(list, ({ praise }) => praise),
  ];
  const [x, y] = data(all.slice(0, 900));
  const [unseen, wanted] = data(all.slice(900));
  for (const type of ['lstm', 'gru', 'simpleRNN']) {
    const accuracy = await withTrainer(
      {
        inputShape: [LONGEST],
        learningRate: 0.01,
        labels: ['blame', 'praise'],
        layers: [
          { type: 'embedding', inputDim: WORDS.length, outputDim: 8, maskZero: true },
          { type: 'bidirectional', layer: { type, units: 8 } },
          { type: 'dense', units: 1, activation: 'sigmoid' },
        ],
      },
      async (trainer) => {
        await trainer.fit(x, y, { epochs: 12 });
        const { label } = await trainer.predict(
          Int32Array.from(sentenceOf('the story was never really bad')),
        );
        assert.equal(label, 'praise');
        return (await trainer.evaluate(unseen, wanted)).accuracy;
      },
    );
    assert.ok(accuracy > 0.97, `${type}: ${accuracy} of sentences that it has not read`);
  }
});

const sentenceOf = (text) => {
  const words = text.split(' ');
  return Array.from({ length: LONGEST }, (_, i) => WORDS.indexOf(words[i] ?? ''));
};

const CONTEXT = 48;
const WIDTH = 48;

/**
 * Causal attention, layer norm before each part, residuals (Radford et al. 2019).
 * @param {number} letters
 * @param {number} blocks
 */
function gpt(letters, blocks) {
  const block = (i) =>
    [
      { type: 'layerNormalization', input: `stream${i}` },
      { type: 'multiHeadAttention', numHeads: 4, keyDim: WIDTH / 4, useCausalMask: true },
      { type: 'add', name: `attended${i}`, input: [`stream${i}`, `attention${i}`] },
      { type: 'layerNormalization' },
      { type: 'dense', units: 4 * WIDTH, activation: 'gelu' },
      { type: 'dense', units: WIDTH, name: `thought${i}` },
      { type: 'add', name: `stream${i + 1}`, input: [`attended${i}`, `thought${i}`] },
    ].map((layer) =>
      layer.type === 'multiHeadAttention' ? { ...layer, name: `attention${i}` } : layer,
    );
  return [
    { type: 'embedding', inputDim: letters, outputDim: WIDTH, name: 'letters' },
    { type: 'positionEmbedding', sequenceLength: CONTEXT, name: 'stream0' },
    ...Array.from({ length: blocks }, (_, i) => block(i)).flat(),
    { type: 'layerNormalization' },
    { type: 'dense', units: letters, activation: 'softmax' },
  ];
}

test('a small GPT writes words of the book that it has read', async (t) => {
  const text = readFileSync(new URL('alice.txt', import.meta.url), 'utf8')
    .toLowerCase()
    .replaceAll('\n', ' ');
  const letters = [...new Set(text)].sort();
  const indices = Int32Array.from(text, (letter) => letters.indexOf(letter));
  const starts = Array.from({ length: text.length - CONTEXT - 1 }, (_, i) => i);
  const windows = (by) =>
    Int32Array.from(starts.flatMap((at) => [...indices.subarray(at + by, at + by + CONTEXT)]));
  const spec = {
    inputShape: [CONTEXT],
    layers: gpt(letters.length, 1),
    learningRate: 0.005,
    labels: letters,
  };
  await withTrainer(spec, async (trainer) => {
    const { history } = await trainer.fit(windows(0), windows(1), { epochs: 8, batchSize: 16 });
    assert.ok(
      history.at(-1).loss < 0.8,
      `a loss of ${history.at(-1).loss}; a letter by its frequency has some 2.9`,
    );
    const next = numbers(1);
    let written = 'alice was ';
    while (written.length < 240) written += await letterAfter(trainer, letters, written, next);
    t.diagnostic(written);
    const known = new Set(text.split(/[^a-z]+/));
    const words = written.split(/[^a-z]+/).slice(2, -1);
    const right = words.filter((word) => known.has(word));
    assert.ok(
      right.length / words.length > 0.9,
      `${right.length} of ${words.length} words are words: ${written}`,
    );
    assert.ok(new Set(right).size > 15, `it says the same again and again: ${written}`);
  });
});

/**
 * Draws the next letter, the likelier the more often.
 * @param {any} trainer
 * @param {string[]} letters
 * @param {string} written
 * @param {() => number} next
 */
async function letterAfter(trainer, letters, written, next) {
  const seen = written.slice(-CONTEXT);
  const x = new Int32Array(CONTEXT);
  // What follows is not looked at
  [...seen].forEach((letter, i) => (x[i] = letters.indexOf(letter)));
  const { output } = await trainer.predict({ data: x, shape: [CONTEXT] });
  const odds = output.subarray((seen.length - 1) * letters.length, seen.length * letters.length);
  const sharper = Array.from(odds, (p) => p ** 2);
  let left = next() * sharper.reduce((sum, p) => sum + p, 0);
  return letters[sharper.findIndex((p) => (left -= p) <= 0)];
}
