/* index.js: what an app imports, and nothing else. */
export { OffstageError } from '../worker/errors.js';
export { createTrainer, loadTrainer } from './create.js';
export { listTrainers, removeTrainer, resumeTrainer } from './stored.js';

/** @typedef {import('../worker/errors.js').ErrorCode} ErrorCode */
/** @typedef {import('./run.js').Epoch} Epoch */
/** @typedef {import('./run.js').Progress} Progress */
/** @typedef {import('./run.js').Result} Result */
/** @typedef {import('./run.js').Run} Run */
/** @typedef {import('../worker/protocol.js').RunRecord} RunRecord */
/** @typedef {import('./trainer.js').Evaluation} Evaluation */
/** @typedef {import('./trainer.js').FitOptions} FitOptions */
/** @typedef {import('./trainer.js').Info} Info */
/** @typedef {import('./trainer.js').InputData} InputData */
/** @typedef {import('./trainer.js').Prediction} Prediction */
/** @typedef {import('./create.js').Spec} Spec */
/** @typedef {import('./create.js').Layer} Layer */
/** @typedef {import('./create.js').Loss} Loss */
/** @typedef {import('./trainer.js').Status} Status */
/** @typedef {import('./stored.js').StoredTrainer} StoredTrainer */
/** @typedef {import('./trainer.js').TargetData} TargetData */
/** @typedef {import('./trainer.js').Trainer} Trainer */
/** @typedef {import('./events.js').TrainerEvents} TrainerEvents */
/** @typedef {import('./create.js').TrainerOptions} TrainerOptions */
/** @typedef {import('./trainer.js').Weight} Weight */
