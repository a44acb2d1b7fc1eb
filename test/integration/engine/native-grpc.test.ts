/** What a call of gRPC is told where sideroute answers by itself: a trailers-only response, on the wire, for every reason. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect, constants, type Http2ServerResponse } from 'node:http2';
import t, { type Test } from 'tap';

import type { RequestReason } from '../../../src/errors.ts';
import { REQUEST_REASONS } from '../../../src/errors.ts';
import type { NativeEngineOptions } from '../../../src/engine/native/native-engine.ts';
import type { Decision, ForwardPolicy } from '../../../src/routing/decision.ts';
import { GRPC_CODES, GRPC_FAULTS, GRPC_STATUSES, type GrpcStatus } from '../../../src/grpc-status.ts';
import { forwardTo, SERIES } from '../../support/engine-cases.ts';
import { eventually } from '../../support/eventually.ts';
import { answerOf, beginCall, call, message, type CallAnswer } from '../../support/grpc-call.ts';
import { accessLog, LogPipe } from '../../support/log-pipe.ts';
import { matches } from '../../support/match.ts';
import { startHttp2Stage, type Http2Stage, type Listener, type Version } from '../../support/http2-stage.ts';
import { closedPort, WireBackend } from '../../support/wire.ts';

const silent: Listener = () => undefined;
const REASONS = Object.keys(REQUEST_REASONS) as RequestReason[];

/** Of a call that is answered here. */
function isTold(t: Test, answer: CallAnswer, reason: RequestReason): void {
  const { grpc, text } = REQUEST_REASONS[reason];
  t.match(answer, { status: 200, headOnly: true, reset: 0 }, `one HEADERS for ${reason}`);
  t.equal(answer.body.length, 0);
  t.match(answer.headers, {
    'content-type': 'application/grpc',
    'grpc-status': String(GRPC_CODES[grpc!]),
    'grpc-message': text,
    'x-sideroute-reason': reason,
  });
  t.equal(answer.headers['content-length'], undefined);
}

function local(reason: RequestReason): Decision {
  const { status, grpc } = REQUEST_REASONS[reason];
  return { kind: 'local', status, reason, grpc, series: SERIES };
}

function forward(port: number, protocol: Version, policy: Partial<ForwardPolicy>): Decision {
  const all: ForwardPolicy = { requestTimeoutMs: 0, attemptTimeoutMs: 0, retry: null, ...policy };
  return { ...forwardTo(port, undefined, protocol), policy: all };
}

async function grpcStage(t: Test, backend: Version, listener: Listener, options: NativeEngineOptions = {}) {
  const stage = await startHttp2Stage(t, 'http2', backend, listener, options);
  return { ...stage, session: stage.session! };
}

t.test(
  'SPEC E1, E2, E3, E4, E5: each reason is told as a trailers-only response, but for what the route asks for',
  async (t) => {
    const stage = await grpcStage(t, 'http2', silent);
    for (const reason of REASONS) {
      stage.host.answer = () => local(reason);
      stage.host.outcomes.length = 0;
      const answer = await call(stage.session);
      await eventually('the outcome', () => stage.host.outcomes.length === 1);
      const { grpc } = REQUEST_REASONS[reason];
      if (grpc === null) {
        t.match(answer, { status: REQUEST_REASONS[reason].status, headers: { 'x-sideroute-reason': reason } });
        t.equal(answer.headers['grpc-status'], undefined);
      } else {
        isTold(t, answer, reason);
      }
      matches(t, stage.host.outcomes, [{ status: answer.status, reason, grpcStatus: grpc ?? 'missing' }]);
    }
  },
);

t.test('a call whose messages have not all come is told at once, and its connection goes on', async (t) => {
  const stage = await grpcStage(t, 'http2', silent);
  stage.host.answer = () => local('no_route');
  for (let i = 0; i < 3; i++) isTold(t, await call(stage.session, { body: null }), 'no_route');
  isTold(t, await call(stage.session, { body: message(1_000_000) }), 'no_route');
});

t.test('what makes a request a call is its method and its content type', async (t) => {
  const stage = await grpcStage(t, 'http2', silent);
  stage.host.answer = () => local('no_route');
  for (const type of ['application/grpc', 'application/grpc+proto', 'application/grpc;a=b', 'Application/GRPC']) {
    isTold(t, await call(stage.session, { headers: { 'content-type': type } }), 'no_route');
  }
  for (const type of ['application/grpc-web', 'application/json', 'application/grpcx']) {
    const answer = await call(stage.session, { headers: { 'content-type': type } });
    t.match(answer, { status: 404, headers: { 'content-type': /^text\/plain/ } }, type);
  }
  t.equal((await stage.send({ headers: { 'content-type': 'application/grpc' } })).status, 404, 'a GET');
});

t.test('over HTTP/1.1 there are no calls: the reply is that of HTTP', async (t) => {
  const stage = await startHttp2Stage(t, 'http1', 'http2', silent);
  stage.host.answer = () => local('no_route');
  const headers = { 'content-type': 'application/grpc' };
  const answer = await stage.send({ method: 'POST', headers, body: message() });
  t.match(answer, { status: 404, headers: { 'content-type': /^text\/plain/ } });
  t.equal(answer.headers['grpc-status'], undefined);
});

interface Fault {
  readonly title: string;
  readonly reason: RequestReason;
  readonly listener?: Listener;
  readonly options?: NativeEngineOptions;
  readonly decide?: (port: number, closed: number, protocol: Version) => Decision;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Without a head of its own. */
const breaks: Listener = (_request, response) => {
  const { stream } = response as Http2ServerResponse;
  if ((stream as unknown) === undefined) (response as ServerResponse).destroy();
  else stream.session!.destroy();
};

const FAULTS: readonly Fault[] = [
  { title: 'no endpoint accepts', reason: 'connect_failure', decide: (_port, closed) => forwardTo(closed) },
  { title: 'the address is not known', reason: 'unresolved', decide: (port) => forwardTo(port, []) },
  { title: 'the backend breaks off', reason: 'upstream_reset', listener: breaks },
  {
    title: 'the time of the route is over',
    reason: 'timeout',
    decide: (port, _closed, protocol) => forward(port, protocol, { requestTimeoutMs: 50 }),
  },
  {
    title: 'the time of the one try is over',
    reason: 'timeout',
    decide: (port, _closed, protocol) => forward(port, protocol, { attemptTimeoutMs: 50 }),
  },
  {
    title: 'retries are exhausted',
    reason: 'connect_failure',
    decide: (_port, closed, protocol) =>
      forward(closed, protocol, { retry: { attempts: 2, codes: [503], backoffMs: 1 } }),
  },
  {
    title: 'the decision fails',
    reason: 'internal',
    decide: () => {
      throw new Error('as it should');
    },
  },
];

for (const protocol of ['http1', 'http2'] as const) {
  t.test(`faults before a response of ${protocol} are told as calls are told`, async (t) => {
    const closed = await closedPort();
    for (const { title, reason, listener = silent, options, decide } of FAULTS) {
      await t.test(title, async (t) => {
        const stage = await grpcStage(t, protocol, listener, options);
        if (decide !== undefined) stage.host.answer = () => decide(stage.backendPort, closed, protocol);
        isTold(t, await call(stage.session), reason);
        await eventually('the outcome', () => stage.host.outcomes.length === 1);
        matches(t, stage.host.outcomes, [{ status: 200, reason, grpcStatus: REQUEST_REASONS[reason].grpc }]);
        t.equal(stage.front.engine.counters().requestsOpen, 0);
      });
    }
  });
}

t.test('a backend that does not speak HTTP', async (t) => {
  const stage = await grpcStage(t, 'http2', silent);
  const other = await WireBackend.listen((_request, socket) => socket.write('SSH-2.0-OpenSSH_9.6\r\n'));
  t.teardown(() => other.close());
  stage.host.answer = () => forwardTo(other.port, undefined, 'http1');
  isTold(t, await call(stage.session), 'upstream_protocol');
});

t.test('more calls than may wait for a connection', async (t) => {
  const options = { maxUpstreamConnections: 1, maxQueuedRequests: 1, queueTimeoutMs: 60_000 };
  const stage = await grpcStage(t, 'http1', silent, options);
  for (let i = 0; i < 2; i++) beginCall(stage.session).end();
  await eventually('both are there', () => stage.front.engine.counters().requests === 2);
  isTold(t, await call(stage.session), 'overflow');
});

t.test('a head beyond the limit, wherever its content type stands in it', async (t) => {
  const stage = await grpcStage(t, 'http2', silent, { maxHeadBytes: 1_000 });
  const large = { 'x-large': 'x'.repeat(2_000) };
  isTold(t, await call(stage.session, { headers: large }), 'header_limit');
  const late = stage.session.request({ ':method': 'POST', ...large, 'content-type': 'application/grpc' });
  isTold(t, await answerOf(late.end()), 'header_limit');
  t.strictSame(stage.host.refused, ['header_limit', 'header_limit']);
  const get = stage.session.request({ ...large, 'content-type': 'application/grpc' });
  t.match(await answerOf(get), { status: 431 });
  const post = stage.session.request({ ':method': 'POST', ...large });
  t.match(await answerOf(post.end()), { status: 431 });
});

t.test('calls that are there when the sidecar ends', async (t) => {
  const stage = await grpcStage(t, 'http2', silent);
  const answer = call(stage.session);
  await eventually('it is there', () => stage.host.asked.length === 1);
  await stage.front.engine.close();
  isTold(t, await answer, 'shutdown');
});

t.test('what a backend answers passes as it is, whatever it is', async (t) => {
  const stage: Http2Stage = await startHttp2Stage(t, 'http2', 'http2', (request, response) => {
    request.resume();
    (response as ServerResponse).writeHead(503, { 'content-type': 'text/html' }).end('<p>no');
  });
  const answer = await call(stage.session!);
  t.match(answer, { status: 503, headOnly: false, headers: { 'content-type': 'text/html' } });
  t.equal(answer.body.toString(), '<p>no');
  matches(t, stage.host.outcomes, [{ status: 503, reason: null, grpcStatus: 'missing' }]);
});

t.test('a client that has no other call learns it, too, and may go', async (t) => {
  const stage = await grpcStage(t, 'http2', silent);
  stage.host.answer = () => local('no_route');
  const other = connect(`http://127.0.0.1:${stage.front.port}`);
  t.teardown(() => other.destroy());
  isTold(t, await call(other), 'no_route');
  other.close();
  await once(other, 'close');
});

t.test('SPEC E5: the time that a caller gives bounds its call', async (t) => {
  const stage = await grpcStage(t, 'http2', silent);
  const late = await call(stage.session, { headers: { 'grpc-timeout': '50m' } });
  isTold(t, late, 'timeout');
  isTold(t, await call(stage.session, { headers: { 'grpc-timeout': '0S' }, body: null }), 'timeout');
  await eventually('the outcomes', () => stage.host.outcomes.length === 2);
  matches(t, stage.host.outcomes, [
    { status: 200, reason: 'timeout', grpcStatus: 'DEADLINE_EXCEEDED' },
    { status: 200, reason: 'timeout', grpcStatus: 'DEADLINE_EXCEEDED' },
  ]);
});

/** Answers with a message and trailers, or without a message with all of it in one head. */
function answers(status: string | undefined, headOnly: boolean): Listener {
  const fields = status === undefined ? {} : { 'grpc-status': status };
  return (request, response) => {
    const text = response as ServerResponse;
    const { stream } = response as Http2ServerResponse;
    const head = { 'content-type': 'application/grpc', ...(headOnly ? fields : {}) };
    request.resume().on('end', () => {
      if (headOnly && (stream as unknown) !== undefined) {
        stream.respond({ ':status': 200, ...head }, { endStream: true });
        return;
      }
      text.writeHead(200, headOnly ? { ...head, 'content-length': 0 } : { ...head, trailer: 'grpc-status' });
      if (!headOnly) text.write(message(10));
      if (!headOnly) text.addTrailers(fields);
      text.end();
    });
  };
}

const STATUSES: readonly (readonly [string | undefined, GrpcStatus])[] = [
  ...GRPC_STATUSES.slice(0, -1).map((name, code) => [String(code), name] as const),
  [undefined, 'missing'],
  ['17', 'missing'],
  ['-1', 'missing'],
  ['100', 'missing'],
  ['', 'missing'],
  ['OK', 'missing'],
  ['05', 'NOT_FOUND'],
];

for (const protocol of ['http1', 'http2'] as const) {
  for (const headOnly of [false, true]) {
    const form = headOnly ? 'trailers-only responses' : 'trailers';
    t.test(
      `the status in ${form} of ${protocol} is that of the outcome, and of the line in the access log`,
      async (t) => {
        const pipe = new LogPipe(t);
        const log = accessLog(t, 'all', pipe);
        let listener: Listener = silent;
        const stage = await grpcStage(t, protocol, (request, response) => listener(request, response), {
          accessLog: log.native,
        });
        for (const [status, expected] of STATUSES) {
          listener = answers(status, headOnly);
          stage.host.outcomes.length = 0;
          const answer = await call(stage.session);
          const { [headOnly ? 'headers' : 'trailers']: fields } = answer;
          t.equal(fields['grpc-status'], status, 'it passes as it is');
          await eventually('the outcome', () => stage.host.outcomes.length === 1);
          matches(t, stage.host.outcomes, [{ status: 200, reason: null, grpcStatus: expected }]);
        }
        const lines = await pipe.lines(STATUSES.length);
        t.same(
          lines.map(({ grpc_status: status }) => status),
          STATUSES.map(([, expected]) => expected),
        );
      },
    );
  }
}

t.test('a status in a head that is not all of the response is none', async (t) => {
  const stage = await grpcStage(t, 'http2', (request, response) => {
    request.resume();
    const text = response as ServerResponse;
    text.writeHead(200, { 'content-type': 'application/grpc', 'grpc-status': '0' });
    // With nothing behind it, too: clients of gRPC wait for trailers then.
    text.end(request.url === '/empty/Call' ? '' : message(10));
  });
  await call(stage.session);
  await call(stage.session, { path: '/empty/Call' });
  await eventually('the outcomes', () => stage.host.outcomes.length === 2);
  matches(t, stage.host.outcomes, [
    { status: 200, grpcStatus: 'missing' },
    { status: 200, grpcStatus: 'missing' },
  ]);
});

t.test('requests that are no calls have no status, whatever their responses say', async (t) => {
  const stage = await grpcStage(t, 'http2', answers('5', false));
  await stage.send({ method: 'POST', body: Buffer.from('text') });
  await stage.send();
  await eventually('the outcomes', () => stage.host.outcomes.length === 2);
  matches(t, stage.host.outcomes, [{ grpcStatus: null }, { grpcStatus: null }]);
});

t.test('a call that is broken off has the status of the reason', async (t) => {
  const begins: Listener = (_request, response) => {
    (response as ServerResponse).writeHead(200, { 'content-type': 'application/grpc' });
    (response as ServerResponse).write(message(10));
  };
  const stage = await grpcStage(t, 'http2', begins);
  const left = beginCall(stage.session);
  await once(left, 'response');
  left.close(constants.NGHTTP2_CANCEL);
  await eventually('the outcome', () => stage.host.outcomes.length === 1);
  const broken = beginCall(stage.session);
  const answer = answerOf(broken);
  await once(broken, 'response');
  for (const session of stage.accepted) session.destroy();
  t.not((await answer).reset, constants.NGHTTP2_NO_ERROR);
  await eventually('the outcomes', () => stage.host.outcomes.length === 2);
  matches(t, stage.host.outcomes, [
    { status: 200, reason: 'downstream_reset', grpcStatus: 'CANCELLED' },
    { status: 200, reason: 'upstream_reset', grpcStatus: 'UNAVAILABLE' },
  ]);
});

t.test('a call that its backend resets has the status that clients make of the reset', async (t) => {
  let code: number = constants.NGHTTP2_CANCEL;
  const stage = await grpcStage(t, 'http2', (_request, response) =>
    (response as Http2ServerResponse).stream.close(code),
  );
  for (const [next, grpcStatus] of [
    [constants.NGHTTP2_CANCEL, 'CANCELLED'],
    [constants.NGHTTP2_ENHANCE_YOUR_CALM, 'RESOURCE_EXHAUSTED'],
    [constants.NGHTTP2_INADEQUATE_SECURITY, 'PERMISSION_DENIED'],
    [constants.NGHTTP2_PROTOCOL_ERROR, 'INTERNAL'],
  ] as const) {
    code = next;
    stage.host.outcomes.length = 0;
    t.match(await call(stage.session), { status: 0, reset: code });
    await eventually('the outcome', () => stage.host.outcomes.length === 1);
    matches(t, stage.host.outcomes, [{ status: 0, reason: 'upstream_reset', grpcStatus }]);
  }
});

t.test('the access log has calls that ended with a fault among its errors', async (t) => {
  const pipe = new LogPipe(t);
  const log = accessLog(t, 'errors', pipe);
  let status = '';
  const stage = await grpcStage(t, 'http2', (request, response) => answers(status, false)(request, response), {
    accessLog: log.native,
  });
  for (const [code, name] of GRPC_STATUSES.entries()) {
    status = String(code);
    t.equal((await call(stage.session)).trailers['grpc-status'], status, name);
  }
  stage.host.answer = () => local('no_route');
  await call(stage.session);
  const logged = await pipe.lines(GRPC_FAULTS.length + 1);
  t.same(
    logged.map(({ code, grpc_status: name, reason }) => [code, name, reason]),
    [
      ...GRPC_STATUSES.filter((name) => GRPC_FAULTS.includes(name)).map((name) => [200, name, null]),
      [200, 'UNIMPLEMENTED', 'no_route'],
    ],
  );
});
