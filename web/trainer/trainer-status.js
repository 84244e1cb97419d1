/* trainer-status.js: knows how a trainer stands without asking anybody: its stages, its traffic,
 * its runs. Invariant: all of it is read off the messages that go by; a session that is replaced
 * takes nothing away from what was counted, and how runs went is what the session says. Nothing
 * depends on it. */
import { settingsOf } from '../../worker/trainer/run/fit-options.js';
import { MOST_RUNS, NO_RUNS, numbersOf } from '../../worker/protocol.js';
import { epochOf } from './run-log.js';
import { StageClock } from './stage-clock.js';

/** @typedef {import('../host/events.js').Events} Events */
/** @typedef {import('../../worker/trainer/stages.js').Stage} Stage */
/** @typedef {import('../../worker/protocol.js').RunRecord} RunRecord */
/** @typedef {import('./stage-clock.js').Seconds} Seconds */

/**
 * How a trainer stands: what it knows without asking, and what it was told last. Times are ms
 * since 1970.
 * @typedef {object} Status
 * @property {'ready' | 'training' | 'paused' | 'lost' | 'disposed'} state
 *   'lost': no session stands, and none will
 * @property {Stage | 'done'} stage what is being done; 'done': nothing
 * @property {Seconds} stageSeconds spent in each, pauses and suspensions left out
 * @property {number} epoch of the latest run
 * @property {number} batch complete ones of that epoch
 * @property {number} step updates since the model was made
 * @property {number} thread that trains; 0: the main one
 * @property {string} threadName 'offstage', or 'main'
 * @property {number} threads as in info
 * @property {number | null} processId in Node
 * @property {boolean} alive there is a session; false while a lost one is replaced, and after the
 *   end
 * @property {number | null} since when there is that session
 * @property {number} lastBeat when something was last heard of one
 * @property {number} restarts sessions that took the place of a lost one
 * @property {number} memory bytes of wasm memory
 * @property {number} bytesIn of arrays and buffers that went into sessions: data, weights
 * @property {number} bytesOut and of those that came out of them
 * @property {import('./info.js').Persist | null} persist where checkpoints last
 */

/** Keeps the records of the latest runs of a trainer's model, the one that is on included. */
export class Runs {
  /** Sums of all runs, as last told. @type {import('../../worker/protocol.js').Totals} */
  totals = NO_RUNS;
  /** @type {readonly RunRecord[]} */
  #records = [];
  /** The record of the run that is on. @type {RunRecord | null} */
  #present = null;
  /** The totals as the run began: a run that is refused was none. */
  #others = NO_RUNS;

  get isOn() {
    return this.#present !== null;
  }

  /**
   * @param {readonly RunRecord[] | undefined} records of the model that there is from here on
   * @param {boolean} [restored] it is the one that there was: what ended without it has ended
   */
  reset(records = [], restored = false) {
    const { id: present } = this.#present ?? {};
    const ended = this.#records.filter(({ id, reason }) => reason !== null && id !== present);
    this.#records = records.map((record) => {
      const mine = restored && record.reason === null && ended.find(({ id }) => id === record.id);
      return mine ? { ...record, endedAt: mine.endedAt, reason: mine.reason } : record;
    });
    this.#present = null;
  }

  /**
   * A run begins; one that is resumed is the latest that there is.
   * @param {any} start START_TRAINING's payload
   */
  begin(start, time = Date.now()) {
    const last = this.#records[this.#records.length - 1];
    const resumed = start.resume ? last : undefined;
    this.#others = this.totals;
    if (!resumed) this.totals = { ...this.totals, runs: this.totals.runs + 1 };
    this.#present = {
      id: resumed?.id ?? (last?.id ?? 0) + 1,
      startedAt: resumed?.startedAt ?? time,
      endedAt: null,
      reason: null,
      options: settingsOf(start, resumed?.options),
      metrics: resumed?.metrics ?? null,
      steps: resumed?.steps ?? 0,
    };
  }

  /** @param {import('../../worker/protocol.js').ProgressRecord[]} records of one message */
  progress(records) {
    const present = this.#present;
    if (!present) return;
    for (const record of records) {
      const { kind, epoch, batch, totalBatches } = record;
      present.steps = (epoch - 1) * totalBatches + batch;
      if (kind === 'epoch') present.metrics = numbersOf(epochOf(record));
    }
  }

  /** @param {RunRecord | null | undefined} record the session's own; none: there was no run */
  end(record) {
    if (record) {
      const others = this.#records.filter(({ id }) => id !== record.id);
      this.#records = [...others, record].slice(-MOST_RUNS);
    } else this.totals = this.#others;
    this.#present = null;
  }

  /** The run that is on has ended, and no session tells how. @param {string} reason */
  fail(reason, time = Date.now()) {
    if (this.#present) this.end({ ...this.#present, endedAt: time, reason });
  }

  /** Gives copies: what an app does with them is its own affair. @returns {RunRecord[]} */
  list() {
    const present = this.#present;
    const records = this.#records.filter(({ id }) => id !== present?.id);
    return structuredClone(present ? [...records, present].slice(-MOST_RUNS) : records);
  }
}

/** Types of requests that bring a model, which the page waits for. */
const LOADING = ['INIT_TRAINING', 'LOAD_CHECKPOINT'];
/** Types of messages after which the page may still be loading. */
const ASIDE = ['DATA_STORED', 'NOTICE', 'PONG'];

/** Reads a trainer's messages as they go by, through one session after another. */
export class Monitor {
  bytesIn = 0;
  bytesOut = 0;
  /** Bytes of wasm memory, as last told. */
  memory = 0;
  /** Threads that take part in training, as last told; null: nothing is trained. */
  threads = /** @type {number | null} */ (null);
  stages = new StageClock();
  runs = new Runs();
  /** A session was lost, and none stands in for it so far. */
  #replacing = false;
  #events;

  /** @param {Events} events whose log tells of every message, on level debug */
  constructor(events) {
    this.#events = events;
  }

  /** @param {string} type @param {any} payload @param {number} bytes */
  sent(type, payload, bytes) {
    this.bytesIn += bytes;
    this.#events.log('debug', `${type} is sent, ${bytes} bytes`);
    if (type === 'START_TRAINING') {
      this.runs.begin(payload);
      this.stages.enter('training');
    } else if (LOADING.includes(type) || (type === 'UPLOAD_DATA' && !this.runs.isOn)) {
      this.stages.load();
    }
  }

  /** @param {string} type @param {any} payload @param {number} bytes */
  received(type, payload, bytes) {
    this.bytesOut += bytes;
    if (type !== 'NOTICE') this.#events.log('debug', `${type} is here, ${bytes} bytes`);
    const { memoryBytes, threads, stage, stageSeconds, records, run, runs, totals } = payload ?? {};
    this.memory = memoryBytes ?? this.memory;
    if (stageSeconds) this.stages.report(stage, stageSeconds);
    else if (!ASIDE.includes(type)) this.stages.loaded();
    if (type === 'TRAINING_PROGRESS') {
      this.threads = threads;
      this.runs.progress(records);
    }
    if (type === 'TRAINING_COMPLETE') this.runs.end(run);
    if (totals) this.runs.totals = totals;
    /* A run that was refused was none. */
    if (type === 'ERROR' && payload?.request === 'START_TRAINING') this.runs.end(null);
    if (type === 'MODEL_READY' || type === 'CHECKPOINT_LOADED') {
      this.runs.reset(runs, this.#replacing);
      this.#replacing = false;
    }
    if (type === 'TRAINING_PAUSED') this.stages.pause(true);
    if (type === 'TRAINING_RESUMED') this.stages.pause(false);
  }

  /** The session is no more. */
  lost() {
    this.#replacing = true;
    this.threads = null;
    this.stages.replaced();
  }

  /** No run is on any more. @param {string} reason where no session has said how it ended */
  ended(reason) {
    this.threads = null;
    this.runs.fail(reason);
    this.stages.enter('done');
  }
}
