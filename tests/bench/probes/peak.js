/* peak.js: runs what peak.mjs has built, in Node, in a page or in a worker. */

/**
 * @param {'simd' | 'relaxed'} variant
 * @returns {Promise<{ flop: number, run: () => void }>} a run takes about a tenth of a ms
 */
export async function openPeak(variant) {
  const url = new URL(`../cache/peak.${variant}.wasm`, import.meta.url);
  const fs = /** @type {any} */ (globalThis).process?.getBuiltinModule?.('node:fs');
  const bytes = fs ? fs.readFileSync(url) : await (await fetch(url)).arrayBuffer();
  const { instance } = await WebAssembly.instantiate(bytes, {});
  const { peak, fill } = /** @type {any} */ (instance.exports);
  const times = 200;
  fill();
  for (let i = 0; i < 100; i++) peak(times); // until the optimizing compiler has taken over
  return { flop: peak(times) * times, run: () => void peak(times) };
}

/**
 * @param {Awaited<ReturnType<typeof openPeak>>} peak
 * @param {number} ms
 * @returns {number} GFLOP/s over about that long
 */
export function ratePeak({ flop, run }, ms) {
  let done = 0;
  const start = performance.now();
  let now = start;
  while (now - start < ms) {
    run();
    done += flop;
    now = performance.now();
  }
  return done / (now - start) / 1e6;
}
