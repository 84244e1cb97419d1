/* host-beside.test.js: sessions of the trainer beside each other in one real worker, as the page
 * opens them: each has a model of its own, ends by itself, and all are lost with the worker. */
import assert from 'node:assert/strict';
import test from 'node:test';

import { beside } from '../../web/host/beside.js';
import { Client } from '../../web/host/client.js';
import { openSession } from '../../web/host/connect.js';
import { openWorker } from '../../web/host/endpoint.js';
import { OffstageError } from '../../worker/host/errors.js';
import { refused, withThreads } from './api-setting.js';

const SETTING = {
  timeout: Infinity,
  heartbeat: Infinity,
  assets: undefined,
  load: async () => assert.fail('nothing runs on this thread'),
};
const begin = (client, units) =>
  client.request('INIT_TRAINING', { inputShape: [4], layers: [{ type: 'dense', units }] });

test('trainers beside each other in one worker', () =>
  withThreads(async (threads) => {
    const carrier = new Client(SETTING);
    carrier.attach(openWorker({}, carrier.listener));
    const opened = [1, 2, 3].map((units) =>
      openSession(beside(carrier, 'trainer'), SETTING, (client) => begin(client, units)),
    );
    const clients = opened.map(({ client }) => client);
    const built = await Promise.all(opened.map(({ ready }) => ready));
    assert.deepEqual(
      built.map(({ parameters }) => parameters),
      [5, 10, 15],
    );
    const outputs = async (client) =>
      (await client.request('PREDICT', { x: new Float32Array(4) })).output.length;
    assert.deepEqual(await Promise.all(clients.map(outputs)), [1, 2, 3]);
    assert.equal(
      (await begin(carrier, 7)).parameters,
      35,
      'the first session is one like any other',
    );

    clients[0].close(new OffstageError('DISPOSED', 'not needed'));
    assert.deepEqual(await Promise.all(clients.slice(1).map(outputs)), [2, 3]);
    const other = openSession(beside(carrier, 'nothing'), SETTING, begin);
    await refused(other.ready, 'INVALID_OPTION', /service is 'nothing'/);

    /* Node tells that their ports are closed, and then that the worker has ended. */
    await threads[0].terminate();
    const lost = /the port to the session was closed|ended without being asked/;
    for (const client of [...clients.slice(1), carrier]) {
      await refused(outputs(client), 'WORKER_LOST', lost);
    }
    assert.equal(carrier.carried.size, 0);
  }));
