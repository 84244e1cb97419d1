/* control-core.test.js: what decides during a run, through the core's exports: schedules against
 * their formulas restated, decisions against the rules of Keras 3.16's callbacks restated with
 * their order of operations, states that come back, refusals, the rates a model takes. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { loadModule } from '../../worker/host/module.js';
import { recordNamed } from '../../worker/spec/fields.js';
import { readOptions } from '../../worker/spec/options.js';
import { encodeRecords, encodeSpec } from '../../worker/spec/spec.js';
import { Core } from '../../worker/trainer/core.js';
import { ONE_CYCLES } from './one-cycle.js';

/** @typedef {Record<string, any>} Options */

const core = await Core.create(await loadModule('simd'));
const [KEEP_BEST, STOP_EARLY, STOP_REACHED] = [1, 2, 4];
const SCHEDULES_NAMED = core.schema.records
  .filter(({ group }) => group === 'schedule')
  .map(({ type }) => type);

/** Records with every default. @param {Options[]} list */
const recordsOf = (list) =>
  list.map(({ type, ...options }) => {
    const group = SCHEDULES_NAMED.includes(type) ? 'schedule' : 'decision';
    const record = recordNamed(core.schema, group, type, type);
    const values = readOptions(core.schema, record, options, {
      what: type,
      code: 'INVALID_OPTION',
    });
    return { record, values };
  });

/** @param {Options[]} list @param {number} [monitors] @param {Core} [of] */
const control = (list, monitors = 1, of = core) =>
  of.controlInit(encodeRecords(of.schema, recordsOf(list)), monitors);

/** Numbers in [0, 1), the same each time. @param {number} seed */
function numbers(seed) {
  let state = seed * 2654435761 + 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/* ---- schedules ---- */

const wave = (/** @type {number} */ t) => Math.cos((Math.PI / 2) * t) ** 2; // (1 + cos(pi t)) / 2
const floorIf = (/** @type {boolean} */ staircase, /** @type {number} */ x) =>
  staircase ? Math.floor(x) : x;

/** @type {Record<string, (s: number, o: any) => number>} */
const FORMULAS = {
  constant: (_, { learningRate }) => learningRate,
  exponential: (s, { learningRate, decaySteps, decayRate, staircase = false }) =>
    learningRate * decayRate ** floorIf(staircase, s / decaySteps),
  inverseTime: (s, { learningRate, decaySteps, decayRate, staircase = false }) =>
    learningRate / (1 + decayRate * floorIf(staircase, s / decaySteps)),
  piecewise: (s, { boundaries, values }) => {
    const i = boundaries.findIndex((/** @type {number} */ at) => s <= at);
    return values[i < 0 ? boundaries.length : i];
  },
  polynomial: (
    s,
    { learningRate, decaySteps, endLearningRate = 1e-4, power = 1, cycle = false },
  ) => {
    const span = cycle ? decaySteps * Math.max(1, Math.ceil(s / decaySteps)) : decaySteps;
    const past = Math.min(s, span) / span;
    return (learningRate - endLearningRate) * (1 - past) ** power + endLearningRate;
  },
  cosine: (s, { learningRate, decaySteps, alpha = 0, warmupTarget, warmupSteps = 0 }) => {
    const from = warmupTarget === undefined ? 0 : learningRate; // Keras has no warm-up without one
    const top = warmupTarget ?? learningRate;
    if (s < warmupSteps) return ((top - from) * s) / warmupSteps + from;
    const past = (Math.min(s, decaySteps + warmupSteps) - warmupSteps) / decaySteps;
    return top * ((1 - alpha) * wave(past) + alpha);
  },
  cosineRestarts: (s, { learningRate, firstDecaySteps, tMul = 2, mMul = 1, alpha = 0 }) => {
    let past = s;
    let span = firstDecaySteps;
    let height = 1;
    for (; past >= span; span *= tMul) {
      past -= span;
      height *= mMul;
    }
    return learningRate * ((1 - alpha) * height * wave(past / span) + alpha);
  },
  oneCycle: (
    s,
    {
      totalSteps,
      maxLearningRate: most,
      pctStart = 0.3,
      divFactor = 25,
      finalDivFactor = 1e4,
      learningRate: first = most / divFactor,
    },
  ) => {
    const top = pctStart * totalSteps - 1;
    const end = first / finalDivFactor;
    const at = Math.min(s, totalSteps - 1);
    if (at <= top) return most + (first - most) * wave(top > 0 ? at / top : 1);
    return end + (most - end) * wave((at - top) / (totalSteps - 1 - top));
  },
};

const learningRate = 0.05;
const SCHEDULES = [
  { type: 'constant', learningRate },
  { type: 'exponential', learningRate, decaySteps: 37, decayRate: 0.9 },
  { type: 'exponential', learningRate, decaySteps: 40, decayRate: 1.02, staircase: true },
  { type: 'piecewise', boundaries: [10, 50, 51], values: [1, 0.5, 0, 0.25] },
  { type: 'piecewise', boundaries: [0], values: [0.1, 0.2], per: 'epoch' },
  { type: 'polynomial', learningRate, decaySteps: 300 },
  { type: 'polynomial', learningRate, decaySteps: 70, power: 0.5, cycle: true },
  { type: 'polynomial', learningRate, decaySteps: 70, power: 3, endLearningRate: 0.1 },
  { type: 'inverseTime', learningRate, decaySteps: 12, decayRate: 0.7 },
  { type: 'inverseTime', learningRate, decaySteps: 20, decayRate: 2, staircase: true },
  { type: 'cosine', learningRate, decaySteps: 300 },
  { type: 'cosine', learningRate, decaySteps: 200, alpha: 0.1, warmupTarget: 0.2, warmupSteps: 60 },
  { type: 'cosine', learningRate: 0, decaySteps: 90, warmupTarget: 0.2, warmupSteps: 1 },
  { type: 'cosine', learningRate, decaySteps: 200, warmupSteps: 60, per: 'epoch' },
  { type: 'cosineRestarts', learningRate, firstDecaySteps: 20 },
  { type: 'cosineRestarts', learningRate, firstDecaySteps: 32, tMul: 1, mMul: 0.8 },
  { type: 'cosineRestarts', learningRate, firstDecaySteps: 16, tMul: 1.5, mMul: 0.9, alpha: 0.01 },
  { type: 'oneCycle', totalSteps: 250, maxLearningRate: 0.1 },
  { type: 'oneCycle', totalSteps: 90, maxLearningRate: 2, pctStart: 0.5, finalDivFactor: 1 },
  { type: 'cosineRestarts', learningRate, firstDecaySteps: 1, tMul: 1 },
  { type: 'cosineRestarts', learningRate, firstDecaySteps: 7, per: 'epoch' },
  { type: 'oneCycle', totalSteps: 40, maxLearningRate: 2, pctStart: 0, divFactor: 3 },
  { type: 'oneCycle', totalSteps: 40, maxLearningRate: 2, pctStart: 1, per: 'epoch' },
  { type: 'oneCycle', totalSteps: 30, maxLearningRate: 0.2, learningRate, finalDivFactor: 10 },
  ...[1, 2, 3].flatMap((totalSteps) =>
    [0, 0.3, 1].map((pctStart) => ({
      type: 'oneCycle',
      totalSteps,
      maxLearningRate: 0.1,
      pctStart,
    })),
  ),
];

test('schedules are their formulas', () => {
  for (const schedule of SCHEDULES) {
    const made = control([schedule]);
    const formula = FORMULAS[schedule.type];
    // Over a million periods the rounding of s / N would be seen
    const far = /cosineRestarts|exponential/.test(schedule.type) ? [1e4] : [1e4, 1e6 + 1, 2 ** 40];
    for (const s of [...Array(700).keys(), ...far]) {
      const [updates, epochs] = schedule.per === 'epoch' ? [3, s] : [s, 3];
      const rate = core.controlRate(made, 7, updates, epochs);
      const expected = formula(s, schedule);
      const near =
        rate === expected || Math.abs(rate - expected) <= 1e-12 * Math.abs(expected) + 1e-30;
      assert.ok(near, `${JSON.stringify(schedule)} at ${s}: ${rate}, expected ${expected}`);
    }
    core.memory.free(made);
  }
});

test('restarts begin where a cycle begins, whatever tMul, to the update', () => {
  for (const [tMul, firstDecaySteps] of [
    [1, 3],
    [1.5, 16],
    [2, 5],
    [3, 1],
    [1000, 7],
  ]) {
    const made = control([{ type: 'cosineRestarts', firstDecaySteps, tMul, mMul: 0.5 }]);
    let at = 0;
    let span = firstDecaySteps;
    for (let cycle = 0; cycle < 12 && at < 2 ** 40 && Number.isInteger(at); cycle++) {
      assert.equal(core.controlRate(made, 1, at, 0), 0.5 ** cycle, `tMul ${tMul}, cycle ${cycle}`);
      if (at > 0) assert.ok(core.controlRate(made, 1, at - 1, 0) <= 0.5 ** (cycle - 1));
      at += span;
      span *= tMul;
    }
  }
});

test("one cycle is PyTorch's", () => {
  for (const { rates, ...schedule } of ONE_CYCLES) {
    const made = control([{ type: 'oneCycle', ...schedule }]);
    rates.forEach((expected, s) => {
      const rate = core.controlRate(made, 7, s, 0);
      assert.ok(Math.abs(rate - expected) <= 1e-12 * expected, `${s}: ${rate}, ${expected}`);
    });
    assert.equal(core.controlRate(made, 7, 1e9, 0), core.controlRate(made, 7, rates.length - 1, 0));
  }
});

test("a schedule without learningRate starts at the optimizer's own", () => {
  const made = control([{ type: 'exponential', decaySteps: 10, decayRate: 0.5 }]);
  assert.equal(core.controlRate(made, 0.25, 0, 0), 0.25);
  assert.equal(core.controlRate(control([{ type: 'constant' }]), 0.25, 9, 9), 0.25);
});

test('rates stay numbers at the ends of all ranges', () => {
  const { records } = core.schema;
  for (const { type, fields } of records.filter(({ group }) => group === 'schedule')) {
    for (let turn = 0; turn < 60; turn++) {
      const next = numbers(turn + type.length * 100);
      /** @type {Options} */ const given = { type };
      for (const { name, kind, low, high, most, presence } of fields) {
        if (presence !== 'required' && next() < 0.3) continue;
        const number = Math.min(
          Math.max([low, high, 1, 1.0000001][Math.floor(next() * 4)], low),
          high,
        );
        if (kind === 'enum') given[name] = next() < 0.5 ? 'step' : 'epoch';
        else if (kind === 'boolean') given[name] = next() < 0.5;
        else if (name === 'boundaries') given[name] = [0, high];
        else if (kind === 'integer') given[name] = Math.floor(number);
        else given[name] = most > 1 ? [low, high, number] : number;
      }
      if (given.warmupTarget !== undefined && !given.warmupSteps) given.warmupSteps = 1;
      const made = control([given]);
      for (const s of [0, 1, 1e15, 2 ** 53]) {
        const rate = core.controlRate(made, 1e6, s, s);
        assert.ok(rate >= 0, `${JSON.stringify(given)} at ${s}: ${rate}`);
      }
    }
  }
});

test('rates have the same bits in all variants', async () => {
  const bits = [];
  for (const [variant, set] of /** @type {any[]} */ ([
    ['base', 'full'],
    ['simd', 'full'],
    ['simd', 'dense'],
    ['base', 'lean'],
  ])) {
    const own = await Core.create(await loadModule(variant, undefined, set));
    const rates = SCHEDULES.flatMap((schedule) => {
      const made = control([schedule], 1, own);
      return Array.from({ length: 300 }, (_, s) => own.controlRate(made, 1, s, s));
    });
    bits.push(new Uint8Array(Float64Array.from(rates).buffer));
  }
  for (const other of bits) assert.deepEqual(other, bits[0]);
});

/* ---- decisions: Keras's rules again, by its names ---- */

/** @param {Options} o @param {number} value @param {number | null} than */
const improves = ({ mode, minDelta }, value, than) =>
  than === null ||
  (mode === 'min' ? value + Math.abs(minDelta) < than : value - Math.abs(minDelta) > than);

/** @param {Options} o */
function earlyStopping(o) {
  let wait = 0;
  let bestEpoch = 0;
  /** @type {number | null} */ let best = null;
  return {
    /** @param {number} epoch from 0 @param {number} value */
    end(epoch, value) {
      if (epoch < o.startFromEpoch) return 0;
      let kept = 0;
      const keep = () => {
        if (!o.restoreBest) return;
        bestEpoch = epoch + 1;
        kept = KEEP_BEST;
      };
      if (bestEpoch === 0) keep();
      wait++;
      if (improves(o, value, best)) {
        best = value;
        keep();
        if (o.baseline === undefined || improves(o, value, o.baseline)) wait = 0;
        return kept;
      }
      return kept + (wait >= o.patience && epoch > 0 ? STOP_EARLY : 0);
    },
    bestEpoch: () => bestEpoch,
  };
}

/** @param {Options} o */
function reduceOnPlateau(o) {
  let wait = 0;
  let cooldown = 0;
  /** @type {number | null} */ let best = null;
  return {
    /** @param {number} value @param {number} rate @returns {number} the rate then */
    end(value, rate) {
      if (cooldown > 0) {
        cooldown--;
        wait = 0;
      }
      if (improves(o, value, best)) {
        best = value;
        wait = 0;
      } else if (!(cooldown > 0)) {
        wait++;
        // Keras has rates as floats
        if (wait >= o.patience && Math.fround(rate) > Math.fround(o.minLearningRate)) {
          cooldown = o.cooldown;
          wait = 0;
          return Math.max(rate * o.factor, o.minLearningRate);
        }
      }
      return rate;
    },
  };
}

test("decisions are Keras's, from any epoch's state on", () => {
  const seen = { stops: 0, kept: 0, falls: 0, reached: 0 };
  for (let seed = 0; seed < 4000; seed++) {
    const next = numbers(seed);
    const below = (/** @type {number} */ n) => Math.floor(next() * n);
    const mode = () => (next() < 0.5 ? 'min' : 'max');
    const [restoreBest, hasBaseline] = [next() < 0.5, next() < 0.3];
    const stopping = {
      type: 'earlyStopping',
      monitor: 0,
      mode: mode(),
      patience: below(5),
      minDelta: (below(5) - 2) / 8,
      startFromEpoch: below(4),
      restoreBest,
      ...(hasBaseline && { baseline: below(8) / 8 }),
    };
    const plateau = {
      type: 'reduceOnPlateau',
      monitor: 1,
      mode: mode(),
      patience: below(4),
      minDelta: (below(5) - 2) / 8,
      factor: [0.1, 0.5, 1 / 3][below(3)],
      cooldown: below(4),
      minLearningRate: [0, 0.001, 0.0001][below(3)],
    };
    const targets = Array.from({ length: below(3) }, (_, monitor) => ({
      type: 'until',
      monitor,
      mode: mode(),
      value: below(9) / 8,
    }));
    const list = [stopping, plateau, ...targets];
    if (seed % 2) list.reverse();
    let made = control(list, 2);
    const [early, reduces] = [earlyStopping(stopping), reduceOnPlateau(plateau)];
    let own = [0.01, 0.1, 1 / 3, 0.001][below(4)];
    const odd = [NaN, Infinity, -Infinity, 0, -0, 1e300];
    const value = () => (next() < 0.15 ? odd[below(odd.length)] : below(9) / 8);
    for (let epoch = 0; epoch < 25; epoch++) {
      const values = [value(), value()];
      const { decided, rate } = core.controlEpoch(made, epoch + 1, values, own);
      const hits = targets.every(({ mode, value }, i) =>
        mode === 'min' ? values[i] <= value : values[i] >= value,
      );
      const reached = targets.length > 0 && hits ? STOP_REACHED : 0;
      const stopped = early.end(epoch, values[0]);
      const where = `seed ${seed}, epoch ${epoch}`;
      assert.equal(decided, stopped | reached, where);
      const expected = reduces.end(values[1], own);
      assert.equal(rate, expected, where);
      seen.stops += stopped & STOP_EARLY ? 1 : 0;
      seen.kept += stopped & KEEP_BEST;
      seen.falls += rate < own ? 1 : 0;
      seen.reached += reached ? 1 : 0;
      own = next() < 0.05 ? below(9) / 16 : rate; // onEpoch may set another one
      const state = core.controlState(made);
      assert.equal(state[3], early.bestEpoch(), where);
      const again = control(list, 2);
      assert.ok(core.controlRestore(again, state), `${where}: ${state}`);
      assert.deepEqual(core.controlState(again), state);
      core.memory.free(made);
      made = again;
    }
    core.memory.free(made);
  }
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 2000, `${what}: ${count}`);
});

test('patience 0 and 1 both end at the first epoch without improvement, never at the first', () => {
  for (const [patience, epochs] of [
    [0, 2],
    [1, 2],
    [3, 4],
  ]) {
    const made = control([{ type: 'earlyStopping', patience }]);
    let epoch = 1;
    while (!(core.controlEpoch(made, epoch, [1], 1).decided & STOP_EARLY)) epoch++;
    assert.equal(epoch, epochs, `patience ${patience}`);
    core.memory.free(made);
  }
});

test('a baseline that is never beaten ends the run, and its best epoch is kept', () => {
  const list = [{ type: 'earlyStopping', patience: 3, baseline: 0.1, restoreBest: true }];
  const made = control(list);
  const decided = [0.9, 0.5, 0.7].map(
    (value, i) => core.controlEpoch(made, i + 1, [value], 1).decided,
  );
  assert.deepEqual(decided, [KEEP_BEST, KEEP_BEST, STOP_EARLY]);
  assert.equal(core.controlState(made)[3], 2);
});

test('limits are reached by steps or by seconds', () => {
  const both = control([{ type: 'limits', maxSteps: 10, maxSeconds: 2.5 }]);
  for (const [steps, seconds, at] of /** @type {[number, number, boolean][]} */ ([
    [9, 2.4, false],
    [10, 0, true],
    [1, 2.5, true],
    [11, 3, true],
  ])) {
    assert.equal(core.controlAtLimit(both, steps, seconds), at);
  }
  const steps = control([{ type: 'limits', maxSteps: 3 }]);
  assert.equal(core.controlAtLimit(steps, 2, 1e30), false);
  const seconds = control([{ type: 'limits', maxSeconds: 3 }]);
  assert.equal(core.controlAtLimit(seconds, 1e15, 2.999), false);
  for (const list of [[], [{ type: 'limits' }]]) {
    assert.equal(core.controlAtLimit(control(list), 1e15, 1e15), false);
  }
});

test('a state that this control cannot have is refused, and changes nothing', () => {
  const stopping = { type: 'earlyStopping', patience: 3, restoreBest: true };
  const plateau = { type: 'reduceOnPlateau', cooldown: 4, patience: 2 };
  const made = control([stopping, plateau]);
  for (let epoch = 1; epoch < 6; epoch++) core.controlEpoch(made, epoch, [1], 1);
  const good = core.controlState(made);
  const refused = (/** @type {number} */ at, /** @type {number[]} */ ...values) => {
    for (const value of values) {
      const state = good.with(at, value);
      assert.equal(core.controlRestore(made, state), false, `${at}: ${value}`);
      assert.deepEqual(core.controlState(made), good);
    }
  };
  const counts = [NaN, Infinity, -1, 0.5, 2 ** 54, -(2 ** 63), 5e300];
  for (const flag of [0, 4]) refused(flag, 2, ...counts);
  for (const count of [2, 3, 6, 7]) refused(count, ...counts);
  refused(3, 0); // a best value without kept weights
  refused(0, 0); // and the other way round
  for (const n of [0, 1, good.length - 1]) {
    assert.equal(core.controlRestore(made, good.slice(0, n)), false);
  }
  assert.equal(core.controlRestore(made, [...good, 0]), false);
  const others = [[], [{ type: 'constant' }], [{ ...stopping, restoreBest: false }, plateau]];
  for (const list of others) assert.equal(core.controlRestore(control(list), good), false);
  for (const value of [NaN, -Infinity, 1e308]) {
    assert.ok(core.controlRestore(made, good.with(1, value).with(5, value)), `${value}`);
  }
});

/* ---- refusals ---- */

/** @param {() => any} call */
function reasonOf(call) {
  try {
    call();
  } catch (/** @type {any} */ error) {
    assert.equal(error.code, 'INVALID_SPEC');
    return /refused \((\w+),/.exec(error.message)?.[1];
  }
  assert.fail('nothing was refused');
}

test('lists that cannot be are refused, with the place', () => {
  const stopping = { type: 'earlyStopping' };
  const plateau = { type: 'reduceOnPlateau' };
  const limits = { type: 'limits', maxSteps: 1 };
  const constant = { type: 'constant' };
  const rising = { type: 'piecewise', boundaries: [5, 5], values: [1, 2, 3] };
  for (const [list, reason] of /** @type {[Options[], string][]} */ ([
    [[stopping, stopping], 'twice'],
    [[plateau, plateau], 'twice'],
    [[limits, limits], 'twice'],
    [[constant, constant], 'twice'],
    [[constant, plateau], 'conflict'],
    [[plateau, constant], 'conflict'],
    [[{ ...stopping, monitor: 1 }], 'range'],
    [[{ type: 'until', monitor: 7, value: 1 }], 'range'],
    [[rising], 'range'],
    [[{ ...rising, values: [1, 2] }], 'count'],
    [[{ type: 'cosine', decaySteps: 1, warmupTarget: 1 }], 'range'],
    [Array(65).fill({ type: 'until', value: 1 }), 'count'],
  ])) {
    const before = core.memory.used();
    assert.equal(
      reasonOf(() => control(list)),
      reason,
      JSON.stringify(list),
    );
    assert.equal(core.memory.used(), before);
  }
  core.memory.free(control(Array(64).fill({ type: 'until', value: 1 })));
});

/* ---- a model's rate ---- */

/** @param {any} optimizer */
function model(optimizer) {
  core.spec = encodeSpec(core.schema, {
    inputShape: [3],
    layers: [{ type: 'dense', units: 2 }],
    optimizer,
    seed: 1,
  });
  const { bytes } = core.spec;
  const spec = core.memory.alloc(bytes.length, 'a spec');
  core.write(spec, bytes);
  const size = core.modelBytes(spec, bytes.length);
  const made = core.modelInit(core.memory.alloc(size, 'a model'), size, spec, bytes.length);
  while (core.modelRandomize(made, 1e6)) continue;
  const { TRAIN, F32 } = core.schema.constants;
  const room = core.planBytes(made, TRAIN, 4);
  const plan = core.planInit(core.memory.alloc(room, 'a plan'), room, made, TRAIN, 4);
  const data = core.memory.alloc(4 * 12, 'data');
  core.write(
    data,
    new Uint8Array(Float32Array.from({ length: 12 }, (_, i) => i / 12 - 0.4).buffer),
  );
  core.planSetData(plan, data, F32, data, F32, 4);
  const weights = () => {
    const [{ data: at, size: n }] = core.modelTensors(made);
    return core.floats(at, n);
  };
  const step = () => {
    core.stepBegin(plan, 0, 4, 4, 0, 0);
    while (core.stepRun(plan, 1e9)) continue;
    return weights();
  };
  return { made, step, weights };
}

test("a model's learning rate is set in place of the spec's, times its factor", () => {
  for (const type of ['sgd', 'adam', 'adamw', 'rmsprop', 'lion']) {
    const set = model({ type, learningRate: 0.5 });
    core.modelSetLearningRate(set.made, 0.02);
    core.modelSetRate(set.made, 0.5);
    const given = model({ type, learningRate: 0.01 });
    for (let i = 0; i < 5; i++) assert.deepEqual(set.step(), given.step(), type);
    const before = set.weights();
    core.modelSetLearningRate(set.made, 0);
    assert.deepEqual(set.step(), before, `${type} at rate 0`);
  }
});

test('a learning rate that the optimizer cannot have is refused, and changes nothing', () => {
  for (const [optimizer, most] of /** @type {[any, number][]} */ ([
    [{ type: 'sgd' }, 1e6],
    [{ type: 'adamw', weightDecay: 0.1 }, 20],
    [{ type: 'adam', epsilon: 1e-12 }, 1e16 * 1e-12],
  ])) {
    const { made, step } = model(optimizer);
    for (const rate of [-1, -1e-300, NaN, Infinity, 1e7, most * 1.0001]) {
      assert.throws(() => core.modelSetLearningRate(made, rate), {
        code: 'INVALID_OPTION',
        message: `learningRate is ${rate}, expected a number from 0 to ${most}`,
      });
    }
    assert.deepEqual(step(), model(optimizer).step());
    core.modelSetLearningRate(made, most);
  }
});
