/** What a reader makes of the response to one request; the test itself reads responses with it too. */
import { bodyOf } from './messages.ts';

export interface ReadResponse {
  /** Codes of the responses before the final one. */
  readonly interim: readonly number[];
  /** 0: no final head. */
  readonly status: number;
  /** `none`, `length:5`, `chunked` or `close`. */
  readonly framing: string;
  /** SHA-1 of the payload; empty when it is cut short. */
  readonly body: string;
}

export function showResponse({ interim, status, framing, body }: ReadResponse): string {
  return [...interim, status, framing, body === '' ? 'cut short' : body.slice(0, 8)].join(' ');
}

/** Returns the error, or the message. Any framing that is not canonical is an error. */
export function readResponse(method: string, text: string): ReadResponse | string {
  const interim: number[] = [];
  for (let at = 0; ;) {
    const headEnd = text.indexOf('\r\n\r\n', at);
    if (headEnd < 0) {
      return at === text.length
        ? { interim, status: 0, framing: 'none', body: '' }
        : `half a head: ${JSON.stringify(text.slice(at))}`;
    }
    const [line = '', ...lines] = text.slice(at, headEnd).split('\r\n');
    const code = /^HTTP\/1\.1 ([1-9]\d\d) [\t -~\x80-\xff]*$/.exec(line)?.[1];
    if (code === undefined) return `status line ${JSON.stringify(line)}`;
    const status = Number(code);
    const framings = lines.filter((each) => /^(?:content-length|transfer-encoding)[\t ]*:/i.test(each));
    for (const each of lines) {
      if (!/^[!#$%&'*+\-.^_`|~\w]+:[\t -~\x80-\xff]*$/.test(each)) return `field ${JSON.stringify(each)}`;
    }
    for (const each of framings) {
      if (!/^(?:content-length: (?:0|[1-9]\d*)|transfer-encoding: chunked)$/i.test(each)) {
        return `framing ${JSON.stringify(each)}`;
      }
    }
    if (framings.length > 1) return 'more than one framing field';
    const framing = framings[0]?.toLowerCase() ?? '';
    at = headEnd + 4;
    if (status < 200) {
      if (framing !== '') return `framing in ${status}`;
      interim.push(status);
      continue;
    }
    if (status === 204 && framing !== '') return 'framing in 204';
    if (status === 304 && framing.startsWith('transfer')) return 'Transfer-Encoding in 304';
    const rest = text.slice(at);
    if (method === 'HEAD' || status === 204 || status === 304) {
      return rest === ''
        ? { interim, status, framing: 'none', body: bodyOf('') }
        : `bytes behind a response: ${JSON.stringify(rest)}`;
    }
    if (framing === '') return { interim, status, framing: 'close', body: bodyOf(rest) };
    if (framing.startsWith('content-length')) {
      const length = Number(framing.slice('content-length: '.length));
      if (rest.length > length) return `bytes behind a response: ${JSON.stringify(rest.slice(length))}`;
      return { interim, status, framing: `length:${length}`, body: rest.length < length ? '' : bodyOf(rest) };
    }
    const chunks = readChunks(rest);
    if (typeof chunks === 'string') return chunks;
    return { interim, status, framing: 'chunked', body: chunks === null ? '' : bodyOf(chunks.payload) };
  }
}

/** Null: incomplete. A string: the error. */
function readChunks(text: string): { readonly payload: string } | string | null {
  let payload = '';
  for (let at = 0; ;) {
    const line = /^([0-9a-f]+)\r\n/.exec(text.slice(at, at + 20));
    if (line === null)
      return /^(?:[0-9a-f]{0,16}\r?)$/.test(text.slice(at)) ? null : `chunk ${JSON.stringify(text.slice(at, at + 20))}`;
    const size = Number.parseInt(line[1]!, 16);
    at += line[0].length;
    if (size === 0) {
      const trailers = /^(?:[!#$%&'*+\-.^_`|~\w]+: [^\r\n]*\r\n)*\r\n/.exec(text.slice(at));
      if (trailers === null) return null;
      const rest = text.slice(at + trailers[0].length);
      return rest === '' ? { payload } : `bytes behind a response: ${JSON.stringify(rest)}`;
    }
    if (text.length < at + size + 2) return null;
    payload += text.slice(at, at + size);
    at += size + 2;
  }
}
