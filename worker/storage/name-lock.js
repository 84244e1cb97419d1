/* name-lock.js: the trainer's name on storage that a session owns: at most one, from the request
 * that needs it to the model's end. What is written under it is checkpoint-store.js's. */

import { loadKept } from '../host/parts.js';

/** @typedef {import('./checkpoint-store.js').CheckpointStore} CheckpointStore */
/** @typedef {{ keeper: CheckpointStore, name: string, folder?: string }} Held */

export class NameLock {
  /** @type {Held | null} */ #held = null;
  #warn;

  /** @param {import('./checkpoint-store.js').StoreOptions['warn']} warn */
  constructor(warn) {
    this.#warn = warn;
  }

  /**
   * Opens a name, unless it is the session's already. It becomes the session's with hold().
   * @param {{ name: string, folder?: string, keep?: number }} wanted @param {string} [assets]
   * @returns {Promise<Held>}
   */
  async open({ name, folder, keep }, assets) {
    const held = this.#held;
    if (!held || held.name !== name || held.folder !== folder) {
      const { openStore } = await loadKept(assets);
      return { keeper: await openStore({ name, folder, keep, warn: this.#warn }), name, folder };
    }
    if (keep !== undefined) held.keeper.keepAtMost(keep);
    return held;
  }

  /**
   * Opens the name that a session before this one owned. Warns where another session has it.
   * @param {{ name?: any, folder?: any }} wanted @param {string} [assets]
   */
  async regain({ name, folder }, assets) {
    try {
      return await this.open({ name, folder }, assets);
    } catch (error) {
      if (/** @type {import('../host/errors.js').OffstageError} */ (error).code !== 'BUSY') {
        throw error;
      }
      this.#warn('STORAGE_FAILED', /** @type {Error} */ (error).message, error);
      return undefined;
    }
  }

  /** Makes this the session's name, and gives up the one before. @param {Held | null} held */
  hold(held) {
    if (this.#held !== held) this.#held?.keeper.close();
    this.#held = held;
  }

  /** Gives up a name that was opened but is not the session's. @param {Held | undefined} held */
  async release(held) {
    if (held && held !== this.#held) await held.keeper.close();
  }

  /** @returns {CheckpointStore | null} */
  get keeper() {
    return this.#held?.keeper ?? null;
  }

  /** Describes the name for a reply to the page. */
  report() {
    if (!this.#held) return null;
    const {
      name,
      keeper: { storage, reason },
    } = this.#held;
    return { name, storage, reason };
  }
}
