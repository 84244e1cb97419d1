/* services.js: the sessions of a thread: the first one, of the worker's own scope, and those that
 * it opens over ports.
 *
 *     OPEN_SESSION { service, port, priority?, weight? }    SESSION_OPENED { service }
 *
 * The port is one end of a MessageChannel, transferred; what comes over it from then on is a
 * session of its own, with the same envelope, requests and answers as the first. It ends by DISPOSE
 * { close: true }, or when its port is closed, where that is told (Node; browsers do not). All
 * sessions of a thread share one scheduler. Which services there are is said by who opens the first
 * session. */

import { Helpers } from './helpers.js';
import { OffstageError, checkFields, oneOf, show } from './errors.js';
import { Scheduler } from './scheduler.js';
import { Session } from './session.js';

/** Sessions of a thread at most, so that who opens and never closes is told. */
const MOST_SESSIONS = 1024;
const FIELDS = ['service', 'port', 'priority', 'weight'];

/** What is said of a message that cannot be deserialized. */
export const unreadable = () => new OffstageError('BAD_MESSAGE', 'a message could not be read');
/** Weights of which milliseconds are still told apart, by what they are divided by them. */
const LEAST_WEIGHT = 0.001;
const MOST_WEIGHT = 1000;

/** @typedef {import('./session.js').Service<any>} Service */
/**
 * Services by name; what is a function loads one.
 * @typedef {Record<string, Service | (() => Promise<Service>)>} Services
 */
/**
 * @typedef {MessagePort & { on?: (type: string, heard: () => void) => void, unref?: () => void }}
 *   Port Node's have on()
 */

/**
 * What the sessions of a thread share, by its host.
 * @type {WeakMap<import('./clock.js').Host, { scheduler: Scheduler, helpers: Helpers }>}
 */
const threads = new WeakMap();

/**
 * Opens the first session of an endpoint, which may open others.
 * @param {import('./envelope.js').Endpoint} endpoint
 * @param {import('./clock.js').Host} host  one scheduler for each
 * @param {Services} services
 * @param {string} first  the service of this session
 * @returns {Session<any>}
 */
export function openRoot(endpoint, host, services, first) {
  const known = threads.get(host) ?? { scheduler: new Scheduler(host), helpers: new Helpers() };
  threads.set(host, known);
  const { scheduler, helpers } = known;
  /** @type {Set<Session<any>>} */
  const opened = new Set();
  const names = Object.keys(services);

  /** @param {Record<string, any>} payload */
  const readOpen = (payload) => {
    const {
      service,
      port,
      priority = 0,
      weight = 1,
    } = checkFields(payload, FIELDS, 'OPEN_SESSION', 'INVALID_OPTION');
    if (typeof service !== 'string' || !Object.hasOwn(services, service)) {
      refuse(`service is ${show(service)}, expected one of ${oneOf(names)}`);
    }
    if (!isPort(port)) refuse(`port is ${show(port)}, expected a MessagePort that is transferred`);
    if (!Number.isSafeInteger(priority)) {
      refuse(`priority is ${show(priority)}, expected an integer`);
    }
    if (!(typeof weight === 'number' && weight >= LEAST_WEIGHT && weight <= MOST_WEIGHT)) {
      refuse(`weight is ${show(weight)}, expected a number from ${LEAST_WEIGHT} to ${MOST_WEIGHT}`);
    }
    const setting = {
      name: service,
      port: /** @type {Port} */ (port),
      priority,
      weight,
      ended: () => {},
    };
    whenClosed(setting.port, () => setting.ended());
    return setting;
  };

  /** @param {Service} service @param {ReturnType<typeof readOpen>} setting */
  const openPort = (service, setting) => {
    const { name, port, priority, weight } = setting;
    if (opened.size >= MOST_SESSIONS) {
      const message = `${MOST_SESSIONS} sessions are open on this thread: close some first`;
      throw new OffstageError('BUSY', message);
    }
    const pump = scheduler.open({ priority, weight });
    const end = () => {
      if (!opened.delete(session)) return;
      session.close();
      port.onmessage = null;
      port.close();
    };
    const session = new Session(/** @type {any} */ (port), service, {
      pump,
      host,
      helpers,
      closed: end,
    });
    opened.add(session);
    port.onmessageerror = () => session.complain(unreadable());
    setting.ended = end;
    port.unref?.();
    return { service: name };
  };

  return new Session(endpoint, /** @type {Service} */ (services[first]), {
    pump: scheduler.open(),
    host,
    helpers,
    rows: {
      OPEN_SESSION: {
        reply: 'SESSION_OPENED',
        always: true,
        apart: true,
        handle: (_, payload) => {
          const setting = readOpen(payload);
          const service = services[setting.name];
          if (typeof service !== 'function') return openPort(service, setting);
          let closed = false;
          setting.ended = () => {
            closed = true;
          };
          return service().then((loaded) => () => {
            if (closed) {
              throw new OffstageError('DISPOSED', 'the port was closed before the session opened');
            }
            return openPort(loaded, setting);
          });
        },
      },
    },
  });
}

/** @param {any} value */
function isPort(value) {
  return (
    typeof value?.postMessage === 'function' &&
    typeof value.close === 'function' &&
    'onmessage' in value
  );
}

/** @param {Port} port @param {() => void} heard */
function whenClosed(port, heard) {
  if (port.on) port.on('close', heard);
  else port.addEventListener('close', heard);
}

/** @param {string} message @returns {never} */
function refuse(message) {
  throw new OffstageError('INVALID_OPTION', message);
}
