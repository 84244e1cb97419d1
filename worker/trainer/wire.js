/* wire.js: the part that reads what the page sends seldom or never: the bare dialect, data in other
 * forms than typed arrays of the right length, and a model's weights.
 *
 * foreign.js loads it with the first message that needs it. */

export { readWeights, readX, readY } from '../data/forms.js';
export { fromBare, toBare, unfold } from './dialect.js';
export { setWeights } from './weights.js';
