/**
 * Applications that do too much of what costs them nothing, over HTTP/2: each flood ends its own connection, is counted by its kind, and costs its
 * neighbours nothing.
 */
import t from 'tap';

import type { Http2Flood } from '../../../src/addon/http2-counters.ts';
import { eventually } from '../../support/eventually.ts';
import {
  ACK,
  answersAll,
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
  requestFields,
  resetStream,
  setting,
  SETTING,
  settings,
  windowUpdate,
} from '../../support/http2-wire.ts';

interface FloodCase {
  /** Literally, with the number of the case in front, for the table in docs. */
  readonly title: string;
  readonly floods: readonly { readonly name: string; readonly bytes: string; readonly kind: Http2Flood }[];
}

/** With streams of their own. */
function streams(count: number, bytes: (stream: number) => string): string {
  return Array.from({ length: count }, (_, index) => bytes(2 * index + 1)).join('');
}

const MALFORMED = (stream: number): string => headers(stream, [['a', 'b']]);
const BIG = `x-big${'v'.repeat(4_000)}`;

const CASES: readonly FloodCase[] = [
  {
    title: 'SAFETY 110: streams that are opened and reset at once end their connection',
    floods: [
      { name: 'in pairs', bytes: streams(2_000, (id) => get(id) + resetStream(id)), kind: 'resets' },
      {
        name: 'a hundred at a time',
        bytes: Array.from({ length: 20 }, (_, round) => {
          const ids = Array.from({ length: 100 }, (_, index) => 200 * round + 2 * index + 1);
          return ids.map((id) => get(id)).join('') + ids.map((id) => resetStream(id)).join('');
        }).join(''),
        kind: 'resets',
      },
      { name: 'of streams that are over', bytes: get(1) + resetStream(1).repeat(3_000), kind: 'resets' },
    ],
  },
  {
    title: 'SAFETY 111: frames that make the server reset streams end their connection',
    floods: [
      {
        name: 'a window beyond its bound',
        bytes: streams(1_000, (id) => get(id) + windowUpdate(id, 0x7fffffff)),
        kind: 'stream_errors',
      },
      {
        name: 'a window that opens by nothing',
        bytes: streams(1_000, (id) => get(id) + windowUpdate(id, 0)),
        kind: 'stream_errors',
      },
      { name: 'data behind the end', bytes: streams(1_000, (id) => get(id) + data(id, 'x')), kind: 'stream_errors' },
      {
        name: 'more than was announced',
        bytes: streams(1_000, (id) => post(id, [['content-length', '1']]) + data(id, 'xx')),
        kind: 'stream_errors',
      },
      { name: 'malformed requests', bytes: streams(1_000, MALFORMED), kind: 'stream_errors' },
      {
        name: 'names without a letter',
        bytes: streams(1_000, (id) => get(id, '/', [['', 'x']])),
        kind: 'stream_errors',
      },
    ],
  },
  {
    title: 'SAFETY 112: more streams than were allowed are refused one by one, and without end end their connection',
    floods: [{ name: 'requests that go on', bytes: streams(4_000, (id) => post(id)), kind: 'streams' }],
  },
  {
    title: 'SAFETY 113: a header block that does not end ends its connection',
    floods: [
      {
        name: 'empty CONTINUATION',
        bytes:
          frame(FRAME.headers, 0, 1, block(requestFields('GET', '/'))) + frame(FRAME.continuation, 0, 1).repeat(1_000),
        kind: 'header_block',
      },
      {
        name: 'full CONTINUATION',
        bytes:
          frame(FRAME.headers, 0, 1) + frame(FRAME.continuation, 0, 1, block([['a', 'v'.repeat(16_000)]])).repeat(100),
        kind: 'header_block',
      },
      {
        name: 'behind a head that is malformed',
        bytes:
          frame(FRAME.headers, 0, 1, block([['A', 'b']])) +
          frame(FRAME.continuation, 0, 1, block([['a', 'b']])).repeat(1_000),
        kind: 'header_block',
      },
    ],
  },
  {
    title: 'SAFETY 114: a header block that unpacks to far more than it is ends its connection',
    floods: [
      {
        name: 'one entry of the table, over and over',
        bytes: frame(FRAME.headers, END_HEADERS, 1, `\x40${block([['x', BIG]]).slice(1)}${'\xbe'.repeat(12_000)}`),
        kind: 'header_bomb',
      },
      {
        name: 'in streams that are refused',
        bytes:
          MALFORMED(1) +
          frame(FRAME.headers, END_HEADERS, 1, `\x40${block([['x', BIG]]).slice(1)}${'\xbe'.repeat(12_000)}`),
        kind: 'header_bomb',
      },
    ],
  },
  {
    title: 'SAFETY 115: SETTINGS without end, and answers to none of ours, end their connection',
    floods: [
      { name: 'empty', bytes: settings().repeat(1_000), kind: 'settings' },
      {
        name: 'a table of every other size',
        bytes: (settings(setting(SETTING.tableSize, 0)) + settings(setting(SETTING.tableSize, 4_096))).repeat(500),
        kind: 'settings',
      },
      {
        name: 'full',
        bytes: settings(...Array.from({ length: 2_700 }, () => setting(0x77, 1))).repeat(20),
        kind: 'settings',
      },
      { name: 'answers', bytes: frame(FRAME.settings, ACK, 0).repeat(5_000), kind: 'settings' },
    ],
  },
  {
    title: 'SAFETY 116: PING without end, answers to none of ours among them, ends its connection',
    floods: [
      { name: 'questions', bytes: ping().repeat(5_000), kind: 'ping' },
      { name: 'answers', bytes: frame(FRAME.ping, ACK, 0, '12345678').repeat(5_000), kind: 'ping' },
    ],
  },
  {
    title: 'SAFETY 117: DATA without data ends its connection',
    floods: [{ name: 'of a request that goes on', bytes: post(1) + data(1, '').repeat(5_000), kind: 'empty_data' }],
  },
  {
    title: 'SAFETY 118: PRIORITY, GOAWAY and frames that nobody knows, without end, end their connection',
    floods: [
      { name: 'PRIORITY', bytes: frame(FRAME.priority, 0, 1, `${number32(3)}\0`).repeat(5_000), kind: 'priority' },
      { name: 'GOAWAY', bytes: goaway(0).repeat(1_000), kind: 'goaway' },
      { name: 'unknown', bytes: frame(0x77, 0, 1, 'x').repeat(5_000), kind: 'unknown_frames' },
      { name: 'unknown, with nothing in them', bytes: frame(0x77, 255, 0).repeat(5_000), kind: 'unknown_frames' },
    ],
  },
  {
    title: 'SAFETY 119: windows that open by one byte without end end their connection',
    floods: [
      { name: 'that of the connection', bytes: windowUpdate(0, 1).repeat(5_000), kind: 'window_update' },
      { name: 'that of a stream', bytes: post(1) + windowUpdate(1, 1).repeat(5_000), kind: 'window_update' },
    ],
  },
  {
    title: 'SAFETY 120: heads for streams that are over end their connection',
    floods: [{ name: 'that was reset by us', bytes: MALFORMED(1) + get(1).repeat(5_000), kind: 'stray_headers' }],
  },
];

for (const { title, floods } of CASES) {
  t.test(title, async (t) => {
    for (const { name, bytes, kind } of floods) {
      await inScope(async (scope) => {
        const stage = await hostileStage(scope);
        // It waits for its response all the while.
        const neighbour = await stage.client();
        neighbour.send(get(1, '/neighbour'));
        const waiting = await stage.backend.connection(0);
        await waiting.take('\r\n\r\n');
        const heads = answersAll(stage.backend);

        const client = await stage.client();
        await client.flood(bytes);
        t.equal(await client.code(FRAME.goaway), 'ENHANCE_YOUR_CALM', `${name}: the reason that the caller is told`);
        await client.wire.untilEnd();
        t.strictSame(stage.floods('downstream'), { [kind]: 1 }, `${name}: counted`);
        t.equal(stage.host.refused.at(-1), 'http2_flood', `${name}: the reason`);
        const left = (): boolean => stage.front.engine.http2Counters().downstream.connectionsOpen === 1;
        await eventually('its connection is gone', left);
        const { streamsOpen } = stage.front.engine.http2Counters().downstream;
        t.equal(streamsOpen, 1, `${name}: nothing is left but the stream of the neighbour`);
        t.equal(stage.front.engine.counters().requestsOpen, 1, `${name}: nor any other request`);

        waiting.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        t.equal((await neighbour.next(FRAME.data, 1)).payload, 'ok', `${name}: the neighbour has its response`);
        neighbour.send(get(3, '/next'));
        t.equal((await neighbour.next(FRAME.data, 3)).payload, 'ok', `${name}: and the next one`);
        t.equal(neighbour.count(FRAME.goaway), 0);
        t.ok(heads.some((head) => head.startsWith('GET /next ')));
      });
    }
  });
}

t.test('SAFETY 121: who goes on asking and reads no answers is cut off, with a bounded backlog', async (t) => {
  await inScope(async (scope) => {
    const stage = await hostileStage(scope);
    // Heads have no window that would hold them back.
    const head = `HTTP/1.1 204 No Content\r\nx-big: ${'v'.repeat(30_000)}\r\n\r\n`;
    stage.backend.onBytes = (end) => {
      while (end.text.includes('\r\n\r\n')) {
        end.forget(end.text.indexOf('\r\n\r\n') + 4);
        end.send(head);
      }
    };
    const client = await stage.client();
    client.wire.socket.pause();
    const open = (): boolean => stage.front.engine.http2Counters().downstream.connectionsOpen > 0;
    let most = 0;
    let asked = 0;
    // 300 MB of answers; the kernel takes a few of them.
    while (asked < 10_000 && client.wire.open) {
      client.send(Array.from({ length: 50 }, (_, index) => get(2 * (asked + index) + 1)).join(''));
      asked += 50;
      await eventually('answers, or the end', () => stage.host.outcomes.length >= asked || !open());
      most = Math.max(most, stage.front.engine.counters().bufferedBytes);
      if (!open()) break;
    }
    t.notOk(open(), 'it is cut off');
    t.ok(most < 16 * 1024 * 1024, `at most ${most} bytes were held`);
    t.strictSame(stage.floods('downstream'), { backlog: 1 });
    t.equal(stage.host.refused.at(-1), 'http2_flood');
    client.wire.reset();
    await eventually('nothing is held', () => stage.front.engine.counters().bufferedBytes < 32 * 1024);
    t.equal(stage.front.engine.http2Counters().downstream.streamsOpen, 0);
  });
});
