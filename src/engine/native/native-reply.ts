/**
 * Local replies in the form the addon takes: one for HTTP/1.1, and one for gRPC calls.
 *
 * Stage before: `local-reply.ts`, which builds them. Stage after: `native-engine.ts`, which passes each to the addon
 * once.
 */
import type { NativeReply } from '../../addon/http-engine.ts';
import { REQUEST_REASONS, type RequestReason } from '../../errors.ts';
import { GRPC_CODES, type GrpcCode } from '../../grpc-status.ts';
import { grpcReplyFields, localReply } from '../local-reply.ts';

/** Their order is the numbering in the addon. */
export const REASONS = Object.keys(REQUEST_REASONS) as RequestReason[];

/** Equal for equal replies. */
export function replyKey(reason: RequestReason, status: number, code: GrpcCode | null): string {
  return `${status} ${reason} ${code ?? ''}`;
}

/** `code`: the gRPC code for a call; null: a call gets the same reply as other requests. */
export function nativeReply(reason: RequestReason, status: number, code: GrpcCode | null): NativeReply {
  const reply = localReply(reason, status);
  return {
    status,
    reason: REASONS.indexOf(reason),
    head: `HTTP/1.1 ${reply.status}\r\n${replyLines(reply.fields)}`,
    body: Buffer.from(reply.body).toString('latin1'),
    ...(code === null ? {} : { grpc: replyLines(grpcReplyFields(reason, code)), grpcStatus: GRPC_CODES[code] }),
  };
}

/** `fields`: names and values, alternating. */
function replyLines(fields: readonly string[]): string {
  let lines = '';
  for (let i = 0; i < fields.length; i += 2) lines += `${fields[i]!}: ${fields[i + 1]!}\r\n`;
  return lines;
}
