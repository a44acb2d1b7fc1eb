/** One HTTP/2 connection from a pod, whose streams a test controls one by one. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Pod } from './cluster.ts';
import { eventually } from './eventually.ts';
import { fixture } from './sidecar.ts';

export type Command =
  | { readonly do: 'open'; readonly headers: Readonly<Record<string, string | readonly string[]>> }
  | { readonly do: 'write'; readonly stream: number; readonly text: string }
  | { readonly do: 'end'; readonly stream: number; readonly trailers: Readonly<Record<string, string>> }
  | { readonly do: 'cancel' | 'look'; readonly stream: number }
  | { readonly do: 'connection' };

/** What has arrived on a stream. */
export interface StreamState {
  readonly id: number;
  /** 0: no status yet. */
  readonly status: number;
  readonly interim: readonly number[];
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly trailers: Readonly<Record<string, string | string[] | undefined>> | null;
  readonly ended: boolean;
  /** With which it was closed; null while it is open. */
  readonly code: number | null;
}

export interface ConnectionState {
  readonly goaways: readonly { readonly code: number; readonly last: number }[];
  readonly closed: boolean;
}

export class Http2Client {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(pod: Pod, address: string, port = 80) {
    this.#process = pod.spawn(fixture('http2-client', address, String(port)), { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }

  /** Its number. The request goes on until `end`. */
  async post(headers: Readonly<Record<string, string | readonly string[]>> = {}): Promise<number> {
    return await this.open({ ':method': 'POST', ':path': '/stream', ...headers });
  }

  async open(headers: Readonly<Record<string, string | readonly string[]>>): Promise<number> {
    const state = await this.#do({ do: 'open', headers });
    return (state as StreamState).id;
  }

  /** The state of the stream, as soon as `condition` holds for it. */
  async until(stream: number, what: string, condition: (state: StreamState) => boolean): Promise<StreamState> {
    return await eventually(`stream ${stream}: ${what}`, async () => {
      const state = await this.look(stream);
      return condition(state) ? state : null;
    });
  }

  /** Sends `text`, and waits until it has come back at the end of what did. */
  async echoes(stream: number, text: string): Promise<void> {
    await this.#do({ do: 'write', stream, text });
    await this.until(stream, `${text} to come back`, (state) => state.text.endsWith(text));
  }

  async end(stream: number, trailers: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.#do({ do: 'end', stream, trailers });
  }

  async look(stream: number): Promise<StreamState> {
    return (await this.#do({ do: 'look', stream })) as StreamState;
  }

  async connection(): Promise<ConnectionState> {
    return (await this.#do({ do: 'connection' })) as ConnectionState;
  }

  /** The connection goes. */
  close(): void {
    this.#process.stdin!.end();
  }

  async #do(command: Command): Promise<StreamState | ConnectionState> {
    this.#process.stdin!.write(`${JSON.stringify(command)}\n`);
    const line = await this.#lines.next();
    if (line.done === true) throw new Error('the client has ended');
    return JSON.parse(line.value) as StreamState | ConnectionState;
  }
}
