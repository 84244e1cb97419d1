/* stages.js: what a session is doing, for how long it has done what, and how it stands.
 *
 * One stage at a time; time between two requests belongs to none. Nothing depends on the report. */

/**
 * Seconds of each stage.
 * @typedef {object} StageSeconds
 * @property {number} loading     of files, checkpoints and data
 * @property {number} compiling   of the wasm, and making the model
 * @property {number} training    steps
 * @property {number} validating  after epochs
 * @property {number} saving      of checkpoints
 */
/** @typedef {keyof StageSeconds} Stage */

export class Stages {
  /** @type {Stage | 'done'} */ now = 'done';
  /** @type {StageSeconds} */
  #seconds = { loading: 0, compiling: 0, training: 0, validating: 0, saving: 0 };
  #since = 0;
  #host;

  /** @param {import('../host/clock.js').Host} host */
  constructor(host) {
    this.#host = host;
  }

  /** @param {Stage | 'done'} stage @returns {Stage | 'done'} the one before */
  enter(stage) {
    const before = this.now;
    const time = this.#host.now();
    if (before !== 'done') this.#seconds[before] += (time - this.#since) / 1000;
    this.#since = time;
    this.now = stage;
    return before;
  }

  /** Leaves out a stop of the clock. @param {number} ms */
  leaveOut(ms) {
    this.#since += ms;
  }

  /** Describes the stage, and the seconds of each up to this moment. */
  describe() {
    this.enter(this.now);
    return { stage: this.now, stageSeconds: { ...this.#seconds } };
  }
}

/**
 * What GET_STATUS tells: a session as it stands.
 * @param {object} parts
 * @param {import('./model.js').Model | null} parts.model
 * @param {import('./run/loop.js').Run | null} parts.run
 * @param {import('../host/pump.js').Pump} parts.pump
 * @param {import('../host/clock.js').Host} parts.host
 * @param {Stages} parts.stages
 * @param {number} parts.startedAt
 * @returns {import('../protocol.js').Status}
 */
export function statusOf({ model, run, pump, host, stages, startedAt }) {
  const { memory } = model?.core ?? {};
  return {
    state: run ? (run.paused ? 'paused' : 'training') : model ? 'ready' : 'empty',
    epoch: run?.epoch ?? 0,
    totalEpochs: run?.settings.run.epochs ?? 0,
    batch: run?.batch ?? 0,
    totalBatches: run?.totalBatches ?? 0,
    step: model?.step ?? 0,
    memoryBytes: memory?.buffer().byteLength ?? 0,
    usedBytes: memory?.used() ?? 0,
    slices: pump.slices,
    unitsPerMs: pump.rate,
    thread: host.threadId ?? 0,
    helpers: model?.core.helpers ?? 0,
    threads: (run ? model?.core.threads : model?.core.mostThreads) ?? 0,
    ...stages.describe(),
    startedAt,
  };
}
