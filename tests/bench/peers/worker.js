/* worker.js: a contender in a worker of its own, in a page or in Node.
 *
 * { open: { file, options, workload } } -> { about, flop } or { cannot: why }; { steps, every } ->
 * { ms, loss }: that many steps in a row, the loss read after every so many and after the last. One
 * request at a time. */

/**
 * @typedef {{ step: () => void, read: () => number | undefined | Promise<number>, about?: string,
 *   flop?: number }} Opened
 */

/** @type {Opened} */
let opened;

/** @param {{ steps: number, every: number }} group */
async function run({ steps, every }) {
  /** @type {number | undefined} */
  let loss;
  const start = performance.now();
  for (let i = 1; i <= steps; i++) {
    opened.step();
    if (i % every !== 0 && i !== steps) continue;
    const got = opened.read();
    loss = got instanceof Promise ? await got : got;
  }
  return { ms: (performance.now() - start) / steps, loss };
}

/** @param {any} message @returns {Promise<any>} */
async function answer(message) {
  try {
    if (!message.open) return await run(message);
    const { file, options, workload } = message.open;
    opened = await (await import(`./${file}`)).open(workload, options);
    return { about: opened.about, flop: opened.flop };
  } catch (error) {
    return { cannot: /** @type {Error} */ (error)?.message ?? String(error) };
  }
}

const session = /** @type {any} */ (globalThis).process?.getBuiltinModule?.(
  'node:worker_threads',
).parentPort;
if (session)
  session.on('message', async (/** @type {any} */ message) =>
    session.postMessage(await answer(message)),
  );
else globalThis.onmessage = async (event) => globalThis.postMessage(await answer(event.data));
