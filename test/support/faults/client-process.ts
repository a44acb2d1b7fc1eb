/** A fault-client process in a pod; the results of its requests go to a ledger. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Pod } from '../cluster.ts';
import { waitForLine } from '../processes.ts';
import { fixture } from '../sidecar.ts';
import type { ClientCommand, ClientRecord, Kind } from './kinds.ts';

export class ClientProcess {
  readonly #process: ChildProcess;
  readonly #waiting: { readonly takes: (line: object) => boolean; readonly fail: (error: Error) => void }[] = [];

  /** Whoever has not told it to end has lost it. */
  readonly ended: Promise<void>;

  private constructor(child: ChildProcess, onRecord: (record: ClientRecord) => void) {
    this.#process = child;
    this.ended = new Promise((resolve) => child.once('exit', () => resolve()));
    child.once('exit', () => {
      for (const { fail } of this.#waiting.splice(0)) fail(new Error('the client ended'));
    });
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (!line.startsWith('{')) return;
      const value = JSON.parse(line) as object;
      if ('id' in value) {
        onRecord(value as ClientRecord);
        return;
      }
      const index = this.#waiting.findIndex(({ takes }) => takes(value));
      if (index >= 0) this.#waiting.splice(index, 1);
    });
  }

  static async start(pod: Pod, onRecord: (record: ClientRecord) => void): Promise<ClientProcess> {
    const child = pod.spawn(fixture('fault-client'), { stdio: ['pipe', 'pipe', 'inherit'] });
    const ready = waitForLine(child, /^running/);
    const client = new ClientProcess(child, onRecord);
    await ready;
    return client;
  }

  tell(command: ClientCommand): void {
    this.#process.stdin!.write(`${JSON.stringify(command)}\n`);
  }

  /** Resolves when all have ended. */
  async batch(kind: Kind, count: number, connections: number): Promise<void> {
    const done = this.#line((line) => 'batch' in line && line.batch === kind.name);
    this.tell({ do: 'batch', kind, count, connections });
    await done;
  }

  /** Resolves when so many connections that say nothing stand, and those beyond them are closed. */
  async crowd(target: string, connections: number): Promise<void> {
    const done = this.#line((line) => 'crowded' in line && line.crowded === connections);
    this.tell({ do: 'crowd', target, connections });
    await done;
  }

  /** Resolves when nothing is open any more, with the number of requests that a mix left out. */
  async stop(): Promise<number> {
    const done = this.#line((line) => 'stopped' in line);
    this.tell({ do: 'stop' });
    return (await done)['stopped'] as number;
  }

  end(): void {
    this.#process.stdin!.end();
  }

  #line(isMeant: (line: object) => boolean): Promise<Record<string, unknown>> {
    return new Promise((resolve, reject) => {
      const takes = (line: object): boolean => {
        if (!isMeant(line)) return false;
        resolve(line as Record<string, unknown>);
        return true;
      };
      this.#waiting.push({ takes, fail: reject });
    });
  }
}
