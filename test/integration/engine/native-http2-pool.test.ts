/** Connections of HTTP/2 to a backend: how many requests each of them carries, and what becomes of it after that. */
import { once } from 'node:events';
import type { ClientHttp2Stream, Http2Session, ServerHttp2Stream, Settings } from 'node:http2';
import t, { type Test } from 'tap';

import { eventually } from '../../support/eventually.ts';
import { startHttp2Stage, type Http2Stage } from '../../support/http2-stage.ts';

/** A session of the backend, and what it has seen. */
interface Seen {
  requests: number;
  /** Streams, and how many there were at a time. */
  open: number;
  most: number;
  closed: boolean;
}

async function startStage(t: Test, engine: Parameters<typeof startHttp2Stage>[4] = {}, settings: Settings = {}) {
  const sessions: Seen[] = [];
  const held: ServerHttp2Stream[] = [];
  const stage = await startHttp2Stage(t, 'http2', 'http2', () => undefined, engine);
  stage.server.on('session', (session: Http2Session) => {
    const seen: Seen = { requests: 0, open: 0, most: 0, closed: false };
    sessions.push(seen);
    session.settings(settings);
    session.on('close', () => (seen.closed = true));
    session.on('stream', (stream: ServerHttp2Stream, headers: Record<string, unknown>) => {
      seen.requests++;
      seen.most = Math.max(seen.most, ++seen.open);
      stream.on('close', () => seen.open--);
      if (headers[':path'] === '/held') {
        held.push(stream);
        stream.respond({ ':status': 200 });
        stream.write('begun');
      } else {
        stream.respond({ ':status': 200 });
        stream.end('ok');
      }
    });
  });
  return { ...stage, sessions, held };
}

async function ask(stage: Http2Stage, times: number): Promise<void> {
  for (let i = 0; i < times; i++) t.equal((await stage.send({ method: 'POST' })).status, 200);
}

t.test('each connection carries some 40 requests, then another one takes its place', async (t) => {
  const stage = await startStage(t);
  await ask(stage, 1_000);
  // As many as give or take a quarter make, of which the last eight may just have begun.
  t.ok(stage.sessions.length >= 1_000 / 50, `${stage.sessions.length} connections`);
  t.ok(stage.sessions.length <= 1_000 / 30 + 9, `${stage.sessions.length} connections`);
  const counters = stage.front.engine.counters();
  t.match(counters, { upstreamStreams: 0, upstreamRetiredAge: 0, upstreamRetiredGoaway: 0 });
  t.ok(counters.upstreamRetiredRequests >= stage.sessions.length - 10);
  t.ok(counters.upstreamSharedOpen <= 9, `${counters.upstreamSharedOpen} are open`);
  t.equal(counters.upstreamSharedIdle <= counters.upstreamSharedOpen, true);
  await eventually('what is replaced is closed', () => {
    const { upstreamSharedOpen } = stage.front.engine.counters();
    return stage.sessions.filter(({ closed }) => !closed).length === upstreamSharedOpen;
  });
});

t.test('a stream goes on while its connection gets no new ones, and the connection ends with it', async (t) => {
  const stage = await startStage(t, { sharedMaxRequests: 1 });
  const stream = stage.session!.request({ ':path': '/held' });
  await once(stream, 'response');
  const first = stage.sessions[0]!;
  await ask(stage, 100);
  await eventually('it gets no new ones', async () => {
    const before = first.requests;
    await ask(stage, 30);
    return first.requests === before;
  });
  t.equal(first.closed, false);
  t.match(stage.front.engine.counters(), { upstreamStreams: 1 });
  stage.held[0]!.end('and over');
  t.equal(await text(stream), 'begunand over');
  await eventually('it has ended', () => first.closed);
});

t.test('an old connection is replaced, although it has carried little', async (t) => {
  const stage = await startStage(t, { sharedMaxAgeMs: 20, sharedMaxRequests: 1_000_000 });
  await eventually('some are', async () => {
    await ask(stage, 1);
    return stage.front.engine.counters().upstreamRetiredAge >= 3;
  });
  t.equal(stage.front.engine.counters().upstreamRetiredRequests, 0);
});

t.test(
  'a backend never has more streams on a connection than it allows, nor more connections than the limit',
  async (t) => {
    const limits = { maxUpstreamConnections: 3, maxQueuedRequests: 4, queueTimeoutMs: 60_000 };
    const stage = await startStage(t, limits, { maxConcurrentStreams: 2 });
    // All three know by then what their peer allows.
    await eventually('it is known', async () => {
      await ask(stage, 1);
      return stage.sessions.length === 3 && stage.sessions.every(({ requests }) => requests > 1);
    });
    for (const seen of stage.sessions) seen.most = 0;
    const streams = Array.from({ length: 10 }, () => stage.session!.request({ ':path': '/held' }));
    for (const stream of streams) stream.on('error', () => undefined);
    const heads = streams.map(async (stream) => ((await once(stream, 'response')) as [Record<string, unknown>])[0]);
    await eventually('six are served and four wait', () => {
      const { queued } = stage.front.engine.counters();
      return stage.held.length === 6 && queued === 4;
    });
    // There is no room for a fifth to wait.
    t.match(await stage.send(), { status: 503 });
    for (let served = 6; served <= 10; served++) {
      await eventually(`${served} are served`, () => stage.held.length === served);
      if (served < 10) stage.held[served - 6]!.end();
    }
    for (const head of await Promise.all(heads)) t.equal(Number(head[':status']), 200);
    t.same(
      stage.sessions.map(({ most }) => most),
      [2, 2, 2],
    );
    t.match(stage.front.engine.counters(), { upstreamSharedOpen: 3, upstreamStreams: 6 });
  },
);

async function text(stream: ClientHttp2Stream): Promise<string> {
  let all = '';
  for await (const chunk of stream.setEncoding('utf8')) all += chunk as string;
  return all;
}
