/* run-data.js: knows where the data of one run are, and brings them into one session after another.
 * Invariant: every session trains on the data as they were when fit() was called: on the page's own
 * copy of them. Without one (`keep: false`, `transfer: true`) a session that stands in for a lost
 * one gets the very same data, by their fingerprint or from storage, or the run fails with
 * DATA_LOST. */
import { OffstageError } from '../../worker/host/errors.js';
import { bytesOf, capture, release } from './capture.js';
import { HANDED_OVER, STORED, dataLost, deliver, isGone } from './handover.js';

/** @typedef {import('../host/client.js').Client} Client */
/** @typedef {import('./handover.js').Source} Source */
/** What START_TRAINING's payload says of data. @typedef {Record<string, unknown>} DataFields */

const NOT_KEPT = 'are not kept by the page (keep: false)';

export class RunData {
  /** Of the page's own copy, once it is taken. */
  bytes = 0;
  #sources;
  #options;
  /** What the first session has got of what is not kept. @type {WeakMap<Source, string>} */
  #sent = new WeakMap();
  /** A session has got all of it. */
  #delivered = false;
  /** How the latest session was lost. @type {OffstageError | undefined} */
  #loss;

  /**
   * @param {Source[]} sources x, y, and the samples' weights, where they have some
   * @param {object} options
   * @param {Record<string, number>} [options.classWeight] goes where the data go
   * @param {boolean} options.transfer
   * @param {boolean} options.keep
   * @param {boolean} options.persisted the run keeps its data on storage
   */
  constructor(sources, options) {
    this.#sources = sources;
    this.#options = options;
  }

  /** Takes the data as they are. */
  take() {
    if (this.#areStored) return;
    this.#sources = capture(this.#sources, this.#options);
    const kept = this.#sources.filter(({ guard }) => !guard);
    this.bytes = kept.reduce((sum, source) => sum + bytesOf(source), 0);
  }

  /** Drops the data: no session will ask for them any more. */
  drop() {
    release(this.#sources);
    this.#sources = [];
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
    const { classWeight, transfer } = this.#options;
    if (this.#areStored) return { x: STORED, y: STORED, classWeight };
    if (this.#areGone) {
      if (!this.#options.persisted) throw this.#lostError();
      return { x: STORED, y: STORED }; // with the weights beside them
    }
    /** @param {unknown[]} values */
    const fields = ([x, y, sampleWeight]) => {
      this.#delivered = true;
      return { x, y, sampleWeight, classWeight };
    };
    const values = deliver(client, this.#sources, {
      transfer,
      check,
      sent: (source, fingerprint) => this.#compare(source, fingerprint),
    });
    if (!('then' in values)) return fields(values);
    return values.then(fields, (error) => {
      throw this.#delivered && error?.code === 'INVALID_DATA' ? this.#unreadable(error) : error;
    });
  }

  /** What was read before cannot be read any more. @param {OffstageError} error */
  #unreadable({ message }) {
    return dataLost(`${NOT_KEPT} and have changed since (${message})`, this.#loss);
  }

  /** @param {Source} source @param {string} fingerprint */
  #compare(source, fingerprint) {
    if (this.#options.transfer || source.copy) return;
    source.guard = undefined; // from here on the fingerprint tells
    const before = this.#sent.get(source);
    if (before === undefined) this.#sent.set(source, fingerprint);
    else if (before !== fingerprint) {
      throw dataLost(`${NOT_KEPT} and ${source.name} has changed since`, this.#loss);
    }
  }

  /**
   * A session is lost: fails where the data are lost with it. Where storage has data, the next
   * session tells by the kept checkpoint whether they are the same.
   * @param {OffstageError | undefined} loss
   * @param {boolean} isKept there is a checkpoint of the run
   */
  lost(loss, isKept) {
    this.#loss = loss;
    if (this.#areGone && !(isKept && this.#options.persisted)) throw this.#lostError();
  }

  #lostError(cause = this.#loss) {
    const { transfer } = this.#options;
    return dataLost(transfer ? HANDED_OVER : `${NOT_KEPT}, whose arrays are detached`, cause);
  }

  /**
   * Reads a session's refusal of the data from storage, which are not the ones that were lost.
   * @param {unknown} error
   * @param {boolean} isKept
   */
  explain(error, isKept) {
    const refused = error instanceof OffstageError && error.code === 'INVALID_DATA';
    const wanted = refused && this.#areGone && isKept && this.#options.persisted;
    return wanted ? this.#lostError(error) : error;
  }
}
