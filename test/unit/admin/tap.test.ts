/** `/tap` of the private endpoint, on both servers: what may be asked, what is told, and who gets nothing more. */
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { request } from 'undici';
import { MAX_TAPS, type NativeTapFilter } from '../../../src/addon/access-log.ts';
import { startEndpoint, type Endpoint } from '../../../src/admin/endpoint.ts';
import type { ServerName } from '../../../src/admin/endpoint-server.ts';
import { tapQuery } from '../../../src/admin/tap-query.ts';
import { TapStreams } from '../../../src/admin/tap-streams.ts';
import { onEachServer } from '../../support/endpoint-servers.ts';
import { eventually } from '../../support/eventually.ts';

const ANY: NativeTapFilter = {
  sample: 1,
  route: '',
  path: '',
  fields: [],
  minStatus: 0,
  maxStatus: 999,
  grpcStatus: -1,
};

for (const [query, filter] of [
  ['', {}],
  ['route=shop/web', { route: '"route":"shop/web",' }],
  ['route=shop/web&rule=0', { route: '"route":"shop/web","rule":"0",' }],
  ['code=503', { minStatus: 503, maxStatus: 503 }],
  ['code=5xx', { minStatus: 500, maxStatus: 599 }],
  ['code=UNAVAILABLE', { grpcStatus: 14 }],
  ['path=/a', { path: '/a' }],
  ['sample=.25', { sample: 0.25 }],
  [
    'header=X-User: a b&header=x-trace',
    {
      fields: [
        { name: 'x-user', value: 'a b' },
        { name: 'x-trace', value: null },
      ],
    },
  ],
] as const) {
  t.test(`a filter: ${query || 'none'}`, (t) => {
    t.same(tapQuery(query), { filter: { ...ANY, ...filter }, limit: null, durationMs: 600_000 });
    t.end();
  });
}

for (const [query, message] of [
  ['routes=a', /^routes: no such parameter, expected one of route, rule,/],
  ['route=web', /^route: got "web", expected NAMESPACE\/NAME/],
  ['route=shop/web"', /^route: /],
  ['route=a/b&route=a/c', /^route: is given more than once/],
  ['rule=0', /^rule: is of a route: route=NAMESPACE\/NAME is missing/],
  ['route=a/b&rule=-', /^rule: got "-"/],
  ['code=5x', /^code: got "5x", expected a status such as 503/],
  ['code=50', /^code: /],
  ['code=unavailable', /^code: /],
  ['path=a', /^path: got "a", expected the beginning of a path/],
  ['path=/a?b', /^path: /],
  [`path=/${'a'.repeat(2_048)}`, /^path: has more than 2048 characters/],
  ['header=', /^header: got ""/],
  ['header=a b:c', /^header: got "a b:c"/],
  [Array<string>(9).fill('header=a').join('&'), /^header: is given more than 8 times/],
  ['sample=0', /^sample: got "0"/],
  ['sample=1.1', /^sample: /],
  ['sample=1e-1', /^sample: /],
  ['limit=0', /^limit: got "0", expected a number from 1 to 1000000/],
  ['limit=1000001', /^limit: /],
  ['duration=500ms', /^duration: got "500ms", expected a duration from 1s to 1h/],
  ['duration=2h', /^duration: /],
] as const) {
  t.test(`refused: ${query.slice(0, 40)}`, (t) => {
    t.throws(() => tapQuery(query), { code: 'invalid-setting', message });
    t.end();
  });
}

interface Stage {
  readonly streams: TapStreams;
  /** Ids of taps that are on. */
  readonly on: Set<number>;
  readonly endpoint: Endpoint;
  open(query?: string): Promise<{ readonly lines: () => readonly unknown[]; ended(): Promise<void>; leave(): void }>;
  give(id: number, lines: readonly object[], dropped?: number): void;
}

async function start(t: Test, server: ServerName, signOfLifeMs?: number): Promise<Stage> {
  const on = new Set<number>();
  const streams = new TapStreams({ add: (id) => on.add(id), remove: (id) => on.delete(id) }, signOfLifeMs);
  const endpoint = await startEndpoint({
    ...{ address: '127.0.0.1', port: 0, flag: '--admin', server },
    routes: { '/tap': ({ query }) => streams.answer(tapQuery(query)) },
  });
  t.teardown(() => endpoint.close());
  return {
    ...{ streams, on, endpoint },
    async open(query = '') {
      const { body, statusCode, headers } = await request(`http://127.0.0.1:${endpoint.port}/tap?${query}`);
      t.equal(statusCode, 200);
      t.equal(headers['content-type'], 'application/x-ndjson');
      const lines: unknown[] = [];
      body.on('error', () => undefined);
      const reader = createInterface({ input: body }).on('line', (line) => lines.push(JSON.parse(line)));
      reader.on('error', () => undefined);
      const closed = new Promise<void>((resolve) => reader.once('close', resolve));
      return {
        lines: () => lines,
        ended: () => closed,
        leave: () => body.destroy(),
      };
    },
    give(id, lines, dropped = 0) {
      const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
      streams.give(id, { lines: Uint8Array.from(Buffer.from(text)), records: lines.length, dropped });
    },
  };
}

onEachServer('each caller gets what is for its tap, and what was left out', async (t, server) => {
  const stage = await start(t, server);
  const [first, second] = [await stage.open(), await stage.open()];
  stage.give(1, [{ n: 1 }, { n: 2 }]);
  stage.give(2, [{ n: 3 }], 5);
  stage.give(3, [{ n: 4 }]);
  await eventually('all of it', () => first.lines().length === 3 && second.lines().length === 3);
  t.same(first.lines(), [{ dropped: 0 }, { n: 1 }, { n: 2 }]);
  t.same(second.lines(), [{ dropped: 0 }, { n: 3 }, { dropped: 5 }]);
  t.same(stage.streams.figures(), { open: 2, records: 3, dropped: 5 });
  first.leave();
  await eventually('the tap is off', () => !stage.on.has(1));
  t.same([...stage.on], [2]);
  const closed = stage.streams.close();
  await closed;
  await second.ended();
  t.same(second.lines().at(-1), { dropped: 0, end: 'shutdown', records: 1, total_dropped: 5 });
  t.equal(stage.on.size, 0);
  t.equal((await request(`http://127.0.0.1:${stage.endpoint.port}/tap`)).statusCode, 503);
});

onEachServer('it ends with its limit, in the middle of what has come', async (t, server) => {
  const stage = await start(t, server);
  const tap = await stage.open('limit=3');
  stage.give(1, [{ n: 1 }]);
  stage.give(1, [{ n: 2 }, { n: 3 }, { n: 4 }]);
  stage.give(1, [{ n: 5 }]);
  await tap.ended();
  const end = { dropped: 0, end: 'limit', records: 3, total_dropped: 0 };
  t.same(tap.lines(), [{ dropped: 0 }, { n: 1 }, { n: 2 }, { n: 3 }, end]);
  t.equal(stage.on.size, 0);
});

onEachServer('it ends with its time, and there is a sign of life before', async (t, server) => {
  const stage = await start(t, server, 100);
  const tap = await stage.open('duration=1s');
  await tap.ended();
  const lines = tap.lines();
  t.same(lines.slice(0, 2), [{ dropped: 0 }, { dropped: 0 }]);
  t.same(lines.at(-1), { dropped: 0, end: 'duration', records: 0, total_dropped: 0 });
});

onEachServer('there are so many taps', async (t, server) => {
  const stage = await start(t, server);
  const all = [];
  for (let i = 0; i < MAX_TAPS; i++) all.push(await stage.open());
  const refused = await request(`http://127.0.0.1:${stage.endpoint.port}/tap`);
  t.equal(refused.statusCode, 429);
  t.match(await refused.body.text(), /^there are 8 taps already: end one of them\n$/);
  all[0]!.leave();
  await eventually('room', () => stage.on.size === MAX_TAPS - 1);
  await stage.open();
  t.ok(stage.on.has(MAX_TAPS + 1));
});

onEachServer('who does not read loses requests, is told how many, and holds up nobody', async (t, server) => {
  const stage = await start(t, server);
  const socket = connect(stage.endpoint.port, '127.0.0.1').pause();
  t.teardown(() => socket.destroy());
  socket.write('GET /tap HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await eventually('open', () => stage.on.has(1));
  const line = `${JSON.stringify({ filling: 'x'.repeat(10_000) })}\n`;
  const lines = { lines: Uint8Array.from(Buffer.from(line.repeat(50))), records: 50, dropped: 0 };
  // More than sockets and queue hold.
  let given = 0;
  await eventually('something is dropped', () => {
    stage.streams.give(1, lines);
    given += lines.records;
    return stage.streams.figures().dropped > 0;
  });
  stage.streams.give(1, lines);
  given += lines.records;
  const { records, dropped } = stage.streams.figures();
  t.equal(records + dropped, given, 'each is counted');
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString('latin1'))).resume();
  const closed = stage.streams.close();
  await closed;
  await eventually('the end', () => text.includes('"end":"shutdown"'));
  const told = [...text.matchAll(/\{"dropped":(\d+)/g)].map(([, count]) => Number(count));
  t.equal(
    told.reduce((sum, count) => sum + count, 0),
    dropped,
  );
  t.match(text, `"records":${records},"total_dropped":${dropped}}`);
});
