/* checkpoint.test.js: whatever the bytes, a checkpoint is one that was saved, or it is refused.
 *
 * Torn at every length and flipped at every byte (every bit in the decoder, in the soak through the
 * API too): BAD_CHECKPOINT. Changed in each field with the right checksum: a typed refusal, or a
 * model of the same shape that predicts. What is refused leaves the trainer's model as it was. And
 * a reader that shares no line with ours reads the same names, shapes and values. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseSafetensorsMetadata } from '@huggingface/hub';
import { ERROR_CODES } from '../../worker/host/errors.js';
import { decodeCheckpoint } from '../../worker/trainer/checkpoint.js';
import { createTrainer, loadTrainer } from '../../web/index.js';
import { barSpec, bars, bitsOf } from '../js/api-setting.js';
import { amount } from './amounts.js';
import { damaged, liars } from './hostile-checkpoints.js';

const { x, y } = bars(40);
const many = bars(3000); // an epoch that lasts, so that the run is in the midst of one
const SMALL = {
  ...barSpec(),
  layers: [
    { type: 'averagePooling2d', poolSize: 4 },
    { type: 'flatten' },
    { type: 'dropout', rate: 0.25 },
    { type: 'dense', units: 3, activation: 'softmax' },
  ],
};

/** A trainer in the middle of its second run, and its checkpoint. */
async function saved(spec = SMALL) {
  const trainer = await createTrainer(spec, { mode: 'main' });
  await trainer.fit(x, y, { epochs: 2, batchSize: 16, validationSplit: 0.25 });
  const run = trainer.fit(many.x, many.y, { epochs: 1e6, batchSize: 1 });
  run.addEventListener('progress', ({ detail }) => void (detail.batch > 1 && run.stop()));
  await run;
  const bytes = await trainer.save();
  return { trainer, bytes, weights: await trainer.getWeights() };
}

/** @param {() => any} attempt @returns {Promise<any>} the error */
async function failure(attempt) {
  try {
    await attempt();
  } catch (error) {
    return error;
  }
  return null;
}

test('a checkpoint torn at any length, or with any bit flipped, is refused', async (t) => {
  const { trainer, bytes, weights } = await saved();
  assert.ok(decodeCheckpoint(bytes).tensors.size > 0);
  let tried = 0;
  for (const { what, bytes: bad } of damaged(bytes, 8)) {
    const error = await failure(() => decodeCheckpoint(bad));
    assert.equal(error?.code, 'BAD_CHECKPOINT', `${what}: ${error}`);
    tried++;
  }
  let loaded = 0;
  const stride = amount(7, 1); // through the API each takes a message there and back
  for (const { what, bytes: bad } of damaged(bytes, amount(1, 8))) {
    if (loaded++ % stride > 0) continue;
    const error = await failure(() => trainer.load(bad));
    assert.equal(error?.code, 'BAD_CHECKPOINT', `${what}: ${error}`);
    assert.ok(bad.length === 0 || bad.byteLength > 0, "what was given stays the caller's");
  }
  assert.deepEqual(bitsOf(await trainer.getWeights()), bitsOf(weights));
  await trainer.dispose();
  t.diagnostic(
    `${bytes.length} bytes: ${tried} damaged files refused by the decoder, ${Math.ceil(loaded / stride)} by trainer.load()`,
  );
});

test('a checkpoint with any field changed and the right checksum is refused with a type, or is a model', async (t) => {
  const { trainer, bytes, weights } = await saved();
  const shapes = JSON.stringify(weights.map(({ shape }) => shape));
  const memory = [];
  const codes = /** @type {Record<string, number>} */ ({});
  for (const { what, bytes: bad } of liars(bytes)) {
    const error = await failure(() => trainer.load(bad));
    if (error)
      assert.ok(
        error.name === 'OffstageError' &&
          ERROR_CODES.includes(error.code) &&
          !['WORKER_LOST', 'TIMEOUT', 'DISPOSED'].includes(error.code),
        `${what}: ${error.stack}`,
      );
    else await useful(trainer, what, shapes);
    codes[error?.code ?? 'loaded'] = (codes[error?.code ?? 'loaded'] ?? 0) + 1;
    if (!error) await trainer.load(bytes);
    memory.push(trainer.status().memory);
  }
  assert.deepEqual(bitsOf(await trainer.getWeights()), bitsOf(weights));
  assert.ok(
    Math.max(...memory) <= 8 * Math.min(...memory),
    `${Math.max(...memory)} bytes of memory, ${Math.min(...memory)} before`,
  );
  await trainer.dispose();
  t.diagnostic(`${memory.length} changed files: ${JSON.stringify(codes)}`);
});

/**
 * A model that was accepted does what models do.
 * @param {any} trainer
 * @param {string} what
 * @param {string} shapes
 */
async function useful(trainer, what, shapes) {
  assert.equal(
    JSON.stringify((await trainer.getWeights()).map((/** @type {any} */ { shape }) => shape)),
    shapes,
    what,
  );
  const { output } = await trainer.predict(x);
  assert.equal(output.length, 40 * 3, what);
  const run = trainer.fit(many.x, many.y, {
    resume: true,
    otherData: true,
    epochs: 1e6,
    progressHz: 1000,
  });
  const end = await Promise.race([
    failure(() => run),
    new Promise((resolve) => run.addEventListener('progress', () => resolve('on'))),
  ]);
  if (end === 'on') await run.stop();
  const error = await failure(() => run);
  assert.ok(
    !error ||
      ['INVALID_OPTION', 'INVALID_DATA', 'OUT_OF_MEMORY', 'NON_FINITE'].includes(error.code),
    `${what}: resumed: ${error?.stack}`,
  );
}

/** @param {{ data: Float32Array }} weight */
const hexOf = ({ data }) =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex');

/** By Python, from the format's description alone. @param {Uint8Array} bytes */
function readByPython(bytes) {
  const folder = mkdtempSync(join(tmpdir(), 'offstage-'));
  try {
    const file = join(folder, 'model.safetensors');
    writeFileSync(file, bytes);
    const reader = fileURLToPath(new URL('safetensors.py', import.meta.url));
    const { status, stdout, stderr } = spawnSync('python3', [reader, file], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    assert.equal(status, 0, stderr);
    const { metadata, tensors, checksum } = JSON.parse(stdout);
    assert.equal(metadata.checksum, checksum, "the checksum is zlib's, over all other bytes");
    return tensors;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * By the library of those whose format it is; its requests are answered here.
 * @param {Uint8Array} bytes
 */
async function readByLibrary(bytes) {
  const answer = async (/** @type {any} */ _, /** @type {any} */ init) => {
    const [first, last] = /** @type {RegExpExecArray} */ (
      /bytes=(\d+)-(\d+)/.exec(new Headers(init.headers).get('range') ?? '')
    )
      .slice(1)
      .map(Number);
    const headers = { 'content-range': `bytes ${first}-${last}/${bytes.length}`, etag: '"one"' };
    return new Response(bytes.slice(first, last + 1), { status: 206, headers });
  };
  const { header } = /** @type {any} */ (
    await parseSafetensorsMetadata({ repo: 'some/model', path: 'model.safetensors', fetch: answer })
  );
  const body = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const { __metadata__: _, ...entries } = header;
  return Object.fromEntries(
    Object.entries(entries).map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [begin, end],
        },
      ]) => [
        name,
        { dtype, shape, hex: Buffer.from(bytes.slice(body + begin, body + end)).toString('hex') },
      ],
    ),
  );
}

test('independent readers read what getWeights() gives', async () => {
  for (const spec of [SMALL, barSpec()]) {
    const { trainer, bytes, weights } = await saved(spec);
    const tensors = readByPython(bytes);
    assert.deepEqual(await readByLibrary(bytes), tensors);
    for (const { name, shape, data } of weights)
      assert.deepEqual(tensors[name], { dtype: 'F32', shape, hex: hexOf({ data }) }, name);
    const moments = Object.keys(tensors).filter((name) => name.startsWith('optimizer/'));
    assert.equal(moments.length, 2 * weights.length, 'both moments of each');
    const again = await loadTrainer(bytes, { mode: 'main' });
    assert.deepEqual(bitsOf(await again.getWeights()), bitsOf(weights));
    await Promise.all([again.dispose(), trainer.dispose()]);
  }
});
