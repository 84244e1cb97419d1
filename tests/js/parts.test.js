/* parts.test.js: what a session loads where it is used: the sentences of refusals, what keeps trainers. A part that is
 * missing, or of another build, is an error that says so and names its file. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { createSession, ownHost } from '../../wasm-build/dist/session.js';
import { errorFromWire } from '../../worker/host/errors.js';
import { connectLocal } from './session-client.js';

const DIST = new URL('../../wasm-build/dist/', import.meta.url);
const FLAWED = { inputShape: [4, 2], layers: [{ type: 'lstm', units: 0 }] };
const SENTENCE = /^layer 0 \(lstm\): units is 0, expected an integer from 1 to \d+$/;
const LOAD = { stored: { name: 'nobody' } };

/** A session of the built files. */
function connectBuilt() {
  /** @type {any} */
  const endpoint = { onmessage: null, postMessage: () => {} };
  createSession(endpoint, ownHost());
  return {
    /** @param {string} type @param {any} payload @returns {Promise<any>} */
    ask: (type, payload) => new Promise((resolve, reject) => {
      endpoint.postMessage = (/** @type {any} */ { type: answer, payload: told }) =>
        (answer === 'ERROR' ? reject(errorFromWire(told)) : resolve(told));
      endpoint.onmessage({ data: { v: 1, id: type, type, payload: structuredClone(payload) } });
    }),
  };
}

/**
 * A folder as `assets` names it, with the built files but for what `change` does to it.
 * @param {import('node:test').TestContext} t @param {(folder: string) => void} change
 */
function changed(t, change) {
  const folder = mkdtempSync(`${tmpdir()}/offstage-`);
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(DIST, `${folder}/wasm-build/dist`, { recursive: true, filter: (path) => !/\.(stamp|map)$/.test(path) });
  writeFileSync(`${folder}/package.json`, '{ "type": "module" }');
  change(`${folder}/wasm-build/dist`);
  return { assets: pathToFileURL(folder).href, threads: 1 };
}

/** Another build of a part. @param {string} file */
function rebuild(file) {
  const text = readFileSync(file, 'utf8');
  const [build] = /** @type {RegExpExecArray} */ (/"[0-9a-f]{12}"/.exec(text));
  writeFileSync(file, text.replace(build, '"000000000000"'));
}

const SESSIONS = { 'the checkout': () => connectLocal(), 'the built files': connectBuilt };
for (const [name, connect] of Object.entries(SESSIONS)) {
  test(`${name}: a refusal has its sentence`, async (t) => {
    for (const runtime of [undefined, changed(t, () => {})]) {
      await assert.rejects(connect().ask('INIT_TRAINING', { ...FLAWED, runtime }), { code: 'INVALID_SPEC', message: SENTENCE });
    }
  });

  test(`${name}: without its sentence a refusal says what it knows, and which file is missing`, async (t) => {
    const runtime = changed(t, (dist) => rmSync(`${dist}/refusal.js`));
    await assert.rejects(connect().ask('INIT_TRAINING', { ...FLAWED, runtime }), {
      code: 'INVALID_SPEC',
      message: /^layer 0 \(lstm\): refused \(range, field \d+\): got 0, allowed 1 to \d+; the sentence of a refusal could not be loaded from .*dist\/refusal\.js: /,
    });
  });

  test(`${name}: storage that cannot be loaded is unsupported, and its file is named`, async (t) => {
    const runtime = changed(t, (dist) => rmSync(`${dist}/kept.js`));
    await assert.rejects(connect().ask('LOAD_CHECKPOINT', { ...LOAD, runtime }),
      { code: 'UNSUPPORTED', message: /^what keeps trainers could not be loaded from .*dist\/kept\.js: / });
  });
}

test('a part of another build is refused, and its file is named', async (t) => {
  const runtime = changed(t, (dist) => ['kept.js', 'refusal.js'].forEach((file) => rebuild(`${dist}/${file}`)));
  await assert.rejects(connectBuilt().ask('LOAD_CHECKPOINT', { ...LOAD, runtime }),
    { code: 'UNSUPPORTED', message: /^what keeps trainers in .*dist\/kept\.js is of another version of Offstage/ });
  await assert.rejects(connectBuilt().ask('INIT_TRAINING', { ...FLAWED, runtime }),
    { code: 'INVALID_SPEC', message: /allowed 1 to \d+; the sentence of a refusal in .*dist\/refusal\.js is of another version of Offstage/ });
});
