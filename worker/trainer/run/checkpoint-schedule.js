/* checkpoint-schedule.js: when a run takes a checkpoint, and where it goes: to the client, which
 * keeps the latest in case that this session dies, and to storage, where it outlives the page.
 *
 * A checkpoint is taken between two steps, and so rarely that those for each of the two cost at
 * most one part in SHARE of the time. A checkpoint that cannot be taken or written is warned of
 * and tried again later; no run ends for it. */

import { OffstageError } from '../../host/errors.js';

const SHARE = 200;
const KEEP_SECONDS = 5;
/** The wait after a checkpoint that failed. */
const RETRY_MS = 10_000;

/** @typedef {{ step: number, epoch: number }} At */
/**
 * @typedef {object} Saves
 * @property {import('../../host/pump.js').Pump} pump
 * @property {import('../../host/clock.js').Host} host
 * @property {number | null} snapshotMs  null: the client wants none
 * @property {(bytes: Uint8Array<ArrayBuffer>, step: number) => void} snapshot  to the client
 * @property {import('./settings.js').Persist | null} persist
 * @property {(bytes: Uint8Array<ArrayBuffer>, about: At) => Promise<unknown>} keep  writes it to
 *   storage; never rejects
 * @property {(error: OffstageError) => void} warn
 * @property {() => Generator<void, Uint8Array<ArrayBuffer>, void>} take
 * @property {() => At} at  the run's place
 */

export class CheckpointSchedule {
  #saves;
  /** The times when the next checkpoint is due: for the client, and for storage. */
  #snapshotAt = Infinity;
  #keepAt = Infinity;
  #epochsKept = 0;
  /** The cost of the last checkpoint, in ms. */ #cost = 0;
  /** The write that has not settled. @type {Promise<unknown> | null} */ #writing = null;

  /** @param {Saves} saves */
  constructor(saves) {
    this.#saves = saves;
    const { host, snapshotMs, persist } = saves;
    if (snapshotMs !== null) this.#snapshotAt = host.now() + snapshotMs;
    if (persist) this.#keepAt = -Infinity; // the first at once: there is something to come back to
  }

  /** @param {number} epochs complete ones */
  epochEnded(epochs) {
    const every = this.#saves.persist?.epochs;
    if (every && epochs - this.#epochsKept >= every) this.#keepAt = -Infinity;
    if (this.#keepAt === -Infinity) this.#epochsKept = epochs;
  }

  get #keepIsDue() {
    return this.#writing === null && this.#saves.pump.time >= this.#keepAt;
  }

  get due() {
    return this.#saves.pump.time >= this.#snapshotAt || this.#keepIsDue;
  }

  /** Takes a checkpoint that is due. @returns {import('../../host/pump.js').Work} */
  *save() {
    const { host, snapshotMs, snapshot, persist, at } = this.#saves;
    const lasting = this.#keepIsDue;
    const about = at();
    const bytes = yield* this.#take();
    const rest = bytes ? SHARE * this.#cost : RETRY_MS;
    const time = host.now();
    if (!lasting) this.#snapshotAt = time + Math.max(snapshotMs ?? 0, rest);
    else if (persist?.epochs) this.#keepAt = Infinity;
    else this.#keepAt = time + Math.max(1000 * (persist?.seconds ?? KEEP_SECONDS), rest);
    if (bytes && lasting) this.#write(bytes, about);
    else if (bytes) snapshot(bytes, about.step);
  }

  /**
   * Takes the last checkpoint, of a run that has ended.
   * @returns {Generator<void, Promise<unknown> | null, void>} the promise of its being stored
   */
  *last() {
    const { snapshotMs, snapshot, persist, at } = this.#saves;
    if (snapshotMs === null && !persist) return null;
    const about = at();
    const bytes = yield* this.#take();
    if (bytes && persist) this.#write(bytes, about);
    const hand = () => {
      if (bytes && snapshotMs !== null) snapshot(bytes, about.step); // goes to the client for good
    };
    if (this.#writing) return this.#writing.then(hand);
    hand();
    return null;
  }

  /** @param {Uint8Array<ArrayBuffer>} bytes @param {At} about */
  #write(bytes, about) {
    const { keep } = this.#saves;
    const writing = (this.#writing ?? Promise.resolve())
      .then(() => keep(bytes, about))
      .then(() => {
        if (this.#writing === writing) this.#writing = null;
      });
    this.#writing = writing;
  }

  /** @returns {Generator<void, Uint8Array<ArrayBuffer> | null, void>} null where it failed */
  *#take() {
    const { host, take, warn } = this.#saves;
    const work = take();
    this.#cost = 0;
    try {
      for (;;) {
        const began = host.now();
        const { done, value } = work.next();
        this.#cost += host.now() - began; // without the time of others in between
        if (done) return value;
        yield;
      }
    } catch (error) {
      if (!(error instanceof OffstageError)) throw error;
      warn(error);
      return null;
    }
  }
}
