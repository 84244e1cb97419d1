/* train.js: the digit network in the terminal, through the public API only.
 *
 *     npm run train [-- --epochs 10] [-- --mode worker|main|auto]
 *
 * Trains in a worker thread, so that the bar moves and Ctrl-C is heard at any time; Ctrl-C ends the
 * run, not the program: what was learned by then is measured. The held-out digits are not trained
 * on. */

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { MultiBar } from 'cli-progress';
import { OffstageError, createTrainer } from '../../web/index.js';
import { SetupError } from '../../wasm-build/setup.mjs';
import { BATCH_SIZE, NETWORK } from '../digits/network.js';
import { DIGITS } from '../digits-data/build.js';
import { parse } from '../digits-data/read.js';

const EPOCHS = 10;

/** @param {number} value */
const percent = (value) => `${(value * 100).toFixed(2)} %`;

/** @param {string[]} args */
function readArguments(args) {
  const options = /** @type {const} */ ({ epochs: { type: 'string' }, mode: { type: 'string' } });
  try {
    const { values } = parseArgs({ args, options });
    const mode = /** @type {any} */ (values.mode ?? 'auto');
    return { epochs: Number(values.epochs ?? EPOCHS), mode };
  } catch (error) {
    throw new SetupError(
      `${/** @type {Error} */ (error).message}\n` +
        `expected: npm run train [-- --epochs ${EPOCHS}] [-- --mode auto|worker|main]`,
    );
  }
}

/** A bar where there is a terminal, a line an epoch anywhere. @param {number} epochs */
function openDisplay(epochs) {
  /** @param {import('../../web/index.js').Progress} p */
  const line = (p) => {
    const figures = `loss ${p.loss.toFixed(4)}   accuracy ${percent(p.accuracy ?? 0)}`;
    const speed = `${Math.round(p.samplesPerSecond)} samples/s`;
    return `epoch ${String(p.epoch).padStart(2)} of ${epochs}   ${figures}   ${speed}\n`;
  };
  if (!process.stdout.isTTY) {
    const show = (/** @type {any} */ p) => p.kind === 'epoch' && process.stdout.write(line(p));
    return { show, close() {} };
  }
  const bars = new MultiBar({
    stream: process.stdout,
    format: '{bar} {percentage} %   {left} s left   loss {loss}   accuracy {accuracy}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    gracefulExit: false, // Ctrl-C is ours
  });
  const bar = bars.create(100, 0, { left: '-', loss: '-', accuracy: '-' });
  return {
    show(/** @type {import('../../web/index.js').Progress} */ p) {
      if (p.kind === 'epoch') bars.log(line(p));
      const figures = { loss: p.loss.toFixed(4), accuracy: percent(p.accuracy ?? 0) };
      bar.update(Math.floor(p.percent), { left: Math.ceil(p.etaSeconds), ...figures });
    },
    close: () => bars.stop(),
  };
}

/** @param {string[]} args */
export async function main(args) {
  try {
    await train(readArguments(args));
  } catch (error) {
    // Told plainly, without a stack.
    if (error instanceof OffstageError) throw new SetupError(error.message);
    throw error;
  }
}

/** @param {ReturnType<typeof readArguments>} options */
async function train({ epochs, mode }) {
  const digits = parse(readFileSync(DIGITS));
  const { test } = digits;
  const trainer = await createTrainer(NETWORK, { mode });
  try {
    const { parameters, variant, threads, mode: place } = trainer.info;
    const where = place === 'main' ? 'main thread' : 'worker thread';
    console.log(
      `${digits.train.y.length} digits to train with, ${test.y.length} held out; ` +
        `${parameters} parameters`,
    );
    console.log(`${where}, wasm variant ${variant}, ${threads} computing; Ctrl-C stops\n`);

    const run = trainer.fit(digits.train.x, digits.train.y, { epochs, batchSize: BATCH_SIZE });
    const stop = () => void run.stop();
    process.once('SIGINT', stop); // once: a second Ctrl-C ends the program
    const display = openDisplay(epochs);
    try {
      for await (const progress of run) display.show(progress);
    } finally {
      display.close();
      process.off('SIGINT', stop);
    }
    const { reason, epochs: complete, durationSeconds } = await run;
    const { loss, accuracy = 0 } = await trainer.evaluate(test.x, test.y);
    const seconds = durationSeconds.toFixed(1);
    console.log(`\n${reason} after ${complete} of ${epochs} epochs and ${seconds} s`);
    console.log(
      `on the ${test.y.length} held-out digits: accuracy ${percent(accuracy)}, ` +
        `loss ${loss.toFixed(4)}`,
    );
  } finally {
    await trainer.dispose();
  }
}
