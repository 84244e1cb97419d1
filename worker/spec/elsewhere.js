/* elsewhere.js: where a fit has what users of Keras and TensorFlow.js look for, by its names there.
 *
 * Only a refusal needs these words. What differs in its spelling alone is not listed: who refuses a
 * name tells of the nearest one by himself. */

import { folded } from '../host/errors.js';

const OF_THE_SPEC = "it belongs to the trainer: createTrainer's spec has it";
const ON_EPOCH = 'onEpoch is called at the end of each epoch, with its record, and may end the run';
const SCHEDULE = "learningRate takes a schedule, such as { type: 'cosine', decaySteps: 1000 }";
const WATCHED = 'earlyStopping and reduceOnPlateau have it';
const RECORDS = 'the records of the run tell: for await (const record of run)';

const CALLBACKS = `use earlyStopping, reduceOnPlateau, onEpoch; ${RECORDS}`;

/** By folded names. @type {Record<string, string>} */
const PLACES = {
  callbacks: CALLBACKS,
  callback: CALLBACKS,
  earlystoppingcallback: CALLBACKS,
  learningratescheduler: SCHEDULE,
  reducelronplateau: 'reduceOnPlateau lowers the learning rate',
  modelcheckpoint:
    'earlyStopping with restoreBest keeps the best weights; persist keeps checkpoints',
  tensorboard: RECORDS,
  schedule: SCHEDULE,
  decaysteps: SCHEDULE,
  onepochend: ON_EPOCH,
  onepochbegin: ON_EPOCH,
  onbatchend: "run.addEventListener('batch', ...) hears of batches; batchRecords: 'every'",
  onbatchbegin: "run.addEventListener('batch', ...) hears of batches; batchRecords: 'every'",
  ontrainend: 'await run gives the result',
  ontrainbegin: "run.addEventListener('state', ...) tells when it has begun",
  monitor: WATCHED,
  patience: WATCHED,
  mindelta: WATCHED,
  mode: WATCHED,
  baseline: WATCHED,
  cooldown: 'reduceOnPlateau has it',
  minlr: 'reduceOnPlateau has minLearningRate',
  restorebestweights: 'earlyStopping has it as restoreBest',
  restorebest: 'earlyStopping has it',
  verbose: RECORDS,
  initialepoch: 'resume: true goes on with the run that was interrupted',
  stepsperepoch: 'an epoch goes through all samples: give fewer of them, or more epochs',
  validationsteps: 'all samples of validationData validate: give fewer of them',
  validationbatchsize: 'batchSize is that of validation too',
  validationfreq: 'every epoch validates; trainer.evaluate() in onEpoch does so when you want',
  lr: 'learningRate is that of this run',
  optimizer: OF_THE_SPEC,
  loss: OF_THE_SPEC,
  metrics: OF_THE_SPEC,
  yieldevery: 'the page stays responsive: the run is in a worker, and works in slices elsewhere',
  workers: 'createTrainer has threads',
  usemultiprocessing: 'createTrainer has threads',
  maxqueuesize: 'the data are taken whole, at once',
};

/**
 * Tells where an option is, for the end of a sentence; '' where nobody knows.
 * @param {string} name
 */
export function elsewhere(name) {
  const key = folded(name);
  return Object.hasOwn(PLACES, key) ? `; ${name}: ${PLACES[key]}` : '';
}
