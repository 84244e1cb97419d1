/* connect.js: opens one session in one place, and has its owner bring it to where it is to begin.
 * Invariant: a worker is made, or the session of this thread asked for, before openSession()
 * returns; where `ready` rejects nothing is left running. Which place, when, how often, and what a
 * session begins with, is not known here. */
import { Client } from './client.js';
import { openInProcess, openPort, openWorker } from './endpoint.js';

/** @typedef {import('../../worker/host/errors.js').OffstageError} OffstageError */
/** @typedef {import('./endpoint.js').Endpoint} Endpoint */
/** @typedef {import('./endpoint.js').Listener} Listener */

/**
 * Where a session runs: in a worker of its own, on this thread, or on the thread of the session
 * that the client has.
 * @typedef {'worker' | 'main' | Client} Place
 */
/**
 * @typedef {object} Service
 * @property {string} name as OPEN_SESSION has it; a worker of its own begins with its default
 *   service
 * @property {import('./endpoint.js').Loader} load for this thread
 */
/**
 * What all sessions of one owner have in common.
 * @typedef {object} Shared
 * @property {Service} service
 * @property {URL | undefined} assets
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
 * @returns {Opening}
 */
export function openSession(place, setting, begin) {
  const { service, assets, timeout, heartbeat, ...rest } = setting;
  const mode = place instanceof Client ? place.mode : place;
  /* Silence on this thread is the page's own. */
  const limits = mode === 'main' ? ANY : { timeout, heartbeat };
  const client = new Client({ ...limits, ...rest });
  return { client, ready: opened(client, place, { service, assets }, begin) };
}

/**
 * @param {Client} client
 * @param {Place} place
 * @param {Shared} shared
 * @param {(client: Client) => Promise<any>} begin
 */
async function opened(client, place, shared, begin) {
  try {
    const endpoint = reach(place, shared, client.listener);
    client.attach(endpoint instanceof Promise ? await endpoint : endpoint);
    return await begin(client);
  } catch (error) {
    client.refused = !client.loss && client.mode !== undefined;
    client.close(/** @type {OffstageError} */ (error));
    throw error;
  }
}

/**
 * @param {Place} place
 * @param {Shared} shared
 * @param {Listener} listener
 * @returns {Endpoint | Promise<Endpoint>}
 */
function reach(place, { service, assets }, listener) {
  if (place instanceof Client) return openBeside(place, service.name, listener);
  return place === 'main' ? openInProcess(service.load, listener) : openWorker(assets, listener);
}

/**
 * Opens a further session on the thread of one that stands.
 * @param {Client} carrier
 * @param {string} service
 * @param {Listener} listener
 * @returns {Promise<Endpoint>}
 */
async function openBeside(carrier, service, listener) {
  const { port1, port2 } = new MessageChannel();
  const { mode = 'worker', threadId, carried } = carrier;
  const endpoint = openPort(port1, listener, { mode, threadId, carried });
  try {
    await carrier.request('OPEN_SESSION', { service, port: port2 }, { transfer: [port2] });
    return endpoint;
  } catch (error) {
    endpoint.close();
    throw error;
  }
}
