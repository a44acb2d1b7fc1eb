/**
 * Requests from a pod, many by one process, because starting a process for each would take longer than the requests.
 */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Pod } from './cluster.ts';
import { fixture } from './sidecar.ts';

export interface BatchRequest {
  readonly method: string;
  readonly target: string;
  /** All of them: nothing but Content-Length is added, and Connection by the connection. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body?: string;
}

export interface Batch {
  readonly address: string;
  readonly port: number;
  readonly requests: readonly BatchRequest[];
  /** The list is sent so often. */
  readonly times?: number;
  /** Concurrent connections, each with one request at a time. */
  readonly connections?: number;
  /** By HTTP/2 with prior knowledge, Host as `:authority`. */
  readonly http2?: boolean;
  /** Of each answer only the status, the time and, as its body, the pod that an echo-server names. */
  readonly brief?: boolean;
}

export interface Answer {
  /** 0: there was none, and `body` says why. */
  readonly status: number;
  /** Lower-case names. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  readonly durationMs: number;
}

export class ExchangeClient {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(pod: Pod) {
    this.#process = pod.spawn(fixture('exchange-client'), { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }

  async send(batch: Batch): Promise<Answer[]> {
    this.#process.stdin!.write(`${JSON.stringify(batch)}\n`);
    const line = await this.#lines.next();
    if (line.done === true) throw new Error('the exchange client ended');
    return JSON.parse(line.value) as Answer[];
  }

  end(): void {
    this.#process.stdin!.end();
  }
}
