/* beside.js: opens further sessions on the thread of one that stands.
 * Invariant: each has a port of its own, and speaks the same envelope over it; where it cannot be
 * opened the port is closed. A page that opens none loads nothing of this. */
import { openPort } from './endpoint.js';

/** @typedef {import('./client.js').Client} Client */

/**
 * @param {Client} carrier whose session stands, on a thread that has the service
 * @param {string} service by the name that the thread knows
 * @param {{ priority?: number, weight?: number }} [share] of the thread's time
 * @returns {Exclude<import('./connect.js').Place, string>}
 */
export const beside = (carrier, service, share) => {
  const { mode = 'worker', threadId, carried } = carrier;
  return {
    mode,
    async reach(listener) {
      const { port1, port2 } = new MessageChannel();
      const endpoint = openPort(port1, listener, { mode, threadId, carried });
      try {
        const payload = { service, port: port2, ...share };
        await carrier.request('OPEN_SESSION', payload, { transfer: [port2] });
        return endpoint;
      } catch (error) {
        endpoint.close();
        throw error;
      }
    },
  };
};
