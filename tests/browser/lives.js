/* lives.js: what a page does in the tests of its lives: it trains a problem of tests/bits, goes on
 * with it, and hands over the bits of its weights. Pages load it, and Node, which computes the bits
 * that all of them have to have. A run that is going to be interrupted is slow (duty): it lasts for
 * minutes then, so that no machine is too fast. */
import { createTrainer, listTrainers, loadTrainer, resumeTrainer } from '../../web/index.js';
import { PROBLEMS, dataOf } from '../bits/problems.js';
import { hashOf } from '../bits/train.js';

/**
 * Epochs of what is trained: bytes and samples held out; a net that threads have something to share
 * of.
 */
export const EPOCHS = { pictures: 300, shared: 12 };
export const SLOW = { duty: 0.01 };

/** @param {keyof typeof EPOCHS} name */
function problemOf(name) {
  const { numEpochs, ...settings } = PROBLEMS[name].settings;
  return {
    spec: PROBLEMS[name].spec,
    data: dataOf(PROBLEMS[name]),
    fit: { ...settings, epochs: EPOCHS[name] },
  };
}
const { spec, data, fit } = problemOf('pictures');

/** What came of a run, to be compared. @param {any} trainer @param {any} [run] */
async function outcome(trainer, run = trainer.run) {
  const { reason, history } = await run;
  return { reason, history, hash: await hashOf(await trainer.getWeights()) };
}

/**
 * The first event of the type.
 * @param {EventTarget} target
 * @param {string} type
 * @returns {Promise<any>} its detail
 */
export const heard = (target, type) =>
  new Promise((resolve) =>
    target.addEventListener(type, (event) => resolve(event.detail), { once: true }),
  );

/** Epochs of the run from now on. @param {any} run @param {number} count */
const epochs = (run, count) =>
  new Promise((resolve) =>
    run.addEventListener(
      'progress',
      ({ detail }) => detail.kind === 'epoch' && --count === 0 && resolve(detail),
    ),
  );

/**
 * The run that nothing disturbs.
 * @param {object} [options] of createTrainer
 * @param {keyof typeof EPOCHS} [name]
 */
export async function undisturbed(options, name = 'pictures') {
  const { spec, data, fit } = problemOf(name);
  const trainer = await createTrainer(spec, options);
  const result = await outcome(trainer, trainer.fit(data.x, data.y, fit));
  await trainer.dispose();
  return result;
}

/**
 * Begins a run; it and what it fires are kept for the test to look at, also while the page is
 * frozen, which imports nothing.
 * @param {{ problem?: keyof typeof EPOCHS, trainer?: object, fit?: object, until?: 'persisted' }}
 *   options until: a checkpoint is stored that knows of stored data, and training is beyond it
 */
export async function begin({ problem = 'pictures', trainer: options, fit: more, until }) {
  const { spec, data, fit } = problemOf(problem);
  const trainer = await createTrainer(spec, options);
  const events = watch(trainer);
  const run = trainer.fit(data.x, data.y, { ...fit, ...more });
  run.catch(() => {}); // the test asks for it
  const records = [];
  run.addEventListener('progress', ({ detail }) => records.push(detail));
  Object.assign(globalThis, { life: { trainer, run, events, records, state } });
  if (until) {
    if (more.persistData) {
      while (!(await listTrainers())[0]?.data) await heard(trainer, until);
      await heard(trainer, until); // begun before the data were there, perhaps
    }
    const { step } = await heard(trainer, until);
    let latest;
    do latest = await epochs(run, 1);
    while (latest.step <= step);
  } else {
    await epochs(run, 1);
  }
  return state();
}

const TYPES = ['restart', 'fallback', 'warning', 'suspended', 'resumed'];

/** @param {EventTarget} trainer */
function watch(trainer) {
  const events = [];
  for (const type of TYPES) {
    trainer.addEventListener(type, ({ detail }) => {
      const { error, ...plain } = detail;
      events.push({ type, ...plain, ...(error && { code: error.code, message: error.message }) });
    });
  }
  return events;
}

/** Of the page's trainer, in plain values. */
export function state() {
  const { trainer, events } = globalThis.life;
  const { mode, threads, variant, persist } = trainer.info;
  return { status: trainer.status(), info: { mode, threads, variant, persist }, events };
}

/** The end of the page's run. */
export async function end() {
  const { trainer, run, records } = globalThis.life;
  const result = await outcome(trainer, run);
  const told = state();
  await trainer.dispose();
  return { ...result, ...told, records };
}

/**
 * A page that comes back to a persisted run, whose data it gives again, or not.
 * @param {{ name: string, again?: boolean, options?: object }} way
 */
export async function comeBack({ name, again = false, options }) {
  const trainer = await resumeTrainer(name, options);
  const events = watch(trainer);
  const byItself = trainer.run !== undefined && trainer.status().state === 'training';
  const run = again ? trainer.fit(data.x, data.y, { resume: true }) : trainer.run;
  Object.assign(globalThis, { life: { trainer, run, events } });
  return { byItself, ...(await end()) };
}

/** What somebody who may not have it is told. @param {string} name */
export async function refusals(name) {
  const codeOf = (promise) =>
    Promise.resolve(promise).then(
      () => 'none',
      ({ code }) => code,
    );
  const trainer = await createTrainer(spec);
  const codes = [
    await codeOf(resumeTrainer(name)),
    await codeOf(trainer.fit(data.x, data.y, { ...fit, persist: name })),
  ];
  await trainer.dispose();
  return codes;
}

/** @param {string} name */
export async function otherData(name) {
  const trainer = await resumeTrainer(name);
  const other = data.x.slice();
  other[0] ^= 1;
  const code = await trainer.fit(other, data.y, { resume: true }).then(
    () => 'none',
    ({ code: told }) => told,
  );
  const { reason } = await trainer.fit(other, data.y, { resume: true, otherData: true });
  await trainer.dispose();
  return { code, reason };
}

/**
 * Half of the run, then its checkpoint as numbers, which cross into another world as JSON.
 * @param {object} [options]
 */
export async function half(options) {
  const trainer = await createTrainer(spec, { ...options, ...SLOW });
  const run = trainer.fit(data.x, data.y, fit);
  await epochs(run, 2);
  const bytes = await trainer.save();
  const { state: still } = trainer.status();
  await trainer.dispose();
  return { bytes: Array.from(bytes), still };
}

/** @param {number[]} bytes @param {object} [options] of loadTrainer */
export async function otherHalf(bytes, options) {
  const trainer = await loadTrainer(Uint8Array.from(bytes), options);
  const { step } = trainer.status();
  const result = await outcome(trainer, trainer.fit(data.x, data.y, { resume: true }));
  const { mode, threads } = trainer.info;
  await trainer.dispose();
  return { ...result, step, mode, threads };
}
