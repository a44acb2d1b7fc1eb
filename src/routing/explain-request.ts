/**
 * Input of `explain`: a Service and a request, as a person types them.
 *
 * Stage before: `cli/explain.ts` with its flags and `admin/explain-query.ts` with a query. Stage after: `explain.ts`.
 */
import { unexpected } from '../errors.ts';
import type { FieldLine, RequestHead } from './decision.ts';
import { callOf, CONTENT_TYPE } from './grpc-call.ts';

export interface ServicePortName {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

export interface ExplainRequest {
  readonly method: string;
  /** Includes the query. */
  readonly path: string;
  readonly headers: readonly FieldLine[];
}

/** `my-server.devopssong:80`. The name may end in `.svc` or in `.svc` and a cluster domain. The port defaults to 80. */
export function servicePortName(text: string): ServicePortName {
  const match = /^([a-z0-9-]+)\.([a-z0-9-]+)(?:\.svc(?:\.[a-z0-9.-]+)?)?(?::(\d{1,5}))?$/.exec(text);
  const port = Number(match?.[3] ?? 80);
  if (match === null || port < 1 || port > 65535) {
    throw unexpected(text, 'NAME.NAMESPACE:PORT, for instance my-server.devopssong:80');
  }
  return { name: match[1]!, namespace: match[2]!, port };
}

/** Each byte of the UTF-8 form becomes one character: curl sends these bytes. */
function toLatin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

export function headerLine(text: string): FieldLine {
  const match = /^([A-Za-z0-9!#$%&'*+\-.^_`|~]+):[ \t]*(.*?)[ \t]*$/.exec(text);
  if (match === null) throw unexpected(text, "'name: value'");
  return { name: match[1]!, value: toLatin1(match[2]!) };
}

export function requestTarget(text: string): string {
  if (!/^(\/|\*$)[^\s#]*$/.test(text)) throw unexpected(text, 'a path that starts with /, with or without a query');
  return text;
}

export function requestMethod(text: string): string {
  if (!/^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/.test(text)) throw unexpected(text, 'a method');
  return text;
}

/** `my.pkg.Service/Method`; a leading `/`, as in a path, is accepted. */
export function callName(text: string): string {
  const name = /^\/?([^\s/?#]+\/[^\s/?#]+)$/.exec(text)?.[1];
  if (name === undefined) throw unexpected(text, 'SERVICE/METHOD, for instance my.pkg.Service/Method');
  return name;
}

/** The request a gRPC client sends. The fields that every call has are added unless they are given. */
export function grpcCall(name: string, headers: readonly FieldLine[]): ExplainRequest {
  const { method, path, contentType } = callOf(name);
  const given = new Set(headers.map((header) => header.name.toLowerCase()));
  const own = [
    { name: CONTENT_TYPE, value: contentType },
    { name: 'te', value: 'trailers' },
  ].filter((header) => !given.has(header.name));
  return { method, path, headers: [...own, ...headers] };
}

/** Builds a request head from what a person typed. */
export function requestHead({ method, path: target, headers }: ExplainRequest): RequestHead {
  const question = target.indexOf('?');
  const values = new Map<string, string>();
  for (const { name, value } of headers) {
    const key = name.toLowerCase();
    const known = values.get(key);
    values.set(key, known === undefined ? value : `${known},${value}`);
  }
  return {
    method,
    path: toLatin1(question === -1 ? target : target.slice(0, question)),
    query: question === -1 ? '' : toLatin1(target.slice(question + 1)),
    header: (name) => values.get(name) ?? null,
  };
}
