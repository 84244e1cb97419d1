/* api-recovery-persist.test.js: data that were handed over and kept on storage are taken from there
 * when a worker is lost; and a checkpoint goes from one trainer to another, in any place, in the
 * middle of a run. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { after, before, test } from 'node:test';
import { createTrainer, loadTrainer } from '../../web/index.js';
import { bitsOf, cloudSpec, clouds, refused } from './api-setting.js';
import { assertSame, followed, undisturbed, withStrikes } from './recovery-setting.js';

const OPTIONS = { epochs: 12, batchSize: 16, validationSplit: 0.2, progressHz: 1000 };
const WORKER = { mode: 'worker', restart: { delay: 0 } };
const data = () => clouds(300);

let folder;
let calm;
before(async () => {
  folder = mkdtempSync(`${tmpdir()}/offstage-recovery-`);
  const { x, y } = data();
  calm = await undisturbed(cloudSpec(), x, y, OPTIONS);
});
after(() => rmSync(folder, { recursive: true, force: true }));

test('data that were handed over come from storage where they are kept', async () => {
  await withStrikes([{ at: 'TRAINING_COMPLETE', before: true }], async (workers) => {
    const trainer = await createTrainer(cloudSpec(), {
      ...WORKER,
      persist: { name: 'handed over', folder },
      persistData: true,
    });
    const { x, y } = data();
    const told = await followed(trainer.fit(x, y, { ...OPTIONS, transfer: true }));
    assert.equal(x.length, 0);
    assertSame({ ...told, bits: bitsOf(await trainer.getWeights()) }, calm);
    const { payload } = workers[1].posted.find(({ type }) => type === 'START_TRAINING');
    assert.deepEqual(
      [payload.x, payload.y, payload.resume],
      [{ stored: true }, { stored: true }, true],
    );
    assert.deepEqual(trainer.info.persist, {
      name: 'handed over',
      storage: 'folder',
      reason: null,
    });
    await trainer.dispose();
  });
});

test('other data under the same name are not taken for them', async () => {
  const persist = { name: 'others', folder };
  const first = await createTrainer(cloudSpec(), { mode: 'main' });
  await first.fit(...Object.values(clouds(90)), { persist, persistData: true });
  await first.dispose();
  // Struck before anything of this run is kept: on storage there are the data of the run before.
  await withStrikes([{ at: 'TRAINING_PROGRESS', before: true }], async () => {
    const trainer = await createTrainer(cloudSpec(), WORKER);
    const { x, y } = data();
    await refused(
      trainer.fit(x, y, { ...OPTIONS, transfer: true, persist, persistData: true }).result,
      'DATA_LOST',
    );
    assert.equal((await trainer.predict(data().x)).label.length, 300);
    await trainer.dispose();
  });
});

test('a trainer whose worker is lost while idle keeps its name', async () => {
  await withStrikes([], async (workers) => {
    const persist = { name: 'idle', folder };
    const trainer = await createTrainer(cloudSpec(), { ...WORKER, persist });
    const { x, y } = data();
    await trainer.fit(x, y, { batchSize: 16 });
    const restarted = new Promise((resolve) =>
      trainer.addEventListener('workerstart', ({ detail }) => resolve(detail)),
    );
    await restarted; // of the first one, which waited for a listener
    const again = new Promise((resolve) =>
      trainer.addEventListener('workerstart', resolve, { once: true }),
    );
    await workers[0].terminate();
    await again;
    assert.deepEqual(workers[1].posted[0].payload.hold, persist);
    const other = await createTrainer(cloudSpec(), { mode: 'main' });
    await refused(other.fit(x, y, { persist }).result, 'BUSY');
    await trainer.fit(x, y, { batchSize: 16 });
    await other.dispose();
    await trainer.dispose();
  });
});

test('a run that is saved goes on elsewhere, to the same bits: worker to main thread and back, threads or none', async () => {
  const { x, y } = data();
  const places = [
    { mode: 'worker', threads: 2 },
    { mode: 'main' },
    { mode: 'worker', threads: 1 },
    { mode: 'main', variant: 'base' },
  ];
  let bytes;
  for (const [i, place] of places.entries()) {
    const trainer = bytes
      ? await loadTrainer(bytes, place)
      : await createTrainer(cloudSpec(), place);
    if (bytes) bytes.fill(0);
    const run = trainer.fit(x, y, { ...(bytes ? { resume: true } : OPTIONS), progressHz: 1000 });
    const last = i === places.length - 1;
    if (!last) {
      await Promise.race([
        new Promise((resolve) => run.addEventListener('progress', resolve, { once: true })),
        run,
      ]);
      await run.pause();
      bytes = await trainer.save();
      await run.stop();
    }
    const result = await run;
    if (last) {
      assert.equal(result.reason, 'finished');
      assert.deepEqual(result.history, calm.result.history);
      assert.deepEqual(bitsOf(await trainer.getWeights()), calm.bits);
    }
    await trainer.dispose();
  }
});

test('a trainer takes on a checkpoint: its model, its run, what it tells of itself', async () => {
  const { x, y } = data();
  for (const mode of ['worker', 'main']) {
    const one = await createTrainer(cloudSpec(), { mode });
    const run = one.fit(x, y, { ...OPTIONS, epochs: 5 });
    assert.equal(one.run, run);
    await run;
    const bytes = await one.save();
    const other = await createTrainer(
      { inputShape: [4], layers: [{ type: 'dense', units: 1 }] },
      { mode },
    );
    assert.equal(other.run, undefined);
    await other.load(bytes);
    const varying = { startupMs: 0, memoryBytes: 0, stepBytes: 0, liveBytes: 0 };
    assert.deepEqual({ ...other.info, ...varying }, { ...one.info, ...varying });
    assert.equal(other.status().step, one.status().step);
    assert.deepEqual(bitsOf(await other.getWeights()), bitsOf(await one.getWeights()));
    const done = await other.fit(x, y, { resume: true });
    assert.deepEqual(
      [done.reason, done.epochs, done.steps],
      ['finished', 5, (await run).steps],
      'a finished run gives its result',
    );
    const more = await other.fit(x, y, { resume: true, epochs: 12 });
    assert.deepEqual(more.history, calm.result.history);
    assert.deepEqual(bitsOf(await other.getWeights()), calm.bits);
    await refused(
      other.fit(x, y, { resume: true, epochs: 13, batchSize: 32 }).result,
      'INVALID_OPTION',
      /batchSize/,
    );
    await refused(
      other.fit(...Object.values(clouds(300, { seed: 2 })), { resume: true, epochs: 13 }).result,
      'INVALID_DATA',
      /otherData/,
    );
    assert.equal(
      (
        await other.fit(...Object.values(clouds(300, { seed: 2 })), {
          resume: true,
          epochs: 13,
          otherData: true,
        })
      ).epochs,
      13,
    );
    await Promise.all([one.dispose(), other.dispose()]);
  }
});

test('a run that was resumed is resumed again when its worker is lost', async () => {
  const { x, y } = data();
  const one = await createTrainer(cloudSpec(), { mode: 'main' });
  await one.fit(x, y, { ...OPTIONS, epochs: 5 });
  const bytes = await one.save();
  await one.dispose();
  for (const strike of [
    { at: 'TRAINING_PROGRESS', before: true },
    { at: 'TRAINING_SNAPSHOT', nth: 2 },
    { at: 'TRAINING_COMPLETE', before: true },
  ]) {
    await withStrikes([strike], async (workers) => {
      const trainer = await loadTrainer(bytes, WORKER);
      const { records, result } = await followed(
        trainer.fit(x, y, { resume: true, epochs: 12, progressHz: 1000 }),
      );
      assert.deepEqual(result.history, calm.result.history);
      assert.equal(result.steps, calm.result.steps);
      assert.deepEqual(
        records.filter(({ kind }) => kind === 'epoch').map(({ epoch }) => epoch),
        [6, 7, 8, 9, 10, 11, 12],
      );
      assert.deepEqual(bitsOf(await trainer.getWeights()), calm.bits);
      assert.equal(workers.length, 2);
      await trainer.dispose();
    });
  }
});
