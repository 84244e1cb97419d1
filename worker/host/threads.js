/* threads.js: the helpers of one core: workers that compute parts of its steps, over its memory.
 *
 * They are made when a plan first has work worth sharing, never before: one after another, each in a turn of its own,
 * while the session goes on with those that are there. One that does not come to compute is done without; one that
 * ends afterwards without having been asked takes the session down, through `lost`. Nothing here keeps a Node process
 * alive, and a helper outlives neither end() nor the worker that made it. */

import { assetUrl } from './asset.js';
import { nodeBuiltin } from './engine.js';
import { OffstageError } from './errors.js';

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

/** A worker of either kind. @typedef {{ terminate: () => void }} Helper */
/**
 * @typedef {object} Listener
 * @property {() => void} computing
 * @property {(why: string, cause?: unknown) => void} failed  no helper any more
 */

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

  /** @param {() => Helper} self @returns {Listener} */
  #listener(self) {
    let computing = false;
    return {
      computing: () => void (computing = true),
      failed: (why, cause) => {
        if (!this.#helpers.delete(self()) || !computing) return;
        this.#setting.lost(new OffstageError('WORKER_LOST', `a computing thread was lost: ${why}`, { cause }));
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
    for (const helper of helpers) helper.terminate();
  }
}

/** @param {string | undefined} assets @param {Listener} listener @returns {Helper & { post: (task: object) => void }} */
function openHelper(assets, listener) {
  return typeof Worker === 'function' ? openWebHelper(assets, listener) : openNodeHelper(assets, listener);
}

/** @param {string | undefined} assets @param {Listener} listener */
function openWebHelper(assets, { computing, failed }) {
  /* The second form is the one literal that bundlers recognise. */
  const worker = assets
    ? new Worker(assetUrl(HELPER, assets), { type: 'module' })
    : new Worker(new URL('../helper.js', import.meta.url), { type: 'module' });
  worker.onmessage = computing;
  worker.onerror = (event) => {
    event.preventDefault?.();
    failed(event.message || 'its script could not be loaded', event.error ?? undefined);
  };
  return { post: (/** @type {object} */ task) => worker.postMessage(task), terminate: () => worker.terminate() };
}

/** @param {string | undefined} assets @param {Listener} listener */
function openNodeHelper(assets, { computing, failed }) {
  const here = import.meta.url; // not in place, lest a bundler emits the helper a second time
  const address = assets ? assetUrl(HELPER, assets) : new URL('../helper.js', here);
  const { Worker: Thread } = nodeBuiltin('node:worker_threads');
  const thread = new Thread(address, { name: 'offstage helper', execArgv: [] });
  thread.on('message', computing);
  thread.on('error', (/** @type {Error} */ error) => failed(error.message, error));
  thread.on('exit', (/** @type {number} */ code) => failed(`it ended without being asked (exit code ${code})`));
  thread.unref();
  return {
    post: (/** @type {object} */ task) => thread.postMessage(task),
    terminate: () => void thread.terminate().catch(() => {}),
  };
}
