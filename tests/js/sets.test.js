/* sets.test.js: the sets of layer types that a core is linked with: what the lists say is what the
 * core has, a session loads the smallest set that its spec takes, and all sets give the same bits,
 * variant by variant. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { fileOf, SET_NAMES } from '../../wasm-build/variants.mjs';
import { loadModule } from '../../worker/host/module.js';
import { encodeSpec } from '../../worker/spec/spec.js';
import { isLacking } from '../../worker/spec/refused.js';
import { SMALLER, setOf } from '../../worker/spec/sets.js';
import { Core } from '../../worker/trainer/core.js';
import { PROBLEMS, dataOf } from '../bits/problems.js';
import { withoutRelaxed } from '../relaxed.js';
import { bitsOf, connectLocal } from './session-client.js';

const DIST = new URL('../../wasm-build/dist/', import.meta.url);
const EXACT = ['base', 'simd', 'simd-mt'];
const RELAXED = ['relaxed', 'relaxed-mt'];

const POOLED = {
  inputShape: [12, 11, 3],
  layers: [
    { type: 'rescaling', scale: 1 / 128, offset: -1 },
    { type: 'zeroPadding2d', padding: 1 },
    { type: 'conv2d', filters: 8, kernelSize: 3, padding: 'same', activation: 'relu' },
    { type: 'conv2d', filters: 6, kernelSize: 1, strides: 2 },
    { type: 'cropping2d', cropping: 1 },
    { type: 'gaussianNoise', stddev: 0.1 },
    { type: 'globalAveragePooling2d' },
    { type: 'reshape', targetShape: [6, 1] },
    { type: 'conv1d', filters: 5, kernelSize: 2, padding: 'causal' },
    { type: 'maxPooling1d', poolSize: 2 },
    { type: 'averagePooling1d', poolSize: 2, strides: 1 },
    { type: 'globalMaxPooling1d' },
    { type: 'dense', units: 4 },
    { type: 'softmax' },
  ],
  loss: 'sparseCategoricalCrossentropy',
  seed: 11,
};
const LSTM = {
  inputShape: [4, 3],
  layers: [
    { type: 'lstm', units: 5 },
    { type: 'dense', units: 2, activation: 'softmax' },
  ],
  seed: 3,
};

/** Nets with their data, by the set that they take. */
const NETS = {
  dense: [[PROBLEMS.numbers.spec, { ...dataOf(PROBLEMS.numbers), ...PROBLEMS.numbers.settings }]],
  lean: [
    [PROBLEMS.pictures.spec, { ...dataOf(PROBLEMS.pictures), ...PROBLEMS.pictures.settings }],
    [
      POOLED,
      {
        x: Uint8Array.from({ length: 40 * 396 }, (_, i) => (i * i) % 251),
        y: Uint8Array.from({ length: 40 }, (_, i) => i % 4),
        numEpochs: 2,
        batchSize: 16,
        shuffle: true,
      },
    ],
  ],
};

/**
 * A folder as `assets` names it, with some of the wasm files.
 * @param {import('node:test').TestContext} t @param {...string} names
 */
function folderWith(t, ...names) {
  const folder = mkdtempSync(`${tmpdir()}/offstage-`);
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(`${folder}/wasm-build/dist`, { recursive: true });
  for (const name of [...names, 'kept.js', 'wire.js'])
    copyFileSync(new URL(name, DIST), `${folder}/wasm-build/dist/${name}`);
  return pathToFileURL(folder).href;
}

/** @param {any} spec @param {any} settings @param {object} runtime */
async function trained(spec, settings, runtime) {
  const client = connectLocal();
  try {
    await client.ask('INIT_TRAINING', { ...spec, runtime });
    const { history } = await client.ask('START_TRAINING', settings);
    return { history, bits: bitsOf(await client.ask('GET_WEIGHTS')) };
  } finally {
    await client.ask('DISPOSE');
  }
}

/** A value that a field takes. @param {import('../../worker/spec/schema.js').Field} field */
function valueOf({ kind, low, least, most, spread }) {
  const value = kind === 'enum' ? 'relu' : Math.max(low, 1);
  return most > 1 && !spread ? Array(least).fill(value) : value;
}

test('the lists are what each core has: any other type cannot stand there', async () => {
  const all = { ...Object.fromEntries(SMALLER), full: null };
  assert.deepEqual(Object.keys(all).sort(), [...SET_NAMES].sort());
  for (const [set, listed] of Object.entries(all)) {
    const core = await Core.create(await loadModule('base', undefined, /** @type {any} */ (set)));
    const types = core.schema.records.filter(({ group }) => group === 'layer');
    assert.ok(types.length > 40);
    for (const { type, fields } of types) {
      const own = Object.fromEntries(
        fields
          .filter(({ presence }) => presence === 'required')
          .map((field) => [field.name, valueOf(field)]),
      );
      const { bytes } = (core.spec = encodeSpec(core.schema, {
        inputShape: [2],
        layers: [{ type, ...own }],
        loss: 'meanSquaredError',
      }));
      const at = core.memory.alloc(bytes.length, 'a spec');
      core.write(at, bytes);
      let lacking = false;
      try {
        core.modelBytes(at, bytes.length);
      } catch (error) {
        lacking = isLacking(error);
      }
      core.memory.free(at);
      assert.equal(lacking, listed !== null && !listed.includes(type), `${set}: ${type}`);
    }
  }
});

test('a spec tells its set: the smallest that has all of its layers', () => {
  const of = (/** @type {any[]} */ ...layers) => setOf({ inputShape: [8, 8, 1], layers });
  const dense = { type: 'dense', units: 1 };
  assert.equal(of(dense, { type: 'dropout', rate: 0.1 }), 'dense');
  assert.equal(
    of({ type: 'conv2d', filters: 1, kernelSize: 3 }, { type: 'flatten' }, dense),
    'lean',
  );
  assert.equal(of({ type: 'conv2d', filters: 2, kernelSize: 3, groups: 1 }), 'lean');
  assert.equal(of({ type: 'conv2d', filters: 2, kernelSize: 3, groups: 2 }), 'full');
  assert.equal(of(dense, { type: 'lstm', units: 1 }), 'full');
  assert.equal(of({ type: 'timeDistributed', layer: dense }), 'full');
  assert.equal(of(dense, null), 'full');
  for (const spec of [undefined, null, 1, {}, { layers: 'dense' }, { layers: [] }])
    assert.equal(setOf(spec), 'dense');
});

test('a core of a smaller set refuses convolutions in groups, which would take depthwise products', async () => {
  const core = await Core.create(await loadModule('base', undefined, 'lean'));
  const layers = [{ type: 'conv2d', filters: 2, kernelSize: 3, groups: 2 }];
  const { bytes } = (core.spec = encodeSpec(core.schema, {
    inputShape: [4, 4, 2],
    layers,
    loss: 'meanSquaredError',
  }));
  const at = core.memory.alloc(bytes.length, 'a spec');
  core.write(at, bytes);
  assert.throws(() => core.modelBytes(at, bytes.length), isLacking);
});

for (const [set, nets] of Object.entries(NETS))
  for (const variant of [...EXACT, ...RELAXED]) {
    const deterministic = EXACT.includes(variant);
    test(
      `${set}, ${variant}: the bits of the full set`,
      { skip: !deterministic && withoutRelaxed() },
      async (t) => {
        const runtime = { variant, deterministic, ...(variant.endsWith('-mt') && { threads: 2 }) };
        const own = folderWith(t, fileOf(/** @type {any} */ (variant), /** @type {any} */ (set)));
        const full = folderWith(t, fileOf(/** @type {any} */ (variant)));
        for (const [spec, settings] of nets) {
          assert.equal(setOf(spec), set);
          const one = await trained(spec, settings, { ...runtime, assets: own });
          assert.deepEqual(one, await trained(spec, settings, { ...runtime, assets: full }));
          if (deterministic)
            assert.deepEqual(one, await trained(spec, settings, { variant: 'base' }));
        }
      },
    );
  }

test('nothing but the file of its set is looked for', async (t) => {
  const client = connectLocal();
  for (const [set, spec] of [
    ['dense', NETS.dense[0][0]],
    ['lean', POOLED],
    ['full', LSTM],
  ]) {
    const assets = folderWith(t, fileOf('simd', /** @type {any} */ (set)));
    const { layers } = await client.ask('INIT_TRAINING', {
      ...spec,
      runtime: { assets, threads: 1 },
    });
    assert.equal(layers.length, spec.layers.length);
  }
  const assets = folderWith(t, fileOf('simd', 'lean'));
  await assert.rejects(client.ask('INIT_TRAINING', { ...LSTM, runtime: { assets, threads: 1 } }), {
    code: 'UNSUPPORTED',
    message: /dist\/offstage\.simd\.wasm: ENOENT/,
  });
  await client.ask('DISPOSE');
});

test('a checkpoint takes its session to the set of its model, and back', async (t) => {
  const assets = folderWith(t, fileOf('simd'), fileOf('simd', 'dense'));
  const runtime = { assets, threads: 1 };
  const wide = connectLocal();
  await wide.ask('INIT_TRAINING', { ...LSTM, runtime });
  const x = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i));
  await wide.ask('START_TRAINING', { x, y: [0, 1], numEpochs: 2 });
  const { bytes: large } = await wide.ask('SAVE_CHECKPOINT');
  const expected = (await wide.ask('PREDICT', { x })).output;

  const client = connectLocal();
  const [[spec, { x: numbers }]] = NETS.dense;
  await client.ask('INIT_TRAINING', { ...spec, runtime });
  const { bytes: small } = await client.ask('SAVE_CHECKPOINT');
  const before = await client.ask('PREDICT', { x: numbers });
  assert.equal((await client.ask('LOAD_CHECKPOINT', { bytes: large })).layers[0].type, 'lstm');
  assert.deepEqual((await client.ask('PREDICT', { x })).output, expected);
  await client.ask('LOAD_CHECKPOINT', { bytes: small });
  assert.deepEqual(await client.ask('PREDICT', { x: numbers }), before);
  for (const each of [wide, client]) await each.ask('DISPOSE');
});

test('what a smaller set refuses as unknown to it, the full set decides', async (t) => {
  const [[, dense]] = SMALLER;
  const types = /** @type {string[]} */ (dense);
  types.push('lstm'); // a list that says too much
  t.after(() => void types.pop());
  assert.equal(setOf(LSTM), 'dense');
  const client = connectLocal();
  assert.equal((await client.ask('INIT_TRAINING', LSTM)).layers[0].type, 'lstm');
  const bad = {
    ...LSTM,
    layers: [
      { type: 'dense', units: 3 },
      { type: 'lstm', units: 0 },
    ],
  };
  await assert.rejects(client.ask('INIT_TRAINING', bad), {
    code: 'INVALID_SPEC',
    message: /units is 0/,
  });
  await client.ask('DISPOSE');
});
