/* training.js: one trainer at a time, from the press of Train to the end of its run, and from one
 * visit of the page to the next: the worker stores what it has learned, and a page that comes back
 * goes on. Nothing of the page is known here. Invariant: a start supersedes what was before it,
 * whatever state that was in; what a superseded run still says is not passed on. Every failure
 * reaches on.failed. */
import { createTrainer, listTrainers, resumeTrainer } from '../../web/index.js';
import { BATCH_SIZE, NETWORK, loadDigits } from './network.js';

/** @typedef {import('../../web/index.js').Trainer} Trainer */
/** @typedef {import('../../web/index.js').FitOptions} FitOptions */
/** @typedef {'idle' | 'starting' | 'training' | 'paused' | 'stopping'} State */
/** @typedef {{ mode: 'auto' | 'main' }} Where */

/** Under which the run is stored. */
const NAME = 'digits';
/** Between two checkpoints: what a reload costs at most. One has 70 KB. */
const SECONDS = 1;
/** What a trainer tells that is worth a line on the page. */
const HAPPENINGS = ['restart', 'fallback', 'resumed', 'warning'];

/**
 * @typedef {object} Listener
 * @property {(state: State) => void} state
 * @property {(trainer: Trainer, epochs: number | null) => void} ready epochs of the run that begins
 *   or goes on; null: none does
 * @property {(record: import('../../web/index.js').Progress) => void} progress
 * @property {(result: import('../../web/index.js').Result | null) => void} ended null: stopped
 *   before it began
 * @property {(busy: boolean) => void} lost the run, or its start, failed, and the trainer went with
 *   it; busy: another tab has the stored run
 * @property {(error: any, doing: string) => void} failed what, and why
 * @property {(type: string, detail?: any) => void} happened an event of the trainer's, or
 *   'reloaded', 'busy'
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
  /**
   * Undefined where another tab of this page owns the name: the run is this page's own then.
   * @type {FitOptions['persist']}
   */
  let persist = { name: NAME, seconds: SECONDS };

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

  /**
   * A fresh network each time: the same seed, so the same result.
   * @param {Where & { epochs: number }} options
   */
  const start = ({ mode, epochs }) =>
    launch(
      (signal) => createTrainer(NETWORK, { mode, signal }),
      (_, { validationSplit }) => ({ epochs, batchSize: BATCH_SIZE, validationSplit }),
    );

  /**
   * What the last visit has left, if anything: a run that was interrupted goes on.
   * @param {Where} options
   */
  async function comeBack({ mode }) {
    const stored = await listTrainers().catch((error) =>
      on.failed(error, 'Looking for a stored run'),
    );
    if (state !== 'idle' || !stored?.some(({ name }) => name === NAME)) return;
    await launch(
      (signal) => resumeTrainer(NAME, { mode, signal }),
      (made) => {
        const last = made.runs.at(-1);
        return last && last.endedAt === null ? { epochs: last.options.epochs, resume: true } : null;
      },
    );
  }

  /**
   * @param {(signal: AbortSignal) => Promise<Trainer>} make
   * @param {(made: Trainer, digits: import('./network.js').Digits) => FitOptions & { epochs: number
   *   } | null} choose options of
   *   the run; null: none is to be made
   */
  async function launch(make, choose) {
    const signal = supersede();
    turn('starting');
    try {
      await drop();
      const digits = await loadDigits();
      if (signal.aborted) return;
      const made = await make(signal);
      if (signal.aborted) return await made.dispose();
      trainer = made;
      for (const type of HAPPENINGS) {
        const heard = (/** @type {CustomEvent} */ { detail }) =>
          !signal.aborted && on.happened(type, detail);
        made.addEventListener(/** @type {any} */ (type), heard);
      }
      const options = choose(made, digits);
      on.ready(made, options && options.epochs);
      if (!options) return turn('idle');
      const mine = made.fit(digits.x, digits.y, { ...options, persist });
      run = mine;
      turn('training');
      if (options.resume) on.happened('reloaded');
      for await (const record of mine) if (!signal.aborted) on.progress(record);
      const result = await mine;
      if (signal.aborted) return;
      turn('idle');
      on.ended(result);
    } catch (error) {
      await failed(error, signal, () => launch(make, choose));
    }
  }

  /** @param {any} error @param {AbortSignal} signal @param {() => Promise<void>} again */
  async function failed(error, signal, again) {
    if (signal.aborted && error.code === 'ABORTED') return;
    const busy = error.code === 'BUSY' && persist !== undefined;
    if (busy) {
      persist = undefined;
      on.happened('busy');
    } else {
      on.failed(error, 'Training');
    }
    if (signal.aborted) return;
    if (busy && trainer) return again(); // without a name
    const dropped = drop(); // at once out of reach of questions, then disposed of
    turn('idle');
    on.lost(busy);
    await dropped.catch((failure) => on.failed(failure, 'Clearing up'));
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
    comeBack,
    stop,
    pause: () => hold('pause', 'training', 'paused'),
    resume: () => hold('resume', 'paused', 'training'),
    get state() {
      return state;
    },

    /** Of one image; null where there is no network to ask. @param {Uint8Array} pixels */
    async predict(pixels) {
      const asked = trainer;
      if (!asked) return null;
      try {
        return await asked.predict(pixels);
      } catch (error) {
        // It was replaced meanwhile, and the next answer comes from its successor.
        if (trainer !== asked) return null;
        throw error;
      }
    },
  };
}
