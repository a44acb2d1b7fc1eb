/** Numbers, times and parts of rules as people read them. Pure, without a browser. */
import type { ConfigBackend, ConfigFilter, ConfigMatch, ConfigRule, ExplainedForward, Protocol } from './answers.ts';

const NONE = '–';
const THOUSANDS = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

export function formatCount(value: number): string {
  return THOUSANDS.format(value);
}

/** Per second. */
export function formatRate(perSecond: number): string {
  if (perSecond === 0) return '0';
  if (perSecond < 0.1) return '<0.1';
  return perSecond < 100 ? perSecond.toFixed(1) : THOUSANDS.format(perSecond);
}

/** `share`: 0 to 1. What is not quite nothing or all does not look like it. */
export function formatShare(share: number | null): string {
  if (share === null) return NONE;
  const percent = share * 100;
  if (percent === 0 || percent === 100) return `${percent}%`;
  if (percent < 0.1) return '<0.1%';
  return `${Math.min(percent, 99.9).toFixed(percent < 10 || percent > 99 ? 1 : 0)}%`;
}

export function formatProtocol(protocol: Protocol): string {
  return protocol === 'http2' ? 'HTTP/2' : 'HTTP/1.1';
}

export function formatMs(ms: number | null): string {
  if (ms === null) return NONE;
  if (ms === Infinity) return '>30 s';
  if (ms >= 10_000) return `${(ms / 1_000).toFixed(0)} s`;
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`;
  return ms >= 10 ? `${ms.toFixed(0)} ms` : `${ms.toFixed(1)} ms`;
}

export function formatBytes(bytes: number): string {
  const mib = bytes / 1_048_576;
  return mib >= 1_024 ? `${(mib / 1_024).toFixed(1)} GiB` : `${mib.toFixed(mib < 10 ? 1 : 0)} MiB`;
}

/** The two largest units. */
export function formatUptime(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  const units: readonly (readonly [string, number])[] = [
    ['d', Math.floor(seconds / 86_400)],
    ['h', Math.floor(seconds / 3_600) % 24],
    ['min', Math.floor(seconds / 60) % 60],
    ['s', seconds % 60],
  ];
  const first = units.findIndex(([, count]) => count > 0);
  return (first === -1 ? units.slice(-1) : units.slice(first, first + 2))
    .map(([unit, count]) => `${count} ${unit}`)
    .join(' ');
}

/** As the Gateway API writes them. */
export function formatDuration(ms: number): string {
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms >= 1_000 && ms % 100 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
}

/** What a match asks: what part of the request, and for what. None: every request holds. */
export interface MatchPart {
  readonly part: 'path' | 'service' | 'method' | 'header' | 'query';
  /** With the name of a header or parameter. */
  readonly relation: string;
  readonly value: string;
}

const PATH_RELATIONS: Readonly<Record<string, string>> = {
  Exact: 'is',
  PathPrefix: 'starts with',
  RegularExpression: 'matches',
};

export function matchParts(match: ConfigMatch): MatchPart[] {
  const relation = (type: string): string => (type === 'RegularExpression' ? 'matches' : 'is');
  const field = (part: 'header' | 'query') => {
    return ({ type, name, value }: ConfigMatch['headers'][number]): MatchPart => {
      return { part, relation: `${name} ${relation(type)}`, value };
    };
  };
  if (!('path' in match)) {
    const { type, service, method } = match.method ?? { type: '', service: null, method: null };
    const names = [
      { part: 'service', value: service },
      { part: 'method', value: method },
    ] as const;
    return [
      ...names.flatMap(({ part, value }) => (value === null ? [] : [{ part, relation: relation(type), value }])),
      ...match.headers.map(field('header')),
    ];
  }
  const { path, method, headers, queryParams } = match;
  const everyPath = path.type === 'PathPrefix' && path.value === '/';
  return [
    ...(everyPath
      ? []
      : [{ part: 'path', relation: PATH_RELATIONS[path.type] ?? path.type, value: path.value } as const]),
    ...(method === null ? [] : [{ part: 'method', relation: 'is', value: method } as const]),
    ...headers.map(field('header')),
    ...queryParams.map(field('query')),
  ];
}

/** In one line, for the diagram and the filter. */
export function matchText(match: ConfigMatch): string {
  const parts = matchParts(match);
  return parts.length === 0
    ? 'every request'
    : parts.map(({ part, relation, value }) => `${part} ${relation} ${value}`).join(', ');
}

interface Modifier {
  readonly set?: readonly { readonly name: string; readonly value: string }[];
  readonly add?: readonly { readonly name: string; readonly value: string }[];
  readonly remove?: readonly string[];
}

interface PathChange {
  readonly type: string;
  readonly replaceFullPath?: string;
  readonly replacePrefixMatch?: string;
}

function modifierText(what: string, { set = [], add = [], remove = [] }: Modifier): string {
  const edits = [
    ...set.map(({ name, value }) => `set ${name}: ${value}`),
    ...add.map(({ name, value }) => `add ${name}: ${value}`),
    ...remove.map((name) => `remove ${name}`),
  ];
  return `${what} ${edits.join(', ')}`;
}

function pathText(path: PathChange | null): string[] {
  if (path === null) return [];
  return path.type === 'ReplaceFullPath'
    ? [`path becomes ${path.replaceFullPath ?? ''}`]
    : [`prefix becomes ${path.replacePrefixMatch ?? ''}`];
}

/** One line for each filter. A mirror says what part of the requests it gets. */
export function filterText(filter: ConfigFilter): string {
  switch (filter.type) {
    case 'RequestHeaderModifier':
      return modifierText('request:', filter['requestHeaderModifier'] as Modifier);
    case 'ResponseHeaderModifier':
      return modifierText('response:', filter['responseHeaderModifier'] as Modifier);
    case 'URLRewrite': {
      const { hostname, path } = filter['urlRewrite'] as { hostname: string | null; path: PathChange | null };
      return `rewrite: ${[...(hostname === null ? [] : [`host becomes ${hostname}`]), ...pathText(path)].join(', ')}`;
    }
    case 'RequestRedirect': {
      const { scheme, hostname, port, path, statusCode } = filter['requestRedirect'] as {
        scheme: string | null;
        hostname: string | null;
        port: number | null;
        path: PathChange | null;
        statusCode: number;
      };
      const changes = [
        ...(scheme === null ? [] : [`scheme ${scheme}`]),
        ...(hostname === null ? [] : [`host ${hostname}`]),
        ...(port === null ? [] : [`port ${port}`]),
        ...pathText(path),
      ];
      return `redirect ${statusCode}: ${changes.length === 0 ? 'same address' : changes.join(', ')}`;
    }
    case 'RequestMirror': {
      const { backendRef, numerator, denominator } = filter['requestMirror'] as {
        backendRef: { namespace: string; name: string; port: number | null };
        numerator: number;
        denominator: number;
      };
      return `mirror ${formatShare(numerator / denominator)} to ${targetKey(backendRef)}`;
    }
    case 'CORS': {
      const { allowOrigins } = filter['cors'] as { allowOrigins: readonly string[] };
      return `CORS for ${allowOrigins.join(', ')}`;
    }
    default:
      return `${filter.type}: not carried by this version`;
  }
}

const NO_POLICY = { requestTimeoutMs: 0, attemptTimeoutMs: 0, retry: null };

/** One line for each limit; none when nothing limits the rule. */
export function policyTexts({ timeouts, retry }: Pick<ConfigRule, 'timeouts' | 'retry'>): string[] {
  const { requestMs, backendRequestMs } = timeouts;
  const texts: string[] = [];
  if (requestMs) texts.push(`timeout ${formatDuration(requestMs)}`);
  if (backendRequestMs) texts.push(`timeout ${formatDuration(backendRequestMs)} each attempt`);
  if (retry?.attempts === 0) {
    texts.push('no retries');
  } else if (retry !== null) {
    const { attempts } = retry;
    const codes = retry.codes.length === 0 ? '' : ` on ${retry.codes.join(', ')}`;
    const backoff = retry.backoffMs === null ? '' : `, backoff ${formatDuration(retry.backoffMs)}`;
    texts.push(`${attempts} ${attempts === 1 ? 'retry' : 'retries'}${codes}${backoff}`);
  }
  return texts;
}

/** The same of a request that goes to a backend. */
export function limitTexts({ policy, callTimeoutMs }: Pick<ExplainedForward, 'policy' | 'callTimeoutMs'>): string[] {
  const { requestTimeoutMs, attemptTimeoutMs, retry } = policy ?? NO_POLICY;
  const texts: string[] = [];
  if (requestTimeoutMs > 0) texts.push(`Request timeout ${formatDuration(requestTimeoutMs)}`);
  if (attemptTimeoutMs > 0) texts.push(`Attempt timeout ${formatDuration(attemptTimeoutMs)}`);
  if (callTimeoutMs !== null) texts.push(`Timeout of the call ${formatDuration(callTimeoutMs)}, by grpc-timeout`);
  if (retry !== null) {
    const codes = retry.codes.length === 0 ? '' : ` and on ${retry.codes.join(', ')}`;
    // A timeout of an attempt counts as 504.
    const timeouts = retry.codes.includes(504) ? ', timeouts of an attempt included' : '';
    texts.push(
      `Up to ${retry.attempts} more tries on failed connections${codes}${timeouts}, after ${formatDuration(retry.backoffMs)} or more`,
    );
  }
  return texts;
}

export function targetKey({ namespace, name, port }: { namespace: string; name: string; port: number | null }): string {
  return `${namespace}/${name}${port === null ? '' : `:${port}`}`;
}

/** Part of the requests of a rule, 0 to 1, that goes to each backend. */
export function weightShares(backends: readonly Pick<ConfigBackend, 'weight'>[]): number[] {
  const total = backends.reduce((all, { weight }) => all + weight, 0);
  return backends.map(({ weight }) => (total === 0 ? 0 : weight / total));
}

/** `my-server.devopssong:80`, as `/explain` takes it. Port 0 stands for every port. */
export function serviceName({ namespace, name, port }: { namespace: string; name: string; port: number }): string {
  return `${name}.${namespace}:${port === 0 ? 80 : port}`;
}

/** Sentences for why a connection is tunnelled unread or dropped. */
export const PASSTHROUGH_TEXTS: Readonly<Record<string, string>> = {
  unrouted: 'The destination has no routes; tunnelled unread.',
  opaque: 'The Service port is declared not to be HTTP, or has routes of a kind not carried yet; tunnelled unread.',
  tls: 'The first bytes are TLS; tunnelled.',
  not_http: 'The first bytes are no HTTP; tunnelled.',
  server_first: 'The server spoke first; tunnelled.',
  own_dial: 'Dialled by the sidecar and captured once more; passed on.',
  loop: 'The destination is the proxy itself; dropped.',
  connect_failure: 'The destination of a tunnel could not be reached; dropped.',
  accept_limit: 'Too many connections or file descriptors; dropped, or accepted later.',
  overload: 'Memory is short, and much of it was held for this connection; dropped.',
};
