/* status.js: what GET_STATUS tells: a plain picture of a session as it stands. */

/**
 * @param {object} parts
 * @param {import('./model.js').Model | null} parts.model
 * @param {import('./run.js').Run | null} parts.run
 * @param {import('./pump.js').Pump} parts.pump
 * @param {import('./yield.js').Host} parts.host
 * @returns {import('./protocol.js').Status}
 */
export function statusOf({ model, run, pump, host }) {
  const { memory } = model?.core ?? {};
  return {
    state: run ? (run.paused ? 'paused' : 'training') : model ? 'ready' : 'empty',
    epoch: run?.epoch ?? 0,
    totalEpochs: run?.settings.epochs ?? 0,
    batch: run?.batch ?? 0,
    totalBatches: run?.totalBatches ?? 0,
    step: model?.step ?? 0,
    memoryBytes: memory?.buffer().byteLength ?? 0,
    usedBytes: memory?.used() ?? 0,
    slices: pump.slices,
    unitsPerMs: pump.rate,
    thread: host.threadId ?? 0,
  };
}
