/**
 * Builds all replies that sideroute makes itself; no other file does.
 *
 * Stage before: an engine with a local decision or a failure, or the acceptor with a connection that no engine can
 * carry. Stage after: the downstream connection. A reply is available in parts, for an engine that writes heads itself,
 * and as raw bytes, for a connection that is answered without an engine.
 */
import { REQUEST_REASONS, type RequestReason } from '../errors.ts';
import { GRPC_CODES, type GrpcCode } from '../grpc-status.ts';
import { statusPhrase } from '../status-phrases.ts';

export const REASON_HEADER = 'x-sideroute-reason';
const CONTENT_TYPE = 'text/plain; charset=utf-8';

/** One reply without framing fields: the writer adds Content-Length, Date and Connection. */
export interface LocalReply {
  /** Status code and phrase, as in a status line. */
  readonly status: string;
  /** Field names and values, alternating. */
  readonly fields: readonly string[];
  /** Never empty. A reply to HEAD has its length but not the body. */
  readonly body: Uint8Array;
}

export interface LocalReplyOptions {
  /** Overrides the status that the reason implies. */
  readonly status?: number;
  /** True for a reply to HEAD: Content-Length, but no body. Default: false. */
  readonly head?: boolean;
  /** Default: the value of `closesConnection` for the reason. */
  readonly close?: boolean;
  /** Value of the Date field; default: now. */
  readonly date?: Date;
}

/**
 * True when the connection cannot be used after this reply: the request was not understood, so it is unknown where the
 * next one begins (RFC 9112 section 9.3), or its body will not be read.
 */
export function closesConnection(reason: RequestReason): boolean {
  return reason === 'not_implemented' || REQUEST_REASONS[reason].source === 'downstream';
}

const replies = new Map<string, LocalReply>();

/** Returns the same object for the same arguments. `status` defaults to that of the reason. */
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
 * The reply to a gRPC call for the same reason: alternating names and values of a trailers-only response. Its status is
 * 200; it has no body and ends with its head.
 */
export function grpcReplyFields(reason: RequestReason, code: GrpcCode): readonly string[] {
  return [
    ...['content-type', 'application/grpc', 'grpc-status', String(GRPC_CODES[code])],
    ...['grpc-message', grpcMessage(REQUEST_REASONS[reason].text), REASON_HEADER, reason],
  ];
}

/** Percent-encoding as gRPC defines it: for `%` and for everything except visible ASCII and space. */
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
