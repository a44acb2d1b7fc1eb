/**
 * gRPC calls with Node's HTTP/2 client, as far as a proxy sees them: heads, bytes, trailers, and how the stream ends.
 */
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';

/** Flag of HTTP/2 frames. */
const END_STREAM = 1;

export interface CallAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  /** The response ended with its head: a trailers-only one. */
  readonly headOnly: boolean;
  readonly body: Buffer;
  readonly trailers: Readonly<Record<string, unknown>>;
  /** Of RST_STREAM; 0 for none, or one that says that all is well. */
  readonly reset: number;
}

export interface CallAsk {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Null: its messages go on. Default: one empty message. */
  readonly body?: Buffer | null;
}

/** An uncompressed gRPC message of `bytes` bytes. */
export function message(bytes = 0): Buffer {
  const framed = Buffer.alloc(5 + bytes, 'm');
  framed[0] = 0;
  framed.writeUInt32BE(bytes, 1);
  return framed;
}

/** Sends the head; messages may follow. */
export function beginCall(session: ClientHttp2Session, ask: CallAsk = {}): ClientHttp2Stream {
  const { path = '/my.pkg.Service/Method', headers = {} } = ask;
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.on('error', () => undefined);
  return stream;
}

/** Waits for the end of the call, of any kind. The status is 0 if no head came. */
export async function answerOf(stream: ClientHttp2Stream): Promise<CallAnswer> {
  let status = 0;
  let headers: Record<string, unknown> = {};
  let headOnly = false;
  let trailers: Record<string, unknown> = {};
  const chunks: Buffer[] = [];
  stream.on('response', (fields: Record<string, unknown>, flags: number) => {
    status = Number(fields[':status']);
    headers = fields;
    headOnly = (flags & END_STREAM) !== 0;
  });
  stream.on('trailers', (fields: Record<string, unknown>) => (trailers = fields));
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  // Not `once` of node:events, which throws on a reset.
  await new Promise((resolve) => stream.once('close', resolve));
  return { status, headers, headOnly, body: Buffer.concat(chunks), trailers, reset: stream.rstCode };
}

export async function call(session: ClientHttp2Session, ask: CallAsk = {}): Promise<CallAnswer> {
  const stream = beginCall(session, ask);
  const answer = answerOf(stream);
  if (ask.body !== null) stream.end(ask.body ?? message());
  return answer;
}
