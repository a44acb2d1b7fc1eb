/**
 * The metric families about connections of the application.
 *
 * Registered by `exposition.ts`, the only file that knows the metrics library. Stage before: the acceptor and the
 * engines, read at the moment of the scrape.
 */
import { ACCEPT_LIMITS, type AcceptorCounters, type MemoryState } from '../addon/binding.ts';
import type { HttpEngineCounters } from '../addon/http-engine.ts';
import { CONNECTION_REASONS } from '../errors.ts';
import type { Families } from './dns-families.ts';

export interface ConnectionSources {
  /** Called first: updates the figures of other threads. */
  readonly refresh?: (() => Promise<void>) | undefined;
  /** Null while there is no acceptor. */
  acceptor(): AcceptorCounters | null;
  /** Counters of the native engine; null while there is none. */
  engine(): HttpEngineCounters | null;
  /** Downstream connections held by the engines now. */
  downstreamConnections(): number;
  memory(): MemoryState;
}

export function registerConnections(families: Families, sources: ConnectionSources): void {
  const read = (value: (counters: AcceptorCounters) => number) => (): number => {
    const counters = sources.acceptor();
    return counters === null ? 0 : value(counters);
  };
  families.gauge('sideroute_downstream_connections', 'Connections held by the HTTP engines.', () =>
    sources.downstreamConnections(),
  );
  families.total(
    'sideroute_accepted_connections_total',
    'Captured connections.',
    read((c) => c.accepted),
  );
  families.total(
    'sideroute_handed_over_connections_total',
    'Connections handed to an HTTP engine.',
    read((c) => c.handedOver),
  );
  families.counter(
    'sideroute_accept_pauses_total',
    'Times that accepting paused, by what was missing: connections, --max-connections; descriptors, two for each ' +
      'connection; memory.',
    'limit',
    (visit) => {
      const pauses = sources.acceptor()?.acceptPauses;
      for (const limit of ACCEPT_LIMITS) visit(limit, pauses?.[limit] ?? 0);
    },
  );
  families.gauge(
    'sideroute_max_connections',
    'Downstream connections there may be, tunnels included: --max-connections, or fewer where there are not two ' +
      'descriptors for each.',
    read((c) => c.maxConnections),
  );
  families.total(
    'sideroute_idle_connections_closed_total',
    'Connections that waited for a request and were closed because others waited to be accepted, or memory was short.',
    () => sources.engine()?.idleClosed ?? 0,
  );
  families.gauge(
    'sideroute_passthrough_open',
    'Connections now tunnelled.',
    read((c) => c.tunnelsOpen),
  );
  families.gauge(
    'sideroute_detecting_connections',
    'Connections whose protocol is not known yet.',
    read((c) => c.detectingOpen),
  );
  families.counter(
    'sideroute_passthrough_connections_total',
    'Connections tunnelled without HTTP handling, or dropped.',
    'reason',
    (visit) => {
      const connections = sources.acceptor()?.connections;
      for (const reason of CONNECTION_REASONS) visit(reason, connections?.[reason] ?? 0);
    },
  );
  families.counter('sideroute_passthrough_bytes_total', 'Bytes tunnelled, by the side they went to.', 'to', (visit) => {
    const counters = sources.acceptor();
    visit('upstream', counters?.bytesUpstream ?? 0);
    visit('downstream', counters?.bytesDownstream ?? 0);
  });
}

export function registerMemory(families: Families, state: () => MemoryState): void {
  families.gauge(
    'sideroute_memory_limit_bytes',
    'Memory not to exceed: --memory-limit, or what the container may use; 0 when there is no limit.',
    () => state().limitBytes,
  );
  families.gauge(
    'sideroute_memory_usage_bytes',
    'Memory that counts against that limit, without the page cache when it matters; 0 when there is no limit.',
    () => state().usageBytes,
  );
  families.gauge('sideroute_overloaded', '1 while requests are refused because memory is short, else 0.', () =>
    ['refusing', 'closing'].includes(state().level) ? 1 : 0,
  );
  families.total(
    'sideroute_overload_closed_connections_total',
    'Connections closed because memory was short and they held most of it.',
    () => state().closed,
  );
}
