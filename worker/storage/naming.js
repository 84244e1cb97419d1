/* naming.js: the names of trainers, checkpoints and data on storage.
 *
 * All that a list of trainers reports is in the names of files, so that none has to be read for it.
 * The names mean the same on every file system; a name that is not one of these is of a file that
 * was left behind. */

import { OffstageError, show } from '../host/errors.js';

const MOST_LETTERS = 100;
/** Describes a trainer's name, for messages. */
export const NAME = `of 1 to ${MOST_LETTERS} characters`;

/** @param {unknown} name  of a trainer @returns {name is string} */
export const isName = (name) =>
  typeof name === 'string' && name.length >= 1 && name.length <= MOST_LETTERS;

/** @param {unknown} folder @returns {folder is string} */
export const isFolder = (folder) => typeof folder === 'string' && folder !== '';

/** @param {unknown} name  of a trainer @param {unknown} folder */
export function checkWhere(name, folder) {
  if (!isName(name)) {
    refuse(`the name of a trainer is ${show(name)}, expected a string ${NAME}`);
  }
  if (folder === undefined || isFolder(folder)) return;
  refuse(`folder is ${show(folder)}, expected a path`);
}

/** @param {string} message @returns {never} */
function refuse(message) {
  throw new OffstageError('INVALID_OPTION', message);
}

/* Letters that some file system confuses are escaped, and so are names that Windows keeps for
 * devices. */
const UNSAFE = /[^a-z0-9_-]|^(?=(?:con|prn|aux|nul|com\d|lpt\d)$)./g;
/** Characters of one folder's name at most, with room for what file systems add. */
const SEGMENT = /.{1,200}/g;

/**
 * Makes the folders, one in the other, of a trainer's name; all but the last end with '~'.
 * @param {string} name @returns {string[]}
 */
export function foldersOf(name) {
  const escape = (/** @type {string} */ letter) =>
    `%${letter.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const escaped = name.replace(UNSAFE, escape);
  const parts = /** @type {string[]} */ (escaped.match(SEGMENT));
  return parts.map((part, i) => (i < parts.length - 1 ? `${part}~` : part));
}

/** Says whether a folder has only more of the name in it. @param {string} folder */
export const isPart = (folder) => folder.endsWith('~');

/** Makes the name that folders stand for. @param {string[]} folders */
export const nameOf = (folders) =>
  folders
    .map((part) => part.replace(/~$/, ''))
    .join('')
    .replace(/%([0-9a-f]{4})/g, (_, code) => String.fromCharCode(parseInt(code, 16)));

/**
 * A checkpoint. savedAt is its number too: no two files of a trainer share one, and later ones are
 * larger.
 * @typedef {{ savedAt: number, step: number, epoch: number, bytes: number }} Kept
 */

const CHECKPOINT = /^(\d+)-(\d+)-(\d+)-(\d+)\.safetensors$/;

/** @param {Kept} kept */
export const checkpointFile = ({ savedAt, step, epoch, bytes }) =>
  `${savedAt}-${step}-${epoch}-${bytes}.safetensors`;

/** @param {string} file @returns {Kept | null} */
export function asCheckpoint(file) {
  const [, savedAt, step, epoch, bytes] = (CHECKPOINT.exec(file) ?? []).map(Number);
  return bytes === undefined ? null : { savedAt, step, epoch, bytes };
}

/* Data are pieces and, written last, an index file without which they do not count. */
const DATA = /^data-(\d+)-(\d+)\.json$/;

/** @param {number} number of the data set @param {number} bytes of it */
export const dataFile = (number, bytes) => `data-${number}-${bytes}.json`;
/** @param {number} number @param {string} column @param {number} index */
export const pieceFile = (number, column, index) => `data-${number}-${column}-${index}`;

/** @param {string} file @returns {{ number: number, bytes: number } | null} */
export function asData(file) {
  const [, number, bytes] = (DATA.exec(file) ?? []).map(Number);
  return bytes === undefined ? null : { number, bytes };
}

/** Finds the number of a file's checkpoint or data set; 0 where it is none. @param {string} file */
export const numberOf = (file) => Number(/^(?:data-)?(\d+)-/.exec(file)?.[1] ?? 0);
