/* run-steps.js: runs the steps of the tests, two side by side, and tells what they took.
 *
 * A step's output is kept and printed whole when it ends, so that two do not mix; where there is
 * one step only, it prints as it goes. Seconds of a step are of the wall and of processors (its
 * processes' user and system time, by the shell's `times`). Tests are counted, and their times
 * read, from what the programs print. Node's own modules only. */

import { spawn } from 'node:child_process';
import { ROOT } from '../wasm-build/lists.mjs';

/**
 * @typedef {object} Step
 * @property {() => string[][]} commands  run in turn; the first failure is the last of them
 * @property {boolean} [alone]  it takes all cores: nothing runs beside it
 * @property {string} [after]  the step whose build it uses, and so does not run beside
 *
 * @typedef {{ name: string, seconds: number }} Timed
 *
 * @typedef {object} Outcome
 * @property {boolean} ok
 * @property {number} seconds  of the wall
 * @property {number | null} cpu  seconds of processors; null where no shell tells
 * @property {number} passed  tests
 * @property {number} failed
 * @property {number} skipped
 * @property {Timed[]} tests  of known time
 */

const SIDE_BY_SIDE = 2;
const SLOWEST = 10;
const ALIVE_MS = 60_000;
const SHELL = process.platform === 'win32' ? null : '/bin/sh';
/* `times` prints the shell's own times, then those of its children: minutes and seconds, user and
 * system. */
const TIMED = '"$0" "$@"; status=$?; times >&3; exit $status';

/** @param {string} text what `times` printed @returns {number | null} */
function cpuSeconds(text) {
  const times = [...text.matchAll(/(\d+)m([\d.,]+)s/g)];
  if (times.length !== 4) return null;
  return times.reduce(
    (sum, [, minutes, seconds]) => sum + 60 * Number(minutes) + Number(seconds.replace(',', '.')),
    0,
  );
}

/**
 * The programs that print tests, each in its own way: a pattern for counts, one for a test's time.
 */
const PRINTED = [
  {
    count: /^ℹ pass (\d+)\nℹ fail (\d+)\nℹ cancelled (\d+)\nℹ skipped (\d+)/m,
    test: /^ *[✔✖] (.+) \(([\d.]+)ms\)(?: #.*)?$/gm,
    unit: 1e-3,
  },
  {
    count: /^ *\d+% tests passed, (\d+) tests? failed out of (\d+)/m,
    failedFirst: true,
    test: /^ *\d+\/\d+ Test +#\d+: (\S+) \.*(?:\*\*\*\w+| +Passed) +([\d.]+) sec/gm,
    unit: 1,
  },
  {
    count: /^(?:wasi|fuzz|coverage): (\d+) passed, (\d+) failed/m,
    test: /^(?:ok|FAILED) +(.+) \(([\d.]+)ms\)/gm,
    unit: 1e-3,
  },
];

/** A program that counts nothing is one test itself. @param {string} text @param {boolean} ok */
function readTests(text, ok) {
  let [passed, failed, skipped, counted] = [0, 0, 0, false];
  /** @type {Timed[]} */
  const tests = [];
  for (const { count, failedFirst, test, unit } of PRINTED) {
    const found = count.exec(text);
    if (!found) continue;
    counted = true;
    const [one, two, cancelled = 0, left = 0] = found.slice(1).map(Number);
    passed += failedFirst ? two - one : one;
    failed += (failedFirst ? one : two) + cancelled;
    skipped += left;
    for (const [, name, time] of text.matchAll(test))
      tests.push({ name, seconds: unit * Number(time) });
  }
  return {
    passed: counted ? passed : Number(ok),
    failed: ok ? failed : Math.max(failed, 1),
    skipped,
    tests,
  };
}

/**
 * @param {string[]} command @param {(text: string) => void} say
 * @returns {Promise<{ ok: boolean, cpu: number | null, text: string }>}
 */
function runCommand([file, ...args], say) {
  return new Promise((resolve) => {
    const [program, given] = SHELL ? [SHELL, ['-c', TIMED, file, ...args]] : [file, args];
    const child = spawn(program, given, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
    const texts = ['', ''];
    const streams = [
      [child.stdout, 0],
      [child.stderr, 0],
      [child.stdio[3], 1],
    ];
    for (const [stream, which] of /** @type {[import('node:stream').Readable, number][]} */ (
      streams
    )) {
      stream.setEncoding('utf8');
      stream.on('data', (/** @type {string} */ piece) => {
        texts[which] += piece;
        if (which === 0) say(piece);
      });
    }
    child.once('error', (error) => {
      say(`${file}: ${error.message}\n`);
      resolve({ ok: false, cpu: null, text: '' });
    });
    child.once('close', (status) =>
      resolve({ ok: status === 0, cpu: cpuSeconds(texts[1]), text: texts[0] }),
    );
  });
}

/** @param {Step} step @param {(text: string) => void} say @returns {Promise<Outcome>} */
async function runStep(step, say) {
  const begun = performance.now();
  /** @type {Outcome} */
  const sum = { ok: true, seconds: 0, cpu: 0, passed: 0, failed: 0, skipped: 0, tests: [] };
  for (const command of step.commands()) {
    const { ok, cpu, text } = await runCommand(command, say);
    const { passed, failed, skipped, tests } = readTests(text, ok);
    sum.cpu = sum.cpu === null || cpu === null ? null : sum.cpu + cpu;
    sum.passed += passed;
    sum.failed += failed;
    sum.skipped += skipped;
    sum.tests.push(...tests);
    sum.ok &&= ok;
    if (!ok) break;
  }
  return { ...sum, seconds: (performance.now() - begun) / 1000 };
}

/**
 * A line of what is running: kept up to date on a terminal, else printed when it changes and each
 * minute.
 */
function createTicker() {
  /** @type {Map<string, number>} */
  const running = new Map();
  const terminal = process.stdout.isTTY;
  let width = 0;
  const line = () =>
    [...running]
      .map(([name, begun]) => `${name} ${((performance.now() - begun) / 1000).toFixed(0)} s`)
      .join(', ');
  const clear = () => {
    if (terminal && width > 0) process.stdout.write(`\r${' '.repeat(width)}\r`);
    width = 0;
  };
  const show = () => {
    if (running.size === 0) return;
    const text = `running: ${line()}`;
    if (!terminal) console.log(text);
    else {
      clear();
      process.stdout.write(text);
      width = text.length;
    }
  };
  const timer = setInterval(show, terminal ? 1000 : ALIVE_MS);
  return {
    begin(/** @type {string} */ name) {
      running.set(name, performance.now());
      show();
    },
    end: (/** @type {string} */ name) => void running.delete(name),
    print(/** @type {string} */ text) {
      clear();
      process.stdout.write(text);
    },
    close: () => clearInterval(timer),
  };
}

/** @param {number | null} value */
const inSeconds = (value) => (value === null ? '-' : value.toFixed(1)).padStart(8);

/** @param {Record<string, Outcome>} outcomes @param {number} seconds */
function printSummary(outcomes, seconds) {
  console.log(
    `\n${'step'.padEnd(14)}${'wall s'.padStart(8)}${'CPU s'.padStart(8)}${'passed'.padStart(8)}${'failed'.padStart(8)}`,
  );
  for (const [name, { ok, seconds: wall, cpu, passed, failed, skipped }] of Object.entries(
    outcomes,
  )) {
    console.log(
      `${name.padEnd(14)}${inSeconds(wall)}${inSeconds(cpu)}${`${passed}`.padStart(8)}${`${failed}`.padStart(8)}` +
        `${skipped > 0 ? `  ${skipped} skipped` : ''}${ok ? '' : '  FAILED'}`,
    );
  }
  const all = Object.values(outcomes);
  const sum = (/** @type {'passed' | 'failed'} */ key) =>
    all.reduce((total, outcome) => total + outcome[key], 0);
  const cpu = all.some((outcome) => outcome.cpu === null)
    ? null
    : all.reduce((total, outcome) => total + Number(outcome.cpu), 0);
  console.log(`${'all'.padEnd(14)}${inSeconds(seconds)}${inSeconds(cpu)}`);
  const tests = Object.entries(outcomes).flatMap(([step, outcome]) =>
    outcome.tests.map((test) => ({ step, ...test })),
  );
  console.log(`\nthe slowest tests, wall s`);
  for (const { step, name, seconds: wall } of tests
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, SLOWEST)) {
    console.log(`${inSeconds(wall)}  ${step}: ${name}`);
  }
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed`);
  const good = all.filter(({ ok }) => ok).length;
  console.log(`steps: ${good} passed, ${all.length - good} failed`);
}

/**
 * @param {Record<string, Step>} steps in the order in which they begin; those that stand alone come
 *   last
 * @returns {Promise<string[]>} names of those that failed
 */
export async function runSteps(steps) {
  const begun = performance.now();
  const ticker = createTicker();
  const queue = Object.entries(steps);
  const through = queue.length === 1;
  /** @type {Record<string, Outcome>} */
  const outcomes = {};
  const take = async (/** @type {string} */ name, /** @type {Step} */ step) => {
    const said = /** @type {string[]} */ ([]);
    ticker.begin(name);
    const outcome = await runStep(step, through ? ticker.print : (text) => void said.push(text));
    ticker.end(name);
    ticker.print(
      `\n== ${name}: ${outcome.ok ? 'passed' : 'FAILED'}, ${outcome.seconds.toFixed(1)} s\n${said.join('')}`,
    );
    outcomes[name] = outcome;
  };
  const waits = (/** @type {Step} */ { after }) =>
    after !== undefined && after in steps && !(after in outcomes);
  const lane = async (/** @type {[string, Step][]} */ from) => {
    for (;;) {
      const at = from.findIndex(([, step]) => !waits(step));
      if (at < 0) return; // what is left waits for the other lane, which takes it then
      await take(...from.splice(at, 1)[0]);
    }
  };
  const shared = queue.filter(([, { alone }]) => !alone);
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, () => lane(shared)));
  await lane(queue.filter(([, { alone }]) => alone));
  ticker.close();
  printSummary(outcomes, (performance.now() - begun) / 1000);
  return Object.keys(outcomes).filter((name) => !outcomes[name].ok);
}
