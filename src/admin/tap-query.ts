/**
 * The query of `/tap`: which requests, how many, and for how long. docs/tap.md describes each parameter.
 *
 * Stage before: `private-admin.ts`. Stage after: `tap-streams.ts`, and the addon, which applies the filter.
 */
import { MAX_TAP_FIELDS, type NativeTapFilter } from '../addon/access-log.ts';
import { ProxyError, unexpected } from '../errors.ts';
import { formatDuration, parseDuration } from '../gateway-api/durations.ts';
import { GRPC_STATUSES } from '../grpc-status.ts';
import { named, QueryParameters } from './query.ts';

export interface TapQuery {
  readonly filter: NativeTapFilter;
  /** Null: no limit. */
  readonly limit: number | null;
  readonly durationMs: number;
}

const PARAMETERS = ['route', 'rule', 'code', 'path', 'header', 'sample', 'limit', 'duration'];
const DEFAULT_DURATION_MS = 10 * 60_000;
const MIN_DURATION_MS = 1_000;
const MAX_DURATION_MS = 3_600_000;
const MAX_LIMIT = 1_000_000;
/** Maximum length of a path and of the value of a field. */
const MAX_TEXT_CHARS = 2_048;
const DNS_NAME = '[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?';
const ROUTE = new RegExp(`^${DNS_NAME}/${DNS_NAME}$`);
const RULE = /^[A-Za-z0-9][-A-Za-z0-9._]{0,252}$/;
const FIELD = /^([A-Za-z0-9!#$%&'*+\-.^_`|~]{1,256})(?::[ \t]*(.*?)[ \t]*)?$/;

/** @throws ProxyError `invalid-setting` naming the parameter */
export function tapQuery(query: string): TapQuery {
  const parameters = new QueryParameters(query, PARAMETERS);
  const route = parameters.one('route', matching(ROUTE, 'NAMESPACE/NAME of a route'));
  const rule = parameters.one('rule', matching(RULE, 'the name of a rule, or its index, from 0 on'));
  if (rule !== null && route === null) throw named('rule', 'is of a route: route=NAMESPACE/NAME is missing');
  const fields = parameters.all('header', field);
  if (fields.length > MAX_TAP_FIELDS) throw named('header', `is given more than ${MAX_TAP_FIELDS} times`);
  // In the format in which `observe/access-log.ts` describes a series.
  const members = [['route', route] as const, ['rule', rule] as const]
    .flatMap(([name, value]) => (value === null ? [] : [`"${name}":${JSON.stringify(value)},`]))
    .join('');
  return {
    filter: {
      ...{ sample: parameters.one('sample', share) ?? 1, route: members, fields },
      path: parameters.one('path', pathPrefix) ?? '',
      ...(parameters.one('code', code) ?? ANY_CODE),
    },
    limit: parameters.one('limit', count),
    durationMs: parameters.one('duration', duration) ?? DEFAULT_DURATION_MS,
  };
}

type Code = Pick<NativeTapFilter, 'minStatus' | 'maxStatus' | 'grpcStatus'>;

const ANY_CODE: Code = { minStatus: 0, maxStatus: 999, grpcStatus: -1 };

function code(text: string): Code {
  const grpcStatus = GRPC_STATUSES.findIndex((name) => name === text);
  if (grpcStatus !== -1) return { ...ANY_CODE, grpcStatus };
  if (/^[1-9]xx$/i.test(text)) {
    const minStatus = Number(text[0]) * 100;
    return { ...ANY_CODE, minStatus, maxStatus: minStatus + 99 };
  }
  if (/^[1-9][0-9]{2}$/.test(text)) return { ...ANY_CODE, minStatus: Number(text), maxStatus: Number(text) };
  throw unexpected(text, 'a status such as 503, a class such as 5xx, or a code of gRPC such as UNAVAILABLE');
}

function matching(pattern: RegExp, expected: string): (text: string) => string {
  return (text) => {
    if (!pattern.test(text)) throw unexpected(text, expected);
    return text;
  };
}

function pathPrefix(text: string): string {
  if (!/^\/[^\s?#]*$/.test(text)) throw unexpected(text, 'the beginning of a path, with its / and without a query');
  return short(text);
}

function field(text: string): { readonly name: string; readonly value: string | null } {
  const [, name, value = null] = FIELD.exec(short(text)) ?? [];
  if (name === undefined) throw unexpected(text, 'the name of a header, or name:value');
  return { name: name.toLowerCase(), value };
}

function share(text: string): number {
  const value = Number(text);
  if (!/^[0-9]*\.?[0-9]+$/.test(text) || value <= 0 || value > 1) {
    throw unexpected(text, 'a share of the requests, above 0 up to 1, such as 0.1');
  }
  return value;
}

function count(text: string): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || value < 1 || value > MAX_LIMIT)
    throw unexpected(text, `a number from 1 to ${MAX_LIMIT}`);
  return value;
}

function duration(text: string): number {
  const durationMs = parseDuration(text);
  if (durationMs !== null && durationMs >= MIN_DURATION_MS && durationMs <= MAX_DURATION_MS) return durationMs;
  const range = `from ${formatDuration(MIN_DURATION_MS)} to ${formatDuration(MAX_DURATION_MS)}`;
  throw unexpected(text, `a duration ${range}, such as 30s`);
}

function short(text: string): string {
  if (text.length <= MAX_TEXT_CHARS) return text;
  throw new ProxyError('invalid-setting', `has more than ${MAX_TEXT_CHARS} characters`);
}
