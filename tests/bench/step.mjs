/* step.mjs: how long is one training step of each workload, and what share of the machine's GEMM peak is that?
 *
 * One thread, the `simd` wasm called directly: forward, backward and update of one batch, gathered from eight
 * batches of data in shuffled order. Rounds go through all workloads and the peak, so that a clock that drifts or a
 * neighbour that computes hits all of them. */

import { Core } from '../../worker/core.js';
import { Model } from '../../worker/model.js';
import { loadModule } from '../../worker/module.js';
import { createPeak } from './peak.mjs';
import { median } from './statistics.mjs';
import { BATCHES, WORKLOADS, randomData, stepFlop } from './workloads.mjs';

export const title = 'ms of one training step (one thread, simd, Node), and share of the GEMM peak';

const ALL = 1e15; // units: more than any step has
const WARM_MS = 300;

/** A pump that never says stop. */
const straight = /** @type {any} */ ({ chunk: ALL, spend: () => false });

/** @param {import('./workloads.mjs').Workload} workload */
export async function openWorkload({ spec, batch }) {
  const core = await Core.create(await loadModule('simd'));
  const model = new Model(core, spec);
  model.randomize(straight).next(); // to the end: it never has to yield
  const { inputs, classes } = model.facts;
  const samples = BATCHES * batch;
  const data = randomData(samples, inputs, classes);
  const x = model.store.takeX(data.x);
  const y = model.store.takeY(data.y, samples);
  const { plan } = model.openPlan('TRAIN', batch);
  core.planSetData(plan, x.address, x.type, y.address, y.type, samples);
  const initial = model.copyWeights();
  let steps = 0;
  /** From the first weights on: trained for long on little data a network is another one, see late(). */
  const restart = () => void model.setWeights(straight, initial).next();
  const begin = () => {
    core.stepBegin(plan, (steps % BATCHES) * batch, batch, samples, 1, Math.floor(steps / BATCHES));
    steps++;
  };
  const step = () => {
    begin();
    while (core.stepRun(plan, ALL));
  };
  /** One step part by part. @returns {number[]} ms of each part, in the same order every time */
  const parts = () => {
    begin();
    const taken = [];
    for (let more = true; more; ) {
      const start = performance.now();
      more = core.stepRun(plan, 1);
      taken.push(performance.now() - start);
    }
    return taken;
  };
  const loss = () => core.stepTotals(plan)[0] / batch;
  return { step, restart, parts, loss, flop: stepFlop(/** @type {any[]} */ (model.describe().layers), batch), usedBytes: core.memory.used() };
}

/** @param {() => void} step @param {number} ms @returns {number} mean ms of a step, over about `ms` */
function time(step, ms) {
  const start = performance.now();
  let steps = 0;
  let now = start;
  while (now - start < ms) {
    const some = Math.max(1, Math.min(64, steps)); // the clock costs as much as a small step
    for (let i = 0; i < some; i++) step();
    steps += some;
    now = performance.now();
  }
  return (now - start) / steps;
}

/**
 * A step after thousands of others beside one of the first hundreds: of units that have died the moments shrink for
 * ever, and numbers near the end of what a float can hold may take the machine many times longer.
 * @param {Awaited<ReturnType<typeof openWorkload>>} workload @param {number} rounds
 */
function late({ step, restart }, rounds) {
  const first = /** @type {number[]} */ ([]);
  const last = /** @type {number[]} */ ([]);
  for (let round = 0; round < rounds; round++) {
    restart();
    first.push(time(step, 60));
    for (let i = 0; i < 2000; i++) step();
    last.push(time(step, 60));
  }
  return { ...median(last), peer: { what: 'in the first hundreds', ...median(first) } };
}

/** @param {{ quick: boolean, say: (text: string) => void }} setting @returns {Promise<import('./table.mjs').Figure[]>} */
export async function measure({ quick, say }) {
  const rounds = quick ? 5 : 15;
  const roundMs = quick ? 60 : 200;
  const peak = await createPeak();
  const opened = [];
  for (const workload of WORKLOADS) opened.push({ ...workload, ...(await openWorkload(workload)), times: /** @type {number[]} */ ([]), shares: /** @type {number[]} */ ([]) });
  for (const { step } of opened) time(step, WARM_MS);
  const peaks = [];
  for (let round = 0; round < rounds; round++) {
    say(`round ${round + 1} of ${rounds}`);
    for (const workload of opened) {
      const before = peak(20);
      workload.restart();
      const ms = time(workload.step, roundMs);
      workload.times.push(ms);
      workload.shares.push((100 * workload.flop) / (ms * 1e6) / before);
      peaks.push(before);
    }
  }
  for (const { id, loss } of opened) if (!Number.isFinite(loss())) throw new Error(`${id}: the loss became ${loss()}`);
  const most = Math.max(...opened.map(({ shares }) => median(shares).value));
  if (most > 110) throw new Error(`a step ran at ${most.toFixed(0)} % of the peak: the micro-kernel of peak.c was not compiled as it should be`);
  return [
    { what: 'peak: 4 x 8 micro-kernel in cache', unit: 'GFLOP/s', ...median(peaks) },
    ...opened.map(({ id, name, times }) => ({ what: `${id} ${name}`, unit: 'ms', ...median(times) })),
    { what: 'W5 after 2,000 steps', unit: 'ms', ...late(opened.find(({ id }) => id === 'W5') ?? opened[0], quick ? 3 : 7) },
    ...opened.map(({ id, flop, times, shares, share }) => ({
      what: `${id} ${(flop / 1e6).toFixed(1)} MFLOP at ${(flop / 1e6 / median(times).value).toFixed(1)} GFLOP/s`,
      unit: '% of peak', ...median(shares), goal: { least: share },
    })),
  ];
}
