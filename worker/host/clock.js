/* clock.js: how a slice of work lets the message queue have its turn.
 *
 * Node: setImmediate, for a port that pings itself starves Node's queue for a thousand turns.
 * Browsers: a MessageChannel ping, which is fair there and, unlike setTimeout, neither clamped to 4
 * ms nor slowed down in hidden tabs. One callback is under way at a time; nothing here keeps an
 * idle Node process alive. */

import { nodeBuiltin } from './node.js';

/**
 * @returns {(callback: () => void) => void}  calls back in a later turn of the event loop
 */
export function createYield() {
  const { setImmediate: immediate } = nodeBuiltin('node:timers') ?? /** @type {any} */ (globalThis);
  if (typeof immediate === 'function') return (callback) => void immediate(callback);
  const { port1, port2 } = new MessageChannel();
  /** @type {(() => void)[]} */
  const waiting = [];
  port1.onmessage = () => waiting.shift()?.();
  return (callback) => {
    waiting.push(callback);
    port2.postMessage(null);
  };
}

/**
 * What a session needs from the place it runs in; tests hand in their own.
 * @typedef {object} Host
 * @property {() => number} now                             milliseconds, monotonic
 * @property {(callback: () => void) => void} yieldToQueue  calls back after the messages that wait
 * @property {number} [threadId] of progress records; 0 is the main thread
 * @property {number} [timeOrigin]                          what `now` counts from, in ms since 1970
 * @property {() => number} wall ms since 1970: goes on where a suspended machine stops `now`
 * @property {(ms: number, callback: () => void) => void} later calls back after ms or more; only
 *   ever for a rest
 */

/**
 * @param {number} threadId
 * @returns {Host}
 */
export function createHost(threadId) {
  return {
    now: () => performance.now(),
    yieldToQueue: createYield(),
    threadId,
    timeOrigin: performance.timeOrigin,
    wall: () => Date.now(),
    later: (ms, callback) => {
      const timer = /** @type {any} */ (setTimeout(callback, ms));
      timer.unref?.();
    },
  };
}

/** @type {Host | null} */
let own = null;

/**
 * The host of the app's own thread: one for all sessions there, which share its time.
 * @returns {Host}
 */
export function ownHost() {
  return (own ??= createHost(0));
}
