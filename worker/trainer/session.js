/* session.js: what an endpoint may ask, in which state, and who answers when.
 *
 * One session has at most one model and one run. It answers every request exactly once, keeps the old model
 * until a new one is accepted, and turns whatever goes wrong into a typed reply. While a model is being
 * built, requests wait for it in order. It knows no page, no worker and no clock but its host's: the same
 * file runs in a Web Worker, in a Node worker thread and beside the app on its own thread. */

import { makeModel, openSource } from './building.js';
import { readX } from '../data/samples.js';
import { ALWAYS, Desk } from '../host/requests.js';
import { OffstageError, checkFields, errorToWire, show, trapError } from '../host/errors.js';
import { Holding } from '../storage/name-lock.js';
import { readRuntime } from '../host/module.js';
import { buffersOf } from '../protocol.js';
import { LANES, Pump } from '../host/pump.js';
import { readBatchSize, readClassWeight, readSettings } from './run/settings.js';
import { saveState } from './snapshot.js';
import { Stages, statusOf } from './stages.js';
import { isStored, isUpload } from './datasets.js';
import { Training } from './run/lifecycle.js';
import { getWeights, setWeights } from './weights.js';

/** @typedef {import('../protocol.js').RequestType} RequestType */
/** @typedef {import('../host/requests.js').Request} Request */

/** @typedef {import('./model.js').Model} Model */

/** Requests that are not about the model that there is, and so are not lost with it. */
const APART = ['INIT_TRAINING', 'LOAD_CHECKPOINT', 'DISPOSE'];
/** What only asks a model: it need not wait for storage. @type {readonly RequestType[]} */
const ASKING = ['PREDICT', 'EVALUATE_MODEL', 'GET_WEIGHTS', 'UPLOAD_DATA', 'DISCARD_DATA'];

/**
 * @param {import('../protocol.js').Endpoint} endpoint
 * @param {import('../host/clock.js').Host} host
 */
export function createSession(endpoint, host) {
  return new Session(endpoint, host);
}

class Session {
  #desk;
  #host;
  #pump;
  /** @type {Model | null} */ #model = null;
  #stages;
  #training;
  #startedAt;
  /** How the model's session is to run, as it was asked for. @type {any} */ #runtime = {};
  /** That of a model on its way. @type {any} */ #asked = null;
  /** Where the model's checkpoints last. */ #holding;
  /** Why there is no model, where there was one. @type {OffstageError | null} */ #gone = null;
  /** Counts what makes a model under construction unwanted. */ #generation = 0;
  /** Jobs of the long lane that nothing may overtake. */ #ordered = 0;

  /** @type {Record<RequestType, (request: Request) => void>} */
  #handlers = {
    INIT_TRAINING: (request) => void this.#build(request),
    UPLOAD_DATA: (request) => this.#receiveData(request),
    DISCARD_DATA: (request) => this.#discard(request),
    START_TRAINING: (request) => this.#start(request),
    STOP_TRAINING: (request) => this.#stop(request),
    PAUSE_TRAINING: (request) => this.#control(request, () => this.#training.pause()),
    RESUME_TRAINING: (request) => this.#control(request, () => this.#training.resume()),
    PREDICT: (request) => this.#predict(request),
    EVALUATE_MODEL: (request) => this.#evaluate(request),
    GET_WEIGHTS: (request) => this.#job(request, LANES.SHORT, getWeights(this.#pump, this.#need())),
    SET_WEIGHTS: (request) => this.#setWeights(request),
    SAVE_CHECKPOINT: (request) => this.#saveCheckpoint(request),
    LOAD_CHECKPOINT: (request) => void this.#build(request),
    GET_STATUS: (request) => this.#desk.reply(request, this.#status()),
    PING: (request) => this.#desk.reply(request, {}),
    DISPOSE: (request) => this.#control(request, () => this.#dispose()),
  };

  /** @param {import('../protocol.js').Endpoint} endpoint @param {import('../host/clock.js').Host} host */
  constructor(endpoint, host) {
    this.#desk = new Desk(endpoint, (request) => this.#handle(request), () => this.#pump.breathe());
    this.#host = host;
    this.#pump = new Pump(host);
    this.#stages = new Stages(host);
    this.#holding = new Holding((/** @type {import('../storage/checkpoint-store.js').Warning} */ code, /** @type {string} */ message) => this.#notice({ kind: 'warning', code, message }));
    this.#startedAt = host.wall();
    this.#pump.onGap = ({ ms, at, counted }) => {
      this.#stages.leaveOut(counted);
      this.#training.run?.leaveOut(counted);
      this.#notice({ kind: 'gap', ms, at });
    };
    this.#training = new Training({
      pump: this.#pump, host, stages: this.#stages,
      post: (request, type, payload, transfer) => this.#desk.post(request.id, type, payload, transfer),
      reply: (request, payload, transfer, type) => this.#desk.reply(request, payload, transfer, type),
      fail: (request, error) => this.#fail(request, error),
      notice: (notice) => this.#notice(notice),
    });
  }

  /** @param {Request} request */
  #handle(request) {
    try {
      this.#handlers[request.type](request);
    } catch (error) {
      this.#fail(request, error);
    }
  }

  /** Tells who asked to be told. @param {import('../protocol.js').Notice} notice */
  #notice(notice) {
    const { notices, debug } = this.#asked ?? this.#runtime;
    if (notices && (debug || notice.kind !== 'log' || notice.level !== 'debug')) this.#desk.post(null, 'NOTICE', notice);
  }

  /** @param {'debug' | 'info' | 'warn' | 'error'} level @param {string} message */
  #log(level, message) {
    this.#notice({ kind: 'log', level, message, time: this.#host.wall() });
  }

  /**
   * Refuses a request; anything but an OffstageError means that the core, or this code, is broken.
   * @param {Request} request @param {unknown} error
   */
  #fail(request, error) {
    if (!(error instanceof OffstageError)) return this.#lose(trapError(error));
    if (!this.#desk.refuse(request, error)) return;
    const { x, y, sampleWeight } = request.payload;
    for (const data of [x, y, sampleWeight]) if (isUpload(data)) this.#model?.store.discard(data.upload);
  }

  /** Drops the model: all that is pending fails with the reason. @param {OffstageError} reason */
  #lose(reason) {
    const request = this.#training.lose();
    this.#model?.core.close();
    this.#model = null;
    this.#gone = reason;
    this.#stages.enter('done');
    this.#holding.hold(null);
    if (request) this.#desk.reply(request, errorToWire(reason), undefined, 'TRAINING_ERROR');
    this.#pump.abort(reason);
    this.#ordered = 0;
    const kept = this.#desk.waiting(); // for the next model, or for their turn
    for (const other of this.#desk.pending()) {
      if (!kept.has(other) && !APART.includes(other.type)) this.#fail(other, reason);
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
    if (this.#training.run) throw new OffstageError('BUSY', `${what} while a run is on: stop it first, or wait for its end`);
  }

  /**
   * Makes a model, from a spec or from a checkpoint; the old one stays where it is refused.
   * @param {Request} request
   */
  async #build(request) {
    const loads = request.type === 'LOAD_CHECKPOINT';
    await this.#gated(request, async (generation) => {
      this.#refuseWhileRunning(request.type);
      const { runtime: given, ...rest } = request.payload;
      const asked = given !== undefined ? given : loads ? this.#runtime : {};
      const settled = readRuntime(asked);
      this.#asked = asked;
      const ports = {
        pump: this.#pump, stages: this.#stages, holding: this.#holding,
        finished: (/** @type {import('../host/pump.js').Work} */ work) => this.#finished(work),
        lost: (/** @type {OffstageError} */ reason) => this.#lose(reason),
        check: () => this.#refuseOutdated(generation),
      };
      this.#stages.enter('loading');
      const source = loads ? await openSource(rest, settled, ports) : { spec: rest };
      try {
        ports.check();
        const { model, runtime } = await makeModel(source, settled, ports);
        return () => this.#accept(request, { model, runtime, asked, held: source.held ?? null, hasData: source.hasData });
      } catch (error) {
        await this.#holding.release(source.held);
        throw error;
      }
    });
    this.#asked = null;
  }

  /**
   * @param {Request} request
   * @param {{ model: Model, runtime: import('../host/module.js').Settled, asked: any, held: import('../storage/name-lock.js').Held | null,
   *   hasData?: boolean }} made
   */
  #accept(request, { model, runtime: { variant, threads, reason }, asked, held, hasData = false }) {
    this.#model?.core.close();
    this.#model = model;
    this.#runtime = asked;
    this.#gone = null;
    this.#holding.hold(held);
    this.#log('info', `a model of ${model.counts.parameters} parameters is ready: ${variant}, threads: ${threads}`);
    this.#stages.enter('done');
    const told = { variant, threads, reason, persisted: this.#holding.told(), ...this.#stages.describe() };
    const { run, ...built } = model.describe();
    this.#desk.reply(request, { ...built, run: run && { ...run, data: hasData ? 'stored' : null }, ...told });
  }

  /**
   * Does what takes turns of the event loop, while all but a few requests wait for it in order.
   * @param {Request} request @param {(generation: number) => Promise<() => void>} action  gives what is done right
   *   before the others have their turn
   * @param {readonly RequestType[]} [passing]  further requests that do not wait
   */
  async #gated(request, action, passing = []) {
    const generation = this.#generation;
    const open = this.#desk.close(passing);
    try {
      const done = await action(generation);
      this.#refuseOutdated(generation);
      done();
    } catch (error) {
      this.#fail(request, error instanceof OffstageError ? error : trapError(error));
    } finally {
      this.#stages.enter(this.#training.run ? this.#stages.now : 'done');
      open();
    }
  }

  /** @param {number} generation */
  #refuseOutdated(generation) {
    if (generation !== this.#generation) throw disposed();
  }

  /** @param {Model} model  that was there before others had their turn */
  #refuseLost(model) {
    if (this.#need() !== model) throw disposed();
  }

  /** @param {import('../host/pump.js').Work} work @returns {Promise<any>} */
  #finished(work) {
    return new Promise((done, fail) => {
      this.#pump.add(LANES.LONG, { work, done, fail, apart: true }); // DISPOSE goes ahead of it
      this.#pump.runJobs();
    });
  }

  /**
   * Runs a job and answers with what it returns.
   * @param {Request} request @param {number} lane @param {import('../host/pump.js').Work} work
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
      done: (value) => settle(() => this.#desk.reply(request, value, buffersOf(value))),
      fail: (error) => settle(() => this.#fail(request, error)),
    });
    this.#pump.runJobs();
  }

  /** What is done between two steps, ahead of all else. @param {Request} request @param {() => void} action */
  #control(request, action) {
    if (!ALWAYS.includes(request.type)) this.#need();
    this.#pump.add(LANES.CONTROL, {
      work: once(action),
      apart: APART.includes(request.type),
      done: () => this.#desk.reply(request, { state: this.#status().state }),
      fail: (error) => this.#fail(request, error),
    });
    this.#pump.runJobs();
  }

  /** @param {Request} request */
  #start(request) {
    const model = this.#need();
    this.#refuseWhileRunning('START_TRAINING');
    const settings = readSettings(request.payload, model.past);
    const { x, y, sampleWeight, classWeight } = request.payload;
    if (isStored(x) && (sampleWeight !== undefined || classWeight !== undefined)) {
      throw new OffstageError('INVALID_OPTION', 'data that are kept have their weights with them: expected no sampleWeight and no classWeight');
    }
    if (settings.persist || isStored(x) || isStored(y)) return void this.#startKept(request, model, settings);
    this.#begin(request, model, settings);
  }

  /** @param {Request} request @param {Model} model @param {import('./run/settings.js').Settings} settings */
  async #startKept(request, model, settings) {
    await this.#gated(request, async () => {
      const { payload } = request;
      const keptData = isStored(payload.x) && isStored(payload.y);
      if (settings.persist) {
        const held = await this.#holding.open(settings.persist, readRuntime(this.#runtime).assets);
        if (this.#model !== model) await this.#holding.release(held);
        this.#refuseLost(model);
        this.#holding.hold(held);
      }
      if (isStored(payload.x) || isStored(payload.y)) {
        const data = await this.#holding.keeper?.readData();
        this.#refuseLost(model);
        if (!data) throw new OffstageError('DATA_LOST', 'the data were not kept with the checkpoints, or cannot be read: give them again');
        for (const name of /** @type {const} */ (['x', 'y'])) { // an upload of the request's, which goes with it
          if (isStored(payload[name])) payload[name] = await model.store.receiveKept(data[name]);
          this.#refuseLost(model);
        }
        if (keptData && data.weights) payload.sampleWeight = await model.store.receiveKept(data.weights);
        this.#refuseLost(model);
      }
      return () => this.#begin(request, model, settings, settings.persist ? this.#holding.keeper : null, keptData);
    }, ASKING);
  }

  /**
   * @param {Request} request @param {Model} model @param {import('./run/settings.js').Settings} settings
   * @param {import('../storage/checkpoint-store.js').Keeper | null} [keeper]  where checkpoints last @param {boolean} [kept]  so do the data
   */
  #begin(request, model, settings, keeper = null, kept = false) {
    const { payload } = request;
    const classWeight = readClassWeight(payload.classWeight, model.facts.outputs);
    const data = this.#take(model, payload, classWeight !== null);
    try {
      this.#training.begin({ request, model, settings, data, classWeight, keeper, kept });
    } catch (error) {
      model.store.free(...Object.values(data));
      throw error;
    }
  }

  /** @param {Model} model @param {any} payload @param {boolean} weighted  the samples have weights, whether given or not */
  #take({ store }, { x: given, y: wanted, sampleWeight }, weighted) {
    const taken = [];
    try {
      const x = store.takeX(given);
      taken.push(x);
      const y = store.takeY(wanted, x.samples);
      taken.push(y);
      return { x, y, weights: store.takeWeights(sampleWeight, x.samples) ?? (weighted ? store.ones(x.samples) : null) };
    } catch (error) {
      store.free(...taken);
      throw error;
    }
  }

  /** @param {Request} request */
  #stop(request) {
    this.#need();
    this.#pump.add(LANES.CONTROL, {
      work: once(() => this.#training.stop(() => this.#desk.reply(request, { state: this.#status().state }))),
      done: () => {},
      fail: (error) => this.#fail(request, error),
    });
    this.#pump.runJobs();
  }

  /** Of the run too where one is on: it is waited for until it has begun. @param {Request} request */
  #saveCheckpoint(request) {
    const model = this.#need();
    this.#training.whenBegun(() => this.#job(request, LANES.LONG, this.#save(model)));
  }

  /** @param {Model} model @returns {import('../host/pump.js').Work} */
  *#save(model) {
    const { run } = this.#training;
    const bytes = yield* run?.began ? run.checkpoint() : saveState(this.#pump, model);
    return { bytes, step: model.step };
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
    const { payload } = request;
    const { batchSize } = checkFields(payload, ['x', 'y', 'sampleWeight', 'batchSize'], 'EVALUATE_MODEL', 'INVALID_OPTION');
    const size = readBatchSize(batchSize);
    this.#job(request, LANES.LONG, model.evaluate(this.#pump, this.#take(model, payload, false), size));
  }

  /** @param {Request} request */
  #setWeights(request) {
    const model = this.#need();
    this.#refuseWhileRunning('SET_WEIGHTS');
    const { weights } = checkFields(request.payload, ['weights'], 'SET_WEIGHTS', 'INVALID_OPTION');
    this.#job(request, LANES.LONG, setWeights(this.#pump, model, weights));
  }

  /** @param {Request} request */
  #receiveData(request) {
    const stored = this.#need().store.receive(request.payload);
    this.#desk.reply(request, stored, stored.bytes && [stored.bytes]);
  }

  /** @param {Request} request */
  #discard(request) {
    const { upload } = checkFields(request.payload, ['upload'], 'DISCARD_DATA', 'INVALID_OPTION');
    if (!Number.isSafeInteger(upload)) throw new OffstageError('INVALID_OPTION', `upload is ${show(upload)}, expected an integer`);
    this.#need().store.discard(upload);
    this.#desk.reply(request, { upload });
  }

  #dispose() {
    this.#training.drop();
    const asked = this.#desk.take('DISPOSE');
    this.#generation++;
    this.#desk.leave();
    this.#pump.abort(disposed(), true);
    this.#lose(disposed());
    for (const other of this.#desk.pending()) this.#fail(other, disposed());
    for (const { id } of asked) this.#desk.post(id, 'DISPOSED', {});
  }

  #status() {
    return statusOf({
      model: this.#model, run: this.#training.run, pump: this.#pump, host: this.#host, stages: this.#stages,
      startedAt: this.#startedAt,
    });
  }
}

/** @param {() => void} action @returns {import('../host/pump.js').Work} */
function* once(action) {
  action();
}

function disposed() {
  return new OffstageError('DISPOSED', 'the session was disposed: INIT_TRAINING makes a new model');
}
