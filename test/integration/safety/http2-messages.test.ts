/** Malformed, ambiguous and slow messages of applications over HTTP/2: what becomes of them, and that nothing of them reaches a backend. */
import t from 'tap';

import type { Http2Code } from '../../../src/addon/http2-counters.ts';
import { eventually } from '../../support/eventually.ts';
import {
  ACK,
  answersAll,
  block,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  FRAME,
  get,
  headers,
  HELLO,
  hostileStage,
  inScope,
  number32,
  ping,
  post,
  requestFields,
  setting,
  SETTING,
  settings,
  windowUpdate,
  type Fields,
} from '../../support/http2-wire.ts';

const GET = requestFields('GET', '/');
const with_ = (...more: Fields): Fields => [...GET, ...more];
/** One field in place of another. */
const instead = (name: string, value: string): Fields =>
  GET.map((field) => (field[0] === name ? [name, value] : field));
const without = (name: string): Fields => GET.filter((field) => field[0] !== name);

/** What the engine keeps for the next head, whoever that is of. */
const NOTHING = 32 * 1024;

interface ConnectionFault {
  readonly title: string;
  readonly faults: readonly (readonly [name: string, bytes: string, code: Http2Code])[];
}

const CONNECTION_FAULTS: readonly ConnectionFault[] = [
  {
    title: 'SAFETY 122: windows beyond their bounds, of nothing, or for streams that nobody has opened, are faults',
    faults: [
      ['of the connection, too large', windowUpdate(0, 0x7fffffff).repeat(2), 'FLOW_CONTROL_ERROR'],
      ['of the connection, nothing', windowUpdate(0, 0), 'PROTOCOL_ERROR'],
      ['of a stream that is not', windowUpdate(7, 1), 'PROTOCOL_ERROR'],
      ['of all streams, too large', settings(setting(SETTING.window, 0x80000000)), 'FLOW_CONTROL_ERROR'],
      [
        'of a stream, by SETTINGS',
        post(1) + windowUpdate(1, 0x7fff0000) + settings(setting(SETTING.window, 0x7fffffff)),
        'FLOW_CONTROL_ERROR',
      ],
      ['a frame of three bytes', frame(FRAME.windowUpdate, 0, 0, 'abc'), 'FRAME_SIZE_ERROR'],
    ],
  },
  {
    title: 'SAFETY 123: a table of HPACK that is larger than allowed, or named wrongly, is a fault of the connection',
    faults: [
      [
        'an update to 8 KiB',
        frame(FRAME.headers, END_HEADERS | END_STREAM, 1, `\x3f\xe1\x3f${block(GET)}`),
        'COMPRESSION_ERROR',
      ],
      [
        'an update behind a field',
        frame(FRAME.headers, END_HEADERS | END_STREAM, 1, `${block(GET)}\x20`),
        'COMPRESSION_ERROR',
      ],
      [
        'an entry that is not there',
        frame(FRAME.headers, END_HEADERS | END_STREAM, 1, `${block(GET)}\xff\x7f`),
        'COMPRESSION_ERROR',
      ],
      ['the entry of number zero', frame(FRAME.headers, END_HEADERS | END_STREAM, 1, '\x80'), 'COMPRESSION_ERROR'],
      [
        'a number without an end',
        frame(FRAME.headers, END_HEADERS | END_STREAM, 1, `\xff${'\xff'.repeat(40)}`),
        'COMPRESSION_ERROR',
      ],
      [
        'a text that is longer than its block',
        frame(FRAME.headers, END_HEADERS | END_STREAM, 1, '\0\x7f\x80\x7fa'),
        'COMPRESSION_ERROR',
      ],
      [
        'Huffman digits with an end of text',
        frame(FRAME.headers, END_HEADERS | END_STREAM, 1, '\0\x84\xff\xff\xff\xff\x01a'),
        'COMPRESSION_ERROR',
      ],
    ],
  },
  {
    title: 'SAFETY 124: frames where they may not stand, and of sizes that they may not have, end the connection',
    faults: [
      ['DATA of the connection', data(0, 'x'), 'PROTOCOL_ERROR'],
      ['DATA of a stream that is not', data(1, 'x'), 'PROTOCOL_ERROR'],
      ['HEADERS of the connection', headers(0, GET), 'PROTOCOL_ERROR'],
      ['HEADERS of an even stream', headers(2, GET), 'PROTOCOL_ERROR'],
      ['HEADERS within another block', frame(FRAME.headers, 0, 1, block(GET)) + get(3), 'PROTOCOL_ERROR'],
      ['CONTINUATION of nothing', frame(FRAME.continuation, END_HEADERS, 1, block(GET)), 'PROTOCOL_ERROR'],
      [
        'CONTINUATION of another stream',
        frame(FRAME.headers, 0, 1, block(GET)) + frame(FRAME.continuation, END_HEADERS, 3),
        'PROTOCOL_ERROR',
      ],
      ['a stream older than the last', get(5) + get(3), 'STREAM_CLOSED'],
      ['a reset of a stream that is not', frame(FRAME.resetStream, 0, 1, number32(8)), 'PROTOCOL_ERROR'],
      ['SETTINGS of a stream', frame(FRAME.settings, 0, 1), 'PROTOCOL_ERROR'],
      ['SETTINGS of seven bytes', frame(FRAME.settings, 0, 0, '1234567'), 'FRAME_SIZE_ERROR'],
      ['an answer to SETTINGS that says something', frame(FRAME.settings, ACK, 0, '123456'), 'FRAME_SIZE_ERROR'],
      ['a push that is allowed twice over', settings(setting(SETTING.push, 2)), 'PROTOCOL_ERROR'],
      ['frames of no size', settings(setting(SETTING.frameSize, 1)), 'PROTOCOL_ERROR'],
      ['PING of a stream', frame(FRAME.ping, 0, 1, '12345678'), 'PROTOCOL_ERROR'],
      ['PING of nine bytes', frame(FRAME.ping, 0, 0, '123456789'), 'FRAME_SIZE_ERROR'],
      ['GOAWAY of a stream', frame(FRAME.goaway, 0, 1, '12345678'), 'PROTOCOL_ERROR'],
      ['a push', frame(FRAME.pushPromise, END_HEADERS, 1, number32(2) + block(GET)), 'PROTOCOL_ERROR'],
      ['PRIORITY on itself', frame(FRAME.priority, 0, 1, `${number32(1)}\0`), 'PROTOCOL_ERROR'],
      ['padding beyond the frame', post(1) + frame(FRAME.data, 8, 1, '\x09abc'), 'PROTOCOL_ERROR'],
      ['a frame above 16 KiB', frame(0x77, 0, 0, 'x'.repeat(16_385)), 'FRAME_SIZE_ERROR'],
    ],
  },
];

for (const { title, faults } of CONNECTION_FAULTS) {
  t.test(title, async (t) => {
    for (const [name, bytes, code] of faults) {
      await inScope(async (scope) => {
        const stage = await hostileStage(scope);
        const client = await stage.client();
        client.send(bytes, get(9));
        t.equal(await client.code(FRAME.goaway), code, `${name}: the code`);
        await client.wire.untilEnd();
        t.strictSame(stage.host.refused, ['bad_request'], `${name}: counted once`);
        const counted = stage.front.engine.http2Counters().downstream;
        t.equal(counted.goawaysSent[code], 1, `${name}: by its code`);
        await eventually('nothing is left', () => stage.front.engine.http2Counters().downstream.streamsOpen === 0);
        t.notOk(stage.host.asked.some(({ path }) => path === '/9'));
      });
    }
  });
}

interface RequestFault {
  readonly title: string;
  readonly requests: readonly (readonly [name: string, fields: Fields])[];
}

const REQUEST_FAULTS: readonly RequestFault[] = [
  {
    title: 'SAFETY 125: pseudo-headers that are missing, empty, repeated, unknown or out of place are refused',
    requests: [
      ['no method', without(':method')],
      ['no scheme', without(':scheme')],
      ['no path', without(':path')],
      ['an empty path', instead(':path', '')],
      ['an empty method', instead(':method', '')],
      ['an empty authority', instead(':authority', '')],
      ['a path twice', with_([':path', '/b'])],
      ['behind a field', [['a', 'b'], ...GET]],
      ['of a response', with_([':status', '200'])],
      ['that nobody knows', [...GET, [':a', 'b']]],
      ['a protocol of a GET', with_([':protocol', 'websocket'])],
      ['CONNECT with a path', instead(':method', 'CONNECT')],
      ['CONNECT without an authority', [[':method', 'CONNECT']]],
      ['nobody whom it is for', without(':authority')],
    ],
  },
  {
    title:
      'SAFETY 126: line ends, NUL and blanks that would be another head in HTTP/1.1 are refused wherever they stand',
    requests: [
      ['in a value', with_(['a', 'b\r\ncontent-length: 5'])],
      ['LF in a value', with_(['a', 'b\nc: d'])],
      ['CR in a value', with_(['a', 'b\rc'])],
      ['NUL in a value', with_(['a', 'b\0c'])],
      ['a request in a value', with_(['a', 'b\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n'])],
      ['a blank before a value', with_(['a', ' b'])],
      ['a TAB behind a value', with_(['a', 'b\t'])],
      ['in a name', with_(['a\r\nb', 'c'])],
      ['a colon in a name', with_(['transfer-encoding: chunked\r\na', 'b'])],
      ['a colon at the end of a name', with_(['transfer-encoding:', 'chunked'])],
      ['a blank in a name', with_(['transfer-encoding ', 'chunked'])],
      ['no name', with_(['', 'b'])],
      ['a name in capitals', with_(['Transfer-Encoding', 'chunked'])],
      ['in the path', instead(':path', '/ HTTP/1.1\r\nhost: b\r\n\r\nGET /smuggled')],
      ['a blank in the path', instead(':path', '/a HTTP/1.1')],
      ['in the method', instead(':method', 'GET / HTTP/1.1\r\nhost: b\r\n\r\nGET')],
      ['a blank in the method', instead(':method', 'GET /smuggled')],
      ['in the authority', instead(':authority', 'a\r\nx: y')],
      ['a blank in the authority', instead(':authority', 'a b')],
      ['in a crumb of a cookie', with_(['cookie', 'a=b\r\nx: y'])],
      [
        'in the protocol',
        [
          [':method', 'CONNECT'],
          [':protocol', 'a\r\nb'],
          [':scheme', 'http'],
          [':path', '/'],
          [':authority', 'a'],
        ],
      ],
    ],
  },
  {
    title: 'SAFETY 127: fields that concern one connection are refused, Transfer-Encoding and Upgrade among them',
    requests: [
      ['Transfer-Encoding', with_(['transfer-encoding', 'chunked'])],
      ['Transfer-Encoding, identity', with_(['transfer-encoding', 'identity'])],
      ['Connection', with_(['connection', 'content-length'])],
      ['Keep-Alive', with_(['keep-alive', 'timeout=5'])],
      ['Proxy-Connection', with_(['proxy-connection', 'keep-alive'])],
      ['Upgrade', with_(['upgrade', 'h2c'])],
      ['TE of more than trailers', with_(['te', 'trailers, gzip'])],
    ],
  },
  {
    title: 'SAFETY 128: a Content-Length that is none, comes twice, or announces what does not come, is refused',
    requests: [
      ['of a body that does not come', with_(['content-length', '5'])],
      ['twice', with_(['content-length', '0'], ['content-length', '0'])],
      ['twice in one', with_(['content-length', '0, 0'])],
      ['with a sign', with_(['content-length', '+0'])],
      ['hexadecimal', with_(['content-length', '0x0'])],
      ['empty', with_(['content-length', ''])],
      ['beyond all numbers', with_(['content-length', '99999999999999999999'])],
      [
        'of a CONNECT',
        [
          [':method', 'CONNECT'],
          [':authority', 'a:1'],
          ['content-length', '0'],
        ],
      ],
    ],
  },
  {
    title: 'SAFETY 129: a Host that differs from the authority, and what is no authority or no path, is refused',
    requests: [
      ['a Host that differs', with_(['host', 'b'])],
      ['a Host with another port', with_(['host', 'a:81'])],
      ['two Hosts', [...without(':authority'), ['host', 'a'], ['host', 'a']]],
      ['a Host that is none', [...without(':authority'), ['host', 'a/b']]],
      ['user information', instead(':authority', 'user@a')],
      ['a list', instead(':authority', 'a,b')],
      ['a path in the authority', instead(':authority', 'a/b')],
      ['an absolute path', instead(':path', 'http://b/')],
      ['no slash', instead(':path', 'a')],
      ['a fragment', instead(':path', '/a#b')],
      ['* of a GET', instead(':path', '*')],
    ],
  },
];

for (const { title, requests } of REQUEST_FAULTS) {
  t.test(title, async (t) => {
    await inScope(async (scope) => {
      const stage = await hostileStage(scope);
      const heads = answersAll(stage.backend);
      const client = await stage.client();
      let stream = 1;
      for (const [name, fields] of requests) {
        client.send(headers(stream, fields));
        t.equal(await client.code(FRAME.resetStream, stream), 'PROTOCOL_ERROR', name);
        stream += 2;
      }
      t.strictSame(
        stage.host.refused,
        requests.map(() => 'bad_request'),
      );
      // The connection goes on, and this is all that any backend has seen.
      client.send(get(stream, '/after'));
      t.equal((await client.next(FRAME.data, stream)).payload, 'ok');
      t.strictSame(heads, ['GET /after HTTP/1.1\r\nhost: a\r\n\r\n']);
      t.equal(stage.front.engine.http2Counters().downstream.resetsSent.PROTOCOL_ERROR, requests.length);
    });
  });
}

t.test(
  'SAFETY 130: a body that is longer or shorter than announced, or has bad trailers, is told as that, also in the middle',
  async (t) => {
    const LENGTH: Fields = [['content-length', '4']];
    const BODIES: readonly (readonly [string, string, Fields])[] = [
      ['longer', data(1, 'abcde'), LENGTH],
      ['longer in the end', data(1, 'abcd') + data(1, 'e', true), LENGTH],
      ['shorter', data(1, 'abc', true), LENGTH],
      ['shorter, with trailers', data(1, 'abc') + headers(1, [['a', 'b']]), LENGTH],
      ['a pseudo-header among trailers', data(1, 'abcd') + headers(1, [[':path', '/b']]), []],
      ['a line end in trailers', data(1, 'abcd') + headers(1, [['a', 'b\r\nc: d']]), []],
      ['trailers that do not end the request', data(1, 'abcd') + headers(1, [['a', 'b']], false), []],
    ];
    for (const [name, body, more] of BODIES) {
      await inScope(async (scope) => {
        const stage = await hostileStage(scope);
        const client = await stage.client();
        client.send(post(1, more));
        const upstream = await stage.backend.connection(0);
        await upstream.take('\r\n\r\n');
        client.send(body);
        t.equal(await client.code(FRAME.resetStream, 1), 'PROTOCOL_ERROR', name);
        await upstream.untilEnd();
        t.notMatch(upstream.text, '0\r\n\r\n', `${name}: no end of a body for the backend`);
        await eventually('an outcome', () => stage.host.outcomes.length === 1);
        t.equal(stage.host.outcomes[0]!.reason, 'bad_request', `${name}: the reason`);
        client.send(ping());
        await client.next(FRAME.ping);
        t.equal(client.count(FRAME.goaway), 0, `${name}: the connection goes on`);
      });
    }
  },
);

t.test('SAFETY 131: trailers that frame or route are dropped, and none becomes a field', async (t) => {
  await inScope(async (scope) => {
    const stage = await hostileStage(scope);
    const client = await stage.client();
    client.send(post(1) + data(1, 'body'));
    const upstream = await stage.backend.connection(0);
    client.send(
      headers(1, [
        ['content-length', '9'],
        ['host', 'b'],
        ['x-sum', '1'],
      ]),
    );
    const received = await upstream.until('x-sum: 1\r\n\r\n');
    t.notMatch(received, /content-length|host: b/);
    t.match(received, /^POST \/ HTTP\/1\.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n/i);
  });
});

t.test('SAFETY 132: a head that is over a limit is answered with its status, and the connection goes on', async (t) => {
  await inScope(async (scope) => {
    const stage = await hostileStage(scope);
    answersAll(stage.backend);
    const client = await stage.client();
    client.send(get(1, `/${'p'.repeat(9_000)}`));
    client.send(
      get(
        3,
        '/',
        Array.from({ length: 300 }, () => ['a', 'b'] as const),
      ),
    );
    const big = block(
      requestFields('GET', '/', [
        ['a', 'v'.repeat(30_000)],
        ['b', 'v'.repeat(30_000)],
        ['c', 'v'.repeat(30_000)],
      ]),
    );
    client.send(frame(FRAME.headers, END_STREAM, 5, big.slice(0, 16_000)));
    for (let at = 16_000; at < big.length; at += 16_000)
      client.send(
        frame(FRAME.continuation, at + 16_000 >= big.length ? END_HEADERS : 0, 5, big.slice(at, at + 16_000)),
      );
    for (const stream of [1, 3, 5]) await client.next(FRAME.headers, stream);
    t.strictSame(stage.host.refused, ['uri_limit', 'header_limit', 'header_limit']);
    client.send(get(7));
    t.equal((await client.next(FRAME.data, 7)).payload, 'ok');
  });
});

t.test('SAFETY 133: priorities, unknown frames and unknown settings are ignored', async (t) => {
  await inScope(async (scope) => {
    const stage = await hostileStage(scope);
    answersAll(stage.backend);
    const client = await stage.client();
    client.send(
      settings(setting(0x4a4a, 7)),
      frame(0x0a, 0, 0, 'alternative'),
      frame(FRAME.priority, 0, 5, `${number32(3)}\x10`),
    );
    const priority = `${number32(0x80000003)}\xff${block(GET)}`;
    client.send(frame(FRAME.headers, END_HEADERS | END_STREAM | 0x20, 1, priority), frame(0xf1, 0xff, 1, 'after'));
    t.equal((await client.next(FRAME.data, 1)).payload, 'ok');
    t.equal(client.count(FRAME.goaway), 0);
  });
});

t.test(
  'SAFETY 134: frames for streams that are over are answered with STREAM_CLOSED, and the connection goes on',
  async (t) => {
    await inScope(async (scope) => {
      const stage = await hostileStage(scope);
      answersAll(stage.backend);
      const client = await stage.client();
      client.send(get(1));
      await client.next(FRAME.data, 1);
      client.send(data(1, 'late'), get(3));
      t.equal(await client.code(FRAME.resetStream, 1), 'STREAM_CLOSED');
      await client.next(FRAME.data, 3);
      // One that has ended its request and not had its response.
      stage.backend.onBytes = () => undefined;
      client.send(get(5) + data(5, 'late'));
      t.equal(await client.code(FRAME.resetStream, 5), 'STREAM_CLOSED');
      t.equal(client.count(FRAME.goaway), 0);
    });
  },
);

t.test(
  'SAFETY 135: more data than its window is a fault of the stream, and of the connection where that has none left',
  async (t) => {
    await inScope(async (scope) => {
      const stage = await hostileStage(scope);
      const client = await stage.client();
      // Nobody reads it: the backend takes no body before it has said 100.
      const awaits = (stream: number): string => post(stream, [['expect', '100-continue']]);
      await client.flood(awaits(1) + data(1, 'x'.repeat(16_384)).repeat(17));
      t.equal(await client.code(FRAME.resetStream, 1), 'FLOW_CONTROL_ERROR');
      t.equal(client.count(FRAME.goaway), 0);
      await client.flood(
        Array.from({ length: 40 }, (_, i) => awaits(2 * i + 3) + data(2 * i + 3, 'x'.repeat(16_384)).repeat(16)).join(
          '',
        ),
      );
      t.equal(await client.code(FRAME.goaway), 'FLOW_CONTROL_ERROR');
      await client.wire.untilEnd();
      await eventually('nothing is held', () => stage.front.engine.counters().bufferedBytes < NOTHING);
    });
  },
);

t.test('SAFETY 136: a preface, a header block, a body and a reader that stand still have their time', async (t) => {
  await inScope(async (scope) => {
    const stage = await hostileStage(scope, 'http1', { headerTimeoutMs: 300, stallTimeoutMs: 600 });
    const halves = [
      await stage.client('PRI * HTTP/2.0\r\n'),
      await stage.client(HELLO + frame(FRAME.headers, 0, 1, block(GET).slice(0, 9))),
    ];
    for (const half of halves) await half.wire.untilEnd();
    t.strictSame(stage.host.refused, ['request_timeout', 'request_timeout']);
    t.ok(halves.every((half) => half.count(FRAME.goaway) > 0));

    // A body that stops, a window that never opens: each ends by itself, and the connection goes on.
    const client = await stage.client(HELLO + settings(setting(SETTING.window, 0)));
    client.send(post(1) + data(1, 'a part of'));
    client.send(get(3));
    const unread = await stage.backend.connection(1);
    await unread.take('\r\n\r\n');
    unread.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nunwelcome');
    await client.next(FRAME.headers, 3);
    await eventually('two outcomes', () => stage.host.outcomes.length === 2);
    // Of the first even the answer that says so is not taken.
    t.strictSame(stage.host.outcomes.map(({ status, reason }) => `${status} ${reason}`).sort(), [
      '200 downstream_reset',
      '504 downstream_reset',
    ]);
    client.send(ping());
    await client.next(FRAME.ping);
    t.equal(client.count(FRAME.goaway), 0);
  });
});

t.test(
  'SAFETY 137: a window that never opens, with many responses pending, holds a bounded part of them',
  async (t) => {
    await inScope(async (scope) => {
      const stage = await hostileStage(scope);
      const body = 'x'.repeat(512 * 1024);
      const big = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
      stage.backend.onBytes = (end) => {
        if (!end.text.includes('\r\n\r\n')) return;
        const small = end.text.startsWith('GET /small ');
        end.forget();
        end.send(small ? 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok' : big);
      };
      const client = await stage.client(HELLO + settings(setting(SETTING.window, 0)));
      const count = 100;
      client.send(Array.from({ length: count }, (_, index) => get(2 * index + 1)).join(''));
      for (let index = 0; index < count; index++) await client.next(FRAME.headers, 2 * index + 1);
      const held = stage.front.engine.counters().bufferedBytes;
      t.ok(held < count * 160 * 1024, `${count} responses of 512 KiB hold ${Math.round(held / 1024)} KiB`);
      // Neither a stream of the same connection nor another connection waits for them.
      client.send(get(1_001, '/small') + windowUpdate(1_001, 2));
      t.equal((await client.next(FRAME.data, 1_001)).payload, 'ok');
      const neighbour = await stage.client();
      neighbour.send(get(1, '/small'));
      t.equal((await neighbour.next(FRAME.data, 1)).payload, 'ok');
      client.wire.reset();
      await eventually('all is given back', () => stage.front.engine.counters().requestsOpen === 0);
      await eventually('nothing is held', () => stage.front.engine.counters().bufferedBytes < NOTHING);
    });
  },
);
