/* ports.test.js: sessions over ports in Chromium: on the page's own thread, and on that of a worker
 * which the owner of the ports ends: no port tells of it, so the owner does. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GUARD, STRICT, complaints, openBrowser, withPage } from './setting.js';

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser?.close());

test('one client over a port, over a port into a worker, and their losses', GUARD, () =>
  withPage(browser, { policy: STRICT }, async ({ page, said }) => {
    const seen = await page.evaluate(async () => {
      const { Client } = await import('/web/host/client.js');
      const { beside } = await import('/web/host/beside.js');
      const { openSession } = await import('/web/host/connect.js');
      const { OffstageError } = await import('/worker/host/errors.js');
      const { serveStub } = await import('/tests/js/stub-service.js');
      const told = (promise) =>
        promise.then(
          (value) => value,
          ({ code, message }) => `${code}: ${message}`,
        );
      const setting = {
        timeout: 60_000,
        heartbeat: 60_000,
        assets: undefined,
        load: async () => serveStub,
      };
      const begin = (client) => client.request('BEGIN');
      const answers = [];

      const here = openSession('main', setting, begin);
      answers.push(await here.ready);
      const bytes = new ArrayBuffer(16);
      const echo = await here.client.request('ECHO', { bytes }, { transfer: [bytes] });
      answers.push([here.client.mode, bytes.byteLength, echo.bytes.byteLength]);

      /* The worker of the tests only joins ports: it has the stub service on its thread. */
      const worker = new Worker('/tests/browser/stub-worker.js', { type: 'module' });
      const carrier = new Client(setting);
      worker.onmessage = ({ data }) => carrier.listener.heard(data);
      carrier.attach({
        mode: 'worker',
        threadId: 1,
        ref() {},
        unref() {},
        close: () => worker.terminate(),
        post: (message, transfer = []) => worker.postMessage(message, transfer),
      });
      const far = [0, 1].map(() => openSession(beside(carrier, 'stub'), setting, begin));
      for (const { client, ready } of far) {
        answers.push(await ready, await client.request('ECHO', { far: client.mode }));
      }
      const other = openSession(beside(carrier, 'other'), setting, begin);
      answers.push(await told(other.ready));
      far[0].client.close(new OffstageError('DISPOSED', 'not needed'));
      answers.push(await far[1].client.request('ECHO', { still: 'there' }));
      const hanging = told(far[1].client.request('HANG'));
      carrier.close(new OffstageError('WORKER_LOST', 'the worker was ended'));
      answers.push(await hanging, await told(far[1].client.request('ECHO')));
      return { answers, carried: carrier.carried.size };
    });
    assert.deepEqual(seen.answers, [
      { step: 0 },
      ['main', 0, 16],
      { step: 0 },
      { far: 'worker' },
      { step: 0 },
      { far: 'worker' },
      "INVALID_OPTION: service is 'other'",
      { still: 'there' },
      'WORKER_LOST: the worker was ended',
      'WORKER_LOST: the worker was ended',
    ]);
    assert.equal(seen.carried, 0);
    assert.deepEqual(complaints(said), []);
  }),
);

test('a port whose other end is closed is silent in Chromium: the heartbeat ends it', GUARD, () =>
  withPage(browser, {}, async ({ page, said }) => {
    const losses = await page.evaluate(async () => {
      const { Client } = await import('/web/host/client.js');
      const { openPort } = await import('/web/host/endpoint.js');
      const { serveStub } = await import('/tests/js/stub-service.js');
      const lost = async (ask) => {
        const { port1, port2 } = new MessageChannel();
        const client = new Client({ timeout: 60_000, heartbeat: 200 });
        const carrier = { mode: 'worker', threadId: 1, carried: new Set() };
        client.attach(openPort(port1, client.listener, carrier));
        serveStub(port2);
        await client.request('ECHO');
        const end = client.request(ask);
        return end.then(
          () => 'answered',
          ({ code, message }) => [code, message],
        );
      };
      return [await lost('LEAVE'), await lost('CRASH')];
    });
    assert.equal(losses[0][0], 'WORKER_LOST');
    assert.match(losses[0][1], /nothing was heard of the worker for 200 ms|the port .* was closed/);
    assert.deepEqual(losses[1], ['WORKER_LOST', 'it fell over']);
    assert.deepEqual(complaints(said), []);
  }),
);
