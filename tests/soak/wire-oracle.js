/* wire-oracle.js: judges what a session says, message by message, against the rules.
 *
 * Requests are folded, in the order they were sent, into what the session must have; a reply is
 * judged by the state that its request met, wherever all before it is known, and by what any state
 * would allow where it is not. Invariant: a violation is only noted here, never thrown into the
 * session that is talking. */
import { REPLIES } from '../../worker/protocol.js';
import { FACTS } from './wire-operations.js';
import { MAKES, apply, become, refusals } from './wire-rules.js';
import { RunRecords } from './run-records.js';

/**
 * @typedef {object} Entry
 * @property {number} id
 * @property {string} type
 * @property {any} op
 * @property {Entry[]} runs       starts without an answer when it was sent
 * @property {string | null | undefined} outcome  undefined: none yet; null: served; else the code
 * @property {RunRecords | null} records  of a start
 * @property {any} answer
 * @property {import('./wire-rules.js').State} [met]  the state before it, once that is known
 */

const ONE_RUN = [...MAKES, 'START_TRAINING', 'SET_WEIGHTS'];

export class WireOracle {
  /** @type {string[]} */ violations = [];
  /** @type {Entry[]} */ entries = [];
  /** Replies judged by a known state, and by less. */ counts = { exact: 0, loose: 0 };
  /** @type {Map<number, Entry>} */ #pending = new Map();
  /** @type {import('./wire-rules.js').State} */ #state;
  #folded = 0;
  #losses = 0;
  /**
   * Ids whose pending request was asked for again, and how often.
   * @type {Map<any, number>}
   */
  #complaints = new Map();
  #deaths;

  /**
   * @param {() => number} deaths   how often the core has died so far
   * @param {string | null} [model]  what the session says of its model
   */
  constructor(deaths, model = null) {
    this.#deaths = deaths;
    this.#losses = deaths();
    this.#state = { model, uploads: new Map() };
  }

  get pending() {
    return [...this.#pending.values()];
  }

  /** Runs that may be on. */
  get runs() {
    return this.pending.filter(({ type }) => type === 'START_TRAINING');
  }

  /** @param {number} id @param {string} type @param {any} op */
  sent(id, type, op) {
    const ends = ['STOP_TRAINING', 'RESUME_TRAINING', 'DISPOSE'].includes(type);
    if (ends) for (const { records } of this.runs) if (records) records.paused = false;
    const entry = {
      id,
      type,
      op,
      runs: this.runs,
      outcome: undefined,
      records: type === 'START_TRAINING' ? new RunRecords(op) : null,
      answer: undefined,
    };
    this.#pending.set(id, entry);
    this.entries.push(entry);
  }

  /** A message was sent that must be complained of. @param {any} id of the complaint */
  complains(id) {
    this.#complaints.set(id, (this.#complaints.get(id) ?? 0) + 1);
  }

  /** @param {any} message */
  heard(message) {
    try {
      this.#hear(message);
    } catch (error) {
      this.violations.push(
        `${/** @type {Error} */ (error).message}\n  at ${JSON.stringify(message, brief)}`,
      );
    }
  }

  /** @param {any} message */
  #hear({ v, id, type, payload }) {
    check(v === 1, 'v is not 1');
    const complaints = this.#complaints.get(id) ?? 0;
    if (
      type === 'ERROR' &&
      payload.code === 'BAD_MESSAGE' &&
      complaints > 0 &&
      !/no model/.test(payload.error)
    )
      return void this.#complaints.set(id, complaints - 1);
    const entry = this.#pending.get(id);
    if (!entry) throw new Error('nobody waits for this');
    if (type === 'TRAINING_PROGRESS') return this.#progress(entry, payload);
    this.#pending.delete(id);
    const failed = type === 'ERROR' || type === 'TRAINING_ERROR';
    if (failed) {
      check(
        typeof payload.error === 'string' && payload.error.length > 8,
        'an error that says nothing',
      );
      check(
        type === 'TRAINING_ERROR'
          ? entry.type === 'START_TRAINING'
          : payload.request === entry.type,
        'the error of another request',
      );
    } else
      check(type === REPLIES[/** @type {'PING'} */ (entry.type)], `no answer to ${entry.type}`);
    entry.answer = payload;
    entry.outcome = failed ? payload.code : null;
    this.#fold();
    if (payload.code === 'WORKER_LOST' && entry.met?.model !== 'WORKER_LOST') this.#lost();
    this.#judge(entry);
    if (!failed) this.#look(entry, payload);
  }

  /**
   * The model has gone with all that was under way; a model that is being made, or an end that
   * waits, comes after it.
   */
  #lost() {
    if (this.#losses === this.#deaths()) return;
    this.#losses++;
    const next = this.entries.findIndex(
      ({ type, outcome }) => [...MAKES, 'DISPOSE'].includes(type) && outcome === undefined,
    );
    const at = next < 0 ? this.entries.length : next;
    this.entries.splice(at, 0, {
      id: -1,
      type: 'LOST',
      op: {},
      runs: [],
      outcome: null,
      records: null,
      answer: undefined,
    });
    this.#fold();
  }

  /** Goes through the requests as far as it is known what became of them. */
  #fold() {
    for (; this.#folded < this.entries.length; this.#folded++) {
      const entry = this.entries[this.#folded];
      const { type, op, outcome } = entry;
      entry.met ??= { model: this.#state.model, uploads: new Map(this.#state.uploads) };
      if ([...MAKES, 'DISPOSE', 'UPLOAD_DATA'].includes(type) && outcome === undefined) return;
      if (type === 'LOST') become(this.#state, 'WORKER_LOST');
      else apply(type, op, this.#state, outcome ?? null);
    }
  }

  /** @param {Entry} entry */
  #judge(entry) {
    const { type, op, outcome, runs, met } = entry;
    this.counts[met ? 'exact' : 'loose']++;
    let { codes, must } = met ? refusals(type, op, met) : anyRefusal(type, op);
    if (op.op === 'again' && met && (met.model ?? '') in FACTS) {
      const also = resumeRefusals(op, pastOf(this.entries, entry));
      [codes, must] = [[...codes, ...also.codes], must || also.must];
    }
    const allowed = new Set(codes);
    const busy = ONE_RUN.includes(type) && runs.length > 0;
    if (busy) allowed.add('BUSY');
    if (this.#followed(entry, ['DISPOSE'])) allowed.add('DISPOSED');
    if (this.#followed(entry, ['LOST']) && type !== 'DISPOSE') allowed.add('WORKER_LOST');
    const served = outcome === null;
    /* Data are looked at in slices of the run, which may be stopped before they have been. */
    const early =
      type === 'START_TRAINING' && entry.answer.reason === 'stopped' && entry.answer.run === null;
    if (served) {
      check(!must || early, `served, expected one of ${[...allowed]}`);
      check(!busy || runs.every((run) => run.outcome !== undefined), 'served while a run was on');
    } else
      check(
        allowed.has(/** @type {string} */ (outcome)),
        `refused with ${outcome}, expected ${served || must ? '' : 'to be served, or '}${[...allowed]}`,
      );
  }

  /** What a served request said. @param {Entry} entry @param {any} payload */
  #look(entry, payload) {
    const { type, runs, op } = entry;
    if (type === 'START_TRAINING')
      entry.records?.complete(payload, this.#followed(entry, ['STOP_TRAINING', 'DISPOSE']));
    if (type === 'STOP_TRAINING')
      check(
        runs.every((run) => run.outcome !== undefined),
        'stopped before the run told its end',
      );
    if (
      type === 'PAUSE_TRAINING' &&
      !this.#followed(entry, ['STOP_TRAINING', 'RESUME_TRAINING', 'DISPOSE'])
    ) {
      for (const { records, outcome } of runs)
        if (records && outcome === undefined) records.paused = true;
    }
    const facts = FACTS[entry.met?.model ?? ''];
    if (type === 'PREDICT' && facts) {
      check(
        payload.output.length % facts.outputs === 0 && payload.output.every(Number.isFinite),
        'no prediction',
      );
      check(facts.classes === 0 || payload.label !== undefined, 'no label');
    }
    if (type === 'EVALUATE_MODEL' && facts)
      check(Number.isFinite(payload.loss) && payload.samples > 0, 'no evaluation');
    if (type === 'GET_WEIGHTS' && facts) {
      check(
        JSON.stringify(payload.weights.map((/** @type {any} */ { shape }) => shape)) ===
          JSON.stringify(facts.shapes),
        'other weights',
      );
    }
    if (type === 'GET_STATUS') this.#checkStatus(entry, payload);
    if (MAKES.includes(type))
      check(
        payload.inputs[0].size === FACTS[op.spec].inputs && payload.step === (op.step ?? 0),
        'another model',
      );
    if (type === 'SAVE_CHECKPOINT')
      check(payload.bytes.length > 100 && Number.isSafeInteger(payload.step), 'no checkpoint');
  }

  /** @param {Entry} entry @param {any} status */
  #checkStatus(entry, { state }) {
    // It may have come before the status was told
    if (!entry.met || this.#followed(entry, ['LOST'])) return;
    const on = entry.runs.some((run) => run.outcome === undefined);
    const expected = on
      ? ['training', 'paused']
      : (entry.met.model ?? '') in FACTS
        ? ['ready']
        : ['empty'];
    check(expected.includes(state), `state ${state}, expected ${expected}`);
  }

  /** @param {Entry} entry @param {any} payload */
  #progress(entry, payload) {
    check(entry.records !== null, 'progress of what is no run');
    check(
      entry.runs.every((run) => run.outcome !== undefined),
      'progress while another run is on',
    );
    entry.records?.progress(payload);
  }

  /** @param {Entry} entry @param {string[]} types */
  #followed(entry, types) {
    return this.entries
      .slice(this.entries.indexOf(entry) + 1)
      .some(({ type }) => types.includes(type));
  }

  /** The model, once all is answered. */
  get model() {
    this.#fold();
    return this.#state.model;
  }

  /** Bytes of uploads that nobody has taken. */
  get uploaded() {
    return [...this.#state.uploads.values()].reduce(
      (sum, { total }) => sum + 64 * Math.ceil(total / 64),
      0,
    );
  }

  /** All is answered: what is left is wrong. */
  quiet() {
    for (const { id, type } of this.pending) this.violations.push(`no answer to ${type} (${id})`);
    for (const [id, left] of this.#complaints)
      if (left > 0) this.violations.push(`no complaint about message ${id}`);
    this.#fold();
  }
}

/**
 * The run that a request could go on with.
 * @param {Entry[]} entries @param {Entry} entry
 * @returns {import('./story.js').Last | null | undefined} undefined: that cannot be told
 */
function pastOf(entries, entry) {
  for (let i = entries.indexOf(entry) - 1; i >= 0; i--) {
    const { type, op, outcome, answer } = entries[i];
    if (outcome === undefined && [...MAKES, 'START_TRAINING', 'SET_WEIGHTS'].includes(type))
      return undefined;
    if (outcome !== null) continue;
    if (type === 'SET_WEIGHTS') return null; // other weights end what could be gone on with
    if (MAKES.includes(type)) return op.story ? op.story.last : null;
    if (type !== 'START_TRAINING' || answer.run === null) continue;
    if (op.op === 'again' || op.upload) return undefined;
    return { ...op, done: answer.history.length };
  }
  return null;
}

/**
 * @param {any} op
 * @param {import('./story.js').Last | null | undefined} past
 * @returns {{ codes: string[], must: boolean }}
 */
function resumeRefusals({ data, n, epochs, otherData }, past) {
  if (past === undefined) return { codes: ['INVALID_OPTION', 'INVALID_DATA'], must: false };
  if (past === null || epochs < past.done) return { codes: ['INVALID_OPTION'], must: true };
  if (data === past.data && n === past.n)
    // The next epoch may have begun
    return { codes: epochs === past.done ? ['INVALID_OPTION'] : [], must: false };
  return { codes: ['INVALID_OPTION', 'INVALID_DATA'], must: !otherData };
}

/** What any state would allow. @param {string} type @param {any} op */
function anyRefusal(type, op) {
  const states = [null, 'DISPOSED', 'WORKER_LOST', ...Object.keys(FACTS)].map((model) => ({
    model,
    uploads: new Map(),
  }));
  const all = states.map((state) => refusals(type, op, state));
  const codes = all.flatMap((one) => one.codes);
  if (op.upload || type === 'UPLOAD_DATA' || op.op === 'again')
    codes.push('INVALID_DATA', 'INVALID_OPTION');
  return { codes, must: all.every((one) => one.must) && !op.upload && type !== 'UPLOAD_DATA' };
}

/** @param {boolean} right @param {string} what */
function check(right, what) {
  if (!right) throw new Error(what);
}

/** @param {string} _ @param {any} value */
const brief = (_, value) =>
  ArrayBuffer.isView(value) ? `${value.constructor.name}(${value.byteLength})` : value;
