/* hostile-checkpoint.test.js: checkpoints that are cut, damaged, or whole and wrong: each is
 * BAD_CHECKPOINT.
 *
 * A wrong one has the right checksum and lengths, so that what is refused is what it says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  decodeCheckpoint,
  encodeCheckpoint,
  openCheckpoint,
} from '../../worker/trainer/checkpoint.js';
import { crc32 } from '../../worker/host/crc32.js';

const SUM = '00000000';
const settings = { epochs: 3, batchSize: 2, shuffle: true, validationSplit: 0.25 };
const run = {
  settings,
  samples: 8,
  epoch: 2,
  batch: 1,
  key: 1,
  steps: 4,
  trained: 8,
  elapsedMs: 5,
  ended: null,
  fingerprint: 'f',
};
const record = {
  id: 1,
  startedAt: 1,
  endedAt: 2,
  reason: 'finished',
  options: settings,
  metrics: { epoch: 1, loss: 'NaN', accuracy: 0.5 },
  steps: 4,
};
const about = {
  format: 1,
  coreVersion: '0',
  spec: {},
  step: '4',
  epochsBegun: '2',
  run,
  runs: [record],
};
const tensors = {
  'run/totals': { dtype: 'F64', shape: [3], data_offsets: [0, 24] },
  'history/loss': { dtype: 'F64', shape: [1], data_offsets: [24, 32] },
  'history/accuracy': { dtype: 'F64', shape: [1], data_offsets: [32, 40] },
  'dense/kernel': { dtype: 'F32', shape: [2, 1], data_offsets: [40, 48] },
  'dense/none': { dtype: 'F32', shape: [0], data_offsets: [40, 40] },
};
const data = new Uint8Array(new Float64Array([1, 2, 3, 0.5, 0.25, 0]).buffer);

/** @param {Uint8Array} text of the header @param {Uint8Array} rest */
function sealed(text, rest) {
  const bytes = Buffer.concat([Buffer.alloc(8), text, rest]);
  bytes.writeBigUInt64LE(BigInt(text.length));
  const at = bytes.indexOf(SUM);
  bytes.write(
    crc32(bytes.subarray(at + 8), crc32(bytes.subarray(0, at)))
      .toString(16)
      .padStart(8, '0'),
    at,
  );
  return new Uint8Array(bytes);
}

/**
 * @param {{ about?: any, offstage?: any, metadata?: any, tensors?: any, data?: Uint8Array }}
 *   [change]
 */
function checkpoint(change = {}) {
  const { offstage = JSON.stringify(change.about ?? about), metadata = {} } = change;
  const header = {
    __metadata__: { checksum: SUM, offstage, ...metadata },
    ...(change.tensors ?? tensors),
  };
  return sealed(Buffer.from(JSON.stringify(header)), change.data ?? data);
}

/** @param {Uint8Array} bytes @param {RegExp} message */
const refused = (bytes, message) =>
  assert.throws(() => decodeCheckpoint(bytes), {
    name: 'OffstageError',
    code: 'BAD_CHECKPOINT',
    message,
  });
/** @param {any} change */
const withRun = (change) => ({ about: { ...about, run: { ...run, ...change } } });
/** @param {any} change */
const withRecord = (change) => ({ about: { ...about, runs: [{ ...record, ...change }] } });
/** @param {string} name @param {any} change */
const withTensor = (name, change) => ({
  tensors: { ...tensors, [name]: { .../** @type {any} */ (tensors)[name], ...change } },
});

test('what is whole is read', () => {
  const read = decodeCheckpoint(checkpoint());
  assert.deepEqual([...read.tensors.keys()].sort(), ['dense/kernel', 'dense/none']);
  assert.deepEqual(read.about.run, {
    ...run,
    totals: [1, 2, 3],
    history: [{ epoch: 1, loss: 0.5, accuracy: 0.25 }],
  });
  assert.deepEqual(read.about.runs, [
    { ...record, metrics: { epoch: 1, loss: NaN, accuracy: 0.5 } },
  ]);
  const { about: idle } = decodeCheckpoint(
    checkpoint({ about: { ...about, run: null, runs: [] }, tensors: {}, data: new Uint8Array(0) }),
  );
  assert.equal(idle.run, null);
  const open = withRecord({ endedAt: null, reason: null, metrics: null });
  assert.equal(decodeCheckpoint(checkpoint(open)).about.runs[0].endedAt, null);
  const whole = { ...withRun({ epoch: 1, batch: 3 }) };
  assert.equal(decodeCheckpoint(checkpoint(whole)).about.run?.batch, 3);
  const none = { 'run/totals': tensors['run/totals'] };
  assert.deepEqual(
    decodeCheckpoint(
      checkpoint({ ...withRun({ epoch: 0, batch: 0 }), tensors: none, data: data.subarray(0, 24) }),
    ).about.run?.history,
    [],
  );
});

test('totals of all runs are read; a file of before has those of its runs, of which the last 100 stay', () => {
  const told = { runs: 120, epochs: 240, steps: 480, seconds: 1.5 };
  assert.deepEqual(
    decodeCheckpoint(checkpoint({ about: { ...about, totals: told } })).about.totals,
    told,
  );
  const many = Array.from({ length: 150 }, (_, i) => ({
    ...record,
    id: i + 1,
    endedAt: i === 149 ? null : 2001,
    metrics: i === 149 ? null : record.metrics,
  }));
  const { runs, totals } = decodeCheckpoint(checkpoint({ about: { ...about, runs: many } })).about;
  assert.deepEqual([runs.length, runs[0].id], [100, 51]);
  assert.deepEqual(totals, { runs: 150, epochs: 149, steps: 600, seconds: 298 });
  const wrong = (/** @type {any} */ change, /** @type {RegExp} */ message) =>
    refused(checkpoint({ about: { ...about, totals: { ...told, ...change } } }), message);
  for (const name of ['runs', 'epochs', 'steps', 'seconds'])
    for (const value of [-1, '5', null]) wrong({ [name]: value }, new RegExp(`totals.${name} is`));
  wrong({ steps: 0.5 }, /totals.steps is 0.5, expected a count/);
  wrong({ more: 1 }, /totals: unknown field 'more'/);
  refused(checkpoint({ about: { ...about, totals: [1] } }), /totals is \[1\]/);
});

test('cut off at every length, and with every byte another', () => {
  const bytes = checkpoint();
  for (let length = 0; length < bytes.length; length++)
    refused(bytes.subarray(0, length), /refused/);
  for (let at = 0; at < bytes.length; at++) {
    const other = bytes.slice();
    other[at] ^= 1 << (at % 8);
    refused(other, /refused/);
  }
  refused(Uint8Array.from([...bytes, 0]), /checksum/);
  const far = bytes.slice();
  new DataView(far.buffer).setBigUint64(0, 2n ** 64n - 1n, true);
  refused(far, /cut off/);
});

test('headers that are none', () => {
  const head = Buffer.from(`{"__metadata__":{"checksum":"${SUM}"`);
  refused(sealed(Buffer.concat([head, Buffer.from([0xff, 0xfe])]), data), /no UTF-8/);
  refused(sealed(head, data), /no JSON/);
  refused(sealed(Buffer.concat([head, Buffer.from('},"a":1}')]), data), /offstage is undefined/);
  refused(
    sealed(Buffer.concat([head, Buffer.from('},"__metadata__":[1]}')]), data),
    /__metadata__ is \[1\]/,
  );
  refused(checkpoint({ metadata: { more: '1' } }), /unknown field 'more'/);
  refused(checkpoint({ offstage: 5 }), /offstage is 5/);
  refused(checkpoint({ offstage: '{' }), /offstage is no JSON/);
  refused(checkpoint({ offstage: 'null' }), /the description is null/);
});

test('tensors that are wrong', () => {
  const wrong = (/** @type {any} */ change, /** @type {RegExp} */ message) =>
    refused(checkpoint(withTensor('dense/kernel', change)), message);
  for (const dtype of ['I8', 'toString', null, ['F32'], { toString: 1 }]) wrong({ dtype }, /dtype/);
  for (const shape of [null, 2, [2, -1], [0.5], [2, '1'], [1e308, 1e308], Array(9).fill(1)])
    wrong({ shape }, /shape/);
  for (const offsets of [null, [40], [40, 48, 49], [40, -1], [40.5, 48.5], ['40', '48']])
    wrong({ data_offsets: offsets }, /data_offsets/);
  wrong({ data_offsets: [40, 47] }, /expected 8 for its shape \[2, 1\]/);
  wrong({ data_offsets: [48, 40] }, /expected 8/);
  wrong({ more: 1 }, /unknown field 'more'/);
  wrong({ data_offsets: [32, 40] }, /overlap/);
  wrong({ data_offsets: [44, 52] }, /gap/);
  refused(checkpoint({ tensors: { ...tensors, 'dense/bias': null } }), /is null/);
  refused(checkpoint({ data: data.subarray(0, 40) }), /its tensors end at 48, its file at 40/);
  refused(checkpoint(withTensor('run/totals', { dtype: 'F32', shape: [6] })), /F32 of rank 1/);
  refused(checkpoint(withTensor('run/totals', { shape: [3, 1] })), /rank 2/);
  refused(
    checkpoint({ tensors: { a: { dtype: 'F64', shape: [6], data_offsets: [0, 48] } } }),
    /run\/totals holds 0 numbers/,
  );
  const short = {
    ...tensors,
    'run/totals': { dtype: 'F64', shape: [2], data_offsets: [0, 16] },
    'history/loss': { dtype: 'F64', shape: [2], data_offsets: [16, 32] },
  };
  refused(checkpoint({ tensors: short }), /run\/totals holds 2 numbers/);
  const uneven = {
    ...tensors,
    'history/accuracy': { dtype: 'F64', shape: [2], data_offsets: [32, 48] },
    'dense/kernel': { dtype: 'F32', shape: [0], data_offsets: [48, 48] },
    'dense/none': { dtype: 'F32', shape: [0], data_offsets: [0, 0] },
  };
  refused(checkpoint({ tensors: uneven }), /history\/accuracy has 2 epochs, history\/loss 1/);
});

test('in pieces, where somebody waits', () => {
  const steps = [...openCheckpoint({ look: () => true }, checkpoint())];
  assert.deepEqual(steps, [undefined]);
});

test('what several outputs have measured, and where a run goes back to, are read as they were written', () => {
  const pump = { look: () => false };
  const history = [
    {
      epoch: 1,
      loss: 3,
      valLoss: NaN,
      outputs: { a: { loss: 1, valLoss: 2 }, b: { loss: 4, accuracy: 0.5 } },
    },
    {
      epoch: 2,
      loss: 2,
      valLoss: 1,
      outputs: { a: { loss: 1, valLoss: 3 }, b: { loss: 2, accuracy: 1 } },
    },
  ];
  const totals = [1, 2, 3, 4, 5, 6, 7];
  const rolling = { ...settings, nonFinite: /** @type {const} */ ('rollback') };
  const whole = {
    ...about,
    step: 4,
    epochsBegun: 2,
    runs: [{ ...record, options: rolling, metrics: history[0] }],
    run: {
      ...run,
      settings: rolling,
      totals,
      history,
      epoch: 3,
      rollback: { count: 1, step: 3, loss: 0.5 },
      before: Uint8Array.of(1, 2, 3, 4),
    },
  };
  const weights = [
    {
      name: 'a/bias',
      dtype: /** @type {const} */ ('F32'),
      shape: [1],
      read: () => new Uint8Array(4),
    },
  ];
  const work = encodeCheckpoint(/** @type {any} */ (pump), /** @type {any} */ (whole), weights);
  const { about: read, tensors: found } = decodeCheckpoint(/** @type {any} */ (work.next().value));
  const { before, ...rest } = whole.run;
  assert.deepEqual(read.run, rest);
  assert.deepEqual(read.runs, whole.runs);
  assert.deepEqual([...found.keys()], ['a/bias', 'rollback/a/bias']);
});

test('measures of outputs that cannot be', () => {
  const named = (/** @type {string} */ name, /** @type {number} */ length) => ({
    ...tensors,
    [name]: { dtype: 'F64', shape: [length], data_offsets: [48, 48 + 8 * length] },
  });
  const longer = new Uint8Array(64);
  longer.set(data);
  refused(
    checkpoint({ tensors: named('history/b/loss', 2), data: longer }),
    /history\/b\/loss has 2 epochs, history\/loss 1/,
  );
  const narrow = { dtype: 'F32', shape: [2], data_offsets: [48, 56] };
  refused(
    checkpoint({
      tensors: { ...tensors, 'history/b/loss': narrow },
      data: longer.slice(0, 56),
    }),
    /'history\/b\/loss' is F32 \[2\], expected F64 of each epoch/,
  );
  for (const name of ['history/b/c/loss', 'history/colour']) {
    assert.ok(
      decodeCheckpoint(checkpoint({ tensors: named(name, 2), data: longer })).tensors.has(name),
      'is left for who knows the model',
    );
  }
  refused(checkpoint(withRecord({ metrics: { epoch: 1, loss: 1, outputs: 5 } })), /outputs is 5/);
  refused(
    checkpoint(withRecord({ metrics: { epoch: 1, loss: 1, outputs: { b: { colour: 1 } } } })),
    /outputs.b: unknown field 'colour'/,
  );
  refused(
    checkpoint(withRecord({ metrics: { epoch: 1, loss: 1, outputs: { b: { loss: '1' } } } })),
    /outputs.b.loss is '1'/,
  );
  refused(checkpoint(withRun({ settings: { ...settings, nonFinite: 'x' } })), /nonFinite is 'x'/);
  refused(
    checkpoint(withRun({ rollback: { count: 1, step: 2, loss: '3' } })),
    /run.rollback.loss is '3', expected a number or null/,
  );
});

test('descriptions that cannot be', () => {
  const wrong = (/** @type {any} */ change, /** @type {RegExp} */ message) =>
    refused(checkpoint({ about: { ...about, ...change } }), message);
  wrong({ format: 2 }, /format is 2/);
  wrong({ coreVersion: 1 }, /coreVersion is 1/);
  wrong({ spec: [] }, /spec is \[\]/);
  wrong({ runs: {} }, /runs is/);
  wrong({ more: 1 }, /unknown field 'more'/);
  for (const step of [4, '-1', '1.5', '01', '1e3', '99999999999999999', '9999999999999999', ''])
    wrong({ step }, /step is/);
});

test('runs that cannot be', () => {
  const wrong = (/** @type {any} */ change, /** @type {RegExp} */ message) =>
    refused(checkpoint(withRun(change)), message);
  for (const name of ['samples', 'epoch', 'batch', 'key', 'steps', 'trained']) {
    for (const value of [undefined, null, '1', -1, 0.5, 2 ** 53])
      wrong({ [name]: value }, new RegExp(`run.${name} is`));
  }
  wrong({ samples: 0, batch: 0 }, /run stands at/);
  wrong({ samples: 1 }, /run stands at/);
  wrong({ epoch: 4 }, /run stands at/);
  wrong({ batch: 4 }, /there are 3 and 3/);
  wrong({ epoch: 1 }, /its history has 1 epochs/);
  wrong({ epoch: 3 }, /its history has 1 epochs/);
  wrong({ elapsedMs: '5' }, /elapsedMs/);
  wrong({ elapsedMs: -5 }, /elapsedMs/);
  wrong({ ended: 'never' }, /ended/);
  wrong({ fingerprint: null }, /fingerprint/);
  wrong({ learningRate: -1 }, /run.learningRate is -1, expected a number from 0/);
  wrong({ waiting: 1 }, /run.waiting is 1, expected true/);
  wrong({ waiting: true }, /run waits at the end of epoch 2, which is not complete/);
  const stands = withRun({ epoch: 1, batch: 3, waiting: true, learningRate: 0.5 });
  assert.equal(decodeCheckpoint(checkpoint(stands)).about.run?.waiting, true);
  wrong({ settings: { ...settings, more: 1 } }, /unknown field 'more'/);
  wrong({ settings: { ...settings, epochs: 0 } }, /run\.settings\.epochs is 0/);
  wrong({ settings: { ...settings, batchSize: 0 } }, /run\.settings\.batchSize is 0/);
  wrong({ settings: { ...settings, shuffle: 1 } }, /shuffle/);
  for (const split of [-0.5, 1, null, '0'])
    wrong({ settings: { ...settings, validationSplit: split } }, /validationSplit/);
  const record = (/** @type {any} */ change, /** @type {RegExp} */ message) =>
    refused(checkpoint(withRecord(change)), message);
  record({ id: -1 }, /runs\[0\].id/);
  record({ steps: 0.5 }, /runs\[0\].steps/);
  record({ startedAt: null }, /startedAt is null, expected a time/);
  record({ endedAt: 'x' }, /endedAt/);
  record({ reason: 5 }, /reason is 5/);
  record({ options: null }, /options is null/);
  record({ metrics: { loss: 'none' } }, /metrics.loss is 'none'/);
  record({ metrics: { f1: 1 } }, /unknown field 'f1'/);
  refused(checkpoint({ about: { ...about, runs: [1] } }), /runs\[0\] is 1/);
});

test('a checkpoint that no memory holds is refused before a byte of it is read', () => {
  const huge = {
    name: 'dense/kernel',
    dtype: /** @type {const} */ ('F32'),
    shape: [2 ** 25, 2 ** 25],
    read: () => assert.fail('was read'),
  };
  const work = encodeCheckpoint(
    { look: () => false },
    /** @type {any} */ ({ ...about, run: null, step: 1, epochsBegun: 1 }),
    [huge],
  );
  assert.throws(() => work.next(), { code: 'OUT_OF_MEMORY' });
});

test('what decides about a run, where it cannot be', () => {
  const stops = { earlyStopping: { patience: 3, restoreBest: true }, until: { loss: 1 } };
  const wrong = (/** @type {any} */ change, /** @type {RegExp} */ message) =>
    refused(checkpoint(withRun({ settings: { ...settings, ...stops }, ...change })), message);
  const best = { epoch: 1, restored: false };
  const given = withRun({ settings: { ...settings, ...stops }, best });
  assert.deepEqual(decodeCheckpoint(checkpoint(given)).about.run?.best, best);
  wrong({}, /run.best is undefined/);
  wrong({ best: 5 }, /run.best is 5/);
  wrong({ best: { ...best, more: 1 } }, /run.best: unknown field 'more'/);
  for (const epoch of [undefined, -1, 0.5, '1', 2 ** 53]) {
    wrong({ best: { ...best, epoch } }, /run.best.epoch is/);
  }
  wrong({ best: { ...best, epoch: 2 } }, /run.best.epoch is 2, its history has 1 epochs/);
  for (const restored of [undefined, 1, 'true']) {
    wrong({ best: { ...best, restored } }, /run.best.restored is/);
  }
  wrong({ best: { epoch: 0, restored: true } }, /run.best.restored is true, of epoch 0/);
  refused(checkpoint(withRun({ best })), /run.best is .*, of a run that restores none/);
  wrong({ best, decided: 'earlyStopping' }, /run.decided is 'earlyStopping' in epoch 2/);
  const complete = { epoch: 1, batch: 3 };
  for (const decided of [null, 'limit', 'toString', 1, ['reached']]) {
    wrong({ best, ...complete, decided }, /run.decided is/);
  }
  for (const decided of ['earlyStopping', 'reached']) {
    refused(checkpoint(withRun({ ...complete, decided })), /run.decided is/);
    const { settings: all } = /** @type {any} */ (given.about.run);
    const whole = checkpoint(withRun({ ...complete, settings: all, best, decided }));
    assert.equal(decodeCheckpoint(whole).about.run?.decided, decided);
  }
  for (const name of ['earlyStopping', 'reduceOnPlateau', 'until']) {
    for (const value of [1, 'x', [], null]) {
      refused(
        checkpoint(withRun({ settings: { ...settings, [name]: value } })),
        new RegExp(`run.settings.${name} is`),
      );
    }
  }
});
