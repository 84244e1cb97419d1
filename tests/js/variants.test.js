/* variants.test.js: which wasm runs, with how many threads, and what is said where it is not what
 * was asked for: over the wire, on engines that lack something. What they lack is taken away from
 * this one. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os, { tmpdir } from 'node:os';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { withoutRelaxed } from '../relaxed.js';
import { QUADRANTS, connectLocal, quadrants } from './session-client.js';

const skip = withoutRelaxed();
const ISOLATION =
  /the page is not cross-origin isolated.*Cross-Origin-Opener-Policy.*Cross-Origin-Embedder-Policy/;

/** What a session settles for. @param {object} [runtime] */
async function settled(runtime) {
  const client = connectLocal();
  try {
    const { variant, threads, reason } = await client.ask('INIT_TRAINING', {
      ...QUADRANTS,
      runtime,
    });
    return { variant, threads, reason };
  } finally {
    await client.ask('DISPOSE');
  }
}

/** @param {import('node:test').TestContext} t @param {number} n */
const withCores = (t, n) => t.mock.method(os, 'availableParallelism', () => n);

/**
 * An engine that accepts modules of at most so many bytes: SIMD's probe is shorter than that of
 * relaxed SIMD.
 */
function withoutInstructions(t, { longest = 0 } = {}) {
  const { validate } = WebAssembly;
  t.mock.method(WebAssembly, 'validate', (bytes) => bytes.length <= longest && validate(bytes));
}

/**
 * @param {import('node:test').TestContext} t
 * @param {string} name
 * @param {unknown} value of globalThis
 */
function withGlobal(t, name, value) {
  const before = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  t.after(() => {
    if (before) Object.defineProperty(globalThis, name, before);
    else delete globalThis[name];
  });
}

test('threads: the cores less one, at least 1, at most 8; a number is honoured', async (t) => {
  let now = 1;
  t.mock.method(os, 'availableParallelism', () => now);
  for (const [cores, threads] of [
    [1, 1],
    [2, 1],
    [3, 2],
    [4, 3],
    [9, 8],
    [64, 8],
  ]) {
    now = cores;
    const variant = threads === 1 ? 'simd' : 'simd-mt';
    for (const runtime of [undefined, {}, { threads: 'auto' }]) {
      assert.deepEqual(
        await settled(runtime),
        { variant, threads, reason: null },
        `${cores} cores`,
      );
    }
  }
  now = 2;
  assert.deepEqual(await settled({ threads: 5 }), { variant: 'simd-mt', threads: 5, reason: null });
  now = 8;
  for (const threads of [0, 1])
    assert.deepEqual(await settled({ threads }), { variant: 'simd', threads: 1, reason: null });
});

test('the main thread computes alone, and says so where more was asked for', async (t) => {
  withCores(t, 8);
  assert.deepEqual(await settled({ place: 'main' }), { variant: 'simd', threads: 1, reason: null });
  const { variant, threads, reason } = await settled({ place: 'main', threads: 4 });
  assert.deepEqual([variant, threads], ['simd', 1]);
  assert.match(reason, /^one thread computes, not 4: the session runs on the main thread/);
  assert.deepEqual(await settled({ place: 'main', variant: 'simd-mt' }), {
    variant: 'simd-mt',
    threads: 1,
    reason: null,
  });
});

test('a forced variant runs as it can: threads only where it has them', async (t) => {
  withCores(t, 4);
  for (const variant of ['base', 'simd']) {
    assert.deepEqual(await settled({ variant }), { variant, threads: 1, reason: null });
    assert.deepEqual(await settled({ variant, threads: 2 }), {
      variant,
      threads: 1,
      reason: `one thread computes, not 2: variant '${variant}' has no threads`,
    });
    assert.deepEqual(await settled({ variant, deterministic: false }), {
      variant,
      threads: 1,
      reason: null,
    });
  }
  for (const [threads, got] of [
    [undefined, 3],
    ['auto', 3],
    [0, 1],
    [1, 1],
    [2, 2],
  ]) {
    assert.deepEqual(await settled({ variant: 'simd-mt', threads }), {
      variant: 'simd-mt',
      threads: got,
      reason: null,
    });
  }
});

test('a page that is not isolated has one thread', async (t) => {
  withCores(t, 4);
  withGlobal(t, 'crossOriginIsolated', false);
  for (const [threads, wanted] of [
    ['auto', 3],
    [2, 2],
  ]) {
    const { reason, ...got } = await settled({ threads });
    assert.deepEqual(got, { variant: 'simd', threads: 1 });
    assert.ok(reason.startsWith(`one thread computes, not ${wanted}: `), reason);
    assert.match(reason, ISOLATION);
  }
  assert.equal((await settled({ threads: 1 })).reason, null, 'one was asked for');
  await assert.rejects(settled({ variant: 'simd-mt' }), {
    code: 'UNSUPPORTED',
    message: /'simd-mt' cannot run: the page is not/,
  });
});

test('an engine without SharedArrayBuffer, or that shares no memory, has one thread', async (t) => {
  withCores(t, 4);
  await t.test('no SharedArrayBuffer', async (t2) => {
    withGlobal(t2, 'SharedArrayBuffer', undefined);
    const { threads, reason } = await settled();
    assert.equal(threads, 1);
    assert.match(reason, ISOLATION);
  });
  await t.test('no SharedArrayBuffer on an isolated page, whose memory is shared', async (t2) => {
    withGlobal(t2, 'SharedArrayBuffer', undefined);
    withGlobal(t2, 'crossOriginIsolated', true);
    assert.deepEqual(await settled({ threads: 2 }), {
      variant: 'simd-mt',
      threads: 2,
      reason: null,
    });
  });
  await t.test('an isolated page, whose memory no other thread may have', async (t2) => {
    withGlobal(t2, 'SharedArrayBuffer', undefined);
    withGlobal(t2, 'crossOriginIsolated', true);
    const { postMessage } = MessagePort.prototype;
    t2.mock.method(MessagePort.prototype, 'postMessage', function post(message, ...rest) {
      if (message instanceof WebAssembly.Memory) throw new Error('it cannot be cloned');
      return postMessage.call(this, message, ...rest);
    });
    const { threads, reason } = await settled({ threads: 2 });
    assert.equal(threads, 1);
    assert.match(reason, /^one thread computes, not 2: no memory can be shared here: it cannot/);
  });
  for (const [what, allowed] of [
    ['none', 0],
    ['too little', 1],
  ]) {
    await t.test(`shared memory: ${what}`, async (t2) => {
      const { Memory } = WebAssembly;
      withMemory(t2, (options) => {
        if (options.shared && options.maximum > allowed)
          throw new RangeError('could not allocate memory');
        return new Memory(options);
      });
      const { reason, ...got } = await settled({ threads: 3 });
      assert.deepEqual(got, { variant: 'simd', threads: 1 });
      assert.match(reason, /^one thread computes, not 3: .*memory/);
      const code = allowed ? 'OUT_OF_MEMORY' : 'UNSUPPORTED';
      await assert.rejects(settled({ variant: 'simd-mt', threads: 3 }), { code });
    });
  }
});

/** @param {import('node:test').TestContext} t @param {(options: any) => WebAssembly.Memory} make */
function withMemory(t, make) {
  const { Memory } = WebAssembly;
  WebAssembly.Memory = /** @type {any} */ (
    function Memory(options) {
      return make(options);
    }
  );
  WebAssembly.Memory.prototype = Memory.prototype;
  t.after(() => void (WebAssembly.Memory = Memory));
}

test('an engine without SIMD runs base', async (t) => {
  withCores(t, 4);
  withoutInstructions(t);
  const { reason, ...got } = await settled({ threads: 3, deterministic: false });
  assert.deepEqual(got, { variant: 'base', threads: 1 });
  assert.equal(
    reason,
    'one thread computes, not 3: this engine has no SIMD; ' +
      'bits are the same everywhere, relaxed SIMD is not used: this engine has no SIMD',
  );
  assert.deepEqual(await settled({ variant: 'base' }), {
    variant: 'base',
    threads: 1,
    reason: null,
  });
  for (const variant of ['simd', 'simd-mt']) {
    await assert.rejects(settled({ variant }), {
      code: 'UNSUPPORTED',
      message: `variant '${variant}' cannot run: this engine has no SIMD`,
    });
  }
});

test('an engine without WebAssembly is told apart', async (t) => {
  const client = connectLocal();
  withGlobal(t, 'WebAssembly', undefined);
  await assert.rejects(client.ask('INIT_TRAINING', QUADRANTS), {
    code: 'UNSUPPORTED',
    message: /no WebAssembly/,
  });
});

test('relaxed SIMD is for those who ask for it', async (t) => {
  withCores(t, 4);
  await t.test('and where the engine has it', { skip }, async () => {
    assert.equal((await settled()).variant, 'simd-mt');
    assert.deepEqual(await settled({ deterministic: false }), {
      variant: 'relaxed-mt',
      threads: 3,
      reason: null,
    });
    assert.deepEqual(await settled({ deterministic: false, threads: 1 }), {
      variant: 'relaxed',
      threads: 1,
      reason: null,
    });
    for (const variant of ['relaxed', 'relaxed-mt']) {
      assert.equal((await settled({ deterministic: false, variant })).variant, variant);
    }
  });
  for (const variant of ['relaxed', 'relaxed-mt']) {
    for (const deterministic of [undefined, true]) {
      await assert.rejects(settled({ variant, deterministic }), {
        code: 'INVALID_OPTION',
        message: /deterministic: false/,
      });
    }
  }
  await t.test('elsewhere simd runs and says so', async (t2) => {
    withoutInstructions(t2, { longest: 30 });
    assert.deepEqual(await settled({ deterministic: false, threads: 1 }), {
      variant: 'simd',
      threads: 1,
      reason:
        'bits are the same everywhere, relaxed SIMD is not used: this engine has no relaxed SIMD',
    });
    assert.equal((await settled({ threads: 1 })).reason, null);
    await assert.rejects(settled({ variant: 'relaxed', deterministic: false }), {
      code: 'UNSUPPORTED',
      message: "variant 'relaxed' cannot run: this engine has no relaxed SIMD",
    });
  });
});

test('a variant whose file is missing gives way to a simpler one, unless it was forced', async (t) => {
  withCores(t, 4);
  const folder = mkdtempSync(`${tmpdir()}/offstage-`);
  t.after(() => rmSync(folder, { recursive: true }));
  const dist = `${folder}/wasm-build/dist`;
  mkdirSync(dist, { recursive: true });
  const file = (/** @type {string} */ variant) =>
    new URL(`../../wasm-build/dist/offstage.${variant}.wasm`, import.meta.url);
  const assets = pathToFileURL(folder).href;
  await assert.rejects(settled({ assets, threads: 1 }), {
    code: 'UNSUPPORTED',
    message: /dist\/offstage\.simd\.wasm: ENOENT/,
  });
  copyFileSync(file('simd'), `${dist}/offstage.simd.wasm`);
  const { reason, ...got } = await settled({ assets });
  assert.deepEqual(got, { variant: 'simd', threads: 1 });
  assert.match(
    reason,
    /^one thread computes, not 3: the core could not be loaded from .*offstage\.simd-mt\.wasm/,
  );
  await assert.rejects(settled({ assets, variant: 'simd-mt' }), {
    code: 'UNSUPPORTED',
    message: /offstage\.simd-mt\.wasm/,
  });
  await t.test('relaxed-mt becomes simd-mt', { skip }, async () => {
    copyFileSync(file('simd-mt'), `${dist}/offstage.simd-mt.wasm`);
    const relaxed = await settled({ assets, deterministic: false });
    assert.deepEqual([relaxed.variant, relaxed.threads], ['simd-mt', 3]);
    assert.match(relaxed.reason, /^bits are the same everywhere, .*offstage\.relaxed-mt\.wasm/);
  });
});

/* A product of single precision has a relative error of u = 2^-24, each of n additions one more. So
 * a sum of n products and a bias is off by (n + 1) u sum(|x w|) + u |b| at most, first order,
 * whether products are rounded by themselves or not, and two ways of computing it differ by twice
 * that. Doubled once more, for what is of second order. */
test(
  'relaxed SIMD predicts what simd predicts, within the bound of their sums',
  { skip },
  async () => {
    const inputs = 300;
    const units = 37;
    const spec = { inputShape: [inputs], layers: [{ type: 'dense', units }] };
    const x = Float32Array.from({ length: 5 * inputs }, (_, i) => Math.sin(i * i));
    const outputs = [];
    let weights;
    for (const runtime of [{ variant: 'simd' }, { variant: 'relaxed', deterministic: false }]) {
      const client = connectLocal();
      await client.ask('INIT_TRAINING', { ...spec, runtime });
      weights ??= (await client.ask('GET_WEIGHTS')).weights;
      await client.ask('SET_WEIGHTS', { weights });
      outputs.push((await client.ask('PREDICT', { x })).output);
    }
    const [exact, relaxed] = outputs;
    assert.equal(exact.length, 5 * units);
    for (let i = 0; i < exact.length; i++) {
      let size = 0;
      for (let k = 0; k < inputs; k++)
        size += Math.abs(
          x[Math.floor(i / units) * inputs + k] * weights[0].data[k * units + (i % units)],
        );
      const bound = 4 * (inputs + 1) * 2 ** -24 * size;
      assert.ok(
        Math.abs(relaxed[i] - exact[i]) <= bound,
        `output ${i}: ${relaxed[i]}, simd has ${exact[i]}, bound ${bound}`,
      );
    }
  },
);

test('relaxed SIMD learns what is not linear', { skip }, async () => {
  const client = connectLocal();
  await client.ask('INIT_TRAINING', {
    ...QUADRANTS,
    runtime: { deterministic: false, threads: 1 },
  });
  const { x, y } = quadrants(200);
  await client.ask('START_TRAINING', { x, y, numEpochs: 60, batchSize: 20, shuffle: true });
  assert.ok((await client.ask('EVALUATE_MODEL', { x, y })).accuracy > 0.95);
});
