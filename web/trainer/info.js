/* info.js: describes a trainer's model and where it runs: what trainer.info tells.
 * Invariant: all of it is the session's own description, but for what only the page knows. */

/** @typedef {import('../../wasm-build/dist/spec.js').Loss} Loss */
/**
 * @typedef {object} Info
 * @property {'worker' | 'main'} mode where it computes: 'main': on the page's own thread
 * @property {import('../../worker/host/variants.js').Variant} variant the wasm that runs
 * @property {number} threads that may compute, spawned yet or not; while it trains, as many of them
 *   as make it faster at the moment
 * @property {string | null} reason why it runs otherwise than asked or best, where it does
 * @property {number} parameters numbers in all weights
 * @property {number} memoryBytes of the wasm memory, which never shrinks
 * @property {number} startupMs from createTrainer() to a ready model
 * @property {import('../../worker/protocol.js').BuiltLayer[]} layers as built, from input to
 *   output, with every field's value
 * @property {number} trainableParameters those that training changes
 * @property {number} stepBytes buffers of one step: of the latest run's, or, where there was none,
 *   of predicting one sample
 * @property {number} liveBytes that such a step has in use at one time at least, whatever the
 *   layout
 * @property {number[] | Record<string, number[]>} inputShape as in the spec
 * @property {Pick<import('../../worker/data/columns.js').InputFacts, 'name' | 'shape' | 'size'>[]}
 *   inputs in the order of x
 * @property {import('../../worker/protocol.js').ModelReady['outputs']} outputs { name, shape, loss,
 *   lossWeight, labels, ... } of each
 * @property {number[]} outputShape of the first output, like classes and targets
 * @property {number} classes 0: not a classifier
 * @property {number} targets class indices of one sample; 0: y is rows only
 * @property {Loss | Record<string, Loss>} loss as in the spec
 * @property {Record<string, unknown> & Pick<import('../../worker/protocol.js').BuiltLayer, 'type'>}
 *   optimizer with every option's value
 * @property {import('../../wasm-build/dist/spec.js').Metrics} metrics that are told beside the
 *   loss
 * @property {string[] | Record<string, string[]> | null} labels
 *   class names, in the order of their indices; null: none were given
 * @property {number} inputScale of uint8 data
 * @property {number} inputOffset added to these after it
 * @property {number} seed of first weights, shuffles and dropout
 * @property {string} coreVersion of the wasm
 * @property {Persist | null} persist where checkpoints last
 * @property {number} keptBytes data of the run that is on which the page keeps, so that a session
 *   in place of a lost one trains on the same: of the size of x and y as the worker has them; 0
 *   without a run, with keep: false or transfer: true, and where nothing is restarted
 */
/**
 * @typedef {object} Persist
 * @property {string} name the name that checkpoints are kept under
 * @property {string} storage 'opfs', 'indexeddb', 'folder' or 'memory'
 * @property {string | null} reason why not in a better place
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
