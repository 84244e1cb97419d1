/* service.js: the trainer as a service: what may be asked of it, and what it does about it.
 *
 * One session has at most one model and one run. The old model stays until a new one is accepted;
 * while one is being built, requests wait for it in order. How requests come and answers go is the
 * host's to know, and no page, worker or clock is known here: the same file runs in a Web Worker,
 * in a Node worker thread and beside the app on its own thread. */

import { OffstageError, about, checkFields, errorToWire, show, trapError } from '../host/errors.js';
import { Later } from '../host/later.js';
import { readRuntime } from '../host/module.js';
import { LANES } from '../host/pump.js';
import { openRoot } from '../host/services.js';
import { Answer } from '../host/session.js';
import { REPLIES, buffersOf } from '../protocol.js';
import { NameLock } from '../storage/name-lock.js';
import { makeModel, openSource } from './building.js';
import { isStored, isUpload } from './datasets.js';
import { worded } from '../spec/refused.js';
import * as dialect from './foreign.js';
import { Training } from './run/lifecycle.js';
import {
  readAnswer,
  readBatchSize,
  readChange,
  readClassWeight,
  readRange,
  readSettings,
  readStop,
} from './run/settings.js';
import { searchRate } from './rate-search.js';
import { saveState } from './snapshot.js';
import { Stages, statusOf } from './stages.js';
import { getWeights } from './weights.js';

/** @typedef {import('./model.js').Model} Model */
/** @typedef {import('../host/session.js').Turn} Turn */
/** @typedef {import('../host/pump.js').Work} Work */
/** What waits for the end of a run. @typedef {{ turn: Turn, end: Later<Answer> }} Asked */
/** @typedef {Record<string, any>} Payload */

/** Requests that only ask a model: they need not wait for storage. */
const ASKING = ['PREDICT', 'EVALUATE_MODEL', 'GET_WEIGHTS', 'UPLOAD_DATA', 'DISCARD_DATA'];

/** @type {Record<string, import('../host/session.js').Row<Trainer>>} */
const REQUESTS = {
  INIT_TRAINING: {
    reply: REPLIES.INIT_TRAINING,
    apart: true,
    busy: true,
    handle: (trainer, payload, turn) => trainer.build(payload, turn, false),
  },
  UPLOAD_DATA: {
    reply: REPLIES.UPLOAD_DATA,
    needs: true,
    handle: (trainer, payload) => trainer.receive(payload),
  },
  DISCARD_DATA: {
    reply: REPLIES.DISCARD_DATA,
    needs: true,
    handle: (trainer, payload) => trainer.discard(payload),
  },
  START_TRAINING: {
    reply: REPLIES.START_TRAINING,
    needs: true,
    busy: true,
    handle: (trainer, payload, turn) => trainer.start(payload, turn),
  },
  STOP_TRAINING: {
    reply: REPLIES.STOP_TRAINING,
    needs: true,
    lane: LANES.CONTROL,
    handle: (trainer, payload) => trainer.stop(payload),
  },
  PAUSE_TRAINING: {
    reply: REPLIES.PAUSE_TRAINING,
    needs: true,
    lane: LANES.CONTROL,
    handle: (trainer) => trainer.control((training) => training.pause()),
  },
  RESUME_TRAINING: {
    reply: REPLIES.RESUME_TRAINING,
    needs: true,
    lane: LANES.CONTROL,
    handle: (trainer) => trainer.control((training) => training.resume()),
  },
  CONTINUE_TRAINING: {
    reply: REPLIES.CONTINUE_TRAINING,
    needs: true,
    lane: LANES.CONTROL,
    handle: (trainer, payload) => {
      const answer = readAnswer(payload);
      return trainer.control((training) => training.answer(answer));
    },
  },
  SET_RUN: {
    reply: REPLIES.SET_RUN,
    needs: true,
    lane: LANES.CONTROL,
    handle: (trainer, payload) => trainer.change(payload),
  },
  PREDICT: {
    reply: REPLIES.PREDICT,
    needs: true,
    lane: LANES.SHORT,
    handle: (trainer, payload, turn) => trainer.predict(payload, turn),
  },
  EVALUATE_MODEL: {
    reply: REPLIES.EVALUATE_MODEL,
    needs: true,
    handle: (trainer, payload, turn) => trainer.evaluate(payload, turn),
  },
  FIND_LEARNING_RATE: {
    reply: REPLIES.FIND_LEARNING_RATE,
    needs: true,
    busy: true,
    handle: (trainer, payload, turn) => trainer.findRate(payload, turn),
  },
  GET_WEIGHTS: {
    reply: REPLIES.GET_WEIGHTS,
    needs: true,
    lane: LANES.SHORT,
    handle: (trainer) => getWeights(trainer.pump, trainer.model),
  },
  SET_WEIGHTS: {
    reply: REPLIES.SET_WEIGHTS,
    needs: true,
    busy: true,
    ordered: true,
    handle: (trainer, payload, turn) => trainer.setWeights(payload, turn),
  },
  SAVE_CHECKPOINT: {
    reply: REPLIES.SAVE_CHECKPOINT,
    needs: true,
    handle: (trainer) => trainer.save(),
  },
  LOAD_CHECKPOINT: {
    reply: REPLIES.LOAD_CHECKPOINT,
    apart: true,
    busy: true,
    handle: (trainer, payload, turn) => trainer.build(payload, turn, true),
  },
};

/** @type {import('../host/session.js').Service<Trainer>} */
export const TRAINER = {
  name: 'trainer',
  requests: REQUESTS,
  dialect,
  transfers: buffersOf,
  open: (ports) => new Trainer(ports),
};

/**
 * Makes an endpoint a trainer's: what it asks is answered from here on.
 * @param {import('../host/envelope.js').Endpoint} endpoint
 * @param {import('../host/clock.js').Host} host
 */
export function createSession(endpoint, host) {
  return openRoot(endpoint, host, { trainer: TRAINER }, 'trainer');
}

class Trainer {
  pump;
  #ports;
  #host;
  /** @type {Model | null} */ #model = null;
  #stages;
  #training;
  #startedAt;
  /** How the model's session is to run, as it was asked for. @type {any} */ #runtime = {};
  /** The runtime of a model that is being built. @type {any} */ #asked = null;
  /** Where the model's checkpoints last. */ #holding;
  /** Why there is no model, where there was one. @type {OffstageError | null} */ #gone = null;

  /** @param {import('../host/session.js').Ports} ports */
  constructor(ports) {
    const { pump, host } = ports;
    this.pump = pump;
    this.#ports = ports;
    this.#host = host;
    this.#stages = new Stages(host);
    this.#startedAt = host.wall();
    this.#holding = new NameLock(
      (
        /** @type {import('../storage/checkpoint-store.js').Warning} */ code,
        /** @type {string} */ message,
      ) => this.#notice({ kind: 'warning', code, message }),
    );
    this.#training = new Training({
      pump,
      host,
      stages: this.#stages,
      post: ({ turn }, type, payload, transfer) => turn.tell(type, payload, transfer),
      reply: ({ end }, payload, transfer, type) =>
        end.resolve(new Answer(payload, { type, transfer })),
      fail: ({ end }, error) =>
        error instanceof OffstageError ? end.reject(error) : ports.lose(trapError(error)),
      notice: (notice) => this.#notice(notice),
    });
    pump.onGap = ({ ms, at, counted }) => {
      this.#stages.leaveOut(counted);
      this.#training.run?.leaveOut(counted);
      this.#notice({ kind: 'gap', ms, at });
    };
  }

  /** Tells who asked to be told. @param {import('../protocol.js').Notice} notice */
  #notice(notice) {
    const { notices, debug } = this.#asked ?? this.#runtime;
    if (notices && (debug || notice.kind !== 'log' || notice.level !== 'debug')) {
      this.#ports.notify('NOTICE', notice);
    }
  }

  /** @param {'debug' | 'info' | 'warn' | 'error'} level @param {string} message */
  #log(level, message) {
    this.#notice({ kind: 'log', level, message, time: this.#host.wall() });
  }

  /* ---- what a session asks of any service ---- */

  need() {
    if (this.#model) return;
    if (!this.#gone) throw new OffstageError('BAD_MESSAGE', 'no model: INIT_TRAINING first');
    throw new OffstageError(this.#gone.code, this.#gone.message, { cause: this.#gone });
  }

  busy() {
    return this.#training.run ? 'while a run is on: stop it first, or wait for its end' : null;
  }

  /** @param {OffstageError} reason */
  lose(reason) {
    const asked = this.#training.lose();
    this.#model?.core.close();
    this.#model = null;
    this.#gone = reason;
    this.#stages.enter('done');
    this.#holding.hold(null);
    asked?.end.resolve(new Answer(errorToWire(reason), { type: 'TRAINING_ERROR' }));
  }

  dispose() {
    this.#training.drop();
  }

  status() {
    return statusOf({
      model: this.#model,
      run: this.#training.run,
      pump: this.pump,
      host: this.#host,
      stages: this.#stages,
      startedAt: this.#startedAt,
    });
  }

  /** Where the session's files are, of a model that is being built first. @returns {unknown} */
  assets() {
    return (this.#asked ?? this.#runtime)?.assets;
  }

  /** @param {Payload} payload */
  refused({ x, y, sampleWeight, validationData }) {
    const given = Object(validationData);
    for (const data of [x, y, sampleWeight, given.x, given.y, given.sampleWeight]) {
      if (isUpload(data)) this.#model?.store.discard(data.upload);
    }
  }

  /* ---- models ---- */

  /** The model that there is, of a request that needs one. @returns {Model} */
  get model() {
    return /** @type {Model} */ (this.#model);
  }

  /**
   * Makes a model, from a spec or from a checkpoint; the old one stays where it is refused.
   * @param {Payload} payload @param {Turn} turn @param {boolean} loads  a checkpoint
   * @returns {Promise<() => any>}
   */
  async build(payload, turn, loads) {
    turn.gate();
    try {
      const { runtime: given, ...rest } = payload;
      const asked = given !== undefined ? given : loads ? this.#runtime : {};
      const settled = readRuntime(asked);
      this.#asked = asked;
      const ports = {
        pump: this.pump,
        stages: this.#stages,
        holding: this.#holding,
        helpers: this.#ports.helpers,
        finished: this.#ports.finished,
        lost: this.#ports.lose,
        check: () => turn.check(),
      };
      this.#stages.enter('loading');
      const source = loads ? await openSource(rest, settled, ports) : { spec: rest };
      try {
        ports.check();
        const { model, runtime } = await makeModel(source, settled, ports);
        return () =>
          this.#accept({
            model,
            runtime,
            asked,
            held: source.held ?? null,
            hasData: source.hasData,
          });
      } catch (error) {
        await this.#holding.release(source.held);
        throw error;
      }
    } finally {
      this.#asked = null;
      this.#stages.enter('done');
    }
  }

  /**
   * @param {{ model: Model, runtime: import('../host/module.js').Settled, asked: any, held:
   *   import('../storage/name-lock.js').Held | null,
   *   hasData?: boolean }} made
   */
  #accept({ model, runtime: { variant, threads, reason }, asked, held, hasData = false }) {
    this.#model?.core.close();
    this.#model = model;
    this.#runtime = asked;
    this.#gone = null;
    this.#holding.hold(held);
    this.#log(
      'info',
      `a model of ${model.counts.parameters} parameters is ready: ${variant}, ` +
        `threads: ${threads}`,
    );
    const told = {
      variant,
      threads,
      reason,
      persisted: this.#holding.report(),
      ...this.#stages.describe(),
    };
    const { run, ...built } = model.describe();
    return { ...built, run: run && { ...run, data: hasData ? 'stored' : null }, ...told };
  }

  /** @param {Model} model  that was there before others had their turn */
  #refuseLost(model) {
    this.need();
    if (this.#model !== model) {
      throw new OffstageError('DISPOSED', 'the model was replaced meanwhile');
    }
  }

  /**
   * Handles a request, once what reads its data is here.
   * @template T
   * @param {Turn} turn @param {boolean} needsWire @param {() => T} handle
   * @returns {T | Promise<() => T>}
   */
  #reading(turn, needsWire, handle) {
    if (!needsWire) return handle();
    const { model } = this;
    turn.gate();
    return dialect.load({}, this.assets()).then(() => () => {
      this.#refuseLost(model);
      return handle();
    });
  }

  /* ---- runs ---- */

  /** @param {Payload} payload @param {Turn} turn */
  start(payload, turn) {
    const { model } = this;
    const settings = readSettings(payload, model.past, model.core.schema);
    const { x, y, sampleWeight, classWeight, validationData } = payload;
    if (isStored(x) && (sampleWeight !== undefined || classWeight !== undefined)) {
      throw new OffstageError(
        'INVALID_OPTION',
        'data that are kept have their weights with ' +
          'them: expected no sampleWeight and no classWeight',
      );
    }
    const keptData = isStored(x) && isStored(y);
    const needsWire =
      (!keptData && model.store.needsWire(x, { y, weights: sampleWeight })) ||
      (validationData !== undefined &&
        model.store.needsWire(validationData.x, {
          y: validationData.y,
          weights: validationData.sampleWeight,
        }));
    if (settings.persist || isStored(x) || isStored(y)) {
      return this.#startKept(payload, turn, settings, { keptData, needsWire });
    }
    return this.#reading(turn, needsWire, () => this.#begin(payload, turn, model, settings));
  }

  /**
   * @param {Payload} payload
   * @param {Turn} turn
   * @param {import('./run/settings.js').Settings} settings
   * @param {{ keptData: boolean, needsWire: boolean }} data
   */
  async #startKept(payload, turn, settings, { keptData, needsWire }) {
    const { model } = this;
    turn.gate(needsWire ? [] : ASKING);
    try {
      if (needsWire) {
        await dialect.load({}, this.assets());
        this.#refuseLost(model);
      }
      if (settings.persist) {
        const held = await this.#holding.open(settings.persist, readRuntime(this.#runtime).assets);
        if (this.#model !== model) await this.#holding.release(held);
        this.#refuseLost(model);
        this.#holding.hold(held);
      }
      if (isStored(payload.x) || isStored(payload.y)) {
        const data = await this.#holding.keeper?.readData();
        this.#refuseLost(model);
        if (!data) {
          throw new OffstageError(
            'DATA_LOST',
            'the data were not kept with the checkpoints, ' + 'or cannot be read: give them again',
          );
        }
        // An upload of the request's, which goes with it.
        for (const name of /** @type {const} */ (['x', 'y'])) {
          if (isStored(payload[name])) payload[name] = await model.store.receiveKept(data[name]);
          this.#refuseLost(model);
        }
        if (keptData && data.weights) {
          payload.sampleWeight = await model.store.receiveKept(data.weights);
        }
        if (keptData && data.validationX && !payload.validationData) {
          const given = (payload.validationData = /** @type {any} */ ({}));
          for (const [name, column] of Object.entries({
            x: data.validationX,
            y: data.validationY,
            sampleWeight: data.validationWeights,
          })) {
            if (column) given[name] = await model.store.receiveKept(column);
          }
        }
        this.#refuseLost(model);
      }
      return () =>
        this.#begin(
          payload,
          turn,
          model,
          settings,
          settings.persist ? this.#holding.keeper : null,
          keptData,
        );
    } finally {
      this.#stages.enter('done');
    }
  }

  /**
   * @param {Payload} payload
   * @param {Turn} turn
   * @param {Model} model
   * @param {import('./run/settings.js').Settings} settings
   * @param {import('../storage/checkpoint-store.js').CheckpointStore | null} [keeper] where
   *   checkpoints last
   * @param {boolean} [kept] so do the data
   * @returns {Later<Answer>} the run's end
   */
  #begin(payload, turn, model, settings, keeper = null, kept = false) {
    const classWeight = readClassWeight(payload.classWeight, model.facts.outputs);
    const data = this.#take(model, payload, classWeight !== null);
    const request = { turn, end: new Later() };
    /** @type {import('./run/loop.js').Data | null} */
    let validation = null;
    try {
      validation = this.#takeValidation(model, payload);
      const begin = { request, model, settings, data, validation, classWeight, keeper, kept };
      this.#training.begin(begin);
    } catch (error) {
      model.store.free(...Object.values(data), ...Object.values(validation ?? {}));
      throw error;
    }
    return request.end;
  }

  /** @param {Model} model @param {Payload} payload */
  #takeValidation(model, { validationData }) {
    if (validationData === undefined) return null;
    try {
      return this.#take(model, validationData, false);
    } catch (error) {
      throw about('validationData', error);
    }
  }

  /**
   * @param {Model} model
   * @param {Payload} payload
   * @param {boolean} weighted the samples have weights, whether given or not
   */
  #take({ store }, { x: given, y: wanted, sampleWeight }, weighted) {
    const taken = [];
    try {
      const x = store.takeX(given);
      taken.push(x);
      const y = store.takeY(wanted, x.samples);
      taken.push(y);
      return {
        x,
        y,
        weights:
          store.takeWeights(sampleWeight, x.samples) ?? (weighted ? store.ones(x.samples) : null),
      };
    } catch (error) {
      store.free(...taken);
      throw error;
    }
  }

  /** Tells where the run stands, exactly; without one the model. */
  #standing() {
    const { state, epoch, batch, step } = this.status();
    return { state, epoch, batch, step };
  }

  /** @param {Payload} payload */
  stop(payload) {
    return this.#stop(readStop(payload));
  }

  /** @param {boolean} afterEpoch @returns {Generator<void, Later<any>, void>} */
  *#stop(afterEpoch) {
    const stopped = new Later();
    const ended = () => stopped.resolve(this.#standing());
    if (afterEpoch) this.#training.stopAfterEpoch(ended);
    else this.#training.stop(ended);
    return stopped;
  }

  /** A run is waited for until it has begun. @param {Payload} payload */
  change(payload) {
    const change = readChange(payload);
    const begun = new Later();
    this.#training.whenBegun(() =>
      begun.resolve(this.control((training) => training.change(change))),
    );
    return begun;
  }

  /**
   * Tells where the run stands then: one that is resumed, once its data are checked.
   * @param {(training: Training) => void} action between two steps, ahead of all else
   * @returns {Generator<void, Later<any>, void>}
   */
  *control(action) {
    action(this.#training);
    const begun = new Later();
    this.#training.whenBegun(() => begun.resolve(this.#standing()));
    return begun;
  }

  /** Of the run too where one is on: it is waited for until it has begun. */
  save() {
    const { model } = this;
    const begun = new Later();
    this.#training.whenBegun(() => begun.resolve(this.#save(model)));
    return begun;
  }

  /** @param {Model} model @returns {Work} */
  *#save(model) {
    const { run } = this.#training;
    const bytes = yield* run?.began ? run.checkpoint() : saveState(this.pump, model);
    return { bytes, step: model.step };
  }

  /* ---- questions ---- */

  /** @param {Payload} payload @param {Turn} turn */
  predict(payload, turn) {
    const { model, pump } = this;
    const { x } = checkFields(payload, ['x'], 'PREDICT', 'INVALID_OPTION');
    return this.#reading(turn, model.store.needsWire(x), () => {
      const column = isUpload(x) ? null : model.store.readX(x);
      if (column?.samples === 1) return model.predictOne(pump, column);
      turn.lane = LANES.LONG;
      return model.predictMany(pump, model.store.takeX(x));
    });
  }

  /** @param {Payload} payload @param {Turn} turn */
  evaluate(payload, turn) {
    const { model } = this;
    const { batchSize, metrics } = checkFields(
      payload,
      ['x', 'y', 'sampleWeight', 'batchSize', 'metrics'],
      'EVALUATE_MODEL',
      'INVALID_OPTION',
    );
    const size = readBatchSize(batchSize);
    const { x, y, sampleWeight: weights } = payload;
    /** @type {import('./model.js').Question} */
    let question;
    try {
      question = model.questionOf(metrics);
    } catch (error) {
      const { assets } = readRuntime(this.#runtime);
      return worded(error, assets).then((refusal) => Promise.reject(refusal));
    }
    return this.#reading(turn, model.store.needsWire(x, { y, weights }), () =>
      model.evaluate(this.pump, this.#take(model, payload, false), size, question),
    );
  }

  /**
   * The model learns meanwhile, so that everybody else waits.
   * @param {Payload} payload @param {Turn} turn
   */
  async findRate(payload, turn) {
    const range = readRange(payload);
    const { x, y, sampleWeight: weights } = payload;
    const { model } = this;
    turn.gate();
    if (model.store.needsWire(x, { y, weights })) {
      await dialect.load({}, this.assets());
      this.#refuseLost(model);
    }
    const work = searchRate(this.pump, model, this.#take(model, payload, false), range);
    const found = await this.#ports.finished(work);
    this.#refuseLost(model);
    return new Answer(found, { transfer: [found.rates.buffer, found.losses.buffer] });
  }

  /** @param {Payload} payload @param {Turn} turn */
  setWeights(payload, turn) {
    const { weights } = checkFields(payload, ['weights'], 'SET_WEIGHTS', 'INVALID_OPTION');
    return this.#reading(turn, !dialect.reader(), () =>
      dialect.wire().setWeights(this.pump, this.model, weights),
    );
  }

  /** @param {Payload} payload  a slice of an upload, whose buffer goes back for the next one */
  receive(payload) {
    const stored = this.model.store.receive(payload);
    return new Answer(stored, { transfer: stored.bytes && [stored.bytes] });
  }

  /** @param {Payload} payload */
  discard(payload) {
    const { upload } = checkFields(payload, ['upload'], 'DISCARD_DATA', 'INVALID_OPTION');
    if (!Number.isSafeInteger(upload)) {
      throw new OffstageError('INVALID_OPTION', `upload is ${show(upload)}, expected an integer`);
    }
    this.model.store.discard(upload);
    return { upload };
  }
}
