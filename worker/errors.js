/* errors.js: the one error type of Offstage, for both sides of the message channel.
 * Invariant: every error has a code of CODES and a message that says what was got and what was expected.
 * Messages are sentences for people; programs look at the code. */

/** Every code an OffstageError can carry. */
export const CODES = Object.freeze(/** @type {const} */ ([
  'INVALID_SPEC', 'INVALID_DATA', 'INVALID_OPTION', 'BUSY', 'DISPOSED', 'ABORTED', 'TIMEOUT', 'WORKER_LOST',
  'DATA_LOST', 'OUT_OF_MEMORY', 'BAD_CHECKPOINT', 'BAD_MESSAGE', 'NON_FINITE', 'UNSUPPORTED',
]));

/** @typedef {typeof CODES[number]} ErrorCode */

/** What every refusal and failure is. */
export class OffstageError extends Error {
  /**
   * @param {ErrorCode} code
   * @param {string} message
   * @param {{ cause?: unknown }} [options]
   */
  constructor(code, message, options) {
    super(message, options);
    this.name = 'OffstageError';
    /** @type {ErrorCode} */
    this.code = code;
  }
}
