/* setting.js: what the tests of hosts share: an app's folder with the package and the host's tools
 * installed, commands in it, its page, and what plain Node computes with the same package.
 *
 * A tool that cannot be installed fails its test; so does a command that does not end by itself.
 * Nothing here waits for a time but to end what hangs. */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { serve } from '../../examples/serve/server.js';
import { ROOT } from '../../wasm-build/lists.mjs';
import { SetupError } from '../../wasm-build/setup.mjs';
import { GUARD, complaints, withPage } from '../browser/setting.js';
import { pack, page, run, temporaryFolder } from '../package/setting.js';
import { VERSIONS } from './versions.js';

export { GUARD, page };

/** These keep tools from colours, and from what they would ask or tell others. */
const QUIET = {
  NO_COLOR: '1',
  CI: 'true',
  NEXT_TELEMETRY_DISABLED: '1',
  NG_CLI_ANALYTICS: 'false',
};
/** This main module is for what runs scripts: it prints what came of the job. */
export const MAIN = `import * as api from 'offstage';
import { train } from './job.js';
console.log(JSON.stringify(await train(api)));
`;
/**
 * Writes one for a page, which leaves that in `result`.
 * @param {string} options of createTrainer()
 */
export const pageMain = (options = '{}') => `import * as api from 'offstage';
import { tryTrain } from './job.js';
globalThis.result = tryTrain(api, ${options});
`;

/** The package, as it is published. @returns {string} path of the tarball */
export const tarball = () => process.env.OFFSTAGE_HOSTS_TARBALL ?? pack();

/**
 * A folder that has the package, tools, the job and the files given.
 * @param {(keyof typeof VERSIONS)[]} tools names of packages
 * @param {Record<string, string>} files text by path
 */
export function appWith(tools, files) {
  const folder = temporaryFolder();
  const all = { 'package.json': '{ "private": true, "type": "module" }', ...files };
  for (const [name, text] of Object.entries(all)) writeInto(folder, name, text);
  copyFileSync(`${ROOT}tests/hosts/job.js`, `${folder}/job.js`);
  const wanted = tools.map((name) => `${name}@${VERSIONS[name]}`);
  const install = ['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund'];
  try {
    run('npm', [...install, '--save-exact', tarball(), ...wanted], folder);
  } catch (cause) {
    throw new SetupError(
      `npm could not install ${wanted.join(' ') || 'the package'}, ` +
        `so that it cannot be told whether Offstage runs there: ${cause.message}`,
    );
  }
  return folder;
}

/** @param {string} folder @param {string} name @param {string} text */
export function writeInto(folder, name, text) {
  mkdirSync(dirname(`${folder}/${name}`), { recursive: true });
  writeFileSync(`${folder}/${name}`, text);
}

/**
 * Puts the package's built files, and the job, into a site that needs no bundler.
 * @param {string} folder of the app @param {string} site below it @param {string} dist below that
 */
export function copyInto(folder, site, dist) {
  const built = `${folder}/node_modules/offstage/wasm-build/dist`;
  cpSync(built, `${folder}/${site}/${dist}`, { recursive: true });
  copyFileSync(`${folder}/job.js`, `${folder}/${site}/job.js`);
}

/**
 * Runs a command that has to succeed, and to end by itself.
 * @param {string} folder @param {string[]} command @param {Record<string, string>} [env]
 * @returns {{ stdout: string, stderr: string }}
 */
export function runIn(folder, [file, ...args], env = {}) {
  const { status, signal, stdout, stderr, error } = spawnSync(file, args, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, ...QUIET, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: GUARD.timeout,
    killSignal: 'SIGKILL',
    maxBuffer: 1 << 26,
  });
  const said = `${error?.message ?? ''}\n${stdout}\n${stderr}`;
  assert.equal(signal, null, `${file} ${args.join(' ')} did not end by itself:${said}`);
  assert.equal(status, 0, `${file} ${args.join(' ')} failed:${said}`);
  return { stdout, stderr };
}

/**
 * What a main module printed, of a command that said nothing else.
 * @param {string} folder @param {string[]} command
 */
export function resultOf(folder, command) {
  const { stdout, stderr } = runIn(folder, command);
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}

/** @type {any} */
let expected;

/** What plain Node computes with the same package: the same in every host. */
export function inNode() {
  const { OFFSTAGE_HOSTS_EXPECTED: told } = process.env;
  expected ??= told
    ? JSON.parse(told)
    : resultOf(appWith([], { 'main.js': MAIN }), [process.execPath, 'main.js']);
  return expected;
}

/**
 * A host has trained in a worker, and computed the bits of plain Node.
 * @param {any} result of the job
 * @param {{ storage?: string, mode?: string, reason?: RegExp | null }} [where]
 */
export function assertTrained(result, { storage = 'folder', mode = 'worker', reason } = {}) {
  assert.ok(!result.error, result.error);
  const { losses, output, weights, ended } = inNode();
  assert.equal(result.mode, mode);
  if (reason) assert.match(result.reason, reason);
  else if (result.reason !== null) assert.match(result.reason, /^one thread computes, not \d/);
  const { losses: l, output: o, weights: w, ended: e } = result;
  assert.deepEqual(
    { losses: l, output: o, weights: w, ended: e },
    { losses, output, weights, ended },
  );
  assert.equal(result.storage, storage);
  if (storage !== 'memory') assert.deepEqual([result.resumed, result.listed], [weights, 1]);
}

/**
 * What the script of a page leaves in `result`; the page may not complain.
 * @param {import('playwright-core').Browser} browser
 * @param {{ server: { url: string, close: () => Promise<unknown> }, path?: string,
 *   allowed?: RegExp, prepare?: () => void }} options server: ends with the page; allowed:
 *   complaints that are meant; prepare: runs before anything else in the page
 */
export async function resultOfPage(browser, { server, path = '/index.html', allowed, prepare }) {
  let result;
  await withPage(browser, { server, path, prepare }, async ({ page: opened, said }) => {
    await opened
      .waitForFunction('globalThis.result')
      .catch((error) => assert.fail(`${error.message}: ${JSON.stringify(said)}`));
    result = await opened.evaluate('globalThis.result');
    const meant = (/** @type {{ text: string }} */ { text }) => allowed?.test(text);
    assert.deepEqual(
      complaints(said).filter((line) => !meant(line)),
      [],
    );
  });
  return result;
}

/** Files of a folder, to cross-origin isolated pages. @param {string} root */
export const served = (root) => serve({ root, isolated: true });

/** A port that is free. @returns {Promise<number>} */
export const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/**
 * A server that a command starts, once it answers.
 * @param {string} folder @param {string[]} command @param {string} url
 */
export async function serverOf(folder, [file, ...args], url) {
  const child = spawn(file, args, {
    cwd: folder,
    env: { ...process.env, ...QUIET },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.on('data', (text) => (said += text));
  child.stderr.on('data', (text) => (said += text));
  let over = false;
  const ended = new Promise((resolve) => child.once('close', () => resolve((over = true))));
  child.once('error', (error) => (said += error.message));
  const close = () => {
    child.kill();
    return ended;
  };
  for (;;) {
    assert.ok(!over, `${file} ${args.join(' ')} ended: ${said}`);
    const answer = await fetch(url).catch(() => null);
    await answer?.body?.cancel();
    if (answer) return { url, close, said: () => said };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** @param {string} path of a file @returns {any} */
export const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
