/**
 * Inputs for the differential tests: messages of a corpus, changed a little at random. The same seed gives the same
 * inputs. All bytes are Latin-1 strings.
 */
import { seededRandom } from '../random-routes.ts';

/** Lines from attacks on framing, and from what clients and servers really write. */
const FRAMING_LINES = [
  'Content-Length: 5',
  'Content-Length: 0',
  'Content-Length: 0005',
  'Content-Length:5',
  'Content-Length:\t5\t',
  'Content-Length: 5, 5',
  'Content-Length: 5, 6',
  'Content-Length: +5',
  'Content-Length: 5 5',
  'Content-Length: 0x5',
  'Content-Length:',
  'Content-Length : 5',
  'Content_Length: 7',
  'content-length: 7',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: Chunked',
  'Transfer-Encoding:chunked',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding: chunked\t',
  'transfer-encoding:  chunked  ',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: \x0bchunked',
  'Transfer-Encoding: chunked;q=1',
  'Transfer-Encoding: "chunked"',
  'Transfer-Encoding:',
  'Transfer-Encoding : chunked',
  'Transfer_Encoding: chunked',
  'TE: trailers',
];
const CONNECTION_LINES = [
  'Connection: close',
  'Connection: keep-alive',
  'Connection: Keep-Alive, X-Hop',
  'Connection: Content-Length',
  'Connection: close, Transfer-Encoding',
  'Connection: Host',
  'Connection:',
  'Connection: ,,',
  'Keep-Alive: timeout=5, max=100',
  'Proxy-Connection: keep-alive',
  'Connection: Upgrade\r\nUpgrade: x',
  'Upgrade: x',
  'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk',
  'Trailer: X-T',
];
const OTHER_LINES = [
  'X: 1',
  'X:',
  'X-Hop: 1',
  ' folded',
  '\tfolded',
  'X : 1',
  ': empty',
  'no colon',
  'Cookie: a=1; b="2"',
  'X: \xe9\xff',
  'Accept: */*',
  'X-Long: ' + 'v'.repeat(300),
  'Range: bytes=0-0,1-1',
];
/** Single bytes with a special meaning for some parser. */
const BYTES = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  ' ',
  '\t',
  '\x0b',
  '\x7f',
  '\x80',
  '\xe9',
  ';',
  ',',
  ':',
  '=',
  '"',
  '0',
  '5',
  'a',
  '#',
  '@',
];
const BLANKS = ['', ' ', '  ', '\t', ' \t '];
const CHUNK_LINES = [
  '5',
  '05',
  '0000000000000005',
  '00000000000000005',
  '5;a',
  '5;a=b',
  '5;a="q;r"',
  '5 ;a',
  '5\t;a=b',
  '5;',
  '5;a="',
  '5 ',
  'a',
  'A',
  '0x5',
  '+5',
  '-5',
  '',
];
const CHUNK_DATA = ['hello', 'hell', 'hello!', 'GET /x'];
const TRAILERS = [
  'X-T: 1',
  'Content-Length: 5',
  'Transfer-Encoding: chunked',
  'Host: b',
  'X : 1',
  'GET /s HTTP/1.1',
  'X-T:\t1 ',
];

export class Mutator {
  readonly #random: () => number;
  readonly #corpus: readonly string[];
  readonly #startLines: readonly string[];
  readonly #lines: readonly string[];

  /** `startLines`: to put in place of that of a message; `lines`: to put among its fields, beside those that frame. */
  constructor(seed: number, corpus: readonly string[], startLines: readonly string[], lines: readonly string[] = []) {
    this.#random = seededRandom(seed);
    this.#corpus = corpus;
    this.#startLines = startLines;
    this.#lines = lines;
  }

  /** In [0, count). */
  below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** One input: a message of the corpus, or several, with one to three changes; now and then with none. */
  next(): string {
    let text = this.pick(this.#corpus);
    for (let changes = this.below(8) === 0 ? 0 : 1 + this.below(3); changes > 0; changes--) text = this.#change(text);
    if (this.below(4) === 0) text += this.pick(this.#corpus);
    if (this.below(12) === 0) text = this.#change(text);
    return text;
  }

  #change(text: string): string {
    const bodyAt = text.indexOf('\r\n\r\n');
    if (bodyAt < 0) return this.#changeBytes(text);
    const lines = text.slice(0, bodyAt).split('\r\n');
    const body = text.slice(bodyAt + 4);
    const join = (changed: readonly string[], rest = body): string => `${changed.join('\r\n')}\r\n\r\n${rest}`;
    // After the start line.
    const at = lines.length > 1 ? 1 + this.below(lines.length - 1) : 1;
    switch (this.below(13)) {
      case 0:
      case 1:
        return join(lines.toSpliced(1 + this.below(lines.length), 0, this.#line()));
      case 2:
        return join(lines.toSpliced(at, 1));
      case 3:
        return join(lines.toSpliced(at, 1, this.#line()));
      case 4:
        return join(lines.toSpliced(at, 0, lines[at] ?? this.#line()));
      case 5:
      case 6:
        return join(lines.toSpliced(at, 1, this.#respaced(lines[at] ?? 'X: 1')));
      case 7:
        return join(lines.toSpliced(at, 1, this.#recased(lines[at] ?? 'X: 1')));
      case 8:
        return join(lines.toSpliced(0, 1, this.pick(this.#startLines)));
      case 9:
        return join(lines, this.#body());
      case 10:
        return join(lines.toSpliced(at, 1, this.#renumbered(lines[at] ?? 'X: 1')));
      case 11:
        return join(lines, this.#changeBytes(body));
      default:
        return this.#changeBytes(text);
    }
  }

  #line(): string {
    const lists = [FRAMING_LINES, FRAMING_LINES, CONNECTION_LINES, OTHER_LINES, this.#lines];
    const list = this.pick(lists);
    return this.pick(list.length === 0 ? FRAMING_LINES : list);
  }

  /** Other blanks around name and value. */
  #respaced(line: string): string {
    const colon = line.indexOf(':');
    if (colon < 0) return line;
    const before = this.below(10) === 0 ? this.pick(BLANKS) : '';
    return `${line.slice(0, colon)}${before}:${this.pick(BLANKS)}${line.slice(colon + 1).trim()}${this.pick(BLANKS)}`;
  }

  #recased(line: string): string {
    return line.replaceAll(/[A-Za-z]/g, (letter) =>
      this.below(3) === 0 ? (letter < 'a' ? letter.toLowerCase() : letter.toUpperCase()) : letter,
    );
  }

  #renumbered(line: string): string {
    return line.replaceAll(/\d+/g, (digits) => {
      return this.pick([
        `0${digits}`,
        `000${digits}`,
        digits.slice(1),
        `${digits}0`,
        `${digits},${digits}`,
        '7',
        '0',
        '99999999999999999999',
      ]);
    });
  }

  #body(): string {
    if (this.below(3) === 0) return this.pick(['', 'hello', 'hell', 'hello, world']);
    let text = '';
    for (let count = this.below(3); count >= 0; count--) {
      text += `${this.below(3) === 0 ? this.pick(CHUNK_LINES) : '5'}\r\n${this.below(4) === 0 ? this.pick(CHUNK_DATA) : 'hello'}\r\n`;
    }
    text += `${this.below(4) === 0 ? this.pick(['000', '0;a', '0 ;a=b', '0;', '0\n', '00000000000000000']) : '0'}\r\n`;
    for (let count = this.below(4); count > 2; count--) text += `${this.pick(TRAILERS)}\r\n`;
    return `${text}\r\n`;
  }

  /** A byte more, a byte less, another byte, a piece twice, or an end that comes early. */
  #changeBytes(text: string): string {
    const at = this.below(text.length + 1);
    switch (this.below(6)) {
      case 0:
      case 1:
        return text.slice(0, at) + this.pick(BYTES) + text.slice(at);
      case 2:
        return text.slice(0, at) + text.slice(at + 1);
      case 3:
        return text.slice(0, at) + this.pick(BYTES) + text.slice(at + 1);
      case 4: {
        const length = 1 + this.below(20);
        return text.slice(0, at + length) + text.slice(at);
      }
      default:
        return this.below(4) === 0 ? text.slice(0, at) : text;
    }
  }
}
