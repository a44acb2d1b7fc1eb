/**
 * The public admin endpoint: metrics and probes, read-only.
 *
 * Stage before: the kubelet and Prometheus. Stage after: `exposition.ts` and what the composition root says of its
 * state. A probe that is answered shows that the event loop of the data path turns.
 */
import { startEndpoint, TEXT, type Answer, type Endpoint, type EndpointOptions } from './endpoint.ts';
import type { Exposition } from './exposition.ts';

export interface ProbeState {
  readonly ready: boolean;
  /** What a person should know, one sentence each; shown whether ready or not. */
  readonly lines: readonly string[];
}

export interface AdminOptions extends Pick<EndpointOptions, 'address' | 'port' | 'flag'> {
  readonly exposition: Exposition;
  live(): ProbeState;
  ready(): ProbeState;
  started(): ProbeState;
}

/** @throws ProxyError `admin-listen` naming the flag when the address cannot be bound */
export function startAdmin(options: AdminOptions): Promise<Endpoint> {
  const { address, port, flag, exposition } = options;
  const metrics = (): Answer => ({ contentType: exposition.contentType, body: exposition.render() });
  return startEndpoint({
    ...{ address, port, flag, head: true, public: true },
    routes: {
      '/metrics': metrics,
      '/livez': () => probe(options.live()),
      '/readyz': () => probe(options.ready()),
      '/startupz': () => probe(options.started()),
    },
  });
}

function probe({ ready, lines }: ProbeState): Answer {
  const body = `${[ready ? 'ok' : 'not ready', ...lines].join('\n')}\n`;
  return { status: ready ? 200 : 503, contentType: TEXT, body };
}
