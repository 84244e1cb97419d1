/* echo-service.js: a second service, as small as one can be: it answers, keeps a sum, works, ticks,
 * waits and breaks on demand. It proves that the host knows no trainer. */
import { OffstageError } from '../../worker/host/errors.js';
import { Later } from '../../worker/host/later.js';
import { LANES } from '../../worker/host/pump.js';

/** @typedef {import('../../worker/host/session.js').Row<Echo>} Row */

class Echo {
  sum = 0;
  /** Pieces of work that were done. */ pieces = 0;
  /** @type {string | null} */ lost = null;
  /** @type {(() => void)[]} */ #waiting = [];
  /** @type {() => void} */ #stop = () => {};

  /** @param {import('../../worker/host/session.js').Ports} ports */
  constructor(ports) {
    this.ports = ports;
    ports.pump.configure({ sliceMs: 2 });
  }

  /** Fails to lose what it holds, and to let go of it. */ clumsy = false;

  dispose() {
    if (this.clumsy) throw new TypeError('nor let go');
  }

  need() {
    if (this.lost) throw new OffstageError('WORKER_LOST', this.lost);
  }

  /** @param {OffstageError} reason */
  lose(reason) {
    if (this.clumsy) throw new TypeError('it cannot even lose');
    this.lost = reason.code === 'DISPOSED' ? null : reason.message;
    this.sum = 0;
    this.#stop();
  }

  status() {
    return { sum: this.sum, pieces: this.pieces };
  }

  /** @param {number} units @param {number} pieces */
  *work(units, pieces) {
    const { pump } = this.ports;
    for (let i = 0; i < pieces; i++) {
      this.pieces++;
      this.ports.host.spent?.(units);
      if (pump.spend(units)) yield;
    }
    return { pieces };
  }

  /** Works on as background until STOP. */
  run() {
    const { pump, host } = this.ports;
    const end = new Later();
    const self = this;
    this.#stop = () => {
      pump.setBackground(null);
      this.#stop = () => {};
      end.resolve({ pieces: this.pieces });
    };
    pump.setBackground({
      work: (function* background() {
        for (;;) {
          self.pieces++;
          host.spent?.(0);
          if (pump.look()) yield;
        }
      })(),
      done: () => {},
      fail: () => end.reject(new OffstageError('ABORTED', 'the run was given up')),
      updating: () => false,
      paused: () => false,
    });
    return end;
  }

  stop() {
    this.#stop();
    return {};
  }

  wait() {
    const later = new Later();
    this.#waiting.push(() => later.resolve({ waited: true }));
    return later;
  }

  release() {
    const waiting = this.#waiting.splice(0);
    for (const release of waiting) release();
    return { released: waiting.length };
  }
}

/** @type {Record<string, Row>} */
const REQUESTS = {
  ECHO: { reply: 'ECHOED', needs: true, handle: (_, payload) => payload },
  ADD: {
    reply: 'ADDED',
    needs: true,
    ordered: true,
    *handle(echo, { n }) {
      echo.sum += n;
      return { sum: echo.sum };
    },
  },
  WORK: {
    reply: 'WORKED',
    needs: true,
    handle: (echo, { units, pieces }) => echo.work(units, pieces),
  },
  RUN: { reply: 'RAN', needs: true, handle: (echo) => echo.run() },
  STOP: {
    reply: 'STOPPED',
    needs: true,
    lane: LANES.CONTROL,
    *handle(echo) {
      return echo.stop();
    },
  },
  WAIT: { reply: 'WAITED', needs: true, handle: (echo) => echo.wait() },
  RELEASE: { reply: 'RELEASED', always: true, handle: (echo) => echo.release() },
  GATED: {
    reply: 'OPENED',
    handle: async (echo, payload, turn) => {
      turn.gate();
      await new Promise((resolve) => setTimeout(resolve, 1));
      return () => ({ sum: echo.sum });
    },
  },
  TICK: {
    reply: 'TICKED',
    handle: ({ ports: { pump } }, { hz, count }, turn) => {
      const end = new Later();
      const stop = pump.every(hz, (tick) => {
        turn.tell('TICK', tick);
        if (tick.count < count) return;
        stop();
        end.resolve({});
      });
      return end;
    },
  },
  REFUSE: {
    reply: 'NEVER',
    handle: () => {
      throw new OffstageError('INVALID_OPTION', 'as asked');
    },
  },
  CRASH: {
    reply: 'NEVER',
    apart: true,
    handle: () => {
      throw new TypeError('as asked');
    },
  },
  REFUSE_AT_GATE: {
    reply: 'NEVER',
    handle: (_, payload, turn) => {
      turn.gate();
      throw new OffstageError('INVALID_OPTION', 'at the gate');
    },
  },
  CLUMSY: {
    reply: 'READY',
    handle: (echo) => {
      echo.clumsy = true;
      return {};
    },
  },
  UNSENDABLE: {
    reply: 'NEVER',
    handle: (_, { as }) => {
      const answer = { as: () => {} };
      if (as === 'value') return answer;
      if (as === 'promise') return Promise.resolve(answer);
      return (function* work() {
        return as === 'work' ? answer : Promise.resolve(answer);
      })();
    },
  },
  CRASH_AT_WORK: {
    reply: 'NEVER',
    *handle() {
      throw new RangeError('as asked');
    },
  },
  CRASH_IN_TICK: {
    reply: 'NEVER',
    handle: ({ ports: { pump } }) => {
      pump.every(100, () => {
        throw new TypeError('in a tick');
      });
      return new Later();
    },
  },
  CRASH_IN_TICKS: {
    reply: 'NEVER',
    handle: (echo) => {
      const crash = () => {
        echo.pieces++;
        throw new TypeError('in one of two ticks');
      };
      for (let i = 0; i < 2; i++) echo.ports.pump.every(100, crash);
      return new Later();
    },
  },
  HANG: {
    reply: 'NEVER',
    handle: () => {
      for (;;);
    },
  },
};

/** @type {import('../../worker/host/session.js').Service<Echo>} */
export const ECHO = { name: 'echo', requests: REQUESTS, open: (ports) => new Echo(ports) };
