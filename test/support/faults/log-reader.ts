/** A pipe with a name, for a process to write its log to: its reader can leave, come back and stall. */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';

export class LogReader {
  readonly #path: string;
  readonly #onLine: (line: string) => void;
  #socket: Socket | null = null;

  /** `path` must not exist yet. */
  constructor(path: string, onLine: (line: string) => void) {
    execFileSync('mkfifo', [path]);
    this.#path = path;
    this.#onLine = onLine;
    this.open();
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
    // A line may be a torn one: what was in the pipe when the reader left is lost.
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
