/* requests.js: where a session's requests come in and its answers go out: every request is answered exactly once.
 *
 * It takes envelopes and bare messages apart, knows what is pending, and lets requests wait, in order, while the session
 * is not to be asked. What a request means, and what the answer is, is the session's to know. */

import { fromBare, isBare, toBare, unfold } from '../trainer/dialect.js';
import { OffstageError, errorToWire } from './errors.js';
import { REPLIES, VERSION, isId, openEnvelope } from '../protocol.js';

/** @typedef {import('../protocol.js').RequestType} RequestType */
/**
 * A bare request has a symbol for an id, which never leaves this file.
 * @typedef {{ id: import('../protocol.js').Id | symbol, type: RequestType, payload: Record<string, any> }} Request
 */

/** Requests that never wait. */
export const ALWAYS = ['GET_STATUS', 'PING', 'DISPOSE'];

export class Desk {
  #endpoint;
  #handle;
  /** @type {Map<Request['id'], Request>} */ #pending = new Map();
  /** Requests that wait, where they are to. @type {Request[] | null} */ #gate = null;
  /** What need not wait, until something does. @type {readonly string[]} */ #passing = [];
  /** Those that waited, while they have their turns one by one, and how many have had it. */
  #opened = { waiting: /** @type {Request[]} */ ([]), turns: 0 };

  /**
   * @param {import('../protocol.js').Endpoint} endpoint
   * @param {(request: Request) => void} handle  never throws
   * @param {() => void} heard  after each message
   */
  constructor(endpoint, handle, heard) {
    this.#endpoint = endpoint;
    this.#handle = handle;
    endpoint.onmessage = (event) => {
      this.#receive(event.data);
      heard();
    };
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
      // What is no string may be something that cannot be sent back.
      this.post(known, 'ERROR', { error: text, code, request: typeof request.type === 'string' ? request.type : '' });
      return;
    }
    this.#pending.set(request.id, request);
    if (!this.#gate || ALWAYS.includes(request.type) || this.#passing.includes(request.type)) return this.#handle(request);
    this.#gate.push(request);
    this.#passing = []; // nothing overtakes what waits
  }

  /** Says something. @param {Request['id'] | null} id @param {string} type @param {any} payload @param {Transferable[]} [transfer] */
  post(id, type, payload, transfer = []) {
    if (typeof id !== 'symbol') return this.#endpoint.postMessage({ v: VERSION, id, type, payload }, transfer);
    for (const message of toBare(type, payload)) this.#endpoint.postMessage(message, transfer);
  }

  /**
   * Answers a request, unless it has been.
   * @param {Request} request @param {any} payload @param {Transferable[]} [transfer] @param {string} [type]
   */
  reply(request, payload, transfer, type = REPLIES[request.type]) {
    if (this.#pending.delete(request.id)) this.post(request.id, type, payload, transfer);
  }

  /** Answers a request by an error. @param {Request} request @param {OffstageError} error @returns {boolean} false: it has been answered */
  refuse(request, error) {
    if (!this.#pending.delete(request.id)) return false;
    this.post(request.id, 'ERROR', { ...errorToWire(error), request: request.type });
    return true;
  }

  /** What is to be answered. */
  pending() {
    return [...this.#pending.values()];
  }

  /** Takes requests out, to be answered later by post(). @param {RequestType} type */
  take(type) {
    const taken = this.pending().filter((request) => request.type === type);
    for (const { id } of taken) this.#pending.delete(id);
    return taken;
  }

  /** What has not had its turn. @returns {Set<Request>} */
  waiting() {
    const { waiting, turns } = this.#opened;
    return new Set([...this.#gate ?? [], ...waiting.slice(turns)]);
  }

  /**
   * From here on requests wait.
   * @param {readonly RequestType[]} passing  that do not, as long as none does that came before them
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
  }

  /** @param {Request[]} waiting */
  #open(waiting) {
    const opened = this.#opened = { waiting, turns: 0 };
    this.#gate = null;
    while (opened.turns < waiting.length) {
      this.#handle(waiting[opened.turns++]);
      const next = /** @type {Request[] | null} */ (this.#gate); // closed again
      if (!next) continue;
      for (; opened.turns < waiting.length; opened.turns++) next.push(waiting[opened.turns]); // there may be more than a call takes arguments
    }
    this.#opened = { waiting: [], turns: 0 };
  }
}
