/**
 * One request to a collector, by OTLP/HTTP, and what is to be done after its answer.
 *
 * Stage before: `exporter.ts`. Stage after: the collector. Connections are made by this process, whose uid the rules of iptables exempt, so
 * none of them is captured.
 */
import type { Agent, IncomingMessage, request } from 'node:http';
import { promisify } from 'node:util';
import { ProxyError } from '../errors.ts';
import type { TlsFileNames } from './environment.ts';

export interface SenderOptions {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly gzip: boolean;
  /** Only read if the collector is behind https. */
  readonly files: TlsFileNames;
  readonly userAgent: string;
}

interface Client {
  readonly request: typeof request;
  readonly agent: Agent;
}

export type Sent =
  /** `body`: of the answer. */
  | { readonly result: 'taken'; readonly body: Uint8Array }
  /** To be repeated, not before `afterMs` if the collector asked for that. */
  | { readonly result: 'again'; readonly why: string; readonly afterMs: number | null }
  /** Not to be repeated: the answer would be the same. */
  | { readonly result: 'refused'; readonly why: string };

/** Of OTLP/HTTP; anything else is not to be repeated. */
const RETRYABLE: readonly number[] = [429, 502, 503, 504];
const MAX_ANSWER_BYTES = 64 * 1024;

export class Sender {
  readonly #options: SenderOptions;
  #client: Client | null = null;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Before the first request. @throws ProxyError that names the variable of a file that cannot be used, and the file */
  async check(): Promise<void> {
    if (this.#options.url.protocol === 'https:') this.#client ??= await this.#connect();
  }

  /** Never rejects. `signal` ends it. */
  async send(body: Uint8Array, signal: AbortSignal): Promise<Sent> {
    const { timeoutMs, gzip } = this.#options;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    try {
      // Loaded here: nothing else in a sidecar needs them.
      const bytes = gzip ? await promisify((await import('node:zlib')).gzip)(body) : body;
      const answer = await this.#post(bytes, limit);
      return await read(answer);
    } catch (error) {
      // The next request reads the files again, because they may have been replaced.
      this.close();
      return { result: 'again', why: limit.aborted ? 'timeout' : await this.#reasonOf(error as Error), afterMs: null };
    }
  }

  close(): void {
    this.#client?.agent.destroy();
    this.#client = null;
  }

  async #reasonOf(error: NodeJS.ErrnoException): Promise<string> {
    const { url, files } = this.#options;
    if (error instanceof ProxyError) return error.message;
    const fault = url.protocol === 'https:' ? (await import('./tls-files.ts')).tlsFault(error, files) : null;
    return fault ?? error.code ?? error.message;
  }

  async #connect(): Promise<Client> {
    const { url, files } = this.#options;
    const kept = { keepAlive: true, maxSockets: 1 };
    if (url.protocol !== 'https:') {
      const { request, Agent } = await import('node:http');
      return { request, agent: new Agent(kept) };
    }
    const { readTlsFiles } = await import('./tls-files.ts');
    const { request, Agent } = await import('node:https');
    return { request, agent: new Agent({ ...kept, ...(await readTlsFiles(files)) }) };
  }

  async #post(body: Uint8Array, signal: AbortSignal): Promise<IncomingMessage> {
    const { url, headers, gzip, userAgent } = this.#options;
    const { request, agent } = (this.#client ??= await this.#connect());
    return await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request(url, {
        ...{ method: 'POST', agent, signal },
        headers: {
          ...headers,
          'content-type': 'application/x-protobuf',
          'content-length': body.length,
          ...(gzip ? { 'content-encoding': 'gzip' } : {}),
          'user-agent': userAgent,
        },
      });
      sent.on('response', resolve).on('error', reject);
      sent.end(body);
    });
  }
}

async function read(answer: IncomingMessage): Promise<Sent> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MAX_ANSWER_BYTES) {
      answer.destroy();
      break;
    }
    parts.push(part);
  }
  const status = answer.statusCode ?? 0;
  if (status >= 200 && status < 300) return { result: 'taken', body: Buffer.concat(parts) };
  const why = `status ${status}`;
  if (!RETRYABLE.includes(status)) return { result: 'refused', why };
  return { result: 'again', why, afterMs: retryAfterMs(answer.headers['retry-after']) };
}

/** Seconds, or a date. */
function retryAfterMs(text: string | undefined): number | null {
  if (text === undefined) return null;
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? null : Math.max(0, ms);
}
