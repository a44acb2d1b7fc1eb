/**
 * The private admin endpoint: what the proxy serves now and how it would route a request. Loopback only, read-only.
 *
 * Stage before: a person in the pod or behind `kubectl port-forward`. Stage after: the composition root, which gives the
 * configuration in force, `config-dump.ts` and `routing/explain.ts`.
 */
import { explainQuery } from '../config/explain-request.ts';
import { ProxyError } from '../errors.ts';
import { explainService } from '../routing/explain.ts';
import { formatExplanation } from '../routing/format-explanation.ts';
import type { RouteTable } from '../routing/table.ts';
import { configDump, type ConfigView } from './config-dump.ts';
import {
  JSON_TYPE,
  startEndpoint,
  TEXT,
  type Answer,
  type Endpoint,
  type EndpointOptions,
  type EndpointRequest,
} from './endpoint.ts';

export interface PrivateAdminOptions extends Pick<EndpointOptions, 'address' | 'port' | 'flag'> {
  /** The configuration in force; one view is of one moment. */
  config(): ConfigView;
  table(): RouteTable;
}

const INDEX = `GET /config   the configuration in force, JSON: files, problems, conditions, frontends with their rules and backends
GET /explain  which rule a request matches, why, and where it goes: ?service=name.namespace:port
              and, if need be, &method=GET &path=/ &header=name:value (repeated) &format=json|text
`;

/** @throws ProxyError `admin-listen` naming the flag when the address cannot be bound */
export function startPrivateAdmin(options: PrivateAdminOptions): Promise<Endpoint> {
  const { address, port, flag } = options;
  return startEndpoint({
    ...{ address, port, flag, methods: ['GET'], loopbackHost: true },
    routes: {
      '/': () => ({ contentType: TEXT, body: INDEX }),
      '/config': () => ({ contentType: JSON_TYPE, body: configDump(options.config()) }),
      '/explain': (request) => answerExplain(options.table(), request),
    },
  });
}

function answerExplain(table: RouteTable, { query, accept }: EndpointRequest): Answer {
  let question;
  try {
    question = explainQuery(query);
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    return { status: 400, contentType: TEXT, body: `${error.message}\n` };
  }
  const { service, head, headers, format } = question;
  const explanation = explainService(table, service, head, headers);
  return (format ?? preferred(accept)) === 'text'
    ? { contentType: TEXT, body: formatExplanation(explanation) }
    : { contentType: JSON_TYPE, body: `${JSON.stringify(explanation, null, 2)}\n` };
}

/** Text only for who asks for it and not for JSON; quality values are more than this needs. */
function preferred(accept: string): 'json' | 'text' {
  return /\btext\/(?:plain|\*)/.test(accept) && !/\bapplication\/(?:json|\*)/.test(accept) ? 'text' : 'json';
}
