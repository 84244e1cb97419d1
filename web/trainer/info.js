/* info.js: describes a trainer's model and where it runs: what trainer.info tells.
 * Invariant: all of it is the session's own description, but for what only the page knows. */

/**
 * @typedef {object} Info
 * @property {'worker' | 'main'} mode
 * @property {import('../../worker/host/variants.js').Variant} variant the wasm that runs
 * @property {number} threads that may compute, spawned yet or not; while it trains, as many of them
 *   as make it faster at the moment
 * @property {string | null} reason why it runs otherwise than asked or best, where it does
 * @property {number} parameters
 * @property {number} memoryBytes
 * @property {number} startupMs from createTrainer() to a ready model
 * @property {Array<{ type: string, name: string, input: string | string[], outputShape: number[],
 *   parameters: number, [field: string]: unknown }>} layers
 * @property {number} trainableParameters
 * @property {number} stepBytes buffers of one step: of the latest run's, or, where there was none,
 *   of predicting one sample
 * @property {number} liveBytes that such a step has in use at one time at least, whatever the
 *   layout
 * @property {number[] | Record<string, number[]>} inputShape
 * @property {{ name: string, shape: number[], size: number }[]} inputs of each: its shape, and the
 *   elements of one sample
 * @property {import('../../worker/protocol.js').ModelReady['outputs']} outputs { name, shape, loss,
 *   lossWeight, labels, ... } of each
 * @property {number[]} outputShape of the first output, like classes and targets
 * @property {number} classes 0: not a classifier
 * @property {number} targets class indices of one sample; 0: y is rows only
 * @property {any} loss as in the spec
 * @property {{ type: string, [field: string]: unknown }} optimizer
 * @property {string[]} metrics
 * @property {string[] | Record<string, string[]> | null} labels
 * @property {number} inputScale
 * @property {number} inputOffset
 * @property {number} seed
 * @property {string} coreVersion
 * @property {Persist | null} persist where checkpoints last
 * @property {number} keptBytes data of the run that is on which the page keeps, so that a session
 *   in place of a lost one trains on the same: of the size of x and y as the worker has them; 0
 *   without a run, with keep: false or transfer: true, and where nothing is restarted
 */
/**
 * reason: why not in a better place.
 * @typedef {{ name: string, storage: string, reason: string | null }} Persist
 */

/**
 * @param {any} ready the payload of MODEL_READY or CHECKPOINT_LOADED
 * @param {{ mode: 'worker' | 'main' | undefined, reasons: string[], startupMs: number, persist:
 *   Persist | null, keptBytes: number }} page reasons: of the place; the last two: as before
 * @returns {Info}
 */
export function infoOf(ready, { mode, reasons, startupMs, persist, keptBytes }) {
  const { reason, step, run, runs, totals, persisted, stage, stageSeconds, ...built } = ready;
  const all = reason ? [...reasons, reason] : reasons;
  return {
    ...built,
    inputs: built.inputs.map(publicInput),
    mode,
    reason: all.length > 0 ? all.join('; ') : null,
    startupMs,
    persist: persisted ?? persist,
    keptBytes,
  };
}

/** @param {import('../../worker/data/columns.js').InputFacts} input */
const publicInput = ({ name, shape, size }) => ({ name, shape, size });
