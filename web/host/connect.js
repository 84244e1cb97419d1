/* connect.js: opens one session in one place, and brings it to where it is to begin: a fresh model, a checkpoint's, or
 * the one that storage holds under a name.
 * Invariant: a worker is made, or the module of the in-process session asked for, before openSession() returns; where
 * `ready` rejects nothing is left running. Which place, when and how often is not decided here. */
import { Client } from './client.js';
import { copyBytes } from '../trainer/handover.js';
import { openInProcess, openWorker } from './endpoint.js';

/** @typedef {import('../../worker/host/errors.js').OffstageError} OffstageError */
/**
 * What a session begins with.
 * @typedef {{ spec: object } | { bytes: Uint8Array, hold?: { name: string, folder?: string } } |
 *   { stored: { name: string, folder?: string } }} Beginning
 */
/**
 * @typedef {object} Setting what is the same for all sessions of a trainer
 * @property {URL | undefined} assets
 * @property {number} timeout
 * @property {number} heartbeat
 * @property {object} runtime of INIT_TRAINING and LOAD_CHECKPOINT, without place
 * @property {(notice: any) => void} noticed
 * @property {import('../trainer/status.js').Vitals} vitals
 */

/**
 * @param {'worker' | 'main'} place
 * @param {Setting} setting
 * @param {Beginning} beginning
 * @param {AbortSignal} [signal]
 * @returns {{ client: Client, ready: Promise<any> }} ready: the payload of MODEL_READY or CHECKPOINT_LOADED
 */
export function openSession(place, setting, beginning, signal) {
  const { timeout, heartbeat, noticed, vitals } = setting;
  /* Silence on this thread is the page's own. */
  const limits = place === 'main' ? { timeout: Infinity, heartbeat: Infinity } : { timeout, heartbeat };
  const client = new Client({ ...limits, noticed, vitals });
  return { client, ready: begin(client, place, setting, beginning, signal) };
}

/**
 * @param {Client} client
 * @param {'worker' | 'main'} place
 * @param {Setting} setting
 * @param {Beginning} beginning
 * @param {AbortSignal} [signal]
 */
async function begin(client, place, { assets, runtime: asked }, beginning, signal) {
  try {
    client.attach(place === 'main' ? await openInProcess(client.listener) : openWorker(assets, client.listener));
    const runtime = { ...asked, assets: assets?.href, place };
    if ('spec' in beginning) return await client.request('INIT_TRAINING', { ...beginning.spec, runtime }, { signal });
    if ('stored' in beginning) return await client.request('LOAD_CHECKPOINT', { ...beginning, runtime }, { signal });
    const bytes = await copyBytes(beginning.bytes);
    return await client.request('LOAD_CHECKPOINT', { bytes, hold: beginning.hold, runtime }, { signal, transfer: [bytes.buffer] });
  } catch (error) {
    client.refused = !client.loss && client.mode !== undefined;
    client.close(/** @type {OffstageError} */ (error));
    throw error;
  }
}
