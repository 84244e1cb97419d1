/* wire-walk.js: takes a session through a list of operations, and brings it to rest. Invariant:
 * when a walk has ended everything that it asked for is answered, or the walk has thrown. */
import { badMessage, requestOf } from './wire-operations.js';
import { open as openCheckpoint } from './hostile-checkpoints.js';
import { Story } from './story.js';
import { WireOracle } from './wire-oracle.js';
import { MAKES } from './wire-rules.js';

/** Bytes in use of a model that is ready, by spec and variant. @type {Map<string, number>} */
const held = new Map();

export const tally = { operations: 0, walks: 0, exact: 0, loose: 0, stories: 0, told: 0 };

/**
 * @param {(heard: (message: any) => void) => import('./wire-places.js').Place} open
 */
export function createWalker(open) {
  /** @type {import('./wire-places.js').Place | null} */
  let place = null;
  /** @type {WireOracle} */
  let oracle;
  let lastId = 0;
  let model = /** @type {string | null} */ (null);

  /** @param {any} message */
  const hear = (message) => {
    oracle.heard(message);
    if (message.type === 'CHECKPOINT')
      saved = keep(
        message.payload,
        oracle.entries.find(({ id }) => id === message.id),
        oracle,
      );
  };
  const begin = () => {
    saved = null;
    place ??= open(hear);
    oracle = new WireOracle(place.deaths, model);
    return place;
  };
  const end = async () => {
    await place?.kill();
    place = null;
    model = null;
  };
  /**
   * The last checkpoint that came, and what it is of.
   * @type {{ bytes: Uint8Array, spec: string, step: number, story: Story } | null}
   */
  let saved = null;

  /** An operation that depends on what was before, with that. @param {any} op */
  const filled = (op) => {
    if (op.op === 'load' && op.of === 'nothing') return op;
    if (op.op === 'load')
      return op.of === 'saved' && saved
        ? { ...op, ...saved }
        : { ...op, bytes: new Uint8Array(400) };
    if (op.op !== 'again') return op;
    const last = oracle.entries.findLast(
      ({ type, op: { data, story } }) =>
        (type === 'START_TRAINING' && data) || (MAKES.includes(type) && story?.last),
    );
    const { data = 'A', n = 19 } = last?.op.story?.last ?? last?.op ?? {};
    return { ...op, data, n: op.same ? n : 7 };
  };
  /** @param {any} given @param {string} [type] */
  const ask = (given, type) => {
    const op = filled(given);
    const request = type ? { type, payload: undefined } : requestOf(op);
    const id = ++lastId;
    oracle.sent(id, request.type, op);
    const { bytes } = request.payload ?? {};
    /** @type {import('./wire-places.js').Place} */ (place).send(
      { v: 1, id, ...request },
      bytes instanceof ArrayBuffer ? [bytes] : [],
    );
    return /** @type {import('./wire-oracle.js').Entry} */ (
      oracle.entries.findLast((entry) => entry.id === id)
    );
  };
  const judge = () => {
    if (oracle.violations.length > 0) throw new Error(oracle.violations.join('\n'));
  };
  const settled = async (/** @type {() => boolean} */ done) => {
    while (!done() && (await /** @type {import('./wire-places.js').Place} */ (place).more()))
      judge();
  };

  /** @param {any} op @param {boolean} exact */
  async function step(op, exact) {
    const at = /** @type {import('./wire-places.js').Place} */ (place);
    switch (op.op) {
      case 'turns':
        return at.turns(op.n);
      case 'settle': {
        for (let i = 0; i < 40 && oracle.pending.length > 0; i++) await at.turns(5);
        return;
      }
      case 'bad': {
        at.look();
        const bad = badMessage(op.how, ++lastId, exact ? oracle.pending[0]?.id : undefined);
        if (!bad) return;
        oracle.complains(bad.answer);
        return at.send(bad.message, []);
      }
      case 'die':
        return at.die(op.after);
      case 'kill':
        await end();
        judge();
        begin();
        break;
      default:
        ask(op);
    }
    if (op.then) ask({ op: 'init', spec: op.then, threads: 1 });
  }

  /** All that is under way ends, the weights are compared, and the session is emptied. */
  async function rest() {
    const at = /** @type {import('./wire-places.js').Place} */ (place);
    at.spare();
    ask({}, 'STOP_TRAINING');
    await settled(() => oracle.pending.length === 0);
    oracle.quiet();
    judge();
    if (oracle.model !== null && oracle.model.length === 1) {
      const [status, weights] = [ask({ op: 'status' }), ask({ op: 'getWeights' })];
      await settled(() => oracle.pending.length === 0);
      compareBytes(status.answer, oracle);
      compareBits(weights.answer, oracle);
    }
    ask({ op: 'dispose' });
    const empty = ask({ op: 'status' });
    await settled(() => oracle.pending.length === 0);
    oracle.quiet();
    judge();
    const { state, usedBytes } = empty.answer;
    if (state !== 'empty' || usedBytes !== 0)
      throw new Error(`disposed of, and still ${state} with ${usedBytes} bytes`);
    model = 'DISPOSED';
  }

  return {
    /**
     * @param {any[]} operations
     * @param {boolean} exact  messages are handled in the turn they are sent in
     */
    async walk(operations, exact) {
      begin();
      try {
        for (const op of operations) {
          tally.operations++;
          await step(op, exact);
          judge();
        }
        await rest();
        tally.walks++;
      } catch (error) {
        await end();
        throw error;
      } finally {
        tally.exact += oracle.counts.exact;
        tally.loose += oracle.counts.loose;
      }
    },
    end,
  };
}

/** @param {any} status @param {WireOracle} oracle */
function compareBytes({ usedBytes }, oracle) {
  const made = /** @type {any} */ (
    oracle.entries.findLast(({ type, outcome }) => MAKES.includes(type) && outcome === null)
  );
  const key = `${made.op.spec} ${made.answer.variant}`;
  const without = usedBytes - oracle.uploaded;
  const known = held.get(key) ?? without;
  held.set(key, known);
  if (known !== without)
    throw new Error(
      `${key} holds ${without} bytes beside its uploads, ${known} before: a block has leaked`,
    );
}

/** @param {any} answer of GET_WEIGHTS @param {WireOracle} oracle */
function compareBits({ weights }, oracle) {
  tally[storyOf(oracle.entries).compare(weights)]++;
}

/** @param {import('./wire-oracle.js').Entry[]} entries that were answered @returns {Story} */
function storyOf(entries) {
  const made = entries.findLastIndex(
    ({ type, outcome }) => MAKES.includes(type) && outcome === null,
  );
  const {
    op: { spec, story: before },
  } = entries[made];
  const story = /** @type {Story} */ (before?.copy() ?? new Story(spec));
  for (const { type, op, outcome, answer } of entries.slice(made)) {
    if (outcome !== null) continue;
    if (type === 'SET_WEIGHTS') story.set(op.of);
    if (type !== 'START_TRAINING' || answer.run === null) continue;
    if (op.upload) story.lose(); // whatever lay there
    if (op.op === 'again') story.resume(op, answer);
    else story.fit(op, answer);
    if (op.upload) story.last = undefined;
  }
  return story;
}

/**
 * A checkpoint with all that the session said until then.
 * @param {any} payload
 * @param {import('./wire-oracle.js').Entry | undefined} entry
 * @param {WireOracle} oracle
 */
function keep({ bytes, step }, entry, oracle) {
  const model = entry?.met?.model;
  if (!entry || !model) return null;
  const before = oracle.entries.slice(0, oracle.entries.indexOf(entry));
  const story = storyOf(before);
  const run = before.findLast(
    ({ type, outcome }) => type === 'START_TRAINING' && outcome === undefined,
  );
  const { about } = openCheckpoint(bytes);
  if (run && about.run?.ended === null) {
    const midst = {
      reason: 'stopped',
      steps: about.run.steps,
      history: { length: about.run.epoch - (about.run.batch > 0 ? 1 : 0) },
    };
    if (run.op.op === 'again') story.resume(run.op, /** @type {any} */ (midst));
    else story.fit(run.op, /** @type {any} */ (midst));
    if (run.op.upload) [story.last] = [undefined, story.lose()];
  }
  return { bytes, spec: model, step, story };
}
