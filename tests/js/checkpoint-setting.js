/* checkpoint-setting.js: checkpoints that say something else of their run, by the format's own
 * writer, so that the checksum is right. */
import { decodeCheckpoint, encodeCheckpoint } from '../../worker/trainer/checkpoint.js';

/**
 * @param {Uint8Array} bytes of a checkpoint
 * @param {object} change of its run
 * @param {(name: string) => boolean} [without] of tensors: those that are left out
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function rewritten(bytes, change, without = () => false) {
  const { about, tensors } = decodeCheckpoint(bytes);
  const sources = [...tensors]
    .filter(([name]) => !without(name))
    .map(([name, { dtype, shape, data }]) => ({
      name,
      dtype,
      shape,
      read: (at, count) => data.subarray(at, at + count),
    }));
  const run = { ...about.run, ...change };
  return encodeCheckpoint({ look: () => false }, { ...about, run }, sources).next().value;
}
