/**
 * Faults of backends, of the network, of the machine and of the configuration: what each may cost, and what it did
 * cost. Tests have the numbers in their titles, `FAULT 3: ...`; a test without the number is named here.
 * `scripts/faults-table.ts` makes docs/faults.md from them.
 */
import type { NamedTest } from './test-titles.ts';

export interface FaultCase {
  readonly fault: string;
  /** What has to become of requests. */
  readonly outcome: string;
  /** What was counted, with SIDEROUTE_FULL=1 where the test has a shorter form. */
  readonly figure: string;
  /** Tests without the number in their title. */
  readonly shownBy?: readonly NamedTest[];
}

const SAFETY = 'test/integration/safety';
const ENGINE = 'test/integration/engine';
const E2E = 'test/e2e';

export const FAULT_CASES: readonly FaultCase[] = [
  {
    fault: 'the connection to the backend ends before a byte of the response, by reset or FIN',
    outcome: 'a GET on a reused connection is sent once more; everything else is 502, and never sent twice',
    figure:
      '20,000 GET and 20,000 POST on reused connections, 5,000 of each on fresh ones: 0 GET lost, 0 POST sent twice',
  },
  {
    fault: 'a response that breaks off: at each byte of its head and body, in each framing',
    outcome: '502 before the end of the head; behind it the client sees that something is missing',
    figure: '1,780 responses cut off at 178 places; 4,000 in four framings: 4,000 seen as cut off',
  },
  {
    fault: 'a backend that accepts and says nothing, that stalls in a body, or says what is no HTTP',
    outcome: '504 at the deadline of the route; cut off there; 502',
    figure: '1,500 after 500 to 569 ms, deadline 500 ms; 2,000 that are no HTTP: 502, each sent once',
  },
  {
    fault: 'a backend that closes its connection as the next request comes',
    outcome: 'no GET lost; a POST may be 502, and is never sent twice',
    figure: '100,000 GET: 0 lost, 29,076 sent again; 25,000 POST: 1,210 502, 0 sent twice',
  },
  {
    fault: 'the client, or the backend, ends its half of the connection',
    outcome: 'the response is complete',
    figure: '1,000 of each of four kinds: 4,000 complete',
  },
  {
    fault: 'bodies of a byte a second; a backend that answers before a body has ended',
    outcome: 'complete; relayed at once',
    figure: '1,000 of each of three kinds, two of them with bodies of 20 s: 3,000 complete',
  },
  {
    fault: 'no descriptors left (limit 256, 300 connections at once)',
    outcome: 'accepting pauses; answered, or refused with a reason; the process lives',
    figure: '6,000 requests, 300 connections at once: 6,000 answered',
    shownBy: [
      {
        file: 'test/integration/native/acceptor.test.ts',
        title: 'with 64 descriptors accepting pauses, CPU stays low, all are served',
      },
    ],
  },
  {
    fault: 'a backend that is stopped (SIGSTOP)',
    outcome: 'answered when it goes on, each request once; 504 where the route has a timeout',
    figure: '500 answered late, once each; 250 of 250 with a timeout 504',
  },
  {
    fault: 'a backend whose listen queue is full',
    outcome: '504 `connect_timeout` for what was not sent; another endpoint of the Service is tried',
    figure: '800 requests: 281 answered, 519 `connect_timeout`, 0 of them executed',
    shownBy: [
      {
        file: `${E2E}/refusing-endpoints.test.ts`,
        title: 'one of three endpoints swallows what comes: another is dialled before the timeout',
      },
    ],
  },
  {
    fault: 'the sidecar is killed (SIGKILL) and starts again',
    outcome: 'what it had is cut off or refused; nothing is misrouted or sent twice',
    figure: '10 times killed under load: 0 misrouted, 0 POST sent twice',
    shownBy: [
      {
        file: `${E2E}/lifecycle.test.ts`,
        title: 'SIGKILL: captured connections are refused, not misrouted, and a restart serves at once',
      },
    ],
  },
  {
    fault: 'the calendar clock jumps a day ahead and back, again and again',
    outcome: 'no timeout before its time',
    figure: '20 rounds of 5 jumps, 32,000 requests: 0 timeouts before their time',
  },
  {
    fault: 'a network that loses 5 % of packets, reorders 10 % and delays each by 100 ms, one way',
    outcome: 'no request lost',
    figure: '10,000 requests, 213,403 packets of which 11,066 lost and 21,406 reordered: 0 lost',
  },
  {
    fault: 'route files that are broken, half written or gone; a directory that is gone',
    outcome: 'the last good content serves; no request lost',
    figure: '100,100 requests over 120 changes: 0 lost',
    shownBy: [
      {
        file: 'test/unit/config/route-directory.test.ts',
        title: 'an unparsable file keeps its last good content until it is mended',
      },
    ],
  },
  {
    fault: 'DNS that is silent, fails, or denies; that has another address; that answers what no Service can have',
    outcome: 'the last good address serves; a new one is followed; no request lost',
    figure: '164,200 requests: 0 lost',
    shownBy: [
      {
        file: `${E2E}/dns-faults.test.ts`,
        title: 'no request is lost to what cluster DNS answers, engine ${engine}',
      },
      {
        file: 'test/unit/cluster/resolver.test.ts',
        title: 'a changed address is used within TTL + 1 s',
      },
    ],
  },
  {
    fault: 'one of three endpoints of a Service refuses; one of ten',
    outcome: 'dialled again: at most 1 of 10,000 fails, with and without `retry`; none of ten; nothing is sent twice',
    figure: 'one of three: 20,000 requests, 0 failed, 10,100 dials repeated, 0 sent twice',
    shownBy: [
      {
        file: `${E2E}/refusing-endpoints.test.ts`,
        title: 'one of three endpoints refuses: at most 1 of 10,000 requests fails, rule ${rule}',
      },
      {
        file: `${E2E}/refusing-endpoints.test.ts`,
        title: 'one of ten endpoints refuses: no request fails',
      },
    ],
  },
  {
    fault: 'SIGTERM under load',
    outcome: 'what comes while the application still sends is served; exit status 0; none lost, none sent twice',
    figure: '10 times: 0 lost, 0 sent twice',
    shownBy: [
      {
        file: `${E2E}/lifecycle.test.ts`,
        title: 'SIGTERM under load: no request is lost while the application still sends',
      },
    ],
  },
  {
    fault: '10,000 idle connections',
    outcome: 'held, at most 8 KiB each; others are served',
    figure: '9,000, as many as 20,000 descriptors are for: 4.2 KiB each',
  },
  {
    fault: '100 readers that stall',
    outcome: 'at most 512 KiB each; others are served; every byte arrives in the end',
    figure: '52 KiB each, 3 s in the suite',
    shownBy: [
      {
        file: `${ENGINE}/native-bulk.test.ts`,
        title: '100 readers that stall cost at most 512 KiB each, and the others are served',
      },
    ],
  },
  {
    fault: '1 GiB each way, by length and in chunks; 1 GiB through a tunnel',
    outcome: 'intact; less than 64 MiB more memory, 16 MiB for the tunnel',
    figure: 'intact; 0.2 MiB more, less than 0.1 MiB for the tunnel',
    shownBy: [
      {
        file: `${ENGINE}/native-bulk.test.ts`,
        title: '${TOTAL / MIB} MiB go each way intact with under 64 MiB more memory',
      },
      {
        file: 'test/integration/native/passthrough-volume.test.ts',
        title: '1 GiB goes through intact with under 16 MiB more memory',
      },
    ],
  },
  {
    fault: '1,000 changes of the mounted ConfigMap under load',
    outcome: 'no request lost, no mix of two configurations',
    figure: '1,000 changes: 0 requests failed, 0 of two configurations',
    shownBy: [
      {
        file: `${E2E}/reload.test.ts`,
        title: '${SWAPS} swaps of ..data under load: no failed request, no mix of two configurations',
      },
    ],
  },
  {
    fault: '100 reloads with changing values of filters in use',
    outcome: 'memory stays',
    figure: '2.0 MiB more resident after 100 reloads, of 94.6 MiB',
    shownBy: [
      {
        file: `${E2E}/reload-plans.test.ts`,
        title: '100 reloads of changing filters: memory stays, a slow request ends by its own route',
      },
    ],
  },
  {
    fault: 'an exception in the code that decides',
    outcome: 'one 500 `internal`; the process lives',
    figure: '1,000: 1,000 times 500',
    shownBy: [
      {
        file: 'test/integration/native/acceptor.test.ts',
        title: 'a receiver that throws loses its connection, not the process',
      },
    ],
  },
  {
    fault: 'the destination is the proxy itself',
    outcome: 'closed and counted; no descriptor grows',
    figure: 'counted each time, as many descriptors as before',
    shownBy: [
      {
        file: 'test/integration/native/acceptor.test.ts',
        title: 'a destination that is the proxy itself is refused and counted, and no descriptor grows',
      },
      {
        file: `${E2E}/lifecycle.test.ts`,
        title: 'a destination that is the proxy itself is closed and counted, not followed',
      },
    ],
  },
  {
    fault: 'callers that leave a backend which hangs',
    outcome: 'the backend is told; no retry begins; a reset frees the place at once',
    figure: '1,100 callers',
    shownBy: [
      { file: `${SAFETY}/callers.test.ts`, title: 'SAFETY 108: no retry begins after the FIN' },
      {
        file: `${SAFETY}/callers.test.ts`,
        title: 'SAFETY 108: a reset ends the exchange wherever it is, and the backend sees it',
      },
    ],
  },
  {
    fault: 'the reader of the access log stalls or leaves',
    outcome: 'requests are served as before; lost lines are counted',
    figure: 'each line written or counted as lost; 0 requests lost',
    shownBy: [
      {
        file: `${ENGINE}/native-log-writer.test.ts`,
        title: 'a reader that stalls: requests are served as before, lost lines are counted and told of',
      },
      {
        file: `${ENGINE}/native-log-writer.test.ts`,
        title: 'a reader that leaves: lines are lost and counted until there is another',
      },
    ],
  },
  {
    fault:
      'memory close to the limit of the cgroup: readers that stall, unfinished heads, bodies that stop, many connections',
    outcome:
      'never killed; others are served, or refused with 503 `overload`; the probes answer; the memory comes back',
    figure:
      '4,900 readers, 4,500 heads, 2,000 bodies, 9,000 idle connections, 500 downloads, 500 clients with mirrors, at 256 and ' +
      '128 MiB (cgroup v1): 0 kills, the limit never met; at 128 MiB at most 105 MiB held, and 31 to 52 MiB afterwards',
    shownBy: [
      {
        file: `${E2E}/memory-limit.test.ts`,
        title: '${connections} ${kind} in ${limitMiB} MiB: nobody is killed',
      },
      {
        file: `${ENGINE}/native-shedding.test.ts`,
        title: 'at 80 % requests are refused, at 90 % the largest are broken off, below 75 % all is as before',
      },
      {
        file: 'test/integration/native/memory-sockets.test.ts',
        title: 'close to the limit the largest are reset, and counted',
      },
    ],
  },
  {
    fault: 'standard error, or both streams: closed, full, without a reader, or with one that stalls',
    outcome: 'requests are served; the process neither ends nor grows; lost lines are counted',
    figure:
      'five ways to fail, 2,000 lines of log lost in each: all served; under 8 MiB more for 4,000 lines that stall',
    shownBy: [
      { file: `${E2E}/broken-log.test.ts`, title: 'a sidecar whose standard streams fail' },
      { file: `${E2E}/broken-log.test.ts`, title: 'both have a reader that stalls, and reads on later' },
    ],
  },
  {
    fault: 'SIGTERM or SIGINT as process 1 of a container, at any moment of starting',
    outcome: 'ends with status 0; a second signal does not wait for connections',
    figure: '20 moments each with few rules and with 10,000: 40 of 40 end with status 0',
    shownBy: [
      {
        file: `${E2E}/end-while-starting.test.ts`,
        title: 'process 1, ${what}: a signal at any moment of starting ends it with status 0',
      },
      {
        file: `${E2E}/end-while-starting.test.ts`,
        title: 'process 1: a signal that comes while Node itself starts is not lost either',
      },
    ],
  },
  {
    fault: 'a connection of the application that is reset, whose port the sidecar dials the same Service from',
    outcome: 'what is captured once more is passed on; nothing is lost',
    figure: '4 of 4 tunnels and 4 of 4 requests, by IPv4 and by IPv6',
    shownBy: [
      {
        file: 'test/integration/native/stale-translation.test.ts',
        title: '${name} to ${service}, from the port of one that was reset',
      },
    ],
  },
];
