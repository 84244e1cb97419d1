/* kept.js: all that a page loads only where trainers are kept on storage: the build makes one file of it, which later.js
 * loads. Nothing in it is imported by what every page loads. */

export { openKeeper } from './keeper.js';
export { listStored, removeStored } from './stored.js';
