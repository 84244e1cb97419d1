/* invalid.test.js: specs that are valid but for one change are refused, in a sentence that names
 * layer and field. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { createTrainer } from '../../web/index.js';
import { numbers } from '../numbers.js';
import { CHANGES } from './random/invalid.js';
import { drawing } from './random/layers.js';
import { netAtRandom } from './random/net.js';

const SPECS = 8; // of every change
const SEEDS = 1000; // among which as many nets have a place for it

async function refusalOf(spec) {
  try {
    const trainer = await createTrainer(spec, { mode: 'main' });
    await trainer.dispose();
    return null;
  } catch (error) {
    return error;
  }
}

/** How a sentence may name a layer: by its place and type, or by the name that it was given. */
function names(message, spec, at) {
  const layer = spec.layers[at];
  return (
    message.includes(`layer ${at}`) ||
    (typeof layer.name === 'string' && message.includes(layer.name))
  );
}

for (const [name, change] of Object.entries(CHANGES)) {
  test(`refused: ${name}`, async () => {
    let made = 0;
    for (let seed = 1; seed <= SEEDS && made < SPECS; seed++) {
      const d = drawing(numbers(seed * 31 + 7));
      const net = netAtRandom(seed);
      const changed = change(net.spec, d);
      if (!changed) continue;
      made++;
      const { spec, layer, field } = changed;
      const error = await refusalOf(spec);
      const told = `\n  ${JSON.stringify(spec)}\n  ${error?.message}`;
      assert.ok(
        error,
        `was taken: ${field}${layer === undefined ? '' : ` of layer ${layer}`}${told}`,
      );
      assert.equal(error.code, 'INVALID_SPEC', told);
      assert.ok(error.message.includes(field), `does not name ${field}${told}`);
      if (layer !== undefined)
        assert.ok(names(error.message, spec, layer), `does not name layer ${layer}${told}`);
    }
    assert.equal(made, SPECS);
  });
}
