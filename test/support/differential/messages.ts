/**
 * What a reader makes of a stream of requests: one line of facts for each complete message. It is also the parser with
 * which the capturing backend knows when to respond. It accepts framing in any legal form, so that differences to other
 * parsers show in the comparison.
 */
import { createHash } from 'node:crypto';
import { METHODS } from 'node:http';

export interface ReadRequest {
  readonly method: string;
  readonly target: string;
  /** `none`, `length:5` or `chunked`. */
  readonly framing: string;
  /** SHA-1 of the payload, hexadecimal. */
  readonly body: string;
}

/**
 * Comes after the last message of a stream: a reader that finds it there, with nothing lost or left over, is in step.
 */
export const SENTINEL = 'GET /~last~ HTTP/1.1\r\nHost: last\r\nConnection: close\r\n\r\n';
export const SENTINEL_READ: ReadRequest = { method: 'GET', target: '/~last~', framing: 'none', body: bodyOf('') };

/**
 * Whether every server accepts such a request line. An unknown method and a target with bytes above 0x7f are forwarded;
 * servers may treat them differently.
 */
export function isCommon({ method, target }: ReadRequest): boolean {
  return METHODS.includes(method) && /^[!-~]+$/.test(target);
}

/** `payload`: Latin-1. */
export function bodyOf(payload: string | Buffer): string {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  return createHash('sha1').update(bytes).digest('hex');
}

export function showRequest({ method, target, framing, body }: ReadRequest): string {
  return `${method} ${target} ${framing} ${body.slice(0, 8)}`;
}

/** One complete message at the front of a stream. */
export interface TakenRequest extends ReadRequest {
  /** All of it. */
  readonly text: string;
  /** The connection ends with the answer to it (HTTP/1.0). */
  readonly closes: boolean;
}

export type Taken =
  | { readonly state: 'complete'; readonly request: TakenRequest }
  /** `head`: the head is there, and waits for a 100 when `expects`. */
  | { readonly state: 'incomplete'; readonly head: boolean; readonly expects: boolean }
  | { readonly state: 'malformed'; readonly why: string };

export function takeRequest(text: string): Taken {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd < 0) return { state: 'incomplete', head: false, expects: false };
  const [line = '', ...lines] = text.slice(0, headEnd).split('\r\n');
  const parts = /^(\S+) (\S+) HTTP\/1\.([01])$/.exec(line);
  if (parts === null) return { state: 'malformed', why: `request line ${JSON.stringify(line)}` };
  const fields = new Map<string, string[]>();
  for (const each of lines) {
    const colon = each.indexOf(':');
    const name = each.slice(0, Math.max(0, colon)).toLowerCase();
    if (!/^[!#$%&'*+\-.^_`|~\w]+$/.test(name)) return { state: 'malformed', why: `field ${JSON.stringify(each)}` };
    fields.set(name, [...(fields.get(name) ?? []), each.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')]);
  }
  const codings = fields.get('transfer-encoding') ?? [];
  const lengths = fields.get('content-length') ?? [];
  if (codings.length + lengths.length > 1) return { state: 'malformed', why: 'more than one framing field' };
  const bodyAt = headEnd + 4;
  const expects = /^100-continue$/i.test(fields.get('expect')?.[0] ?? '');
  let framing = 'none';
  let payload = '';
  let end = bodyAt;
  if (codings.length > 0) {
    if (codings[0]!.toLowerCase() !== 'chunked') return { state: 'malformed', why: `coding ${codings[0]!}` };
    framing = 'chunked';
    const chunks = takeChunks(text, bodyAt);
    if (chunks === null) return { state: 'incomplete', head: true, expects };
    if (typeof chunks === 'string') return { state: 'malformed', why: chunks };
    ({ payload, end } = chunks);
  } else if (lengths.length > 0) {
    if (!/^\d+$/.test(lengths[0]!)) return { state: 'malformed', why: `length ${lengths[0]!}` };
    const length = Number(lengths[0]);
    framing = `length:${length}`;
    end = bodyAt + length;
    if (text.length < end) return { state: 'incomplete', head: true, expects };
    payload = text.slice(bodyAt, end);
  }
  return {
    state: 'complete',
    request: {
      method: parts[1]!,
      target: parts[2]!,
      framing,
      body: bodyOf(payload),
      text: text.slice(0, end),
      closes: parts[3] === '0',
    },
  };
}

/** Null: incomplete; a string: why it is malformed. */
function takeChunks(text: string, from: number): { readonly payload: string; readonly end: number } | string | null {
  let payload = '';
  for (let at = from; ;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return null;
    const line = text.slice(at, lineEnd);
    if (!/^[0-9a-f]+$/i.test(line)) return `chunk line ${JSON.stringify(line)}`;
    const size = Number.parseInt(line, 16);
    const dataAt = lineEnd + 2;
    if (size === 0) {
      const end = text.startsWith('\r\n', dataAt) ? dataAt : text.indexOf('\r\n\r\n', dataAt) + 2;
      return end < dataAt || text.length < end + 2 ? null : { payload, end: end + 2 };
    }
    if (text.length < dataAt + size + 2) return null;
    if (!text.startsWith('\r\n', dataAt + size)) return 'chunk data without CRLF';
    payload += text.slice(dataAt, dataAt + size);
    at = dataAt + size + 2;
  }
}
