/**
 * The private admin endpoint, on loopback only: shows what the proxy serves now, the state of its connections, and how
 * it would route a request; also the few changes possible in a running proxy.
 *
 * Stage before: a person in the pod or behind `kubectl port-forward`. Stage after: the composition root, which provides
 * the configuration in force; `config-dump.ts`, `connections.ts`, `log-level.ts`, `routing/explain.ts`, `stats.ts` and
 * the files of the page.
 */
import type { DrainNotice } from '../drain.ts';
import { ProxyError } from '../errors.ts';
import { explainService } from '../routing/explain.ts';
import { formatExplanation } from '../routing/format-explanation.ts';
import type { RouteTable } from '../routing/table.ts';
import { configDump, type ConfigView } from './config-dump.ts';
import { connectionDump, connectionFilter, type ConnectionView } from './connections.ts';
import {
  JSON_TYPE,
  startEndpoint,
  TEXT,
  type Answer,
  type Endpoint,
  type EndpointOptions,
  type EndpointRequest,
  type Handler,
} from './endpoint.ts';
import { explainQuery } from './explain-query.ts';
import { changeLogSettings, showLogSettings, type LogSettings } from './log-level.ts';
import { readPageFiles } from './page-files.ts';
import type { StatsReporter } from './stats.ts';

export interface PrivateAdminOptions extends Pick<EndpointOptions, 'address' | 'port' | 'flag' | 'server'> {
  /** The configuration in force. A view shows one moment. */
  config(): ConfigView;
  connections(): ConnectionView;
  table(): RouteTable;
  readonly stats: StatsReporter;
  readonly logSettings: LogSettings;
  /** @throws ProxyError `invalid-setting` naming the parameter */
  tap(query: string): Promise<Answer>;
  /** Begins to drain unless that has begun. `by`: the caller, for the log. */
  quit(by: string): DrainNotice;
}

const INDEX = `GET  /             this text, or a web page for browsers
GET  /config       the configuration in force, JSON: files, problems, conditions, frontends with their rules and backends
GET  /connections  every connection and what goes on on it, JSON; ?frontend=, ?backend=, ?state=, ?limit=
GET  /explain      which rule a request matches, why, and where it goes: ?service=name.namespace:port
                   and, if need be, &method=GET &path=/ &header=name:value (repeated) &format=json|text
GET  /tap          requests as they end, a line of JSON each: ?route=, ?rule=, ?code=, ?path=, ?header= (repeated), ?sample=,
                   ?limit=, ?duration=
GET  /stats        counters of every series, upstreams, connections and the process, JSON
GET  /log-level    the level of the log
PUT  /log-level    another one for a while: ?level=debug|info|warn|error&ttl=10m
POST /quit         ends the process as SIGTERM does, when its connections have ended
`;

/** @throws ProxyError `admin-listen` naming the flag when the address cannot be bound */
export function startPrivateAdmin(options: PrivateAdminOptions): Promise<Endpoint> {
  const { address, port, flag, server, stats, logSettings } = options;
  const { index, assets } = readPageFiles();
  return startEndpoint({
    ...{ address, port, flag, server, loopbackHost: true },
    routes: {
      '/': ({ accept }) => (/\btext\/html\b/.test(accept) ? index : { contentType: TEXT, body: INDEX }),
      '/config': () => ({ contentType: JSON_TYPE, body: configDump(options.config()) }),
      '/connections': checked(({ query }) => {
        const view = options.connections();
        return { contentType: JSON_TYPE, body: connectionDump(view, connectionFilter(query, view)) };
      }),
      '/explain': checked((request) => answerExplain(options.table(), request)),
      '/tap': checked(({ query }) => options.tap(query)),
      '/stats': (request) => answerStats(stats, request),
      '/log-level': {
        GET: () => json(showLogSettings(logSettings)),
        PUT: checked(({ query, agent }) => {
          changeLogSettings(logSettings, query, agent);
          return json(showLogSettings(logSettings));
        }),
      },
      '/quit': { POST: ({ agent }) => ({ status: 202, ...json(options.quit(agent)) }) },
      ...Object.fromEntries([...assets].map(([path, answer]) => [path, () => answer])),
    },
  });
}

/** A ProxyError means an invalid request, which gives status 400. */
function checked(handler: Handler): Handler {
  return async (request) => {
    try {
      return await handler(request);
    } catch (error) {
      if (!(error instanceof ProxyError)) throw error;
      return { status: 400, contentType: TEXT, body: `${error.message}\n` };
    }
  };
}

function json(value: object): Answer {
  return { contentType: JSON_TYPE, body: `${JSON.stringify(value, null, 2)}\n` };
}

function answerExplain(table: RouteTable, { query, accept }: EndpointRequest): Answer {
  const { service, head, headers, format } = explainQuery(query);
  const explanation = explainService(table, service, head, headers);
  return (format ?? preferred(accept)) === 'text'
    ? { contentType: TEXT, body: formatExplanation(explanation) }
    : json(explanation);
}

/** `known`: the revision of the series that the page already has. */
function answerStats(stats: StatsReporter, { query }: EndpointRequest): Answer {
  const known = new URLSearchParams(query).get('known') ?? '';
  return { contentType: JSON_TYPE, fields: ['Cache-Control', 'no-store'], body: stats.dump(known) };
}

/** Text only when the caller accepts it and does not accept JSON. Quality values are not needed for this. */
function preferred(accept: string): 'json' | 'text' {
  return /\btext\/(?:plain|\*)/.test(accept) && !/\bapplication\/(?:json|\*)/.test(accept) ? 'text' : 'json';
}
