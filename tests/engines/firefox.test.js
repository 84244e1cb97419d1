/* firefox.test.js: what is tried (tried.js), in Firefox. */
import { howToGet } from '../../wasm-build/setup.mjs';
import { findFirefox } from '../../wasm-build/toolchain.mjs';
import { openFirefox } from './firefox.js';
import { tryEngine } from './tried.js';

const path = findFirefox();
tryEngine({
  name: 'Firefox',
  skip: path ? false : howToGet('Firefox'),
  open: () => openFirefox(/** @type {string} */ (path)),
  storage: 'opfs',
  whyNoThreads: null,
  relaxed: true,
});
