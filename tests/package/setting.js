/* setting.js: what the package tests share: the tarball, an empty folder that has it installed, and
 * a page of such a folder in Chromium. Nothing reaches a registry: the tarball needs no other
 * package. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { serve } from '../../examples/serve/server.js';
import { ROOT } from '../../wasm-build/lists.mjs';
import { GUARD, complaints, withPage } from '../browser/setting.js';

const APP = `${ROOT}tests/package/app.js`;
const WINDOWS = process.platform === 'win32';

/** Runs a program; throws with all that it said where it fails. */
export function run(file, args, cwd) {
  try {
    return execFileSync(file, args, {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: WINDOWS && file === 'npm',
    });
  } catch (error) {
    throw new Error(`${file} ${args.join(' ')} failed:\n${error.stdout}${error.stderr}`);
  }
}

/** A folder that goes with the process. */
export function temporaryFolder() {
  const folder = mkdtempSync(`${tmpdir()}/offstage-package-`);
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

let tarball = '';

/** What `npm pack` makes, once a process. @returns {string} its path */
export function pack() {
  if (tarball) return tarball;
  const folder = temporaryFolder();
  run('npm', ['pack', '--pack-destination', folder], ROOT);
  tarball = `${folder}/${readdirSync(folder).find((name) => name.endsWith('.tgz'))}`;
  return tarball;
}

/**
 * A folder with the tarball installed, the app of app.js in src/, and the files given.
 * @param {Record<string, string>} files text by path
 */
export function installedFolder(files) {
  const folder = temporaryFolder();
  const all = { 'package.json': '{ "private": true, "type": "module" }', ...files };
  mkdirSync(`${folder}/src`);
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(`${folder}/${name}`), { recursive: true });
    writeFileSync(`${folder}/${name}`, text);
  }
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', pack()], folder);
  copyFileSync(APP, `${folder}/src/app.js`);
  return folder;
}

/** A page that runs a script and shows nothing. @param {string} script  its tag or tags */
export const page = (script) =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>app</title><link rel="icon" href="data:,">${script}`;

/**
 * Takes the best storage away from all scripts of a folder that would use it, so that the next one
 * is used, which wants a file of its own: it has to be there as a file, for a policy may forbid
 * what is in a data: URL.
 * @param {string} root of what is served
 */
export function withoutOpfs(root) {
  const scripts = readdirSync(root, { recursive: true })
    .map((name) => `${root}/${name}`)
    .filter((name) => name.endsWith('.js'));
  const texts = new Map(scripts.map((name) => [name, readFileSync(name, 'utf8')]));
  const users = scripts.filter((name) => texts.get(name).includes('createSyncAccessHandle'));
  assert.ok(users.length > 0, `some script uses it: ${scripts}`);
  for (const name of users)
    writeFileSync(
      name,
      `delete globalThis.StorageManager?.prototype.getDirectory;${texts.get(name)}`,
    );
  assert.ok(
    [...texts.values()].some((text) => /IDBCursor/.test(text) && /\bexport\b/.test(text)),
    'what keeps trainers is there, as a module',
  );
  for (const [name, text] of texts)
    assert.doesNotMatch(text, /data:(text|application)\/javascript/, name);
  return root;
}

/**
 * Whether it is for the script of a computing thread, whatever a bundler calls it: no other names
 * this export.
 */
async function isForHelper(/** @type {import('playwright-core').Request} */ request) {
  if (!/\.js$/.test(request.url())) return false;
  const response = await fetch(request.url()); // a worker's own is not Playwright's to read
  return response.ok && /\bteam_lose\b/.test(await response.text());
}

/**
 * Opens the folder's index.html and waits for what the script leaves in `result`, and for a second
 * thread's script.
 * @param {import('playwright-core').Browser} browser @param {string} root
 * @param {() => void} [prepare] runs in the page before anything else
 */
export async function resultOfPage(browser, root, prepare) {
  const server = await serve({ root, isolated: true });
  let result;
  let helper;
  const watch = (page) => {
    helper = page.context().waitForEvent('request', { predicate: isForHelper, ...GUARD });
    helper.catch(() => {}); // where the page fails before
  };
  await withPage(
    browser,
    { server, path: '/index.html', prepare, watch },
    async ({ page, said }) => {
      await page
        .waitForFunction('globalThis.result')
        .catch((error) => assert.fail(`${error.message}: ${JSON.stringify(said)}`));
      result = await page.evaluate('globalThis.result');
      await helper;
      assert.deepEqual(complaints(said), []);
    },
  );
  return result;
}

/**
 * Every way of building gives the same app: it trains in every way, with the same bits as
 * everywhere.
 */
export function assertTrained(result, expected, kept = 'indexedDB') {
  assert.deepEqual(
    result.map(({ mode, threads }) => [mode, threads]),
    [
      ['worker', 1],
      ['worker', 2],
      ['main', 1],
    ],
  );
  for (const { whyHere, reason, epochs, accuracy, weights, storage } of result) {
    assert.equal(storage, kept);
    assert.equal(whyHere, null);
    assert.equal(reason, 'finished');
    assert.equal(epochs, 12);
    assert.ok(accuracy > 0.9, `accuracy ${accuracy}`);
    assert.equal(weights, expected);
  }
}
