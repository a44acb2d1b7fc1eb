/**
 * One request head as uWebSockets.js hands it over: checked, and turned into what routing and forwarding need.
 *
 * Stage before: the handler of a uWS app, where the request object is valid only until the handler returns. Stage after:
 * `decide`, then the exchange. The gate before the engine sees the first head of a connection only, so every check is
 * repeated here for the later ones; what uWS hides cannot be checked here: fields after an
 * empty name, and bytes >= 0x80 at the edges of a value.
 */
import type { RequestReason } from '../../errors.ts';
import type { RequestHead } from '../../routing/decision.ts';
import {
  connectionOptions,
  isHopByHop,
  isHostValue,
  isToken,
  parseContentLength,
  removesEssentialField,
} from './fields.ts';

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

const BAD_TARGET = /[\x00-\x20\x7f#]/;
const BAD_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const REPLACEMENT = '\ufffd';

/** Signals a byte sequence that cannot be recovered from what uWS gives. */
const LOST = null;

export class UwsHead implements RequestHead {
  method = '';
  path = '';
  query = '';
  /** Path and query as sent. */
  target = '';
  /** Lower-case names and Latin-1 values in turn, in the order of the message. */
  fields: string[] = [];
  /** 0 when there is no body. */
  contentLength = 0;
  /** The downstream asks for the connection to be closed after the response. */
  close = false;
  private connection: string[] | null = null;

  header(name: string): string | null {
    const { fields } = this;
    let value: string | null = null;
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] === name) value = value === null ? fields[i + 1]! : `${value},${fields[i + 1]!}`;
    }
    return value;
  }

  /** The fields to forward: without those that concern the downstream connection only. Same form as `fields`. */
  forwardedFields(): string[] {
    const { fields, connection } = this;
    const forwarded: string[] = [];
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i]!;
      if (isHopByHop(name) || connection?.includes(name) === true) continue;
      forwarded.push(name, fields[i + 1]!);
    }
    return forwarded;
  }

  /** Reads and checks; the object is of use only when null is returned, else the request deserves that reply. */
  read(request: RequestSource): RequestReason | null {
    return this.readTarget(request) ?? this.readFields(request) ?? this.checkFields();
  }

  private readTarget(request: RequestSource): RequestReason | null {
    this.method = request.getCaseSensitiveMethod();
    if (!isToken(this.method)) return 'bad_request';
    const rawQuery = request.getQuery();
    const path = latin1(request.getUrl());
    const query = latin1(rawQuery ?? '');
    if (path === LOST || query === LOST) return 'not_implemented';
    this.path = path;
    this.query = query;
    this.target = rawQuery === undefined ? path : `${path}?${query}`;
    if (!path.startsWith('/') || BAD_TARGET.test(this.target)) return 'bad_request';
    return this.method === 'CONNECT' ? 'not_implemented' : null;
  }

  private readFields(request: RequestSource): RequestReason | null {
    const fields: string[] = [];
    let problem: RequestReason | null = null;
    request.forEach((name, value) => {
      if (!isToken(name)) problem = 'bad_request';
      let raw: string | null = value;
      if (NOT_ASCII.test(value)) {
        // getHeader is exact, but knows only the first field of a name.
        const first = !fields.some((other, index) => index % 2 === 0 && other === name);
        raw = first ? request.getHeader(name) : latin1(value);
      }
      if (raw === LOST) problem ??= 'not_implemented';
      else if (BAD_VALUE.test(raw)) problem = 'bad_request';
      else fields.push(name, raw);
    });
    this.fields = fields;
    return problem;
  }

  private checkFields(): RequestReason | null {
    const { fields } = this;
    let host = false;
    let length = false;
    let coding: string | null = null;
    let unsupported = false;
    let connection: string | null = null;
    for (let i = 0; i < fields.length; i += 2) {
      const value = fields[i + 1]!;
      switch (fields[i]) {
        case 'host':
          if (host || !isHostValue(value)) return 'bad_request';
          host = true;
          break;
        case 'content-length': {
          const parsed = parseContentLength(value);
          if (length || parsed === null) return 'bad_request';
          length = true;
          this.contentLength = parsed;
          break;
        }
        case 'transfer-encoding':
          coding = coding === null ? value : `${coding},${value}`;
          break;
        case 'connection':
          connection = connection === null ? value : `${connection},${value}`;
          break;
        case 'upgrade':
        case 'expect':
          unsupported = true;
          break;
      }
    }
    if (!host) return 'bad_request';
    if (connection !== null) {
      this.connection = connectionOptions(connection);
      if (removesEssentialField(this.connection)) return 'bad_request';
      this.close = this.connection.includes('close');
    }
    // uWS cannot frame a chunked body safely; what is no chunked body at all is not worth a 501.
    if (coding !== null) {
      return !length && coding.trim().toLowerCase() === 'chunked' ? 'not_implemented' : 'bad_request';
    }
    return unsupported ? 'not_implemented' : null;
  }
}

/** Bytes as Latin-1 from a string that uWS decoded as UTF-8; `LOST` when the decoding was not reversible. */
function latin1(decoded: string): string | typeof LOST {
  if (!NOT_ASCII.test(decoded)) return decoded;
  return decoded.includes(REPLACEMENT) ? LOST : Buffer.from(decoded, 'utf8').toString('latin1');
}
