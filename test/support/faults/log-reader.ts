/**
 * Reads the logs of a sidecar through named pipes, whose readers can leave, come back and stall; passes an access log
 * to a ledger.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Ledger } from './ledger.ts';

/** The members of a line that are used here. */
interface LogLine {
  readonly kind: string;
  readonly code: number | null;
  readonly reason: string | null;
  readonly request_id: string | null;
}

function readLine(text: string, ledger: Ledger): void {
  let line: LogLine;
  try {
    line = JSON.parse(text) as LogLine;
  } catch {
    // Incomplete: bytes that were in the pipe when the reader left are lost.
    return;
  }
  if (line.kind !== 'request' || line.request_id === null) return;
  ledger.logged(line.request_id, `${line.code ?? 0} ${line.reason ?? ''}`.trim());
}

export class PipeReader {
  readonly #path: string;
  readonly #onLine: (text: string) => void;
  #socket: Socket | null = null;
  /** Open as long as this is: a writer that ends is not the end of what is read, and the next one finds its reader. */
  readonly #keeper: number;

  /** `path` must not exist yet. */
  constructor(path: string, onLine: (text: string) => void) {
    execFileSync('mkfifo', [path]);
    this.#path = path;
    this.#onLine = onLine;
    this.open();
    this.#keeper = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  }

  close(): void {
    this.leave();
    closeSync(this.#keeper);
  }

  /** The writer's end, to be handed to a process and closed here then. */
  openWriter(): { readonly fd: number; readonly close: () => void } {
    const fd = openSync(this.#path, 'w');
    return { fd, close: () => closeSync(fd) };
  }

  open(): void {
    const fd = openSync(this.#path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#socket = new Socket({ fd, readable: true, writable: false });
    this.#socket.on('error', () => undefined);
    createInterface({ input: this.#socket }).on('line', this.#onLine);
  }

  /** The writer gets EPIPE. */
  leave(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }
}

export class LogReader extends PipeReader {
  constructor(path: string, ledger: Ledger) {
    super(path, (text) => readLine(text, ledger));
  }
}
