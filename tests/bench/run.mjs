/* run.mjs: `npm run bench [-- name ...] [--quick] [--publish]`: asks the questions, prints tables,
 * writes one JSON file.
 *
 * A question is a file beside this one that exports `title` and `measure(setting)`, which returns
 * figures (table.mjs). Without names all are asked, --quick with fewer samples. --publish makes
 * docs/bench.md of the results, or of files of earlier ones that are named instead of questions: a
 * later file's answers stand in the place of an earlier one's. A goal that is missed is a finding,
 * not a failure: the exit status tells only whether everything could be measured. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { build } from '../../wasm-build/build.mjs';
import { SetupError, asCommand, ensurePackages, ensureTools } from '../../wasm-build/setup.mjs';
import { ensurePeers } from './install.mjs';

const QUESTIONS = [
  'peers',
  'step',
  'interpreter',
  'threads',
  'busy',
  'relaxed',
  'memory',
  'startup',
  'size',
  'longtask',
  'handover',
  'progress',
  'stop',
  'roundtrip',
  'checkpoint',
  'hidden',
  'train',
];
/** Questions that need the bench's own packages. */
const PEERED = ['peers', 'startup', 'longtask', 'train'];
const OPTIONS = ['--quick', '--publish'];
const RESULTS = fileURLToPath(new URL('results/', import.meta.url));
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** @param {string[]} args */
function readArguments(args) {
  const publish = args.includes('--publish');
  const files = publish ? args.filter((arg) => arg.endsWith('.json')) : [];
  const names = args.filter((arg) => !arg.startsWith('--') && !files.includes(arg));
  const unknown = args.filter((arg) => ![...OPTIONS, ...QUESTIONS, ...files].includes(arg));
  if (unknown.length)
    throw new SetupError(
      `unknown: ${unknown.join(' ')}; expected any of ${[...QUESTIONS, ...OPTIONS].join(' ')}, or --publish and .json files`,
    );
  if (files.length && names.length)
    throw new SetupError('--publish takes files of results, or questions to ask');
  return {
    names: names.length ? names : QUESTIONS,
    quick: args.includes('--quick'),
    publish,
    files,
  };
}

/** @param {string} browserVersion @param {number} load before the bench began */
function describeMachine(browserVersion, load) {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    chromium: browserVersion,
    load,
  };
}

function commit() {
  try {
    const git = (/** @type {string[]} */ ...args) =>
      execFileSync('git', args, {
        cwd: ROOT,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim();
    return (
      git('rev-parse', '--short', 'HEAD') +
      (git('status', '--porcelain', '--', 'src', 'web', 'worker', 'wasm-build') ? ', changed' : '')
    );
  } catch {
    return 'unknown';
  }
}

/** One line that is written over, on a terminal; nothing in a log. @param {string} text */
function say(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

/**
 * Waits for a question's figures: a promise that nobody listens to fails it, and not the bench.
 * @template T
 * @param {Promise<T>} measuring
 * @returns {Promise<T>}
 */
async function heeding(measuring) {
  /** @type {(error: unknown) => void} */
  let unheard = () => {};
  const failed = new Promise((_, reject) => {
    unheard = reject;
  });
  process.once('unhandledRejection', unheard);
  try {
    return await /** @type {Promise<T>} */ (Promise.race([measuring, failed]));
  } finally {
    process.off('unhandledRejection', unheard);
  }
}

/**
 * Asks one after the other; what is known is in the file after each.
 * @param {string[]} names @param {boolean} quick
 * @returns {Promise<string>} the file of the results
 */
async function ask(names, quick) {
  const { openBrowser } = await import('./browser.mjs');
  const { isMet, ratioOf, table } = await import('./table.mjs');
  const browser = openBrowser();
  const load = loadavg()[0];
  if (load > 0.5)
    process.stdout.write(
      `The machine has other work (load ${load.toFixed(1)}): times below are too high.\n`,
    );
  const date = new Date().toISOString();
  const options = [...(names === QUESTIONS ? [] : names), ...(quick ? ['--quick'] : [])];
  const command = `npm run bench${options.length ? ` -- ${options.join(' ')}` : ''}`;
  const file = `${RESULTS}${date.replace(/[:.]/g, '-')}.json`;
  mkdirSync(RESULTS, { recursive: true });
  /** @type {Record<string, any>} */
  const results = {};
  const save = () => {
    const machine = describeMachine(browser.version(), load);
    const all = { date, command, commit: commit(), machine, results };
    writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`);
    return machine;
  };
  try {
    for (const name of names) {
      const { title, measure } = await import(`./${name}.mjs`);
      const start = performance.now();
      try {
        const figures = await heeding(
          measure({
            quick,
            browser,
            say: (/** @type {string} */ text) => say(`${name}: ${text}`),
          }),
        );
        say('');
        process.stdout.write(table(`${name}: ${title}`, figures));
        results[name] = {
          title,
          figures: figures.map((/** @type {any} */ figure) => ({
            ...figure,
            ratio: ratioOf(figure),
            met: isMet(figure),
          })),
        };
      } catch (error) {
        say('');
        process.stderr.write(
          `\n${name} could not be measured: ${/** @type {Error} */ (error).stack}\n`,
        );
        results[name] = { title, error: /** @type {Error} */ (error).message };
        process.exitCode = 1;
      }
      results[name].seconds = Math.round((performance.now() - start) / 1000);
      save();
    }
    const machine = save();
    process.stdout.write(
      `\n${machine.cpu}, ${machine.cores} cores; Node ${machine.node}; Chromium ${machine.chromium || 'not used'}\n${file}\n`,
    );
    return file;
  } finally {
    await browser.close();
  }
}

await asCommand(async () => {
  const { names, quick, publish, files } = readArguments(process.argv.slice(2));
  ensurePackages();
  if (publish || names.some((name) => PEERED.includes(name))) ensurePeers();
  if (!files.length) {
    ensureTools(['build']);
    await build();
  }
  const results = files.length ? files : [await ask(names, quick)];
  if (publish) await (await import('./publish.mjs')).publish(results);
});
