/* bits.test.js: the same bits natively, as C that wasm2c makes of the wasm, on Node's main thread
 * and in its worker threads, in each deterministic variant, on any number of threads, sliced at
 * every part or not, disturbed or not: in ways that hold every pair of these, and in the soak in
 * all (ways.js). tests/browser/bits.test.js goes on in Chromium. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { buildNative, compilers, trainNatively } from './native.js';
import { howToGet } from '../../wasm-build/setup.mjs';
import { WHOLE } from '../soak/amounts.js';
import { PROBLEMS, isShared, isSmall } from './problems.js';
import { connectMain, train } from './train.js';
import { buildWasm2c, findWasm2c } from './wasm2c.js';
import { allWays, missingPairs, nameOf, waysOf } from './ways.js';

/** @type {import('./train.js').Connect} */
function connectThread(heard) {
  const thread = new Worker(new URL('../../worker/worker.js', import.meta.url));
  thread.on('message', heard);
  return { post: (message) => thread.postMessage(message), close: () => void thread.terminate() };
}

const UNSLICED = 1e15;
const TRANSLATOR = findWasm2c();
/** The wasm translated, made where it is first needed. @type {string | undefined} */
let translation;
const translated = () => (translation ??= buildWasm2c(TRANSLATOR, Object.values(compilers())[0]));
const PLACES = { main: connectMain, worker: connectThread };

for (const problem of Object.keys(PROBLEMS)) {
  let reference;
  before(async () => {
    reference = await train(connectMain, { problem, variant: 'base' });
    assert.notEqual(reference.hash, reference.begun, 'the run changes weights');
  });

  for (const way of waysOf(problem, WHOLE)) {
    test(`${problem}, ${nameOf(way)}`, async () => {
      const { place, variant, threads, sliced, disturbed } = way;
      const got = await train(PLACES[place], { problem, ...way });
      assert.equal(got.variant, variant);
      assert.equal(got.threads, threads);
      if (isShared(problem)) assert.equal(got.helpers, threads - 1);
      // what disturbs asks for all samples at once, and that may be worth sharing
      else if (isSmall(problem) && !disturbed) assert.equal(got.helpers, 0);
      assert.equal(got.begun, reference.begun, 'initial weights');
      assert.deepEqual(got.history, reference.history);
      assert.equal(got.hash, reference.hash, 'final weights');
      if (sliced)
        assert.ok(got.slices > 10 * got.steps, `${got.slices} slices in ${got.steps} steps`);
      if (disturbed && sliced) assert.ok(got.pauses > 0, 'it was paused');
    });
  }

  /** @param {string} program @param {number} work */
  async function compare(program, work) {
    const got = await trainNatively(program, problem, work);
    assert.deepEqual(
      got.losses,
      reference.history.map(({ loss }) => loss),
    );
    assert.equal(got.hash, reference.hash, `final weights, ${work} units a call`);
  }

  for (const [name, compiler] of Object.entries(compilers())) {
    test(`${problem}, native by ${name}`, async () => {
      const program = buildNative(name, compiler);
      for (const work of [UNSLICED, 1]) await compare(program, work);
    });
  }

  if (TRANSLATOR) test(`${problem}, by wasm2c`, () => compare(translated(), UNSLICED));
}

test('a native compiler and wasm2c are there', () => {
  assert.ok(Object.keys(compilers()).length > 0);
  assert.ok(TRANSLATOR, howToGet('wasm2c'));
});

test('the ways hold every pair of place, variant with threads, sliced, disturbed; without any of them a pair is missing', () => {
  for (const problem of Object.keys(PROBLEMS)) {
    const [all, ways] = [allWays(problem), waysOf(problem, false)];
    assert.deepEqual(missingPairs(all, ways), [], problem);
    for (const way of ways) {
      assert.notDeepEqual(
        missingPairs(
          all,
          ways.filter((other) => other !== way),
        ),
        [],
        `${problem} without ${nameOf(way)}`,
      );
    }
  }
});
