/**
 * Standard input, output and error of every command but `proxy`, whatever they are: pipes slow and fast, files, terminals,
 * sockets, /dev/null.
 *
 * The descriptors are used as they are. Node's own `process.stdin` and `process.stdout` make the pipe behind them
 * non-blocking, also for other processes that have it; and a pipe that somebody else has made so is waited for here, too.
 */
import { read, write } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ProxyError } from '../errors.ts';

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;

/** What a shell reports of a program that SIGPIPE has ended; Node ignores that signal. */
const EXIT_NO_READER = 141;

const PIECE_BYTES = 256 * 1024;

/** Waits for a descriptor that is not ready, each time a little longer. */
const FIRST_WAIT_MS = 1;
const LONGEST_WAIT_MS = 50;

const readDescriptor = promisify(read);
const writeDescriptor = promisify(write);

/** Everything up to the end. @throws an error of the system call */
export async function readStandardInput(): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (;;) {
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    const { bytesRead } = await whenReady(() => readDescriptor(STDIN, piece, 0, PIECE_BYTES, null));
    if (bytesRead === 0) return Buffer.concat(pieces);
    // A slow writer gives little at a time.
    pieces.push(bytesRead < PIECE_BYTES / 2 ? Buffer.from(piece.subarray(0, bytesRead)) : piece.subarray(0, bytesRead));
  }
}

interface Piece {
  readonly descriptor: number;
  readonly text: string | Buffer;
}

let waiting: Piece[] = [];
let writing: Promise<void> | null = null;
/** What standard output answered instead of taking more. */
let outputFailure: NodeJS.ErrnoException | null = null;
let notesTaken = true;

/** To standard output, behind everything that was written before. */
export function writeOutput(text: string): void {
  enqueue(STDOUT, text);
}

/** The same for what is no text. */
export function writeOutputBytes(bytes: Buffer): void {
  enqueue(STDOUT, bytes);
}

/** To standard error, behind everything that was written before. Where that fails there is nobody to tell. */
export function writeNote(text: string): void {
  enqueue(STDERR, text);
}

function enqueue(descriptor: number, text: string | Buffer): void {
  waiting.push({ descriptor, text });
  writing ??= writeWaiting();
}

async function writeWaiting(): Promise<void> {
  // What the same turn of the event loop still adds goes along.
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
  // Who reads the output no longer does not want to hear about the rest either.
  if (outputFailure !== null || (descriptor === STDERR && !notesTaken)) return;
  try {
    await writeAll(descriptor, bytes);
  } catch (error) {
    if (descriptor === STDOUT) outputFailure = error as NodeJS.ErrnoException;
    else notesTaken = false;
  }
}

/** Comes back when everything has been taken, or will never be. */
export async function outputSettled(): Promise<void> {
  while (writing !== null) await writing;
}

/**
 * The same for commands whose work is what they write. A reader that has left ends the command quietly, with the exit status that a
 * program has that SIGPIPE ends.
 *
 * @throws ProxyError `unwritable-output` when standard output fails otherwise, a full disk say
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

/** Nobody reads standard output any more. */
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
