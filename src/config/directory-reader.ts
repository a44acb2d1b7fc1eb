/**
 * Reads the route directory consistently: names and bytes, without interpreting them.
 *
 * Stage before: kubelet, or a person with an editor. Stage after: `route-files.ts`, which parses what changed.
 *
 * kubelet mounts a ConfigMap as `name.yaml -> ..data/name.yaml` and `..data -> ..2026_01_02_...`. An update writes a
 * new directory, replaces the `..data` link by renaming a new one over it, and then removes the old directory. So a
 * generation is read through the target of `..data`, which is resolved once. The read counts only if `..data` is still
 * the same link afterwards. Until the link changes, nothing in that directory is removed. After that, files vanish one
 * by one without a visible error.
 */
import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { constants, lstatSync, readlinkSync, statSync } from 'node:fs';
import { lstat, open, readdir, readlink, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ProxyError } from '../errors.ts';
import { looksLikeRoutes } from '../gateway-api/config-maps.ts';
import { shardFile } from '../route-set/format.ts';

/** Why the bytes of a file in the directory could not be read. */
export interface FileFailure {
  /** Problem code: `not-a-file`, `too-large`, `unreadable-file`. */
  readonly code: string;
  readonly message: string;
}

export interface FileRead {
  readonly name: string;
  /** Hex SHA-256 of the bytes, or of the failure when there are none. Equal digests mean equal content. */
  readonly digest: string;
  readonly content: Buffer | FileFailure;
}

export interface DirectoryRead {
  /** Sorted by name. */
  readonly files: readonly FileRead[];
  /** Names that look like route files but are not read, because they lack a known ending. Sorted. */
  readonly ignored: readonly string[];
  readonly layout: 'configmap' | 'plain';
  /** Equal for two reads only if both read the same directory, not a new one created at the same path. */
  readonly identity: string;
  /** `generationOf` of a mounted ConfigMap at the time of the read; null for any other directory. */
  readonly generation?: string | null;
}

const READ_ATTEMPTS = 10;
/** The delay grows by this after each attempt; there is none after the first. 180 ms in total. */
const RETRY_DELAY_STEP_MS = 5;
/** The number of threads in libuv's pool: more reads would only queue. */
const FILES_AT_ONCE = 4;

/** Thrown when the directory changed during the read; caught in this file. */
class Changed extends Error {}

/**
 * True for the names that are read: `*.yaml`, `*.yml`, `*.json`, not hidden (which covers kubelet's `..` names), and the shards
 * of a route set.
 */
export function isRouteFileName(name: string): boolean {
  return (!name.startsWith('.') && /\.(?:yaml|yml|json)$/.test(name)) || shardFile(name) !== null;
}

/** Errno name of a failed system call, otherwise the message. */
export function errorCode(error: unknown): string {
  if (error instanceof Error) return (error as NodeJS.ErrnoException).code ?? error.message;
  return String(error);
}

/**
 * Distinguishes a directory from another one created at the same path. Inode numbers alone are not enough, because they
 * are reused at once.
 */
export function directoryIdentity(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}:${stats.birthtimeNs}`;
}

/**
 * Reads every route file of `path` from one generation.
 *
 * A file that cannot be read is part of the result (as a `FileFailure`). Never blocks on a FIFO or device. Throws
 * ProxyError when there is no result: `directory-missing`, `directory-unreadable`, or `directory-busy` when the
 * directory changed during every attempt.
 */
export async function readDirectory(path: string, maxFileBytes: number): Promise<DirectoryRead> {
  for (let attempt = 1; ; attempt++) {
    const last = attempt === READ_ATTEMPTS;
    try {
      return await readOnce(path, maxFileBytes, last);
    } catch (error) {
      if (error instanceof ProxyError) throw error;
      if (!(error instanceof Changed)) throw directoryError(path, error);
      if (last) throw new ProxyError('directory-busy', `${path} changes faster than it can be read`);
    }
    await delay(RETRY_DELAY_STEP_MS * (attempt - 1));
  }
}

function directoryError(path: string, error: unknown): ProxyError {
  const code = errorCode(error);
  if (code === 'ENOENT') return new ProxyError('directory-missing', `${path} does not exist`, { cause: error });
  if (code === 'ENOTDIR') return new ProxyError('directory-missing', `${path} is not a directory`, { cause: error });
  return new ProxyError('directory-unreadable', `${path} cannot be read: ${code}`, { cause: error });
}

async function readOnce(path: string, maxFileBytes: number, lastAttempt: boolean): Promise<DirectoryRead> {
  const identity = directoryIdentity(await stat(path, { bigint: true }));
  const link = await dataLink(path);
  const root = link?.target ?? path;
  const names = (await listDirectory(root, path, lastAttempt)).filter((name) => !name.startsWith('.')).sort();
  const files: FileRead[] = [];
  const ignored: string[] = [];
  for (let i = 0; i < names.length; i += FILES_AT_ONCE) {
    const batch = names.slice(i, i + FILES_AT_ONCE);
    // A file that is not read as routes is no reason for another attempt.
    const read = (name: string) => readFile(root, name, maxFileBytes, lastAttempt || !isRouteFileName(name));
    for (const file of await Promise.all(batch.map(read))) {
      if (isRouteFileName(file.name)) files.push(file);
      else if (Buffer.isBuffer(file.content) && looksLikeRoutes(file.content.toString('utf8'))) ignored.push(file.name);
    }
  }
  if ((await dataLink(path))?.id !== link?.id) throw new Changed();
  return { files, ignored, layout: link === null ? 'plain' : 'configmap', identity, generation: named(identity, link) };
}

async function listDirectory(root: string, path: string, lastAttempt: boolean): Promise<string[]> {
  try {
    return await readdir(root);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    // Removed since the link was read. If this happens again, the link is broken.
    if (lastAttempt) throw new ProxyError('directory-unreadable', `${path}: ..data leads to ${root}, which is missing`);
    throw new Changed();
  }
}

/**
 * Identifies the content of a mounted ConfigMap with three system calls. Two results are equal only if kubelet has not
 * replaced the content in between. Null for any other directory, or on failure.
 */
export function generationOf(path: string): string | null {
  try {
    const identity = directoryIdentity(statSync(path, { bigint: true }));
    const link = join(path, '..data');
    return named(identity, linkOf(path, readlinkSync(link), lstatSync(link, { bigint: true })));
  } catch {
    return null;
  }
}

function named(identity: string, link: { readonly id: string } | null): string | null {
  return link === null ? null : `${identity} ${link.id}`;
}

function linkOf(path: string, target: string, stats: BigIntStats): { target: string; id: string } {
  return { target: resolve(path, target), id: `${target}:${stats.ino}:${stats.ctimeNs}` };
}

/** The current `..data` link; null when the directory has none. `id` differs for each link ever created there. */
async function dataLink(path: string): Promise<{ target: string; id: string } | null> {
  const link = join(path, '..data');
  try {
    return linkOf(path, await readlink(link), await lstat(link, { bigint: true }));
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'EINVAL') return null;
    throw error;
  }
}

async function readFile(root: string, name: string, maxFileBytes: number, lastAttempt: boolean): Promise<FileRead> {
  let content: Buffer | FileFailure;
  try {
    content = await readBytes(join(root, name), maxFileBytes);
  } catch (error) {
    // Removed, or written to, since it was listed: read again. If this repeats, it is a dangling link or a busy writer.
    if (!lastAttempt && (error instanceof Changed || errorCode(error) === 'ENOENT')) throw new Changed();
    const reason = error instanceof Changed ? 'it is being written to all the time' : errorCode(error);
    content = { code: 'unreadable-file', message: `cannot be read: ${reason}` };
  }
  const hashed = Buffer.isBuffer(content) ? content : `\0${content.code}: ${content.message}`;
  return { name, content, digest: createHash('sha256').update(hashed).digest('hex') };
}

async function readBytes(path: string, maxFileBytes: number): Promise<Buffer | FileFailure> {
  const kind = await stat(path);
  // Checked before opening, because opening a device can have side effects.
  if (!kind.isFile()) return notAFile(kind);
  // Still non-blocking, because it may have become a FIFO since the check.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const before = await file.stat({ bigint: true });
    if (!before.isFile()) return notAFile(before);
    if (before.size > BigInt(maxFileBytes)) return tooLarge(maxFileBytes);
    // The size is correct on all real file systems. procfs reports 0, so its files are read to the end.
    const expected = Number(before.size);
    const chunks: Buffer[] = [];
    let length = 0;
    do {
      const size = expected > length ? expected - length : 64 * 1024;
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(size), 0, size, null);
      if (bytesRead === 0) break;
      length += bytesRead;
      if (length > maxFileBytes) return tooLarge(maxFileBytes);
      chunks.push(buffer.subarray(0, bytesRead));
    } while (length !== expected);
    const after = await file.stat({ bigint: true });
    if (after.size !== before.size || after.mtimeNs !== before.mtimeNs) throw new Changed();
    return Buffer.concat(chunks, length);
  } finally {
    await file.close();
  }
}

function notAFile(stats: { isDirectory(): boolean; isFIFO(): boolean; isSocket(): boolean }): FileFailure {
  const kind = stats.isDirectory()
    ? 'a directory'
    : stats.isFIFO()
      ? 'a FIFO'
      : stats.isSocket()
        ? 'a socket'
        : 'a device';
  return { code: 'not-a-file', message: `is ${kind}; a regular file is required` };
}

function tooLarge(maxFileBytes: number): FileFailure {
  return { code: 'too-large', message: `is larger than ${maxFileBytes} bytes` };
}
