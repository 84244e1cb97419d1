/* persist-api.test.js: what an app sees of persist: a process dies in the middle of a run, and
 * another one brings it back by its name, to the bits of a run that nobody disturbed; lists;
 * removal; a name has one owner; trouble of the storage is an event and never the run's end. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { createTrainer, listTrainers, removeTrainer, resumeTrainer } from '../../web/index.js';
import { barSpec, bars, bitsOf, inOwnProcess, refused } from './api-setting.js';
import { temporaryFolder } from './persist-setting.js';

const [INDEX, SETTING] = ['../../web/index.js', './api-setting.js'].map(
  (path) => new URL(path, import.meta.url).href,
);
const DATA = bars(150);
const FIT = { epochs: 30, batchSize: 8, validationSplit: 0.2 };
const MODES = ['worker', 'main'];

/** A trainer that ends with the test. */
async function made(t, promise) {
  const trainer = await promise;
  t.after(() => trainer.dispose());
  const warnings = [];
  trainer.addEventListener('warning', ({ detail }) => warnings.push(detail));
  return { trainer, warnings };
}

/** The bits of the run that nobody disturbs. */
let undisturbed;
const bitsOfUndisturbed = async () => {
  undisturbed ??= (async () => {
    const trainer = await createTrainer(barSpec(), { mode: 'worker' });
    const { history } = await trainer.fit(DATA.x, DATA.y, FIT);
    const bits = bitsOf(await trainer.getWeights());
    await trainer.dispose();
    return { bits, history };
  })();
  return undisturbed;
};

/**
 * A process that trains, keeps a checkpoint every epoch, and is killed when three are on storage,
 * and the data where they are asked for. However slow the storage is, the run waits: where it is
 * too far ahead of its checkpoints it pauses until the next one, and with the third for good.
 */
async function dieInRun(t, { mode, persist, persistData = false }) {
  const text = `
    import { createTrainer } from ${JSON.stringify(INDEX)};
    import { barSpec, bars } from ${JSON.stringify(SETTING)};
    const trainer = await createTrainer(barSpec(), { mode: ${JSON.stringify(mode)}, duty: 0.02 });
    const { x, y } = bars(150);
    const run = trainer.fit(x, y, { ...${JSON.stringify(FIT)}, persist: ${JSON.stringify({ epochs: 1, ...persist })}, persistData: ${persistData} });
    let kept = 0;
    trainer.addEventListener('persisted', ({ detail }) => {
      console.log(detail.step);
      if (++kept < 3) run.resume();
      else run.pause();
    });
    run.addEventListener('progress', ({ detail }) => detail.epoch > 4 * (kept + 1) && run.pause());
    setInterval(() => {}, 1e9);
    await run;
    console.log('finished');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', text], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let step = 0;
  for (let kept = 0; kept < 3; kept++) {
    const { value } = await lines.next();
    assert.notEqual(value, 'finished', 'it is killed in the middle');
    step = Number(value);
  }
  const isKept = async () =>
    !persistData || (await listTrainers({ folder: persist.folder }))[0]?.data;
  while (!(await isKept())) await new Promise((resolve) => setTimeout(resolve, 1));
  child.kill('SIGKILL');
  await ended;
  return step;
}

const checkpoints = (folder, name) =>
  readdirSync(`${folder}/${name}`)
    .filter((file) => file.endsWith('.safetensors'))
    .sort();

for (const mode of MODES) {
  test(`a process is killed; another brings the trainer back, data and all, and it goes on by itself (${mode})`, async (t) => {
    const folder = temporaryFolder(t);
    const died = await dieInRun(t, { mode, persist: { name: 'bars', folder }, persistData: true });
    const [listed, ...others] = await listTrainers({ folder });
    assert.deepEqual(
      [others, listed.name, listed.data, listed.storage],
      [[], 'bars', true, 'folder'],
    );
    assert.ok(listed.step >= died, `${listed.step} of at least ${died}`);
    const { trainer, warnings } = await made(t, resumeTrainer('bars', { mode, folder }));
    assert.deepEqual(trainer.info.persist, { name: 'bars', storage: 'folder', reason: null });
    assert.equal(trainer.info.mode, mode);
    const { reason, history } = await trainer.run;
    const expected = await bitsOfUndisturbed();
    assert.deepEqual([reason, history], ['finished', expected.history]);
    assert.deepEqual(bitsOf(await trainer.getWeights()), expected.bits);
    assert.deepEqual(warnings, []);
    assert.equal(trainer.runs.length, 1, 'one run, interrupted or not');
    await trainer.dispose();
    assert.equal(
      (await listTrainers({ folder }))[0].step,
      trainer.status().step,
      'the end of the run is kept',
    );
    const finished = (await made(t, resumeTrainer('bars', { mode, folder }))).trainer;
    assert.equal(finished.run, undefined, 'a run that has ended does not go on by itself');
    assert.deepEqual(bitsOf(await finished.getWeights()), expected.bits);
  });
}

test('without its data the run goes on when they are given again; other data are refused', async (t) => {
  const folder = temporaryFolder(t);
  await dieInRun(t, { mode: 'worker', persist: { name: 'bars', folder, keep: 3 } });
  const { trainer } = await made(t, resumeTrainer('bars', { folder, mode: 'main' }));
  assert.equal(trainer.run, undefined);
  const other = bars(150, 2);
  await refused(trainer.fit(other.x, other.y, { resume: true }), 'INVALID_DATA');
  const { reason, history } = await trainer.fit(DATA.x, DATA.y, { resume: true });
  const expected = await bitsOfUndisturbed();
  assert.deepEqual(
    [reason, history, bitsOf(await trainer.getWeights())],
    ['finished', expected.history, expected.bits],
  );
  assert.equal(
    (await listTrainers({ folder }))[0].step,
    trainer.status().step,
    'under its name, without being told',
  );
});

test('the newest checkpoint is torn: the one before is brought back, a warning tells, the end is the same', async (t) => {
  const folder = temporaryFolder(t);
  await dieInRun(t, { mode: 'worker', persist: { name: 'bars', folder }, persistData: true });
  const files = checkpoints(folder, 'bars');
  const newest = `${folder}/bars/${files.at(-1)}`;
  truncateSync(newest, Number(/-(\d+)\.safetensors$/.exec(newest)[1]) - 1);
  const { trainer, warnings } = await made(t, resumeTrainer('bars', { folder }));
  assert.equal((await trainer.run).reason, 'finished');
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['TORN_CHECKPOINT'],
  );
  assert.deepEqual(bitsOf(await trainer.getWeights()), (await bitsOfUndisturbed()).bits);
});

test('told how to keep it from now on, the run goes on with the data that are there; told another place, it is refused', async (t) => {
  const folder = temporaryFolder(t);
  await dieInRun(t, { mode: 'worker', persist: { name: 'bars', folder }, persistData: true });
  for (const persist of [
    'others',
    { name: 'others' },
    { name: 'bars', folder: `${folder}/elsewhere` },
    7,
    null,
    { often: true },
  ]) {
    await refused(resumeTrainer('bars', { folder, persist }), 'INVALID_OPTION');
  }
  const { trainer } = await made(
    t,
    resumeTrainer('bars', { folder, persist: { name: 'bars', keep: 3, epochs: 1 } }),
  );
  const { reason, history } = await trainer.run;
  assert.deepEqual([reason, history], ['finished', (await bitsOfUndisturbed()).history]);
  assert.equal(checkpoints(folder, 'bars').length, 3);
});

test('what is not there, or torn altogether, is BAD_CHECKPOINT; what is in use is BUSY', async (t) => {
  const folder = temporaryFolder(t);
  for (const mode of MODES)
    await refused(
      resumeTrainer('none', { folder, mode }),
      'BAD_CHECKPOINT',
      /no checkpoint of 'none' was found$/,
    );
  await refused(
    resumeTrainer('none', { foldr: folder }),
    'INVALID_OPTION',
    /^resumeTrainer: unknown field 'foldr', expected one of .*'?mode'?.*'?folder'?/,
  );
  for (const options of [null, 7, []])
    await refused(
      resumeTrainer('none', options),
      'INVALID_OPTION',
      /^resumeTrainer is .*, expected an object/,
    );
  const { trainer } = await made(t, createTrainer(barSpec()));
  await trainer.fit(DATA.x, DATA.y, { ...FIT, epochs: 1, persist: { name: 'bars', folder } });
  await refused(resumeTrainer('bars', { folder }), 'BUSY', /in use/);
  await refused(removeTrainer('bars', { folder }), 'BUSY', /in use/);
  const second = (await made(t, createTrainer(barSpec()))).trainer;
  await refused(
    second.fit(DATA.x, DATA.y, { persist: { name: 'bars', folder } }),
    'BUSY',
    /in use/,
  );
  assert.equal(
    (await second.fit(DATA.x, DATA.y, { epochs: 1 })).reason,
    'finished',
    'and is as it was',
  );
  await trainer.dispose();
  for (const file of checkpoints(folder, 'bars')) writeFileSync(`${folder}/bars/${file}`, 'torn');
  await refused(
    resumeTrainer('bars', { folder }),
    'BAD_CHECKPOINT',
    /no checkpoint of 'bars' could be read: (\d) of \1 files are damaged; removeTrainer\('bars'\) clears them$/,
  );
  await removeTrainer('bars', { folder });
  assert.deepEqual(await listTrainers({ folder }), []);
  await removeTrainer('bars', { folder });
});

test('a run that waits for a name in use ends as stopped, where its trainer is disposed of', async (t) => {
  const where = { name: 'bars', folder: temporaryFolder(t) };
  const { trainer } = await made(t, createTrainer(barSpec(), { persist: where }));
  await trainer.fit(DATA.x, DATA.y, { epochs: 1 });
  const second = (await made(t, createTrainer(barSpec(), { persist: where }))).trainer;
  const waits = second.fit(DATA.x, DATA.y, { epochs: 1 });
  const gone = second.dispose();
  assert.deepEqual([(await waits).reason, (await waits).history], ['stopped', []]);
  await gone;
});

test('a trainer is in use as long as its process lives, and by a process of its own', async (t) => {
  const folder = temporaryFolder(t);
  const { trainer } = await made(
    t,
    createTrainer(barSpec(), { persist: { name: 'bars', folder } }),
  );
  await trainer.fit(DATA.x, DATA.y, { epochs: 1 });
  const { stdout, status, stderr } = inOwnProcess(`
    const code = await offstage.resumeTrainer('bars', { folder: ${JSON.stringify(folder)} }).then(() => 'none', (error) => error.code);
    console.log(code);`);
  assert.deepEqual([stdout.trim(), status], ['BUSY', 0], stderr);
});

test('storage that is gone, and comes back: warnings, and the run does not notice', async (t) => {
  const folder = temporaryFolder(t);
  const { trainer, warnings } = await made(
    t,
    createTrainer(barSpec(), { mode: 'worker', duty: 0.05 }),
  );
  const run = trainer.fit(DATA.x, DATA.y, {
    ...FIT,
    persist: { name: 'bars', folder, seconds: 0 },
  });
  await once(trainer, 'persisted');
  await run.pause();
  for (let inTheWay = false; !inTheWay;) {
    try {
      rmSync(`${folder}/bars`, { recursive: true, force: true });
      writeFileSync(`${folder}/bars`, 'in the way');
      inTheWay = true;
    } catch (error) {
      assert.match(error.code, /ENOTEMPTY|EISDIR/); // it was being written to
    }
  }
  await run.resume();
  assert.equal((await run).reason, 'finished');
  assert.ok(
    warnings.length >= 1 && warnings.every(({ code }) => code === 'STORAGE_FAILED'),
    JSON.stringify(warnings),
  );
  assert.deepEqual(bitsOf(await trainer.getWeights()), (await bitsOfUndisturbed()).bits);
  rmSync(`${folder}/bars`);
  await trainer.fit(DATA.x, DATA.y, { epochs: 1, persist: { name: 'bars', folder } });
  assert.equal((await listTrainers({ folder }))[0].step, trainer.status().step);
});

test('the data of an earlier run are not kept with a later one that did not ask for it', async (t) => {
  const folder = temporaryFolder(t);
  const { trainer } = await made(
    t,
    createTrainer(barSpec(), { mode: 'main', persist: { name: 'bars', folder } }),
  );
  const has = async () => (await listTrainers({ folder }))[0].data;
  await trainer.fit(DATA.x, DATA.y, { epochs: 1, persistData: true });
  assert.equal(await has(), true);
  await trainer.fit(DATA.x, DATA.y, { epochs: 2, resume: true });
  assert.equal(await has(), true, 'the same run');
  await trainer.fit(DATA.x, DATA.y, { epochs: 1 });
  assert.equal(await has(), false);
});

test('what is asked wrongly is refused before anything is looked at', async () => {
  for (const name of ['', 7, undefined, 'x'.repeat(101)]) {
    await refused(resumeTrainer(name), 'INVALID_OPTION');
    await refused(removeTrainer(name), 'INVALID_OPTION');
  }
  for (const options of [{ folder: '' }, { folder: 7 }, { nonsense: 1 }]) {
    await refused(resumeTrainer('bars', options), 'INVALID_OPTION');
    await refused(removeTrainer('bars', options), 'INVALID_OPTION');
    await refused(listTrainers(options), 'INVALID_OPTION');
  }
  await refused(resumeTrainer('bars', null), 'INVALID_OPTION');
});
