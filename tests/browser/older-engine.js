/* older-engine.js: makes of the realm it runs in one of an engine without module workers: takes
 * from it what Chrome 80, Firefox 88 or Safari 14.1 lacks, for the tests of what is built for them.
 * It is for pages and workers, before anything else runs there. */

export function beOlder() {
  const scope = /** @type {any} */ (globalThis);
  const without = (/** @type {any} */ object, /** @type {string} */ names) => {
    for (const name of names.split(' ')) {
      for (let at = object; at; at = Object.getPrototypeOf(at)) delete at[name];
      if (object && name in object) throw new Error(`${name} is still there`);
    }
  };
  const list = 'at findLast findLastIndex toSorted toReversed with';
  without(Array.prototype, `${list} toSpliced group`);
  without(Object.getPrototypeOf(Uint8Array.prototype), list);
  without(String.prototype, 'at replaceAll isWellFormed toWellFormed');
  without(Array, 'fromAsync');
  without(Object, 'hasOwn groupBy');
  without(Map, 'groupBy');
  without(Promise, 'any withResolvers try');
  without(DataView.prototype, 'getBigInt64 setBigInt64 getBigUint64 setBigUint64 getFloat16');
  without(Atomics, 'waitAsync');
  without(performance, 'timeOrigin measureUserAgentSpecificMemory');
  if (scope.AbortSignal) {
    without(AbortSignal, 'timeout any abort');
    without(AbortSignal.prototype, 'reason throwIfAborted');
  }
  if (scope.crypto) without(crypto, 'randomUUID');
  without(
    navigator,
    'hardwareConcurrency storage locks wakeLock userAgentData deviceMemory userActivation',
  );
  without(
    scope,
    'structuredClone reportError WeakRef FinalizationRegistry AggregateError BroadcastChannel SharedArrayBuffer crossOriginIsolated scheduler ' +
      'requestIdleCallback cancelIdleCallback CompressionStream DecompressionStream ' +
      'createImageBitmap OffscreenCanvas VideoFrame Iterator Float16Array navigation ' +
      'trustedTypes SharedWorker',
  );
  scope.Error = new Proxy(Error, {
    construct: (target, given, made) => Reflect.construct(target, given.slice(0, 1), made),
  });
  const { validate, Memory } = WebAssembly;
  /* No vectors, no threads: nothing of a few bytes is valid. */
  WebAssembly.validate = (bytes) => bytes.byteLength > 200 && validate(bytes);
  const Unshared = class extends Memory {
    constructor({ initial, maximum }) {
      super({ initial, maximum });
    }
  };
  scope.WebAssembly.Memory = Unshared;
  const NewWorker = scope.Worker;
  if (typeof document === 'undefined') {
    without(scope, 'Worker BigInt64Array BigUint64Array'); // playwright needs arrays on a page
  } else {
    scope.Worker = class extends NewWorker {
      constructor(url, { name } = {}) {
        super(url, { name });
      }
    };
  }
}
