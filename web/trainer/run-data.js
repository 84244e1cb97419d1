/* run-data.js: knows where the data of one run are, and brings them into one session after another.
 * Invariant: data that were handed over (transfer) and are gone with a session are never sent as if
 * they were there: they come from storage, or the run fails with DATA_LOST. */
import { OffstageError } from '../../worker/host/errors.js';
import { STORED, dataLost, deliver, isGone } from './handover.js';

/** @typedef {import('../host/client.js').Client} Client */
/** @typedef {import('./handover.js').Source} Source */
/** What START_TRAINING's payload says of data. @typedef {Record<string, unknown>} DataFields */

export class RunData {
  #sources;
  #classWeight;
  #transfer;
  #persisted;

  /**
   * @param {Source[]} sources x, y, and the samples' weights, where they have some
   * @param {object} options
   * @param {Record<string, number>} [options.classWeight] goes where the data go
   * @param {boolean} options.transfer
   * @param {boolean} options.persisted the run keeps its data on storage
   */
  constructor(sources, { classWeight, transfer, persisted }) {
    this.#sources = sources;
    this.#classWeight = classWeight;
    this.#transfer = transfer;
    this.#persisted = persisted;
  }

  /** The run was begun with the data that storage holds. */
  get #areStored() {
    return this.#sources[0] === STORED;
  }

  /** The page had data, and has them no more. */
  get #areGone() {
    return !this.#areStored && this.#sources.some(isGone);
  }

  /**
   * Brings the data into the session, at once where they are small.
   * @param {Client} client
   * @param {() => void} check throws to end the delivery
   * @returns {DataFields | Promise<DataFields>}
   */
  deliver(client, check) {
    const classWeight = this.#classWeight;
    if (this.#areStored) return { x: STORED, y: STORED, classWeight };
    if (this.#areGone) return { x: STORED, y: STORED }; // with the weights beside them
    /** @param {unknown[]} values */
    const fields = ([x, y, sampleWeight]) => ({ x, y, sampleWeight, classWeight });
    const values = deliver(client, this.#sources, { transfer: this.#transfer, check });
    return 'then' in values ? values.then(fields) : fields(values);
  }

  /**
   * A session is lost: are the data lost with it? Where storage has data, the next session tells by
   * the kept checkpoint whether they are the same.
   * @param {boolean} isKept there is a checkpoint of the run
   */
  lost(isKept) {
    return this.#areGone && !(isKept && this.#persisted);
  }

  /**
   * Reads a session's refusal of the data from storage, which are not the ones that were lost.
   * @param {unknown} error
   * @param {boolean} isKept
   */
  explain(error, isKept) {
    const refused = error instanceof OffstageError && error.code === 'INVALID_DATA';
    return refused && this.#areGone && isKept && this.#persisted ? dataLost(error) : error;
  }
}
