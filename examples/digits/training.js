/* training.js: one trainer at a time, from the press of Train to the end of its run. Nothing of the page is known here.
 * Invariant: a start supersedes what was before it, whatever state that was in; what a superseded run still says
 * is not passed on. Every failure reaches on.failed. */
import { createTrainer } from '../../web/index.js';
import { BATCH_SIZE, NETWORK, loadDigits } from './network.js';

/** @typedef {import('../../web/index.js').Trainer} Trainer */
/** @typedef {'idle' | 'starting' | 'training' | 'paused' | 'stopping'} State */

/**
 * @typedef {object} Listener
 * @property {(state: State) => void} state
 * @property {(info: import('../../web/index.js').Info) => void} ready
 * @property {(record: import('../../web/index.js').Progress) => void} progress
 * @property {(result: import('../../web/index.js').Result | null) => void} ended null: stopped before it began
 * @property {() => void} lost the run, or its start, failed, and the trainer went with it
 * @property {(error: any, doing: string) => void} failed what, and why
 */

/** @param {Listener} on */
export function createTraining(on) {
  /** @type {State} */
  let state = 'idle';
  /** @type {Trainer | null} */
  let trainer = null;
  /** @type {import('../../web/index.js').Run | null} */
  let run = null;
  let cancel = new AbortController();

  /** @param {State} next */
  function turn(next) {
    state = next;
    on.state(next);
  }

  /** @returns {AbortSignal} aborted as soon as another start, or a stop, supersedes this one */
  function supersede() {
    cancel.abort();
    cancel = new AbortController();
    return cancel.signal;
  }

  /** A fresh network each time: the same seed, so the same result. @param {{ mode: 'auto' | 'main', epochs: number }} options */
  async function start({ mode, epochs }) {
    const signal = supersede();
    turn('starting');
    try {
      await drop();
      const digits = await loadDigits();
      if (signal.aborted) return;
      const made = await createTrainer(NETWORK, { mode, signal });
      if (signal.aborted) return await made.dispose();
      trainer = made;
      on.ready(made.info);
      const { x, y, validationSplit } = digits;
      const mine = made.fit(x, y, { epochs, batchSize: BATCH_SIZE, validationSplit });
      run = mine;
      turn('training');
      for await (const record of mine) if (!signal.aborted) on.progress(record);
      const result = await mine;
      if (signal.aborted) return;
      turn('idle');
      on.ended(result);
    } catch (error) {
      if (signal.aborted && /** @type {any} */ (error).code === 'ABORTED') return;
      on.failed(error, 'Training');
      if (signal.aborted) return;
      const dropped = drop(); // at once out of reach of questions, then disposed of
      turn('idle');
      on.lost();
      await dropped.catch((failure) => on.failed(failure, 'Clearing up'));
    }
  }

  async function drop() {
    const old = trainer;
    trainer = run = null;
    await old?.dispose();
  }

  /**
   * @param {'pause' | 'resume'} call
   * @param {State} from
   * @param {State} to
   */
  async function hold(call, from, to) {
    const asked = run;
    if (!asked || state !== from) return;
    try {
      await asked[call]();
      if (run === asked && state === from) turn(to);
    } catch (error) {
      on.failed(error, call === 'pause' ? 'Pause' : 'Resume');
    }
  }

  async function stop() {
    if (state === 'starting') {
      supersede();
      turn('idle');
      on.ended(null);
    } else if (run && (state === 'training' || state === 'paused')) {
      turn('stopping');
      await run.stop().catch((error) => on.failed(error, 'Stop'));
    }
  }

  return {
    start,
    stop,
    pause: () => hold('pause', 'training', 'paused'),
    resume: () => hold('resume', 'paused', 'training'),
    get state() { return state; },

    /** Of one image; null where there is no network to ask. @param {Uint8Array} pixels */
    async predict(pixels) {
      const asked = trainer;
      if (!asked) return null;
      try {
        return await asked.predict(pixels);
      } catch (error) {
        if (trainer !== asked) return null; // it was replaced meanwhile, and the next answer comes from its successor
        throw error;
      }
    },
  };
}
