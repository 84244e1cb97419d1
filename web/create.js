/* create.js: how a trainer is made: where it runs is decided here.
 * Invariant: mode 'worker' never falls back; in mode 'auto' a place that fails is told in info.reason and by one
 * console warning, and a refused spec is never a reason to fall back; whatever fails, nothing is left running. */
import { OffstageError } from '../worker/errors.js';
import { Client } from './client.js';
import { plainSpec } from './data.js';
import { assetsFolder, openInProcess, openWorker } from './endpoint.js';
import * as rule from './options.js';
import { readOptions, throwIfAborted } from './options.js';
import { whyNotAuto } from './support.js';
import { Trainer } from './trainer.js';

/**
 * A network, as createTrainer() takes it; DESIGN names every layer and field.
 * @typedef {object} Spec
 * @property {number[]} inputShape of one sample
 * @property {Array<{ type: string, [field: string]: unknown }>} layers
 * @property {string | { type: string, [field: string]: unknown }} [loss]
 * @property {string | { type: string, [field: string]: unknown }} [optimizer]
 * @property {number} [learningRate] here or in optimizer, not both
 * @property {string[]} [metrics]
 * @property {string[]} [labels] class names
 * @property {number} [inputScale] applied to uint8 data only
 * @property {number} [inputOffset]
 * @property {number} [seed]
 */

/**
 * @typedef {object} TrainerOptions
 * @property {'auto' | 'worker' | 'main'} [mode]
 * @property {'auto' | number} [threads] threads that compute, the session's own included; 0 and 1: one, in the wasm
 *   without threads. 'auto': the cores less one for the page, at least 1, at most 8. Others up to 64 are honoured,
 *   above the number of cores too. One where threads cannot be had (a page that is not cross-origin isolated, mode 'main'),
 *   and info.reason says why. The same bits for any number
 * @property {boolean} [deterministic] true: the same bits on every machine. false allows relaxed SIMD, which rounds as
 *   the processor likes and is faster; info.reason says where the engine has none
 * @property {import('../worker/module.js').Variant} [variant] forces one of the wasm variants, for tests: UNSUPPORTED
 *   where the engine cannot run it. Relaxed ones take deterministic: false; ones without -mt have one thread
 * @property {string | URL} [assets] folder of worker/ and wasm-build/, where they are not beside the module
 * @property {number} [timeout] ms of silence, while the page itself ran, after which a worker is given up
 * @property {{ retries?: number, delay?: number }} [restart] of a lost worker: 0 retries only, as yet
 * @property {AbortSignal} [signal]
 */

/* Not module.js's own list: what loads wasm is for the worker to load. */
/** @type {readonly import('../worker/module.js').Variant[]} */
const VARIANTS = ['base', 'simd', 'simd-mt', 'relaxed', 'relaxed-mt'];

const TRAINER = {
  mode: rule.oneOf(['auto', 'worker', 'main'], 'auto'),
  threads: rule.integer(0, /** @type {'auto'} */ ('auto'), 'auto'),
  deterministic: rule.flag(true),
  variant: rule.optional(rule.oneOf(VARIANTS, 'simd')),
  assets: rule.address,
  timeout: rule.number('a number of milliseconds above 0', (value) => value > 0, 30_000),
  restart: { otherwise: undefined, allowed: 'an object', accepts: (/** @type {unknown} */ value) => typeof value === 'object' && value !== null },
  signal: rule.signal,
};

const RESTART = {
  retries: rule.integer(0, 3),
  delay: rule.number('a number of milliseconds from 0 on', (value) => value >= 0, 250),
};

/** @typedef {import('./options.js').Read<typeof TRAINER>} Settings */

/**
 * Makes a trainer for the network of the spec.
 * @param {Spec} spec
 * @param {TrainerOptions} [options]
 * @returns {Promise<Trainer>}
 */
export async function createTrainer(spec, options) {
  const startedAt = performance.now();
  const settings = readOptions('createTrainer', options, TRAINER);
  if (settings.restart && readOptions('createTrainer: restart', settings.restart, RESTART).retries > 0) {
    throw new OffstageError('UNSUPPORTED', 'createTrainer: restart is not there in this version');
  }
  throwIfAborted(settings.signal);
  const { client, ready, reasons } = await connect(plainSpec(spec), settings);
  const { reason, step, ...built } = ready;
  if (reason) reasons.push(reason);
  const info = {
    ...built,
    mode: client.mode,
    reason: reasons.length > 0 ? reasons.join('; ') : null,
    startupMs: performance.now() - startedAt,
  };
  return new Trainer(client, info, step);
}

/**
 * @typedef {object} Connection
 * @property {Client} client
 * @property {any} ready MODEL_READY's payload
 * @property {string[]} reasons
 */

/**
 * @param {object} spec
 * @param {Settings} settings
 * @returns {Promise<Connection>}
 */
async function connect(spec, settings) {
  const assets = assetsFolder(settings.assets);
  const reasons = [];
  if (settings.mode !== 'main') {
    const why = settings.mode === 'auto' ? whyNotAuto() : null;
    const found = why ?? await connectWorker(spec, settings, assets);
    if (typeof found !== 'string') return found;
    reasons.push(found);
    console.warn(`Offstage runs on the main thread: ${found}`);
  }
  const client = new Client(Infinity); // silence on this thread is the page's own
  try {
    client.attach(await openInProcess(client.listener));
    return { client, ready: await initialise(client, spec, settings, assets), reasons };
  } catch (error) {
    client.close(/** @type {OffstageError} */ (error));
    throw error;
  }
}

/**
 * @param {object} spec
 * @param {Settings} settings
 * @param {URL | undefined} assets
 * @returns {Promise<Connection | string>} a string: why the place failed, where that is a reason to fall back
 */
async function connectWorker(spec, settings, assets) {
  const client = new Client(settings.timeout);
  try {
    client.attach(openWorker(assets, client.listener));
    return { client, ready: await initialise(client, spec, settings, assets), reasons: [] };
  } catch (error) {
    const placeFailed = client.mode === undefined || client.ended;
    client.close(/** @type {OffstageError} */ (error));
    if (settings.mode === 'worker' || !placeFailed) throw error;
    return /** @type {Error} */ (error).message;
  }
}

/**
 * @param {Client} client
 * @param {object} spec
 * @param {Settings} settings
 * @param {URL | undefined} assets
 */
function initialise(client, spec, settings, assets) {
  const { variant, threads, deterministic, signal } = settings;
  const runtime = { variant, threads, deterministic, assets: assets?.href, place: client.mode };
  return client.request('INIT_TRAINING', { ...spec, runtime }, { signal });
}
