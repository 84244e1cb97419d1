/* page-walk.js: takes trainers through a list of operations, as an app would that waits for nothing, and judges how each
 * promise settles.
 *
 * Invariant: when a walk has ended every promise that it was given has settled, each as the rules allow it, or the walk
 * has thrown. What is known here is what an app knows: calls, promises, events and status(). */
import { createTrainer } from '../../web/index.js';
import { dataOf, weightsOf, SPECS } from './wire-operations.js';
import { refusals } from './wire-rules.js';
import { RunRecords } from './run-records.js';
import { Story } from './story.js';

const TYPES = { predict: 'PREDICT', evaluate: 'EVALUATE_MODEL', getWeights: 'GET_WEIGHTS', setWeights: 'SET_WEIGHTS', fit: 'START_TRAINING' };
const CONTROLS = ['stop', 'pause', 'resume'];

export const tally = { operations: 0, walks: 0, settled: 0, deaths: 0, stories: 0, told: 0 };

const immediate = () => new Promise((resolve) => setImmediate(resolve));

/**
 * @typedef {object} Call
 * @property {any} op
 * @property {boolean} busy       a run was on
 * @property {boolean} disposed   the trainer had been
 * @property {AbortController | null} controller
 * @property {any} run
 * @property {boolean} stopped    somebody asked for its end
 * @property {boolean} settled
 */

/**
 * One walk over one trainer at a time.
 * @param {object} setting
 * @param {'worker' | 'main'} setting.mode
 * @param {(how: string, after: number) => void} setting.die
 * @param {() => number} setting.deaths  so far
 * @param {() => void} setting.spare
 */
export function createPageWalker({ mode, die, deaths, spare }) {
  /** @type {any} */ let trainer = null;
  /** @type {string[]} */ let violations = [];
  /** @type {Call[]} */ let calls = [];
  /** @type {Call | null} */ let current = null;
  /** @type {Story} */ let story;
  let disposing = false;
  let model = '';
  let mayBeLost = false;

  const died = () => mayBeLost;
  const judge = () => {
    if (violations.length > 0) throw new Error(violations.join('\n'));
  };
  /** @param {string} what */
  const note = (what) => void violations.push(what);

  /** @param {Call} call @param {any} error null: none @param {any} value */
  function settle(call, error, value) {
    if (call.settled) return note(`${call.op.op} settled twice`);
    call.settled = true;
    tally.settled++;
    const { op } = call;
    if (CONTROLS.includes(op.op)) return error && judgeControl(call, error);
    const { codes, must } = refusals(TYPES[/** @type {'fit'} */ (op.op)], { ...op, upload: 0 }, { model, uploads: new Map() });
    const allowed = new Set(codes);
    if (op.epochs === 0 || op.batch === 0) allowed.add('INVALID_OPTION');
    if (call.busy) allowed.add('BUSY');
    if (disposing) allowed.add('DISPOSED');
    if (call.controller?.signal.aborted) allowed.add('ABORTED');
    if (died()) for (const code of ['WORKER_LOST', 'DATA_LOST', 'TIMEOUT']) allowed.add(code);
    if (error) {
      if (error.name !== 'OffstageError' || !allowed.has(error.code)) note(`${JSON.stringify(op)} ended with ${error.stack ?? error}, expected ${must ? '' : 'an answer, or '}${[...allowed]}`);
      return;
    }
    if (call.disposed || (call.busy && ['fit', 'setWeights'].includes(op.op))) return note(`${op.op} was served, expected ${call.disposed ? 'DISPOSED' : 'BUSY'}`);
    const early = op.op === 'fit' && value.reason === 'stopped' && value.steps === 0;
    if (must && !early) return note(`${JSON.stringify(op)} was served, expected ${codes}`);
    if (op.op === 'setWeights') story.set(op.of);
    if (op.op === 'fit') {
      attempt(() => /** @type {any} */ (call).records.complete(value, call.stopped || disposing));
      story.fit(op, value);
    }
  }

  /** @param {Call} call @param {any} error */
  function judgeControl({ op, run }, error) {
    const fine = op.op !== 'stop' && ((disposing && error.code === 'DISPOSED') || died());
    if (!fine) note(`${op.op} failed: ${error.stack}`);
    void run;
  }

  /** @param {() => void} action */
  function attempt(action) {
    try {
      action();
    } catch (error) {
      note(/** @type {Error} */ (error).message);
    }
  }

  /** @param {Call} call @param {PromiseLike<any>} promise */
  function follow(call, promise) {
    calls.push(call);
    promise.then((value) => settle(call, null, value), (error) => settle(call, error, null));
  }

  /** @param {any} op @returns {Call} */
  function callOf(op) {
    const busy = current !== null && !current.settled && trainer.status().state !== 'ready';
    return { op, busy, disposed: disposing, controller: op.abort ? new AbortController() : null, run: null, stopped: false, settled: false };
  }

  /** @param {any} op */
  function fit(op) {
    const call = callOf(op);
    const { x, y } = dataOf(op.data, op.n);
    const { epochs, batch: batchSize, shuffle, split: validationSplit, hz: progressHz, transfer } = op;
    const run = trainer.fit(x, y, { epochs, batchSize, shuffle, validationSplit, progressHz, transfer, signal: call.controller?.signal });
    const records = new RunRecords(op);
    Object.assign(call, { run, records });
    run.addEventListener('progress', (/** @type {any} */ { detail }) => {
      if (call.settled) note('progress of a run that has ended');
      attempt(() => records.record(detail));
    });
    if (op.iterate) void iterate(run);
    follow(call, run);
    if (!call.busy && !disposing) {
      current = call;
      story.began();
    }
  }

  /** @param {any} run */
  async function iterate(run) {
    let epochs = 0;
    try {
      for await (const { kind, epoch } of run) if (kind === 'epoch' && epoch !== ++epochs) note(`iterated to epoch ${epoch} after ${epochs - 1}`);
    } catch { /* the run's promise tells */ }
  }

  /** @param {any} op */
  function step(op) {
    if (op.op === 'create') return;
    if (op.op === 'fit') return fit(op);
    if (CONTROLS.includes(op.op)) {
      if (!current) return;
      if (op.op === 'stop') current.stopped = true;
      const call = callOf(op);
      return follow(call, current.run[op.op]());
    }
    const call = callOf(op);
    const { signal } = call.controller ?? {};
    const { x, y } = op.data ? dataOf(op.data, op.n) : { x: null, y: null };
    switch (op.op) {
      case 'predict': return follow(call, trainer.predict(x, { signal, transfer: op.transfer }));
      case 'evaluate': return follow(call, trainer.evaluate(x, y, { signal, batchSize: op.batch }));
      case 'getWeights': return follow(call, trainer.getWeights());
      case 'setWeights': return follow(call, trainer.setWeights(weightsOf(op.of)));
      case 'abort': return calls.findLast(({ controller, settled }) => controller && !settled)?.controller?.abort();
      case 'die': return void die(op.how, op.after);
      case 'dispose': return void dispose();
      default: throw new Error(`no such operation: ${op.op}`);
    }
  }

  let disposal = Promise.resolve();
  function dispose() {
    disposing = true;
    disposal = trainer.dispose();
  }

  async function settled() {
    while (calls.some((call) => !call.settled)) {
      judge();
      await immediate();
    }
    judge();
  }

  async function rest() {
    if (current && !current.settled) {
      current.stopped = true;
      await current.run.stop();
    }
    await settled();
    const { state } = trainer.status();
    const expected = disposing ? ['disposed'] : died() ? ['ready', 'lost'] : ['ready'];
    if (!expected.includes(state)) throw new Error(`at rest, and ${state}; expected ${expected}`);
    if (!disposing && state === 'ready') tally[story.compare(await trainer.getWeights())]++;
    spare();
    dispose();
    await disposal;
    await settled();
  }

  return {
    /** @param {any} first @param {any[]} operations */
    async walk(first, operations) {
      [violations, calls, current, disposing, mayBeLost, model] = [[], [], null, false, false, first.spec];
      story = new Story(model);
      const before = deaths();
      trainer = await createTrainer(SPECS[/** @type {'A'} */ (model)], { mode, threads: mode === 'worker' ? first.threads : 1 });
      try {
        for (const op of operations) {
          tally.operations++;
          if (op.op === 'die') mayBeLost = true;
          if (op.op === 'turns') for (let i = 0; i < op.n; i++) await immediate();
          else if (op.op === 'settle') for (let i = 0; i < 50 && calls.some((call) => !call.settled); i++) await immediate();
          else step(op);
          judge();
        }
        await rest();
        tally.walks++;
      } finally {
        spare();
        await trainer.dispose();
        tally.deaths += deaths() - before;
      }
    },
  };
}
