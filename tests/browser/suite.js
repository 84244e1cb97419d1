/* suite.js: the public API as an app in a page uses it, from the first call to dispose(). It runs
 * in the page, under whatever policy and isolation the test gave it, and throws where something is
 * not as the contract says. */
import { createTrainer } from '../../web/index.js';
import { PROBLEMS, dataOf } from '../bits/problems.js';
import { hashOf } from '../bits/train.js';

/** @param {unknown} condition @param {string} what */
function check(condition, what) {
  if (!condition) throw new Error(`not so: ${what}`);
}

/** @param {PromiseLike<any>} promise @param {string} code */
async function refused(promise, code) {
  const error = await Promise.resolve(promise).then(
    () => undefined,
    (reason) => reason,
  );
  check(
    error?.name === 'OffstageError' && error.code === code,
    `refused with ${code}, got ${error?.stack ?? error}`,
  );
}

/** @param {AsyncIterable<any>} run */
async function epochsOf(run) {
  const seen = [];
  for await (const progress of run) if (progress.kind === 'epoch') seen.push(progress.epoch);
  return seen;
}

/** The first fit: a run that is watched, asked in between, and whose bits are compared. */
async function trainAndAsk(trainer, { settings }, { x, y }, one) {
  const { numEpochs: epochs, ...rest } = settings;
  const run = trainer.fit(x, y, { ...rest, epochs });
  const heard = [];
  run.addEventListener('progress', (event) => heard.push(event.detail));
  const iterated = epochsOf(run); // from the beginning: the run may end before anything is answered
  await refused(trainer.fit(x, y), 'BUSY');
  const asked = await trainer.predict(one);
  const seen = await iterated;
  const result = await run;
  check(
    result.reason === 'finished' && result.epochs === epochs,
    `the run finished: ${JSON.stringify(result)}`,
  );
  check(
    seen.length === epochs && seen.every((epoch, i) => epoch === i + 1),
    `every epoch was iterated: ${seen}`,
  );
  check(heard.filter(({ kind }) => kind === 'epoch').length === epochs, 'every epoch was an event');
  check(asked.output.length === trainer.info.outputs[0].size, 'predicted while training');
  return result.history;
}

/** A run that pauses, goes on and is stopped; counted in epochs. */
async function steer(trainer, { x, y }) {
  const run = trainer.fit(x, y, { epochs: 1e6, progressHz: 1000 });
  const next = () =>
    new Promise((resolve) => run.addEventListener('progress', resolve, { once: true }));
  await next();
  await run.pause();
  check(trainer.status().state === 'paused', 'paused');
  await trainer.predict(x);
  await run.resume();
  await next();
  await run.stop();
  const result = await run;
  check(result.reason === 'stopped' && result.epochs < 1e6, 'stopped');
  check(result.history.length === result.epochs, 'the history has the complete epochs');
}

/**
 * @param {string} problem
 * @param {object} options  of createTrainer
 * @returns {Promise<{ info: any, hash: string, history: any[] }>} hash: of the weights after the
 *   first fit
 */
export async function suite(problem, options) {
  const { spec } = PROBLEMS[problem];
  const data = dataOf(PROBLEMS[problem]);
  const inputs = spec.inputShape.reduce((a, b) => a * b, 1);
  const one = data.x.slice(0, inputs);
  await refused(
    createTrainer({ ...spec, layers: [{ type: 'dense', units: -1 }] }, options),
    'INVALID_SPEC',
  );
  const trainer = await createTrainer(spec, options);
  const { info } = trainer;
  const history = await trainAndAsk(trainer, PROBLEMS[problem], data, one);
  const weights = await trainer.getWeights();
  const hash = await hashOf(weights);

  await refused(trainer.fit(new Float32Array(inputs + 1), data.y), 'INVALID_DATA');
  await refused(trainer.fit(data.x, data.y, { epochs: 0 }), 'INVALID_OPTION');
  const { loss } = await trainer.evaluate(data.x, data.y);
  check(Number.isFinite(loss), `evaluated: ${loss}`);
  const before = await trainer.predict(one);
  await steer(trainer, data);
  await trainer.setWeights(weights);
  const after = await trainer.predict(one);
  check(
    before.output.every((value, i) => value === after.output[i]),
    'the weights came back',
  );
  const abort = new AbortController();
  const running = trainer.fit(data.x, data.y, { epochs: 1e6, signal: abort.signal });
  abort.abort();
  await refused(running, 'ABORTED');
  const left = trainer.fit(data.x, data.y, { epochs: 1e6 });
  await trainer.dispose();
  check((await left).reason === 'stopped', 'dispose() ends a run as stopped');
  await refused(trainer.predict(one), 'DISPOSED');
  return { info, hash, history };
}
