/* connect.js: opens one session in one place, and has its owner bring it to where it is to
 * begin.
 * Invariant: a worker is made, or what makes one or the session of this thread asked for, before
 * openSession() returns; where `ready` rejects nothing is left running. Which place, when, how
 * often, and what a session begins with, is not known here. */
import { OTHER_VERSION } from '../../worker/host/envelope.js';
import { OffstageError } from '../../worker/host/errors.js';
import { Client } from './client.js';
import { openInProcess, openWorker } from './endpoint.js';

/** @typedef {import('./endpoint.js').Endpoint} Endpoint */
/** @typedef {import('./endpoint.js').Listener} Listener */

/**
 * Where a session runs: in a worker of its own, on this thread, or where reach() finds it (see
 * beside.js).
 * @typedef {'worker' | 'main' | { mode: 'worker' | 'main',
 *   reach: (listener: Listener) => Promise<Endpoint> }} Place
 */
/**
 * What all sessions of one owner have in common.
 * @typedef {object} Shared
 * @property {import('./endpoint.js').Loader} load loads the session for this thread
 * @property {URL} [assets]
 * @property {'blob'} [crossOrigin] how a worker is made: see openWorker()
 */
/** @typedef {Shared & import('./client.js').ClientOptions} Setting */
/**
 * A session on its way. ready: what its beginning was answered by.
 * @typedef {{ client: Client, ready: Promise<any> }} Opening
 */

const ANY = { timeout: Infinity, heartbeat: Infinity };

/**
 * @param {Place} place
 * @param {Setting} setting
 * @param {(client: Client) => Promise<any>} begin asks the session for its beginning
 * @param {AbortSignal} [signal] gives up reaching it
 * @returns {Opening}
 */
export function openSession(place, setting, begin, signal) {
  const { load, assets, crossOrigin, timeout, heartbeat, ...rest } = setting;
  const mode = typeof place === 'object' ? place.mode : place;
  /* Silence on this thread is the page's own. */
  const limits = mode === 'main' ? ANY : { timeout, heartbeat };
  const client = new Client({ ...limits, ...rest });
  return { client, ready: opened(client, place, { load, assets, crossOrigin }, begin, signal) };
}

/**
 * @param {Client} client
 * @param {Place} place
 * @param {Shared} shared
 * @param {(client: Client) => Promise<any>} begin
 * @param {AbortSignal} [signal]
 */
async function opened(client, place, shared, begin, signal) {
  try {
    const endpoint = reach(place, shared, client.listener);
    if ('then' in endpoint) await client.reach(endpoint, signal);
    else client.attach(endpoint);
    return await begin(client);
  } catch (error) {
    client.refused = !client.loss && (client.mode !== undefined || signal?.aborted === true);
    const reason = understood(/** @type {OffstageError} */ (error));
    client.close(reason);
    throw reason;
  }
}

/**
 * The runtime is the page's own to say: who does not know a field of it is of another version.
 * @param {OffstageError} error
 */
function understood(error) {
  if (!error.message?.startsWith('runtime: unknown field')) return error;
  const { message } = error;
  return new OffstageError('UNSUPPORTED', `the session is ${OTHER_VERSION} (${message})`, {
    cause: error,
  });
}

/**
 * @param {Place} place
 * @param {Shared} shared
 * @param {Listener} listener
 * @returns {Endpoint | Promise<Endpoint>}
 */
function reach(place, { load, ...where }, listener) {
  if (typeof place === 'object') return place.reach(listener);
  return place === 'main' ? openInProcess(load, listener) : openWorker(where, listener);
}
