/* snapshot.js: a model's state as a checkpoint, and back.
 *
 * The state is all that the next step depends on: weights, moments, step, epochs begun, and the
 * latest run's state. It is read between two steps only, piece by piece, while nothing changes it:
 * the pump and the run see to that. A checkpoint is checked against the model before anything of it
 * is written. */

import { BEFORE, BEST, encodeCheckpoint } from './checkpoint.js';
import { OffstageError } from '../host/errors.js';
import { Best } from './run/best.js';
import { Controls, KEPT, completeControls } from './run/controls.js';
import { noTotals } from './run/measures.js';
import { tensorsOf } from './weights.js';

/** @typedef {import('./model.js').Model} Model */
/** @typedef {import('../host/pump.js').Pump} Pump */

const WRITTEN_AT_ONCE = 2 ** 18;

/** Lists a model's tensors for a checkpoint: names, shapes, addresses. @param {Model} model */
export function stateTensors(model) {
  const tensors = tensorsOf(model);
  const vectors = model.core.modelMoments(model.address);
  return [
    ...tensors.map(({ name, shape, size, data }) => ({ name, shape, size, address: data })),
    ...tensors.flatMap(({ name, shape, size, moments }) =>
      moments.map((address, i) => ({
        name: `optimizer/${name}/${vectors[i]}`,
        shape,
        size,
        address,
      })),
    ),
  ];
}

/**
 * @param {Pump} pump @param {Model} model
 * @param {import('./run/state.js').RunState | null} [run]  how the present or latest run stands
 */
export function* saveState(pump, model, run = model.past) {
  const { memory } = model.core;
  /** @param {{ name: string, shape: number[], address: number }} tensor */
  const source = ({ name, shape, address }) => ({
    name,
    shape,
    dtype: /** @type {const} */ ('F32'),
    read: (/** @type {number} */ at, /** @type {number} */ count) =>
      new Uint8Array(memory.buffer(), address + at, count),
  });
  const best = run?.best && model.best ? model.best.tensors : [];
  const { step, epochsBegun, runs, totals, spec } = model;
  const coreVersion = model.core.version();
  return yield* encodeCheckpoint(
    pump,
    { format: 1, coreVersion, spec, step, epochsBegun, run, runs, totals },
    stateTensors(model).map(source),
    best.map((tensor) => source({ ...tensor, name: BEST + tensor.name })),
  );
}

/**
 * Instead of Model.randomize(): the model stands where the checkpoint was taken.
 * @param {Pump} pump @param {Model} model @param {import('./checkpoint.js').Checkpoint} checkpoint
 * @returns {import('../host/pump.js').Work}
 */
export function* restoreState(pump, model, { about, tensors }) {
  const expected = stateTensors(model);
  const names = expected.map(({ name, shape }) => ({ name, shape }));
  const goesBack = about.run?.settings.nonFinite && tensors.has(BEFORE + names[0]?.name);
  if (goesBack) names.push(...names.map(({ name, shape }) => ({ name: BEFORE + name, shape })));
  const restores = about.run?.best !== undefined;
  const own = restores ? tensorsOf(model) : [];
  names.push(...own.map(({ name, shape }) => ({ name: BEST + name, shape })));
  for (const { name, shape } of names) {
    const found = tensors.get(name);
    if (!found) refuse(`it has no tensor '${name}'`);
    if (
      found.dtype !== 'F32' ||
      found.shape.length !== shape.length ||
      shape.some((n, i) => n !== found.shape[i])
    ) {
      refuse(
        `tensor '${name}' is ${found.dtype} [${found.shape.join(', ')}], ` +
          `expected F32 [${shape.join(', ')}]`,
      );
    }
  }
  const counts = noTotals(model.measured).length;
  const held = about.run?.totals.length ?? counts;
  if (held !== counts) refuse(`its run has ${held} totals, expected ${counts} for its outputs`);
  if (tensors.size !== names.length) {
    refuse(`it has ${tensors.size} tensors, expected ${names.length}`);
  }
  if (about.run) checkControls(model, about.run);
  const best = restores ? new Best(model) : null;
  if (about.run && goesBack) {
    about.run.before = joined(
      expected.map(({ name }) => /** @type {any} */ (tensors.get(BEFORE + name)).data),
    );
  }
  const kept = best?.tensors.map((of) => ({ ...of, name: BEST + of.name })) ?? [];
  for (const { name, address } of [...expected, ...kept]) {
    const { data } = /** @type {import('./checkpoint.js').Tensor} */ (tensors.get(name));
    for (let at = 0; at < data.length; at += WRITTEN_AT_ONCE) {
      model.core.write(address + at, data.subarray(at, at + WRITTEN_AT_ONCE));
      if (pump.look()) yield;
    }
  }
  model.core.modelSetStep(model.address, about.step);
  model.epochsBegun = about.epochsBegun;
  model.past = about.run;
  if (best && about.run?.best) Object.assign(best, about.run.best);
  model.keepBest(best);
  model.runs = about.runs;
  model.totals = about.totals;
}

/**
 * Checks what is to decide about a run that may go on, and completes it.
 * @param {Model} model @param {import('./run/state.js').RunState} run
 */
function checkControls(model, run) {
  try {
    run.settings = completeControls(model.core.schema, run.settings);
  } catch (error) {
    refuse(`run.settings: ${/** @type {Error} */ (error).message}`);
  }
  const { control, best, settings } = run;
  if (Controls.asked(settings) !== (control !== undefined)) {
    refuse(control ? 'it has run/control, of a run without controls' : 'it has no run/control');
  }
  if (best && best.epoch !== control?.[KEPT]) {
    refuse(`run.best.epoch is ${best.epoch}, run/control has ${control?.[KEPT]}`);
  }
}

/** @param {Uint8Array[]} pieces */
function joined(pieces) {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) (bytes.set(piece, at), (at += piece.length));
  return bytes;
}

/** @param {string} why @returns {never} */
function refuse(why) {
  throw new OffstageError('BAD_CHECKPOINT', `the checkpoint does not fit its own spec: ${why}`);
}
