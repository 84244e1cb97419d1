/* create.js: makes trainers: reads their options and puts their parts together.
 * Invariant: a wrong option is refused before anything is started; whatever fails, nothing is left
 * running. */
import { BUILD } from '../../worker/host/envelope.js';
import { VARIANTS } from '../../worker/host/variants.js';
import { assetsFolder } from '../host/endpoint.js';
import { Events } from '../host/events.js';
import * as rule from '../host/options.js';
import { readOptions, throwIfAborted } from '../host/options.js';
import { Lifecycle } from '../host/page.js';
import { checkpointBytes, copyBytes, plainSpec } from './copies.js';
import { PERSIST, readPersist } from './persist.js';
import { Recovery } from './recovery.js';
import { refuseServiceWorker, sharedCores } from '../host/support.js';
import { Monitor } from './trainer-status.js';
import { TRAINER_EVENTS } from './trainer-events.js';
import { Trainer } from './trainer.js';

/** @typedef {import('./recovery.js').Beginning} Beginning */

/** @typedef {import('../../wasm-build/dist/spec.js').Layer} Layer */
/** @typedef {import('../../wasm-build/dist/spec.js').Loss} Loss */
/**
 * @typedef {object} OutputSpec
 * @property {string} name of the layer
 * @property {Loss} [loss] Default: as the spec's
 * @property {number} [lossWeight] in the sum that is trained, from 0 on. Default: 1
 */
/**
 * Attempts at a worker in place of a lost one, in a row, without a step completed in between: the
 * first at once, the second after `delay`, each later one after `factor` times as long.
 * @typedef {object} RestartOptions
 * @property {number} [retries] how many; 0: none. Default: 3
 * @property {number} [delay] ms before the second. Default: 250
 * @property {number} [factor] of the delay, from one to the next; 1 or more. Default: 2
 * @property {number} [maxDelay] ms before any. Default: 30000
 */
/**
 * A network, as createTrainer() takes it; docs/layers.md has every layer and field.
 * @typedef {object} Spec
 * @property {readonly number[] | Readonly<Record<string, readonly number[]>>} inputShape of one
 *   sample, without the batch's axis; of several inputs by name, in this order
 * @property {readonly Layer[]} layers from input to output; each reads the one before it, unless
 *   `input` names others
 * @property {ReadonlyArray<string | OutputSpec>} [outputs] layers by name. Default: the last layer
 * @property {Loss | Readonly<Record<string, Loss>>} [loss] of all outputs, or by name. Default: by
 *   the last activation: softmax 'categoricalCrossentropy', sigmoid 'binaryCrossentropy', any
 *   other 'meanSquaredError'
 * @property {Readonly<Record<string, number>>} [lossWeights] by output, in the sum that is trained.
 *   Default: 1 each
 * @property {import('../../wasm-build/dist/spec.js').Optimizer} [optimizer] by name, or with its
 *   options. Default: 'adam'
 * @property {number} [learningRate] of the optimizer; here or in `optimizer`, not both. Default:
 *   0.001; the optimizer's own where that is another
 * @property {import('../../wasm-build/dist/spec.js').Metrics} [metrics] that are told beside the
 *   loss: names, or { type, ...options, name }; by output, or a list for every one. Default:
 *   ['accuracy'] of a classifier, else none
 * @property {readonly string[] | Readonly<Record<string, readonly string[]>>} [labels] class names,
 *   in the order of their indices; of several outputs by name. Default: the indices
 * @property {number} [inputScale] every element of uint8 data is multiplied by it; other data are
 *   not. Default: 1
 * @property {number} [inputOffset] is added to uint8 data after inputScale. Default: 0
 * @property {number} [seed] of first weights, shuffles and dropout, an integer from 0. Default: 0
 */
/**
 * What a spec needs to be looked at: the rest of it is checked where it is written, or when the
 * trainer is made.
 * @typedef {{ readonly inputShape: Spec['inputShape'],
 *   readonly layers: readonly { readonly type: string }[] }} AnySpec
 */
/**
 * The words of a spec: types of layers, loss and optimizer.
 * @template {AnySpec} S
 * @typedef {S['layers'][number]['type'] | WordOf<S, 'loss'> | WordOf<S, 'optimizer'>} WordsOf
 */
/**
 * @template S
 * @template {string} K
 * @typedef {S extends { readonly [k in K]: infer V }
 *   ? V extends { readonly type: infer T } ? T : V : never} WordOf
 */
/**
 * A spec whose words TypeScript has forgotten: it takes `const spec = { ... }` for text where a
 * word stands. Such a spec is checked when the trainer is made; defineSpec() has it checked where
 * it is written.
 * @template {AnySpec} S
 * @typedef {string extends WordsOf<S> ? S : never} PlainSpec
 */

/**
 * @typedef {object} TrainerOptions
 * @property {'auto' | 'worker' | 'main'} [mode] where it runs. 'worker' never falls back to the
 *   main thread, 'main' asks for it. Default: 'auto', in a worker where one can be had; else
 *   info.reason says why not
 * @property {'auto' | number} [threads] threads that compute, the session's own included; 0 and 1:
 *   one, in the wasm without threads. 'auto': the cores less one for the page, at least 1, at most
 *   8. Others up to 64 are honoured, above the number of cores too. One where threads cannot be had
 *   (a page that is not cross-origin isolated, mode 'main'), and info.reason says why. The same
 *   bits for any number. Default: 'auto'
 * @property {boolean} [deterministic] true: the same bits on every machine. false allows relaxed
 *   SIMD, which rounds as the processor likes and is faster; info.reason says where the engine has
 *   none. Default: true
 * @property {import('../../worker/host/variants.js').Variant} [variant] forces one of the wasm
 *   variants, for tests: UNSUPPORTED where the engine cannot run it. Relaxed ones take
 *   deterministic: false; ones without -mt have one thread. Default: the fastest that runs
 * @property {string | URL} [assets] folder that holds wasm-build/dist/. Default: beside the module
 * @property {'blob'} [crossOrigin] how the worker is made of a script of another origin, such as a
 *   CDN's: 'blob' has a module of the page's own origin import it. Default: so where the module's
 *   or assets' origin is not the page's. The policy of the page has to allow blob: in worker-src
 * @property {number} [timeout] ms of silence, while the page itself ran, after which a worker that
 *   has never answered is given up; where it is less than the heartbeat any worker is, and the
 *   trainer with it. Default: 30000
 * @property {number} [heartbeat] ms of silence, while the page itself ran, after which a worker
 *   that has answered before is replaced. Default: 10000
 * @property {RestartOptions} [restart] of a lost worker. After so many attempts mode 'auto' goes on
 *   on the main thread, and any other mode ends with WORKER_LOST. The page keeps a checkpoint in
 *   memory for it. Default: 3 attempts
 * @property {string | import('./persist.js').PersistOptions} [persist] of every fit: a name to keep
 *   checkpoints under, or more; see FitOptions. Default: none is kept
 * @property {boolean} [persistData] of every fit: the data are kept too; see FitOptions. Default:
 *   false
 * @property {number} [duty] share of the time in which training computes, above 0 and up to 1: to
 *   be quiet. Default: 1
 * @property {boolean} [keepAwake] keep the screen on while a run is on. Default: false
 * @property {boolean} [debug] log events of level 'debug' too. Default: false
 * @property {AbortSignal} [signal] gives up making the trainer: it rejects ABORTED. Default: none
 */

const TRAINER = {
  mode: rule.oneOf(['auto', 'worker', 'main'], 'auto'),
  threads: rule.integer(0, /** @type {'auto'} */ ('auto'), 'auto'),
  deterministic: rule.flag(true),
  variant: rule.optional(rule.oneOf(VARIANTS, 'simd')),
  assets: rule.address,
  crossOrigin: rule.optional(rule.oneOf(['blob'], 'blob')),
  timeout: rule.number('a number of milliseconds above 0', (value) => value > 0, 30_000),
  heartbeat: rule.number('a number of milliseconds above 0', (value) => value > 0, 10_000),
  restart: rule.given,
  persist: PERSIST,
  persistData: rule.flag(false),
  duty: rule.number('a number above 0 and up to 1', (value) => value > 0 && value <= 1, 1),
  keepAwake: rule.flag(false),
  debug: rule.flag(false),
  signal: rule.signal,
};

/** Names of createTrainer()'s options. */
export const TRAINER_OPTIONS = Object.keys(TRAINER);

const milliseconds = (/** @type {number} */ otherwise) =>
  rule.number(
    'a number of milliseconds from 0 on',
    (value) => value >= 0 && value < Infinity,
    otherwise,
  );

const RESTART = {
  retries: rule.integer(0, 3),
  delay: milliseconds(250),
  factor: rule.number('a number of at least 1', (value) => value >= 1 && value < Infinity, 2),
  maxDelay: milliseconds(30_000),
};

/** Loads the session for this thread. @type {import('../host/endpoint.js').Loader} */
async function load() {
  const [{ createSession }, { ownHost }] = await Promise.all([
    import('../../worker/trainer/service.js'),
    import('../../worker/host/clock.js'),
  ]);
  return (port) => createSession(/** @type {any} */ (port), ownHost());
}

/**
 * Has the types check a spec where it is written, and remember its words.
 * @template {Spec} const S
 * @param {S} spec
 * @returns {S} the spec itself
 */
export function defineSpec(spec) {
  return spec;
}

/**
 * Makes a trainer for the network of the spec.
 * @type {{
 *   (spec: Spec, options?: TrainerOptions): Promise<Trainer>,
 *   <const S extends AnySpec>(spec: PlainSpec<S> & S, options?: TrainerOptions): Promise<Trainer>,
 * }}
 */
export const createTrainer = async (/** @type {unknown} */ spec, /** @type {unknown} */ options) =>
  (await beginTrainer('createTrainer', options, () => ({ spec: plainSpec(spec) }))).trainer;

/**
 * Makes a trainer from the bytes of save(): it stands where that one stood.
 * @param {Uint8Array} bytes
 * @param {TrainerOptions} [options]
 * @returns {Promise<Trainer>}
 */
export async function loadTrainer(bytes, options) {
  const begin = () => ({ bytes: copyBytes(checkpointBytes(bytes)) });
  return (await beginTrainer('loadTrainer', options, begin)).trainer;
}

/**
 * Makes a trainer that begins as told, where the options say.
 * @param {string} name of the function that was called, for messages
 * @param {unknown} options
 * @param {() => Beginning} begin
 * @returns {Promise<{ trainer: Trainer, past: import('./recovery.js').Past | null }>} past: the run
 *   that it stands in
 */
export async function beginTrainer(name, options, begin) {
  const startedAt = performance.now();
  const settings = readOptions(name, options, TRAINER);
  const restart = readOptions(`${name}: restart`, settings.restart, RESTART);
  const persist = readPersist(name, settings.persist);
  throwIfAborted(settings.signal);
  refuseServiceWorker(name);
  const beginning = begin();
  const events = new Events(TRAINER_EVENTS, settings.debug);
  const lifecycle = new Lifecycle(events, settings.keepAwake);
  const monitor = new Monitor(events);
  /** What sessions have warned of in this run. */
  const warned = new Set();
  const { mode, assets, crossOrigin, timeout, heartbeat } = settings;
  const { variant, threads, deterministic, duty, debug, persistData } = settings;
  const recovery = new Recovery({
    mode,
    restart,
    beginning,
    startedAt,
    emit: events.emit,
    ended: () => events.onEvent(),
    setting: {
      load,
      assets: assetsFolder(assets),
      crossOrigin,
      timeout,
      heartbeat,
      observer: monitor,
      noticed: (/** @type {import('../../worker/protocol.js').Notice} */ notice) => {
        if (notice.kind === 'persisted') recovery.persisted(notice);
        if (notice.kind === 'warning') {
          // A session in place of one that is lost sees the same data again.
          if (recovery.training && warned.has(notice.message)) return;
          warned.add(notice.message);
        }
        events.noticed(notice);
      },
    },
    runtime: {
      variant,
      threads,
      deterministic,
      duty,
      debug,
      notices: true,
      ...(BUILD && { build: BUILD }),
      ...(typeof threads === 'number' && threads < 2 ? {} : sharedCores()),
    },
    trains: (on, reason = 'stopped') => {
      warned.clear();
      lifecycle.set(on);
      if (!on) monitor.ended(reason);
    },
  });
  await recovery.supervisor.begin(settings.signal);
  const { past } = recovery;
  if (!('spec' in beginning)) await recovery.secure(); // what lies outside may change, or go
  const trainer = new Trainer({ recovery, events, monitor, persist, persistData });
  return { trainer, past };
}
