/* steps.js: training steps of a workload on the core itself: forward, backward and update, and
 * nothing else.
 *
 * What a session does per step without the session: no messages, no slices, no progress. In Node,
 * in a page or in a worker. Batches of the data are gathered in turn; shuffled only where asked, so
 * that a contender who is compared step by step sees the same batches. */

import { Core } from '../../worker/trainer/core.js';
import { Model } from '../../worker/trainer/model.js';
import { loadModule } from '../../worker/host/module.js';
import { setWeights } from '../../worker/trainer/weights.js';
import { BATCHES, dataOf, initialWeights, stepFlop } from './workloads.mjs';

export const ALL = 1e15; // units: more than any step has

/** A pump that never says stop. */
const straight = /** @type {any} */ ({ chunk: ALL, spend: () => false, look: () => false });

const HELPERS_MS = 1000;

/**
 * Waits until the helpers compute. They are lent to a core that begins a step; a plan without work
 * to share never asks for them.
 * @param {Core} core @param {number} count @param {() => void} lend
 */
async function helpersCompute(core, count, lend) {
  for (
    const end = performance.now() + HELPERS_MS;
    core.helpers < count && performance.now() < end;
    lend()
  )
    await new Promise((resolve) => setTimeout(resolve, 10));
  return `${core.helpers + 1} threads`;
}

/**
 * @param {import('./workloads.mjs').Workload} workload
 * @param {{ variant?: any, threads?: number, shuffle?: boolean }} [options]
 */
export async function openSteps(workload, { variant = 'simd', threads = 1, shuffle = true } = {}) {
  const { spec, batch } = workload;
  const core = await Core.create(await loadModule(variant), { threads });
  const model = new Model(core, spec);
  const initial = initialWeights(spec);
  const { samples, ...data } = dataOf(workload);
  const before = core.memory.used();
  const x = model.store.takeX(data.x);
  const y = model.store.takeY(data.y, samples);
  const storedBytes = core.memory.used() - before;
  const { plan } = model.openPlan('TRAIN', batch);
  core.planSetData(plan, x.address, x.type, y.address, y.type, samples);
  let steps = 0;
  /** From the first weights on: trained for long on little data a network is another one. */
  const restart = () => void setWeights(straight, model, initial).next();
  restart();
  const begin = () => {
    core.stepBegin(
      plan,
      (steps % BATCHES) * batch,
      batch,
      samples,
      shuffle ? 1 : 0,
      Math.floor(steps / BATCHES),
    );
    steps++;
  };
  /** The first part of a step, of which nothing stays. */
  const lend = () => {
    core.stepBegin(plan, 0, batch, samples, 0, 0);
    core.stepRun(plan, 1);
    core.stepDiscard(plan);
  };
  return {
    core,
    model,
    plan,
    storedBytes,
    restart,
    flop: stepFlop(workload),
    about: threads > 1 ? await helpersCompute(core, threads - 1, lend) : undefined,
    step() {
      begin();
      while (core.stepRun(plan, ALL));
    },
    /**
     * One step part by part.
     * @returns {{ ms: number, updating: boolean }[]} in the same order every time
     */
    parts() {
      begin();
      const taken = [];
      for (let more = true; more;) {
        const updating = core.stepUpdating(plan);
        const start = performance.now();
        more = core.stepRun(plan, 1);
        taken.push({ ms: performance.now() - start, updating });
      }
      return taken;
    },
    /** The mean loss of the last step's batch. */
    loss: () => core.stepTotals(plan)[0] / batch,
  };
}

/**
 * @param {() => void} step
 * @param {number} ms
 * @returns {number} mean ms of a step, over about `ms`
 */
export function time(step, ms) {
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
