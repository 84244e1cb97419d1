/* lifecycle.js: the life of the one run that a session may have, from START to its last message.
 *
 *              begun     pause   resume     end      leave
 *   ended      (start: checking)
 *   checking   running   held               ending   ended
 *   held       paused             checking   ending   ended
 *   running              paused             ending   ended
 *   paused                       running    ending   ended
 *   ending                                           ended
 *
 * begun: the data are checked. held: paused before that, which keeps no data from being checked.
 * end(reason): STOP has come ('stopped'), or the last epoch is trained ('finished'); the first
 * reason stays, whatever comes while the last checkpoint is taken and stored. leave: that
 * checkpoint is on storage; or the run failed, was dropped (DISPOSE), or went with its core. An
 * event without an entry has no effect: the request is answered all the same. A run is answered
 * exactly once, when it leaves: TRAINING_COMPLETE, TRAINING_ERROR where it failed after it had
 * begun, ERROR where it was refused; the request that stopped it is answered after that. Which
 * requests come when is the session's to know. */

import { OffstageError, errorToWire } from '../../host/errors.js';
import { buffersOf } from '../../protocol.js';
import { Run } from './loop.js';

/** @typedef {import('../service.js').Asked} Request */
/** @typedef {import('../../storage/checkpoint-store.js').CheckpointStore} CheckpointStore */
/**
 * @callback Post
 * @param {Request} request @param {string} type @param {any} payload
 * @param {Transferable[]} [transfer]
 * @returns {void}
 */
/**
 * @callback Reply
 * @param {Request} request @param {any} payload
 * @param {Transferable[]} [transfer] @param {string} [type]
 * @returns {void}
 */
/**
 * The parts of a session that its run uses.
 * @typedef {object} Ports
 * @property {import('../../host/pump.js').Pump} pump
 * @property {import('../../host/clock.js').Host} host
 * @property {import('../stages.js').Stages} stages
 * @property {Post} post
 * @property {Reply} reply  sends the request's last message
 * @property {(request: Request, error: unknown) => void} fail  refuses it; any error but an
 *   OffstageError is a trap
 * @property {(notice: import('../../protocol.js').Notice) => void} notice
 */
/**
 * The parts that a run is made of.
 * @typedef {object} Begin
 * @property {Request} request
 * @property {import('../model.js').Model} model
 * @property {import('./settings.js').Settings} settings
 * @property {import('./loop.js').Data} data  the run's, unless it throws
 * @property {import('./loop.js').Data | null} validation  likewise
 * @property {Float32Array | null} classWeight
 * @property {CheckpointStore | null} keeper  the storage of checkpoints
 * @property {boolean} kept  the data come from there
 */
/** @typedef {'ended' | 'checking' | 'held' | 'running' | 'paused' | 'ending'} State */
/** @typedef {'start' | 'begun' | 'pause' | 'resume' | 'end' | 'leave'} Event */
/**
 * @typedef {object} Current
 * @property {Run} run
 * @property {Request} request
 * @property {CheckpointStore | null} keeper
 * @property {Promise<void> | null} storing  settles when the data are written to storage
 */

/** @type {Record<State, Partial<Record<Event, State>>>} */
const NEXT = {
  ended: { start: 'checking' },
  checking: { begun: 'running', pause: 'held', end: 'ending', leave: 'ended' },
  held: { begun: 'paused', resume: 'checking', end: 'ending', leave: 'ended' },
  running: { pause: 'paused', end: 'ending', leave: 'ended' },
  paused: { resume: 'running', end: 'ending', leave: 'ended' },
  ending: { leave: 'ended' },
};

export class Training {
  #ports;
  /** @type {State} */ #state = 'ended';
  /** The run, unless the state is 'ended'. @type {Current | null} */ #current = null;
  /** Callbacks that wait for the end. @type {(() => void)[]} */ #waiting = [];
  /** Callbacks that wait while the data are checked. @type {(() => void)[]} */ #beginning = [];

  /** @param {Ports} ports */
  constructor(ports) {
    this.#ports = ports;
  }

  /** @returns {Run | null} */
  get run() {
    return this.#current?.run ?? null;
  }

  get #isChecking() {
    return this.#state === 'checking' || this.#state === 'held';
  }

  /** @param {Event} event @returns {boolean} false: it has no effect in this state */
  #turn(event) {
    const next = NEXT[this.#state][event];
    if (!next) return false;
    this.#state = next;
    return true;
  }

  /** @param {Begin} begin */
  begin({ request, model, settings, data, validation, classWeight, keeper, kept }) {
    const { pump, host, stages, post, notice } = this.#ports;
    /** @type {Run} */
    const run = new Run({
      model,
      pump,
      host,
      stages,
      settings,
      data,
      validation,
      classWeight,
      kept,
      notice,
      report: (progress, transfer) => post(request, 'TRAINING_PROGRESS', progress, transfer),
      epochEnded: (ended) => post(request, 'EPOCH_ENDED', ended),
      begun: (fingerprint) => {
        if (keeper && settings.persist?.data) {
          current.storing = keepData(keeper, model, { data, validation }, fingerprint);
        } else if (!settings.resume) keeper?.forgetData(); // they are an earlier run's
        this.#turn('begun');
        this.#callBack(this.#beginning);
      },
      saves: {
        snapshot: (bytes, step) => {
          if (this.#current !== current) return;
          run.flush(); // a run that goes on from the snapshot does not send these records again
          post(request, 'TRAINING_SNAPSHOT', { bytes, step }, [bytes.buffer]);
        },
        keep: (bytes, at) => this.#keep(keeper, bytes, at),
        warn: (error) =>
          notice({
            kind: 'warning',
            code: 'STORAGE_FAILED',
            message: `a checkpoint could not be taken: ${error.message}`,
          }),
      },
    });
    /** @type {Current} */
    const current = (this.#current = { run, request, keeper, storing: null });
    this.#turn('start');
    pump.setBackground(this.#background(run, run.work(), (reason) => this.#end(reason)));
  }

  /**
   * @param {Run} run @param {Generator<void, any, void>} work
   * @param {(value: any) => void} done
   */
  #background(run, work, done) {
    return {
      work,
      done,
      fail: (/** @type {unknown} */ error) => this.#fail(error),
      updating: () => run.updating(),
      paused: () => this.#state === 'paused' || run.waits,
      // A request waits for a refusal, or for the end.
      urgent: () => this.#isChecking || this.#state === 'ending',
    };
  }

  /**
   * @param {CheckpointStore | null} keeper @param {Uint8Array<ArrayBuffer>} bytes
   * @param {{ step: number, epoch: number }} about
   */
  async #keep(keeper, bytes, about) {
    if (!keeper) return;
    const { host, notice } = this.#ports;
    const began = host.now();
    const { length } = bytes;
    if (!(await keeper.write(bytes, about))) return; // it has warned of that
    notice({
      kind: 'persisted',
      step: about.step,
      bytes: length,
      ms: host.now() - began,
      storage: keeper.storage,
      reason: keeper.reason,
    });
  }

  /**
   * Calls back when the run has checked its data, or will not: at once without a run.
   * @param {() => void} begun
   */
  whenBegun(begun) {
    if (this.#isChecking) this.#beginning.push(begun);
    else begun();
  }

  pause() {
    if (this.#turn('pause')) this.run?.pause();
  }

  resume() {
    if (this.#turn('resume')) this.run?.resume();
  }

  /** @param {{ learningRate?: number, duty?: number }} change  without a run none */
  change(change) {
    this.run?.change(change);
  }

  /**
   * Goes on with a run that stands at the end of an epoch, or ends it there; nothing where none
   * does.
   * @param {{ epoch: number, stop: boolean, learningRate?: number }} answer
   */
  answer(answer) {
    if (this.run?.answered(answer) && answer.stop) this.#end('onEpoch');
  }

  /**
   * Ends the run as stopped when its epoch is complete.
   * @param {() => void} ended  called when the run has ended, at once without one
   */
  stopAfterEpoch(ended) {
    if (!this.run) return ended();
    this.#waiting.push(ended);
    this.run.stopAfterEpoch();
  }

  /**
   * Ends the run as stopped, between two steps, unless it is ending already.
   * @param {() => void} ended  called when the run has ended, at once without one
   */
  stop(ended) {
    if (this.#state === 'ended') return ended();
    this.#waiting.push(ended);
    this.#end('stopped');
  }

  /** Ends the run at once, whatever was still to be stored. */
  drop() {
    if (!this.#current) return;
    this.#ports.pump.setBackground(null);
    if (this.#turn('end')) this.#current.run.end('stopped');
    this.#complete();
  }

  /**
   * Drops the run with its lost core: nothing of it is touched, and requests that wait for it fail
   * with all others.
   * @returns {Request | null} the run's, which is still to be answered
   */
  lose() {
    const { request = null } = this.#current ?? {};
    this.#waiting = [];
    this.#beginning = [];
    this.#leave();
    return request;
  }

  /** Ends the run by taking its last checkpoint. @param {import('./state.js').Reason} reason */
  #end(reason) {
    if (!this.#current || !this.#turn('end')) return;
    const { run } = this.#current;
    run.end(reason);
    const work = run.last();
    const first = work.next();
    this.#ports.pump.setBackground(
      first.done ? null : this.#background(run, work, (left) => this.#settle(left)),
    );
    if (first.done) this.#settle(first.value);
  }

  /**
   * Completes the run once its last checkpoint and its data are on storage.
   * @param {Promise<unknown> | null} left
   */
  #settle(left) {
    const current = /** @type {Current} */ (this.#current);
    if (!left && !current.storing) return this.#complete();
    Promise.all([left, current.storing])
      .then(() => {
        if (this.#current === current) this.#complete();
      })
      .catch((error) => this.#fail(error));
  }

  #complete() {
    const { run, request, keeper } = /** @type {Current} */ (this.#current);
    const result = run.close();
    this.#leave();
    this.#ports.reply(
      request,
      { ...result, persisted: keeper?.storage ?? null },
      buffersOf(result),
    );
    this.#wake();
  }

  /** @param {unknown} error */
  #fail(error) {
    if (!this.#current) return;
    const { run, request } = this.#current;
    // A trap loses the run with its core.
    if (!(error instanceof OffstageError)) return this.#ports.fail(request, error);
    run.fail();
    this.#leave();
    if (run.began) this.#ports.reply(request, errorToWire(error), undefined, 'TRAINING_ERROR');
    else this.#ports.fail(request, error);
    this.#wake();
  }

  #leave() {
    this.#turn('leave');
    this.#current = null;
  }

  #wake() {
    this.#callBack(this.#beginning);
    this.#callBack(this.#waiting);
  }

  /** @param {(() => void)[]} waiting  nobody waits any more */
  #callBack(waiting) {
    for (const callback of waiting.splice(0)) callback();
  }
}

/**
 * Stores a run's data with its checkpoints, unless data of this fingerprint are stored.
 * @param {CheckpointStore} keeper
 * @param {import('../model.js').Model} model
 * @param {{ data: import('./loop.js').Data, validation: import('./loop.js').Data | null }} all
 * @param {string} fingerprint
 */
async function keepData(keeper, { store }, { data, validation }, fingerprint) {
  if ((await keeper.aboutData()) === fingerprint) return;
  const { x, y, weights } = data;
  await keeper.writeData(
    {
      x: store.piecesOf(x),
      y: store.piecesOf(y),
      ...(weights && { weights: store.piecesOf(weights) }),
      ...(validation && {
        validationX: store.piecesOf(validation.x),
        validationY: store.piecesOf(validation.y),
      }),
      ...(validation?.weights && { validationWeights: store.piecesOf(validation.weights) }),
    },
    fingerprint,
  );
}
