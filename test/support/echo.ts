/** What an echo-server reports about a request, and how a test sends one. */
import type { Pod } from './cluster.ts';
import { startFixture } from './sidecar.ts';

export const ECHO_PORT = 3000;
const CONTROL_PORT = 3999;

/** A request as it reached an echo-server. */
export interface EchoedRequest {
  /** Path with query. */
  readonly path: string;
  readonly host: string;
  readonly method: string;
  readonly proto: string;
  /** Values by lower-case name, a field line each; without Host and hop-by-hop fields. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
  readonly body: string;
}

/** An echo-server in a pod of its own. */
export class Echo {
  readonly pod: Pod;

  private constructor(pod: Pod) {
    this.pod = pod;
  }

  static async start(pod: Pod, namespace: string): Promise<Echo> {
    await startFixture(pod, 'echo-server', String(ECHO_PORT), String(CONTROL_PORT), namespace, pod.name);
    return new Echo(pod);
  }

  /** Requests since the last `forget`; `received` holds the first thousands of them. */
  seen(): { readonly count: number; readonly received: readonly EchoedRequest[] } {
    return this.#control('GET');
  }

  forget(): void {
    this.#control('DELETE');
  }

  #control(method: string): { count: number; received: EchoedRequest[] } {
    const url = `http://127.0.0.1:${CONTROL_PORT}/received`;
    return JSON.parse(this.pod.must(['curl', '-sS', '--max-time', '5', '-X', method, url])) as ReturnType<
      Echo['seen']
    > & {
      received: EchoedRequest[];
    };
  }
}
