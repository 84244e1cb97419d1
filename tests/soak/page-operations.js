/* page-operations.js: what the walk over the page's API may do, as plain objects, which a failure
 * prints. The data and the models are those of the walk over the wire. */
import fc from 'fast-check';

const data = {
  data: fc.constantFrom('A', 'A', 'A', 'A', 'B', 'C', 'nan', 'range'),
  n: fc.constantFrom(1, 7, 19),
};
const op = (/** @type {string} */ name, fields = {}) =>
  fc.record({ op: fc.constant(name), ...fields });
const signal = { abort: fc.constantFrom(false, false, false, false, true) };

const fit = op('fit', {
  ...data,
  ...signal,
  epochs: fc.constantFrom(1, 3, 40, 1e6, 0),
  batch: fc.constantFrom(4, 5, 32),
  shuffle: fc.boolean(),
  split: fc.constantFrom(0, 0, 0.3, 1),
  hz: fc.constantFrom(1000, 10),
  transfer: fc.constantFrom(false, false, false, true),
  iterate: fc.boolean(),
});
const valid = fc.record({
  op: fc.constant('fit'),
  data: fc.constant('A'),
  n: fc.constant(19),
  abort: fc.constant(false),
  epochs: fc.constantFrom(1, 3, 300, 1e6),
  batch: fc.constantFrom(4, 32),
  shuffle: fc.boolean(),
  split: fc.constantFrom(0, 0.3),
  hz: fc.constant(1000),
  transfer: fc.constant(false),
  iterate: fc.boolean(),
});

/** The first operation of a walk. */
export const creation = op('create', {
  spec: fc.constantFrom('A', 'A', 'A', 'B', 'C'),
  threads: fc.constantFrom(1, 1, 2),
});

const common = [
  { weight: 8, arbitrary: op('turns', { n: fc.constantFrom(1, 2, 5, 20) }) },
  { weight: 3, arbitrary: op('settle') },
  { weight: 5, arbitrary: valid },
  { weight: 3, arbitrary: fit },
  { weight: 3, arbitrary: op('stop') },
  { weight: 3, arbitrary: op('pause') },
  { weight: 3, arbitrary: op('resume') },
  {
    weight: 4,
    arbitrary: op('predict', { ...data, ...signal, transfer: fc.constantFrom(false, false, true) }),
  },
  {
    weight: 3,
    arbitrary: op('evaluate', { ...data, ...signal, batch: fc.constantFrom(undefined, 4, 0) }),
  },
  { weight: 3, arbitrary: op('getWeights') },
  { weight: 2, arbitrary: op('setWeights', { of: fc.constantFrom('A', 'A', 'B', 'nan', 'none') }) },
  { weight: 2, arbitrary: op('abort') },
  { weight: 4, arbitrary: op('save') },
  { weight: 3, arbitrary: op('load', { of: fc.constantFrom('saved', 'saved', 'saved', 'torn') }) },
  {
    weight: 5,
    arbitrary: op('again', {
      epochs: fc.constantFrom(undefined, undefined, 1, 3, 40),
      same: fc.constantFrom(true, true, true, false),
      otherData: fc.constantFrom(false, false, true),
      abort: fc.constant(false),
      iterate: fc.boolean(),
    }),
  },
];

/** Operations without a death, and with. @param {string[]} deaths  of fragile.js */
export const operationsWith = (deaths) =>
  fc.oneof(
    ...common,
    { weight: 1, arbitrary: op('dispose') },
    ...(deaths.length === 0
      ? []
      : [
          {
            weight: 2,
            arbitrary: op('die', {
              how: fc.constantFrom(...deaths),
              after: fc.constantFrom(1, 3, 20),
            }),
          },
        ]),
  );
