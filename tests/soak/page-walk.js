/* page-walk.js: takes trainers through a list of operations, as an app would that waits for
 * nothing, and judges how each promise settles.
 *
 * Invariant: when a walk has ended every promise that it was given has settled, each as the rules
 * allow it, or the walk has thrown. What is known here is what an app knows: calls, promises,
 * events and status(). */
import { createTrainer } from '../../web/index.js';
import { dataOf, weightsOf, SPECS } from './wire-operations.js';
import { refusals } from './wire-rules.js';
import { open as openCheckpoint } from './hostile-checkpoints.js';
import { RunRecords } from './run-records.js';
import { Story } from './story.js';

const TYPES = {
  predict: 'PREDICT',
  evaluate: 'EVALUATE_MODEL',
  getWeights: 'GET_WEIGHTS',
  setWeights: 'SET_WEIGHTS',
  fit: 'START_TRAINING',
  again: 'START_TRAINING',
  save: 'SAVE_CHECKPOINT',
  load: 'LOAD_CHECKPOINT',
};
/** Calls that are refused while a run is on. */
const ONE_RUN = ['fit', 'again', 'setWeights', 'load'];
const RUNS = ['fit', 'again'];
const RETRIES = 3; // createTrainer's own
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
  /** @type {{ bytes: Uint8Array, story: Story } | null} */ let saved = null;
  let disposing = false;
  let model = '';
  let alreadyDead = 0;

  /** As often has the worker died in this walk. */
  const died = () => deaths() - alreadyDead;
  /**
   * Whether a call may end for it: a run is followed through three in a row, a question is asked
   * once again.
   * @param {any} op
   */
  const mayBeLost = ({ op, transfer }) => {
    if (RUNS.includes(op)) return died() > (transfer ? 0 : RETRIES);
    return died() > (transfer || ['setWeights', 'load', 'pause', 'resume'].includes(op) ? 0 : 1);
  };
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
    const { codes, must } = refusals(
      TYPES[/** @type {'fit'} */ (op.op)],
      { ...op, upload: 0 },
      { model, uploads: new Map() },
    );
    const allowed = new Set(codes);
    if (op.epochs === 0 || op.batch === 0) allowed.add('INVALID_OPTION');
    // There may be no such run
    if (op.op === 'again') for (const code of ['INVALID_OPTION', 'INVALID_DATA']) allowed.add(code);
    if (call.busy) allowed.add('BUSY');
    if (disposing) allowed.add('DISPOSED');
    if (call.controller?.signal.aborted) allowed.add('ABORTED');
    if (mayBeLost(op))
      for (const code of ['WORKER_LOST', 'DATA_LOST', 'TIMEOUT']) allowed.add(code);
    if (error) {
      if (error.name !== 'OffstageError' || !allowed.has(error.code))
        note(
          `${JSON.stringify(op)} ended with ${error.stack ?? error}, expected ${must ? '' : 'an answer, or '}${[...allowed]}`,
        );
      return;
    }
    if (call.disposed || (call.busy && ONE_RUN.includes(op.op)))
      return note(`${op.op} was served, expected ${call.disposed ? 'DISPOSED' : 'BUSY'}`);
    const early =
      RUNS.includes(op.op) &&
      value.reason === 'stopped' &&
      (value.steps === 0 || value.run === null);
    if (must && !early) return note(`${JSON.stringify(op)} was served, expected ${codes}`);
    if (op.op === 'setWeights') story.set(op.of);
    if (op.op === 'load') story = /** @type {Story} */ (op.story).copy();
    if (op.op === 'save') keep(value);
    if (!RUNS.includes(op.op)) return;
    attempt(() =>
      /** @type {any} */ (call).records.complete(value, call.stopped || disposing, died() > 0),
    );
    if (value.steps === 0)
      [story.last] = [undefined, story.lose()]; // it may have begun or not
    else if (op.op === 'fit') story.fit(op, value);
    else story.resume(op, value);
  }

  /**
   * What a checkpoint holds is the story until now; or that with a run in its midst.
   * @param {Uint8Array} bytes
   */
  function keep(bytes) {
    const {
      about: { run },
    } = openCheckpoint(bytes);
    const on = current !== null && !current.settled;
    const midst = run?.ended === null;
    if (on !== midst) return; // the run begins or ends
    const copy = story.copy();
    const result = /** @type {any} */ ({
      reason: 'stopped',
      steps: run?.steps,
      history: { length: 0 },
    });
    if (midst && current?.op.op === 'fit') copy.fit(current.op, result);
    else if (midst) copy.resume(current?.op, result);
    saved = { bytes, story: copy };
  }

  /** @param {Call} call @param {any} error */
  function judgeControl({ op, run }, error) {
    const fine = op.op !== 'stop' && ((disposing && error.code === 'DISPOSED') || mayBeLost(op));
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
    promise.then(
      (value) => settle(call, null, value),
      (error) => settle(call, error, null),
    );
  }

  /** @param {any} op @returns {Call} */
  function callOf(op) {
    const busy = current !== null && !current.settled && trainer.status().state !== 'ready';
    return {
      op,
      busy,
      disposed: disposing,
      controller: op.abort ? new AbortController() : null,
      run: null,
      stopped: false,
      settled: false,
    };
  }

  /** @param {any} given */
  function fit(given) {
    const again = given.op === 'again';
    const { data = 'A', n = 19 } = (again ? story.last : given) ?? {};
    const op = again ? { ...given, data, n: given.same ? n : 7 } : given;
    const call = callOf(op);
    const { x, y } = dataOf(op.data, op.n);
    const {
      epochs,
      batch: batchSize,
      shuffle,
      split: validationSplit,
      hz: progressHz,
      transfer,
      otherData,
    } = op;
    const options = again
      ? { epochs, otherData, resume: true }
      : { epochs, batchSize, shuffle, validationSplit, progressHz, transfer };
    const run = trainer.fit(x, y, { ...options, signal: call.controller?.signal });
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
      // A snapshot may have been due between two epochs
      if (!again && story.isStopped) story.lose();
    }
  }

  /** @param {any} run */
  async function iterate(run) {
    let last = 0;
    try {
      for await (const { kind, epoch } of run) {
        if (kind !== 'epoch') continue;
        if (last > 0 && epoch !== last + 1) note(`iterated to epoch ${epoch} after ${last}`);
        last = epoch;
      }
    } catch {
      /* the run's promise tells */
    }
  }

  /** @param {any} op */
  function step(op) {
    if (op.op === 'create') return;
    if (RUNS.includes(op.op)) return fit(op);
    if (op.op === 'load') {
      const torn = op.of === 'torn' || !saved;
      const call = callOf({ ...op, spec: torn ? null : model, story: saved?.story });
      return follow(
        call,
        trainer.load(torn ? new Uint8Array(400) : /** @type {any} */ (saved).bytes),
      );
    }
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
      case 'predict':
        return follow(call, trainer.predict(x, { signal, transfer: op.transfer }));
      case 'evaluate':
        return follow(call, trainer.evaluate(x, y, { signal, batchSize: op.batch }));
      case 'save':
        return follow(call, trainer.save());
      case 'getWeights':
        return follow(call, trainer.getWeights());
      case 'setWeights':
        return follow(call, trainer.setWeights(weightsOf(op.of)));
      case 'abort':
        return calls
          .findLast(({ controller, settled }) => controller && !settled)
          ?.controller?.abort();
      case 'die':
        return void die(op.how, op.after);
      case 'dispose':
        return void dispose();
      default:
        throw new Error(`no such operation: ${op.op}`);
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
    const expected = disposing ? ['disposed'] : died() > RETRIES ? ['ready', 'lost'] : ['ready'];
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
      [violations, calls, current, saved, disposing, model] = [
        [],
        [],
        null,
        null,
        false,
        first.spec,
      ];
      story = new Story(model);
      alreadyDead = deaths();
      trainer = await createTrainer(SPECS[/** @type {'A'} */ (model)], {
        mode,
        threads: mode === 'worker' ? first.threads : 1,
      });
      try {
        for (const op of operations) {
          tally.operations++;
          if (op.op === 'turns') for (let i = 0; i < op.n; i++) await immediate();
          else if (op.op === 'settle')
            for (let i = 0; i < 50 && calls.some((call) => !call.settled); i++) await immediate();
          else step(op);
          judge();
        }
        await rest();
        tally.walks++;
      } finally {
        spare();
        await trainer.dispose();
        tally.deaths += died();
      }
    },
  };
}
