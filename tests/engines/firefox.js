/* firefox.js: Firefox, headless, by its own WebDriver service (Marionette): JSON over a socket,
 * each message after its length. Invariant: after close() nothing of it is left, nor its profile.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { openPage, within } from './webdriver.js';

/* Marionette sets what a test wants; these it leaves alone. */
const PREFERENCES = {
  'marionette.port': 0, // any free one, which a file of the profile tells
  'app.update.disabledForTesting': true,
  'datareporting.policy.dataSubmissionEnabled': false,
  'toolkit.telemetry.server': '',
  'services.settings.server': '',
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
};
const START_LIMIT = 60_000;

/** @param {string} path @returns {Promise<import('./webdriver.js').Browser>} */
export async function openFirefox(path) {
  const profile = mkdtempSync(`${tmpdir()}/offstage-firefox-`);
  const lines = Object.entries(PREFERENCES).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`,
  );
  writeFileSync(`${profile}/user.js`, lines.join('\n'));
  const child = spawn(path, ['--headless', '--marionette', '--no-remote', '--profile', profile], {
    stdio: 'ignore',
    env: { ...process.env, MOZ_CRASHREPORTER_DISABLE: '1' },
  });
  const ended = new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(`Firefox ended with ${code ?? signal}`));
    child.once('error', ({ message }) => resolve(`Firefox could not be started: ${message}`));
  });
  /** @type {Awaited<ReturnType<typeof openSocket>> | undefined} */
  let socket;
  const close = async () => {
    socket?.close();
    child.kill('SIGKILL');
    await ended;
    // Its children may still be writing
    rmSync(profile, { recursive: true, force: true, maxRetries: 20 });
  };
  try {
    socket = await openSocket(await portOf(profile, ended));
    const { send } = socket;
    const { capabilities } = await send('NewSession', {});
    const page = await openPage(send);
    return { version: `Firefox ${capabilities.browserVersion}`, page, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** @param {string} profile @param {Promise<any>} ended @returns {Promise<number>} */
async function portOf(profile, ended) {
  const file = `${profile}/MarionetteActivePort`;
  let over;
  ended.then((why) => (over = why));
  for (const until = performance.now() + START_LIMIT; performance.now() < until;) {
    if (over) throw new Error(over);
    const port = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
    if (port > 0) return port;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Firefox told no port within ${START_LIMIT} ms`);
}

/** @param {number} port */
async function openSocket(port) {
  const socket = connect(port, '127.0.0.1');
  /** @type {Map<number, { resolve: (result: any) => void, reject: (error: Error) => void }>} */
  const waiting = new Map();
  let over = '';
  socket.once('close', () => {
    over = 'Firefox has closed its end';
    for (const { reject } of waiting.values()) reject(new Error(over));
    waiting.clear();
  });
  let bytes = Buffer.alloc(0);
  const greeted = new Promise((resolve, reject) => {
    waiting.set(0, { resolve, reject });
    socket.once('error', reject);
  });
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    for (;;) {
      const colon = bytes.indexOf(':');
      const end = colon + 1 + Number(bytes.subarray(0, Math.max(colon, 0)));
      if (colon < 0 || bytes.length < end) return;
      const message = JSON.parse(bytes.toString('utf8', colon + 1, end));
      bytes = bytes.subarray(end);
      const [, id, error, result] = Array.isArray(message) ? message : [1, 0, null, message];
      const asked = waiting.get(id);
      waiting.delete(id);
      if (error) asked?.reject(new Error(`${error.error}: ${error.message}`));
      else asked?.resolve(result);
    }
  });
  await within(greeted, 'Firefox');
  let lastId = 0;
  /** @type {import('./webdriver.js').Send} */
  const send = (command, parameters = {}) =>
    within(
      new Promise((resolve, reject) => {
        if (over) return reject(new Error(over));
        waiting.set(++lastId, { resolve, reject });
        const text = JSON.stringify([0, lastId, `WebDriver:${command}`, parameters]);
        socket.write(`${Buffer.byteLength(text)}:${text}`);
      }),
      `Firefox, ${command}`,
    );
  return { send, close: () => socket.destroy() };
}
