/**
 * The families of metrics about connections of the application.
 *
 * Registered by `exposition.ts`, which alone knows the library that writes them. Stage before: the acceptor and the engines,
 * read at the moment of the scrape.
 */
import { CONNECTION_REASONS } from '../errors.ts';
import { ACCEPT_LIMITS, type AcceptorCounters } from '../native/binding.ts';
import type { Families } from './dns-families.ts';

export interface ConnectionSources {
  /** Null while there is no acceptor. */
  acceptor(): AcceptorCounters | null;
  /** Downstream connections now held by the engines. */
  downstreamConnections(): number;
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
      'connection.',
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
    'Connections that waited for a request and were closed because others waited to be accepted.',
    read((c) => c.idleClosed),
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
