/* metrics-setting.js: a model in a core whose plans add to metrics, for tests of these. */
import { loadModule } from '../../worker/host/module.js';
import { readFields, recordNamed } from '../../worker/spec/fields.js';
import { encodeSpec } from '../../worker/spec/spec.js';
import { Core } from '../../worker/trainer/core.js';

/** @param {Core} core @param {ArrayBufferView} data */
export function put(core, data) {
  const at = core.memory.alloc(data.byteLength || 8, 'test data');
  core.write(at, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return at;
}

/**
 * Names the records of a list of metrics.
 * @param {Core} core @param {any[]} list
 * @returns {import('../../worker/spec/spec.js').Listed}
 */
export const listOf = ({ schema }, list) => ({
  code: 'INVALID_SPEC',
  parts: list.map(({ type, ...options }, i) => {
    const record = recordNamed(schema, 'evaluation', type, `metrics[${i}]`);
    const values = readFields(schema, record.fields, options, `metrics[${i}]: `);
    return { record, values, what: `metrics[${i}]` };
  }),
});

/** @typedef {Awaited<ReturnType<typeof open>>} Setting */

/** @param {any} variant @param {any} spec @param {number} samples  metrics have room for */
export async function open(variant, spec, samples) {
  const core = await Core.create(await loadModule(variant));
  core.spec = encodeSpec(core.schema, spec);
  const { bytes } = core.spec;
  const at = put(core, bytes);
  const size = core.modelBytes(at, bytes.length);
  const model = core.modelInit(core.memory.alloc(size, 'a model'), size, at, bytes.length);
  while (core.modelRandomize(model, 1e6)) continue;
  return {
    core,
    model,
    metrics: (/** @type {any[]} */ list) => core.metricsInit(model, listOf(core, list), samples),
    /** Opens a plan that adds to metrics; 0: to none. */
    plan(/** @type {number} */ kind, batch = 16, metrics = 0) {
      core.modelSetMetrics(model, metrics);
      const room = core.planBytes(model, kind, batch);
      const made = core.planInit(core.memory.alloc(room, 'a plan'), room, model, kind, batch);
      core.modelSetMetrics(model, 0);
      return made;
    },
    /** Goes through n samples; `each` is called after each batch. */
    epoch(
      /** @type {number} */ plan,
      /** @type {number} */ n,
      { batch = 16, work = 1e9, each = (/** @type {number} */ _) => {} } = {},
    ) {
      for (let first = 0; first < n; first += batch) {
        core.stepBegin(plan, first, Math.min(batch, n - first), n, 0, 0);
        while (core.stepRun(plan, work)) continue;
        each(first);
      }
    },
    /** The results of all metrics, of which there are so many. */
    results(/** @type {number} */ metrics, /** @type {number} */ count, work = 1e9) {
      while (core.metricsFinish(metrics, work)) continue;
      return Array.from({ length: count }, (_, i) => core.metricsResult(metrics, i));
    },
  };
}
