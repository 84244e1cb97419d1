/* memory.test.js: nothing piles up: over trainers that come and go, nor over a run that goes on and
 * on.
 *
 * Counted is what is alive after collections: the page's heap and buffers, the worker's, and wasm
 * memory. The slope is printed, and beside it the least that these samples could have told. The
 * whole soak has both in both places, trains for an hour in each and judges megabytes an hour; the
 * slice has one of each kind and judges bytes an event. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import test from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { createTrainer } from '../../web/index.js';
import { cloudSpec, clouds, withThreads } from '../js/api-setting.js';
import { WHOLE, amount } from './amounts.js';
import { alive, slopeOf } from './slope.js';

const TASKS = '/proc/self/task';
const threadsOfProcess = () => (existsSync(TASKS) ? readdirSync(TASKS).length : 0);
const { x, y } = clouds(60);

/** @param {'worker' | 'main'} mode */
async function cycle(mode) {
  const trainer = await createTrainer(cloudSpec(), { mode });
  await trainer.fit(x, y, { epochs: 2, batchSize: 16 });
  await trainer.predict(x);
  await trainer.dispose();
}

/* A trainer that is kept costs 8,800 bytes in mode main and 9,000 in mode worker (measured by
 * keeping each); the engine's compiled code grows by up to 250 bytes a cycle for thousands of them.
 */
const MOST_A_CYCLE = 1000;

const CYCLES = 1000;

/* A thread takes long to start: its slope is the whole soak's. */
for (const mode of /** @type {const} */ (WHOLE ? ['worker', 'main'] : ['main'])) {
  test(`memory of ${CYCLES} trainers made, trained and disposed of in mode ${mode} is flat`, async (t) => {
    const [at, bytes] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])];
    const warmUp = CYCLES / 5; // the engine compiles and caches
    let threads = 0;
    for (let i = 1; i <= CYCLES; i++) {
      await cycle(mode);
      if (i < warmUp || i % (CYCLES / 50) > 0) continue;
      at.push(i);
      bytes.push(await alive());
      if (i === warmUp) threads = threadsOfProcess();
    }
    const { slope, told } = slopeOf(at, bytes);
    t.diagnostic(
      `mode ${mode}: ${slope.toFixed(1)} bytes a trainer, of ${(bytes[bytes.length - 1] / 1e6).toFixed(2)} MB; a leak of ${told.toFixed(0)} would have been told`,
    );
    assert.ok(slope <= MOST_A_CYCLE, `${slope} bytes a trainer`);
    assert.ok(told <= 2 * MOST_A_CYCLE, `too noisy to tell: ${told} bytes a trainer`);
    assert.ok(
      threadsOfProcess() <= threads + 2,
      `${threadsOfProcess()} threads, ${threads} before`,
    );
  });
}

const FITS = 10_000;
/* The record of a run takes 300 bytes at least. */
const MOST_A_FIT = 100;

if (WHOLE) {
  test(`${FITS} fits of one trainer: memory and bytes are flat; the times are told`, async (t) => {
    const trainer = await createTrainer(cloudSpec(), { mode: 'main' });
    const [at, bytes] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])];
    /** @type {number[]} ms of each thousand */
    const times = [];
    const sizes = new Set();
    for (let i = 1, began = performance.now(); i <= FITS; i++) {
      await trainer.fit(x.subarray(0, 24), y.subarray(0, 4));
      if (i % 1000 === 0) times.push(performance.now() - began);
      if (i >= 1000 && i % 200 === 0) {
        at.push(i);
        bytes.push(await alive());
        sizes.add((await trainer.save()).length);
      }
      if (i % 1000 === 0) began = performance.now();
    }
    const { slope, told } = slopeOf(at, bytes);
    t.diagnostic(`${slope.toFixed(1)} bytes a fit; a leak of ${told.toFixed(1)} would be told`);
    t.diagnostic(`ms of each thousand: ${times.map(Math.round).join(', ')}`);
    assert.ok(slope <= MOST_A_FIT, `${slope} bytes a fit`);
    assert.ok(told <= 2 * MOST_A_FIT, `too noisy to tell: ${told} bytes a fit`);
    /* Numbers in JSON have as many digits as they have. */
    assert.ok(Math.max(...sizes) < 1.1 * Math.min(...sizes), [...sizes].join(', '));
    await trainer.dispose();
  });
}

/**
 * Runs the body with a way to ask what is alive on both sides.
 * @param {(all: () => Promise<number>) => Promise<void>} body
 */
async function measured(body) {
  const { port1, port2 } = new MessageChannel();
  port1.unref();
  const address = new URL('measured-worker.js', import.meta.url);
  let made = 0;
  const inWorker = () =>
    new Promise((resolve) => {
      if (made === 0) return resolve(0);
      port1.once('message', resolve);
      port1.ref();
      port1.postMessage('alive');
    });
  await withThreads(
    () =>
      body(async () => {
        const theirs = await inWorker();
        port1.unref();
        return theirs + (await alive());
      }),
    (/** @type {any} */ _, /** @type {any} */ options) => {
      made++;
      return [address, { ...options, workerData: { port: port2 }, transferList: [port2] }];
    },
  );
  port1.close();
}

/* An hour at 10 records a second brings 36,000 of them. The slice takes a third of that as fast as
 * they come, each followed by a prediction: what each leaves behind stands out as in 20 minutes;
 * what leaks by time alone only the whole soak tells. */
const MINUTE = 60_000;
const SAMPLES = amount(40, 360);
const MOST_AN_HOUR = 1e6;
const EVENTS_AN_HOUR = 36_000;

/* With a worker both sides are measured. */
for (const mode of /** @type {const} */ (WHOLE ? ['worker', 'main'] : ['worker'])) {
  test(`memory of ${WHOLE ? "an hour's training" : 'a run'} in mode ${mode} is flat`, async (t) =>
    measured(async (all) => {
      const long = clouds(600_000);
      const trainer = await createTrainer(cloudSpec(), { mode });
      // An epoch's history is kept, as promised, some 260 bytes in all: an hour has few of them.
      const run = trainer.fit(long.x, long.y, {
        epochs: 1e9,
        batchSize: WHOLE ? 1 : 16,
        progressHz: WHOLE ? 10 : 1000,
      });
      let events = 0;
      let heard = () => {};
      run.addEventListener('progress', () => {
        events++;
        heard();
      });
      const next = () => new Promise((resolve) => (heard = /** @type {() => void} */ (resolve)));
      const part = async (/** @type {number} */ least) => {
        const [end, time] = [events + least, Date.now() + MINUTE / 6];
        while (WHOLE ? Date.now() < time : events < end) {
          await next();
          await trainer.predict(x.subarray(0, 6));
        }
      };
      const begun = Date.now();
      await part(6000);
      const [at, hours, bytes] = [
        /** @type {number[]} */ ([]),
        /** @type {number[]} */ ([]),
        /** @type {number[]} */ ([]),
      ];
      for (let i = 0; i < SAMPLES; i++) {
        await part(EVENTS_AN_HOUR / 3 / SAMPLES);
        at.push(events);
        hours.push((Date.now() - begun) / 3.6e6);
        bytes.push((await all()) + trainer.status().memory);
      }
      await run.stop();
      await trainer.dispose();
      const byTime = slopeOf(hours, bytes);
      const byEvent = slopeOf(at, bytes);
      t.diagnostic(
        `mode ${mode}: ${(byTime.slope / 1e6).toFixed(3)} MB an hour over ${hours[hours.length - 1].toFixed(3)} h, of ${(bytes[0] / 1e6).toFixed(2)} MB ` +
          `(${(byTime.told / 1e6).toFixed(3)} would have been told); ${byEvent.slope.toFixed(2)} bytes a record and prediction over ${events} (${byEvent.told.toFixed(2)})`,
      );
      if (WHOLE) assert.ok(byTime.slope <= MOST_AN_HOUR, `${byTime.slope} bytes an hour`);
      else
        assert.ok(
          byEvent.slope * EVENTS_AN_HOUR <= MOST_AN_HOUR,
          `${byEvent.slope} bytes an event`,
        );
    }));
}
