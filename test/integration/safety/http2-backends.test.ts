/** Backends of HTTP/2 that do not keep to the rules: each costs the requests that it was sent, and neither other backends' nor memory. */
import t from 'tap';

import type { Http2Flood } from '../../../src/addon/http2-counters.ts';
import type { RequestReason } from '../../../src/errors.ts';
import { eventually } from '../../support/eventually.ts';
import {
  ACK,
  block,
  data,
  END_HEADERS,
  frame,
  FRAME,
  get,
  goaway,
  headers,
  hostileStage,
  inScope,
  number32,
  ping,
  post,
  resetStream,
  setting,
  SETTING,
  settings,
  windowUpdate,
  Http2End,
  type Fields,
  type HostileStage,
} from '../../support/http2-wire.ts';
import { dial } from '../../support/wire-end.ts';

const OK: Fields = [[':status', '200']];
/** To its first request. */
const answer = (fields: Fields = OK, ended = true): string => headers(1, fields, ended);

/** One request, and its end of the connection to the backend. */
async function asked(stage: HostileStage, more: { hello?: string } = {}): Promise<[Http2End, Http2End]> {
  const client = await stage.client();
  client.send(get(1));
  const backend = await stage.accepted(more.hello);
  await backend.next(FRAME.headers, 1);
  return [client, backend];
}

async function outcome(stage: HostileStage, index = 0): Promise<{ status: number; reason: RequestReason | null }> {
  await eventually('an outcome', () => stage.host.outcomes.length > index);
  const { status, reason } = stage.host.outcomes[index]!;
  return { status, reason };
}

const BAD_GATEWAY = { status: 502, reason: 'upstream_protocol' } as const;

const FLOODS: readonly (readonly [name: string, bytes: string, kind: Http2Flood])[] = [
  ['PING', ping().repeat(5_000), 'ping'],
  ['answers to PING', frame(FRAME.ping, ACK, 0, '12345678').repeat(5_000), 'ping'],
  ['SETTINGS', settings().repeat(1_000), 'settings'],
  ['DATA without data', answer(OK, false) + data(1, '').repeat(5_000), 'empty_data'],
  ['windows of one byte', windowUpdate(0, 1).repeat(5_000), 'window_update'],
  ['PRIORITY', frame(FRAME.priority, 0, 1, `${number32(3)}\0`).repeat(5_000), 'priority'],
  ['frames that nobody knows', frame(0x77, 0, 0, 'x').repeat(5_000), 'unknown_frames'],
  ['CONTINUATION', frame(FRAME.headers, 0, 1, block(OK)) + frame(FRAME.continuation, 0, 1).repeat(100), 'header_block'],
  [
    'a header block that unpacks',
    frame(FRAME.headers, END_HEADERS, 1, `\x40${block([['x', 'v'.repeat(4_000)]]).slice(1)}${'\xbe'.repeat(12_000)}`),
    'header_bomb',
  ],
];

t.test('SAFETY 138: a backend that floods costs its own requests, 502, and is counted by what it does', async (t) => {
  for (const [name, bytes, kind] of FLOODS) {
    await inScope(async (scope) => {
      const stage = await hostileStage(scope, 'http2', { upstreamSpread: 1 });
      const [client, backend] = await asked(stage);
      await backend.flood(bytes);
      t.equal(await backend.code(FRAME.goaway), 'ENHANCE_YOUR_CALM', `${name}: the backend is told`);
      await backend.wire.untilEnd();
      const { status, reason } = await outcome(stage);
      t.equal(reason, 'upstream_protocol', name);
      // A head that came in a read before the flood has been passed on.
      t.ok(status === 502 || (status === 200 && kind === 'empty_data'), `${name}: ${status}`);
      t.strictSame(stage.floods('upstream'), { [kind]: 1 }, `${name}: counted`);
      t.equal(client.count(FRAME.goaway), 0, `${name}: its caller goes on`);
      client.send(get(3));
      const other = await stage.accepted();
      await other.next(FRAME.headers, 1);
      other.send(answer());
      t.same(await outcome(stage, 1), { status: 200, reason: null }, `${name}: and is served on another connection`);
    });
  }
});

t.test('SAFETY 139: GOAWAY on every connection sends a request elsewhere so often and no more', async (t) => {
  await inScope(async (scope) => {
    const stage = await hostileStage(scope, 'http2', { upstreamSpread: 1 });
    stage.backend.onConnection = (end) => end.send(settings() + goaway(0));
    const client = await stage.client();
    client.send(post(1) + data(1, 'body', true));
    t.same(await outcome(stage), { status: 502, reason: 'upstream_reset' });
    t.ok(stage.backend.connections.length <= 8, `${stage.backend.connections.length} connections`);
    await eventually('nothing is left', () => stage.front.engine.http2Counters().upstream.connectionsOpen === 0);
  });
  await inScope(async (scope) => {
    // One that goes on sending it, while it answers what it has.
    const stage = await hostileStage(scope, 'http2', { upstreamSpread: 1 });
    const [, backend] = await asked(stage);
    backend.send(goaway(1).repeat(20) + answer(OK, false) + data(1, 'ok', true));
    t.same(await outcome(stage), { status: 200, reason: null });
    await backend.wire.untilEnd();
  });
});

t.test(
  'SAFETY 140: a backend that refuses or resets every stream is tried so often and no more, and keeps its connection',
  async (t) => {
    for (const code of ['REFUSED_STREAM', 'INTERNAL_ERROR', 'ENHANCE_YOUR_CALM'] as const) {
      await inScope(async (scope) => {
        const stage = await hostileStage(scope, 'http2', { upstreamSpread: 1 });
        let resets = 0;
        stage.backend.onConnection = (wire) => {
          const end = new Http2End(wire);
          const seen = new Set<number>();
          end.send(settings());
          wire.socket.on('data', () => {
            for (const { type, stream } of end.frames) {
              if (type !== FRAME.headers || seen.has(stream)) continue;
              seen.add(stream);
              resets++;
              end.send(resetStream(stream, code));
            }
          });
        };
        const client = await stage.client();
        for (let stream = 1; stream < 40; stream += 2) client.send(post(stream) + data(stream, 'body', true));
        await eventually('outcomes', () => stage.host.outcomes.length === 20);
        t.ok(stage.host.outcomes.every(({ status, reason }) => status === 502 && reason === 'upstream_reset'));
        t.ok(resets <= 20 * (code === 'REFUSED_STREAM' ? 5 : 1), `${code}: ${resets} streams for 20 requests`);
        t.equal(stage.front.engine.http2Counters().upstream.resetsReceived[code], resets);
        t.strictSame(stage.floods('upstream'), {});
      });
    }
  },
);

t.test(
  'SAFETY 141: SETTINGS that shrink windows in the middle of a body hold it back, and no byte goes beyond them',
  async (t) => {
    await inScope(async (scope) => {
      const stage = await hostileStage(scope, 'http2', { upstreamSpread: 1 });
      const client = await stage.client();
      client.send(post(1) + data(1, 'x'.repeat(16_384)));
      const backend = await stage.accepted();
      await backend.next(FRAME.data, 1);
      const received = (): number =>
        backend.frames.filter((each) => each.type === FRAME.data).reduce((sum, each) => sum + each.payload.length, 0);
      await eventually('the first part', () => received() === 16_384);
      // 16 KiB are gone of none.
      backend.send(settings(setting(SETTING.window, 0)));
      await eventually('an answer', () =>
        backend.frames.some((each) => each.type === FRAME.settings && each.flags === ACK),
      );
      await backend.next(FRAME.settings, 0, 2).catch(() => undefined);
      client.send(data(1, 'y'.repeat(10_000), true), ping());
      await client.next(FRAME.ping);
      t.equal(received(), 16_384);
      backend.send(windowUpdate(1, 16_384 + 100));
      await eventually('a hundred more', () => received() === 16_484);
      backend.send(settings(setting(SETTING.window, 65_535)));
      await eventually('the rest', () => received() === 26_384);
      backend.send(answer());
      t.same(await outcome(stage), { status: 200, reason: null });
    });
  },
);

t.test('SAFETY 142: a backend that allows no stream is dialled so often and no more', async (t) => {
  await inScope(async (scope) => {
    const stage = await hostileStage(scope, 'http2', { upstreamSpread: 1 });
    stage.backend.onConnection = (wire) => {
      const end = new Http2End(wire);
      end.send(settings(setting(SETTING.maxStreams, 0)));
      // It keeps to what it has said.
      let refused = false;
      wire.socket.on('data', () => {
        if (refused || end.count(FRAME.headers) === 0) return;
        refused = true;
        end.send(resetStream(1, 'REFUSED_STREAM'));
      });
    };
    const client = await stage.client();
    client.send(get(1));
    t.same(await outcome(stage), { status: 502, reason: 'upstream_reset' });
    t.ok(stage.backend.connections.length <= 8, `${stage.backend.connections.length} connections`);
  });
});

t.test(
  'SAFETY 143: a push, a stream that nobody began and other frames out of place end the connection to the backend',
  async (t) => {
    const FAULTS: readonly (readonly [string, string])[] = [
      ['a push', frame(FRAME.pushPromise, END_HEADERS, 1, number32(2) + block(OK))],
      ['a response to nobody', headers(7, OK)],
      ['a response on an even stream', headers(2, OK)],
      ['data for nobody', data(9, 'x')],
      ['a window beyond its bound', windowUpdate(0, 0x7fffffff).repeat(2)],
      ['a push that it may make', settings(setting(SETTING.push, 1))],
      ['bytes of HTTP/1.1', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
      ['HPACK that is none', frame(FRAME.headers, END_HEADERS, 1, '\xff\xff')],
    ];
    for (const [name, bytes] of FAULTS) {
      await inScope(async (scope) => {
        const stage = await hostileStage(scope, 'http2', { upstreamSpread: 1 });
        const [client, backend] = await asked(stage);
        backend.send(bytes);
        await backend.wire.untilEnd();
        t.same(await outcome(stage), BAD_GATEWAY, name);
        t.equal(client.count(FRAME.goaway), 0, `${name}: its caller goes on`);
        await eventually('nothing is left', () => stage.front.engine.http2Counters().upstream.connectionsOpen === 0);
      });
    }
  },
);

t.test('SAFETY 144: interim responses without end are a 502', async (t) => {
  await inScope(async (scope) => {
    const stage = await hostileStage(scope, 'http2', { upstreamSpread: 1 });
    const [, backend] = await asked(stage);
    backend.send(answer([[':status', '103']], false).repeat(40));
    t.same(await outcome(stage), BAD_GATEWAY);
    t.equal(await backend.code(FRAME.resetStream, 1), 'PROTOCOL_ERROR');
  });
});

t.test(
  'SAFETY 145: what would be another response in HTTP/1.1 is a 502 for its caller, and nothing of it is passed on',
  async (t) => {
    const length = (value: string): Fields => [...OK, ['content-length', value]];
    const RESPONSES: readonly (readonly [string, string])[] = [
      ['a line end in a value', answer([...OK, ['a', 'b\r\n\r\nHTTP/1.1 200 OK']])],
      ['a line end in a name', answer([...OK, ['a\r\nb', 'c']])],
      ['NUL in a value', answer([...OK, ['a', 'b\0']])],
      ['no name', answer([...OK, ['', 'b']])],
      ['Transfer-Encoding', answer([...OK, ['transfer-encoding', 'chunked']])],
      ['Connection', answer([...OK, ['connection', 'close']])],
      ['Upgrade', answer([...OK, ['upgrade', 'h2c']])],
      ['no status', answer([['a', 'b']])],
      ['two statuses', answer([...OK, ...OK])],
      ['a status of two digits', answer([[':status', '20']])],
      ['a line end in the status', answer([[':status', '200\r\na: b']])],
      ['101', answer([[':status', '101']], false)],
      ['a pseudo-header of requests', answer([...OK, [':path', '/']])],
      ['lengths that differ', answer([...length('2'), ['content-length', '3']], false)],
      ['a length that is none', answer(length('0x2'), false)],
      ['a length and no body', answer(length('2'))],
      ['an interim response that ends', answer([[':status', '100']])],
      ['data before a head', data(1, 'HTTP/1.1 200 OK\r\n\r\n', true)],
    ];
    for (const [name, bytes] of RESPONSES) {
      await inScope(async (scope) => {
        const stage = await hostileStage(scope, 'http2', { upstreamSpread: 1 });
        stage.front.http2 = false;
        const client = await dial(scope, '127.0.0.1', stage.front.port);
        client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
        const backend = await stage.accepted();
        await backend.next(FRAME.headers, 1);
        backend.send(bytes);
        t.same(await outcome(stage), BAD_GATEWAY, name);
        const text = await client.until('it is spoken to in.\n');
        t.match(text, /^HTTP\/1\.1 502 [^]*x-sideroute-reason: upstream_protocol\r\n/, name);
        t.equal(text.split('HTTP/1.1 ').length, 2, `${name}: one response`);
      });
    }
    // Of bodies that are longer than announced, or that none may follow, the caller gets what was announced and no more.
    const BODIES: readonly (readonly [string, string, string])[] = [
      ['longer', answer(length('2'), false) + data(1, 'okHTTP/1.1 200 OK\r\n\r\n', true), 'GET'],
      ['of 204', answer([[':status', '204']], false) + data(1, 'HTTP/1.1 200 OK\r\n\r\n', true), 'GET'],
      ['of HEAD', answer(length('19'), false) + data(1, 'HTTP/1.1 200 OK\r\n\r\n', true), 'HEAD'],
    ];
    for (const [name, bytes, method] of BODIES) {
      await inScope(async (scope) => {
        const stage = await hostileStage(scope, 'http2', { upstreamSpread: 1 });
        stage.front.http2 = false;
        const client = await dial(scope, '127.0.0.1', stage.front.port);
        client.send(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
        const backend = await stage.accepted();
        await backend.next(FRAME.headers, 1);
        backend.send(bytes);
        const { reason } = await outcome(stage);
        t.ok(reason === 'upstream_protocol' || reason === null, `${name}: ${reason ?? 'answered'}`);
        await eventually('a head', () => client.text.includes('\r\n\r\n') || !client.open);
        t.notMatch(client.text, /\r\n\r\n.*HTTP\/1\.1 200/s, `${name}: no second response`);
      });
    }
  },
);

t.test('SAFETY 146: a backend that has vanished without a word is noticed, and its requests are told', async (t) => {
  await inScope(async (scope) => {
    const stage = await hostileStage(scope, 'http2', { upstreamSpread: 1, pingAfterMs: 200, pingTimeoutMs: 300 });
    const [client, backend] = await asked(stage);
    client.send(get(3));
    await backend.next(FRAME.ping);
    t.same(await outcome(stage, 1), { status: 502, reason: 'upstream_reset' });
    await backend.wire.untilEnd();
    t.equal(stage.front.engine.http2Counters().upstream.unansweredPings, 1);
    t.equal(client.count(FRAME.goaway), 0);
  });
  await inScope(async (scope) => {
    // One that is there takes as long as it likes, and is not asked again before its time.
    const stage = await hostileStage(scope, 'http2', {
      upstreamSpread: 1,
      pingAfterMs: 100,
      pingTimeoutMs: 5_000,
      pingAgainMs: 60_000,
    });
    const [, backend] = await asked(stage);
    await backend.next(FRAME.ping);
    backend.send(frame(FRAME.ping, ACK, 0, '\0'.repeat(8)));
    // It outlasts what would have been several more of them.
    await new Promise((resolve) => setTimeout(resolve, 700));
    backend.send(answer());
    t.same(await outcome(stage), { status: 200, reason: null });
    t.equal(backend.count(FRAME.ping), 1);
    t.equal(stage.front.engine.http2Counters().upstream.unansweredPings, 0);
  });
});

t.test(
  'SAFETY 147: an extended CONNECT goes to a backend that has said that it takes one, and is a 502 for others',
  async (t) => {
    const WEBSOCKET: Fields = [
      [':method', 'CONNECT'],
      [':protocol', 'websocket'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'a'],
    ];
    await inScope(async (scope) => {
      const stage = await hostileStage(scope, 'http2', { upstreamSpread: 1 });
      const client = await stage.client();
      client.send(headers(1, WEBSOCKET, false));
      const backend = await stage.accepted(settings(setting(SETTING.connect, 1)));
      await backend.next(FRAME.headers, 1);
      backend.send(answer(OK, false) + data(1, 'hello'));
      t.equal((await client.next(FRAME.data, 1)).payload, 'hello');
    });
    await inScope(async (scope) => {
      const stage = await hostileStage(scope, 'http2', { upstreamSpread: 1 });
      const client = await stage.client();
      client.send(headers(1, WEBSOCKET, false));
      const backend = await stage.accepted();
      t.same(await outcome(stage), BAD_GATEWAY);
      t.equal(backend.count(FRAME.headers), 0, 'it was not sent');
      client.send(get(3));
      const next = await Promise.race([backend.next(FRAME.headers).then(() => backend), stage.accepted()]);
      next.send(answer());
      t.same(await outcome(stage, 1), { status: 200, reason: null });
    });
  },
);
