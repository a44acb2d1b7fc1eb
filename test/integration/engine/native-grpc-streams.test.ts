/** Calls of gRPC in all four shapes, through filters, to mirrors, by weights, and sent again: what one side says comes to the other. */
import { once } from 'node:events';
import { constants, createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';

import type { ForwardDecision, ForwardPlan, ForwardPolicy } from '../../../src/routing/decision.ts';
import { backendAt, forwardTo, SERIES } from '../../support/engine-cases.ts';
import { eventually } from '../../support/eventually.ts';
import { answerOf, beginCall, call, message, type CallAnswer } from '../../support/grpc-call.ts';
import { startHttp2Stage } from '../../support/http2-stage.ts';
import { matches } from '../../support/match.ts';

type Serve = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

/** A server that knows calls only, and notes their heads. */
async function callServer(t: Test, serve: Serve) {
  const heads: IncomingHttpHeaders[] = [];
  const sessions = new Set<{ destroy(): void }>();
  const server = createServer();
  server.on('session', (session) => sessions.add(session.on('error', () => undefined)));
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    heads.push(headers);
    serve(stream, headers);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { heads, sessions, port: (server.address() as AddressInfo).port };
}

/** Answers each chunk of messages as it comes with the same bytes; the trailers say how many there were in all. */
const echoes: Serve = (stream) => {
  let bytes = 0;
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'x-drop': '1' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-bytes': String(bytes) }));
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    stream.write(chunk);
  });
  stream.on('end', () => stream.end());
};

/** When all messages have come, one. */
const counts: Serve = (stream) => {
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
  stream.on('end', () => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-bytes': String(bytes) }));
    stream.end(message(10));
  });
};

const PLAN: ForwardPlan = {
  request: { remove: ['x-drop', 'x-set'], append: [{ name: 'X-Set', value: 'by-route' }] },
  response: { remove: ['x-drop'], append: [{ name: 'X-Answer', value: 'by-route' }] },
  host: null,
  path: null,
};

function forward(port: number, more: Partial<ForwardDecision> = {}): ForwardDecision {
  return { ...forwardTo(port, undefined, 'http2'), ...more };
}

async function stageFor(t: Test, decide: () => ForwardDecision) {
  const stage = await startHttp2Stage(t, 'http2', 'http2', () => undefined);
  stage.host.answer = decide;
  return { ...stage, session: stage.session! };
}

function isFiltered(t: Test, head: IncomingHttpHeaders | undefined, answer: CallAnswer): void {
  t.match(head, { 'x-set': 'by-route', te: 'trailers', 'content-type': 'application/grpc', 'grpc-timeout': '99M' });
  t.equal(head?.['x-drop'], undefined);
  t.match(answer, { status: 200, reset: 0, headers: { 'x-answer': 'by-route' } });
  t.equal(answer.headers['x-drop'], undefined);
  t.match(answer.trailers, { 'grpc-status': '0' });
}

const HEADERS = { 'x-drop': '1', 'x-set': 'by-caller', 'grpc-timeout': '99M' };

t.test('SPEC G4: all four shapes pass through the filters of a route', async (t) => {
  const echo = await callServer(t, echoes);
  const count = await callServer(t, counts);
  const stage = await stageFor(t, () => forward(echo.port, { plan: PLAN }));

  await t.test('one message, one answer', async (t) => {
    const answer = await call(stage.session, { headers: HEADERS, body: message(100) });
    isFiltered(t, echo.heads.at(-1), answer);
    t.equal(answer.body.length, message(100).length);
  });

  await t.test('one message, a stream of answers', async (t) => {
    const answer = await call(stage.session, {
      headers: HEADERS,
      body: Buffer.concat(Array(50).fill(message(10_000))),
    });
    isFiltered(t, echo.heads.at(-1), answer);
    t.equal(answer.body.length, 50 * message(10_000).length);
  });

  await t.test('a stream of messages, one answer', async (t) => {
    stage.host.answer = () => forward(count.port, { plan: { ...PLAN, response: PLAN.response } });
    const stream = beginCall(stage.session, { headers: HEADERS });
    const answer = answerOf(stream);
    for (let i = 0; i < 50; i++) stream.write(message(1_000));
    stream.end();
    const got = await answer;
    t.match(got, { headers: { 'x-answer': 'by-route' }, trailers: { 'x-bytes': String(50 * message(1_000).length) } });
    t.equal(count.heads.at(-1)!['x-set'], 'by-route');
  });

  await t.test('streams both ways, each message before the next one is sent', async (t) => {
    stage.host.answer = () => forward(echo.port, { plan: PLAN });
    const stream = beginCall(stage.session, { headers: HEADERS });
    let bytes = 0;
    stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
    const answer = answerOf(stream);
    for (let sent = 1; sent <= 20; sent++) {
      stream.write(message(100));
      await eventually(`message ${sent} comes back`, () => bytes === sent * message(100).length);
    }
    stream.end();
    isFiltered(t, echo.heads.at(-1), await answer);
  });

  await eventually('the outcomes', () => stage.host.outcomes.length === 4);
  matches(
    t,
    stage.host.outcomes,
    Array.from({ length: 4 }, () => ({ status: 200, reason: null, grpcStatus: 'OK' })),
  );
});

t.test('SPEC G4: a mirror gets calls of one message and streams, and what it does touches nothing', async (t) => {
  const echo = await callServer(t, echoes);
  let copied = 0;
  const mirror = await callServer(t, (stream) => {
    stream.on('data', (chunk: Buffer) => (copied += chunk.length));
    stream.on('end', () => {
      // A fault of a mirror is nobody's business; that it has answered is counted.
      stream.respond({ ':status': 200, 'grpc-status': '13' }, { endStream: true });
    });
  });
  const target = { backend: { ...backendAt(mirror.port, undefined, 'http2'), id: 1 }, plan: null, series: SERIES };
  const stage = await stageFor(t, () => forward(echo.port, { mirrors: [target] }));
  const one = await call(stage.session, { body: message(100) });
  t.match(one, { status: 200, trailers: { 'grpc-status': '0' } });
  await eventually('the copy is there', () => stage.host.mirrors.length === 1);
  t.equal(copied, message(100).length);

  const stream = beginCall(stage.session);
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
  const answer = answerOf(stream);
  for (let sent = 1; sent <= 10; sent++) {
    stream.write(message(100));
    const all = sent * message(100).length;
    await eventually(`message ${sent} comes back`, () => bytes === all);
    await eventually(`message ${sent} comes to the mirror`, () => copied === message(100).length + all);
  }
  stream.end();
  t.match(await answer, { trailers: { 'grpc-status': '0', 'x-bytes': String(10 * message(100).length) } });
  await eventually('both are counted', () => stage.host.mirrors.length === 2);
  t.same(
    stage.host.mirrors.map(({ result }) => result),
    ['answered', 'answered'],
  );
  t.match(mirror.heads[1], { ':path': '/my.pkg.Service/Method', 'content-type': 'application/grpc', te: 'trailers' });
});

t.test('a mirror that breaks off in the middle of a stream ends nothing but its copy', async (t) => {
  const echo = await callServer(t, echoes);
  const mirror = await callServer(t, (stream) => {
    stream.once('data', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
  });
  const target = { backend: { ...backendAt(mirror.port, undefined, 'http2'), id: 1 }, plan: null, series: SERIES };
  const stage = await stageFor(t, () => forward(echo.port, { mirrors: [target] }));
  const stream = beginCall(stage.session);
  const answer = answerOf(stream);
  stream.write(message(100));
  await eventually('the mirror has gone', () => stage.host.mirrors.length === 1);
  t.same(stage.host.mirrors, [{ series: SERIES, result: 'reset' }]);
  stream.end(message(100));
  t.match(await answer, { trailers: { 'grpc-status': '0', 'x-bytes': String(2 * message(100).length) } });
});

t.test('each call of a connection goes where its decision says', async (t) => {
  const [one, two] = [await callServer(t, echoes), await callServer(t, echoes)];
  let calls = 0;
  const stage = await stageFor(t, () => {
    const second = calls++ % 10 >= 7;
    const backend = { ...backendAt((second ? two : one).port, undefined, 'http2'), id: second ? 1 : 0 };
    return { kind: 'forward', backend, series: SERIES };
  });
  const answers = await Promise.all(Array.from({ length: 100 }, () => call(stage.session)));
  for (const answer of answers) t.equal(answer.trailers['grpc-status'], '0');
  t.same([one.heads.length, two.heads.length], [70, 30]);
});

const RETRIES: ForwardPolicy = {
  requestTimeoutMs: 0,
  attemptTimeoutMs: 0,
  retry: { attempts: 2, codes: [500, 502, 503, 504], backoffMs: 1 },
};

/** The first `times` calls end so. */
function atFirst(times: number, fault: Serve): Serve {
  let seen = 0;
  return (stream, headers) => (seen++ < times ? fault(stream, headers) : echoes(stream, headers));
}

t.test('a call that a backend refuses unread is sent again, with no route that asks for it', async (t) => {
  for (const policy of [null, { ...RETRIES, retry: null }]) {
    const refuses = atFirst(1, (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM));
    const server = await callServer(t, refuses);
    const stage = await stageFor(t, () => forward(server.port, { policy }));
    const answer = await call(stage.session, { body: message(100) });
    t.match(answer, { status: 200, trailers: { 'grpc-status': '0', 'x-bytes': String(message(100).length) } });
    t.equal(server.heads.length, 2);
    matches(t, stage.host.outcomes, [{ status: 200, reason: null, retries: 0, grpcStatus: 'OK' }]);
  }
});

t.test('a route that retries 503 retries a status of HTTP, and no status of gRPC', async (t) => {
  const byStatus = await callServer(
    t,
    atFirst(2, (stream) => stream.respond({ ':status': 503 }, { endStream: true })),
  );
  const stage = await stageFor(t, () => forward(byStatus.port, { policy: RETRIES }));
  t.match(await call(stage.session), { status: 200, trailers: { 'grpc-status': '0' } });
  t.equal(byStatus.heads.length, 3);
  await eventually('the outcome', () => stage.host.outcomes.length === 1);
  matches(t, stage.host.outcomes, [{ status: 200, retries: 2, grpcStatus: 'OK' }]);

  const byCode = await callServer(
    t,
    atFirst(9, (stream) => stream.respond({ ':status': 200, 'grpc-status': '14' }, { endStream: true })),
  );
  stage.host.answer = () => forward(byCode.port, { policy: RETRIES });
  t.match(await call(stage.session), { status: 200, headOnly: true, headers: { 'grpc-status': '14' } });
  t.equal(byCode.heads.length, 1);
  await eventually('the outcome', () => stage.host.outcomes.length === 2);
  matches(t, stage.host.outcomes.slice(1), [{ status: 200, retries: 0, grpcStatus: 'UNAVAILABLE' }]);
});

t.test('a call that may have been executed is not sent again, whatever the route says: it is a POST', async (t) => {
  const server = await callServer(
    t,
    atFirst(1, (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR)),
  );
  const stage = await stageFor(t, () => forward(server.port, { policy: RETRIES }));
  t.match(await call(stage.session), { headOnly: true, headers: { 'grpc-status': '14' } });
  t.equal(server.heads.length, 1);
  await eventually('the outcome', () => stage.host.outcomes.length === 1);
  matches(t, stage.host.outcomes, [{ status: 200, reason: 'upstream_reset', grpcStatus: 'UNAVAILABLE' }]);
});
