/**
 * The head of a backend's response as undici hands it over, turned into what uWebSockets.js may write.
 *
 * Stage before: undici, which has parsed the head. Stage after: `Downstream`, which writes it and the framing.
 */
import type { ForwardDecision } from '../../routing/decision.ts';
import type { ResponseHead } from '../../uws-library/downstream.ts';
import { connectionOptions, isHopByHop, parseContentLength } from './fields.ts';
import { appendLines, removes } from './plan.ts';

/** Framing, which must not be taken away either, never comes to that. */
const HOST = 'host';
const PHRASE = /^[\t\x20-\x7e]*$/;

export interface ReadResponse {
  readonly head: ResponseHead;
  /** Bytes of the body, null when only its end tells. */
  readonly length: number | null;
}

/**
 * `fields`: names and values in turn. `bodyless`: there is no body whatever the fields say. `decision`: what the route says
 * about the response, null for nothing.
 *
 * @returns null when the response cannot be framed
 */
export function readResponse(
  status: number,
  phrase: string,
  fields: readonly Buffer[],
  bodyless: boolean,
  decision: ForwardDecision | null,
): ReadResponse | null {
  const kept: (string | Uint8Array)[] = [];
  const plan = decision?.plan ?? null;
  const named = connectionNames(fields);
  let length: number | null = null;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!.toString('latin1').toLowerCase();
    if (name === 'content-length') {
      length = parseContentLength(fields[i + 1]!.toString('latin1'));
      if (length === null) return null;
      // The field frames nothing here: it describes what GET would have got. A 204 must not have one.
      if (bodyless && status !== 204) kept.push(fields[i]!, String(length));
      continue;
    } else if (name === 'transfer-encoding') {
      if (!isChunked(fields[i + 1]!) && !(status === 204 || status === 304)) return null;
      continue;
    } else if (name === 'date' || name === 'trailer' || isHopByHop(name) || named?.includes(name) === true) {
      // uWS writes a Date of its own; trailers are not relayed.
      continue;
    } else if (plan !== null && removes(plan.response, name)) {
      continue;
    }
    kept.push(fields[i]!, fields[i + 1]!);
  }
  if (plan !== null) appendLines(kept, plan.response.append);
  if (decision?.responseFields != null) appendLines(kept, decision.responseFields);
  return { head: { status: PHRASE.test(phrase) ? `${status} ${phrase}` : String(status), fields: kept }, length };
}

/**
 * undici takes `chunked` off and would leave any other coding on. It does not know the coding when a TAB follows it, and
 * has not looked for chunks then.
 */
function isChunked(coding: Buffer): boolean {
  return /^[\t ]*chunked *$/i.test(coding.toString('latin1'));
}

/** Without those that are not taken away on request (RFC 9110 section 7.6.1); null when there is no Connection field. */
function connectionNames(fields: readonly Buffer[]): string[] | null {
  let named: string[] | null = null;
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i]!.length !== 10 || fields[i]!.toString('latin1').toLowerCase() !== 'connection') continue;
    (named ??= []).push(...connectionOptions(fields[i + 1]!.toString('latin1')).filter((name) => name !== HOST));
  }
  return named;
}
