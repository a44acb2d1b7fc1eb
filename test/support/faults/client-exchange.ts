/** One request and its response, from the client's side. */
import { BodyCheck, wholeBody } from './body.ts';
import { Conversation } from './conversation.ts';
import type { ClientOutcome, ClientRecord, Kind } from './kinds.ts';
import type { ResponseHead } from './response-reader.ts';

/** Bytes of an upgraded connection, in each direction. */
const TUNNEL_BYTES = 2_048;

export class Exchange {
  readonly kind: Kind;
  readonly id: string;
  /** Of a long one. */
  readonly conversation: Conversation | null;
  readonly #check: BodyCheck;
  readonly #sentMs = Date.now();
  #endedMs = 0;
  #outcome: ClientOutcome | null = null;
  #head: ResponseHead | null = null;
  #trailers: Readonly<Record<string, unknown>> = {};
  #detail: string | null = null;
  /** Called when it has ended, however. */
  onEnd: () => void = () => undefined;

  constructor(kind: Kind, id: string) {
    this.kind = kind;
    this.id = id;
    this.conversation = kind.style === 'long' ? new Conversation(id) : null;
    this.#check = new BodyCheck(id);
  }

  get ended(): boolean {
    return this.#outcome !== null;
  }

  get isTunnel(): boolean {
    return this.kind.style === 'upgrade' || this.kind.style === 'connect';
  }

  /** The head as it is sent. */
  requestHead(): string {
    const { kind } = this;
    const lines = [`${kind.method} ${kind.path} HTTP/1.${kind.style === 'http10' ? 0 : 1}`, `Host: ${kind.host}`];
    lines.push(`X-Request-Id: ${this.id}`);
    if (kind.plan !== '') lines.push(`X-Plan: ${kind.plan}`);
    if (kind.style === 'fresh') lines.push('Connection: close');
    if (kind.style === 'upgrade') lines.push('Connection: Upgrade', 'Upgrade: echo');
    if (kind.style === 'expect') lines.push('Expect: 100-continue');
    if (kind.chunked) lines.push('Transfer-Encoding: chunked');
    else if (kind.bodyBytes > 0 || kind.method === 'POST') lines.push(`Content-Length: ${kind.bodyBytes}`);
    return `${lines.join('\r\n')}\r\n\r\n`;
  }

  /** The same for HTTP/2. */
  requestFields(): Record<string, string> {
    const { method, path, host, plan, chunked, bodyBytes, call, deadline } = this.kind;
    return {
      ...{ ':method': method, ':path': path, ':scheme': 'http', ':authority': host, 'x-request-id': this.id },
      ...(plan === '' ? {} : { 'x-plan': plan }),
      ...(call ? { 'content-type': 'application/grpc', te: 'trailers' } : {}),
      ...(deadline === '' ? {} : { 'grpc-timeout': deadline }),
      ...(call || chunked || bodyBytes === 0 ? {} : { 'content-length': String(bodyBytes) }),
    };
  }

  /** The body as it is sent, in pieces. */
  requestBody(pieces: number): Buffer[] {
    const { bodyBytes } = this.kind;
    const chunked = this.kind.chunked && this.kind.version === 'http1';
    const body = wholeBody(this.id, bodyBytes);
    const size = Math.max(1, Math.ceil(bodyBytes / pieces));
    const parts: Buffer[] = [];
    for (let offset = 0; offset < bodyBytes; offset += size) {
      const part = body.subarray(offset, offset + size);
      const head = Buffer.from(`${part.length.toString(16)}\r\n`);
      parts.push(chunked ? Buffer.concat([head, part, Buffer.from('\r\n')]) : part);
    }
    if (chunked) parts.push(Buffer.from('0\r\n\r\n'));
    return parts;
  }

  /** What goes through the tunnel; it comes back the same. */
  tunnelBytes(): Buffer {
    return wholeBody(this.id, TUNNEL_BYTES);
  }

  responseHead(head: ResponseHead): void {
    this.#head = head;
  }

  get status(): number {
    return this.#head?.status ?? 0;
  }

  responseBody(piece: Buffer): void {
    if (this.#head?.fields.has('x-sideroute-reason') === true) return;
    if (this.conversation === null) this.#check.push(piece);
    else this.conversation.push(piece);
  }

  responseTrailers(trailers: Readonly<Record<string, unknown>>): void {
    this.#trailers = trailers;
  }

  get tunnelComplete(): boolean {
    return this.#check.receivedBytes >= TUNNEL_BYTES;
  }

  /** A whole response has arrived: is it the right one? */
  complete(): void {
    const fields = this.#head!.fields;
    if (fields.has('x-sideroute-reason')) {
      // A gRPC call gets the reason in a trailers-only response.
      if (this.kind.call && !/^[1-9]\d?$/.test(fields.get('grpc-status') ?? '')) this.end('corrupt', 'no grpc-status');
      else this.end('refused');
      return;
    }
    const wrong = this.#wrong(fields);
    if (wrong === null) this.end('answered');
    else this.end('corrupt', wrong);
  }

  #wrong(fields: ReadonlyMap<string, string>): string | null {
    if (fields.get('x-id') !== this.id) return `a response to ${fields.get('x-id') ?? 'nobody'}`;
    if (this.kind.call && this.#trailers['grpc-status'] !== '0') return 'no trailers of a call';
    if (this.conversation !== null) return this.conversation.verdict();
    if (!this.#check.good) return 'bytes that are not those of its body';
    if (!this.isTunnel && this.kind.method !== 'HEAD') {
      const size = Number(/(?:^|,)size=(\d+)/.exec(this.kind.plan)?.[1] ?? 100);
      if (this.#check.receivedBytes !== size) return `${this.#check.receivedBytes} of ${size} bytes`;
    }
    const { bodyBytes } = this.kind;
    const received = fields.get('x-received');
    if (bodyBytes > 0 && received !== undefined && received !== `${bodyBytes} good`)
      return `the backend got ${received}`;
    return null;
  }

  end(outcome: ClientOutcome, detail: string | null = null): void {
    if (this.#outcome !== null) return;
    this.#outcome = outcome;
    this.#detail = detail;
    this.#endedMs = Date.now();
    this.onEnd();
  }

  record(): ClientRecord {
    const fields = this.#head?.fields;
    const generation = fields?.get('x-generation');
    return {
      id: this.id,
      sentMs: this.#sentMs,
      endedMs: this.#endedMs,
      outcome: this.#outcome!,
      code: this.status,
      reason: fields?.get('x-sideroute-reason') ?? null,
      backend: fields?.get('x-backend') ?? null,
      generation: generation === undefined ? null : Number(generation),
      detail: this.#detail,
    };
  }
}
