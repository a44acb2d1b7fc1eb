/**
 * Words the replies that sideroute makes itself; no other file does.
 *
 * Stage before: an engine with a local decision or a failure, or the acceptor with a connection nobody can carry.
 * Stage after: the downstream connection. A reply exists as parts, for an engine that writes heads itself, and as raw
 * bytes, for a connection that is answered without an engine.
 */
import { REQUEST_REASONS, type RequestReason } from '../errors.ts';
import { GRPC_CODES, type GrpcCode } from '../grpc-status.ts';
import { statusPhrase } from '../status-phrases.ts';

export const REASON_HEADER = 'x-sideroute-reason';
const CONTENT_TYPE = 'text/plain; charset=utf-8';

/** One reply without framing fields: whoever writes it adds Content-Length, Date and Connection. */
export interface LocalReply {
  /** Status code and phrase, as in a status line. */
  readonly status: string;
  /** Field names and values in turn. */
  readonly fields: readonly string[];
  /** Never empty; not to be sent in answer to HEAD, but its length is. */
  readonly body: Uint8Array;
}

export interface LocalReplyOptions {
  /** Overrides the status that the reason implies. */
  readonly status?: number;
  /** The request was a HEAD: Content-Length, but no body. Default false. */
  readonly head?: boolean;
  /** Default: what `closesConnection` says of the reason. */
  readonly close?: boolean;
  /** Origination date; default now. */
  readonly date?: Date;
}

/**
 * Whether the connection is unusable after this reply: the request was not understood, so where the next one begins is
 * not known (RFC 9112 section 9.3), or its body will not be read.
 */
export function closesConnection(reason: RequestReason): boolean {
  return reason === 'not_implemented' || REQUEST_REASONS[reason].source === 'downstream';
}

const replies = new Map<string, LocalReply>();

/** The same object for the same arguments; `status` defaults to what the reason implies. */
export function localReply(reason: RequestReason, status: number = REQUEST_REASONS[reason].status): LocalReply {
  const key = `${status} ${reason}`;
  const known = replies.get(key);
  if (known !== undefined) return known;
  const reply: LocalReply = {
    status: `${status} ${statusPhrase(status)}`,
    fields: ['Content-Type', CONTENT_TYPE, REASON_HEADER, reason],
    body: Buffer.from(`${REQUEST_REASONS[reason].text}\n`),
  };
  replies.set(key, reply);
  return reply;
}

/**
 * What a call of gRPC gets for the same reason: names and values, in turn, of a trailers-only response, whose status is 200. It has no
 * body and ends with its head.
 */
export function grpcReplyFields(reason: RequestReason, code: GrpcCode): readonly string[] {
  return [
    ...['content-type', 'application/grpc', 'grpc-status', String(GRPC_CODES[code])],
    ...['grpc-message', grpcMessage(REQUEST_REASONS[reason].text), REASON_HEADER, reason],
  ];
}

/** Percent-encoded as gRPC has it: what is not visible ASCII or a space, and `%`. */
export function grpcMessage(text: string): string {
  return Buffer.from(text, 'utf8')
    .toString('latin1')
    .replace(/[^ -$&-~]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

/** A complete HTTP/1.1 response message. */
export function localReplyBytes(reason: RequestReason, options: LocalReplyOptions = {}): Uint8Array {
  const reply = localReply(reason, options.status);
  const lines = [`HTTP/1.1 ${reply.status}`];
  for (let i = 0; i < reply.fields.length; i += 2) lines.push(`${reply.fields[i]!}: ${reply.fields[i + 1]!}`);
  lines.push(`Date: ${(options.date ?? new Date()).toUTCString()}`, `Content-Length: ${reply.body.length}`);
  if (options.close ?? closesConnection(reason)) lines.push('Connection: close');
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return options.head === true ? head : Buffer.concat([head, reply.body]);
}
