/* stub-service.js: a service of the tests' own behind a port: what a page's host is tried with that
 * knows no trainer.
 * Invariant: it speaks the envelope and nothing else; whatever it is told to do wrong it does at
 * once, without a timer. */

/** Says something over a port as a session does. */
export const say = (port, id, type, payload = {}, transfer = []) =>
  port.postMessage({ v: 1, id, type, payload }, transfer);

/**
 * Serves a port: ECHO, COUNT (which tells each number before its reply), REFUSE, HANG, CRASH (of
 * which no reply tells), LEAVE (closes the port), BEGIN, OPEN_SESSION, PING and DISPOSE.
 * @param {MessagePort} port
 * @param {{ heard?: any[], services?: string[], begin?: () => object }} [options] heard: every
 *   message, as it came
 */
export function serveStub(port, options = {}) {
  const { heard = [], services = ['stub'], begin = () => ({ step: 0 }) } = options;
  const refuse = (id, code, error, request) => say(port, id, 'ERROR', { error, code, request });
  const answers = {
    ECHO: (id, payload) => say(port, id, 'ECHOED', payload, payload.bytes ? [payload.bytes] : []),
    COUNT(id, { to }) {
      for (let number = 1; number <= to; number++) say(port, id, 'COUNT_PROGRESS', { number });
      say(port, id, 'COUNTED', { to });
    },
    REFUSE: (id) => refuse(id, 'BUSY', 'not today', 'REFUSE'),
    HANG() {},
    CRASH: () => refuse(null, 'WORKER_LOST', 'it fell over', ''),
    LEAVE: () => port.close(),
    BEGIN(id) {
      const begun = begin();
      if (begun instanceof Error) refuse(id, 'INVALID_SPEC', begun.message, 'BEGIN');
      else say(port, id, 'BEGUN', begun);
    },
    OPEN_SESSION(id, { service, port: further }) {
      if (!services.includes(service)) {
        return refuse(id, 'INVALID_OPTION', `service is '${service}'`, 'OPEN_SESSION');
      }
      serveStub(further, { heard, services, begin });
      say(port, id, 'SESSION_OPENED', { service });
    },
    PING: (id) => say(port, id, 'PONG'),
    DISPOSE: (id) => say(port, id, 'DISPOSED'),
  };
  port.onmessage = ({ data }) => {
    heard.push(data);
    answers[data.type](data.id, data.payload ?? {});
  };
  port.unref?.();
}
