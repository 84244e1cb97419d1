/* kinds.test.js: what is no plain object is refused wherever options are read, with what was got;
 * objects, arrays, buffers, URLs and signals of another realm (an iframe, jsdom, a vm) are what
 * they are at home. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { createContext, runInContext } from 'node:vm';
import {
  createTrainer,
  listTrainers,
  loadTrainer,
  removeTrainer,
  resumeTrainer,
} from '../../web/index.js';
import { ROOT } from '../../wasm-build/lists.mjs';
import { BOTH, bitsOf, cloudSpec, clouds, everywhere, refused } from './api-setting.js';

class Hidden {
  #epochs = 3;
  get epochs() {
    return this.#epochs;
  }
}

/** What is no plain object, and how a refusal calls it. */
const NO_OBJECTS = {
  'a Map': [new Map([['epochs', 3]]), /a Map/],
  'a Set': [new Set(['epochs']), /a Set/],
  'a Promise': [Promise.resolve({ epochs: 3 }), /a Promise/],
  'a Date': [new Date(0), /a Date/],
  'an instance without fields': [new Hidden(), /an instance of Hidden without fields of its own/],
  'a function': [() => ({ epochs: 3 }), /a function/],
  'an array': [[3], /\[3\]/],
  'an ArrayBuffer': [new ArrayBuffer(8), /an ArrayBuffer/],
  'a view': [new DataView(new ArrayBuffer(8)), /DataView of 8 bytes/],
  'a typed array': [Float32Array.of(1), /Float32Array of 4 bytes/],
  'a RegExp': [/epochs/, /a RegExp/],
};

/** The same, of another realm. */
const realm = createContext({ AbortController, URL });
const there = (/** @type {string} */ code) => runInContext(code, realm);
const FOREIGN = {
  'a Map of another realm': [there('new Map([["epochs", 3]])'), /a Map/],
  'a Date of another realm': [there('new Date(0)'), /a Date/],
  'an instance of another realm': [
    there('new (class Far { get epochs() { return 3; } })()'),
    /an instance of Far without fields/,
  ],
};

const { x, y } = clouds(30);

for (const [what, [value, words]] of Object.entries({ ...NO_OBJECTS, ...FOREIGN })) {
  test(`${what} is no options, of anything`, async () => {
    const trainer = await createTrainer(cloudSpec(), { mode: 'main' });
    const option = (promise) => refused(promise, 'INVALID_OPTION', words);
    await option(createTrainer(cloudSpec(), value));
    await option(createTrainer(cloudSpec(), { restart: value }));
    await option(createTrainer(cloudSpec(), { persist: value }));
    await option(loadTrainer(await trainer.save(), value));
    await option(resumeTrainer('kinds', value));
    await option(resumeTrainer('kinds', { persist: value }));
    await option(listTrainers(value));
    await option(removeTrainer('kinds', value));
    await option(trainer.fit(x, y, value));
    await option(trainer.fit(x, y, { classWeight: value }));
    await option(trainer.fit(x, y, { persist: value }));
    await option(trainer.predict(x, value));
    await option(trainer.evaluate(x, y, value));
    await trainer.dispose();
  });

  test(`${what} is no part of a spec`, async () => {
    const part = (spec) =>
      refused(createTrainer({ ...cloudSpec(), ...spec }, { mode: 'main' }), 'INVALID_SPEC', words);
    await refused(createTrainer(value, { mode: 'main' }), 'INVALID_SPEC', words);
    const [first, second] = cloudSpec().layers;
    await part({ loss: value });
    await part({ lossWeights: value });
    await part({ optimizer: value });
    await part({ layers: [value, second] });
    await part({ layers: [{ ...first, kernelInitializer: value }, second] });
    await part({ layers: [{ ...first, kernelRegularizer: value }, second] });
    if (!Array.isArray(value)) await part({ labels: value });
  });
}

test('an instance with fields is taken for its fields, which are checked', async () => {
  class Options {
    mode = 'main';
  }
  const trainer = await createTrainer(cloudSpec(), new Options());
  assert.equal(trainer.info.mode, 'main');
  await trainer.dispose();
  class Others {
    epoch = 3;
  }
  await refused(createTrainer(cloudSpec(), new Others()), 'INVALID_OPTION', /'epoch'/);
});

everywhere('another realm is like this one', BOTH, async (make) => {
  /** Both realms make the same of the same. */
  realm.values = { x: [...x], y: [...y], spec: JSON.stringify(cloudSpec()) };
  const spec = there('JSON.parse(values.spec)');
  assert.ok(!(spec instanceof Object), 'the spec is of another realm');
  const trainer = await make(spec, there('({ restart: { retries: 1 } })'));
  const home = await make(cloudSpec());
  const options = there('({ epochs: 2, classWeight: { red: 2 } })');
  const farX = there('Float32Array.from(values.x)');
  const farY = there('Int32Array.from(values.y)');
  assert.ok(!(farX instanceof Float32Array));
  await trainer.fit(farX, farY, options);
  await home.fit(x, y, { epochs: 2, classWeight: { red: 2 } });
  assert.deepEqual(bitsOf(await trainer.getWeights()), bitsOf(await home.getWeights()));
  const one = await home.predict(x.subarray(0, 6));
  for (const code of [
    'Float32Array.from(values.x.slice(0, 6))',
    'Float64Array.from(values.x.slice(0, 6))',
    'values.x.slice(0, 6)',
    'Array.from(values.x.slice(0, 6))',
    '({ data: Float32Array.from(values.x.slice(0, 6)), shape: [6] })',
    '[Float32Array.from(values.x.slice(0, 6))]',
    '({ inputs: { input: Float32Array.from(values.x.slice(0, 6)) } })',
  ]) {
    const told = await trainer.predict(there(code));
    assert.equal(told.output.join(), one.output.join(), code);
  }
  const bytes = await home.save();
  realm.bytes = [...bytes];
  await trainer.load(there('Uint8Array.from(bytes)'));
  await trainer.load(there('Uint8Array.from(bytes).buffer'));
  await trainer.setWeights(
    (await home.getWeights()).map(({ shape, data }) => {
      realm.weight = { shape: [...shape], data: [...data] };
      return there('({ shape: [...weight.shape], data: Float32Array.from(weight.data) })');
    }),
  );
  assert.deepEqual(bitsOf(await trainer.getWeights()), bitsOf(await home.getWeights()));
  const transferred = there('Float32Array.from(values.x)');
  await trainer.fit(transferred, farY, { transfer: true });
  assert.equal(transferred.length, 0, 'it was handed over');
  const controller = there('new AbortController()');
  controller.abort();
  await refused(trainer.predict(farX, { signal: controller.signal }), 'ABORTED', /signal/);
});

test('an address of another realm is one', async () => {
  realm.address = new URL('../../', import.meta.url).href;
  const assets = there('new URL(address)');
  const trainer = await createTrainer(cloudSpec(), { mode: 'main', assets });
  await trainer.dispose();
});

test('what a framework has made reactive is taken', async () => {
  /** A proxy of everything that is read through it, as Vue's. */
  const reactive = (value) =>
    ['Object', 'Array'].includes(Object.prototype.toString.call(value).slice(8, -1))
      ? new Proxy(value, { get: (of, key, receiver) => reactive(Reflect.get(of, key, receiver)) })
      : value;
  const options = reactive({ restart: { retries: 1 }, mode: 'worker' });
  const trainer = await createTrainer(reactive(cloudSpec()), options);
  const rows = Array.from({ length: 30 }, (_, i) => [...x.subarray(6 * i, 6 * i + 6)]);
  const weights = Array(30).fill(1);
  const { reason } = await trainer.fit(
    reactive(rows),
    reactive([...y]),
    reactive({ epochs: 2, classWeight: { red: 2 }, sampleWeight: weights, persist: undefined }),
  );
  assert.equal(reason, 'finished');
  await trainer.dispose();
});

test('instanceof is asked of classes of this package alone: others have a class in each realm', () => {
  const found = ['web', 'worker'].flatMap((folder) =>
    readdirSync(ROOT + folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.js'))
      .flatMap((name) =>
        [...readFileSync(`${ROOT}${folder}/${name}`, 'utf8').matchAll(/instanceof (\w+)/g)].map(
          ([, type]) => `${folder}/${name}: ${type}`,
        ),
      ),
  );
  assert.deepEqual(
    found.filter((each) => !/: (OffstageError|Answer)$/.test(each)),
    [],
  );
});
