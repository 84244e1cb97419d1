/* api-setting.js: what the API tests share: places to run in, toy problems, and a hold on the
 * worker threads. Invariant: tests reach Offstage through web/index.js alone; nothing here depends
 * on the speed of the machine. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { createTrainer } from '../../web/index.js';

export const PLACES = ['worker', 'main'].flatMap((mode) =>
  ['base', 'simd'].map((variant) => ({ mode, variant })),
);

/** A test for each place. `make(spec, options)` makes trainers there, which end with the test. */
export function everywhere(name, places, body) {
  for (const place of places) {
    test(`${name} (${place.mode}, ${place.variant ?? 'any variant'})`, async (t) => {
      const made = [];
      const make = async (spec, options) => {
        const trainer = await createTrainer(spec, { ...place, ...options });
        made.push(trainer);
        return trainer;
      };
      try {
        await body(make, t, place);
      } finally {
        await Promise.all(made.map((trainer) => trainer.dispose()));
      }
    });
  }
}

export const IN_WORKER = [{ mode: 'worker' }];
export const BOTH = [{ mode: 'worker' }, { mode: 'main' }];

/** Numbers in [0, 1) that are the same everywhere (a linear congruence of 32 bits). */
export function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Clouds around one corner each: a class is told by which of the first coordinates is large. */
export function clouds(samples, { classes = 3, width = 6, seed = 1 } = {}) {
  const next = numbers(seed);
  const x = new Float32Array(samples * width);
  const y = new Int32Array(samples);
  for (let i = 0; i < samples; i++) {
    y[i] = i % classes;
    for (let j = 0; j < width; j++) x[i * width + j] = 0.6 * (next() - 0.5) + (j === y[i] ? 1 : 0);
  }
  return { x, y };
}

/** Pictures of 8 x 8 with a bright bar, standing or lying or aslant; uint8. */
export function bars(samples, seed = 1) {
  const next = numbers(seed);
  const x = new Uint8Array(samples * 64);
  const y = new Uint8Array(samples);
  for (let i = 0; i < samples; i++) {
    const at = 1 + Math.floor(next() * 6);
    y[i] = Math.floor(next() * 3);
    for (let cell = 0; cell < 64; cell++) {
      const [row, column] = [cell >> 3, cell & 7];
      const bright = [row === at, column === at, row === column][y[i]];
      x[i * 64 + cell] = Math.floor(next() * 60) + (bright ? 180 : 0);
    }
  }
  return { x, y };
}

export const cloudSpec = () => ({
  inputShape: [6],
  layers: [
    { type: 'dense', units: 16, activation: 'relu' },
    { type: 'dense', units: 3, activation: 'softmax' },
  ],
  learningRate: 0.01,
  labels: ['red', 'green', 'blue'],
  seed: 7,
});

export const barSpec = () => ({
  inputShape: [8, 8, 1],
  layers: [
    { type: 'conv2d', filters: 5, kernelSize: 3, activation: 'relu', padding: 'same' },
    { type: 'maxPooling2d', poolSize: 2 },
    { type: 'conv2d', filters: 4, kernelSize: [3, 2], activation: 'elu' },
    { type: 'averagePooling2d', poolSize: 2, strides: 1 },
    { type: 'flatten' },
    { type: 'dropout', rate: 0.25 },
    { type: 'dense', units: 3, activation: 'softmax' },
  ],
  optimizer: { type: 'adamw', learningRate: 0.01 },
  inputScale: 1 / 255,
  seed: 42,
});

/** Rejects with an OffstageError of that code, whose message matches. */
export async function refused(promise, code, message) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.name, 'OffstageError', `${error.stack}`);
    assert.equal(error.code, code, error.message);
    assert.ok(error.message.length > 8, `a message that says something: ${error.message}`);
    if (message) assert.match(error.message, message);
    return true;
  });
}

/** The bits of all weights, for comparing. */
export const bitsOf = (weights) =>
  weights.map(({ name, shape, data }) => [
    name,
    shape.join('x'),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'),
  ]);

/**
 * Runs the body while worker threads are made by `instead`, or are kept for the test to end.
 * @returns what the body returns
 */
export async function withThreads(body, instead) {
  const original = process.getBuiltinModule;
  const threads = [];
  process.getBuiltinModule = (name) => {
    const builtin = original(name);
    if (name !== 'node:worker_threads') return builtin;
    class Worker extends builtin.Worker {
      constructor(address, options) {
        super(...(instead?.(address, options) ?? [address, options]));
        threads.push(this);
      }
    }
    return { ...builtin, Worker };
  };
  try {
    return await body(threads);
  } finally {
    process.getBuiltinModule = original;
  }
}

/** A worker that loads and never says anything. */
export const silentThread = () => ['setInterval(() => {}, 1e9)', { eval: true }];

/** Time that passes only when a test says so. */
export function standingClock() {
  const [realNow, realInterval, realClear] = [
    performance.now,
    globalThis.setInterval,
    globalThis.clearInterval,
  ];
  let time = Math.ceil(realNow.call(performance)); // so that sums of ticks are exact
  const ticks = new Set();
  performance.now = () => time;
  globalThis.setInterval = (tick) => {
    const timer = { tick, unref() {} };
    ticks.add(timer);
    return timer;
  };
  globalThis.clearInterval = (timer) => ticks.delete(timer);
  return {
    pass(ms) {
      time += ms;
      for (const { tick } of [...ticks]) tick();
    },
    get running() {
      return ticks.size > 0;
    },
    restore() {
      performance.now = realNow;
      globalThis.setInterval = realInterval;
      globalThis.clearInterval = realClear;
    },
  };
}

/** What was warned of in the console while the body ran. */
export async function warnings(body) {
  const original = console.warn;
  const said = [];
  console.warn = (...words) => said.push(words.join(' '));
  try {
    await body();
  } finally {
    console.warn = original;
  }
  return said;
}

/** Runs a module's text in a Node of its own, as an app would. */
export function inOwnProcess(text, { env = {} } = {}) {
  const index = new URL('../../web/index.js', import.meta.url).href;
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', `import * as offstage from ${JSON.stringify(index)};\n${text}`],
    { encoding: 'utf8', timeout: 120_000, env: { ...process.env, ...env } },
  );
  return { status, signal, stdout, stderr };
}

/** Resolves once the predicate holds, looked at in later turns of the event loop. */
export async function until(predicate) {
  while (!predicate()) await new Promise((resolve) => setImmediate(resolve));
}
