/* recovery.js: keeps what brings a trainer's session back to where it was, and what the page knows
 * of its model: the step, the latest run's end, the info.
 * Invariant: what is kept misses no change that was acknowledged, apart from steps of the run that
 * is on. An attempt to replace the session has proved itself when a step beyond the furthest known
 * one is complete. How a session is supervised is not known here, nor what a run needs to begin
 * again. */
import { openSession } from '../host/connect.js';
import { Supervisor } from '../host/supervisor.js';
import { copyBytes } from './copies.js';
import { infoOf } from './info.js';

/** @typedef {import('../host/client.js').Client} Client */
/** @typedef {import('../../worker/host/errors.js').OffstageError} OffstageError */
/** @typedef {import('./run.js').Epoch} Epoch */
/** A name on storage. @typedef {{ name: string, folder?: string }} Stored */
/**
 * Where the latest run stood; its history is frozen. ended, data: of a run that can be resumed, as
 * the session says.
 * @typedef {{ steps: number, history: readonly Epoch[], ended?: string | null,
 *   data?: 'stored' | null }} Past
 */
/**
 * What a session begins with.
 * @typedef {{ spec: object } | { bytes: Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>,
 *   hold?: Stored } | { stored: Stored }} Beginning
 */

/**
 * @typedef {object} RecoveryOptions
 * @property {import('../host/supervisor.js').Mode} mode
 * @property {import('../host/supervisor.js').Restart} restart
 * @property {import('../host/connect.js').Setting} setting
 * @property {object} runtime of INIT_TRAINING and LOAD_CHECKPOINT, without assets and place
 * @property {Beginning} beginning
 * @property {import('../host/events.js').Emit} emit
 * @property {(on: boolean, reason?: 'stopped' | 'failed') => void} trains see ends()
 * @property {() => void} ended called when there will be no session any more
 * @property {number} startedAt by performance.now()
 */

/** @type {readonly Epoch[]} */
const NO_EPOCHS = Object.freeze([]);

export class Recovery {
  supervisor;
  /** @type {import('./info.js').Info} */
  info = /** @type {any} */ (undefined); // until begin()
  /** What data are checked against. @type {import('../../worker/data/columns.js').DataFacts} */
  facts = /** @type {any} */ (undefined); // likewise
  /** Where the latest run stood when it ended, or the session began. @type {Past | null} */
  past = null;
  /** The epochs of it. @type {readonly Epoch[]} */
  get history() {
    return this.past?.history ?? NO_EPOCHS;
  }
  /** Updates in the model, apart from those of a run that is on. */
  step = 0;
  /** A run is on. See begins() and ends(). */
  training = false;

  #options;
  /**
   * What a session begins with, and the updates in it.
   * @type {{ beginning: Beginning, step: number }}
   */
  #kept;
  /** The furthest step that is known to be complete. */
  #furthest = 0;
  /** The name on storage that is the trainer's. @type {Stored | undefined} */
  #hold;
  /** @type {number | undefined} */
  #startupMs;

  /** @param {RecoveryOptions} options */
  constructor(options) {
    const { mode, restart, beginning, emit } = (this.#options = options);
    this.#kept = { beginning, step: 0 };
    if ('stored' in beginning) this.#hold = beginning.stored;
    this.supervisor = new Supervisor(
      { mode, restart, emit },
      {
        open: (place, signal) =>
          openSession(place, options.setting, (client) => this.#ask(client, place, signal), signal),
        stands: (client, ready) => this.#stands(client, ready),
        lost: () => {
          this.step = this.#kept.step;
        },
        ended: () => options.ended(),
        goesOnFrom: () => ({ step: this.step }),
        isBusy: () => this.training,
      },
    );
  }

  /** Where the sessions' files are, unless that is beside the module. */
  get assets() {
    return this.#options.setting.assets?.href;
  }

  /** How often a run is to hand a snapshot over, in ms. @returns {number | undefined} */
  get snapshotMs() {
    return this.supervisor.recovers ? 1000 : undefined;
  }

  /**
   * Asks a fresh session for the beginning.
   * @param {Client} client
   * @param {'worker' | 'main'} place
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>} the payload of MODEL_READY or CHECKPOINT_LOADED
   */
  async #ask(client, place, signal) {
    const {
      setting: { assets },
      runtime: asked,
    } = this.#options;
    const { beginning } = this.#kept;
    const runtime = { ...asked, assets: assets?.href, place };
    if ('spec' in beginning) {
      const payload = { ...beginning.spec, runtime };
      return client.request('INIT_TRAINING', payload, { signal, unsendable: 'INVALID_SPEC' });
    }
    if ('stored' in beginning) {
      return client.request('LOAD_CHECKPOINT', { ...beginning, runtime }, { signal });
    }
    const own = await beginning.bytes;
    const bytes = this.supervisor.recovers ? await copyBytes(own) : own;
    const payload = { bytes, hold: beginning.hold, runtime };
    return client.request('LOAD_CHECKPOINT', payload, { signal, transfer: [bytes.buffer] });
  }

  /** @param {Client} client @param {any} ready */
  #stands(client, ready) {
    this.#startupMs ??= performance.now() - this.#options.startedAt;
    this.step = this.#kept.step = ready.step;
    this.#furthest = Math.max(this.#furthest, ready.step);
    this.#describe(client, ready);
    return this.info.reason;
  }

  /** @param {Client} client @param {any} ready */
  #describe(client, ready) {
    this.past = ready.run ?? null;
    if (this.past) Object.freeze(this.past.history);
    const { inputs, outputs, inputScale, inputOffset } = ready;
    this.facts = { inputs, outputs, inputScale, inputOffset };
    this.info = infoOf(ready, {
      mode: client.mode,
      reasons: this.supervisor.reasons,
      startupMs: /** @type {number} */ (this.#startupMs),
      persist: this.info?.persist ?? null,
      keptBytes: this.info?.keptBytes ?? 0,
    });
  }

  /**
   * Changes the model: by the time it has changed, that is kept.
   * @param {string} type
   * @param {object} payload
   * @param {Transferable[]} [transfer]
   */
  change(type, payload, transfer) {
    return this.supervisor.call(
      async (client) => {
        const changed = client.request(type, payload, { transfer });
        const saved = this.#save(client); // behind it, and ahead of whatever is asked next
        const reply = await changed;
        if (type === 'LOAD_CHECKPOINT') {
          this.step = this.#furthest = reply.step;
          this.#describe(client, reply);
        }
        await this.#keepSaved(client, saved);
        return reply;
      },
      { again: 0 },
    );
  }

  /** Keeps the model as it stands. */
  secure() {
    return this.supervisor.call((client) => this.#keepSaved(client, this.#save(client)));
  }

  /** @param {Client} client @returns {Promise<any> | undefined} */
  #save(client) {
    if (!this.supervisor.recovers) return undefined;
    const saved = client.request('SAVE_CHECKPOINT');
    saved.catch(() => {}); // of no interest where the change was refused
    return saved;
  }

  /** @param {Client} client @param {Promise<any> | undefined} saved */
  async #keepSaved(client, saved) {
    try {
      const checkpoint = await saved;
      if (checkpoint) this.keep(checkpoint);
    } catch (error) {
      if (error === client.loss) throw error;
      if (this.supervisor.disposing) return; // nothing will begin again
      const { code, message } = /** @type {OffstageError} */ (error);
      const begins = `a session in place of this one would begin at step ${this.#kept.step}`;
      this.#options.emit('warning', { code, message: `${begins}: ${message}` });
    }
  }

  /**
   * From here on a session begins with this.
   * @param {{ bytes: Uint8Array<ArrayBuffer>, step: number }} checkpoint
   */
  keep({ bytes, step }) {
    this.#kept = { beginning: { bytes, hold: this.#hold }, step };
    if (!this.training) this.step = step;
    this.reached(step);
  }

  /** Warns of an error that came too late to end what it is about. @param {any} error */
  warn({ code, message }) {
    this.#options.emit('warning', { code, message });
  }

  /** A run begins. @param {Stored} [persist] where its checkpoints are kept */
  begins(persist) {
    if (persist) {
      const { name, folder } = persist;
      this.#hold = { name, ...(folder !== undefined && { folder }) };
    }
    this.training = true;
    this.#options.trains(true);
  }

  /**
   * A checkpoint of the run that is on is on storage.
   * @param {{ storage: string, reason: string | null }} place
   */
  persisted({ storage, reason }) {
    if (!this.#hold) return;
    this.info = { ...this.info, persist: { name: this.#hold.name, storage, reason } };
  }

  /** The page has so much data of the run that is on. @param {number} keptBytes */
  holds(keptBytes) {
    if (keptBytes !== this.info.keptBytes) this.info = { ...this.info, keptBytes };
  }

  /**
   * A step of the run that is on takes so much memory.
   * @param {{ stepBytes: number, liveBytes: number }} memory
   */
  measured(memory) {
    if (memory.stepBytes !== this.info.stepBytes) this.info = { ...this.info, ...memory };
  }

  /**
   * No run is on any more.
   * @param {'stopped' | 'failed'} reason where no session has told of its end
   */
  ends(reason) {
    this.training = false;
    this.#options.trains(false, reason);
  }

  /** A step is complete. @param {number} step */
  reached(step) {
    if (step <= this.#furthest) return;
    this.#furthest = step;
    this.supervisor.proved();
  }

  /**
   * The run that was on has ended, as the session said.
   * @param {import('./run.js').Result} result
   */
  completed({ step, steps, history }) {
    this.supervisor.proved();
    this.step = step;
    this.past = { steps, history: Object.freeze([...history]) };
  }

  /** The run that was on has failed, after so many updates at least. @param {number} step */
  failed(step) {
    this.step = step;
    this.secure().catch(() => {}); // whoever asks next is told
  }
}
