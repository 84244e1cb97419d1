/* lifecycle.js: the one run that a session may have on: from its START to its last message.
 *
 * A run is answered exactly once: TRAINING_COMPLETE, TRAINING_ERROR where it failed after it began, ERROR where it was
 * refused. It ends between two steps; where checkpoints are wanted the last one is taken, and is on storage, before
 * TRAINING_COMPLETE says so, and whoever stops the run is answered after that. Which requests come when is the
 * session's to know. */

import { OffstageError, errorToWire } from '../../host/errors.js';
import { buffersOf } from '../../protocol.js';
import { Run } from './loop.js';

/** @typedef {import('../service.js').Asked} Request */
/** @typedef {import('../../storage/checkpoint-store.js').Keeper} Keeper */
/**
 * What a session lends to its run.
 * @typedef {object} Ports
 * @property {import('../../host/pump.js').Pump} pump
 * @property {import('../../host/clock.js').Host} host
 * @property {import('../stages.js').Stages} stages
 * @property {(request: Request, type: string, payload: any, transfer?: Transferable[]) => void} post
 * @property {(request: Request, payload: any, transfer?: Transferable[], type?: string) => void} reply  the last word on it
 * @property {(request: Request, error: unknown) => void} fail  refuses it; whatever is no OffstageError is a trap
 * @property {(notice: import('../../protocol.js').Notice) => void} notice
 */
/**
 * What a run is made of.
 * @typedef {object} Begin
 * @property {Request} request
 * @property {import('../model.js').Model} model
 * @property {import('./settings.js').Settings} settings
 * @property {import('./loop.js').Data} data  taken where it does not throw
 * @property {Float32Array | null} classWeight
 * @property {Keeper | null} keeper  where checkpoints last
 * @property {boolean} kept  the data come from there
 */
/** @typedef {{ run: Run, request: Request, keeper: Keeper | null, storing: Promise<void> | null, closing: boolean }} Current */

export class Training {
  #ports;
  /** @type {Current | null} */ #current = null;
  /** Who waits for the end. @type {(() => void)[]} */ #waiting = [];
  /** Who waits for the run to have begun. @type {(() => void)[]} */ #beginning = [];

  /** @param {Ports} ports */
  constructor(ports) {
    this.#ports = ports;
  }

  /** @returns {Run | null} */
  get run() {
    return this.#current?.run ?? null;
  }

  /** @param {Begin} begin */
  begin({ request, model, settings, data, classWeight, keeper, kept }) {
    const { pump, host, stages, post, notice } = this.#ports;
    /** @type {Run} */
    const run = new Run({
      model, pump, host, stages, settings, data, classWeight, kept, notice,
      report: (progress) => post(request, 'TRAINING_PROGRESS', progress),
      begun: (fingerprint) => {
        if (keeper && settings.persist?.data) current.storing = keepData(keeper, model, data, fingerprint);
        else if (!settings.resume) keeper?.forgetData(); // they are an earlier run's
        this.#hasBegun();
      },
      saves: {
        snapshot: (bytes, step) => {
          if (this.#current?.run !== run) return;
          run.flush(); // who goes on from the snapshot is never told these records again
          post(request, 'TRAINING_SNAPSHOT', { bytes, step }, [bytes.buffer]);
        },
        keep: (bytes, at) => this.#keep(keeper, bytes, at),
        warn: (error) => notice({ kind: 'warning', code: 'STORAGE_FAILED', message: `a checkpoint could not be taken: ${error.message}` }),
      },
    });
    const current = this.#current = { run, request, keeper, storing: /** @type {Promise<void> | null} */ (null), closing: false };
    this.#advance(run.work());
  }

  /** Gives the pump what is left of the run to do. @param {Generator<void, Promise<unknown> | null, void>} work */
  #advance(work) {
    const { run } = /** @type {Current} */ (this.#current);
    this.#ports.pump.setBackground({
      work,
      done: (left) => this.#settle(left),
      fail: (error) => this.#fail(error),
      updating: () => run.updating(),
      paused: () => run.paused && !this.#current?.closing,
      urgent: () => !run.began || this.#current?.closing === true, // somebody waits for a refusal, or for its end
    });
  }

  /** @param {Keeper | null} keeper @param {Uint8Array<ArrayBuffer>} bytes @param {{ step: number, epoch: number }} about */
  async #keep(keeper, bytes, about) {
    if (!keeper) return;
    const { host, notice } = this.#ports;
    const began = host.now();
    const { length } = bytes;
    if (!await keeper.write(bytes, about)) return; // which it has warned of
    notice({ kind: 'persisted', step: about.step, bytes: length, ms: host.now() - began, storage: keeper.storage, reason: keeper.reason });
  }

  /**
   * Calls back when the run that is on has looked at its data, or will not for now: at once where there is none.
   * @param {() => void} begun
   */
  whenBegun(begun) {
    if (!this.run || this.run.began || this.run.paused) begun();
    else this.#beginning.push(begun);
  }

  #hasBegun() {
    for (const begun of this.#beginning.splice(0)) begun();
  }

  pause() {
    this.run?.pause();
    this.#hasBegun(); // it will not for a while
  }

  resume() {
    this.run?.resume();
  }

  /**
   * Ends the run as stopped, between two steps.
   * @param {() => void} ended  called when it has, at once where there is none
   */
  stop(ended) {
    if (!this.#current) return ended();
    this.#waiting.push(ended);
    if (this.#current.closing) return;
    this.#current.closing = true;
    const work = this.#current.run.closing('stopped');
    this.#ports.pump.setBackground(null);
    const first = work.next();
    if (first.done) this.#settle(first.value);
    else this.#advance(work);
  }

  /** Ends it now, whatever was still to be kept. */
  drop() {
    if (!this.#current) return;
    const { run, closing } = this.#current;
    this.#ports.pump.setBackground(null);
    if (!closing) run.closing('stopped').next();
    this.#complete();
  }

  /** @param {Promise<unknown> | null} left */
  #settle(left) {
    const current = /** @type {Current} */ (this.#current);
    current.closing = true;
    if (!left && !current.storing) return this.#complete();
    Promise.all([left, current.storing]).then(() => {
      if (this.#current === current) this.#complete();
    });
  }

  #complete() {
    const { run, request, keeper } = /** @type {Current} */ (this.#current);
    const result = run.finish();
    this.#current = null;
    this.#ports.reply(request, { ...result, persisted: keeper?.storage ?? null }, buffersOf(result));
    this.#ended();
  }

  #ended() {
    this.#hasBegun();
    for (const ended of this.#waiting.splice(0)) ended();
  }

  /** @param {unknown} error */
  #fail(error) {
    if (!this.#current) return;
    const { run, request } = this.#current;
    if (!(error instanceof OffstageError)) return this.#ports.fail(request, error);
    this.#current = null;
    run.fail();
    if (run.began) this.#ports.reply(request, errorToWire(error), undefined, 'TRAINING_ERROR');
    else this.#ports.fail(request, error);
    this.#ended();
  }

  /** The core is lost, and the run with it: nothing of it is touched. @returns {Request | null} what is to be answered */
  lose() {
    const { request = null } = this.#current ?? {};
    this.#current = null;
    this.#waiting = [];
    this.#beginning = []; // their requests fail with all the others
    return request;
  }
}

/**
 * Keeps a run's data with its checkpoints, unless they are there. They are known by their fingerprint.
 * @param {Keeper} keeper @param {import('../model.js').Model} model @param {import('./loop.js').Data} data @param {string} fingerprint
 */
async function keepData(keeper, { store }, { x, y, weights }, fingerprint) {
  if (await keeper.aboutData() === fingerprint) return;
  await keeper.writeData({ x: store.piecesOf(x), y: store.piecesOf(y), ...(weights && { weights: store.piecesOf(weights) }) }, fingerprint);
}
