/* session.js: one session of a service over one endpoint: who is asked what, and who answers when.
 *
 * A service is a table of requests and what opens its state. A handler returns the answer, or
 * promises it; returns a generator, which the pump runs in the request's lane and which returns the
 * answer; or throws an OffstageError, which is the answer. Nothing else answers, and every request
 * is answered exactly once. Whatever else is thrown is a trap: it ends what the session holds, and
 * no other session. The requests PING, GET_STATUS and DISPOSE are the same for every service. No
 * service is known here. */

import { OffstageError, trapError } from './errors.js';
import { LANES } from './pump.js';
import { Requests } from './requests.js';

/** @typedef {import('./requests.js').Request} Request */
/** @typedef {import('./pump.js').Work} Work */

/**
 * What a service does about one type of request.
 * @template S
 * @typedef {object} Row
 * @property {string} reply         type of the answer
 * @property {number} [lane]        of LANES, for a generator; LONG
 * @property {boolean} [needs]      refused where the state's need() throws
 * @property {boolean} [busy]       refused with BUSY where the state's busy() says why
 * @property {boolean} [always]     never waits behind a gate
 * @property {boolean} [apart]      is not about what the session holds, and so not lost with it
 * @property {boolean} [ordered]    what is asked after it is not done before it
 * @property {(state: S, payload: Record<string, any>, turn: Turn) => any} handle
 */
/**
 * A service's side of a session.
 * @typedef {object} State
 * @property {() => void} [need]                 throws where there is nothing to ask
 * @property {() => string | null} [busy] why some requests are refused: 'while a run is on: ...'
 * @property {(reason: OffstageError) => void} lose drops all that it holds; nothing of it is
 *   touched any more
 * @property {() => void} [dispose] ends what is under way, before everything is dropped
 * @property {() => any} status                  the answer to GET_STATUS
 * @property {(payload: Record<string, any>) => void} [refused] frees what a refused request had
 *   brought
 * @property {() => unknown} [assets] where the session's files are, as far as it has been told
 */
/**
 * @template {State} S
 * @typedef {object} Service
 * @property {string} name
 * @property {Record<string, Row<S>>} requests
 * @property {(ports: Ports) => S} open
 * @property {(payload: any) => Transferable[]} [transfers] the buffers of an answer that are handed
 *   over, not copied
 * @property {import('./requests.js').Dialect} [dialect]
 */
/**
 * What a session lends to its service.
 * @typedef {object} Ports
 * @property {import('./pump.js').Pump} pump
 * @property {import('./clock.js').Host} host
 * @property {import('./helpers.js').Helpers} helpers of the thread, for a core that shares its work
 * @property {(type: string, payload: any, transfer?: Transferable[]) => void} notify says what
 *   nobody asked for
 * @property {(work: Work) => Promise<any>} finished has the pump do it, apart from what the session
 *   holds
 * @property {(reason: OffstageError) => void} lose   drops all that the session holds
 */
/** An answer that is told otherwise than its row says. */
export class Answer {
  /** @param {any} payload @param {{ type?: string, transfer?: Transferable[] }} [how] */
  constructor(payload, { type, transfer } = {}) {
    this.payload = payload;
    this.type = type;
    this.transfer = transfer;
  }
}

/** @typedef {Row<any>} AnyRow */

/** One request's turn, which its handler is given. */
export class Turn {
  #session;
  #generation;
  #open = () => {};

  /** @param {Session<any>} session @param {Request} request @param {AnyRow} row */
  constructor(session, request, row) {
    this.#session = session;
    this.#generation = session.generation;
    this.request = request;
    this.row = row;
    /** The lane, of LANES, in which a generator waits that the handler returns. */
    this.lane = row.lane ?? LANES.LONG;
  }

  /**
   * Says something before the answer.
   * @param {string} type
   * @param {any} payload
   * @param {Transferable[]} [transfer]
   */
  tell(type, payload, transfer) {
    this.#session.tell(this.request, type, payload, transfer);
  }

  /** Throws DISPOSED where the session was disposed since the request came. */
  check() {
    if (this.#generation !== this.#session.generation) throw disposed();
  }

  /**
   * Until what the handler promises has settled, requests wait in order; those of the types
   * `passing` only behind others that do. A promised function is called right before they have
   * their turns, and gives the answer.
   * @param {readonly string[]} [passing]
   */
  gate(passing = []) {
    this.#open = this.#session.gate(passing);
  }

  /** Those that waited have their turns. */
  open() {
    this.#open();
  }
}

/** @template {State} S */
export class Session {
  #service;
  #pump;
  #requests;
  #closed;
  /** @type {S} */ #state;
  /** @type {Record<string, AnyRow>} */ #rows;
  /** Incremented by DISPOSE: what was asked before it is not wanted any more. */ generation = 0;
  /** Jobs that nothing may overtake. */ #ordered = 0;

  /**
   * @param {import('./envelope.js').Endpoint} endpoint
   * @param {Service<S>} service
   * @param {{ pump: import('./pump.js').Pump, host: import('./clock.js').Host, helpers:
   *   import('./helpers.js').Helpers, rows?: Record<string, AnyRow>, closed?: () => void }} setting
   *   rows: further requests, which are the host's; closed: called after DISPOSE { close: true }
   */
  constructor(endpoint, service, { pump, host, helpers, rows, closed }) {
    this.#service = service;
    this.#closed = closed;
    this.#pump = pump;
    this.#rows = { ...service.requests, ...this.#ownRows(), ...rows };
    const types = Object.keys(this.#rows);
    this.#requests = new Requests(endpoint, {
      types,
      always: types.filter((type) => this.#rows[type].always),
      dialect: service.dialect,
      assets: () => this.#state.assets?.(),
      handle: (request) => this.#handle(request),
      heard: () => pump.breathe(),
    });
    pump.onCrash = (error) => this.#lose(trapError(error));
    this.#state = service.open({
      pump,
      host,
      helpers,
      notify: (type, payload, transfer) => this.#requests.post(null, type, payload, transfer),
      finished: (work) => this.#finished(work),
      lose: (reason) => this.#lose(reason),
    });
  }

  /** @returns {Record<string, AnyRow>} */
  #ownRows() {
    const end = () => this.#dispose();
    return {
      GET_STATUS: {
        reply: 'STATUS',
        always: true,
        handle: (state) => new Answer(state.status(), { transfer: [] }),
      },
      PING: {
        reply: 'PONG',
        always: true,
        handle: () => new Answer({ received: this.#requests.received }, { transfer: [] }),
      },
      DISPOSE: {
        reply: 'DISPOSED',
        always: true,
        apart: true,
        lane: LANES.CONTROL,
        *handle() {
          end();
        },
      },
    };
  }

  /** @param {Request} request */
  #handle(request) {
    const row = this.#rows[request.type];
    /** @type {Turn | null} */
    let turn = null;
    try {
      if (row.needs) this.#state.need?.();
      const why = row.busy && this.#state.busy?.();
      if (why) throw new OffstageError('BUSY', `${request.type} ${why}`);
      turn = new Turn(this, request, row);
      const value = row.handle(this.#state, request.payload, turn);
      if (typeof value?.then === 'function') this.#promised(turn, value);
      else this.#answer(turn, value);
    } catch (error) {
      this.#fail(request, error);
      turn?.open();
    }
  }

  /**
   * Answers what a handler promised, and lets those that waited for it have their turns.
   * @param {Turn} turn
   * @param {PromiseLike<any>} value
   */
  #promised(turn, value) {
    value.then(
      (promised) => {
        try {
          turn.check();
          this.#answer(turn, typeof promised === 'function' ? promised() : promised);
        } catch (error) {
          this.#fail(turn.request, error);
        }
        turn.open();
      },
      (error) => {
        // What the session holds was not touched meanwhile, whatever was thrown.
        this.#fail(turn.request, error instanceof OffstageError ? error : trapError(error));
        turn.open();
      },
    );
  }

  /** @param {Turn} turn @param {any} value  what the handler gave */
  #answer(turn, value) {
    const { request, row } = turn;
    if (typeof value?.next === 'function') return this.#job(turn, value);
    if (typeof value?.then === 'function') {
      return value.then(
        (/** @type {any} */ later) => {
          try {
            this.#answer(turn, later);
          } catch (error) {
            // nobody else would catch it, and a worker ends with what nobody does
            this.#fail(request, error);
          }
        },
        (/** @type {unknown} */ error) => this.#fail(request, error),
      );
    }
    if (!(value instanceof Answer)) {
      return this.#requests.reply(request, row.reply, value, this.#service.transfers?.(value));
    }
    const { payload, type = row.reply, transfer = this.#service.transfers?.(payload) } = value;
    this.#requests.reply(request, type, payload, transfer);
  }

  /** @param {Turn} turn @param {Work} work  whose result is the answer */
  #job(turn, work) {
    const {
      request,
      row: { apart, ordered: asked },
      lane,
    } = turn;
    const ordered = lane !== LANES.CONTROL && (this.#ordered > 0 || asked === true);
    if (ordered) this.#ordered++;
    const settle = (/** @type {() => void} */ answer) => {
      if (ordered && this.#ordered > 0) this.#ordered--;
      answer();
    };
    this.#pump.add(ordered ? LANES.LONG : lane, {
      work,
      apart,
      done: (value) => settle(() => this.#answer(turn, value)),
      fail: (error) => settle(() => this.#fail(request, error)),
    });
    this.#pump.runJobs();
  }

  /** @param {Work} work @returns {Promise<any>} */
  #finished(work) {
    return new Promise((done, fail) => {
      this.#pump.add(LANES.LONG, { work, done, fail, apart: true }); // DISPOSE goes ahead of it
      this.#pump.runJobs();
    });
  }

  /**
   * Refuses a request; what is no OffstageError is a trap.
   * @param {Request} request
   * @param {unknown} error
   * @returns {void}
   */
  #fail(request, error) {
    if (!(error instanceof OffstageError)) {
      const reason = trapError(error);
      this.#lose(reason);
      return this.#fail(request, reason); // where it is not lost with all the others
    }
    if (this.#requests.refuse(request, error)) this.#state.refused?.(request.payload);
  }

  /**
   * Drops what the session holds: all that is pending about it fails with the reason.
   * @param {OffstageError} reason
   */
  #lose(reason) {
    this.#attempt(() => this.#state.lose(reason));
    this.#pump.abort(reason);
    this.#ordered = 0;
    const kept = this.#requests.waiting(); // for what comes next, or for their turn
    for (const other of this.#requests.pending()) {
      if (!kept.has(other) && !this.#rows[other.type].apart) this.#fail(other, reason);
    }
  }

  /**
   * Calls into the service; what it throws there keeps the session from nothing.
   * @param {() => void} action
   */
  #attempt(action) {
    try {
      action();
    } catch (error) {
      this.complain(trapError(error));
    }
  }

  #dispose() {
    this.#attempt(() => this.#state.dispose?.());
    const asked = this.#requests.take('DISPOSE');
    this.generation++;
    this.#requests.leave(disposed());
    this.#pump.abort(disposed(), true);
    this.#lose(disposed());
    for (const other of this.#requests.pending()) this.#fail(other, disposed());
    for (const { id } of asked) this.#requests.post(id, 'DISPOSED', {});
    if (asked.some(({ payload }) => payload.close === true)) this.#closed?.();
  }

  /**
   * @param {Request} request
   * @param {string} type
   * @param {any} payload
   * @param {Transferable[]} [transfer]
   */
  tell(request, type, payload, transfer) {
    this.#requests.post(request.id, type, payload, transfer);
  }

  /** @param {readonly string[]} passing @returns {() => void} */
  gate(passing) {
    return this.#requests.close(passing);
  }

  /**
   * Says of no request that something is wrong: the client takes the session for lost.
   * @param {OffstageError} error
   */
  complain(error) {
    this.#requests.complain(error);
  }

  /** Ends the session: its endpoint is gone. */
  close() {
    this.#dispose();
    this.#pump.close();
  }
}

function disposed() {
  return new OffstageError('DISPOSED', 'the session was disposed');
}
