/**
 * Recognises gRPC calls: `POST /my.pkg.Service/Method` with a gRPC content type.
 *
 * Used by `decide.ts`, `match-place.ts` and `explain.ts`. The addon does the same in `native/src/http/grpc.h`; both are
 * tested with one table of cases.
 */
import type { GrpcMethodMatch } from '../gateway-api/types.ts';
import { compileRegex, type Regex } from '../regex/regex.ts';
import type { RequestHead } from './decision.ts';
import { toWire } from './predicates.ts';

export const CONTENT_TYPE = 'content-type';
const GRPC = 'application/grpc';
const METHOD = 'POST';

/**
 * `application/grpc`, optionally followed by a format (`+proto`) or parameters. The content type of gRPC-Web does not
 * count: that is another protocol.
 */
export function isGrpcContentType(value: string | null): boolean {
  if (value === GRPC) return true;
  if (value === null || value.length < GRPC.length) return false;
  if (value.slice(0, GRPC.length).toLowerCase() !== GRPC) return false;
  return value.length === GRPC.length || '+; \t'.includes(value[GRPC.length]!);
}

export function isCall(method: string, contentType: string | null): boolean {
  return method === METHOD && isGrpcContentType(contentType);
}

export function isCallHead(head: RequestHead): boolean {
  return isCall(head.method, head.header(CONTENT_TYPE));
}

/** Milliseconds for each unit of `grpc-timeout`; the units below one millisecond are missing. */
const TIMEOUT_UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1 };

/** The value of `grpc-timeout` in milliseconds, rounded up; null when it is invalid and so limits nothing. */
export function grpcTimeoutMs(value: string | null): number | null {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(value ?? '') ?? [];
  if (digits === undefined || unit === undefined) return null;
  const number = Number(digits);
  if (unit === 'u') return Math.ceil(number / 1_000);
  return unit === 'n' ? Math.ceil(number / 1_000_000) : number * TIMEOUT_UNITS[unit]!;
}

/** The request line and content type that a gRPC client sends. `name`: `my.pkg.Service/Method`. */
export function callOf(name: string): { readonly method: string; readonly path: string; readonly contentType: string } {
  return { method: METHOD, path: `/${name}`, contentType: GRPC };
}

/** A gRPC match that no path index can find: it names no service, or it uses regular expressions. */
export class CallPattern {
  readonly #service: NamePattern;
  readonly #method: NamePattern;

  constructor({ type, service, method }: GrpcMethodMatch) {
    this.#service = namePattern(type, service);
    this.#method = namePattern(type, method);
  }

  /** The service name ends at the first `/` after the leading one, as for a prefix. Hot path: bench/micro/decide.ts. */
  matches(path: string): boolean {
    const slash = path.indexOf('/', 1);
    if (slash < 2 || path.charCodeAt(0) !== 0x2f) return false;
    return fits(this.#service, path.slice(1, slash)) && fits(this.#method, path.slice(slash + 1));
  }
}

/** Null matches any name. */
type NamePattern = string | Regex | null;

function namePattern(type: GrpcMethodMatch['type'], name: string | null): NamePattern {
  if (name === null) return null;
  return type === 'Exact' ? toWire(name) : compileRegex(name);
}

function fits(pattern: NamePattern, name: string): boolean {
  if (pattern === null) return true;
  return typeof pattern === 'string' ? pattern === name : pattern.matches(name);
}
