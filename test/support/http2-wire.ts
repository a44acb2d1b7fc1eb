/**
 * HTTP/2 as bytes: frames are built by hand, so that invalid ones can be sent too; and a stage for the cases of
 * docs/safety-cases.md with raw connections on both sides of the native engine. All bytes are Latin-1 strings.
 */
import { HTTP2_CODES, type Http2Code, type Http2Flood, type Http2Side } from '../../src/addon/http2-counters.ts';
import type { NativeEngineOptions } from '../../src/engine/native/native-engine.ts';
import type { BackendProtocol } from '../../src/routing/decision.ts';
import { forwardTo, RecordingHost } from './engine-cases.ts';
import { nativeFront, type NativeFront } from './native-front.ts';
import { dial, inScope, ScriptedBackend, type Scope, type WireEnd } from './wire-end.ts';

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  resetStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;

export type Fields = readonly (readonly [string, string])[];

export function number32(value: number): string {
  return String.fromCharCode((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

export function frame(type: number, flags: number, stream: number, payload = ''): string {
  return number32(payload.length).slice(1) + String.fromCharCode(type, flags) + number32(stream) + payload;
}

/** A length with a seven-bit prefix (RFC 7541 section 5.1). */
function length7(value: number): string {
  if (value < 127) return String.fromCharCode(value);
  let text = '\x7f';
  let rest = value - 127;
  for (; rest >= 128; rest >>= 7) text += String.fromCharCode((rest & 127) | 128);
  return text + String.fromCharCode(rest);
}

/** Literals without indexing, so that header blocks do not depend on each other. */
export function block(fields: Fields): string {
  return fields.map(([name, value]) => `\0${length7(name.length)}${name}${length7(value.length)}${value}`).join('');
}

export function headers(stream: number, fields: Fields, ended = true): string {
  return frame(FRAME.headers, END_HEADERS | (ended ? END_STREAM : 0), stream, block(fields));
}

export function requestFields(method: string, path: string, more: Fields = []): Fields {
  return [[':method', method], [':scheme', 'http'], [':path', path], [':authority', 'a'], ...more];
}

export function get(stream: number, path = '/', more: Fields = []): string {
  return headers(stream, requestFields('GET', path, more));
}

/** A request whose body follows. */
export function post(stream: number, more: Fields = []): string {
  return headers(stream, requestFields('POST', '/', more), false);
}

export function data(stream: number, bytes: string, ended = false): string {
  return frame(FRAME.data, ended ? END_STREAM : 0, stream, bytes);
}

export function setting(id: number, value: number): string {
  return String.fromCharCode(id >> 8, id & 255) + number32(value);
}

export const SETTING = {
  tableSize: 1,
  push: 2,
  maxStreams: 3,
  window: 4,
  frameSize: 5,
  headSize: 6,
  connect: 8,
} as const;

export function settings(...all: string[]): string {
  return frame(FRAME.settings, 0, 0, all.join(''));
}

export function ping(): string {
  return frame(FRAME.ping, 0, 0, '12345678');
}

export function resetStream(stream: number, code: Http2Code = 'CANCEL'): string {
  return frame(FRAME.resetStream, 0, stream, number32(HTTP2_CODES.indexOf(code)));
}

export function goaway(last: number, code: Http2Code = 'NO_ERROR'): string {
  return frame(FRAME.goaway, 0, 0, number32(last) + number32(HTTP2_CODES.indexOf(code)));
}

export function windowUpdate(stream: number, by: number): string {
  return frame(FRAME.windowUpdate, 0, stream, number32(by));
}

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
/** The preface of a client with default settings. */
export const HELLO = PREFACE + settings();

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: string;
}

/** One end of an HTTP/2 connection; the writer decides whether it is the client or the server. */
export class Http2End {
  readonly wire: WireEnd;
  private seen: Frame[] = [];
  private taken = 0;

  constructor(wire: WireEnd) {
    this.wire = wire;
  }

  send(...bytes: string[]): void {
    this.wire.send(bytes.join(''));
  }

  /** However many bytes those are: in pieces, as the other side takes them, and no more once it has ended. */
  async flood(bytes: string): Promise<void> {
    for (let at = 0; at < bytes.length && this.wire.open; at += 65_536) {
      // The connection may end in the middle, which is expected in a flood.
      await this.wire.write(bytes.slice(at, at + 65_536)).catch(() => undefined);
    }
  }

  /** Those that are complete, from the first. */
  get frames(): readonly Frame[] {
    const bytes = this.wire.text;
    if (this.taken === 0 && bytes.startsWith(PREFACE)) this.taken = PREFACE.length;
    if (this.taken === 0 && PREFACE.startsWith(bytes.slice(0, PREFACE.length)) && bytes.length < PREFACE.length)
      return [];
    for (;;) {
      const at = this.taken;
      if (bytes.length < at + 9) break;
      const byte = (index: number): number => bytes.charCodeAt(at + index);
      const length = (byte(0) << 16) | (byte(1) << 8) | byte(2);
      if (bytes.length < at + 9 + length) break;
      const stream = ((byte(5) & 127) << 24) | (byte(6) << 16) | (byte(7) << 8) | byte(8);
      this.seen.push({ type: byte(3), flags: byte(4), stream, payload: bytes.slice(at + 9, at + 9 + length) });
      this.taken = at + 9 + length;
    }
    return this.seen;
  }

  count(type: number, stream?: number): number {
    return this.frames.filter((each) => each.type === type && (stream === undefined || each.stream === stream)).length;
  }

  /** The nth of its kind, from 0; rejects when the connection ends without. */
  async next(type: number, stream?: number, index = 0): Promise<Frame> {
    const found = (): Frame | undefined =>
      this.frames.filter((each) => each.type === type && (stream === undefined || each.stream === stream))[index];
    const kinds = (): string =>
      this.frames
        .map((each) => `${each.type}/${each.stream}`)
        .join(' ')
        .slice(0, 500);
    await this.wire.untilHolds(
      () => `frame ${type} of stream ${stream ?? 'any'}; there are ${kinds()}`,
      () => found() !== undefined || !this.wire.open,
    );
    const frame = found();
    if (frame === undefined) throw new Error(`ended (${this.wire.state}) without frame ${type}: ${kinds()}`);
    return frame;
  }

  /** Of GOAWAY, or of the reset of a stream. */
  async code(type: number, stream?: number): Promise<Http2Code> {
    const { payload } = await this.next(type, stream);
    const at = type === FRAME.goaway ? 7 : 3;
    return HTTP2_CODES[payload.charCodeAt(at)] ?? 'unknown';
  }

  /** Of a response, as the encoder writes the usual ones (RFC 7541 appendix A), and 0 for one that it writes otherwise. */
  async status(stream: number): Promise<number> {
    const { payload } = await this.next(FRAME.headers, stream);
    const indexed: Record<number, number> = { 0x88: 200, 0x89: 204, 0x8c: 400, 0x8d: 404, 0x8e: 500 };
    const known = indexed[payload.charCodeAt(0)];
    if (known !== undefined) return known;
    // A literal whose name is the eighth entry, plain or Huffman-encoded; or an entry of the dynamic table.
    return 0;
  }
}

export interface HostileStage {
  readonly front: NativeFront;
  readonly host: RecordingHost;
  readonly backend: ScriptedBackend;
  /** Another connection of an application. Has said hello. */
  client(hello?: string): Promise<Http2End>;
  /** The next connection to the backend, which has said hello. */
  accepted(hello?: string): Promise<Http2End>;
  floods(side: Http2Side): Partial<Record<Http2Flood, number>>;
}

export async function hostileStage(
  scope: Scope,
  protocol: BackendProtocol = 'http1',
  options: NativeEngineOptions = {},
): Promise<HostileStage> {
  const backend = await ScriptedBackend.listen(scope);
  const host = new RecordingHost(() => forwardTo(backend.port, undefined, protocol));
  const front = await nativeFront(options)(host, { address: '127.0.0.1', port: backend.port });
  front.http2 = true;
  scope.teardown(() => front.close());
  return {
    front,
    host,
    backend,
    client: async (hello = HELLO) => {
      const end = new Http2End(await dial(scope, '127.0.0.1', front.port));
      end.send(hello);
      return end;
    },
    accepted: async (hello = settings()) => {
      const end = new Http2End(await backend.next());
      end.send(hello);
      return end;
    },
    floods: (side) => {
      const { floods } = front.engine.http2Counters()[side];
      return Object.fromEntries(Object.entries(floods).filter(([, count]) => count > 0));
    },
  };
}

/** An HTTP/1.1 backend that answers each request with two bytes, and records its head. */
export function answersAll(backend: ScriptedBackend): string[] {
  const heads: string[] = [];
  backend.onBytes = (end) => {
    for (let at = end.text.indexOf('\r\n\r\n'); at >= 0; at = end.text.indexOf('\r\n\r\n')) {
      heads.push(end.text.slice(0, at + 4));
      end.forget(at + 4);
      end.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    }
  };
  return heads;
}

export { inScope };
