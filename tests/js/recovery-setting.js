/* recovery-setting.js: workers that are struck where a test wants it, and what a run that was
 * struck is compared with. Invariant: a worker is struck at a message that it sends, and its clock
 * goes on a millisecond with each call of the core for a piece of a step, so that snapshots and
 * progress come, and strikes fall, after the same steps on any machine. */
import assert from 'node:assert/strict';
import { createTrainer } from '../../web/index.js';
import { bitsOf } from './api-setting.js';

/** What becomes of a worker, as text that runs within it. */
export const STRIKES = {
  exit: 'process.exit(7);',
  throw: 'setImmediate(() => { throw new Error("struck by a test"); }); held = true;',
  trap: 'fuse = 0;',
  hang: 'post({ v: 1, id: 0, type: "STRUCK" }); for (;;);',
  memory: 'for (const all = []; ;) all.push(new Array(1e5).fill(0.5));',
};
/** So that a worker runs out of it soon. */
const RESOURCES = { maxOldGenerationSizeMb: 48 };

/**
 * The text of a worker.
 * @param {string} address of the real one
 * @param {{ at?: string, nth?: number, how?: keyof typeof STRIKES, before?: boolean, helper?:
 *   boolean }} strike at the nth message of that type, or of those (A|B), before or after it is
 *   sent; or at the first helper that computes
 */
const workerText = (
  address,
  { at = 'none', nth = 1, how = 'exit', before = false, helper = false },
) => `
  const threads = require('node:worker_threads');
  const { parentPort } = threads;
  const { getBuiltinModule } = process;
  if (${helper}) process.getBuiltinModule = (name) => (name !== 'node:worker_threads' ? getBuiltinModule(name) : {
    ...threads,
    Worker: class extends threads.Worker {
      constructor(...given) {
        super(...given);
        this.on('message', () => this.terminate());
      }
    },
  });
  const post = parentPort.postMessage.bind(parentPort);
  let [left, fuse, time] = [${nth}, Infinity, 0];
  let held = false;
  const strike = () => { ${STRIKES[how]} };
  parentPort.postMessage = (message, transfer) => {
    const struck = ${JSON.stringify(at)}.split('|').includes(message.type) && --left === 0;
    if (struck && ${before}) return strike();
    if (!held) post(message, transfer);
    if (struck) strike();
  };
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = async (module, imports) => {
    const { exports } = await instantiate(module, imports);
    const step_run = (...args) => {
      time++;
      if (fuse === 0) throw new WebAssembly.RuntimeError('unreachable');
      return exports.step_run(...args);
    };
    return { exports: { ...exports, step_run } };
  };
  performance.now = () => time;
  import(${JSON.stringify(String(address))});`;

/**
 * Runs the body while session workers are made with those strikes, one after another; those after
 * the last are not struck.
 * @param {Parameters<typeof workerText>[1][]} strikes
 * @param {(workers: any[]) => any} body workers: the threads made so far, with `posted`, the
 *   messages to each
 * @param {{ snapshotMs?: number | number[] }} [options] between two snapshots, by the workers'
 *   clock: of all workers, or of one after the other
 */
export async function withStrikes(strikes, body, { snapshotMs = 20 } = {}) {
  const original = process.getBuiltinModule;
  /** @type {any[]} */
  const workers = [];
  process.getBuiltinModule = /** @type {any} */ (
    (/** @type {string} */ name) => {
      const builtin = /** @type {any} */ (original)(name);
      if (name !== 'node:worker_threads') return builtin;
      class Worker extends builtin.Worker {
        constructor(address, options) {
          super(workerText(address, strikes[workers.length] ?? {}), {
            ...options,
            eval: true,
            resourceLimits: RESOURCES,
          });
          const nth = workers.length;
          this.snapshotMs = Array.isArray(snapshotMs) ? snapshotMs[nth] : snapshotMs;
          this.posted = [];
          this.heard = [];
          this.on('message', ({ type }) => this.heard.push(type));
          workers.push(this);
        }
        postMessage(message, transfer) {
          this.posted.push(message);
          const start =
            message.type === 'START_TRAINING' && message.payload.snapshotMs !== undefined;
          super.postMessage(
            start
              ? { ...message, payload: { ...message.payload, snapshotMs: this.snapshotMs } }
              : message,
            transfer,
          );
        }
      }
      return { ...builtin, Worker };
    }
  );
  try {
    return await body(workers);
  } finally {
    process.getBuiltinModule = original;
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** Types of what was posted to a worker, without the slices of data. */
export const typesOf = (worker) => worker.posted.map(({ type }) => type);

/** All records of a run, and its result. */
export async function followed(run) {
  const records = [];
  run.addEventListener('progress', ({ detail }) => records.push(detail));
  const result = await run;
  return { records, result };
}

/** What of a record does not depend on time. */
const LASTING = [
  'kind',
  'epoch',
  'totalEpochs',
  'batch',
  'totalBatches',
  'step',
  'loss',
  'accuracy',
  'valLoss',
  'valAccuracy',
  'percent',
];
const lasting = (record) => Object.fromEntries(LASTING.map((name) => [name, record[name]]));

/**
 * Epoch records come once each and in order, batch records never go back; the result is that of a
 * run undisturbed.
 */
export function assertSame(got, expected) {
  const epochs = ({ records }) => records.filter(({ kind }) => kind === 'epoch').map(lasting);
  assert.deepEqual(epochs(got), epochs(expected));
  let last = 0;
  for (const { kind, step } of got.records) {
    assert.ok(kind === 'epoch' ? step >= last : step > last, `step ${step} was told after ${last}`);
    last = step;
  }
  const told = ({ reason, history, epochs: complete, steps, step }) => ({
    reason,
    history,
    complete,
    steps,
    step,
  });
  assert.deepEqual(told(got.result), told(expected.result));
  assert.deepEqual(got.bits, expected.bits);
}

/** A run of a trainer that nothing happens to. */
export async function undisturbed(spec, x, y, options, first) {
  const trainer = await createTrainer(spec, { mode: 'worker' });
  await first?.(trainer);
  const told = await followed(trainer.fit(x, y, options));
  const bits = bitsOf(await trainer.getWeights());
  await trainer.dispose();
  return { ...told, bits };
}

/** The details of a trainer's events, as they come. */
export function eventsOf(trainer, ...types) {
  const events = [];
  for (const type of types)
    trainer.addEventListener(type, ({ detail }) => events.push({ type, ...detail }));
  return events;
}

/** Counts what is asked of setTimeout while the body runs; none is called back. */
export async function withoutTimers(body) {
  const original = globalThis.setTimeout;
  const held = [];
  globalThis.setTimeout = /** @type {any} */ (
    (callback, ms) => {
      const timer = { callback, ms, ref() {}, unref() {} };
      held.push(timer);
      return timer;
    }
  );
  try {
    await body(held);
  } finally {
    globalThis.setTimeout = original;
  }
}
