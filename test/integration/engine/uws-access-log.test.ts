/** The `uws` engine logs as the native one does, through the same writer, with the fields it knows. */
import t from 'tap';

import type { Decision } from '../../../src/routing/decision.ts';
import { forwardTo, RecordingHost, SERIES } from '../../support/engine-cases.ts';
import { accessLog, LogPipe } from '../../support/log-pipe.ts';
import { uwsFront } from '../../support/uws-front.ts';
import { withoutUws } from '../../support/uws-loads.ts';
import { closedPort, WireBackend, WireClient } from '../../support/wire.ts';
import { matches } from '../../support/match.ts';

t.test('relayed, answered here, failed and refused requests', { skip: withoutUws }, async (t) => {
  const pipe = new LogPipe(t);
  const log = accessLog(t, 'all', pipe);
  const backend = await WireBackend.listen((_request, socket) => {
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  t.teardown(() => backend.close());
  const closed = await closedPort();
  let answer: Decision = forwardTo(backend.port);
  const host = new RecordingHost(() => answer);
  const front = await uwsFront({ accessLog: log.native })(host, { address: '127.0.0.1', port: backend.port });
  t.teardown(() => front.close());
  const send = async (text: string): Promise<void> => {
    const client = await WireClient.connect(front.port);
    client.send(text);
    await client.response();
    client.socket.destroy();
  };

  await send(
    'POST /a?secret=1 HTTP/1.1\r\nHost: svc.ns:80\r\nUser-Agent: a\xe9b\r\nX-Request-Id: r-1\r\n' +
      'Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nContent-Length: 5\r\n\r\nhello',
  );
  const [relayed] = await pipe.lines(1);
  const { time, duration_ms, request_ms, connection_ms, response_ms, ...rest } = relayed!;
  t.same(rest, {
    ...{ kind: 'request', method: 'POST', path: '/a', host: 'svc.ns:80', protocol: 'HTTP/1.1', code: 200 },
    ...{ grpc_status: null, reason: null, fault: null, retries: 0, retry_denied: null },
    ...{ frontend: 'ns/svc:80', route: 'ns/route', rule: 'blue', backend: 'ns/v1:8080' },
    ...{ downstream: null, destination: `127.0.0.1:${backend.port}`, upstream: `127.0.0.1:${backend.port}` },
    ...{ bytes_received: null, bytes_sent: null, request_id: 'r-1', user_agent: 'a\xe9b', truncated: false },
    ...{ trace_id: '0af7651916cd43dd8448eb211c80319c', parent_id: 'b7ad6b7169203331' },
  });
  t.match(time, /^\d{4}-\d\d-\d\dT/);
  for (const phase of [request_ms, connection_ms, response_ms]) {
    t.ok(0 <= (phase as number) && (phase as number) <= (duration_ms as number));
  }

  log.setMode('errors');
  await send('GET /relayed HTTP/1.1\r\nHost: a\r\n\r\n');
  answer = { kind: 'local', series: SERIES, reason: 'no_route', status: 404 };
  await send('GET /none HTTP/1.1\r\nHost: a\r\n\r\n');
  answer = forwardTo(closed);
  await send('GET /closed HTTP/1.1\r\nHost: a\r\n\r\n');
  await send('GET /refused HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n');
  matches(t, (await pipe.lines(4)).slice(1), [
    { path: '/none', code: 404, reason: 'no_route', upstream: null, connection_ms: null, response_ms: null },
    { path: '/closed', code: 503, reason: 'connect_failure', upstream: `127.0.0.1:${closed}`, connection_ms: null },
    { path: '/refused', code: 501, reason: 'not_implemented', frontend: 'ns/svc:80', route: null, duration_ms: null },
  ]);
});
