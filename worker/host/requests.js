/* requests.js: where a session's requests come in and its answers go out: every request is answered
 * exactly once.
 *
 * It takes envelopes, and the messages of a service's dialect, apart; it knows what is pending, and
 * lets requests wait, in order, while the session is not to be asked. What a request means, and what
 * the answer is, is the service's to know. */

import { VERSION, isId, openEnvelope } from './envelope.js';
import { OffstageError, errorToWire } from './errors.js';

/**
 * A message of a dialect has a symbol for an id, which never leaves this file.
 * @typedef {{ id: import('./envelope.js').Id | symbol, type: string, payload: Record<string, any> }} Request
 */
/**
 * Another form of a service's messages, without envelopes.
 * @typedef {object} Dialect
 * @property {readonly string[]} ERRORS  types of its error replies
 * @property {(message: any) => boolean} isBare
 * @property {(message: any) => { type: string, payload: Record<string, any> }} fromBare  the request that it is; throws
 * @property {(type: string, payload: any) => { type: string, payload: any }[]} toBare    what says the same as a reply
 * @property {(type: string, payload: any) => Record<string, any>} unfold  the payload of an enveloped request; throws
 */
/**
 * @typedef {object} Setting
 * @property {readonly string[]} types      of requests
 * @property {readonly string[]} always     those that never wait
 * @property {Dialect} [dialect]
 * @property {(request: Request) => void} handle  never throws
 * @property {() => void} heard             after each message
 */

export class Requests {
  #endpoint;
  #setting;
  /** @type {Map<Request['id'], Request>} */ #pending = new Map();
  /** Requests that wait, where they are to. @type {Request[] | null} */ #gate = null;
  /** What need not wait, until something does. @type {readonly string[]} */ #passing = [];
  /** Those that waited, while they have their turns one by one, and how many have had it. */
  #opened = { waiting: /** @type {Request[]} */ ([]), turns: 0 };

  /** @param {import('./envelope.js').Endpoint} endpoint @param {Setting} setting */
  constructor(endpoint, setting) {
    this.#endpoint = endpoint;
    this.#setting = setting;
    endpoint.onmessage = (event) => {
      this.#receive(event.data);
      setting.heard();
    };
  }

  /** @param {any} message */
  #receive(message) {
    const { dialect, types, handle, always } = this.#setting;
    // Two sessions at the ends of one channel would answer each other's errors for ever.
    if (message?.type === 'ERROR' || dialect?.ERRORS.includes(message?.type)) return;
    const bare = dialect?.isBare(message) ?? false;
    /** @type {Request} */
    let request = { id: bare ? Symbol('bare') : message?.id, type: message?.type, payload: {} };
    try {
      request = dialect && bare ? { id: request.id, ...dialect.fromBare(message) } : openEnvelope(message, types);
      if (dialect && !bare) request.payload = dialect.unfold(request.type, request.payload);
      if (this.#pending.has(request.id)) {
        throw new OffstageError('BAD_MESSAGE', `id ${String(request.id)} is that of a request that is still pending`);
      }
    } catch (error) {
      const { error: text, code } = errorToWire(/** @type {OffstageError} */ (error));
      const known = bare || isId(request.id) ? request.id : null;
      // What is no string may be something that cannot be sent back.
      const asked = typeof request.type === 'string' ? request.type : '';
      this.post(known, 'ERROR', { error: text, code, request: asked });
      return;
    }
    this.#pending.set(request.id, request);
    const { type } = request;
    if (!this.#gate || always.includes(type) || this.#passing.includes(type)) return handle(request);
    this.#gate.push(request);
    this.#passing = []; // nothing overtakes what waits
  }

  /** Says something. @param {Request['id'] | null} id @param {string} type @param {any} payload @param {Transferable[]} [transfer] */
  post(id, type, payload, transfer = []) {
    if (typeof id !== 'symbol') return this.#endpoint.postMessage({ v: VERSION, id, type, payload }, transfer);
    const messages = this.#setting.dialect?.toBare(type, payload) ?? [];
    for (const message of messages) this.#endpoint.postMessage(message, transfer);
  }

  /**
   * Answers a request, unless it has been.
   * @param {Request} request @param {string} type @param {any} payload @param {Transferable[]} [transfer]
   */
  reply(request, type, payload, transfer) {
    if (!this.#forget(request)) return;
    try {
      this.post(request.id, type, payload, transfer);
    } catch (error) { // it cannot be sent: whoever refuses it now answers
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

  /** Answers a request by an error. @param {Request} request @param {OffstageError} error @returns {boolean} false: it has been answered */
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
    return new Set([...this.#gate ?? [], ...waiting.slice(turns)]);
  }

  /**
   * From here on requests wait.
   * @param {readonly string[]} passing  types that do not, as long as none does that came before them
   * @returns {() => void} gives them their turns, unless leave() came in between
   */
  close(passing) {
    /** @type {Request[]} */
    const gate = [];
    this.#gate = gate;
    this.#passing = passing;
    return () => {
      if (this.#gate === gate) this.#open(gate);
    };
  }

  /** Nothing waits any more: whoever did is answered otherwise. */
  leave() {
    this.#gate = null;
    this.#opened.turns = this.#opened.waiting.length;
  }

  /** @param {Request[]} waiting */
  #open(waiting) {
    const opened = this.#opened = { waiting, turns: 0 };
    this.#gate = null;
    while (opened.turns < waiting.length) {
      this.#setting.handle(waiting[opened.turns++]);
      const next = /** @type {Request[] | null} */ (this.#gate); // closed again
      if (!next) continue;
      for (; opened.turns < waiting.length; opened.turns++) next.push(waiting[opened.turns]); // there may be more than a call takes arguments
    }
    this.#opened = { waiting: [], turns: 0 };
  }
}
