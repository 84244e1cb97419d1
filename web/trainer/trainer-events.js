/* trainer-events.js: the events of a trainer, and how each reads in its log.
 * Invariant: every event but log itself has an entry. When events are told is not known here. */

/**
 * The types of events and their details.
 * @typedef {object} TrainerEvents
 * @property {{ level: Level, message: string, time: number }} log time: ms since 1970
 * @property {{ code: string, message: string }} warning something was not done as asked; training
 *   goes on
 * @property {{ at: number, cause: 'frozen' | 'gap' }} suspended the browser or the machine stopped
 *   training, `at` ms since 1970. 'gap': told afterwards, when the clock had jumped
 * @property {{ at: number, ms: number }} resumed it goes on, after ms
 * @property {{ attempt: number, error: Error, step: number }} restart a lost worker is replaced;
 *   `step` it goes on from
 * @property {{ reason: string, error: Error }} fallback the main thread goes on
 * @property {{ threadId: number, mode: 'worker' | 'main', reason: string | null }} workerstart
 * @property {{ threadId: number, mode: 'worker' | 'main', reason: string | null }} workerstop
 * @property {{ step: number, bytes: number, ms: number, storage: string, reason: string | null }}
 *   persisted a checkpoint is on storage; `reason`: why not in a better place
 */
/** @typedef {import('../host/events.js').Level} Level */

const seconds = (/** @type {number} */ ms) => `${(ms / 1000).toFixed(3)} s`;

/** @type {import('../host/events.js').Kinds} */
export const TRAINER_EVENTS = {
  waiting: ['log', 'warning', 'fallback', 'workerstart', 'workerstop'],
  entries: {
    warning: ({ code, message }) => ['warn', `${code}: ${message}`],
    suspended: ({ cause }) => ['info', `training is suspended (${cause})`],
    resumed: ({ ms }) => ['info', `training goes on after ${seconds(ms)}`],
    restart: ({ attempt, error, step }) => [
      'warn',
      `the worker is replaced at step ${step} (attempt ${attempt}): ${error?.message}`,
    ],
    fallback: ({ reason }) => ['warn', `the main thread goes on: ${reason}`],
    workerstart: ({ threadId, mode }) => ['info', `started: ${mode}, thread ${threadId}`],
    workerstop: ({ threadId, mode, reason }) => [
      'info',
      `ended: ${mode}, thread ${threadId}${reason ? `: ${reason}` : ''}`,
    ],
    persisted: ({ step, bytes, ms, storage }) => [
      'debug',
      `step ${step} is on storage (${storage}): ${bytes} bytes in ${seconds(ms)}`,
    ],
  },
};
