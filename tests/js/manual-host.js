/* manual-host.js: a host for sessions and pumps whose time, turns and timers are the test's:
 * nothing happens but what the test asks for. */

/** A host whose time and turns are the test's. */
export function createManualHost() {
  /** @type {(() => void)[]} */
  const turns = [];
  /** @type {{ due: number, callback: () => void }[]} */
  const timers = [];
  const clock = {
    ms: 0,
    perReading: 0,
    /** What the wall clock counted more, in ms: the machine slept. */
    slept: 0,
    /** Timers asked for. */
    timers,
    /** Turns taken. */
    turns: 0,
    /** @type {import('../../worker/host/clock.js').Host} */
    host: {
      now: () => (clock.ms += clock.perReading),
      yieldToQueue: (callback) => void turns.push(callback),
      threadId: 7,
      timeOrigin: 1e12,
      wall: () => 1e12 + clock.ms + clock.slept,
      later: (ms, callback) => void timers.push({ due: clock.ms + ms, callback }),
    },
    /** Fires the timers that are due. */
    fire() {
      for (const timer of [...timers]) {
        if (timer.due > clock.ms) continue;
        timers.splice(timers.indexOf(timer), 1);
        timer.callback();
      }
    },
    get waiting() {
      return turns.length;
    },
    /** Runs up to n turns. @param {number} [n] */
    turn(n = 1) {
      for (; n > 0 && turns.length > 0; n--, clock.turns++)
        /** @type {() => void} */ (turns.shift())();
    },
  };
  return clock;
}
