/* webkit.test.js: what is tried (tried.js), in WebKitGTK: as it is, and with the shared memory that
 * Safari has and that its JavaScript engine only wants to be told of. */
import { howToGet } from '../../wasm-build/setup.mjs';
import { findWebKit } from '../../wasm-build/toolchain.mjs';
import { tryEngine } from './tried.js';
import { openWebKit } from './webkit.js';

const paths = findWebKit();
const common = {
  skip: paths ? /** @type {const} */ (false) : howToGet('WebKitGTK with its driver, and Xvfb'),
  storage: /** @type {const} */ ('indexedDB'),
  relaxed: false,
  /* The compilers of WebKitGTK 2.50 have a fault: once in some hundred trainings a step traps out
   * of bounds, or the page dies, with one thread as with two. The same wasm on the same data does
   * neither in V8, in SpiderMonkey, nor as C that checks every access (tests/bits/wasm2c.js). */
  breaks: /core trapped: Out of bounds memory access|page crash or hang|Could not parse script/,
};
tryEngine({
  ...common,
  name: 'WebKit',
  open: () => openWebKit(/** @type {NonNullable<typeof paths>} */ (paths)),
  whyNoThreads: /^one thread computes, not 2: no memory can be shared here/,
});
tryEngine(
  {
    ...common,
    name: 'WebKit that shares memory',
    open: () =>
      openWebKit(/** @type {NonNullable<typeof paths>} */ (paths), {
        JSC_useSharedArrayBuffer: 'true',
      }),
    whyNoThreads: null,
  },
  /shared|threads as they are asked for|stand still/,
);
