/**
 * What every engine has to do, as one table: bytes in, bytes that reach the backend, bytes that reach the client.
 *
 * `runEngineCases` runs it, and the scenarios of `engine-scenarios.ts`, against an engine with real sockets. Names of
 * fields are compared in lower case, Host first, framing last and without Connection and Date: that much differs
 * between engines (see the limits in `engine/uws/uws-engine.ts`); everything else is compared to the byte.
 */
import type { Socket } from 'node:net';

import type { Test } from 'tap';

import type { Engine, EngineHost, MirrorOutcome, Outcome } from '../../src/engine/engine.ts';
import type { RequestReason } from '../../src/errors.ts';
import type { Backend, BackendProtocol, Decision, ForwardDecision, RequestHead } from '../../src/routing/decision.ts';
import { framingCases } from './engine-framing-cases.ts';
import { planCases } from './engine-plan-cases.ts';
import { runRecoveryScenarios } from './engine-recovery-scenarios.ts';
import { runEngineScenarios } from './engine-scenarios.ts';
import { eventually } from './eventually.ts';
import { closedPort, WireBackend, WireClient, type Message } from './wire.ts';

/** An engine behind a listening port: it adopts connections accepted there, with the given original destination. */
export interface EngineFront {
  readonly engine: Engine;
  readonly port: number;
  close(): Promise<void>;
}

export type MakeEngine = (
  host: EngineHost,
  original: { readonly address: string; readonly port: number },
) => Promise<EngineFront>;

export const FRONTEND = 7;
export const SERIES = 3;

export interface ExpectedMessage {
  readonly startLine: string;
  /** `name: value`, all of them, in order. */
  readonly fields: readonly string[];
  readonly body: string;
}

/** What `decide` answers in a case: the listening backend, one that refuses, or another decision. */
type Choice = 'backend' | 'refusing' | 'second-address' | 'unresolved' | 'original' | 'no_route';

export interface EngineCase {
  readonly name: string;
  /** Latin-1. */
  readonly send: string;
  readonly choice?: Choice;
  /** What `decide` answers beside or instead of that; `port`: of the backend that listens. */
  readonly decide?: (port: number) => Decision;
  /** What the backend writes (Latin-1), or does. Default: `204 No Content`. */
  readonly answer?: string | ((socket: Socket) => void);
  /** Null: nothing may reach the backend. */
  readonly upstream?: ExpectedMessage | null;
  /** Null: closed without a byte. */
  readonly client: ExpectedMessage | null;
  /** Whether the connection closes after the response. Default false. */
  readonly closes?: boolean;
  /** Null: refused before routing, with the reason below. */
  readonly outcome: { readonly status: number; readonly reason: RequestReason | null } | null;
  readonly refused?: RequestReason;
  /** Engines that cannot do this. */
  readonly notOn?: readonly Engine['name'][];
}

const NO_CONTENT = 'HTTP/1.1 204 No Content\r\n\r\n';
export const HOST = 'Host: svc.ns:80\r\n';
export const OK: EngineCase['outcome'] = { status: 200, reason: null };

export function local(startLine: string, reason: RequestReason, text: string, head = false): ExpectedMessage {
  const fields = ['content-type: text/plain; charset=utf-8', `x-sideroute-reason: ${reason}`];
  return { startLine, fields: [...fields, `content-length: ${text.length}`], body: head ? '' : text };
}

const BAD_REQUEST = local('HTTP/1.1 400 Bad Request', 'bad_request', 'The request is not valid HTTP.\n');
const NOT_IMPLEMENTED = local(
  'HTTP/1.1 501 Not Implemented',
  'not_implemented',
  'The selected engine does not carry this kind of request.\n',
);
const RESET = local(
  'HTTP/1.1 502 Bad Gateway',
  'upstream_reset',
  'The backend closed the connection before a complete response.\n',
);
const PROTOCOL = local(
  'HTTP/1.1 502 Bad Gateway',
  'upstream_protocol',
  'The backend answered with something that is not valid in the version of HTTP it is spoken to in.\n',
);
const REFUSED = local(
  'HTTP/1.1 503 Service Unavailable',
  'connect_failure',
  'No endpoint of the backend accepted a connection.\n',
);
const NO_ROUTE = 'A route is attached to this Service and port, but no rule matches the request.\n';

/** A response that has to become a 502. */
export function badAnswer(name: string, answer: string): EngineCase {
  return {
    name: `${name} is a 502`,
    send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
    answer,
    client: PROTOCOL,
    outcome: { status: 502, reason: 'upstream_protocol' },
  };
}

/** A request that must not be forwarded. On the wire a smuggling attempt follows it. */
function refusedRequest(name: string, lines: string, reason: RequestReason, reply: ExpectedMessage): EngineCase {
  return {
    name: `${name} is refused, and nothing goes upstream`,
    send: `POST / HTTP/1.1\r\n${HOST}${lines}\r\n`,
    upstream: null,
    client: reply,
    closes: true,
    outcome: null,
    refused: reason,
  };
}

export const ENGINE_CASES: readonly EngineCase[] = [
  {
    name: 'GET is forwarded as it is and its response relayed',
    send: `GET /a/../b//%2e?x=%20&y= HTTP/1.1\r\n${HOST}User-Agent: t\r\nAccept: */*\r\n\r\n`,
    answer: 'HTTP/1.1 200 Fine\r\nX-One: 1\r\nContent-Length: 5\r\nX-Two: 2\r\n\r\nhello',
    upstream: {
      startLine: 'GET /a/../b//%2e?x=%20&y= HTTP/1.1',
      fields: ['host: svc.ns:80', 'user-agent: t', 'accept: */*'],
      body: '',
    },
    client: {
      startLine: 'HTTP/1.1 200 Fine',
      fields: ['x-one: 1', 'x-two: 2', 'content-length: 5'],
      body: 'hello',
    },
    outcome: OK,
  },
  {
    name: 'POST is forwarded with its body',
    send: `POST /p HTTP/1.1\r\n${HOST}Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello`,
    answer: 'HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok',
    upstream: {
      startLine: 'POST /p HTTP/1.1',
      fields: ['host: svc.ns:80', 'content-type: text/plain', 'content-length: 5'],
      body: 'hello',
    },
    client: { startLine: 'HTTP/1.1 201 Created', fields: ['content-length: 2'], body: 'ok' },
    outcome: { status: 201, reason: null },
  },
  {
    name: 'GET with a body is forwarded with it',
    send: `GET /p HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`,
    upstream: {
      startLine: 'GET /p HTTP/1.1',
      fields: ['host: svc.ns:80', 'content-length: 5'],
      body: 'hello',
    },
    client: { startLine: 'HTTP/1.1 204 No Content', fields: [], body: '' },
    outcome: { status: 204, reason: null },
  },
  {
    name: 'methods are case-sensitive and may be unusual',
    send: `puRge / HTTP/1.1\r\n${HOST}\r\n`,
    upstream: { startLine: 'puRge / HTTP/1.1', fields: ['host: svc.ns:80'], body: '' },
    client: { startLine: 'HTTP/1.1 204 No Content', fields: [], body: '' },
    outcome: { status: 204, reason: null },
  },
  {
    name: 'HEAD is answered with the length and without a body',
    send: `HEAD / HTTP/1.1\r\n${HOST}\r\n`,
    answer: 'HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n',
    upstream: { startLine: 'HEAD / HTTP/1.1', fields: ['host: svc.ns:80'], body: '' },
    client: { startLine: 'HTTP/1.1 200 OK', fields: ['content-length: 1234'], body: '' },
    outcome: OK,
  },
  {
    name: '304 keeps the length of what it stands for',
    send: `GET / HTTP/1.1\r\n${HOST}If-None-Match: "a"\r\n\r\n`,
    answer: 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 1234\r\n\r\n',
    client: {
      startLine: 'HTTP/1.1 304 Not Modified',
      fields: ['etag: "a"', 'content-length: 1234'],
      body: '',
    },
    outcome: { status: 304, reason: null },
  },
  {
    name: 'an empty response has Content-Length 0',
    send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
    answer: 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    client: { startLine: 'HTTP/1.1 200 OK', fields: ['content-length: 0'], body: '' },
    outcome: OK,
  },
  {
    name: 'a chunked response stays chunked',
    send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
    answer: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n',
    client: { startLine: 'HTTP/1.1 200 OK', fields: ['transfer-encoding: chunked'], body: 'hello world' },
    outcome: OK,
  },
  {
    name: 'a response that ends with its connection becomes chunked',
    send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
    answer: (socket) => socket.end('HTTP/1.0 200 OK\r\n\r\nhello'),
    client: { startLine: 'HTTP/1.1 200 OK', fields: ['transfer-encoding: chunked'], body: 'hello' },
    outcome: OK,
  },
  {
    name: 'repeated fields are kept in order, both ways',
    send: `GET / HTTP/1.1\r\n${HOST}Cookie: a=1\r\nX: 1\r\nCookie: b=2\r\nX:\r\nX: 3\r\n\r\n`,
    answer: 'HTTP/1.1 204 No Content\r\nSet-Cookie: a\r\nX: 1\r\nSet-Cookie: b\r\nX:\r\n\r\n',
    upstream: {
      startLine: 'GET / HTTP/1.1',
      fields: ['host: svc.ns:80', 'cookie: a=1', 'x: 1', 'cookie: b=2', 'x: ', 'x: 3'],
      body: '',
    },
    client: {
      startLine: 'HTTP/1.1 204 No Content',
      fields: ['set-cookie: a', 'x: 1', 'set-cookie: b', 'x: '],
      body: '',
    },
    outcome: { status: 204, reason: null },
  },
  {
    name: 'bytes above 0x7f are kept, both ways',
    send: `GET /caf\xc3\xa9 HTTP/1.1\r\n${HOST}X: a\xe9b\r\nY: a\xc3\xa9b\r\n\r\n`,
    answer: 'HTTP/1.1 204 No Content\r\nX: \xe9\r\nY: \xc3\xa9\r\n\r\n',
    upstream: {
      startLine: 'GET /caf\xc3\xa9 HTTP/1.1',
      fields: ['host: svc.ns:80', 'x: a\xe9b', 'y: a\xc3\xa9b'],
      body: '',
    },
    client: { startLine: 'HTTP/1.1 204 No Content', fields: ['x: \xe9', 'y: \xc3\xa9'], body: '' },
    outcome: { status: 204, reason: null },
  },
  {
    name: 'hop-by-hop fields and those that Connection names are removed, both ways',
    send: `GET / HTTP/1.1\r\n${HOST}Connection: keep-alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nX-End: 1\r\n\r\n`,
    answer:
      'HTTP/1.1 204 No Content\r\nConnection: X-Back\r\nX-Back: 1\r\nKeep-Alive: timeout=9\r\nProxy-Connection: a\r\nX-End: 2\r\n\r\n',
    upstream: { startLine: 'GET / HTTP/1.1', fields: ['host: svc.ns:80', 'x-end: 1'], body: '' },
    client: { startLine: 'HTTP/1.1 204 No Content', fields: ['x-end: 2'], body: '' },
    outcome: { status: 204, reason: null },
  },
  {
    name: 'an empty Host is forwarded',
    send: 'GET / HTTP/1.1\r\nHost:\r\n\r\n',
    upstream: { startLine: 'GET / HTTP/1.1', fields: ['host: '], body: '' },
    client: { startLine: 'HTTP/1.1 204 No Content', fields: [], body: '' },
    outcome: { status: 204, reason: null },
  },
  {
    name: 'Connection: close closes after the response',
    send: `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`,
    answer: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    client: { startLine: 'HTTP/1.1 200 OK', fields: ['content-length: 5'], body: 'hello' },
    closes: true,
    outcome: OK,
  },
  {
    name: 'an informational response is not taken for the final one',
    // The native engine relays the interim response, which this client does not expect.
    notOn: ['native'],
    send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
    answer: 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    client: { startLine: 'HTTP/1.1 200 OK', fields: ['content-length: 2'], body: 'ok' },
    outcome: OK,
  },
  {
    name: 'SPEC A5: with no route attached the request goes to its original destination',
    send: `GET /o HTTP/1.1\r\n${HOST}\r\n`,
    choice: 'original',
    upstream: { startLine: 'GET /o HTTP/1.1', fields: ['host: svc.ns:80'], body: '' },
    client: { startLine: 'HTTP/1.1 204 No Content', fields: [], body: '' },
    outcome: { status: 204, reason: null },
  },
  {
    name: 'SPEC E1: a local reply has its reason and keeps the connection',
    send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
    choice: 'no_route',
    upstream: null,
    client: local('HTTP/1.1 404 Not Found', 'no_route', NO_ROUTE),
    outcome: { status: 404, reason: 'no_route' },
  },
  {
    name: 'a local reply to HEAD has no body',
    send: `HEAD / HTTP/1.1\r\n${HOST}\r\n`,
    choice: 'no_route',
    upstream: null,
    client: local('HTTP/1.1 404 Not Found', 'no_route', NO_ROUTE, true),
    outcome: { status: 404, reason: 'no_route' },
  },
  {
    name: 'a local reply to a request with a body comes after the body',
    send: `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`,
    choice: 'no_route',
    upstream: null,
    client: local('HTTP/1.1 404 Not Found', 'no_route', NO_ROUTE),
    outcome: { status: 404, reason: 'no_route' },
  },
  {
    name: 'SPEC B5, E4: a backend that refuses is a 503',
    send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
    choice: 'refusing',
    upstream: null,
    client: REFUSED,
    outcome: { status: 503, reason: 'connect_failure' },
  },
  {
    name: 'a body does not get lost when the backend refuses',
    send: `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`,
    choice: 'refusing',
    upstream: null,
    client: REFUSED,
    outcome: { status: 503, reason: 'connect_failure' },
  },
  {
    name: 'the second address is tried when the first refuses, with the same body',
    send: `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`,
    choice: 'second-address',
    upstream: { startLine: 'POST / HTTP/1.1', fields: ['host: svc.ns:80', 'content-length: 5'], body: 'hello' },
    client: { startLine: 'HTTP/1.1 204 No Content', fields: [], body: '' },
    outcome: { status: 204, reason: null },
  },
  {
    name: 'SPEC E4: a backend without an address is a 503 of its own',
    send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
    choice: 'unresolved',
    upstream: null,
    client: local(
      'HTTP/1.1 503 Service Unavailable',
      'unresolved',
      'The address of the backend Service is not known yet.\n',
    ),
    outcome: { status: 503, reason: 'unresolved' },
  },
  {
    name: 'a backend that closes without a byte is a 502',
    send: `POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\nx`,
    answer: (socket) => socket.end(),
    client: RESET,
    outcome: { status: 502, reason: 'upstream_reset' },
  },
  {
    name: 'a backend that resets is a 502',
    send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
    answer: (socket) => socket.resetAndDestroy(),
    client: RESET,
    outcome: { status: 502, reason: 'upstream_reset' },
  },
  {
    name: 'a partial response head is a 502',
    send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
    answer: (socket) => socket.end('HTTP/1.1 200 OK\r\nX: '),
    client: RESET,
    outcome: { status: 502, reason: 'upstream_reset' },
  },
  badAnswer('a banner that is not HTTP', 'SSH-2.0-OpenSSH_9.6\r\n'),
  badAnswer(
    'Content-Length with Transfer-Encoding',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  ),
  badAnswer('differing Content-Lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello'),
  badAnswer('a malformed Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello'),
  badAnswer(
    'gzip before chunked',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  ),
  badAnswer('HTTP/2 on a status line', 'HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n'),
  badAnswer('a status of four digits', 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n'),
  badAnswer('NUL in a value', 'HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n'),
  badAnswer('obs-fold', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n'),
  {
    name: 'a response may begin with a field of 20,000 bytes',
    send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
    answer: `HTTP/1.1 200 OK\r\nX-Large: ${'a'.repeat(20_000)}\r\nX-Small: b\r\nContent-Length: 2\r\n\r\nok`,
    client: {
      startLine: 'HTTP/1.1 200 OK',
      fields: [`x-large: ${'a'.repeat(20_000)}`, 'x-small: b', 'content-length: 2'],
      body: 'ok',
    },
    outcome: OK,
  },
  badAnswer('a response head over the limit', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(70_000)}\r\n\r\n`),
  {
    name: 'bytes beyond ASCII stay as they are in a head of 20,000 bytes',
    send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
    answer: `HTTP/1.1 200 \xfcber\r\nX-Small: b\xa0c\xe9\r\nX-Large: ${'a'.repeat(20_000)}\r\nContent-Length: 2\r\n\r\nok`,
    client: {
      startLine: 'HTTP/1.1 200 \xfcber',
      fields: ['x-small: b\xa0c\xe9', `x-large: ${'a'.repeat(20_000)}`, 'content-length: 2'],
      body: 'ok',
    },
    outcome: OK,
  },
  badAnswer('an unasked 101', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n'),
  {
    name: 'a short body is seen as truncated',
    send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
    answer: (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'),
    client: null,
    closes: true,
    outcome: { status: 200, reason: 'upstream_reset' },
  },
  {
    name: 'a bad chunk in the middle is seen as truncated',
    send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
    answer: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nXYZ\r\n',
    client: null,
    closes: true,
    outcome: { status: 200, reason: 'upstream_protocol' },
  },
  {
    name: 'bytes beyond Content-Length do not reach the client',
    send: `GET / HTTP/1.1\r\n${HOST}\r\n`,
    answer: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad',
    client: { startLine: 'HTTP/1.1 200 OK', fields: ['content-length: 5'], body: 'hello' },
    outcome: OK,
  },
  refusedRequest('differing Content-Lengths', 'Content-Length: 5\r\nContent-Length: 6\r\n', 'bad_request', BAD_REQUEST),
  refusedRequest('equal Content-Lengths', 'Content-Length: 5\r\nContent-Length: 5\r\n', 'bad_request', BAD_REQUEST),
  refusedRequest('two Hosts', HOST, 'bad_request', BAD_REQUEST),
  refusedRequest('Connection naming Host', 'Connection: host\r\n', 'bad_request', BAD_REQUEST),
  {
    ...refusedRequest('Upgrade', 'Connection: Upgrade\r\nUpgrade: websocket\r\n', 'not_implemented', NOT_IMPLEMENTED),
    notOn: ['native'],
  },
  {
    ...refusedRequest('Transfer-Encoding', 'Transfer-Encoding: chunked\r\n', 'not_implemented', NOT_IMPLEMENTED),
    notOn: ['native'],
  },
];

/** Records what an engine tells its host. */
export class RecordingHost implements EngineHost {
  readonly outcomes: Outcome[] = [];
  readonly mirrors: MirrorOutcome[] = [];
  readonly refused: RequestReason[] = [];
  readonly asked: { method: string; path: string; query: string }[] = [];
  /** Those there may be requests of. */
  readonly frontends = new Set([FRONTEND]);
  answer: (request: RequestHead) => Decision;

  constructor(answer: (request: RequestHead) => Decision) {
    this.answer = answer;
  }

  decide(frontend: number, request: RequestHead): Decision {
    if (!this.frontends.has(frontend)) throw new Error(`unknown frontend ${frontend}`);
    this.asked.push({ method: request.method, path: request.path, query: request.query });
    return this.answer(request);
  }

  onOutcome(outcome: Outcome): void {
    this.outcomes.push({ ...outcome });
  }

  onMirror(outcome: MirrorOutcome): void {
    this.mirrors.push({ ...outcome });
  }

  onRefused(_frontend: number, reason: RequestReason): void {
    this.refused.push(reason);
  }
}

export function backendAt(
  port: number,
  addresses: readonly string[] = ['127.0.0.1'],
  protocol?: BackendProtocol,
): Backend {
  const state = addresses.length === 0 ? 'pending' : 'resolved';
  const backend = { namespace: 'ns', name: 'v1', port, key: `ns/v1:${port}`, id: 0, addresses, state } as const;
  return protocol === undefined ? { ...backend } : { ...backend, protocol };
}

export function forwardTo(port: number, addresses?: readonly string[], protocol?: BackendProtocol): ForwardDecision {
  return { kind: 'forward', backend: backendAt(port, addresses, protocol), series: SERIES };
}

/** Fields in the form of the table. */
export function normalFields(message: Message): string[] {
  const lines = message.fields
    .filter(([name]) => name !== 'connection' && name !== 'date')
    .map(([name, value]) => `${name}: ${value}`);
  const rank = (line: string): number => {
    if (line.startsWith('host:')) return -1;
    return /^(?:content-length|transfer-encoding):/.test(line) ? 1 : 0;
  };
  return lines.sort((a, b) => rank(a) - rank(b));
}

function decisionOf(choice: Choice, port: number, refusingPort: number): Decision {
  switch (choice) {
    case 'backend':
      return forwardTo(port);
    case 'refusing':
      return forwardTo(refusingPort);
    case 'second-address':
      // The first address has no listener; both share the port.
      return forwardTo(port, ['127.0.0.2', '127.0.0.1']);
    case 'unresolved':
      return forwardTo(port, []);
    case 'original':
      return { kind: 'original', series: SERIES };
    case 'no_route':
      return { kind: 'local', status: 404, reason: 'no_route', series: SERIES };
  }
}

/** Runs the table and the scenarios as subtests of `t`. */
export async function runEngineCases(t: Test, name: Engine['name'], makeEngine: MakeEngine): Promise<void> {
  const refusingPort = await closedPort();
  for (const engineCase of [...ENGINE_CASES, ...framingCases(), ...planCases()]) {
    if (engineCase.notOn?.includes(name) === true) continue;
    for (const position of ['first', 'second'] as const) {
      await t.test(`${engineCase.name} (${position} on its connection)`, (t) =>
        runCase(t, engineCase, makeEngine, refusingPort, position === 'second'),
      );
    }
  }
  await runEngineScenarios(t, name, makeEngine);
  await runRecoveryScenarios(t, makeEngine);
}

async function runCase(
  t: Test,
  engineCase: EngineCase,
  makeEngine: MakeEngine,
  refusingPort: number,
  second: boolean,
): Promise<void> {
  const backend = await WireBackend.listen((_request, socket) => socket.write(NO_CONTENT));
  t.teardown(() => backend.close());
  const host = new RecordingHost(() => forwardTo(backend.port));
  const front = await makeEngine(host, { address: '127.0.0.1', port: backend.port });
  t.teardown(() => front.close());
  const client = await WireClient.connect(front.port);
  t.teardown(() => client.socket.destroy());
  if (second) {
    client.send(`GET /first HTTP/1.1\r\n${HOST}\r\n`);
    await client.response();
    await eventually('the outcome of the first request', () => host.outcomes.length === 1);
    host.outcomes.length = 0;
    host.asked.length = 0;
    backend.requests.length = 0;
  }

  const { answer = NO_CONTENT, choice = 'backend', decide, client: expected, upstream, outcome, refused } = engineCase;
  backend.respond = (_request, socket) => {
    if (typeof answer === 'string') socket.write(Buffer.from(answer, 'latin1'));
    else answer(socket);
  };
  host.answer = () => decide?.(backend.port) ?? decisionOf(choice, backend.port, refusingPort);
  client.send(engineCase.send);

  if (expected === null) {
    await client.untilClosed();
    await t.rejects(client.response(), 'no complete response');
  } else {
    const response = await client.response({ head: engineCase.send.startsWith('HEAD ') });
    t.equal(response.startLine, expected.startLine);
    t.strictSame(normalFields(response), expected.fields);
    t.equal(response.body.toString('latin1'), expected.body);
  }
  if (engineCase.closes === true) {
    await client.untilClosed();
  } else {
    // Still in step: the connection can carry another request.
    host.answer = () => ({ kind: 'local', status: 404, reason: 'no_route', series: 0 });
    client.send(`GET /next HTTP/1.1\r\n${HOST}\r\n`);
    t.equal((await client.response()).startLine, 'HTTP/1.1 404 Not Found');
  }
  t.equal(client.text === '' || expected === null, true, 'nothing else reached the client');

  if (upstream === null) {
    t.strictSame(backend.requests, [], 'nothing reached the backend');
  } else if (upstream !== undefined) {
    t.equal(backend.requests.length, 1);
    const request = backend.requests[0]!;
    t.equal(request.startLine, upstream.startLine);
    t.strictSame(normalFields(request), upstream.fields);
    t.equal(request.body.toString('latin1'), upstream.body);
  }
  if (outcome === null) {
    t.strictSame(host.refused, [refused]);
    t.strictSame(host.outcomes, []);
  } else {
    await eventually('the outcome', () => host.outcomes.length > 0);
    t.match(host.outcomes[0], { series: SERIES, ...outcome });
    t.ok(host.outcomes[0]!.durationMs >= 0);
    t.equal(host.outcomes.length, engineCase.closes === true ? 1 : 2, 'one outcome for each request');
    t.strictSame(host.refused, []);
  }
}
