/* consumer.ts: an app in strict TypeScript that uses all of the contract. It is compiled, never run: what must not
 * compile is marked, and the compiler complains where it does. */
import { createTrainer, defineSpec, loadTrainer, OffstageError } from 'offstage';
import type { ErrorCode, Evaluation, FitOptions, Info, Progress, Result, Run, RunRecord, Spec, Status, Trainer, TrainerOptions, Weight } from 'offstage';

const spec: Spec = {
  inputShape: [28, 28, 1],
  layers: [
    { type: 'conv2d', filters: 8, kernelSize: 3, activation: 'relu' },
    { type: 'maxPooling2d', poolSize: 2 },
    { type: 'flatten' },
    { type: 'dense', units: 10, activation: 'softmax' },
  ],
  loss: 'sparseCategoricalCrossentropy',
  optimizer: { type: 'adam', beta1: 0.9 },
  learningRate: 0.001,
  metrics: ['accuracy'],
  labels: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  inputScale: 1 / 255,
  inputOffset: 0,
  seed: 42,
};

const graph: Spec = {
  inputShape: { picture: [8, 8, 1], words: [5] },
  layers: [
    { type: 'conv2d', name: 'look', input: 'picture', filters: 4, kernelSize: [3, 3], padding: 'same', kernelInitializer: { type: 'randomNormal', stddev: 0.1 } },
    { type: 'globalAveragePooling2d' },
    { type: 'embedding', input: 'words', inputDim: 100, outputDim: 4, maskZero: true, embeddingsRegularizer: 'l2' },
    { type: 'bidirectional', mergeMode: 'ave', layer: { type: 'gru', units: 4 }, trainable: false },
    { type: 'add', input: ['globalAveragePooling2d', 'bidirectional'] },
    { type: 'dense', name: 'kind', units: 3, activation: 'softmax', kernelConstraint: { maxNorm: 3 } },
    { type: 'dense', name: 'price', input: 'add', units: 1 },
  ],
  outputs: ['kind', { name: 'price', loss: { type: 'huber', delta: 2 }, lossWeight: 0.5 }],
  labels: { kind: ['a', 'b', 'c'] },
  optimizer: { type: 'lion', beta1: 0.8, clipNorm: 1 },
};
// @ts-expect-error a pool has no units
const pooled: Spec = { inputShape: [4, 4, 1], layers: [{ type: 'maxPooling2d', units: 3 }] };
// @ts-expect-error a dense has units
const without: Spec = { inputShape: [4], layers: [{ type: 'dense' }] };
// @ts-expect-error softmax is no activation of a gate
const gates: Spec = { inputShape: [4, 2], layers: [{ type: 'lstm', units: 3, activation: 'softmax' }], loss: { kind: 'hinge' } };
// @ts-expect-error hinge has no delta
const hinge: Spec = { inputShape: [4], layers: [{ type: 'dense', units: 3 }], loss: { type: 'hinge', delta: 1 } };

const plain = { inputShape: [4], layers: [{ type: 'dense', units: 3, activation: 'softmax' }], optimizer: { type: 'sgd', momentum: 0.9 }, labels: ['a', 'b', 'c'] };
const frozen = {
  inputShape: { picture: [8, 8, 1] },
  layers: [{ type: 'conv2d', filters: 2, kernelSize: [3, 3] }, { type: 'flatten' }, { type: 'dense', name: 'kind', units: 2, activation: 'softmax' }],
  outputs: ['kind'], loss: { kind: 'sparseCategoricalCrossentropy' }, lossWeights: { kind: 1 }, metrics: ['accuracy'], labels: { kind: ['a', 'b'] },
} as const;
const defined = defineSpec({ inputShape: [4], layers: [{ type: 'dense', units: 3 }], loss: 'meanSquaredError' });
const word: 'dense' = defined.layers[0].type;
// @ts-expect-error a dense has units
defineSpec({ inputShape: [4], layers: [{ type: 'dense' }] });

/** Specs in every way that apps write them. */
export async function specs(): Promise<Trainer[]> {
  const typed: Spec['layers'] = [{ type: 'dense', units: 3 }];
  const loss = { inputShape: [4], layers: typed, loss: 'meanSquaredError' };
  console.log(word);
  // @ts-expect-error a dense has units
  await createTrainer({ inputShape: [4], layers: [{ type: 'dense' }] });
  // @ts-expect-error no such layer
  await createTrainer({ inputShape: [4], layers: [{ type: 'Dense', units: 3 }] });
  // @ts-expect-error no such field
  await createTrainer({ inputShape: [4], layers: [{ type: 'dense', units: 3, unit: 3 }] });
  // @ts-expect-error no such layer
  await createTrainer({ inputShape: [4], layers: [{ type: 'Dense', units: 3 }] } as const);
  return [await createTrainer(plain), await createTrainer(frozen), await createTrainer(defined), await createTrainer(loss, { mode: 'main' })];
}

export async function trainGraph(picture: Float32Array, words: number[][]): Promise<number | undefined> {
  const trainer = await createTrainer(graph);
  const x = { inputs: { picture, words } };
  const y = { outputs: { kind: ['a', 'b'], price: new Float32Array(2) } };
  const { history } = await trainer.fit(x, y, { sampleWeight: [1, 2] });
  const { outputs } = await trainer.predict(x);
  const first: Float32Array | undefined = outputs?.['kind']?.output;
  // @ts-expect-error a model with one output has no outputs
  const named: Record<string, { output: Float32Array }> = outputs;
  console.log(named);
  const { outputs: measured } = await trainer.evaluate(x, y, { sampleWeight: new Float32Array(2) });
  console.log(pooled, without, gates, hinge, first, trainer.info.inputs[0]?.name, trainer.info.outputs[0]?.loss, history[0]?.outputs?.['price']?.valLoss);
  return measured?.['kind']?.accuracy;
}

const options: TrainerOptions = {
  mode: 'auto', threads: 'auto', deterministic: true, variant: 'simd', assets: new URL('https://example.org/'),
  timeout: 30_000, heartbeat: 10_000, restart: { retries: 3, delay: 250, factor: 2, maxDelay: 30_000 },
  persist: { name: 'digits', keep: 3, seconds: 10, folder: '/tmp/digits' }, persistData: true, duty: 0.5, keepAwake: true, debug: true,
  signal: new AbortController().signal,
};

export async function train(x: Uint8Array, y: Uint8Array, draw: (epoch: number, loss: number) => void): Promise<Result> {
  const trainer: Trainer = await createTrainer(spec, options);
  const fitting: FitOptions = { epochs: 10, batchSize: 32, shuffle: true, validationSplit: 0.1, progressHz: 5, transfer: true };
  const run: Run = trainer.fit(x, y, { ...fitting, signal: AbortSignal.timeout(1000) });
  const listener = (event: CustomEvent<Progress>) => draw(event.detail.epoch, event.detail.valLoss ?? event.detail.loss);
  run.addEventListener('progress', listener, { once: true });
  run.removeEventListener('progress', listener);
  for await (const progress of run) {
    if (progress.kind === 'epoch') draw(progress.epoch, progress.loss);
    const seconds: number = progress.etaSeconds + progress.elapsedSeconds;
    if (seconds > 100) break;
  }
  await run.pause();
  await run.resume();
  await run.stop();
  const told: void = await run.then(() => {}).finally(() => {});
  void told;

  const { output, label, index, confidence } = await trainer.predict(x, { signal: AbortSignal.timeout(10) });
  const first: number | undefined = output[0];
  if (typeof index === 'number') console.log(index + 1);
  else if (index) console.log(index.length, typeof confidence === 'object' && confidence[0]);
  // @ts-expect-error of many samples it is a list
  const name: string = label;
  console.log(name);
  const words: string = `${label} ${index} ${confidence} ${first}`;
  const { loss, accuracy }: Evaluation = await trainer.evaluate(x, y, { batchSize: 64 });
  const weights: Weight[] = await trainer.getWeights();
  await trainer.setWeights(weights);
  await trainer.setWeights(weights.map(({ shape, data }) => ({ shape, data: [...data] })));
  const info: Info = trainer.info;
  const status: Status = trainer.status();
  const place: 'worker' | 'main' = info.mode;
  console.log(words, loss, accuracy, info.layers.length, info.reason?.length, status.state === 'training', status.lastBeat, place);
  const bytes: Uint8Array = await trainer.save();
  const again: Trainer = await loadTrainer(bytes, { mode: 'main' });
  await again.load(bytes);
  const resumed: Result = await again.fit(x, y, { resume: true, otherData: true, persist: 'digits', persistData: false });
  const latest: Run | undefined = again.run;
  console.log(resumed.step, latest === again.run, info.persist?.name, info.persist?.storage, info.persist?.reason);
  trainer.addEventListener('restart', ({ detail: { attempt, error, step } }) => console.log(attempt, error.message, step));
  trainer.addEventListener('fallback', ({ detail: { reason } }) => console.log(reason), { once: true });
  await Promise.all([trainer.dispose(), again.dispose()]);
  const result: Result = await run;
  const reason: 'finished' | 'stopped' | 'earlyStopping' = result.reason;
  console.log(reason, result.history.map((epoch) => epoch.accuracy ?? epoch.loss), result.epochs, result.durationSeconds);
  return run.result;
}

export async function forms(trainer: Trainer): Promise<void> {
  await trainer.fit([[0, 1], [1, 0]], ['yes', 'no']);
  await trainer.fit([new Float32Array(2), new Float32Array(2)], [[0, 1], [1, 0]]);
  await trainer.fit({ data: new Float64Array(4), shape: [2, 2] }, [0, 1]);
  await trainer.predict([[[[0], [1]]]]);
  await trainer.fit(new Int16Array(4), Int32Array.of(0, 1)).catch((error: unknown) => {
    if (!(error instanceof OffstageError)) throw error;
    const code: ErrorCode = error.code;
    switch (code) {
      case 'INVALID_DATA': return console.log(error.message, error.cause);
      // @ts-expect-error there is no such code
      case 'INVALID': return;
    }
  });
}

export function watched(trainer: Trainer): RunRecord[] {
  trainer.addEventListener('resumed', ({ detail: { at, ms } }) => console.log(at + ms));
  trainer.addEventListener('log', ({ detail: { level, message, time } }) => console.log(level === 'debug', message.length, time + 1));
  const { state, stage, stageSeconds, processId, persist }: Status = trainer.status();
  console.log(state === 'paused', stage === 'saving', stageSeconds.validating + (processId ?? 0), persist?.storage);
  return trainer.runs.filter(({ reason, metrics }) => reason !== null && (metrics?.loss ?? 0) < 1);
}

export async function mistakes(trainer: Trainer): Promise<void> {
  // @ts-expect-error no such event
  trainer.addEventListener('nonsense', () => {});
  // @ts-expect-error no such event of a run
  trainer.run?.addEventListener('epoch', () => {});
  // @ts-expect-error a gap is a number
  trainer.addEventListener('resumed', ({ detail }) => detail.ms.length);
  // @ts-expect-error a spec has layers
  await createTrainer({ inputShape: [1] });
  // @ts-expect-error no such mode
  await createTrainer(spec, { mode: 'thread' });
  // @ts-expect-error no such option
  await createTrainer(spec, { workers: 3 });
  // @ts-expect-error no such option
  trainer.fit([[1]], [1], { epoch: 3 });
  // @ts-expect-error an x is no text
  await trainer.predict('picture');
  // @ts-expect-error info is read only
  trainer.info = {};
  // @ts-expect-error private to the implementation
  trainer.client;
}
