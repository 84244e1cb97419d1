/* helpers.js: the computing threads of a thread: made once, and lent to one core at a time.
 *
 * A core that has work to share takes a lease: it is known to the helpers from then on. Before a
 * step it takes them, and who had them lets them go: no region of two cores is open at one time,
 * because their steps run on one thread. Helpers are made when a plan first has work worth sharing,
 * never before: one after another, each in a turn of its own, while the session goes on with those
 * that are there. One that does not come to compute is done without; one that ends afterwards
 * without having been asked takes the core down for which it computes. Nothing here keeps a Node
 * process alive, and no helper outlives the last lease or the worker that made it. */

import { assetUrl } from './asset.js';
import { CONTROL, MOST_HELPERS } from './control.js';
import { OffstageError } from './errors.js';
import { SharedCores } from './shared-cores.js';
import { spawn } from './spawn.js';
import { ThreadCount } from './thread-count.js';

const HELPER = 'wasm-build/dist/helper.js'; // below `assets`

/**
 * @typedef {object} Setting
 * @property {WebAssembly.Module} module
 * @property {WebAssembly.Memory} memory       shared
 * @property {number} team                     address of the core's team
 * @property {number} count                    of helpers
 * @property {() => number} stack makes a stack, tells its upper end; throws where there is no
 *   memory
 * @property {() => void} begin                lets helpers into the team
 * @property {() => void} end                  has them leave it
 * @property {() => number} helpers            that are in it
 * @property {(threads: number) => void} limit has so many share steps at most
 * @property {string} [assets]
 * @property {WebAssembly.Memory} [share]      of the page's threads; the first one's is everybody's
 * @property {(error: OffstageError) => void} lost
 */
/** What a helper is told of a core. stack: its upper end, from which it grows down.
 * @typedef {{ id: number, module: WebAssembly.Module, memory: WebAssembly.Memory, team: number,
 *   stack: number }} Task */
/** @typedef {{ thread: import('./spawn.js').Thread, computing: boolean }} Helper */
/** Steps that are alike: of a kind, with so many samples each. @typedef {{ kind: number, batch:
 *   number }} Steps */

export class Helpers {
  /** @type {(Helper | undefined)[]} */ #helpers = [];
  /** @type {Map<number, Lease>} */ #leases = new Map();
  /** @type {WebAssembly.Memory | null} */ #memory = null;
  #control = new Int32Array(0);
  /** @type {SharedCores | null} */ #cores = null;
  /** Who has the helpers. @type {Lease | null} */ #holder = null;
  #lastId = 0;
  /** Helpers that were asked for. */ #wanted = 0;
  #making = false;

  /** @param {Setting} setting @returns {Lease} */
  lease(setting) {
    if (setting.share) this.#cores ??= new SharedCores(setting.share);
    return new Lease(this, ++this.#lastId, setting);
  }

  /**
   * Tells how many of so many threads may compute beside other trainings.
   * @param {number} threads
   */
  shareOf(threads) {
    return this.#cores?.shareOf(threads) ?? threads;
  }

  /** A core has work to share. @param {Lease} lease */
  open(lease) {
    this.#memory ??= new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    this.#control = new Int32Array(this.#memory.buffer);
    this.#leases.set(lease.id, lease);
    this.#helpers.forEach((helper, i) => {
      const task = helper && lease.task(i);
      if (helper && task) this.#tell(i, helper, { core: task });
    });
    this.#wanted = Math.max(this.#wanted, Math.min(lease.count, MOST_HELPERS));
    if (!this.#making) this.#makeNext(lease);
  }

  /** The helpers are a core's from here on. @param {Lease} lease */
  lend(lease) {
    if (this.#holder === lease) return;
    this.#holder?.leave();
    this.#holder = lease;
    lease.enter();
    Atomics.store(this.#control, CONTROL.CORE, lease.id);
    this.#rouse();
  }

  /**
   * A core is closed: helpers that wait leave it at once, those that compute with their part.
   * @param {Lease} lease
   */
  close(lease) {
    if (!this.#leases.delete(lease.id)) return;
    if (this.#holder === lease) {
      this.#holder = null;
      Atomics.store(this.#control, CONTROL.CORE, 0);
    }
    lease.leave();
    if (this.#leases.size === 0) return this.#endAll();
    this.#helpers.forEach((helper, i) => {
      if (helper && lease.told(i)) this.#tell(i, helper, { closed: lease.id });
    });
  }

  #endAll() {
    const helpers = this.#helpers;
    this.#helpers = [];
    this.#wanted = 0;
    for (const helper of helpers) helper?.thread.close();
  }

  /**
   * @param {number} i
   * @param {Helper} helper
   * @param {{ core: Task } | { closed: number }} message
   */
  #tell(i, helper, message) {
    Atomics.add(this.#control, CONTROL.MAIL + i, 1);
    helper.thread.post(message);
    this.#rouse();
  }

  #rouse() {
    Atomics.add(this.#control, CONTROL.ROUND, 1);
    Atomics.notify(this.#control, CONTROL.ROUND);
  }

  /** @param {Lease} lease  which asked for them */
  #makeNext(lease) {
    const i = Array.from({ length: this.#wanted }, (_, k) => k).find((k) => !this.#helpers[k]);
    this.#making = i !== undefined && this.#make(i, lease);
    if (this.#making) setTimeout(() => this.#makeNext(lease), 0);
  }

  /**
   * @param {number} i
   * @param {Lease} lease
   * @returns {boolean} false: no memory, or no more workers
   */
  #make(i, lease) {
    const tasks = [...this.#leases.values()].flatMap((each) => each.task(i) ?? []);
    if (tasks.length === 0) return false;
    try {
      const thread = openHelper(
        lease.assets,
        this.#listener(i, () => helper),
      );
      /** @type {Helper} */
      const helper = { thread, computing: false };
      this.#helpers[i] = helper;
      Atomics.store(this.#control, CONTROL.MAIL + i, tasks.length);
      Atomics.store(this.#control, CONTROL.WITHIN + i, 0);
      thread.post({ control: this.#memory, index: i });
      for (const core of tasks) thread.post({ core });
      return true;
    } catch {
      return false; // those that are there compute
    }
  }

  /** @param {number} i @param {() => Helper} self @returns {import('./spawn.js').Listener} */
  #listener(i, self) {
    return {
      heard: () => {
        self().computing = true;
      },
      failed: (why, cause) => {
        const helper = self();
        if (this.#helpers[i] !== helper) return;
        this.#helpers[i] = undefined;
        if (!helper.computing) return void (this.#wanted = 0); // nor will another one come
        /* Who has the helpers by now may be another one, which it does not touch. */
        const lease = this.#leases.get(Atomics.load(this.#control, CONTROL.WITHIN + i));
        const message = `a computing thread was lost: it ${why}`;
        lease?.lost(new OffstageError('WORKER_LOST', message, { cause }));
      },
    };
  }
}

/** One core's claim on the helpers. */
class Lease {
  #helpers;
  #setting;
  #count;
  /** @type {Steps | null} */ #steps = null;
  /** Helpers that have been in the team at one time. */ #seen = 0;
  #opened = false;
  #closed = false;
  /**
   * Stacks in the core's memory, by helper: one that is replaced leaves its own.
   * @type {(number | null)[]}
   */
  #stacks = [];

  /** @param {Helpers} helpers @param {number} id @param {Setting} setting */
  constructor(helpers, id, setting) {
    this.#helpers = helpers;
    this.#setting = setting;
    this.id = id;
    this.count = setting.count;
    this.assets = setting.assets;
    this.#count = new ThreadCount(() => {
      this.#seen = Math.max(this.#seen, setting.helpers());
      return helpers.shareOf(1 + this.#seen);
    });
  }

  /** Threads that compute, helpers that are on their way among them. */
  get threads() {
    return this.#opened ? Math.min(1 + this.count, this.#count.count) : 1;
  }

  /** A step is over. @param {number} samples @param {number} ms  that it took */
  stepTook(samples, ms) {
    if (this.#opened && this.#count.stepTook(samples, ms)) this.#limit();
  }

  #limit() {
    this.#setting.limit(this.#count.count);
  }

  /** The core has work to share, from here on. */
  begin() {
    if (this.#opened || this.#closed) return;
    this.#opened = true;
    this.#helpers.open(this);
  }

  /** Has the helpers for the core's next step. @param {Steps} [steps]  if it is shared */
  take(steps) {
    if (!this.#opened || this.#closed) return;
    this.#helpers.lend(this);
    if (!steps || steps === this.#steps) return;
    this.#steps = steps;
    if (this.#count.begin(steps.batch, steps.kind)) this.#limit();
  }

  /** Gives up the claim. */
  end() {
    if (this.#closed) return;
    this.#closed = true;
    this.#helpers.close(this);
  }

  /** @param {OffstageError} error */
  lost(error) {
    this.#setting.lost(error);
  }

  enter() {
    this.#setting.begin();
  }

  leave() {
    this.#setting.end();
  }

  /**
   * What helper i is told of the core; null: it is to know nothing.
   * @param {number} i
   * @returns {Task | null}
   */
  task(i) {
    if (i >= this.count) return null;
    if (this.#stacks[i] === undefined) this.#stacks[i] = this.#stack();
    const stack = this.#stacks[i];
    const { module, memory, team } = this.#setting;
    return stack === null ? null : { id: this.id, module, memory, team, stack };
  }

  /** @param {number} i @returns {boolean} whether helper i knows the core */
  told(i) {
    return this.#stacks[i] != null;
  }

  #stack() {
    try {
      return this.#setting.stack();
    } catch {
      return null; // no memory: the others compute
    }
  }
}

/** @param {string | undefined} assets @param {import('./spawn.js').Listener} listener */
function openHelper(assets, listener) {
  const here = import.meta.url; // not in place below, lest a bundler emits the helper a second time
  const { OFFSTAGE_FILES: files } = /** @type {any} */ (globalThis); // in a classic worker
  const served = assets ? assetUrl(HELPER, assets) : undefined;
  return spawn(
    {
      name: 'offstage helper',
      served: files ? new URL(files['worker.classic.js'] ?? globalThis.location.href) : served,
      files,
      web: () =>
        new Worker(new URL('../helper.js', import.meta.url), {
          type: 'module',
          name: 'offstage helper',
        }),
      node: () => new URL('../helper.js', here),
    },
    listener,
  );
}
