/**
 * What sideroute does about each rule of Gateway API v1.7.0 that concerns an HTTPRoute with a Service as its parent.
 * `scripts/spec-table.ts` makes docs/spec-rules.md of them; tests carry the numbers in their titles.
 */
export interface SpecRule {
  /** Letter of the chapter and number: `M4`. */
  readonly id: string;
  /** Where Gateway API says it: a type of the API, or a GEP. */
  readonly source: string;
  /** What sideroute does. */
  readonly statement: string;
}

export interface SpecChapter {
  readonly heading: string;
  readonly rules: readonly SpecRule[];
}

const GAMMA = 'GEP-1294';
const PARENT = '`ParentReference`';
const RULE = '`HTTPRouteRule`';
const MATCH = '`HTTPRouteMatch`';
const FILTER = '`HTTPRouteFilter`';
const REDIRECT = '`HTTPRequestRedirectFilter`';
const CORS = '`HTTPCORSFilter`, GEP-1767';
const BACKEND = '`BackendRef`';
const TIMEOUTS = '`HTTPRouteTimeouts`, GEP-1742';
const RETRY = '`HTTPRouteRetry`, GEP-1731';
const STATUS = '`RouteStatus`';
const CRD = 'the CRDs';

/** Rows of source and statement, numbered from 1. */
function chapter(letter: string, heading: string, rows: readonly (readonly [string, string])[]): SpecChapter {
  return { heading, rules: rows.map(([source, statement], i) => ({ id: `${letter}${i + 1}`, source, statement })) };
}

export const SPEC_CHAPTERS: readonly SpecChapter[] = [
  chapter('A', 'Attachment', [
    [
      PARENT,
      'A parentRef is a Service when its kind says so and its group is empty, absent or `core`; its namespace defaults to ' +
        "the route's. Parents of other kinds are left to whoever owns them.",
    ],
    [
      `${PARENT}, ${GAMMA}`,
      'Without port and sectionName a route serves every TCP port of the Service, with a port that one, with a sectionName ' +
        'the port of that name; both must mean the same port.',
    ],
    [GAMMA, 'The original destination, ClusterIP and port, names the Service. The Host header plays no part in it.'],
    [GAMMA, 'Connections to pod addresses and to anything that is no ClusterIP of a routed Service pass unread.'],
    [
      'mesh overview',
      'A Service port without a route behaves as without sideroute. With one, a request that nothing matches is refused (E1).',
    ],
    [
      GAMMA,
      "A route in the Service's namespace serves clients of every namespace; one in another namespace only clients there.",
    ],
    [
      GAMMA,
      "Routes of the client's own namespace replace those of the Service's namespace, port by port; the two are never merged.",
    ],
    [GAMMA, 'Routes attached to a backend are not applied when a request is forwarded to it.'],
    [GAMMA, 'Services with a ClusterIP are parents whatever their type; headless and ExternalName ones are not.'],
    [GAMMA, '`spec.hostnames` is ignored with a warning; the Host header can be matched like any other.'],
    [GAMMA, 'Parents and backends in other namespaces need no ReferenceGrant.'],
    [PARENT, 'Entries for one Service must set the same of port and sectionName, with different values.'],
    [
      GAMMA,
      'A port whose `appProtocol` is not HTTP is tunnelled unread; on others the first bytes decide, and what is not ' +
        'HTTP is tunnelled.',
    ],
    [
      CRD,
      'Route files are defaulted and validated here as an API server would; a broken file keeps its last good content.',
    ],
  ]),
  chapter('M', 'Matching', [
    [RULE, 'No rules, no matches and no path all mean the prefix `/`.'],
    [RULE, 'The matches of a rule are alternatives; all that one match asks for must hold.'],
    [MATCH, 'An exact path is compared byte for byte, trailing slash and case included.'],
    [MATCH, 'A prefix covers whole segments, with case; its trailing slash is ignored.'],
    [MATCH, 'A regular expression (RE2 syntax) must match the whole path, header or parameter.'],
    [MATCH, 'The raw path is matched: nothing is decoded or normalised, and it is forwarded as it came.'],
    [
      '`HTTPHeaderMatch`',
      'Names are compared without case, values with it; repeated fields are joined with a comma; of entries whose ' +
        'names differ by case the first counts.',
    ],
    [
      '`HTTPQueryParamMatch`',
      'Names and values are compared undecoded and with case; of a repeated parameter the first value ' + 'counts.',
    ],
    ['`HTTPMethod`', 'Methods are compared exactly; GET does not cover HEAD.'],
  ]),
  chapter('P', 'Precedence and merging', [
    [
      RULE,
      'Among all rules of all routes of a Service port the best match wins: kind of path, length of prefix, method, number of ' +
        'headers, number of parameters, age, name, order.',
    ],
    [RULE, 'One rule serves a request; when its backend fails, no other rule is asked.'],
    [
      '`ObjectMeta`',
      'A route with a `creationTimestamp` is older than one without; then the name decides, never the order of files.',
    ],
    [RULE, 'Regular expressions come after exact paths and before every prefix.'],
    [RULE, 'The trailing slash does not make a prefix longer.'],
    [
      GAMMA,
      'On one Service port a GRPCRoute goes before an HTTPRoute, that before a TLSRoute, that before a TCPRoute; the loser has ' +
        'no effect there and is told so. Kinds that are not carried are tunnelled unread.',
    ],
    [RULE, 'As hostnames are ignored (A10), they break no tie.'],
  ]),
  chapter('F', 'Filters', [
    [
      FILTER,
      'RequestHeaderModifier, ResponseHeaderModifier, RequestRedirect, URLRewrite, RequestMirror and CORS are carried out; the ' +
        'settings must be those of the type.',
    ],
    [FILTER, 'Filters take effect in the order of the list.'],
    [
      FILTER,
      'Only RequestMirror and ExtensionRef may stand more than once; a rewrite beside a redirect, or backends beside a redirect ' +
        'of the rule, are refused.',
    ],
    [
      FILTER,
      'A filter that is not carried out (ExtensionRef, ExternalAuth) is never skipped: its requests are answered with 500.',
    ],
    [
      '`HTTPHeaderFilter`',
      'Set replaces, add appends a line, remove deletes, all without case; one action per name. Responses are modified when ' +
        'they come from a backend.',
    ],
    [
      REDIRECT,
      'Scheme, host and path of a redirect default to those of the request, the status to 302; 301, 302, 303, 307 and 308 may ' +
        'be asked for.',
    ],
    [
      REDIRECT,
      'The port is the one given, else that of the given scheme, else that of the Service the client dialled; 80 for http and ' +
        '443 for https are not written. The query is kept.',
    ],
    ['`HTTPURLRewriteFilter`', 'A rewritten host name replaces Host; otherwise Host reaches the backend as it came.'],
    [
      '`HTTPPathModifier`',
      'ReplaceFullPath replaces the path, ReplacePrefixMatch the matched prefix by whole segments; the query is kept.',
    ],
    [
      '`HTTPRequestMirrorFilter`',
      'A percentage or fraction of requests, all by default, goes to the mirror as well; what it answers changes nothing. A ' +
        'mirror that cannot be used is left out and told.',
    ],
    [CORS, 'A preflight request that matches the rule is answered here and never forwarded.'],
    [
      CORS,
      'The answer to a preflight of an allowed origin names that origin and what the filter allows; the age is 5 s unless ' +
        'given, credentials only when enabled.',
    ],
    [
      CORS,
      'A preflight of another origin gets no CORS fields; other requests of it are forwarded and get none either.',
    ],
    [
      CORS,
      "On responses the filter's fields replace those of the backend; the origin is always echoed, `*` is never sent with " +
        'credentials.',
    ],
    [CORS, 'Origins are compared by scheme, host and port; `*.` covers any number of labels; `*` must stand alone.'],
    [
      '`HTTPExternalAuthFilter`',
      'External authorisation is validated but not carried: requests of the rule are answered with 500, never let through.',
    ],
    ['`HTTPBackendRef`', "Filters of a backendRef run for its share only, after the rule's."],
  ]),
  chapter('B', 'Backends', [
    [
      '`BackendObjectReference`',
      "A backendRef is a Service of the route's namespace with weight 1 unless it says otherwise; its port is the Service's " +
        'and must be given.',
    ],
    [BACKEND, 'Requests are shared by weight, interleaved request by request; weight 0 gets none.'],
    [BACKEND, 'A backend that cannot be used keeps its weight: its share gets 500. With weight 0 it does no harm.'],
    [
      RULE,
      'Without backends, or with weights of 0 only, requests get 500; the parent Service is never taken for a backend.',
    ],
    [BACKEND, 'A Service without ready endpoints refuses the connection: its share gets 503.'],
    ['`BackendObjectReference`', 'Headless and ExternalName Services cannot be backends: they have no ClusterIP.'],
    [
      'GEP-1911',
      'Servers of `kubernetes.io/h2c` are spoken to in HTTP/2, those of `kubernetes.io/ws` in HTTP/1.1, others as the caller ' +
        'speaks, upgrades included; a protocol that is no HTTP is UnsupportedProtocol and 500.',
    ],
    ['GEP-1619', '`sessionPersistence` is accepted with a warning and has no effect: endpoints are not chosen here.'],
  ]),
  chapter('T', 'Timeouts', [
    [
      TIMEOUTS,
      '`request` limits everything from the complete head to the last byte, retries included; `backendRequest` each attempt. ' +
        'Both end in 504.',
    ],
    [TIMEOUTS, '`0s` disables; `backendRequest` may exceed `request` only when that is disabled.'],
    [TIMEOUTS, 'When the response has begun, a timeout breaks it off: it never looks complete.'],
  ]),
  chapter('R', 'Retries', [
    [
      RETRY,
      '`attempts` are retries after the first try, as long as retries stay a small part of what a backend receives.',
    ],
    [RETRY, 'Only the listed codes are retried, from 400 to 599.'],
    [
      RETRY,
      'With a retry stanza a failure to connect is retried too, whatever the codes and the method: nothing was sent. What may ' +
        'have been processed is not (V2).',
    ],
    [
      RETRY,
      '`backoff` is the base of the wait before a retry and the least it can be, 25 ms unless given; it doubles with each retry, ' +
        'up to sixteen times, and has jitter (V3).',
    ],
    [
      RETRY,
      'When the attempts are used up the last status is passed on; a timeout is 504; resets that were retried end in 503, one ' +
        'that was not is 502.',
    ],
    [RETRY, 'The `request` timeout ends retries with 504.'],
  ]),
  chapter('G', 'Calls of gRPC', [
    [
      '`GRPCRouteMatch`',
      'A rule without matches is for every call; the type of a method match is Exact by default; of service and method one may ' +
        'be left out, which is any.',
    ],
    [
      'GEP-1016',
      'A call is a request for the path `/service/method`: an exact path with both, the prefix `/service/` with a service alone; a ' +
        'method alone, and regular expressions, match the names in it, each whole.',
    ],
    [
      '`GRPCRouteRule`',
      'Among all matches of all routes of a Service port: characters of the service, of the method, number of headers, age, name, ' +
        'order. A name comes before a regular expression, and that before none, whatever their lengths.',
    ],
    [
      '`GRPCRouteFilter`',
      'RequestHeaderModifier, ResponseHeaderModifier and RequestMirror are carried out as of an HTTPRoute; there are no timeouts and ' +
        'no retries.',
    ],
    [
      '`GRPCRoute`',
      'Calls go to their backends as they came, in HTTP/2; a backend whose `appProtocol` says that it cannot is UnsupportedProtocol.',
    ],
    ['`GRPCRoute`', 'On a port with a GRPCRoute what is no call (`POST` with a content type of gRPC) is answered 404.'],
  ]),
  chapter('E', 'Errors', [
    [RULE, 'A route is attached and nothing matches: 404; a call: UNIMPLEMENTED.'],
    [BACKEND, 'The backend cannot be used: 500; a call: UNAVAILABLE.'],
    [RULE, 'The rule has no backends: 500; a call: UNIMPLEMENTED.'],
    [BACKEND, 'No endpoint accepts, or the address is not known yet: 503; a call: UNAVAILABLE.'],
    [TIMEOUTS, 'A timeout: 504; a call: DEADLINE_EXCEEDED.'],
  ]),
  chapter('S', 'Conditions', [
    [
      STATUS,
      'Each parentRef of a Service has its own conditions: `sideroute check` shows them, the controller writes them into the status ' +
        'of the route, with the generation it has read.',
    ],
    [
      '`RouteConditionType`',
      'Accepted is true when a rule can serve; else its reason is NoMatchingParent, UnsupportedValue, IncompatibleFilters or ' +
        'Conflicted.',
    ],
    [
      '`RouteConditionType`',
      'ResolvedRefs is false with InvalidKind, BackendNotFound or UnsupportedProtocol, while the route stays accepted.',
    ],
    ['`RouteConditionType`', 'PartiallyInvalid is only ever true; its message begins with "Dropped Rule".'],
    [
      '`RouteConditionType`',
      'An unknown value makes the route UnsupportedValue and harms no other; if it was the only one, its Service has no route ' +
        '(A5).',
    ],
  ]),
  chapter('D', 'Limits', [
    ['GEP-2257', 'Durations are sums of whole hours, minutes, seconds and milliseconds; nothing else is one.'],
    [CRD, 'Every list, weight, port and number has the limit of the CRDs.'],
    [CRD, 'Paths to match are at most 1024 characters of a URL path, normalised, and begin with `/`.'],
    [CRD, 'Names of headers and parameters are tokens of at most 256 characters; values have their limits.'],
    [
      '`GRPCMethodMatch`',
      'The name of a service is words of letters, digits and `_` joined by `.`, that of a method one such word, each at most 1024 ' +
        'characters; one of both has to be given.',
    ],
    ['GEP-995', 'Names of rules are DNS subdomains, unique in a route, and change no routing.'],
  ]),
  chapter('V', 'What v1.7.0 added or changed', [
    [RETRY, 'A retry stanza without `attempts` has one; `attempts: 0` turns retries off, whatever codes are listed.'],
    [
      RETRY,
      'Without further ado only requests that were not sent are tried again: the connection could not be made. A reset after ' +
        'the request was sent, and the timeout of an attempt, are retried if the codes list what the request would be answered ' +
        'with, 502 or 504, and the method is idempotent (GET, HEAD, OPTIONS, TRACE, PUT, DELETE). A dial that is repeated is no ' +
        'retry, with a retry stanza or without. Beside that an idempotent request is sent once more where a reused connection ' +
        'has closed without a byte of response, as RFC 9110 section 9.2.2 allows, unless `attempts` is 0; it counts as one of ' +
        'the attempts.',
    ],
    [RETRY, '`backoff` is the base of an exponential backoff with jitter; the cap is sixteen times the base.'],
    [
      `${RETRY}, ${TIMEOUTS}`,
      'Retries succeed within the request timeout or end in 504. An attempt that reaches its own timeout is retried on the ' +
        'conditions of V2.',
    ],
    [RULE, 'Names of rules are unique in a route, of an HTTPRoute and of a GRPCRoute; otherwise it is refused.'],
    [
      RULE,
      'Of rules with identical matches, whatever the order of their lists, the first serves the request, also when its ' +
        'backend does not exist: 500, not the next rule.',
    ],
    ['`HTTPBackendRef`', 'URLRewrite on a backendRef replaces path and host name for its share.'],
    [
      STATUS,
      'Status entries of other controllers are not read and never changed, nor moved; conditions carry the generation of the ' +
        'very object they are about.',
    ],
    [
      '`GRPCRouteSpec`',
      'As hostnames are ignored (A10), an HTTPRoute and a GRPCRoute of one Service port conflict whatever their hostnames ' +
        '(P6).',
    ],
    [
      'GEP-4359',
      'The portable floor of regular expressions matches as its examples say; what lies outside is a warning. The size of an ' +
        'expression, of those of a route and of what they remember is bounded, and other work has its turn between them.',
    ],
    [
      'GEP-1619, GEP-4894',
      'Session persistence in a route, which is deprecated, has no effect and is a warning; an XBackend, which has it now, ' +
        'is a backend of a kind that is not carried: InvalidKind.',
    ],
    [
      '`HTTPPathModifier`',
      'A replacement of a path that does not begin with `/` is taken, and sent with one in front.',
    ],
    [
      CRD,
      'A name or value that stands twice in one list of matches, header actions, codes or CORS settings is refused. Two ' +
        'spellings of a header name that differ by case are taken, and the first counts.',
    ],
  ]),
];
