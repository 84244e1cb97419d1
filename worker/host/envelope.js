/* envelope.js: the form of every message between a client and a session, of whatever service.
 *
 * A message is { v: 1, id, type, payload }. The id is the client's, a string or a number, and every
 * reply carries the id of its request. What types there are and what is in a payload is known to
 * the service. */

import { OffstageError, isRecord, oneOf, show } from './errors.js';

export const VERSION = 1;
/** The build that made this file, where it is one of the built files; undefined in the checkout. */
export const BUILD = /** @type {string | undefined} */ (
  /** @type {any} */ (globalThis).OFFSTAGE_BUILD
);
/** What a file of another build is, and what to do about it. */
export const OTHER_VERSION =
  'of another version of Offstage than the page: load the page again, without what is cached, ' +
  'and serve all files of one version';

/** @typedef {string | number} Id */
/**
 * One end of a channel: a Worker, a worker's own scope, Node's parentPort, a MessagePort.
 * @typedef {object} Endpoint
 * @property {(message: any, transfer: Transferable[]) => void} postMessage
 * @property {((event: { data: any }) => void) | null} onmessage
 */

/**
 * Takes an envelope apart.
 * @param {any} message @param {readonly string[]} types  of requests
 * @returns {{ id: Id, type: string, payload: Record<string, any> }}
 */
export function openEnvelope(message, types) {
  if (!isRecord(message)) {
    bad(`got ${show(message)}, expected a message { v: ${VERSION}, id, type, payload }`);
  }
  const { v, id, type, payload = {} } = message;
  if (v !== VERSION) bad(`v is ${show(v)}, expected ${VERSION}`);
  if (!isId(id)) bad(`id is ${show(id)}, expected a string or a finite number`);
  if (!types.includes(type)) bad(`type is ${show(type)}, expected one of ${oneOf(types)}`);
  if (!isRecord(payload)) bad(`the payload of ${type} is ${show(payload)}, expected an object`);
  return { id, type, payload };
}

/**
 * @param {unknown} id
 * @returns {id is Id}
 */
export function isId(id) {
  return typeof id === 'string' || (typeof id === 'number' && Number.isFinite(id));
}

/** @param {string} message @returns {never} */
function bad(message) {
  throw new OffstageError('BAD_MESSAGE', message);
}
