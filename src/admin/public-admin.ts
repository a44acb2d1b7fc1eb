/**
 * The public admin endpoint, read-only: metrics, probes and the version of the routes in force.
 *
 * Stage before: the kubelet and Prometheus. Stage after: `observe/exposition.ts` and the state from the composition
 * root. An answered probe shows that the event loop of the data path is running.
 */
import type { TornSet } from '../config/route-set-files.ts';
import type { ConfigSnapshot, RouteSetVersion } from '../config/snapshot.ts';
import type { Exposition } from '../observe/exposition.ts';
import { JSON_TYPE, startEndpoint, TEXT, type Answer, type Endpoint, type EndpointOptions } from './endpoint.ts';

export interface ProbeState {
  readonly ready: boolean;
  /** Sentences for a person, shown whether ready or not. */
  readonly lines: readonly string[];
}

/** What a controller needs to know about the configuration in force. */
export interface Served {
  /** Hash of files and route set together; empty before the first configuration. */
  readonly hash: string;
  /** Null when no route set is served. */
  readonly set: RouteSetVersion | null;
  /** The route set in the directory that is incomplete. */
  readonly torn: TornSet | null;
}

export function servedBy(snapshot: ConfigSnapshot | null, torn: TornSet | null): Served {
  return { hash: snapshot?.hash ?? '', set: snapshot?.routeSet ?? null, torn };
}

export interface AdminOptions extends Pick<EndpointOptions, 'address' | 'port' | 'flag' | 'server'> {
  readonly exposition: Exposition;
  /** Absent: no routes are served. */
  served?(): Served;
  live(): ProbeState;
  ready(): ProbeState;
  started(): ProbeState;
}

/** @throws ProxyError `admin-listen` naming the flag when the address cannot be bound */
export function startAdmin(options: AdminOptions): Promise<Endpoint> {
  const { address, port, flag, server, exposition } = options;
  const served = options.served?.bind(options);
  const metrics = (): Answer => ({ contentType: exposition.contentType, body: exposition.render() });
  return startEndpoint({
    ...{ address, port, flag, server, head: true, public: true },
    routes: {
      '/metrics': metrics,
      ...(served === undefined ? {} : { '/served': () => json(served()) }),
      '/livez': () => probe(options.live()),
      '/readyz': () => probe(options.ready()),
      '/startupz': () => probe(options.started()),
    },
  });
}

function json(value: object): Answer {
  return { contentType: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}

function probe({ ready, lines }: ProbeState): Answer {
  const body = `${[ready ? 'ok' : 'not ready', ...lines].join('\n')}\n`;
  return { status: ready ? 200 : 503, contentType: TEXT, body };
}
