/**
 * The metric families about HTTP/2, for both sides.
 *
 * Registered by `exposition.ts`, the only file that knows the metrics library. Stage before: the native engine, read at
 * the moment of the scrape.
 */
import { HTTP2_SIDES, type Http2Counters, type Http2SideCounters } from '../addon/http2-counters.ts';
import type { Families } from './dns-families.ts';

/** `counters`: null while there is no engine. */
export function registerHttp2(families: Families, counters: () => Http2Counters | null): void {
  type EachSide = (visit: (side: string, value: number) => void) => void;
  const each =
    (value: (side: Http2SideCounters) => number): EachSide =>
    (visit) => {
      const sides = counters();
      for (const side of HTTP2_SIDES) visit(side, sides === null ? 0 : value(sides[side]));
    };
  families.gauges(
    'sideroute_http2_connections',
    'Connections of HTTP/2 now open: downstream, from applications; upstream, to backends.',
    'side',
    each((side) => side.connectionsOpen),
  );
  families.counter(
    'sideroute_http2_connections_total',
    'Connections of HTTP/2 begun.',
    'side',
    each((side) => side.connections),
  );
  families.gauges(
    'sideroute_http2_streams',
    'Streams of HTTP/2 now open.',
    'side',
    each((side) => side.streamsOpen),
  );
  families.counter(
    'sideroute_http2_streams_total',
    'Streams of HTTP/2 begun.',
    'side',
    each((side) => side.streams),
  );
  families.total(
    'sideroute_http2_unanswered_pings_total',
    'Connections to backends given up because nothing came, not even the answer to a PING, while streams waited.',
    () => counters()?.upstream.unansweredPings ?? 0,
  );
  families.labelled(
    'sideroute_http2_floods_total',
    'Connections of HTTP/2 ended with ENHANCE_YOUR_CALM because their peer did too much of what costs it nothing, by what that was.',
    ['side', 'kind'],
    (visit) => {
      const sides = counters();
      if (sides === null) return;
      for (const side of HTTP2_SIDES) {
        for (const [kind, value] of Object.entries(sides[side].floods)) visit({ side, kind }, value);
      }
    },
  );
  const codes = (
    name: string,
    help: string,
    sent: (side: Http2SideCounters) => Readonly<Record<string, number>>,
    received: (side: Http2SideCounters) => Readonly<Record<string, number>>,
  ): void =>
    families.labelled(name, help, ['side', 'from', 'code'], (visit) => {
      const sides = counters();
      if (sides === null) return;
      for (const side of HTTP2_SIDES) {
        for (const [from, totals] of [
          ['sideroute', sent(sides[side])] as const,
          ['peer', received(sides[side])] as const,
        ]) {
          // Zeros are left out, because most codes never occur.
          for (const [code, value] of Object.entries(totals)) if (value > 0) visit({ side, from, code }, value);
        }
      }
    });
  codes(
    'sideroute_http2_resets_total',
    'Streams of HTTP/2 that were reset, by who did so and its error code.',
    (side) => side.resetsSent,
    (side) => side.resetsReceived,
  );
  codes(
    'sideroute_http2_goaways_total',
    'GOAWAY frames, by who sent them and their error code.',
    (side) => side.goawaysSent,
    (side) => side.goawaysReceived,
  );
}
