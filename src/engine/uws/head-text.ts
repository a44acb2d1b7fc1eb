/**
 * Rebuilds the text of a request head from what uWebSockets.js provides. The addon parses this text as strictly as any
 * other.
 *
 * Stage before: the handler of a uWS app, where the request object is valid only until the handler returns. Stage
 * after: `addon/outer-streams.ts`. Three things are lost in uWS: fields after an empty name, bytes >= 0x80 at the start
 * or end of a value, and the case of names.
 */

/** The part of a uWS request that is used. Strings are decoded as UTF-8 unless stated otherwise. */
export interface RequestSource {
  getCaseSensitiveMethod(): string;
  getUrl(): string;
  /** Undefined without a `?`; the typings of uWS omit this. */
  getQuery(): string | undefined;
  /** Latin-1; the first field of that name, or empty when there is none. */
  getHeader(lowerCaseName: string): string;
  forEach(visit: (lowerCaseName: string, value: string) => void): void;
}

const NOT_ASCII = /[^\x00-\x7f]/;
const REPLACEMENT = '\ufffd';

export function isAscii(text: string): boolean {
  return !NOT_ASCII.test(text);
}

/** One object serves all requests. */
export class HeadText {
  /** True when the head read last is followed by a body, as uWS sees it. */
  hasBody = false;
  private text = '';
  private readonly append = (name: string, value: string): void => {
    this.text += `${name}: ${value}\r\n`;
    if (name === 'content-length' && value !== '0') this.hasBody = true;
  };

  /** The text as uWS decoded it. Hot path. */
  read(request: RequestSource): string {
    const query = request.getQuery();
    const path = request.getUrl();
    const method = request.getCaseSensitiveMethod();
    this.hasBody = false;
    this.text = query === undefined ? `${method} ${path} HTTP/1.1\r\n` : `${method} ${path}?${query} HTTP/1.1\r\n`;
    request.forEach(this.append);
    return `${this.text}\r\n`;
  }
}

/** The same text with one character for each byte; null where uWS does not reveal the bytes. */
export function readBytes(request: RequestSource): string | null {
  const query = request.getQuery();
  let lost = false as boolean;
  const latin1 = (decoded: string): string => {
    if (isAscii(decoded)) return decoded;
    if (decoded.includes(REPLACEMENT)) lost = true;
    return Buffer.from(decoded, 'utf8').toString('latin1');
  };
  let text = `${request.getCaseSensitiveMethod()} ${latin1(request.getUrl())}`;
  if (query !== undefined) text += `?${latin1(query)}`;
  text += ' HTTP/1.1\r\n';
  const seen = new Set<string>();
  request.forEach((name, value) => {
    // getHeader returns the exact bytes, but only for the first field of a name.
    const bytes = isAscii(value) ? value : seen.has(name) ? latin1(value) : request.getHeader(name);
    text += `${name}: ${bytes}\r\n`;
    seen.add(name);
  });
  return lost ? null : `${text}\r\n`;
}
