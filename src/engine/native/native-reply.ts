/**
 * Replies made here as the addon takes them: as HTTP/1.1 has them, and as a call of gRPC gets them.
 *
 * Stage before: `local-reply.ts`, which words them. Stage after: `native-engine.ts`, which gives each to the addon once.
 */
import type { NativeReply } from '../../addon/http-engine.ts';
import { REQUEST_REASONS, type RequestReason } from '../../errors.ts';
import { GRPC_CODES, type GrpcCode } from '../../grpc-status.ts';
import { grpcReplyFields, localReply } from '../local-reply.ts';

/** By the number that the addon has for each. */
export const REASONS = Object.keys(REQUEST_REASONS) as RequestReason[];

/** The same for the same reply. */
export function replyKey(reason: RequestReason, status: number, code: GrpcCode | null): string {
  return `${status} ${reason} ${code ?? ''}`;
}

/** `code`: what a call is told instead; null: the same. */
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

/** `fields`: names and values in turn. */
function replyLines(fields: readonly string[]): string {
  let lines = '';
  for (let i = 0; i < fields.length; i += 2) lines += `${fields[i]!}: ${fields[i + 1]!}\r\n`;
  return lines;
}
