/** A pipe for an access log: the test decides when to read it, lets it fill, or closes its end. */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { AccessLog } from '../../src/observe/access-log.ts';
import type { AccessLogMode } from '../../src/addon/access-log.ts';
import { FRONTEND, SERIES } from './engine-cases.ts';
import { eventually } from './eventually.ts';
import { temporaryDirectory } from './sidecar.ts';

export type LogLine = Readonly<Record<string, unknown>>;

export class LogPipe {
  /** For the log. */
  readonly fd: number;
  readonly #path: string;
  #reader: number | null;
  #text = '';
  readonly #lines: LogLine[] = [];

  constructor(t: Test, options: { readonly nonblocking?: boolean } = {}) {
    const directory = temporaryDirectory();
    this.#path = join(directory.path, 'log');
    execFileSync('mkfifo', [this.#path]);
    this.#reader = openSync(this.#path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.fd = openSync(this.#path, constants.O_WRONLY | (options.nonblocking === true ? constants.O_NONBLOCK : 0));
    t.teardown(() => {
      this.closeReader();
      closeSync(this.fd);
      directory.remove();
    });
  }

  /** Everything written so far, parsed; throws when a line is no JSON object. */
  read(): readonly LogLine[] {
    const buffer = Buffer.alloc(64 * 1024);
    while (this.#reader !== null) {
      let length: number;
      try {
        length = readSync(this.#reader, buffer);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') break;
        throw error;
      }
      if (length === 0) break;
      this.#text += buffer.toString('latin1', 0, length);
    }
    const parts = this.#text.split('\n');
    this.#text = parts.pop()!;
    this.#lines.push(...parts.map((line) => JSON.parse(line) as LogLine));
    return this.#lines;
  }

  /** Resolves with all lines once there are `count`. */
  async lines(count: number): Promise<readonly LogLine[]> {
    return await eventually(`${count} lines of the log`, () => {
      const lines = this.read();
      return lines.length >= count ? lines : null;
    });
  }

  closeReader(): void {
    if (this.#reader !== null) closeSync(this.#reader);
    this.#reader = null;
  }

  openReader(): void {
    this.#reader = openSync(this.#path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#text = '';
  }
}

export const LABELS = {
  ...{ parentNamespace: 'ns', parentName: 'svc', parentPort: 80 },
  ...{ routeNamespace: 'ns', routeName: 'route', rule: 'blue' },
  ...{ backendNamespace: 'ns', backendName: 'v1', backendPort: 8080 },
};

/** A log that knows the frontend and the series of the engines' tests. */
export function accessLog(t: Test, mode: AccessLogMode, pipe: LogPipe, bufferBytes?: number): AccessLog {
  const log = new AccessLog(mode, { fd: pipe.fd, ...(bufferBytes === undefined ? {} : { bufferBytes }) });
  t.teardown(() => log.native.close(0));
  log.describeFrontend(FRONTEND, 'ns/svc:80');
  log.describeSeries(SERIES, LABELS);
  return log;
}
