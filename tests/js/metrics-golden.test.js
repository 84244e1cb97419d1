/* metrics-golden.test.js: metrics against scikit-learn's, of 300 seeded cases: one unit, classes,
 * labels, numbers and masked sequences; with ties, weights of which some are 0, missing classes.
 * tests/golden/metrics.py made the file, and draws as it is drawn here. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { open, put } from './metrics-setting.js';

const CASES = 60;
const [CLASSES, LABELS, NUMBERS, WORDS, STEPS] = [4, 3, 2, 7, 5];
const MOST = 40;
const WANTED = JSON.parse(readFileSync(new URL('../golden/metrics.json', import.meta.url), 'utf8'));

const dense = (/** @type {number} */ units, /** @type {string} */ activation) => ({
  inputShape: [units],
  layers: [{ type: 'dense', units, activation, kernelInitializer: 'identity' }],
});
const BY_CLASS = ['perClassAccuracy', 'meanIoU', 'matthews', 'confusionMatrix'].map((type) => ({
  type,
}));

/** @type {[string, any, any[]][]} */
const KINDS = [
  [
    'binary',
    dense(1, 'sigmoid'),
    [
      { type: 'precision' },
      { type: 'recall' },
      { type: 'f1', threshold: 0.7 },
      { type: 'fBeta', beta: 2 },
      { type: 'specificity' },
      { type: 'auc' },
      { type: 'auc', curve: 'pr' },
      { type: 'binaryAccuracy', threshold: 0.7 },
      ...BY_CLASS,
    ],
  ],
  [
    'classes',
    dense(CLASSES, 'softmax'),
    [
      { type: 'precision' },
      { type: 'recall', average: 'weighted' },
      { type: 'f1', average: 'micro' },
      { type: 'f1', average: 'none' },
      { type: 'fBeta', beta: 0.5 },
      { type: 'specificity' },
      { type: 'precision', threshold: 0.3, average: 'micro' },
      { type: 'auc' },
      { type: 'auc', average: 'weighted' },
      { type: 'auc', average: 'micro' },
      { type: 'auc', curve: 'pr' },
      { type: 'auc', curve: 'pr', average: 'micro' },
      { type: 'topKAccuracy', k: 2 },
      ...BY_CLASS,
    ],
  ],
  [
    'labels',
    dense(LABELS, 'sigmoid'),
    [
      { type: 'precision' },
      { type: 'recall', average: 'weighted' },
      { type: 'f1', average: 'micro' },
      { type: 'f1', classIndex: 2 },
      { type: 'auc', average: 'none' },
      { type: 'auc' },
      { type: 'auc', curve: 'pr', average: 'micro' },
    ],
  ],
  [
    'numbers',
    dense(NUMBERS, 'linear'),
    [
      'meanSquaredError',
      'rootMeanSquaredError',
      'meanAbsoluteError',
      'meanAbsolutePercentageError',
      'r2',
      'pearson',
      'cosineSimilarity',
    ].map((type) => ({ type })),
  ],
  [
    'sequence',
    {
      inputShape: [STEPS],
      layers: [
        { type: 'embedding', inputDim: WORDS, outputDim: CLASSES, maskZero: true },
        { type: 'dense', units: CLASSES, activation: 'softmax', kernelInitializer: 'identity' },
      ],
    },
    [{ type: 'accuracy' }, { type: 'f1' }, { type: 'auc' }, { type: 'confusionMatrix' }],
  ],
];

/** @param {number} seed @returns {() => number} */
function drawOf(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
}

/** What metrics.py draws. @param {number} kind @param {number} number */
function caseOf(kind, number) {
  const draw = drawOf(1000 * kind + number);
  const int = (/** @type {number} */ below) => Math.floor(draw() * below);
  for (let i = 0; i < 8; i++) draw();
  const n = 6 + int(30);
  const [coarse, weighted, missing] = [number % 2 === 0, number % 3 === 1, number % 4 === 3];
  const width = [1, CLASSES, LABELS, NUMBERS, STEPS][kind];
  /** @type {number[]} */ const x = [];
  /** @type {number[]} */ const y = [];
  /** @type {number[]} */ const weights = [];
  const many = (/** @type {(k: number) => number} */ of, length = width) =>
    Array.from({ length }, (_, k) => of(k));
  for (let i = 0; i < n; i++) {
    const row = many(() => (kind === 4 ? int(WORDS) : coarse ? (int(9) - 4) / 2 : draw() * 8 - 4));
    x.push(...row);
    if (kind === 0) y.push(missing ? 0 : int(2));
    else if (kind === 1) y.push(int(CLASSES - Number(missing)));
    else if (kind === 2) y.push(...many((k) => (missing && k === 1 ? 0 : int(2))));
    else if (kind === 3) y.push(...many((k) => (missing ? 1.5 : row[k] + draw() * 2 - 1)));
    else y.push(...many(() => int(CLASSES)));
    const share = draw();
    weights.push(weighted ? (share < 0.15 ? 0 : 2 * share) : 1);
  }
  const table = kind === 4 ? many(() => draw() * 4 - 2, WORDS * CLASSES) : null;
  return { n, x, y, weights, table };
}

KINDS.forEach(([kind, spec, list], k) => {
  test(`metrics of ${kind}: ${CASES} cases of scikit-learn's`, async () => {
    const setting = await open('simd', spec, MOST);
    const { core, model } = setting;
    const { EVALUATE, F32, I32 } = core.schema.constants;
    const metrics = setting.metrics(list);
    const plan = setting.plan(EVALUATE, 16, metrics);
    for (let i = 0; i < CASES; i++) {
      const { n, x, y, weights, table } = caseOf(k, i);
      if (table) core.write(core.modelTensors(model)[0].data, bytesOf(Float32Array.from(table)));
      const isIndex = kind === 'classes' || kind === 'sequence';
      const given = [
        put(core, Float32Array.from(x)),
        put(core, isIndex ? Int32Array.from(y) : Float32Array.from(y)),
        put(core, Float32Array.from(weights)),
      ];
      core.planSetData(plan, given[0], F32, given[1], isIndex ? I32 : F32, n, 0, given[2]);
      core.metricsReset(metrics);
      setting.epoch(plan, n, { work: i % 2 ? 1 : 1e9 });
      const got = setting.results(metrics, list.length, i % 2 ? 1 : 1e9);
      const wanted = [...WANTED[kind][i]];
      got.forEach((numbers, at) => {
        for (const number of numbers) {
          const should = wanted.shift();
          assert.ok(
            Math.abs(number - should) <= 2e-6 * Math.max(1, Math.abs(should)),
            `case ${i}, ${JSON.stringify(list[at])}: ${number}, scikit-learn has ${should}`,
          );
        }
      });
      assert.equal(wanted.length, 0);
      given.forEach((address) => core.memory.free(address));
    }
  });
});

/** @param {Float32Array} numbers */
const bytesOf = (numbers) => new Uint8Array(numbers.buffer);
