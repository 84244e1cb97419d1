/* rate-search.js: the learning rate range test (Smith, "Cyclical Learning Rates for Training Neural
 * Networks", 2015): steps at rates that rise geometrically, and the loss of each. The model is left
 * as it was, to the bit. */

import { OffstageError } from '../host/errors.js';
import { ModelCopy } from './copy.js';
import { Controls } from './run/controls.js';
import { Rate } from './run/rate.js';

/** @typedef {import('./run/loop.js').Data} Data */
/** @typedef {import('../protocol.js').RateSearch} RateSearch */
/** @typedef {{ from: number, to: number, steps: number, batchSize: number }} Range */

/** The weight of the mean so far in a smoothed loss: fastai's. */
const SMOOTH = 0.98;
/** A smoothed loss so many times the least one ends the search: fastai's. */
const EXPLODED = 4;

/**
 * @param {import('../host/pump.js').Pump} pump @param {import('./model.js').Model} model
 * @param {Data} data  which it frees @param {Range} range
 * @returns {Generator<void, RateSearch, void>}
 */
export function* searchRate(pump, model, data, range) {
  const { x, y, weights } = data;
  /** @type {import('./model.js').Plan | null} */
  let opened = null;
  /** @type {Controls | null} */
  let controls = null;
  try {
    yield* model.check(pump, data);
    yield* model.store.prepareWeights(pump, weights, { y, trained: 0, classWeight: null });
    const copy = new ModelCopy(model);
    opened = model.openPlan('TRAIN', Math.min(range.batchSize, x.samples));
    model.setData(opened.plan, data);
    controls = scheduleOf(model, range);
    yield* copy.take(pump);
    /** @type {unknown} */
    let failure = null;
    /** @type {Steps} */
    const steps = { rates: [], losses: [], smoothed: [] };
    const rate = new Rate(model, true);
    try {
      yield* train(pump, model, {
        plan: opened.plan,
        samples: x.samples,
        range,
        controls,
        rate,
        steps,
      });
    } catch (error) {
      failure = error;
    }
    yield* copy.putBack(pump);
    model.core.modelSetLearningRate(model.address, rate.own);
    if (failure) throw failure;
    const { rates, losses } = steps;
    return {
      suggestion: suggestionOf(steps),
      rates: new Float32Array(rates),
      losses: new Float32Array(losses),
    };
  } finally {
    controls?.free();
    model.closePlan(opened);
    model.store.free(x, y, weights);
  }
}

/** @param {import('./model.js').Model} model @param {Range} range */
function scheduleOf(model, { from, to, steps, batchSize }) {
  const schedule = /** @type {const} */ ({
    type: 'exponential',
    learningRate: from,
    decaySteps: steps - 1,
    decayRate: to / from,
    per: 'step',
    staircase: false,
  });
  const settings = { epochs: 1, batchSize, shuffle: true, validationSplit: 0 };
  return new Controls(model.core, { ...settings, learningRate: schedule }, []);
}

/** @typedef {{ rates: number[], losses: number[], smoothed: number[] }} Steps */

/**
 * Trains until the last rate, or until the loss explodes.
 * @param {import('../host/pump.js').Pump} pump @param {import('./model.js').Model} model
 * @param {{ plan: number, samples: number, range: Range, controls: Controls, rate: Rate,
 *   steps: Steps }} search  steps: added to
 */
function* train(pump, model, { plan, samples, range, controls, rate, steps }) {
  const { core } = model;
  const batches = Math.ceil(samples / range.batchSize);
  let [mean, least] = [0, Infinity];
  core.modelSetRate(model.address, 1);
  for (let i = 0; i < range.steps; i++) {
    const first = (i % batches) * range.batchSize;
    const count = Math.min(range.batchSize, samples - first);
    rate.follow(controls.rateOf(range.from, i, 0));
    core.stepBegin(plan, first, count, samples, 1, model.epochsBegun + Math.floor(i / batches));
    try {
      while (core.stepRun(plan, pump.chunk)) if (pump.spend(core.units)) yield;
    } catch (error) {
      if (error instanceof OffstageError && error.code === 'NON_FINITE' && i > 0) return;
      throw error;
    }
    const loss = core.stepTotals(plan)[0] / count;
    mean = SMOOTH * mean + (1 - SMOOTH) * loss;
    const smoothed = mean / (1 - SMOOTH ** (i + 1));
    steps.rates.push(rate.present);
    steps.losses.push(loss);
    steps.smoothed.push(smoothed);
    least = Math.min(least, smoothed);
    if (smoothed > EXPLODED * least) return;
    if (pump.spend(core.units)) yield;
  }
}

/**
 * The rate in the middle of the slope down: of the longest series of smoothed losses of which each
 * is below the one before, as many steps back from its end as it has members, then half of that on
 * (fastai's `valley`, after ESRI). null where no loss is below an earlier one.
 * @param {Steps} steps
 */
function suggestionOf({ rates, smoothed }) {
  /** The greatest last loss of falling series of 1, 2, ... members. @type {number[]} */
  const lasts = [];
  let [length, end] = [0, 0];
  smoothed.forEach((loss, i) => {
    let [low, high] = [0, lasts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (lasts[middle] > loss) low = middle + 1;
      else high = middle;
    }
    lasts[low] = loss;
    if (low + 1 > length) [length, end] = [low + 1, i];
  });
  const third = Math.floor(length / 3);
  return length < 2 ? null : rates[Math.max(0, end - length + third + Math.floor(third / 2))];
}
