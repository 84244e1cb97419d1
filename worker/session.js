/* session.js: what an endpoint may ask, in which state, and who answers when.
 *
 * One session has at most one model and one run. It answers every request exactly once, keeps the old model
 * until a new one is accepted, and turns whatever goes wrong into a typed reply. While a model is being
 * built, requests wait for it in order. It knows no page, no worker and no clock but its host's: the same
 * file runs in a Web Worker, in a Node worker thread and beside the app on its own thread. */

import { Core } from './core.js';
import { readX } from './data.js';
import { fromBare, isBare, toBare, unfold } from './dialect.js';
import { OffstageError, checkFields, errorToWire, trapError } from './errors.js';
import { Model } from './model.js';
import { openModule, readRuntime } from './module.js';
import { REPLIES, VERSION, buffersOf, isId, openEnvelope } from './protocol.js';
import { LANES, Pump } from './pump.js';
import { Run, readBatchSize, readSettings, statusOf } from './run.js';
import { isUpload } from './store.js';

/** @typedef {import('./protocol.js').RequestType} RequestType */
/**
 * A bare request has a symbol for an id, which never leaves this file.
 * @typedef {{ id: import('./protocol.js').Id | symbol, type: RequestType, payload: Record<string, any> }} Request
 */

/** @typedef {{ run: Run, request: Request }} Current */

/* In a worker 2 ms train as fast as 4 (measured), and half as long does a prediction wait. */
const SLICE_MS = { worker: 2, main: 8 };
/** Requests that do not wait while a model is being built. */
const ALWAYS = ['GET_STATUS', 'PING', 'DISPOSE'];

/**
 * @param {import('./protocol.js').Endpoint} endpoint
 * @param {import('./yield.js').Host} host
 */
export function createSession(endpoint, host) {
  return new Session(endpoint, host);
}

class Session {
  #endpoint;
  #host;
  #pump;
  /** @type {Map<Request['id'], Request>} */ #pending = new Map();
  /** @type {Model | null} */ #model = null;
  /** @type {Current | null} */ #current = null;
  /** Requests that wait for a model. @type {Request[] | null} */ #gate = null;
  /** Why there is no model, where there was one. @type {OffstageError | null} */ #gone = null;
  /** Counts what makes a model under construction unwanted. */ #generation = 0;
  /** Jobs of the long lane that nothing may overtake. */ #ordered = 0;

  /** @type {Record<RequestType, (request: Request) => void>} */
  #handlers = {
    INIT_TRAINING: (request) => void this.#init(request),
    UPLOAD_DATA: (request) => this.#receiveData(request),
    DISCARD_DATA: (request) => this.#discard(request),
    START_TRAINING: (request) => this.#start(request),
    STOP_TRAINING: (request) => this.#control(request, () => this.#endRun()),
    PAUSE_TRAINING: (request) => this.#control(request, () => this.#current?.run.pause()),
    RESUME_TRAINING: (request) => this.#control(request, () => this.#current?.run.resume()),
    PREDICT: (request) => this.#predict(request),
    EVALUATE_MODEL: (request) => this.#evaluate(request),
    GET_WEIGHTS: (request) => this.#job(request, LANES.SHORT, this.#need().getWeights(this.#pump)),
    SET_WEIGHTS: (request) => this.#setWeights(request),
    SAVE_CHECKPOINT: () => unsupported('saving checkpoints'),
    LOAD_CHECKPOINT: () => unsupported('loading checkpoints'),
    GET_STATUS: (request) => this.#reply(request, this.#status()),
    PING: (request) => this.#reply(request, {}),
    DISPOSE: (request) => this.#control(request, () => this.#dispose(request)),
  };

  /** @param {import('./protocol.js').Endpoint} endpoint @param {import('./yield.js').Host} host */
  constructor(endpoint, host) {
    this.#endpoint = endpoint;
    this.#host = host;
    this.#pump = new Pump(host);
    endpoint.onmessage = (event) => this.#receive(event.data);
  }

  /** @param {any} message */
  #receive(message) {
    const bare = isBare(message);
    /** @type {Request} */
    let request = { id: bare ? Symbol('bare') : message?.id, type: message?.type, payload: {} };
    try {
      request = bare ? { id: request.id, ...fromBare(message) } : openEnvelope(message);
      if (!bare) request.payload = unfold(request.type, request.payload);
      if (this.#pending.has(request.id)) {
        throw new OffstageError('BAD_MESSAGE', `id ${String(request.id)} is that of a request that is still pending`);
      }
    } catch (error) {
      const { error: text, code } = errorToWire(/** @type {OffstageError} */ (error));
      const known = bare || isId(request.id) ? request.id : null;
      this.#post(known, 'ERROR', { error: text, code, request: request.type });
      return;
    }
    this.#pending.set(request.id, request);
    if (this.#gate && !ALWAYS.includes(request.type)) this.#gate.push(request);
    else this.#handle(request);
    this.#pump.breathe();
  }

  /** @param {Request} request */
  #handle(request) {
    try {
      this.#handlers[request.type](request);
    } catch (error) {
      this.#fail(request, error);
    }
  }

  /** @param {Request['id'] | null} id @param {string} type @param {any} payload @param {Transferable[]} [transfer] */
  #post(id, type, payload, transfer = []) {
    if (typeof id !== 'symbol') return this.#endpoint.postMessage({ v: VERSION, id, type, payload }, transfer);
    for (const message of toBare(type, payload)) this.#endpoint.postMessage(message, transfer);
  }

  /** @param {Request} request @param {any} payload @param {Transferable[]} [transfer] */
  #reply(request, payload, transfer) {
    if (!this.#pending.delete(request.id)) return;
    this.#post(request.id, REPLIES[request.type], payload, transfer);
  }

  /**
   * Refuses a request; anything but an OffstageError means that the core, or this code, is broken.
   * @param {Request} request @param {unknown} error
   */
  #fail(request, error) {
    if (!(error instanceof OffstageError)) return this.#lose(trapError(error));
    if (!this.#pending.delete(request.id)) return;
    const { x, y } = request.payload;
    for (const data of [x, y]) if (isUpload(data)) this.#model?.store.discard(data.upload);
    this.#post(request.id, 'ERROR', { ...errorToWire(error), request: request.type });
  }

  /** Drops the model: all that is pending fails with the reason. @param {OffstageError} reason */
  #lose(reason) {
    const { request } = this.#current ?? {};
    this.#current = null;
    this.#model?.core.close();
    this.#model = null;
    this.#gone = reason;
    if (request && this.#pending.delete(request.id)) this.#post(request.id, 'TRAINING_ERROR', errorToWire(reason));
    this.#pump.abort(reason);
    this.#ordered = 0;
    const kept = this.#gate ?? []; // these wait for the next model
    for (const other of [...this.#pending.values()]) {
      if (!kept.includes(other) && other.type !== 'INIT_TRAINING') this.#fail(other, reason);
    }
  }

  /** @returns {Model} */
  #need() {
    if (this.#model) return this.#model;
    if (!this.#gone) throw new OffstageError('BAD_MESSAGE', 'no model: INIT_TRAINING first');
    throw new OffstageError(this.#gone.code, this.#gone.message, { cause: this.#gone });
  }

  /** @param {string} what */
  #refuseWhileRunning(what) {
    if (this.#current) throw new OffstageError('BUSY', `${what} while a run is on: stop it first, or wait for its end`);
  }

  /** @param {Request} request */
  async #init(request) {
    const generation = this.#generation;
    /** @type {Request[]} */
    const gate = [];
    try {
      this.#refuseWhileRunning('INIT_TRAINING');
      this.#gate = gate;
      const { runtime: given, ...spec } = request.payload;
      const lost = (/** @type {OffstageError} */ reason) => this.#lose(reason);
      const { made: core, runtime } = await openModule(readRuntime(given),
        (module, { threads, assets }) => Core.create(module, { threads, assets, lost }));
      this.#refuseOutdated(generation);
      const sliceMs = SLICE_MS[runtime.place];
      this.#pump.configure({ sliceMs, sliceWork: runtime.sliceWork });
      const model = new Model(core, spec);
      await this.#finished(model.randomize(this.#pump));
      this.#refuseOutdated(generation);
      this.#model?.core.close();
      this.#model = model;
      this.#gone = null;
      const { variant, threads, reason } = runtime;
      this.#reply(request, { ...model.describe(), variant, threads, reason });
    } catch (error) {
      this.#fail(request, error instanceof OffstageError ? error : trapError(error));
    } finally {
      if (this.#gate === gate) this.#openGate();
    }
  }

  #openGate() {
    const waiting = this.#gate ?? [];
    this.#gate = null;
    while (waiting.length > 0) {
      const request = /** @type {Request} */ (waiting.shift());
      this.#handle(request);
      if (this.#gate) return void (/** @type {Request[]} */ (this.#gate).push(...waiting)); // another INIT
    }
  }

  /** @param {number} generation */
  #refuseOutdated(generation) {
    if (generation !== this.#generation) throw disposed();
  }

  /** @param {import('./pump.js').Work} work @returns {Promise<any>} */
  #finished(work) {
    return new Promise((done, fail) => {
      this.#pump.add(LANES.LONG, { work, done, fail }); // DISPOSE goes ahead of it
      this.#pump.runJobs();
    });
  }

  /**
   * Runs a job and answers with what it returns.
   * @param {Request} request @param {number} lane @param {import('./pump.js').Work} work
   */
  #job(request, lane, work) {
    // What changes weights is not overtaken by what was asked for after it.
    const ordered = this.#ordered > 0 || request.type === 'SET_WEIGHTS';
    if (ordered) this.#ordered++;
    const settle = (/** @type {() => void} */ answer) => {
      if (ordered && this.#ordered > 0) this.#ordered--;
      answer();
    };
    this.#pump.add(ordered ? LANES.LONG : lane, {
      work,
      done: (value) => settle(() => this.#reply(request, value, buffersOf(value))),
      fail: (error) => settle(() => this.#fail(request, error)),
    });
    this.#pump.runJobs();
  }

  /** What is done between two steps, ahead of all else. @param {Request} request @param {() => void} action */
  #control(request, action) {
    if (!ALWAYS.includes(request.type)) this.#need();
    this.#pump.add(LANES.CONTROL, {
      work: once(action),
      done: () => this.#reply(request, { state: this.#status().state }),
      fail: (error) => this.#fail(request, error),
    });
    this.#pump.runJobs();
  }

  /** @param {Request} request */
  #start(request) {
    const model = this.#need();
    this.#refuseWhileRunning('START_TRAINING');
    const settings = readSettings(request.payload);
    const x = model.store.takeX(request.payload.x);
    let y;
    try {
      y = model.store.takeY(request.payload.y, x.samples);
      const report = (/** @type {any} */ progress) => this.#post(request.id, 'TRAINING_PROGRESS', progress);
      const run = new Run({ model, pump: this.#pump, host: this.#host, settings, x, y, report });
      this.#current = { run, request };
      this.#pump.setBackground({
        work: run.work(),
        done: () => this.#completeRun('finished'),
        fail: (error) => this.#failRun(error),
        updating: () => run.updating(),
        paused: () => run.paused,
      });
    } catch (error) {
      model.store.free(x, y);
      throw error;
    }
  }

  /** Ends a run that is on, between two steps. */
  #endRun() {
    if (!this.#current) return;
    this.#pump.setBackground(null);
    this.#completeRun('stopped');
  }

  /** @param {'finished' | 'stopped'} reason */
  #completeRun(reason) {
    const { run, request } = /** @type {Current} */ (this.#current);
    const result = run.finish(reason);
    this.#current = null;
    this.#reply(request, result, buffersOf(result));
  }

  /** @param {unknown} error */
  #failRun(error) {
    if (!this.#current) return;
    if (!(error instanceof OffstageError)) return this.#lose(trapError(error));
    const { run, request } = this.#current;
    this.#current = null;
    run.release();
    if (!run.began) return this.#fail(request, error);
    this.#pending.delete(request.id);
    this.#post(request.id, 'TRAINING_ERROR', errorToWire(error));
  }

  /** @param {Request} request */
  #predict(request) {
    const model = this.#need();
    const { x } = checkFields(request.payload, ['x'], 'PREDICT', 'INVALID_OPTION');
    if (!isUpload(x)) {
      const column = readX(x, model.facts);
      if (column.samples === 1) return this.#job(request, LANES.SHORT, model.predictOne(this.#pump, column));
    }
    this.#job(request, LANES.LONG, model.predictMany(this.#pump, model.store.takeX(x)));
  }

  /** @param {Request} request */
  #evaluate(request) {
    const model = this.#need();
    const { store } = model;
    const fields = ['x', 'y', 'batchSize'];
    const { x, y, batchSize } = checkFields(request.payload, fields, 'EVALUATE_MODEL', 'INVALID_OPTION');
    const size = readBatchSize(batchSize);
    const inputs = store.takeX(x);
    try {
      const wanted = store.takeY(y, inputs.samples);
      this.#job(request, LANES.LONG, model.evaluate(this.#pump, inputs, wanted, size));
    } catch (error) {
      store.free(inputs);
      throw error;
    }
  }

  /** @param {Request} request */
  #setWeights(request) {
    const model = this.#need();
    this.#refuseWhileRunning('SET_WEIGHTS');
    const { weights } = checkFields(request.payload, ['weights'], 'SET_WEIGHTS', 'INVALID_OPTION');
    this.#job(request, LANES.LONG, model.setWeights(this.#pump, weights));
  }

  /** @param {Request} request */
  #receiveData(request) {
    const stored = this.#need().store.receive(request.payload);
    this.#reply(request, stored, stored.bytes && [stored.bytes]);
  }

  /** @param {Request} request */
  #discard(request) {
    const { upload } = checkFields(request.payload, ['upload'], 'DISCARD_DATA', 'INVALID_OPTION');
    this.#need().store.discard(upload);
    this.#reply(request, { upload });
  }

  /** @param {Request} request */
  #dispose(request) {
    this.#endRun();
    this.#pending.delete(request.id);
    this.#generation++;
    this.#gate = null;
    this.#lose(disposed());
    for (const other of [...this.#pending.values()]) this.#fail(other, disposed());
    this.#post(request.id, 'DISPOSED', {});
  }

  #status() {
    return statusOf({ model: this.#model, run: this.#current?.run ?? null, pump: this.#pump, host: this.#host });
  }
}

/** @param {() => void} action @returns {import('./pump.js').Work} */
function* once(action) {
  action();
}

/** @param {string} what @returns {never} */
function unsupported(what) {
  throw new OffstageError('UNSUPPORTED', `${what} is not in this version`);
}

function disposed() {
  return new OffstageError('DISPOSED', 'the session was disposed: INIT_TRAINING makes a new model');
}
