/* snapshot.js: what a trainer shows to a view: one frozen object, another at each change and only
 * then, as useSyncExternalStore and its kin want it.
 * Invariant: a snapshot is never changed; one whose fields are those of the one before is that one.
 * A listener that throws harms nobody. */

/** @typedef {import('./trainer-status.js').Status} Status */
/**
 * @typedef {object} Snapshot
 * @property {Status['state']} state
 * @property {'worker' | 'main'} mode
 * @property {import('./run.js').Run | null} run the latest
 * @property {import('./run.js').RunState | null} runState how it stands
 * @property {number} epoch
 * @property {number} step
 * @property {Readonly<import('./run.js').Progress> | null} record the latest of that run
 * @property {readonly import('./run.js').Epoch[]} history its complete epochs: the same array until
 *   it grows
 * @property {unknown} error that ended it, or the trainer
 */

export class Snapshots {
  #read;
  #failed;
  /** @type {Readonly<Snapshot> | undefined} */
  #last;
  /** The snapshot that listeners know. @type {Readonly<Snapshot> | undefined} */
  #told;
  /** @type {Set<{ listener: (snapshot: Readonly<Snapshot>) => void }>} */
  #listeners = new Set();

  /**
   * @param {() => Snapshot} read
   * @param {(error: unknown) => void} failed called with what a listener throws
   */
  constructor(read, failed) {
    this.#read = read;
    this.#failed = failed;
  }

  /** @returns {Readonly<Snapshot>} */
  get present() {
    const fields = this.#read();
    const last = /** @type {any} */ (this.#last);
    const same = last && Object.entries(fields).every(([name, value]) => last[name] === value);
    if (!same) this.#last = Object.freeze(fields);
    return /** @type {Readonly<Snapshot>} */ (this.#last);
  }

  /** @param {(snapshot: Readonly<Snapshot>) => void} listener @returns {() => void} ends it */
  subscribe(listener) {
    const entry = { listener };
    if (this.#listeners.size === 0) this.#told = this.present;
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** Tells the listeners, where anything has changed. */
  changed() {
    if (this.#listeners.size === 0 || this.present === this.#told) return;
    const snapshot = (this.#told = this.present);
    for (const entry of [...this.#listeners]) {
      if (this.#told !== snapshot) return; // a listener has changed something: all know of it
      if (!this.#listeners.has(entry)) continue; // it has left meanwhile
      try {
        entry.listener(snapshot);
      } catch (error) {
        this.#failed(error);
      }
    }
  }
}
