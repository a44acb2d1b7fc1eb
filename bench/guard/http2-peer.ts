/**
 * One side of an HTTP/2 connection that sends a whole request or response at once, so that it is received at once.
 * Node's http2 module sends it in several pieces, and how many arrive together differs from run to run. All bytes are
 * Latin-1 strings.
 */
import type { Socket } from 'node:net';

const DATA = 0;
const HEADERS = 1;
const RESET = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;
const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;
const HEADER_BYTES = 9;

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

export type Fields = readonly (readonly [string, string])[];

const number32 = (value: number): string =>
  String.fromCharCode((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);

const frame = (type: number, flags: number, stream: number, payload = ''): string =>
  number32(payload.length).slice(1) + String.fromCharCode(type, flags) + number32(stream) + payload;

/** Literals without indexing; names and values must be shorter than 127 bytes. */
const block = (fields: Fields): string =>
  fields
    .map(([name, value]) => `\0${String.fromCharCode(name.length)}${name}${String.fromCharCode(value.length)}${value}`)
    .join('');

/** The frames of one stream: head, body and trailers, if there are any. */
export function message(stream: number, head: Fields, body: string, trailers: Fields | null): string {
  const last = trailers === null ? END_STREAM : 0;
  return (
    frame(HEADERS, END_HEADERS, stream, block(head)) +
    frame(DATA, last, stream, body) +
    (trailers === null ? '' : frame(HEADERS, END_HEADERS | END_STREAM, stream, block(trailers)))
  );
}

/** What either side sends first (a client after the preface): SETTINGS, and a connection window that never closes. */
export const greeting = (): string => frame(SETTINGS, 0, 0) + frame(WINDOW_UPDATE, 0, 0, number32(0x7fffffff - 65_535));

/** Answers SETTINGS and PING, and calls `onEnd` with each stream that the other side has ended. */
export function listen(socket: Socket, onEnd: (stream: number) => void): void {
  let rest = '';
  socket.on('data', (chunk: Buffer) => {
    rest += chunk.toString('latin1');
    if (rest.startsWith(PREFACE)) rest = rest.slice(PREFACE.length);
    for (;;) {
      const length = (rest.charCodeAt(0) << 16) | (rest.charCodeAt(1) << 8) | rest.charCodeAt(2);
      if (rest.length < HEADER_BYTES || rest.length < HEADER_BYTES + length) return;
      const [type, flags] = [rest.charCodeAt(3), rest.charCodeAt(4)];
      const stream = Buffer.from(rest.slice(5, HEADER_BYTES), 'latin1').readUInt32BE();
      const payload = rest.slice(HEADER_BYTES, HEADER_BYTES + length);
      rest = rest.slice(HEADER_BYTES + length);
      if ((type === SETTINGS || type === PING) && (flags & ACK) === 0)
        socket.write(frame(type, ACK, 0, type === PING ? payload : ''), 'latin1');
      // A connection to a backend is replaced now and then, with GOAWAY and no error.
      if (type === RESET) throw new Error(`stream ${stream} was reset`);
      if (type === GOAWAY && payload.slice(4, 8) !== '\0\0\0\0') throw new Error('the connection was given up');
      if ((type === HEADERS || type === DATA) && (flags & END_STREAM) !== 0) onEnd(stream);
    }
  });
}
