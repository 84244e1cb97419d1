/* shared-cores.test.js: threads of a page that train at the same time share its cores, with a clock
 * of the test's own: what is out of date counts for nothing. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { sharedCores } from '../../web/host/support.js';
import { SharedCores, isShare } from '../../worker/host/shared-cores.js';

const memory = () => new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
const T = 1.7e12;

test('alone one has all threads, two have a half each, twelve one each', () => {
  const page = memory();
  const all = Array.from({ length: 12 }, () => new SharedCores(page));
  assert.equal(all[0].shareOf(8, T), 8);
  assert.equal(all[1].shareOf(8, T), 4);
  assert.equal(all[0].shareOf(8, T + 30), 4);
  for (const each of all) each.shareOf(8, T + 40);
  assert.deepEqual(
    all.map((each) => each.shareOf(8, T + 60)),
    all.map(() => 1),
  );
  assert.equal(all[0].shareOf(24, T + 60), 2);
});

test('who pauses, or is lost, leaves its cores to the others without a word', () => {
  const page = memory();
  const [stays, goes] = [new SharedCores(page), new SharedCores(page)];
  goes.shareOf(8, T);
  assert.equal(stays.shareOf(8, T + 2000), 4);
  assert.equal(stays.shareOf(8, T + 2001), 8);
  assert.equal(goes.shareOf(8, T + 9000), 8, 'it comes back, and the other one went');
  assert.equal(stays.shareOf(8, T + 9001), 4);
  assert.equal(goes.shareOf(8, T + 9002), 4);
});

test("a word is one thread's, also where its time is out of date and another one took it", () => {
  const page = memory();
  const [first, second, third] = Array.from({ length: 3 }, () => new SharedCores(page));
  first.shareOf(8, T);
  second.shareOf(8, T + 5000); // has the word of the first
  assert.equal(first.shareOf(8, T + 5001), 4);
  assert.equal(second.shareOf(8, T + 5002), 4);
  assert.equal(third.shareOf(9, T + 5003), 3);
});

test('more threads than words share like the others', () => {
  const page = memory();
  const many = Array.from({ length: 70 }, () => new SharedCores(page));
  for (const each of many) each.shareOf(8, T);
  assert.ok(many.every((each) => each.shareOf(64, T + 10) === 1));
});

test('clocks that are set, and low words that overflow, change nothing for long', () => {
  const page = memory();
  const [one, other] = [new SharedCores(page), new SharedCores(page)];
  other.shareOf(8, T + 1e9);
  assert.equal(one.shareOf(8, T), 8, 'a time that lies ahead is out of date as well');
  for (const edge of [2 ** 40, 2 ** 40 + 2 ** 31]) {
    one.shareOf(8, edge - 10);
    assert.equal(other.shareOf(8, edge + 10), 4);
    assert.equal(one.shareOf(8, edge), 4);
  }
});

test('a page whose engine has threads but no structuredClone has such a memory too', () => {
  const { structuredClone } = globalThis;
  try {
    Reflect.deleteProperty(globalThis, 'structuredClone');
    const { share } = sharedCores();
    assert.ok(isShare(share));
    assert.equal(sharedCores().share, share, 'one for all');
  } finally {
    Object.assign(globalThis, { structuredClone });
  }
});
