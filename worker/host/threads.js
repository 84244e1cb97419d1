/* threads.js: the helpers of one core: workers that compute parts of its steps, over its memory.
 *
 * They are made when a plan first has work worth sharing, never before: one after another, each in a turn of its own,
 * while the session goes on with those that are there. One that does not come to compute is done without; one that
 * ends afterwards without having been asked takes the session down, through `lost`. Nothing here keeps a Node process
 * alive, and a helper outlives neither end() nor the worker that made it. */

import { assetUrl } from './asset.js';
import { OffstageError } from './errors.js';
import { spawn } from './spawn.js';

const HELPER = 'wasm-build/dist/helper.js'; // below `assets`

/**
 * @typedef {object} Setting
 * @property {WebAssembly.Module} module
 * @property {WebAssembly.Memory} memory       shared
 * @property {number} team                     address of the core's team
 * @property {number} count                    of helpers
 * @property {() => number} stack              makes a stack, tells its upper end; throws where there is no memory
 * @property {() => void} end                  tells the team that it ends
 * @property {string} [assets]
 * @property {(error: OffstageError) => void} lost
 */

/** @typedef {import('./spawn.js').Thread} Helper */

export class Threads {
  #setting;
  /** @type {Set<Helper>} */ #helpers = new Set();
  #begun = false;
  #ended = false;

  /** @param {Setting} setting */
  constructor(setting) {
    this.#setting = setting;
  }

  /** Makes the helpers, unless that has been done. */
  begin() {
    if (this.#begun || this.#ended) return;
    this.#begun = true;
    this.#beginOne(this.#setting.count);
  }

  /** @param {number} left */
  #beginOne(left) {
    if (left < 1 || this.#ended) return;
    const { module, memory, team, stack, assets } = this.#setting;
    try {
      const task = { module, memory, team, stack: stack() };
      const helper = openHelper(assets, this.#listener(() => helper));
      this.#helpers.add(helper);
      helper.post(task);
    } catch {
      return; // no memory, or no more workers: those that are there compute
    }
    setTimeout(() => this.#beginOne(left - 1), 0);
  }

  /** @param {() => Helper} self @returns {import('./spawn.js').Listener} */
  #listener(self) {
    let computing = false;
    return {
      heard: () => void (computing = true),
      failed: (why, cause) => {
        if (!this.#helpers.delete(self()) || !computing) return;
        this.#setting.lost(new OffstageError('WORKER_LOST', `a computing thread was lost: it ${why}`, { cause }));
      },
    };
  }

  /** Ends all helpers: at once those that wait, and those that compute with their part. */
  end() {
    if (this.#ended) return;
    this.#ended = true;
    this.#setting.end();
    const helpers = [...this.#helpers];
    this.#helpers.clear();
    for (const helper of helpers) helper.close();
  }
}

/** @param {string | undefined} assets @param {import('./spawn.js').Listener} listener */
function openHelper(assets, listener) {
  const here = import.meta.url; // not in place below, lest a bundler emits the helper a second time
  return spawn({
    name: 'offstage helper',
    served: assets ? assetUrl(HELPER, assets) : undefined,
    web: () => new Worker(new URL('../helper.js', import.meta.url), { type: 'module', name: 'offstage helper' }),
    node: () => new URL('../helper.js', here),
  }, listener);
}
