/**
 * The threat model: attackers, attacks on a sidecar, defences, and the tests that show them; `scripts/threats-table.ts`
 * makes docs/threat-model.md from it.
 */
import type { NamedTest } from './test-titles.ts';

export interface Threat {
  readonly attack: string;
  readonly defence: string;
  /** The risk that remains. */
  readonly rest: string;
  readonly shownBy: readonly NamedTest[];
}

export interface Attacker {
  readonly who: string;
  /** What they have to begin with. */
  readonly means: string;
  readonly threats: readonly Threat[];
}

const SAFETY = 'test/integration/safety';
const ENGINE = 'test/integration/engine';
const NATIVE = 'test/integration/native';
const E2E = 'test/e2e';
const UNIT = 'test/unit';

const in_ = (file: string, ...titles: readonly string[]): NamedTest[] => titles.map((title) => ({ file, title }));

export const ATTACKERS: readonly Attacker[] = [
  {
    who: 'The application, and whoever makes it send requests',
    means: 'Its connections are captured; it shares the network of the pod.',
    threats: [
      {
        attack:
          'hides a second request in the first, so that it reaches a backend unrouted or its answer reaches somebody else',
        defence: 'ambiguous framing is refused; framing is written anew; a connection out of step is not used again',
        rest: 'a backend that reads messages in its own way',
        shownBy: [
          ...in_(`${SAFETY}/framing.test.ts`, 'SAFETY 34: Content-Length beside Transfer-Encoding is refused'),
          ...in_(
            `${SAFETY}/connect.test.ts`,
            'SAFETY 99: after an answer to CONNECT that opens no tunnel the connection is not used again',
          ),
        ],
      },
      {
        attack: 'fills memory: endless heads, requests ahead, readers that stall',
        defence: 'limits of heads and buffers; a source is not read until its sink has taken it',
        rest: 'as many connections as `--max-connections` allows; the memory limit of the container has to be in proportion',
        shownBy: [
          ...in_(`${SAFETY}/limits-and-slow.test.ts`, 'SAFETY 64: a head over the limit is answered with 431'),
          ...in_(
            `${ENGINE}/native-bulk.test.ts`,
            '100 readers that stall cost at most 512 KiB each, and the others are served',
          ),
          ...in_(`${ENGINE}/native-memo.test.ts`, 'what a client sends is kept within bounds'),
        ],
      },
      {
        attack: 'uses up connections and descriptors, or one connection all of the processor',
        defence: 'every downstream connection counts and has a descriptor for its dial; each has a share of a turn',
        rest: 'those that wait at the limit wait',
        shownBy: [
          ...in_(
            `${NATIVE}/connection-limits.test.ts`,
            'short of descriptors, whoever is accepted has one for its dial, too',
          ),
          ...in_(
            `${ENGINE}/native-fairness.test.ts`,
            'requests sent ahead on one connection are answered a few at a time',
          ),
        ],
      },
      {
        attack: 'dials the proxy itself, so that it dials itself without end',
        defence: 'own dials are told from others, and closed',
        rest: 'none',
        shownBy: in_(
          `${E2E}/lifecycle.test.ts`,
          'a destination that is the proxy itself is closed and counted, not followed',
        ),
      },
      {
        attack: 'forges lines of the log, or labels of metrics',
        defence: 'a line is one JSON object of printable ASCII; labels are escaped, and only routes make series',
        rest: 'paths are logged as sent; queries are not',
        shownBy: [
          ...in_(
            `${ENGINE}/native-access-log.test.ts`,
            'hostile bytes: one line of printable ASCII, whatever a head holds',
            'a relayed response: every field',
          ),
          ...in_(`${UNIT}/observe/exposition.test.ts`, 'label values are escaped'),
        ],
      },
      {
        attack: 'goes around the sidecar, runs as uid 1337, or asks port 15000 to end it',
        defence: 'none: a sidecar is no barrier against its own pod. `inject` refuses containers of that uid',
        rest: 'all of it; use NetworkPolicy where traffic has to be kept in',
        shownBy: in_(
          `${UNIT}/inject/refusals.test.ts`,
          'each refused manifest gets the reason, with file, document and field, and no text at all',
        ),
      },
    ],
  },
  {
    who: 'A backend',
    means: 'It writes the bytes of responses.',
    threats: [
      {
        attack: 'puts a second response behind the first, for the next request on the connection',
        defence: 'what is beyond a message is dropped, and its connection is not used again',
        rest: 'none',
        shownBy: in_(
          `${SAFETY}/upstream-response.test.ts`,
          'SAFETY 90: bytes beyond Content-Length are dropped, and the connection is not used again',
          'SAFETY 91: unasked bytes that arrive with the request are not its answer',
        ),
      },
      {
        attack: 'breaks off, hangs, says nonsense, or never ends a head',
        defence: '502, 504 or a visible end; limits of heads and of 1xx',
        rest: 'without `timeouts` in the route a backend may take as long as it likes',
        shownBy: [
          ...in_(
            `${SAFETY}/upstream-response.test.ts`,
            'SAFETY 85: a response head over the limit is a 502',
            'SAFETY 86: 1xx responses are relayed, and more than sixteen are a 502',
          ),
          ...in_(`${E2E}/faults-upstream.test.ts`, 'FAULT 3: what is no HTTP is a 502, sent once'),
        ],
      },
      {
        attack: 'makes sideroute send a request twice',
        defence: 'only what is safe to repeat is repeated; retries of routes have a budget',
        rest: 'a GET whose reused connection ended may have been executed before',
        shownBy: [
          ...in_(
            `${E2E}/faults-upstream.test.ts`,
            'FAULT 4: backends that close connections as the next request comes cost no GET, and repeat no POST',
          ),
          ...in_(`${E2E}/retry-storm.test.ts`, '${title} receives at most ${AMPLIFICATION} times the requests'),
        ],
      },
      {
        attack: 'pretends that sideroute answered, or invents status codes to make series',
        defence: 'its fields are relayed, and not believed; codes are bounded',
        rest: 'a caller that trusts `x-sideroute-reason` of any response can be misled; the metrics are not',
        shownBy: [
          ...in_(
            `${SAFETY}/forged-fields.test.ts`,
            'a reason that a backend writes is relayed as its own, and counted as a response of the backend',
          ),
          ...in_(
            `${UNIT}/observe/metrics.test.ts`,
            'a backend that invents status codes cannot make series without end',
          ),
        ],
      },
      {
        attack: 'as a mirror, holds up the requests it gets copies of',
        defence: 'a copy has bounds and a deadline of its own, and nothing waits for it',
        rest: 'copies are lost, and counted',
        shownBy: in_(
          `${ENGINE}/native-mirrors.test.ts`,
          'SPEC F10: a mirror that refuses, resets, talks nonsense or stays silent harms no request',
        ),
      },
    ],
  },
  {
    who: 'Another pod, and a scraper',
    means: 'The network of the cluster; port 15020.',
    threats: [
      {
        attack: 'reaches more than the port of metrics and probes, or changes something there',
        defence: '15001 and 15000 are on loopback; 15020 only reads',
        rest: 'metrics name Services and routes; a NetworkPolicy can keep the port for Prometheus',
        shownBy: in_(`${E2E}/neighbours.test.ts`, 'the port of metrics and probes alone, which only reads'),
      },
      {
        attack: 'uses up descriptors or the processor through that port',
        defence:
          '64 connections of one address in ten seconds, 1,024 in all, each ends with its response; scrapes share the turns of one',
        rest: 'many pods together can keep probes out: a NetworkPolicy is the remedy',
        shownBy: [
          ...in_(
            `${E2E}/neighbours.test.ts`,
            'a neighbour that opens connections without end takes no descriptor from the traffic, and keeps no probe out',
          ),
          ...in_(
            `${UNIT}/admin/connection-limit.test.ts`,
            'a caller comes 64 times in ten seconds, whether its connections have ended or not',
          ),
        ],
      },
      {
        attack: 'through the browser of somebody who forwards port 15000: reads along, or ends the sidecar',
        defence: 'the Host has to be a loopback name; pages of other origins change nothing',
        rest: 'none',
        shownBy: in_(
          `${UNIT}/admin/private-admin.test.ts`,
          'a Host that is no loopback name is refused, so that no web page can read along',
          'what changes something is not for pages of other origins',
        ),
      },
      {
        attack: 'listens, or answers in the place of a backend',
        defence: 'none: there is neither encryption nor identity',
        rest: 'all of it; that is what a mesh is for',
        shownBy: [],
      },
    ],
  },
  {
    who: 'A route author, and whoever controls the ConfigMap',
    means: 'They write route files; requests of the pods that mount them go where these say.',
    threats: [
      {
        attack: 'with routes of one namespace, changes what clients of another get',
        defence: 'a consumer route is for the clients of its own namespace',
        rest: 'who may write the ConfigMap of a pod may write routes of any namespace into it: give that right as that of a Service',
        shownBy: in_(
          `${UNIT}/config/attach.test.ts`,
          'SPEC A6: producer routes are for all clients, consumer routes for those of their namespace',
        ),
      },
      {
        attack: 'stops the sidecar: endless YAML, aliases that explode, expressions that take for ever',
        defence:
          'size, depth, documents and expansion are bounded; expressions take linear time; a refused route takes no other down',
        rest: 'none',
        shownBy: [
          ...in_(
            `${UNIT}/gateway-api/documents.test.ts`,
            'size, nesting, tokens and documents are bounded',
            'aliases are bounded by what they expand to, not by their number',
          ),
          ...in_(
            `${UNIT}/regex/regex.test.ts`,
            'SPEC M5: expressions that make other engines backtrack answer in bounded time',
            'SPEC V10: a hostile expression is refused before it is compiled',
          ),
        ],
      },
      {
        attack: 'runs code, or changes objects of the program, by keys such as `__proto__`',
        defence: 'keys that the API has not are problems, and nothing is evaluated',
        rest: 'none',
        shownBy: in_(
          `${UNIT}/gateway-api/prototype.test.ts`,
          'keys of JavaScript’s own are unknown fields, and change nothing of other objects',
        ),
      },
      {
        attack: 'reads other files, or holds up the reader with what is no file',
        defence: 'regular files of the directory alone',
        rest: 'none: a ConfigMap makes no links',
        shownBy: in_(
          `${UNIT}/config/route-directory.test.ts`,
          'what is not a readable regular file is reported and never blocks',
        ),
      },
      {
        attack: 'breaks a file, or takes it away, while there is traffic',
        defence: 'the last good content serves',
        rest: 'a valid route to nowhere is a valid route',
        shownBy: in_(
          `${E2E}/faults-configuration.test.ts`,
          'FAULT 13: route files that are broken, half written or gone under load cost no request',
        ),
      },
      {
        attack: 'grows memory by reloads',
        defence: 'plans, policies and backends of past configurations are freed',
        rest: 'none',
        shownBy: in_(
          `${E2E}/reload-plans.test.ts`,
          '100 reloads of changing filters: memory stays, a slow request ends by its own route',
        ),
      },
    ],
  },
  {
    who: 'Who answers DNS',
    means: 'The addresses of Services without a document, and the last word where a document differs.',
    threats: [
      {
        attack: 'sends traffic to the sidecar itself, to everybody, or to nobody',
        defence: 'addresses that no Service can have count as failures, and the last good one serves',
        rest: 'any other address is believed, as by every client: DNS of a cluster has to be trusted',
        shownBy: in_(`${E2E}/dns-faults.test.ts`, 'no request is lost to what cluster DNS answers, engine ${engine}'),
      },
      {
        attack: 'gives addresses of pods, so that they are captured as a Service',
        defence: 'a parent with such addresses is refused',
        rest: 'none',
        shownBy: in_(
          `${UNIT}/cluster/frontends.test.ts`,
          'SPEC A9: a parent with several addresses of one family is headless: its pods are not captured',
        ),
      },
    ],
  },
  {
    who: 'The node',
    means: 'It runs the pod, its kernel and its images.',
    threats: [
      {
        attack: 'anything',
        defence:
          'none against it. The sidecar asks for no more than it needs: no capability, a read-only file system, no token',
        rest: 'all of it',
        shownBy: in_(`${E2E}/deploy.test.ts`, 'the containers of sideroute have no more privileges than they need'),
      },
    ],
  },
];
