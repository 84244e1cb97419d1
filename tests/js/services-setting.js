/* services-setting.js: sessions of several services on one thread, for tests: in this process, over
 * ports of it, in a worker thread. */
import { MessageChannel, Worker } from 'node:worker_threads';
import { errorFromWire } from '../../worker/host/errors.js';
import { createHost } from '../../worker/host/clock.js';
import { openRoot } from '../../worker/host/services.js';
import { TRAINER } from '../../worker/trainer/service.js';
import { ECHO } from './echo-service.js';

const MORE_TO_COME = ['TRAINING_PROGRESS', 'TRAINING_SNAPSHOT', 'TICK'];

/**
 * The client end of one session.
 * @param {(message: any, transfer: any[]) => void} send
 */
function createClient(send) {
  const waiting = new Map();
  /** @type {any[]} */
  const messages = [];
  let lastId = 0;
  return {
    messages,
    /** @param {any} message */
    receive(message) {
      messages.push(message);
      const entry = waiting.get(message.id);
      if (!entry || MORE_TO_COME.includes(message.type)) return;
      waiting.delete(message.id);
      if (['ERROR', 'TRAINING_ERROR'].includes(message.type))
        entry.reject(errorFromWire(message.payload));
      else entry.resolve(message.payload);
    },
    send,
    /**
     * @param {string} type
     * @param {any} [payload]
     * @param {any[]} [transfer]
     * @returns {Promise<any>}
     */
    ask(type, payload, transfer = []) {
      const id = ++lastId;
      const reply = new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
      reply.catch(() => {});
      send({ v: 1, id, type, payload }, transfer);
      return reply;
    },
    /** @param {string} type */
    of: (type) => messages.filter((message) => message.type === type).map(({ payload }) => payload),
  };
}

/** @typedef {ReturnType<typeof createClient>} Client */

/**
 * Opens a session over a port of the thread that `root` is of.
 * @param {Client} root @param {string} service @param {object} [options]
 */
export async function openPort(root, service, options) {
  const { port1, port2 } = new MessageChannel();
  const client = createClient((message, transfer) => port1.postMessage(message, transfer));
  port1.on('message', client.receive);
  const opened = await root.ask('OPEN_SESSION', { service, port: port2, ...options }, [port2]);
  return { ...client, port: port1, opened, close: () => port1.close() };
}

/**
 * A root session in this process. Its messages are handled in the turn they are sent in.
 * @param {import('../../worker/host/clock.js').Host} [host] @param {string} [first]
 */
export function openHere(host = createHost(0), first = 'trainer') {
  /** @type {import('../../worker/host/envelope.js').Endpoint} */
  const endpoint = {
    postMessage: (message, transfer) => client.receive(structuredClone(message, { transfer })),
    onmessage: null,
  };
  const client = createClient((message, transfer) =>
    endpoint.onmessage?.({ data: structuredClone(message, { transfer }) }),
  );
  openRoot(endpoint, host, { trainer: TRAINER, echo: async () => ECHO, echoNow: ECHO }, first);
  return { ...client, close: async () => {} };
}

/** A root session in a worker thread. */
export function openThread() {
  const worker = new Worker(new URL('echo-worker.js', import.meta.url));
  const client = createClient((message, transfer) => worker.postMessage(message, transfer));
  worker.on('message', client.receive);
  return { ...client, worker, close: async () => void (await worker.terminate()) };
}
