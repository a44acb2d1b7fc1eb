/**
 * What a route can ask of every engine: plans, fields of a single reply or response, timeouts. Part of the table in
 * `engine-cases.ts`.
 */
import type { Decision, FieldLine, ForwardPlan, ForwardPolicy, PathRewrite } from '../../src/routing/decision.ts';
import { forwardTo, HOST, local, SERIES, type EngineCase, type ExpectedMessage } from './engine-cases.ts';

const NO_EDITS = { remove: [], append: [] };
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const OK_MESSAGE: ExpectedMessage = { startLine: 'HTTP/1.1 200 OK', fields: ['content-length: 2'], body: 'ok' };
const DONE: EngineCase['outcome'] = { status: 200, reason: null };
const NO_CONTENT: ExpectedMessage = { startLine: 'HTTP/1.1 204 No Content', fields: [], body: '' };

export function plan(parts: Partial<ForwardPlan>): ForwardPlan {
  return { request: NO_EDITS, response: NO_EDITS, host: null, path: null, ...parts };
}

function line(name: string, value: string): FieldLine {
  return { name, value };
}

function planned(parts: Partial<ForwardPlan>): (port: number) => Decision {
  const compiled = plan(parts);
  return (port) => ({ ...forwardTo(port), plan: compiled });
}

function limited(policy: Partial<ForwardPolicy>, addresses?: readonly string[]): (port: number) => Decision {
  const compiled = { requestTimeoutMs: 0, attemptTimeoutMs: 0, retry: null, ...policy };
  return (port) => ({ ...forwardTo(port, addresses), policy: compiled });
}

function rewriteCase(target: string, path: PathRewrite, expected: string): EngineCase {
  const what = path.kind === 'full' ? path.path : `${path.replacement} for the first ${path.length}`;
  return {
    name: `SPEC F9: ${target} becomes ${expected} with ${what}`,
    send: `GET ${target} HTTP/1.1\r\n${HOST}\r\n`,
    decide: planned({ path }),
    upstream: { startLine: `GET ${expected} HTTP/1.1`, fields: ['host: svc.ns:80'], body: '' },
    client: NO_CONTENT,
    outcome: { status: 204, reason: null },
  };
}

const prefix = (length: number, replacement: string): PathRewrite => ({ kind: 'prefix', length, replacement });
const full = (path: string): PathRewrite => ({ kind: 'full', path });

const TIMEOUT = local('HTTP/1.1 504 Gateway Timeout', 'timeout', 'The request did not finish within its timeout.\n');
const REDIRECTED = local('HTTP/1.1 302 Found', 'redirect', 'The route redirects this request.\n');
const LOCATION = line('Location', 'http://a/\xe9');

/** The message with fields inserted before its length. */
function withFields(message: ExpectedMessage, ...fields: string[]): ExpectedMessage {
  return { ...message, fields: [...message.fields.slice(0, -1), ...fields, ...message.fields.slice(-1)] };
}

/** A function, because this file and `engine-cases.ts` import each other. */
export function planCases(): readonly EngineCase[] {
  return [
    {
      name: 'SPEC F5: fields of a request are taken out in any case and number, and lines appended in order',
      send: `GET / HTTP/1.1\r\nX-Set: old\r\nX-GONE: 1\r\n${HOST}x-add: one\r\nX-set: older\r\nX_Gone: kept\r\nX-Gone-2: kept\r\n\r\n`,
      decide: planned({
        request: {
          remove: ['x-set', 'x-gone', 'x-absent'],
          append: [line('X-Set', 'new'), line('x-Add', 'two'), line('X-Add', 'thr\xe9e'), line('X-Empty', '')],
        },
      }),
      upstream: {
        startLine: 'GET / HTTP/1.1',
        fields: [
          ...['host: svc.ns:80', 'x-add: one', 'x_gone: kept', 'x-gone-2: kept'],
          ...['x-set: new', 'x-add: two', 'x-add: thr\xe9e', 'x-empty: '],
        ],
        body: '',
      },
      client: NO_CONTENT,
      outcome: { status: 204, reason: null },
    },
    {
      name: 'a plan leaves the body of a request and its length alone',
      send: `POST /a?b HTTP/1.1\r\n${HOST}Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello`,
      decide: planned({ request: { remove: ['content-type'], append: [line('X', '1')] }, path: full('/c') }),
      answer: OK,
      upstream: {
        startLine: 'POST /c?b HTTP/1.1',
        fields: ['host: svc.ns:80', 'x: 1', 'content-length: 5'],
        body: 'hello',
      },
      client: OK_MESSAGE,
      outcome: DONE,
    },
    {
      name: 'a plan and what Connection names are both heeded, hop-by-hop fields stay out',
      send: `GET / HTTP/1.1\r\n${HOST}Connection: keep-alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: 1\r\nX-Cut: 1\r\nX-Kept: 1\r\n\r\n`,
      decide: planned({ request: { remove: ['x-cut'], append: [line('X-Hop', '2')] } }),
      upstream: { startLine: 'GET / HTTP/1.1', fields: ['host: svc.ns:80', 'x-kept: 1', 'x-hop: 2'], body: '' },
      client: NO_CONTENT,
      outcome: { status: 204, reason: null },
    },
    {
      name: 'SPEC F8: Host is replaced',
      send: `GET / HTTP/1.1\r\nA: 1\r\n${HOST}B: 2\r\n\r\n`,
      decide: planned({ host: 'other.example' }),
      upstream: { startLine: 'GET / HTTP/1.1', fields: ['host: other.example', 'a: 1', 'b: 2'], body: '' },
      client: NO_CONTENT,
      outcome: { status: 204, reason: null },
    },
    rewriteCase('/foo/bar', prefix(4, '/xyz'), '/xyz/bar'),
    rewriteCase('/foo/bar?q=/foo', prefix(4, '/xyz'), '/xyz/bar?q=/foo'),
    rewriteCase('/foo', prefix(4, '/xyz'), '/xyz'),
    rewriteCase('/foo?', prefix(4, '/xyz'), '/xyz?'),
    rewriteCase('/foo/', prefix(4, '/xyz'), '/xyz/'),
    rewriteCase('/foo/bar', prefix(4, ''), '/bar'),
    rewriteCase('/foo', prefix(4, ''), '/'),
    rewriteCase('/foo/', prefix(4, ''), '/'),
    rewriteCase('/foo/?a', prefix(4, ''), '/?a'),
    rewriteCase('/foo', prefix(0, '/xyz'), '/xyz/foo'),
    rewriteCase('/', prefix(0, '/xyz'), '/xyz/'),
    rewriteCase('/a//b/../%2e', prefix(2, '/x'), '/x//b/../%2e'),
    rewriteCase('/caf\xc3\xa9/x', prefix(6, '/tea'), '/tea/x'),
    rewriteCase('/foo/bar?a=b', full('/'), '/?a=b'),
    rewriteCase('/foo/bar', full('/x/y'), '/x/y'),
    {
      name: 'SPEC F5: fields of a response are taken out and lines appended, in order, those of one response last',
      send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
      decide: (port) => ({
        ...forwardTo(port),
        plan: plan({
          response: { remove: ['server', 'x-set'], append: [line('X-Set', 'new'), line('Set-Cookie', 'c=\xe9')] },
        }),
        responseFields: [line('Access-Control-Allow-Origin', 'http://a'), line('Vary', 'Origin')],
      }),
      answer:
        'HTTP/1.1 200 OK\r\nSERVER: x\r\nSet-Cookie: a\r\nx-set: old\r\nVary: Accept\r\nX-Set: older\r\nContent-Length: 2\r\n\r\nok',
      upstream: { startLine: 'GET / HTTP/1.1', fields: ['host: svc.ns:80'], body: '' },
      client: {
        startLine: 'HTTP/1.1 200 OK',
        fields: [
          ...['set-cookie: a', 'vary: Accept', 'x-set: new', 'set-cookie: c=\xe9'],
          ...['access-control-allow-origin: http://a', 'vary: Origin', 'content-length: 2'],
        ],
        body: 'ok',
      },
      outcome: DONE,
    },
    {
      name: 'fields of one response come without a plan, and with a chunked body',
      send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
      decide: (port) => ({ ...forwardTo(port), responseFields: [line('X-One', '1')] }),
      answer: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: 0\r\n\r\n2\r\nok\r\n0\r\n\r\n',
      client: { startLine: 'HTTP/1.1 200 OK', fields: ['x: 0', 'x-one: 1', 'transfer-encoding: chunked'], body: 'ok' },
      outcome: DONE,
    },
    {
      name: 'SPEC F5: a reply made here has no fields of a plan',
      send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
      decide: (port) => ({
        ...forwardTo(port, []),
        plan: plan({ response: { remove: ['content-type'], append: [line('X', '1')] } }),
        responseFields: [line('X-One', '1')],
      }),
      upstream: null,
      client: local(
        'HTTP/1.1 503 Service Unavailable',
        'unresolved',
        'The address of the backend Service is not known yet.\n',
      ),
      outcome: { status: 503, reason: 'unresolved' },
    },
    {
      name: 'SPEC F6: a local reply has its own status and fields',
      send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
      decide: () => ({
        kind: 'local',
        status: 302,
        reason: 'redirect',
        series: SERIES,
        fields: [LOCATION, line('X', '1')],
      }),
      upstream: null,
      client: withFields(REDIRECTED, 'location: http://a/\xe9', 'x: 1'),
      outcome: { status: 302, reason: 'redirect' },
    },
    {
      name: 'a local reply with fields to a request with a body',
      send: `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`,
      decide: () => ({ kind: 'local', status: 307, reason: 'redirect', series: SERIES, fields: [LOCATION] }),
      upstream: null,
      client: withFields({ ...REDIRECTED, startLine: 'HTTP/1.1 307 Temporary Redirect' }, 'location: http://a/\xe9'),
      outcome: { status: 307, reason: 'redirect' },
    },
    {
      name: 'a local reply with fields to HEAD has the length and no body',
      send: `HEAD / HTTP/1.1\r\n${HOST}\r\n`,
      decide: () => ({ kind: 'local', status: 302, reason: 'redirect', series: SERIES, fields: [LOCATION] }),
      upstream: null,
      client: withFields({ ...REDIRECTED, body: '' }, 'location: http://a/\xe9'),
      outcome: { status: 302, reason: 'redirect' },
    },
    {
      name: 'SPEC F12: a local 204 has neither body nor length',
      send: `OPTIONS / HTTP/1.1\r\n${HOST}Origin: http://a\r\n\r\n`,
      decide: () => ({
        ...{ kind: 'local', status: 204, reason: 'cors_preflight', series: SERIES },
        fields: [line('Access-Control-Allow-Origin', 'http://a')],
      }),
      upstream: null,
      client: {
        startLine: 'HTTP/1.1 204 No Content',
        fields: [
          'content-type: text/plain; charset=utf-8',
          'x-sideroute-reason: cors_preflight',
          'access-control-allow-origin: http://a',
        ],
        body: '',
      },
      outcome: { status: 204, reason: 'cors_preflight' },
    },
    ...(['requestTimeoutMs', 'attemptTimeoutMs'] as const).flatMap((limit): EngineCase[] => [
      {
        name: `SPEC T1: ${limit}: a backend that does not answer is a 504`,
        send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
        decide: limited({ [limit]: 100 }),
        answer: () => undefined,
        upstream: { startLine: 'GET / HTTP/1.1', fields: ['host: svc.ns:80'], body: '' },
        client: TIMEOUT,
        outcome: { status: 504, reason: 'timeout' },
      },
      {
        name: `SPEC T3: ${limit}: a response that has begun is broken off`,
        send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
        decide: limited({ [limit]: 100 }),
        answer: 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello',
        client: null,
        closes: true,
        outcome: { status: 200, reason: 'timeout' },
      },
      {
        name: `${limit}: a response in time is relayed`,
        send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
        decide: limited({ [limit]: 10_000 }),
        answer: OK,
        client: OK_MESSAGE,
        outcome: DONE,
      },
      {
        name: `${limit}: an upload that does not come to an end is a 504`,
        send: `PUT / HTTP/1.1\r\n${HOST}Content-Length: 100000\r\n\r\nhello`,
        decide: limited({ [limit]: 100 }),
        client: TIMEOUT,
        closes: true,
        outcome: { status: 504, reason: 'timeout' },
      },
    ]),
    {
      name: 'a second address is tried within the same request timeout',
      send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
      decide: limited({ requestTimeoutMs: 5_000, attemptTimeoutMs: 4_000 }, ['127.0.0.2', '127.0.0.1']),
      answer: OK,
      client: OK_MESSAGE,
      outcome: DONE,
    },
    ...[
      { remove: ['date'], append: [] },
      { remove: [], append: [line('Date', 'today')] },
    ].map((response): EngineCase => ({
      name: `a response whose Date is edited, later on a connection that this engine has: refused rather than left alone (${response.remove.length} removed)`,
      notOn: ['native'],
      send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
      decide: planned({ response }),
      upstream: null,
      client: local(
        'HTTP/1.1 501 Not Implemented',
        'not_implemented',
        'The selected engine does not carry this kind of request.\n',
      ),
      closes: true,
      outcome: { status: 501, reason: 'not_implemented' },
    })),
  ];
}
