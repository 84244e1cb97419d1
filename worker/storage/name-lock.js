/* name-lock.js: the trainer's name on storage that a session holds: at most one, from the request that needs it to the
 * model's end. What is written under it is checkpoint-store.js's. */

import { loadKept } from '../host/parts.js';

/** @typedef {import('./checkpoint-store.js').Keeper} Keeper */
/** @typedef {{ keeper: Keeper, name: string, folder?: string }} Held */

export class Holding {
  /** @type {Held | null} */ #held = null;
  #warn;

  /** @param {import('./checkpoint-store.js').KeeperOptions['warn']} warn */
  constructor(warn) {
    this.#warn = warn;
  }

  /**
   * Opens a name, unless it is the one that is held. It is the session's once it is given to hold().
   * @param {{ name: string, folder?: string, keep?: number }} wanted @param {string} [assets]
   * @returns {Promise<Held>}
   */
  async open({ name, folder, keep }, assets) {
    const held = this.#held;
    if (!held || held.name !== name || held.folder !== folder) {
      const { openKeeper } = await loadKept(assets);
      return { keeper: await openKeeper({ name, folder, keep, warn: this.#warn }), name, folder };
    }
    if (keep !== undefined) held.keeper.keepAtMost(keep);
    return held;
  }

  /**
   * Opens the name that a session before this one held. Where somebody else has it by now that is warned of.
   * @param {{ name?: any, folder?: any }} wanted @param {string} [assets]
   */
  async regain({ name, folder }, assets) {
    try {
      return await this.open({ name, folder }, assets);
    } catch (error) {
      if (/** @type {import('../host/errors.js').OffstageError} */ (error).code !== 'BUSY') throw error;
      this.#warn('STORAGE_FAILED', /** @type {Error} */ (error).message, error);
      return undefined;
    }
  }

  /** Holds this from now on, and gives up what was held. @param {Held | null} held */
  hold(held) {
    if (this.#held !== held) this.#held?.keeper.close();
    this.#held = held;
  }

  /** Gives up what was opened and is not held. @param {Held | undefined} held */
  async release(held) {
    if (held && held !== this.#held) await held.keeper.close();
  }

  /** @returns {Keeper | null} */
  get keeper() {
    return this.#held?.keeper ?? null;
  }

  /** What the bridge is told of it. */
  told() {
    if (!this.#held) return null;
    const { name, keeper: { storage, reason } } = this.#held;
    return { name, storage, reason };
  }
}
