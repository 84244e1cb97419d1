/* train.js: trains a problem over the wire, at any place, and tells the hash of every bit of the
 * weights.
 *
 * The same file in Node and in a page. `sliced` looks at the message queue after every part;
 * `disturbed` pauses and resumes all the way, and predicts, evaluates and reads the weights in
 * between. Neither may change a bit. */
import { PROBLEMS, dataOf, isShared } from './problems.js';

/** @typedef {{ post: (message: any) => void, close: () => void }} Channel */
/** @typedef {(heard: (message: any) => void) => Channel | Promise<Channel>} Connect */

/** A session on this very thread. @type {Connect} */
export async function connectMain(heard) {
  const [{ createSession }, { createHost }] = await Promise.all([
    import('../../worker/trainer/service.js'),
    import('../../worker/host/clock.js'),
  ]);
  const { port1, port2 } = new MessageChannel();
  createSession(/** @type {any} */ (port2), createHost(0));
  port1.onmessage = (event) => heard(event.data);
  return { post: (message) => port1.postMessage(message), close: () => port1.close() };
}

/** A session in a module worker. @type {Connect} */
export function connectWebWorker(heard) {
  const worker = new Worker(new URL('../../worker/worker.js', import.meta.url), { type: 'module' });
  worker.onmessage = (event) => heard(event.data);
  return { post: (message) => worker.postMessage(message), close: () => worker.terminate() };
}

/** @param {Connect} connect */
async function open(connect) {
  const waiting = new Map();
  let lastId = 0;
  const channel = await connect(({ id, type, payload }) => {
    if (type === 'TRAINING_PROGRESS') return;
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (/ERROR$/.test(type)) reject(new Error(`${payload.code}: ${payload.error}`));
    else resolve(payload);
  });
  const ask = (/** @type {string} */ type, payload = {}) =>
    new Promise((resolve, reject) => {
      waiting.set(++lastId, { resolve, reject });
      channel.post({ v: 1, id: lastId, type, payload });
    });
  return { ask, close: () => channel.close() };
}

const EVALUATES_ALL = 32;

/**
 * Pauses, looks, and resumes until the run has ended. An evaluation of all samples takes a step's
 * time, so that there is one in so many pauses; between them the first sample is evaluated.
 * @param {(type: string, payload?: any) => Promise<any>} ask
 * @param {{ x: any, y: any }} all
 * @param {number} samples
 */
async function disturb(ask, all, samples) {
  const first = {
    x: all.x.slice(0, all.x.length / samples),
    y: all.y.slice(0, all.y.length / samples),
  };
  for (let pauses = 0; ; pauses++) {
    await ask('PAUSE_TRAINING');
    const before = await ask('GET_STATUS');
    if (before.state !== 'paused') return { pauses, state: before.state };
    await ask('PREDICT', { x: first.x });
    if (pauses % 4 === 1) await ask('EVALUATE_MODEL', pauses % EVALUATES_ALL === 1 ? all : first);
    if (pauses % 4 === 3) await ask('GET_WEIGHTS');
    const after = await ask('GET_STATUS');
    if (after.step !== before.step)
      throw new Error(`paused at step ${before.step}, then at ${after.step}`);
    await ask('RESUME_TRAINING');
  }
}

/** @param {{ data: Float32Array }[]} weights  SHA-256 over their bytes, in order */
export async function hashOf(weights) {
  const bytes = new Uint8Array(weights.reduce((sum, { data }) => sum + data.byteLength, 0));
  let at = 0;
  for (const { data } of weights) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Until as many threads compute as there will be: the first plan with work to share brings them.
 * @param {(type: string, payload?: any) => Promise<any>} ask
 * @param {{ x: any, y: any, batchSize: number }} evaluation  changes nothing
 * @param {number} helpers
 */
async function gather(ask, evaluation, helpers) {
  await ask('EVALUATE_MODEL', evaluation);
  while ((await ask('GET_STATUS')).helpers < helpers)
    await new Promise((resolve) => setTimeout(resolve, 1));
}

/**
 * @param {Connect} connect
 * @param {{ problem: string, variant: string, threads?: number, sliced?: boolean, disturbed?:
 *   boolean }} way
 */
export async function train(
  connect,
  { problem, variant, threads = 1, sliced = false, disturbed = false },
) {
  const { spec, settings, samples } = PROBLEMS[problem];
  const data = dataOf(PROBLEMS[problem]);
  const { ask, close } = await open(connect);
  try {
    const place = connect === connectMain ? 'main' : 'worker';
    const runtime = { variant, threads, place, ...(sliced && { sliceWork: 1 }) };
    const ready = await ask('INIT_TRAINING', { ...spec, runtime });
    if (isShared(problem))
      await gather(ask, { ...data, batchSize: settings.batchSize }, threads - 1);
    const begun = await hashOf((await ask('GET_WEIGHTS')).weights);
    const run = ask('START_TRAINING', { ...data, ...settings });
    const { pauses } = disturbed ? await disturb(ask, data, samples) : { pauses: 0 };
    const { history, steps } = await run;
    const { slices, helpers } = await ask('GET_STATUS');
    const hash = await hashOf((await ask('GET_WEIGHTS')).weights);
    return {
      variant: ready.variant,
      threads: ready.threads,
      helpers,
      begun,
      hash,
      history,
      steps,
      slices,
      pauses,
    };
  } finally {
    close();
  }
}

/**
 * In a page of whatever engine, whose driver hands over plain values.
 * @param {{ place: 'main' | 'worker' } & Parameters<typeof train>[1]} way
 */
export const trainInPage = ({ place, ...way }) =>
  train(place === 'main' ? connectMain : connectWebWorker, way);
