/* bits.test.js: the same bits natively, on Node's main thread and in its worker threads, in each deterministic variant,
 * on any number of threads, sliced at every part or not, disturbed or not. tests/browser/bits.test.js goes on in
 * Chromium. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { buildNative, compilers, trainNatively } from './native.js';
import { PROBLEMS, enginesOf, isShared, isSmall } from './problems.js';
import { connectMain, train } from './train.js';

/** @type {import('./train.js').Connect} */
function connectThread(heard) {
  const thread = new Worker(new URL('../../worker/worker.js', import.meta.url));
  thread.on('message', heard);
  return { post: (message) => thread.postMessage(message), close: () => void thread.terminate() };
}

const UNSLICED = 1e15;
const PLACES = { main: connectMain, worker: connectThread };

for (const problem of Object.keys(PROBLEMS)) {
  let reference;
  before(async () => {
    reference = await train(connectMain, { problem, variant: 'base' });
    assert.notEqual(reference.hash, reference.begun, 'the run changes weights');
  });

  for (const [place, connect] of Object.entries(PLACES)) {
    for (const engine of enginesOf(problem, place === 'main')) {
      const { variant, threads } = engine;
      for (const sliced of [false, true]) {
        for (const disturbed of [false, true]) {
          const name = [problem, place, variant, `${threads} threads`, ...(sliced ? ['sliced'] : []), ...(disturbed ? ['disturbed'] : [])];
          test(name.join(', '), async () => {
            const got = await train(connect, { problem, ...engine, sliced, disturbed });
            assert.equal(got.variant, variant);
            assert.equal(got.threads, threads);
            if (isShared(problem)) assert.equal(got.helpers, threads - 1);
            // what disturbs asks for all samples at once, and that may be worth sharing
            else if (isSmall(problem) && !disturbed) assert.equal(got.helpers, 0);
            assert.equal(got.begun, reference.begun, 'initial weights');
            assert.deepEqual(got.history, reference.history);
            assert.equal(got.hash, reference.hash, 'final weights');
            if (sliced) assert.ok(got.slices > 10 * got.steps, `${got.slices} slices in ${got.steps} steps`);
            if (disturbed && sliced) assert.ok(got.pauses > 0, 'it was paused');
          });
        }
      }
    }
  }

  for (const [name, compiler] of Object.entries(compilers())) {
    test(`${problem}, native by ${name}`, async () => {
      const program = buildNative(name, compiler);
      for (const work of [UNSLICED, 1]) {
        const got = await trainNatively(program, problem, work);
        assert.deepEqual(got.losses, reference.history.map(({ loss }) => loss));
        assert.equal(got.hash, reference.hash, `final weights, ${work} units a call`);
      }
    });
  }
}

test('a native compiler is there', () => assert.ok(Object.keys(compilers()).length > 0));
