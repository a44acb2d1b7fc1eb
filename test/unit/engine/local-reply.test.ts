import t from 'tap';

import { REQUEST_REASONS, type RequestReason } from '../../../src/errors.ts';
import {
  closesConnection,
  grpcMessage,
  grpcReplyFields,
  localReply,
  localReplyBytes,
} from '../../../src/engine/local-reply.ts';
import { GRPC_CODES } from '../../../src/grpc-status.ts';

const DATE = new Date('2026-01-02T03:04:05Z');

t.test('SPEC E1: no matching rule is a 404 that names its reason and keeps the connection', async (t) => {
  t.equal(
    Buffer.from(localReplyBytes('no_route', { date: DATE })).toString('latin1'),
    'HTTP/1.1 404 Not Found\r\n' +
      'Content-Type: text/plain; charset=utf-8\r\n' +
      'x-sideroute-reason: no_route\r\n' +
      'Date: Fri, 02 Jan 2026 03:04:05 GMT\r\n' +
      'Content-Length: 79\r\n' +
      '\r\n' +
      'A route is attached to this Service and port, but no rule matches the request.\n',
  );
});

t.test('every reason has a complete reply with its status, its name and its sentence', async (t) => {
  for (const reason of Object.keys(REQUEST_REASONS) as RequestReason[]) {
    const text = Buffer.from(localReplyBytes(reason, { date: DATE })).toString('latin1');
    const [head, body] = text.split('\r\n\r\n') as [string, string];
    t.ok(head.startsWith(`HTTP/1.1 ${REQUEST_REASONS[reason].status} `), `${reason}: status`);
    t.match(head, `x-sideroute-reason: ${reason}`);
    t.equal(body, `${REQUEST_REASONS[reason].text}\n`);
    t.match(head, `Content-Length: ${Buffer.byteLength(body)}`);
    t.equal(head.endsWith('Connection: close'), closesConnection(reason), `${reason}: Connection`);
  }
});

t.test('a request that was not understood closes its connection, a routing failure does not', async (t) => {
  for (const reason of ['bad_request', 'request_timeout', 'uri_limit', 'header_limit', 'not_implemented'] as const) {
    t.ok(closesConnection(reason), reason);
  }
  for (const reason of ['no_route', 'no_backend', 'connect_failure', 'timeout', 'overflow'] as const) {
    t.notOk(closesConnection(reason), reason);
  }
});

t.test('the reply to HEAD has the length of the body, but no body', async (t) => {
  const text = Buffer.from(localReplyBytes('connect_failure', { head: true, date: DATE })).toString('latin1');
  t.ok(text.endsWith('Content-Length: 50\r\n\r\n'));
});

t.test('status and closing can be overridden', async (t) => {
  const text = Buffer.from(localReplyBytes('no_backend', { status: 503, close: true })).toString('latin1');
  t.ok(text.startsWith('HTTP/1.1 503 Service Unavailable\r\n'));
  t.match(text, /\r\nConnection: close\r\n\r\n/);
});

t.test('the parts of a reply are made once', async (t) => {
  t.equal(localReply('no_route'), localReply('no_route', 404));
  t.not(localReply('no_route', 500), localReply('no_route'));
});

t.test('SPEC E1, E2, E4, E5: a call of gRPC is told the code of the reason', async (t) => {
  t.same(grpcReplyFields('no_route', 'UNIMPLEMENTED'), [
    ...['content-type', 'application/grpc', 'grpc-status', '12', 'grpc-message', REQUEST_REASONS.no_route.text],
    ...['x-sideroute-reason', 'no_route'],
  ]);
  const codes = ['no_route', 'no_backend', 'connect_failure', 'unresolved', 'timeout'] as const;
  t.same(
    codes.map((reason) => REQUEST_REASONS[reason].grpc),
    ['UNIMPLEMENTED', 'UNAVAILABLE', 'UNAVAILABLE', 'UNAVAILABLE', 'DEADLINE_EXCEEDED'],
  );
  for (const [reason, { source, grpc }] of Object.entries(REQUEST_REASONS)) {
    t.equal(grpc === null, source === 'route', `${reason}: what the route asks for is no error`);
    t.not(grpc, 'OK');
  }
});

t.test('the codes of gRPC have their numbers', async (t) => {
  t.same(Object.values(GRPC_CODES), [...Array.from({ length: 17 }).keys()]);
});

t.test('grpc-message is percent-encoded, and no reason of ours needs it', async (t) => {
  t.equal(grpcMessage('100 %, caf\u00e9\n~'), '100 %25, caf%C3%A9%0A~');
  for (const { text } of Object.values(REQUEST_REASONS)) t.equal(grpcMessage(text), text);
});
