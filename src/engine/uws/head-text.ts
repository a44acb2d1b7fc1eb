/**
 * A request head as uWebSockets.js hands it over, put together again as one text, which the addon parses as strictly as any.
 *
 * Stage before: the handler of a uWS app, where the request object is valid only until the handler returns. Stage after:
 * `addon/outer-streams.ts`. What uWS hides cannot be put back: fields after an empty name, bytes >= 0x80 at the edges of a
 * value, the case of names.
 */

/** What is used of a uWS request; strings are UTF-8 decoded unless said otherwise. */
export interface RequestSource {
  getCaseSensitiveMethod(): string;
  getUrl(): string;
  /** Undefined without a `?` (which the typings of uWS do not say). */
  getQuery(): string | undefined;
  /** Latin-1; the first field of that name, empty when there is none. */
  getHeader(lowerCaseName: string): string;
  forEach(visit: (lowerCaseName: string, value: string) => void): void;
}

const NOT_ASCII = /[^\x00-\x7f]/;
const REPLACEMENT = '\ufffd';

export function isAscii(text: string): boolean {
  return !NOT_ASCII.test(text);
}

/** One object for all requests. */
export class HeadText {
  /** Of the head read last: a body follows, as uWS sees it. */
  hasBody = false;
  private text = '';
  private readonly append = (name: string, value: string): void => {
    this.text += `${name}: ${value}\r\n`;
    if (name === 'content-length' && value !== '0') this.hasBody = true;
  };

  /** Hot path. As decoded. */
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

/** The same, each character a byte; null where uWS does not tell which bytes there were. */
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
    // getHeader is exact, but knows only the first field of a name.
    const bytes = isAscii(value) ? value : seen.has(name) ? latin1(value) : request.getHeader(name);
    text += `${name}: ${bytes}\r\n`;
    seen.add(name);
  });
  return lost ? null : `${text}\r\n`;
}
