/* main.js: joins the page's parts: buttons to the training, what the training says to figures,
 * curves and words; what an earlier visit has left is shown first.
 * Invariant: what the buttons say is what they do in the state that training.js is in. Every error
 * is shown in words and logged. */
import { createCurves } from './chart.js';
import { createGuess } from './guess.js';
import { createMeter } from './meter.js';
import { BATCHES, loadDigits } from './network.js';
import { createPad, paint } from './pad.js';
import { createTraining } from './training.js';
import * as words from './words.js';

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);
/** @param {string} id @param {string} text */
const write = (id, text) => {
  element(id).textContent = text;
};

const say = words.createSpeaker(element('spoken'));
const meter = createMeter({
  canvas: element('frames'),
  rate: element('fps'),
  gap: element('gap'),
  gapOfRun: element('gap-run'),
});
const curves = createCurves({
  loss: element('loss-plot'),
  accuracy: element('accuracy-plot'),
  lossRead: element('loss-read'),
  accuracyRead: element('accuracy-read'),
  rows: element('epoch-rows'),
});
const training = createTraining({
  state: onState,
  ready: onReady,
  progress: onProgress,
  ended: onEnded,
  lost: onLost,
  failed,
  happened: onHappened,
});
const guess = createGuess({
  bars: element('bars'),
  digit: element('verdict-digit'),
  text: element('verdict-text'),
  predict: training.predict,
  say,
  failed,
});

/** What the digit on the pad is, where that is known. @type {number | null} */
let truth = null;
const pad = createPad(element('pad'), {
  change(pixels) {
    element('pad-hint').hidden = pixels !== null;
    paint(element('seen'), pixels);
    guess.about(pixels, truth);
    truth = null;
  },
});

/** @param {any} error @param {string} doing what failed */
function failed(error, doing) {
  console.error(error);
  write('alert-text', `${doing} failed: ${words.errorText(error)}`);
  element('alert').hidden = false;
}

/** @param {boolean} busy */
function onLost(busy) {
  showPlace('none', 'not running');
  write('state', busy ? READY : 'Ended by an error: see the top of the page.');
  guess.again();
}

/** @param {'none' | 'worker' | 'main'} mode @param {string} text */
function showPlace(mode, text) {
  write('badge', text);
  element('badge').dataset.mode = mode;
}

const BUTTON = {
  idle: 'Train',
  starting: 'Starting',
  training: 'Pause',
  paused: 'Resume',
  stopping: 'Stopping',
};
const READY = 'Ready when you are.';
const STATE = {
  starting: 'Loading the digits, making the network',
  paused: 'Paused',
  stopping: 'Stopping',
};

let trained = false;

/** @param {import('./training.js').State} state */
function onState(state) {
  write('go', state === 'idle' && trained ? 'Train again' : BUTTON[state]);
  const waiting = state === 'starting' || state === 'stopping';
  // aria-disabled, not disabled: a button that has the focus keeps it.
  element('go').setAttribute('aria-disabled', String(waiting));
  element('stop').setAttribute('aria-disabled', String(state === 'idle' || state === 'stopping'));
  element('epochs').disabled = state !== 'idle';
  document.body.dataset.state = state;
  meter.run(state === 'training');
  if (STATE[state]) write('state', STATE[state]);
  if (state === 'paused') say('Paused', true);
}

/**
 * @param {import('../../web/index.js').Trainer} trainer
 * @param {number | null} total epochs of its run; null: it has ended
 */
function onReady({ info, history, runs }, total) {
  const asked = element('main-thread').checked;
  const place = info.mode === 'worker' ? 'in a Web Worker' : 'on the main thread';
  showPlace(info.mode, place);
  element('alert').hidden = true; // what it says is of before
  const chosen =
    info.mode === 'worker'
      ? 'this browser has workers, so the page stays free'
      : asked
        ? 'the switch asks for it'
        : 'no worker was asked for';
  const why = info.reason ?? chosen;
  write('where-why', `It trains ${place}: ${why}.`);
  write('where-mode', info.mode === 'worker' ? 'Web Worker' : 'main thread');
  const threads = info.threads === 1 ? '1 thread' : `${info.threads} threads`;
  write('where-variant', `variant ${info.variant}, ${threads}`);
  write('where-parameters', words.count(info.parameters));
  write('where-memory', words.mebibytes(info.memoryBytes));
  write('where-startup', `${Math.round(info.startupMs)} ms`);
  const last = runs.at(-1);
  element('epochs').value = String(total ?? last?.options.epochs ?? epochs());
  curves.clear(epochs());
  for (const id of ['held', 'loss', 'accuracy', 'speed', 'elapsed', 'left']) write(id, '–');
  element('progress').value = 0;
  for (const epoch of history) {
    show({ ...epoch, kind: 'epoch', batch: BATCHES, totalBatches: BATCHES });
  }
  if (total === null) showEnd(`From your last visit, ${last?.reason ?? 'ended'}`, history);
  else say(`Training ${place}`, true);
}

/** What happened to the trainer, in a line. @param {string} type @param {any} detail */
function onHappened(type, detail) {
  const text = words.HAPPENED[type](detail);
  write('note', text);
  say(text, true);
}

/** @param {any} record of this run, or of what was done of it before */
function show(record) {
  trained = true;
  curves.add(record);
  write('loss', words.loss(record.loss));
  write('accuracy', words.percent(record.accuracy ?? NaN, 1));
  if (record.valAccuracy !== undefined) write('held', words.percent(record.valAccuracy, 2));
}

/** @param {import('../../web/index.js').Progress} record */
function onProgress(record) {
  show(record);
  write('speed', words.count(record.samplesPerSecond));
  write('elapsed', words.duration(record.elapsedSeconds));
  write('left', words.duration(record.etaSeconds));
  element('progress').value = record.percent;
  const epoch = `Epoch ${record.epoch} of ${record.totalEpochs}`;
  if (training.state === 'training') {
    write('state', `${epoch}, ${Math.floor(record.percent)} % done`);
  }
  if (record.kind === 'epoch') {
    const reached = words.percent(record.valAccuracy ?? NaN, 1);
    say(`${epoch}: ${reached} of the held-out digits read right`);
  }
  guess.again();
}

/** @param {import('../../web/index.js').Result | null} result */
function onEnded(result) {
  const how = result?.reason === 'finished' ? 'Finished' : 'Stopped';
  const time = result ? ` after ${words.duration(result.durationSeconds)}` : ' before it began';
  showEnd(how + time, result?.history ?? []);
  if (result) write('left', '–');
  else showPlace('none', 'not running');
}

/** @param {string} how @param {import('../../web/index.js').Epoch[]} history */
function showEnd(how, history) {
  const measured = history.at(-1)?.valAccuracy;
  const reached =
    measured === undefined
      ? ''
      : `: ${words.percent(measured, 2)} of 2,000 held-out digits read right`;
  write('state', `${how}${reached}.`);
  say(`${how}${reached}`, true);
  guess.again();
}

const epochs = () => Number(element('epochs').value);
const mode = () => (element('main-thread').checked ? 'main' : 'auto');

function start() {
  write('note', '');
  training.start({ mode: mode(), epochs: epochs() });
}

async function showExample() {
  try {
    const { test } = await loadDigits();
    const at = Math.floor(Math.random() * test.y.length);
    truth = test.y[at];
    pad.show(test.x.subarray(at * 784, (at + 1) * 784), truth);
  } catch (error) {
    failed(error, 'Showing a test digit');
  }
}

element('go').addEventListener('click', () => {
  if (training.state === 'training') training.pause();
  else if (training.state === 'paused') training.resume();
  else if (training.state === 'idle') start();
});
element('stop').addEventListener('click', training.stop);
element('clear').addEventListener('click', pad.clear);
element('example').addEventListener('click', showExample);
element('main-thread').addEventListener('change', () => {
  if (training.state !== 'idle') start();
});
element('alert-close').addEventListener('click', () => {
  element('alert').hidden = true;
  element('go').focus();
});
addEventListener('error', (event) => failed(event.error ?? event, 'The page'));
addEventListener('unhandledrejection', (event) => failed(event.reason, 'The page'));

onState('idle');
write('state', READY);
guess.about(null);
loadDigits().catch((error) => failed(error, 'Loading the digits'));
training.comeBack({ mode: mode() });
