/**
 * Standard input, output and error of every command except `proxy`, for all kinds: slow and fast pipes, files,
 * terminals, sockets, /dev/null.
 *
 * The descriptors are used directly. Node's `process.stdin` and `process.stdout` make their pipe non-blocking, also for
 * other processes that share it. A pipe that another process has made non-blocking is handled here as well, by waiting.
 */
import { read, write } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ProxyError } from '../errors.ts';

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;

/** The status a shell reports for a program ended by SIGPIPE; Node ignores that signal. */
const EXIT_NO_READER = 141;

const PIECE_BYTES = 256 * 1024;

/** Waits for a descriptor that is not ready, a little longer each time. */
const FIRST_WAIT_MS = 1;
const LONGEST_WAIT_MS = 50;

const readDescriptor = promisify(read);
const writeDescriptor = promisify(write);

/** Reads to the end. @throws errors of the system call, RangeError for more than `mostBytes` */
export async function readStandardInput(mostBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for (;;) {
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    const { bytesRead } = await whenReady(() => readDescriptor(STDIN, piece, 0, PIECE_BYTES, null));
    if (bytesRead === 0) return Buffer.concat(pieces);
    size += bytesRead;
    if (size > mostBytes) throw new RangeError(`it has more than ${mostBytes} bytes`);
    // A slow writer sends small pieces, which must not keep whole buffers in memory.
    pieces.push(bytesRead < PIECE_BYTES / 2 ? Buffer.from(piece.subarray(0, bytesRead)) : piece.subarray(0, bytesRead));
  }
}

interface Piece {
  readonly descriptor: number;
  readonly text: string | Buffer;
}

let waiting: Piece[] = [];
let writing: Promise<void> | null = null;
/** The error after which standard output accepted no more. */
let outputFailure: NodeJS.ErrnoException | null = null;
let notesTaken = true;

/** Appends to standard output, after everything written before. */
export function writeOutput(text: string): void {
  enqueue(STDOUT, text);
}

/** The same for bytes. */
export function writeOutputBytes(bytes: Buffer): void {
  enqueue(STDOUT, bytes);
}

/** Appends to standard error, after everything written before. A failure cannot be reported anywhere. */
export function writeNote(text: string): void {
  enqueue(STDERR, text);
}

function enqueue(descriptor: number, text: string | Buffer): void {
  waiting.push({ descriptor, text });
  writing ??= writeWaiting();
}

async function writeWaiting(): Promise<void> {
  // Also writes what the same turn of the event loop still adds.
  await Promise.resolve();
  while (waiting.length > 0) {
    const pieces = waiting;
    waiting = [];
    for (let first = 0, next = 0; first < pieces.length; first = next) {
      const { descriptor } = pieces[first]!;
      while (next < pieces.length && pieces[next]!.descriptor === descriptor) next++;
      const texts = pieces.slice(first, next).map(({ text }) => text);
      const areText = texts.every((text) => typeof text === 'string');
      await writeTo(
        descriptor,
        areText ? Buffer.from(texts.join(''), 'utf8') : Buffer.concat(texts.map((text) => Buffer.from(text as string))),
      );
    }
  }
  writing = null;
}

async function writeTo(descriptor: number, bytes: Buffer): Promise<void> {
  // When standard output has failed, the rest of the messages is dropped too.
  if (outputFailure !== null || (descriptor === STDERR && !notesTaken)) return;
  try {
    await writeAll(descriptor, bytes);
  } catch (error) {
    if (descriptor === STDOUT) outputFailure = error as NodeJS.ErrnoException;
    else notesTaken = false;
  }
}

/** Resolves when everything has been written or has failed. */
export async function outputSettled(): Promise<void> {
  while (writing !== null) await writing;
}

/**
 * The same for commands whose purpose is their output. When the reader has left, the command ends quietly with the exit
 * status of a program ended by SIGPIPE.
 *
 * @throws ProxyError `unwritable-output` when standard output fails for another reason, for instance a full disk
 */
export async function outputTaken(): Promise<void> {
  await outputSettled();
  if (outputFailure === null) return;
  if (outputFailure.code === 'EPIPE') {
    process.exitCode = EXIT_NO_READER;
    return;
  }
  const failure = outputFailure;
  outputFailure = null;
  throw new ProxyError('unwritable-output', `standard output: cannot be written: ${failure.message}`, {
    cause: failure,
  });
}

/** True when standard output accepts no more. */
export function readerHasLeft(): boolean {
  return outputFailure !== null;
}

async function writeAll(descriptor: number, bytes: Buffer): Promise<void> {
  let at = 0;
  while (at < bytes.length) {
    const from = at;
    const { bytesWritten } = await whenReady(() => writeDescriptor(descriptor, bytes, from, bytes.length - from, null));
    at += bytesWritten;
  }
}

async function whenReady<T>(attempt: () => Promise<T>): Promise<T> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      return await attempt();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
    await delay(waitMs);
  }
}
