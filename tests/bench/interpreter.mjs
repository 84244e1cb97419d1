/* interpreter.mjs: what does a step cost beyond its arithmetic: once, and for every operation of
 * the program?
 *
 * Nets of one number a layer, of 16 and of 32 layers, with batches of one: nothing is computed to
 * speak of, so the difference is what the additional operations cost, and what is left over is the
 * step's own, with its calls into wasm and the gathering of its batch of one number. Operations are
 * counted by running a step part by part. */

import { openSteps, time } from './steps.js';
import { median } from './statistics.mjs';

export const title = 'what a step costs beyond its arithmetic (one thread, simd, Node)';

const GOAL_NS = 100;
const GOAL_US = 2;
const LAYERS = 16;

const KINDS = {
  'activation (relu) of one number': { type: 'activation', activation: 'relu' },
  'dense of one unit': { type: 'dense', units: 1, activation: 'linear' },
};

/** @param {object} layer @param {number} layers @returns {any} a workload */
const net = (layer, layers) => ({
  id: 'tiny',
  name: 'tiny',
  batch: 1,
  share: 0,
  ms: 0,
  spec: {
    inputShape: [1],
    layers: [
      ...Array.from({ length: layers }, () => layer),
      { type: 'dense', units: 2, activation: 'softmax' },
    ],
    optimizer: { type: 'sgd', learningRate: 0.001 },
    seed: 1,
  },
});

/**
 * @param {{ quick: boolean, say: (text: string) => void }} setting
 * @returns {Promise<import('./table.mjs').Figure[]>}
 */
export async function measure({ quick, say }) {
  const rounds = quick ? 7 : 25;
  const figures = [];
  for (const [name, layer] of Object.entries(KINDS)) {
    say(name);
    const nets = [];
    for (const layers of [LAYERS, 2 * LAYERS]) nets.push(await openSteps(net(layer, layers)));
    for (const { step } of nets) time(step, 200);
    const [few, many] = nets.map(({ parts }) => parts().length);
    const each = [];
    const fixed = [];
    for (let round = 0; round < rounds; round++) {
      const [short, long] = nets.map(({ step }) => 1e6 * time(step, 20));
      each.push((long - short) / (many - few));
      fixed.push((short - few * each[each.length - 1]) / 1000);
    }
    figures.push(
      {
        what: `an operation, ${name} (${many - few} of ${many} in a step)`,
        unit: 'ns',
        ...median(each),
        goal: { most: GOAL_NS },
      },
      {
        what: `a step beyond its operations, ${name}`,
        unit: 'us',
        ...median(fixed),
        goal: { most: GOAL_US },
      },
    );
  }
  return figures;
}
