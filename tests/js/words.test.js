/* words.test.js: what is wrong with a place, a policy, a version or a listener is said so that an
 * app's author knows what to do. Files that do not load are made by folders that lack them. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { createTrainer } from '../../web/index.js';
import { besideUrl, whyNotLoaded } from '../../worker/host/asset.js';
import { Client } from '../../web/host/client.js';
import { BOTH, cloudSpec, clouds, everywhere, refused } from './api-setting.js';

const DIST = new URL('../../wasm-build/dist/', import.meta.url);

/** A folder to be served, with a copy of the built files that `change` changes. */
function copied(t, change) {
  const folder = mkdtempSync(`${tmpdir()}/offstage-words-`);
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(DIST, `${folder}/wasm-build/dist`, { recursive: true });
  writeFileSync(`${folder}/package.json`, '{ "type": "module" }');
  change(`${folder}/wasm-build/dist/`);
  return pathToFileURL(`${folder}/`);
}
const edit = (file, from, to) => {
  const text = readFileSync(file, 'utf8');
  assert.ok(text.includes(from), `${file} has ${from}`);
  writeFileSync(file, text.replaceAll(from, to));
};
const OTHER = /of another version of Offstage than the page: load the page again/;

test('a worker that does not know a field of the page is of another version', async (t) => {
  const assets = copied(t, (dist) => edit(`${dist}worker.js`, '"duty"', '"duly"'));
  for (const mode of ['auto', 'worker']) {
    await refused(createTrainer(cloudSpec(), { assets, mode }), 'UNSUPPORTED', OTHER);
  }
});

test('a worker of another build is refused before what it is asked', async (t) => {
  const [build] = /** @type {RegExpMatchArray} */ (
    readFileSync(new URL('refusal.js', DIST), 'utf8').match(/\b[0-9a-f]{12}\b/)
  );
  const folder = copied(t, (dist) => edit(`${dist}worker.js`, build, '0123456789ab'));
  const built = await import(new URL('wasm-build/dist/index.js', folder).href);
  const wrong = { ...cloudSpec(), seed: -1 };
  for (const mode of ['auto', 'worker']) {
    const error = await built.createTrainer(wrong, { mode }).catch((caught) => caught);
    assert.equal(error.code, 'UNSUPPORTED');
    assert.match(error.message, OTHER);
    assert.match(error.message, new RegExp(`build is 0123456789ab, not '${build}'`));
  }
  const same = await built.createTrainer(cloudSpec(), { mode: 'main' });
  await same.dispose();
});

test('what answers otherwise is no session of this version', async () => {
  for (const message of [7, { hello: 1 }, { v: 2, id: 1, type: 'MODEL_READY' }]) {
    const client = new Client({ timeout: 1e4, heartbeat: 1e4 });
    const nothing = () => {};
    client.attach(
      /** @type {any} */ ({ post: nothing, ref: nothing, unref: nothing, close: nothing }),
    );
    const asked = client.request('INIT_TRAINING', {});
    client.listener.heard(message);
    await refused(
      asked,
      'WORKER_LOST',
      /the session sent .*it is no Offstage, or of another version/,
    );
  }
});

test('a folder without the core says what tells where it is', async (t) => {
  const assets = copied(t, (dist) => rmSync(`${dist}`, { recursive: true }));
  await refused(
    createTrainer(cloudSpec(), { assets, mode: 'main' }),
    'UNSUPPORTED',
    /the core could not be loaded from .*; tell by the option assets where wasm-build\/dist\/ is$/,
  );
});

test('why a file is not loaded, and what to do', () => {
  const policies = [
    "WebAssembly.compile(): Compiling or instantiating WebAssembly module violates the following Content Security policy directive because 'unsafe-eval' is not an allowed source of script",
    'call to WebAssembly.compile() blocked by CSP',
    "Refused to create a WebAssembly object because 'unsafe-eval' or 'wasm-unsafe-eval' is not an allowed source of script",
  ];
  for (const policy of policies) {
    const said = whyNotLoaded(new Error(policy));
    assert.match(said, /Content Security Policy.*'wasm-unsafe-eval' in its script-src is enough$/);
    assert.doesNotMatch(said, /'unsafe-eval'/);
  }
  assert.match(
    whyNotLoaded(new Error('the server answered 404 Not Found')),
    /^the server answered 404 Not Found; tell by the option assets where wasm-build\/dist\/ is$/,
  );
  assert.match(
    whyNotLoaded(new TypeError('Failed to fetch')),
    /^Failed to fetch: no network, or connect-src of a Content Security Policy; tell by the option/,
  );
  assert.match(
    whyNotLoaded(new Error('expected magic word 00 61 73 6d')),
    /the server sent something else, probably a page: tell by the option assets/,
  );
  const beside = () => new URL('./worker.js', /** @type {any} */ (undefined));
  assert.throws(() => besideUrl(beside, 'the core'), {
    code: 'UNSUPPORTED',
    message: /^the core cannot be found beside a bundle that has no address: .*assets/,
  });
});

everywhere('an event that never happens cannot be listened to', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const { x, y } = clouds(6);
  const run = trainer.fit(x, y);
  for (const [target, type, words] of [
    [trainer, 'warn', /type is 'warn', expected one of .*'warning'.*; did you mean 'warning'\?$/],
    [trainer, 'progress', /type is 'progress', expected one of 'warning'/],
    [trainer, 'error', /type is 'error'/],
    [
      run,
      'progres',
      /type is 'progres', expected one of 'progress', .*; did you mean 'progress'\?$/,
    ],
    [run, 'end', /type is 'end'/],
  ]) {
    assert.throws(() => target.addEventListener(type, () => {}), {
      name: 'OffstageError',
      code: 'INVALID_OPTION',
      message: words,
    });
    target.removeEventListener(type, () => {}); // which never was there
  }
  await run;
});
