/* wire.js: the part that reads what the page does not send: the bare dialect, and data in other forms
 * than typed arrays of the right length.
 *
 * foreign.js loads it with the first message that needs it. Every function here is pure. */

export { readWeights, readX, readY } from '../data/forms.js';
export { fromBare, toBare, unfold } from './dialect.js';
