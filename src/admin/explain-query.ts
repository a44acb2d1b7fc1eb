/**
 * The query of `/explain`: a Service and a request.
 *
 * Stage before: `private-admin.ts`. Stage after: `routing/explain.ts`.
 */
import type { FieldLine, RequestHead } from '../routing/decision.ts';
import {
  callName,
  grpcCall,
  headerLine,
  requestHead,
  requestMethod,
  requestTarget,
  servicePortName,
  type ServicePortName,
} from '../routing/explain-request.ts';
import { named, oneOf, QueryParameters } from './query.ts';

export interface ExplainQuery {
  readonly service: ServicePortName;
  readonly head: RequestHead;
  /** As written and in their order, after the fields of every call. */
  readonly headers: readonly FieldLine[];
  /** Null: not given. */
  readonly format: 'json' | 'text' | null;
}

const PARAMETERS = ['service', 'method', 'path', 'grpc', 'header', 'format'];

/**
 * Parses the query of `/explain`. A `?` in `path` need not be encoded; an `&` must be.
 *
 * @throws ProxyError `invalid-setting` naming the parameter
 */
export function explainQuery(query: string): ExplainQuery {
  const parameters = new QueryParameters(query, PARAMETERS);
  const service = parameters.one('service', servicePortName);
  if (service === null) throw named('service', 'is missing, expected NAME.NAMESPACE:PORT');
  const given = parameters.all('header', headerLine);
  const method = parameters.one('method', requestMethod);
  const path = parameters.one('path', requestTarget);
  const call = parameters.one('grpc', callName);
  if (call !== null && (method !== null || path !== null)) throw named('grpc', 'excludes method and path');
  const request =
    call === null ? { method: method ?? 'GET', path: path ?? '/', headers: given } : grpcCall(call, given);
  return {
    service,
    head: requestHead(request),
    headers: request.headers,
    format: parameters.one('format', oneOf(['json', 'text'])),
  };
}
