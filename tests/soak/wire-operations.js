/* wire-operations.js: what the walk over the wire may do: operations as plain objects, which a
 * failure prints, and the messages that they stand for. What must come of them is wire-oracle.js's
 * to say. */
import fc from 'fast-check';
import { numbers } from '../numbers.js';

/**
 * Three small models: integer classes, rows, and images of bytes. `bits` of each are comparable.
 */
export const SPECS = {
  A: {
    inputShape: [2],
    layers: [
      { type: 'dense', units: 6, activation: 'tanh' },
      { type: 'dense', units: 2, activation: 'softmax' },
    ],
    learningRate: 0.02,
    seed: 3,
  },
  B: {
    inputShape: [3],
    layers: [
      { type: 'dense', units: 4, activation: 'relu' },
      { type: 'dense', units: 1 },
    ],
    optimizer: { type: 'sgd', learningRate: 0.01, momentum: 0.9 },
    seed: 4,
  },
  C: {
    inputShape: [4, 4, 1],
    layers: [
      { type: 'conv2d', filters: 2, kernelSize: 3, activation: 'relu' },
      { type: 'flatten' },
      { type: 'dropout', rate: 0.2 },
      { type: 'dense', units: 3, activation: 'softmax' },
    ],
    inputScale: 1 / 255,
    seed: 5,
  },
};
/**
 * What a request is judged by.
 * @type {Record<string, { inputs: number, outputs: number, targets: number, classes: number,
 *   shapes: number[][] }>}
 */
export const FACTS = {
  A: { inputs: 2, outputs: 2, targets: 1, classes: 2, shapes: [[2, 6], [6], [6, 2], [2]] },
  B: { inputs: 3, outputs: 1, targets: 0, classes: 0, shapes: [[3, 4], [4], [4, 1], [1]] },
  C: { inputs: 16, outputs: 3, targets: 1, classes: 3, shapes: [[3, 3, 1, 2], [2], [8, 3], [3]] },
};
const BAD_SPECS = {
  empty: { inputShape: [2], layers: [] },
  wide: { inputShape: [2], layers: [{ type: 'dense', units: -1 }] },
  misspelt: { ...SPECS.A, seeed: 1 },
  huge: { inputShape: [2 ** 20], layers: [{ type: 'dense', units: 2 ** 20 }] },
};

/** @param {string} name  of a set: A, B, C or one that is refused @param {number} n samples */
export function dataOf(name, n) {
  const next = numbers(n);
  const { inputs, outputs, targets, classes } =
    FACTS[name === 'nan' || name === 'range' ? 'A' : name];
  const real = name !== 'C';
  const x = (real ? Float32Array : Uint8Array).from({ length: n * inputs }, () =>
    real ? next() - 0.5 : Math.floor(next() * 256),
  );
  const y =
    targets > 0
      ? Int32Array.from({ length: n }, () => Math.floor(next() * classes))
      : Float32Array.from({ length: n * outputs }, next);
  if (name === 'nan') x[n] = NaN;
  if (name === 'range') y[n - 1] = 2;
  return { x, y };
}

const SAMPLES = [1, 7, 19]; // so that no set but C's is a whole number of another model's samples
const data = {
  data: fc.constantFrom('A', 'A', 'A', 'A', 'A', 'B', 'C', 'C', 'nan', 'range'),
  n: fc.constantFrom(...SAMPLES),
};
const via = { upload: fc.constantFrom(0, 0, 1, 2) }; // of x; 0: inline
const spec = fc.constantFrom('A', 'A', 'A', 'A', 'B', 'C');
const op = (/** @type {string} */ name, fields = {}) =>
  fc.record({ op: fc.constant(name), ...fields });

const start = op('start', {
  ...data,
  ...via,
  epochs: fc.constantFrom(1, 2, 3, 40, 1e6, 0),
  batch: fc.constantFrom(4, 5, 32, -1),
  shuffle: fc.boolean(),
  split: fc.constantFrom(0, 0, 0.3, 1),
  hz: fc.constantFrom(1000, 10),
  returnWeights: fc.boolean(),
});
const valid = fc.record({
  op: fc.constant('start'),
  data: fc.constant('A'),
  n: fc.constant(19),
  upload: fc.constant(0),
  epochs: fc.constantFrom(1, 3, 40, 1e6),
  batch: fc.constantFrom(4, 32),
  shuffle: fc.boolean(),
  split: fc.constantFrom(0, 0.3),
  hz: fc.constant(1000),
  returnWeights: fc.constant(false),
});

const weighed = (/** @type {number} */ weight, /** @type {fc.Arbitrary<any>} */ arbitrary) => ({
  weight,
  arbitrary,
});
const init = (/** @type {fc.Arbitrary<string>} */ of) =>
  op('init', {
    spec: of,
    slice: fc.constantFrom(undefined, undefined, 1, 400),
    threads: fc.constantFrom(1, 1, 1, 2),
  });

/** The first operation of a walk. */
export const creation = init(spec);

/* Much waiting and few ends, so that most walks get somewhere. */
const single = fc.oneof(
  weighed(16, op('turns', { n: fc.constantFrom(1, 1, 2, 5, 30) })),
  weighed(8, op('settle')),
  weighed(3, init(spec)),
  weighed(1, init(fc.constantFrom(...Object.keys(BAD_SPECS)))),
  weighed(10, valid),
  weighed(3, start),
  weighed(3, op('stop')),
  weighed(2, op('pause')),
  weighed(3, op('resume')),
  weighed(4, op('predict', { ...data, ...via })),
  weighed(3, op('evaluate', { ...data, ...via, batch: fc.constantFrom(undefined, 4, 0) })),
  weighed(3, op('getWeights')),
  weighed(2, op('setWeights', { of: fc.constantFrom('A', 'A', 'B', 'C', 'nan', 'none') })),
  weighed(
    4,
    op('upload', {
      ...data,
      id: fc.constantFrom(1, 2),
      slice: fc.constantFrom('whole', 'whole', 'first', 'rest', 'huge', 'gap'),
    }),
  ),
  weighed(1, op('discard', { id: fc.constantFrom(1, 2, 3) })),
  weighed(2, op('status')),
  weighed(1, op('ping')),
  weighed(1, op('dispose', { then: fc.constantFrom(null, 'A', 'A', 'A', 'C') })),
  weighed(
    2,
    op('bad', { how: fc.constantFrom('type', 'version', 'id', 'again', 'payload', 'text') }),
  ),
  weighed(5, op('save')),
  weighed(
    4,
    op('load', { of: fc.constantFrom('saved', 'saved', 'saved', 'saved', 'torn', 'nothing') }),
  ),
  weighed(
    7,
    op('again', {
      epochs: fc.constantFrom(undefined, undefined, 1, 3, 40),
      same: fc.constantFrom(true, true, true, false),
      otherData: fc.constantFrom(false, false, true),
    }),
  ),
  weighed(1, op('die', { after: fc.constantFrom(1, 2, 10, 100) })),
  weighed(1, op('kill', { then: fc.constantFrom(null, 'A', 'A', 'C') })),
);

/**
 * A run that is interrupted in its midst and gone on with, in the same model or in one that is
 * loaded.
 */
const interruption = fc
  .tuple(
    op('init', {
      spec: fc.constant('A'),
      slice: fc.constantFrom(1, 400, 5000),
      threads: fc.constant(1),
    }),
    op('settle'),
    fc.oneof(fc.constant({ op: 'turns', n: 1 }), valid),
    op('settle'),
    valid.map((start) => ({ ...start, epochs: Math.min(start.epochs, 40) })),
    op('turns', { n: fc.constantFrom(1, 3, 10, 40, 100) }),
    fc.constantFrom(
      [],
      [
        { op: 'save' },
        { op: 'turns', n: 5 },
        { op: 'stop' },
        { op: 'settle' },
        { op: 'load', of: 'saved' },
      ],
    ),
    op('stop'),
    op('settle'),
    fc.constant({ op: 'again', same: true, otherData: false }),
    op('settle'),
  )
  .map((list) => list.flat());

/** Lists of operations. @param {number} most */
export const walks = (most) =>
  fc
    .array(
      fc.oneof(
        weighed(
          60,
          single.map((one) => [one]),
        ),
        weighed(1, interruption),
      ),
      { minLength: 10, maxLength: most, size: 'max' },
    )
    .map((lists) => lists.flat());

/** Weights of a model's shapes. @param {string} of */
export function weightsOf(of) {
  if (of === 'none') return 7;
  const { shapes } = FACTS[of === 'nan' ? 'A' : of];
  const next = numbers(9);
  const weights = shapes.map((shape) => ({
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next() - 0.5),
  }));
  if (of === 'nan') weights[2].data[5] = NaN;
  return weights;
}

/**
 * The request that an operation stands for.
 * @param {any} op
 * @returns {{ type: string, payload?: any }}
 */
export function requestOf(op) {
  switch (op.op) {
    case 'init': {
      const runtime = {
        variant: op.threads === 2 ? 'simd-mt' : 'simd',
        threads: op.threads,
        sliceWork: op.slice,
      };
      const known = { ...SPECS, ...BAD_SPECS }[/** @type {'A'} */ (op.spec)];
      return { type: 'INIT_TRAINING', payload: { ...known, runtime } };
    }
    case 'start': {
      const { x, y } = dataOf(op.data, op.n);
      return {
        type: 'START_TRAINING',
        payload: {
          x: op.upload ? { upload: op.upload } : x,
          y,
          numEpochs: op.epochs,
          batchSize: op.batch,
          shuffle: op.shuffle,
          validationSplit: op.split,
          progressHz: op.hz,
          returnWeights: op.returnWeights,
        },
      };
    }
    case 'again': {
      const { x, y } = dataOf(op.data, op.n);
      return {
        type: 'START_TRAINING',
        payload: {
          x,
          y,
          numEpochs: op.epochs,
          resume: true,
          otherData: op.otherData,
          progressHz: 1000,
        },
      };
    }
    case 'load':
      return { type: 'LOAD_CHECKPOINT', payload: { bytes: op.bytes } };
    case 'predict':
      return {
        type: 'PREDICT',
        payload: { x: op.upload ? { upload: op.upload } : dataOf(op.data, op.n).x },
      };
    case 'evaluate': {
      const { x, y } = dataOf(op.data, op.n);
      return {
        type: 'EVALUATE_MODEL',
        payload: { x: op.upload ? { upload: op.upload } : x, y, batchSize: op.batch },
      };
    }
    case 'setWeights':
      return { type: 'SET_WEIGHTS', payload: { weights: weightsOf(op.of) } };
    case 'upload':
      return { type: 'UPLOAD_DATA', payload: sliceOf(op) };
    case 'discard':
      return { type: 'DISCARD_DATA', payload: { upload: op.id } };
    default:
      return {
        type: {
          stop: 'STOP_TRAINING',
          pause: 'PAUSE_TRAINING',
          resume: 'RESUME_TRAINING',
          getWeights: 'GET_WEIGHTS',
          save: 'SAVE_CHECKPOINT',
          status: 'GET_STATUS',
          ping: 'PING',
          dispose: 'DISPOSE',
        }[/** @type {'ping'} */ (op.op)],
      };
  }
}

/** Which bytes of which upload. @param {{ data: string, n: number, slice: string }} op */
export function rangeOf({ data: name, n, slice }) {
  const { x } = dataOf(name, n);
  const length = x.byteLength;
  const half = 4 * Math.floor(length / 8);
  const [begin, end] = {
    whole: [0, length],
    first: [0, half],
    rest: [half, length],
    huge: [0, 4],
    gap: [4, 8],
  }[/** @type {'gap'} */ (slice)];
  const hasNaN = name === 'nan' && begin <= 4 * n && end > 4 * n;
  return {
    x,
    begin,
    end,
    dtype: x instanceof Float32Array ? 'float32' : 'uint8',
    total: slice === 'huge' ? 2 ** 40 : length,
    hasNaN,
  };
}

/** @param {any} op */
function sliceOf(op) {
  const { x, begin, end, dtype, total } = rangeOf(op);
  return {
    upload: op.id,
    dtype,
    total,
    offset: begin,
    bytes: new Uint8Array(x.buffer).slice(begin, end).buffer,
  };
}

/**
 * A message that is no request, and the id that its answer must have.
 * @param {string} how
 * @param {number} id
 * @param {any} pending an id that is pending
 */
export function badMessage(how, id, pending) {
  switch (how) {
    case 'type':
      return { message: { v: 1, id, type: 'BEGIN' }, answer: id };
    case 'version':
      return { message: { v: 2, id, type: 'PING' }, answer: id };
    case 'id':
      return { message: { v: 1, id: { a: 1 }, type: 'PING' }, answer: null };
    case 'again':
      return pending === undefined
        ? null
        : { message: { v: 1, id: pending, type: 'PING' }, answer: pending };
    case 'payload':
      return { message: { v: 1, id, type: 'PING', payload: [1] }, answer: id };
    default:
      return { message: 'INIT_TRAINING', answer: null };
  }
}
