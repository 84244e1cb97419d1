/* requests.js: where a session's requests come in and its answers go out: every request is answered
 * exactly once.
 *
 * It takes envelopes, and the messages of a service's dialect, apart; it knows what is pending, and
 * lets requests wait, in order, while the session is not to be asked. What reads a dialect is
 * loaded with the first message of it: what comes meanwhile waits unread behind it. What a request
 * means, and what the answer is, is the service's to know. */

import { VERSION, isId, openEnvelope } from './envelope.js';
import { OffstageError, errorToWire } from './errors.js';

/**
 * A message of a dialect has a symbol for an id, which never leaves this file.
 * @typedef {{ id: import('./envelope.js').Id | symbol, type: string, payload: Record<string, any>
 *   }} Request
 */
/**
 * Another form of a service's messages, without envelopes.
 * @typedef {object} Dialect
 * @property {readonly string[]} ERRORS  types of its error replies
 * @property {(message: any) => boolean} isBare
 * @property {(message: any) => boolean} isForeign bare, or an enveloped one that unfold() is needed
 *   for
 * @property {() => Reader | null} reader   what reads such messages, once it has been loaded
 * @property {(message: any, assets: unknown) => Promise<unknown>} load  loads it
 * @property {(payload: any) => { type: string, payload: any }} bareError an ERROR's payload as a
 *   bare message
 */
/**
 * What reads a dialect.
 * @typedef {object} Reader
 * @property {(message: any) => { type: string, payload: Record<string, any> }} fromBare the request
 *   that it is; throws
 * @property {(type: string, payload: any) => { type: string, payload: any }[]} toBare what says the
 *   same as a reply
 * @property {(type: string, payload: any) => Record<string, any>} unfold the payload of an
 *   enveloped request; throws
 */
/**
 * Requests that wait, and of each who has closed it the types that he lets pass.
 * @typedef {{ requests: Request[], closers: (readonly string[])[] }} Gate
 */
/**
 * @typedef {object} Setting
 * @property {readonly string[]} types      of requests
 * @property {readonly string[]} always     those that never wait
 * @property {Dialect} [dialect]
 * @property {() => unknown} assets         where the session's files are, as far as is known
 * @property {(request: Request) => void} handle  never throws
 * @property {() => void} heard             after each message
 */

export class Requests {
  /** Messages that came, of any kind. */ received = 0;
  #endpoint;
  #setting;
  /** @type {Map<Request['id'], Request>} */ #pending = new Map();
  /** Messages that wait for what reads the dialect. @type {any[] | null} */ #unread = null;
  /** @type {Gate | null} */ #gate = null;
  /** Those that waited, while they have their turns one by one, and how many have had it. */
  #opened = { waiting: /** @type {Request[]} */ ([]), turns: 0 };

  /** @param {import('./envelope.js').Endpoint} endpoint @param {Setting} setting */
  constructor(endpoint, setting) {
    this.#endpoint = endpoint;
    this.#setting = setting;
    endpoint.onmessage = (event) => {
      this.received++;
      this.#receive(event.data);
      setting.heard();
    };
  }

  /** @param {any} message */
  #receive(message) {
    const { dialect, always } = this.#setting;
    // Two sessions at the ends of one channel would answer each other's errors for ever.
    if (message?.type === 'ERROR' || dialect?.ERRORS.includes(message?.type)) return;
    const bare = dialect?.isBare(message) ?? false;
    if (this.#unread && (bare || !always.includes(message?.type))) {
      return void this.#unread.push(message);
    }
    if (dialect?.isForeign(message) && !dialect.reader()) return this.#load(dialect, message);
    this.#read(message, bare);
  }

  /**
   * Loads what reads the dialect, for a message and all that come meanwhile.
   * @param {Dialect} dialect
   * @param {any} first
   */
  #load(dialect, first) {
    const unread = (this.#unread = [first]);
    const settle = (/** @type {any} */ error) => {
      if (this.#unread !== unread) return; // they are answered
      this.#unread = null;
      for (const message of unread) {
        if (error && dialect.isForeign(message)) this.#refuseMessage(message, error);
        else this.#read(message, dialect.isBare(message));
      }
      this.#setting.heard();
    };
    dialect.load(first, this.#setting.assets()).then(() => settle(null), settle);
  }

  /** @param {any} message @param {boolean} bare */
  #read(message, bare) {
    const { types, handle, always, dialect } = this.#setting;
    const reader = dialect?.reader();
    /** @type {Request} */
    let request;
    try {
      request =
        reader && bare
          ? { id: Symbol('bare'), ...reader.fromBare(message) }
          : openEnvelope(message, types);
      if (reader && !bare) request.payload = reader.unfold(request.type, request.payload);
      if (this.#pending.has(request.id)) {
        throw new OffstageError(
          'BAD_MESSAGE',
          `id ${String(request.id)} is that of a request that is still pending`,
        );
      }
    } catch (error) {
      return this.#refuseMessage(message, /** @type {OffstageError} */ (error));
    }
    this.#pending.set(request.id, request);
    const { type } = request;
    const gate = this.#gate;
    const passes =
      !gate ||
      always.includes(type) || // nothing else overtakes what waits
      (gate.requests.length === 0 && gate.closers.every((passing) => passing.includes(type)));
    if (passes) return handle(request);
    gate.requests.push(request);
  }

  /**
   * Answers a message that is no request, or whose request is not known.
   * @param {any} message
   * @param {OffstageError} reason
   */
  #refuseMessage(message, reason) {
    const { error, code } = errorToWire(reason);
    if (this.#setting.dialect?.isBare(message)) {
      return this.post(Symbol('bare'), 'ERROR', { error, code });
    }
    // What is no string may be something that cannot be sent back.
    const request = typeof message?.type === 'string' ? message.type : '';
    this.post(isId(message?.id) ? message.id : null, 'ERROR', { error, code, request });
  }

  /**
   * Says something.
   * @param {Request['id'] | null} id
   * @param {string} type
   * @param {any} payload
   * @param {Transferable[]} [transfer]
   */
  post(id, type, payload, transfer = []) {
    if (typeof id !== 'symbol') {
      return this.#endpoint.postMessage({ v: VERSION, id, type, payload }, transfer);
    }
    const { dialect } = this.#setting;
    const bare = dialect?.reader()?.toBare(type, payload) ?? [dialect?.bareError(payload)];
    for (const message of bare) this.#endpoint.postMessage(message, transfer);
  }

  /**
   * Answers a request, unless it has been.
   * @param {Request} request
   * @param {string} type
   * @param {any} payload
   * @param {Transferable[]} [transfer]
   */
  reply(request, type, payload, transfer) {
    if (!this.#forget(request)) return;
    try {
      this.post(request.id, type, payload, transfer);
    } catch (error) {
      // it cannot be sent: whoever refuses it now answers
      this.#pending.set(request.id, request);
      throw error;
    }
  }

  /**
   * A request is not pending any more. Another one may have its id, once it has been answered.
   * @param {Request} request @returns {boolean} false: it was not
   */
  #forget(request) {
    return this.#pending.get(request.id) === request && this.#pending.delete(request.id);
  }

  /**
   * Answers a request by an error.
   * @param {Request} request
   * @param {OffstageError} error
   * @returns {boolean} false: it has been answered
   */
  refuse(request, error) {
    if (!this.#forget(request)) return false;
    this.post(request.id, 'ERROR', { ...errorToWire(error), request: request.type });
    return true;
  }

  /** Says of no request that something is wrong. @param {OffstageError} error */
  complain(error) {
    this.post(null, 'ERROR', { ...errorToWire(error), request: '' });
  }

  /** Those that are to be answered. */
  pending() {
    return [...this.#pending.values()];
  }

  /** Takes requests out, to be answered later by post(). @param {string} type */
  take(type) {
    const taken = this.pending().filter((request) => request.type === type);
    for (const { id } of taken) this.#pending.delete(id);
    return taken;
  }

  /** Those that have not had their turn. @returns {Set<Request>} */
  waiting() {
    const { waiting, turns } = this.#opened;
    return new Set([...(this.#gate?.requests ?? []), ...waiting.slice(turns)]);
  }

  /**
   * From here on requests wait, until everyone who closed has called what close() gave.
   * @param {readonly string[]} passing types that do not, as long as none does that came before
   *   them
   * @returns {() => void} gives them their turns, unless leave() came in between
   */
  close(passing) {
    const gate = (this.#gate ??= { requests: [], closers: [] });
    gate.closers.push(passing);
    return () => {
      if (this.#gate !== gate) return;
      gate.closers.splice(gate.closers.indexOf(passing), 1);
      if (gate.closers.length === 0) this.#open(gate.requests);
    };
  }

  /**
   * Nothing waits any more: whoever did is answered otherwise.
   * @param {OffstageError} reason for what was not read
   */
  leave(reason) {
    this.#gate = null;
    this.#opened.turns = this.#opened.waiting.length;
    const unread = this.#unread ?? [];
    this.#unread = null;
    for (const message of unread) this.#refuseMessage(message, reason);
  }

  /** @param {Request[]} waiting */
  #open(waiting) {
    const opened = (this.#opened = { waiting, turns: 0 });
    this.#gate = null;
    while (opened.turns < waiting.length) {
      this.#setting.handle(waiting[opened.turns++]);
      const next = /** @type {Gate | null} */ (this.#gate); // closed again
      if (!next) continue;
      // There may be more than a call takes arguments.
      for (; opened.turns < waiting.length; opened.turns++) {
        next.requests.push(waiting[opened.turns]);
      }
    }
    this.#opened = { waiting: [], turns: 0 };
  }
}
