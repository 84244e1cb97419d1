/* index.js: what an app imports, and nothing else. */
export { OffstageError } from '../worker/host/errors.js';
export { createTrainer, defineSpec, loadTrainer } from './trainer/create.js';
export { listTrainers, removeTrainer, resumeTrainer } from './trainer/stored.js';

/** @typedef {import('../worker/host/errors.js').ErrorCode} ErrorCode */
/** @typedef {import('./trainer/run.js').Epoch} Epoch */
/** @typedef {import('./trainer/run.js').Progress} Progress */
/** @typedef {import('./trainer/run.js').Result} Result */
/** @typedef {import('./trainer/run.js').Run} Run */
/** @typedef {import('../worker/protocol.js').RunRecord} RunRecord */
/** @typedef {import('./trainer/trainer.js').Evaluation} Evaluation */
/** @typedef {import('./trainer/trainer.js').EvaluateOptions} EvaluateOptions */
/** @typedef {import('./trainer/trainer.js').FitOptions} FitOptions */
/** @typedef {import('./trainer/info.js').Info} Info */
/** @typedef {import('./trainer/trainer.js').InputData} InputData */
/** @typedef {import('./trainer/trainer.js').Prediction} Prediction */
/** @typedef {import('./trainer/trainer.js').PredictOptions} PredictOptions */
/** @typedef {import('./trainer/create.js').Spec} Spec */
/** @typedef {import('./trainer/create.js').Layer} Layer */
/** @typedef {import('./trainer/create.js').Loss} Loss */
/** @typedef {import('./trainer/trainer.js').Status} Status */
/** @typedef {import('./trainer/stored.js').StoredOptions} StoredOptions */
/** @typedef {import('./trainer/stored.js').StoredTrainer} StoredTrainer */
/** @typedef {import('./trainer/trainer.js').TargetData} TargetData */
/** @typedef {import('./trainer/trainer.js').Trainer} Trainer */
/** @typedef {import('./trainer/trainer-events.js').TrainerEvents} TrainerEvents */
/** @typedef {import('./trainer/create.js').TrainerOptions} TrainerOptions */
/** @typedef {import('./trainer/trainer.js').Weight} Weight */
