/** A collector in its own pod, for tests of traces: what it received, and how it responds. */
import type { ChildProcess } from 'node:child_process';
import type { Pod } from './cluster.ts';
import { eventually } from './eventually.ts';
import { startFixture } from './sidecar.ts';

export const COLLECTOR_PORT = 4318;
const CONTROL_PORT = 4399;

export interface Behaviour {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Spans that a request was taken without. */
  readonly rejected?: number;
  readonly delayMs?: number;
}

export interface ReceivedSpan {
  readonly resource: Readonly<Record<string, unknown>>;
  readonly scope: string;
  readonly name: string;
  readonly kind: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: none. */
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly start: string;
  readonly end: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly {
    readonly name: string;
    readonly time: string;
    readonly attributes: Readonly<Record<string, unknown>>;
  }[];
  readonly status: string;
}

export interface Received {
  readonly requests: {
    readonly method: string;
    readonly path: string;
    readonly headers: NodeJS.Dict<string | string[]>;
    readonly spans: number;
    readonly status: number;
  }[];
  /** Of those that it has answered with 200. */
  readonly spans: ReceivedSpan[];
}

export class OtlpCollector {
  readonly pod: Pod;
  #process: ChildProcess;

  private constructor(pod: Pod, process: ChildProcess) {
    this.pod = pod;
    this.#process = process;
  }

  static async start(pod: Pod): Promise<OtlpCollector> {
    return new OtlpCollector(pod, await OtlpCollector.#spawn(pod));
  }

  static async #spawn(pod: Pod): Promise<ChildProcess> {
    return await startFixture(pod, 'otlp-collector', String(COLLECTOR_PORT), String(CONTROL_PORT));
  }

  received(): Received {
    return JSON.parse(this.#control('GET')) as Received;
  }

  forget(): void {
    this.#control('DELETE');
  }

  behave(behaviour: Behaviour): void {
    this.#control('PUT', '--data', JSON.stringify(behaviour));
  }

  /** Once it has at least so many. */
  async spans(count: number): Promise<readonly ReceivedSpan[]> {
    return await eventually(
      `${count} spans`,
      () => {
        const { spans } = this.received();
        return spans.length >= count ? spans : null;
      },
      30_000,
    );
  }

  /** Connections to it are refused from here on. */
  stop(): void {
    this.#process.kill('SIGKILL');
  }

  async startAgain(): Promise<void> {
    this.#process = await OtlpCollector.#spawn(this.pod);
  }

  #control(method: string, ...args: string[]): string {
    const url = `http://127.0.0.1:${CONTROL_PORT}/received`;
    return this.pod.must(['curl', '-sS', '--max-time', '10', '-X', method, ...args, url]);
  }
}
