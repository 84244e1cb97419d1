/* run-records.js: what a run tells while it trains, and at its end, must be one story: every epoch
 * once and in order, steps that never go back, and a result that repeats it. Throws where it is
 * not. */

export class RunRecords {
  /** Epoch records so far. @type {any[]} */ epochs = [];
  #last = { epoch: 0, batch: 0, step: -1 };
  /** It stands, and nobody has asked it to go on. */ paused = false;
  /**
   * Of epochs; undefined until told, where the run that is resumed says so.
   * @type {number | undefined}
   */
  #wanted;
  #resumes;

  /** @param {{ epochs?: number, op?: string, resume?: boolean }} of */
  constructor({ epochs, op, resume = op === 'again' }) {
    this.#wanted = epochs;
    this.#resumes = resume;
  }

  /** @param {{ records: any[] }} payload */
  progress({ records }) {
    if (this.paused) throw new Error('progress of a paused run');
    if (!(records.length > 0)) throw new Error('progress without a record');
    if (records.slice(0, -1).some(({ kind }) => kind === 'batch'))
      throw new Error('a batch record before another');
    for (const record of records) this.record(record);
  }

  /** @param {any} record */
  record(record) {
    const { kind, epoch, batch, step, loss, totalEpochs } = record;
    const last = this.#last;
    if (!Number.isFinite(loss)) throw new Error(`a loss of ${loss}`);
    this.#wanted ??= totalEpochs;
    if (totalEpochs !== this.#wanted)
      throw new Error(`of ${totalEpochs} epochs, expected ${this.#wanted}`);
    if (epoch < last.epoch || (epoch === last.epoch && batch < last.batch) || step < last.step) {
      throw new Error(
        `went back to ${epoch}/${batch} at ${step} from ${last.epoch}/${last.batch} at ${last.step}`,
      );
    }
    this.#last = { epoch, batch, step };
    if (kind !== 'epoch') return;
    const before = this.epochs.at(-1)?.epoch ?? (this.#resumes ? epoch - 1 : 0);
    if (epoch !== before + 1) throw new Error(`epoch ${epoch} after ${before}`);
    this.epochs.push(record);
  }

  /**
   * @param {any} result @param {boolean} mayStop
   * @param {boolean} [mayLose] a run that is stopped while its session is lost ends where the model
   *   stands: what was told beyond that is no part of its history
   */
  complete({ reason, history, epochs }, mayStop, mayLose = false) {
    if (reason !== 'finished' && !(reason === 'stopped' && mayStop))
      throw new Error(`ended as ${reason}`);
    if (reason === 'finished' && this.#wanted !== undefined && epochs !== this.#wanted)
      throw new Error(`finished after ${epochs} epochs`);
    const lost =
      mayLose && reason === 'stopped'
        ? this.epochs.filter(({ epoch }) => epoch > history.length).length
        : 0;
    const kept = this.epochs.slice(0, this.epochs.length - lost);
    const told = kept.map(({ epoch, loss }) => `${epoch}:${loss}`).join();
    const own = this.#resumes ? history.slice(history.length - kept.length) : history;
    if (own.map((/** @type {any} */ { epoch, loss }) => `${epoch}:${loss}`).join() !== told)
      throw new Error(`a history other than what was told: ${told}`);
    if (epochs !== history.length)
      throw new Error(`${epochs} epochs, a history of ${history.length}`);
  }
}
