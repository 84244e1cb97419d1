/* nets.js: the table of networks that are trained here and by TensorFlow.js. It has every layer,
 * option, join, loss and optimizer. */
import { GRAPHS } from './nets/graphs.js';
import { LAYERS } from './nets/layers.js';
import { LISTS } from './nets/lists.js';
import { TRAINING } from './nets/training.js';

export const NETS = [...LISTS, ...LAYERS, ...GRAPHS, ...TRAINING];
