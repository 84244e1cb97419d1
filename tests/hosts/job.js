/* job.js: the app that every host runs: it trains a small network, keeps it on storage, brings it
 * back, and tells in plain JSON where that was and every number that came of it. It gets the
 * package's exports, since every host has its own way to name them. */

const SAMPLES = 64;
const SIDE = 8;

/** Squares of ink in one of four corners; which corner is the class. */
function data() {
  const x = new Uint8Array(SAMPLES * SIDE * SIDE);
  const y = new Uint8Array(SAMPLES);
  for (let i = 0; i < SAMPLES; i++) {
    y[i] = (i * 7) % 4;
    for (let p = 0; p < (SIDE * SIDE) / 4; p++) {
      const row = (y[i] >> 1) * 4 + (p >> 2);
      const column = (y[i] & 1) * 4 + (p & 3);
      x[(i * SIDE + row) * SIDE + column] = (i * 37 + p * 11) % 256;
    }
  }
  return { x, y };
}

export const SPEC = {
  inputShape: [SIDE, SIDE, 1],
  layers: [
    { type: 'conv2d', filters: 4, kernelSize: 3, activation: 'relu' },
    { type: 'flatten' },
    { type: 'dropout', rate: 0.25 },
    { type: 'dense', units: 4, activation: 'softmax' },
  ],
  inputScale: 1 / 255,
  seed: 7,
};

/** FNV-1a over the bytes of all weights. */
function hash(weights) {
  let sum = 0x811c9dc5;
  for (const { data: numbers } of weights) {
    for (const byte of new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength))
      sum = Math.imul(sum ^ byte, 0x01000193);
  }
  return (sum >>> 0).toString(16);
}

/**
 * @param {any} api      what the package exports
 * @param {any} options  of createTrainer()
 * @param {string} name  that the trainer is kept under
 */
export async function train(api, options = {}, name = 'host') {
  const { x, y } = data();
  const trainer = await api.createTrainer(SPEC, options);
  const { reason: ended, history } = await trainer.fit(x, y, {
    epochs: 4,
    batchSize: 16,
    validationSplit: 0.25,
    persist: name,
  });
  const { output } = await trainer.predict(x.slice(0, SIDE * SIDE));
  const weights = hash(await trainer.getWeights());
  const { mode, reason, persist } = trainer.info;
  await trainer.dispose();
  const { storage } = persist;
  const losses = history.map(({ loss, valLoss }) => [loss, valLoss]);
  const told = { mode, reason, ended, storage, losses, output: [...output], weights };
  if (storage === 'memory') return told; // which goes with the trainer
  const again = await api.resumeTrainer(name, options);
  const resumed = hash(await again.getWeights());
  await again.dispose();
  const where = options.assets === undefined ? {} : { assets: options.assets };
  const listed = (await api.listTrainers(where)).filter((stored) => stored.name === name).length;
  await api.removeTrainer(name, where);
  return { ...told, resumed, listed };
}

/** The same, of which a failure is told too. @param {Parameters<typeof train>} args */
export const tryTrain = (...args) =>
  train(...args).catch(({ code, name, message }) => ({ error: `${code ?? name}: ${message}` }));
