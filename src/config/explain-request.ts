/**
 * What `explain` is asked: a Service and a request, from the flags of the command or the query of the admin endpoint.
 *
 * Stage before: `cli/explain.ts` and `observe/private-admin.ts`. Stage after: `routing/explain.ts`.
 */
import { ProxyError } from '../errors.ts';
import type { FieldLine, RequestHead } from '../routing/decision.ts';

export interface ServicePortName {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

export interface ExplainRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: readonly FieldLine[];
}

/** `my-server.devopssong:80`, also with `.svc` and a cluster domain behind it; the port defaults to 80. */
export function servicePortName(text: string): ServicePortName {
  const match = /^([a-z0-9-]+)\.([a-z0-9-]+)(?:\.svc(?:\.[a-z0-9.-]+)?)?(?::(\d{1,5}))?$/.exec(text);
  const port = Number(match?.[3] ?? 80);
  if (match === null || port < 1 || port > 65535) {
    throw invalid(text, 'NAME.NAMESPACE:PORT, for instance my-server.devopssong:80');
  }
  return { name: match[1]!, namespace: match[2]!, port };
}

/** UTF-8 becomes its bytes, as curl would send it. */
function toLatin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

export function headerLine(text: string): FieldLine {
  const match = /^([A-Za-z0-9!#$%&'*+\-.^_`|~]+):[ \t]*(.*?)[ \t]*$/.exec(text);
  if (match === null) throw invalid(text, "'name: value'");
  return { name: match[1]!, value: toLatin1(match[2]!) };
}

export function requestTarget(text: string): string {
  if (!/^(\/|\*$)[^\s#]*$/.test(text)) throw invalid(text, 'a path that starts with /, with or without a query');
  return text;
}

export function requestMethod(text: string): string {
  if (!/^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/.test(text)) throw invalid(text, 'a method');
  return text;
}

/** A request head from what a person typed. */
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

export interface ExplainQuery {
  readonly service: ServicePortName;
  readonly head: RequestHead;
  /** As written, in their order. */
  readonly headers: readonly FieldLine[];
  /** Null: not said. */
  readonly format: 'json' | 'text' | null;
}

const PARAMETERS = ['service', 'method', 'path', 'header', 'format'];

/**
 * The query of `/explain`, form-encoded as browsers and `curl --data-urlencode` do it. A `?` in `path` need not be encoded,
 * an `&` must.
 *
 * @throws ProxyError `invalid-setting` naming the parameter
 */
export function explainQuery(query: string): ExplainQuery {
  const parameters = new URLSearchParams(query);
  for (const name of parameters.keys()) {
    if (!PARAMETERS.includes(name)) {
      throw named(name, `no such parameter, expected one of ${PARAMETERS.join(', ')}; an & in a value is written %26`);
    }
  }
  const service = single(parameters, 'service', servicePortName);
  if (service === null) throw named('service', 'is missing, expected NAME.NAMESPACE:PORT');
  const headers = parameters.getAll('header').map((text) => parse('header', text, headerLine));
  return {
    service,
    head: requestHead({
      method: single(parameters, 'method', requestMethod) ?? 'GET',
      path: single(parameters, 'path', requestTarget) ?? '/',
      headers,
    }),
    headers,
    format: single(parameters, 'format', format),
  };
}

function format(text: string): 'json' | 'text' {
  if (text !== 'json' && text !== 'text') throw invalid(text, 'json or text');
  return text;
}

function single<T>(parameters: URLSearchParams, name: string, parser: (text: string) => T): T | null {
  const [text, ...more] = parameters.getAll(name);
  if (more.length > 0) throw named(name, 'is given more than once');
  return text === undefined ? null : parse(name, text, parser);
}

function parse<T>(name: string, text: string, parser: (text: string) => T): T {
  try {
    return parser(text);
  } catch (error) {
    if (error instanceof ProxyError) throw named(name, error.message);
    throw error;
  }
}

function named(name: string, message: string): ProxyError {
  return new ProxyError('invalid-setting', `${name}: ${message}`);
}

function invalid(text: string, expected: string): ProxyError {
  return new ProxyError('invalid-setting', `got "${text}", expected ${expected}`);
}
