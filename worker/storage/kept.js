/* kept.js: all that a page loads only where trainers are kept on storage, or brought back. The
 * build makes one file of it, which host/parts.js loads. After a change of what it imports that
 * file has to be built again, as after one of src/. */

export { decodeCheckpoint, openCheckpoint } from '../trainer/checkpoint.js';
export { openStore } from './checkpoint-store.js';
export { listStored, removeStored } from './list.js';
